#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 7
# level: testdev
# run: all
# what: A function that does not come back from a hot reset stays fenced while its neighbour works, until a hot reset from which it comes back.
# images: fast
# images-all: debug
# modes: deterministic
# base: fail of a function that has not come back reached memory: [1-9]
# timeout: 120
# programs: testdev_reset
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td2,bus=rp0,addr=0.1

. /lib/testlib.sh

observer_and_two

# shellcheck disable=SC2154 # set by observer_and_two
exec testdev_reset -t function_that_does_not_come_back_stays_fenced "$observer" "$one" "$two"
