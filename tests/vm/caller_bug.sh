#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 18
# level: testdev
# run: all
# what: The end of a reset that was not begun, a bug of its caller, is warned of once and changes nothing.
# images: fast
# modes: deterministic
# base: none
# bites-with: recovery-first-result-wins recovery-not-done-opens recovery-done-unasked recovery-docks-the-group
# bites-with: gate-holds-the-cds
# bites-how: changed by the end of a reset that was not begun
# expect-splat: WARNING: .*iommu-recovery\.c:\d+ at iommu_dev_reset_done
# timeout: 120
# programs: testdev_recovery
# modules: smmu_testdev
# trace: smmutd_*
# host-check: testdev_no_ste_write
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
testdev_module "$function"
record_uevents

testdev_recovery -t is_not_changed_by_a_done_without_a_prepare "$observer" "$function" || exit 1

warnings=$(dmesg | grep -c 'at iommu_dev_reset_done')
echo "# $warnings warning(s) of six calls"
[ "$warnings" -eq 1 ]
