#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 30b
# level: testdev
# run: all
# what: A quarantined function that is away in its reset, and whose invalidations are answered as unsupported, stays fenced; one that is there is let back.
# images: fast
# images-all: debug
# modes: deterministic race
# base: fail of a function that was away in it reached a freed page: [1-9]
# timeout: 240
# programs: testdev_reset
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td2,bus=rp0,addr=0.1

. /lib/testlib.sh

observer_and_two

# The kernel waits more than a minute for an FLR: only where time is counted.
[ "$(nproc)" -gt 1 ] || set -- -t function_that_is_away_in_its_flr_stays_fenced

# shellcheck disable=SC2154 # set by observer_and_two
exec testdev_reset "$@" -t function_that_is_away_in_a_hot_reset_stays_fenced \
	"$observer" "$one" "$two"
