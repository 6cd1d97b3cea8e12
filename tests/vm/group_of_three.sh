#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 17
# level: testdev
# run: all
# what: A reset of one function of a group, and one that fails, touches neither the stream table entries nor the DMA of the other two.
# images: fast
# modes: deterministic race
# base: none
# bites-with: recovery-first-result-wins recovery-not-done-opens recovery-done-unasked recovery-docks-the-group
# bites-with: gate-holds-the-cds
# bites-how: host check testdev_others_untouched: .* stream table entries of others were changed
# timeout: 120
# programs: testdev_recovery
# modules: smmu_testdev
# trace: smmutd_*
# host-check: testdev_others_untouched
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4.0,multifunction=on
# qemu: -device smmu-testdev,id=td2,addr=4.1
# qemu: -device smmu-testdev,id=td3,addr=4.2

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
one=$(bdf_of 1b36:11f0 2) || die "no four functions"
two=$(bdf_of 1b36:11f0 3) || die "no four functions"
three=$(bdf_of 1b36:11f0 4) || die "no four functions"
testdev_module "$one" "$two" "$three"
record_uevents

exec testdev_recovery -t of_three_is_untouched_by_a_reset_of_one "$observer" "$one" "$two" "$three"
