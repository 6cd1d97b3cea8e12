#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 42
# level: testdev
# run: all
# what: An SVA unbind waits for a fault that was handed to the workqueue.
# images: fast
# images-all: debug kcsan
# modes: race
# base: fail (refcount_t: underflow; use-after-free|ODEBUG: free active)[\s\S]{0,3000}iommu_sva_handle_iopf
# timeout: 180
# programs: testdev_sva
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

bdf=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
observer=$(bdf_of 1b36:11f0) || die "no second smmu-testdev"
testdev_module "$bdf"

# The program looks there for the order of things.
trace_functions iommu_report_device_fault iommu_sva_handle_iopf iopf_free_group iommu_sva_unbind_device

exec testdev_sva -t unbind_waits_for_a_queued_fault "$bdf" "$observer"
