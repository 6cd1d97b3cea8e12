#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 38
# level: testdev
# what: The operators' program shows a quarantined function, watches it by uevents of the kernel and of nobody else, and resets it.
# images: fast
# images-all: debug
# modes: deterministic race
# base: fail this kernel has no iommu_recovery; it needs the iommu-recovery series
# timeout: 180
# programs: testdev_tool iommu-recovery
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
testdev_module "$function"

# The kernel waits for more than a minute of the guest's time, which is short only where
# it is counted in instructions.
[ "$(nproc)" -eq 1 ] || set -- -T says_that_a_reset_has_failed

exec testdev_tool "$@" "$observer" "$function"
