#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 11
# level: testdev
# what: A process whose address space a device shares is killed inside the device's reset.
# images: fast
# images-all: debug kcsan
# modes: race
# base: fail splat: warning: .* at pci_dev_reset_iommu_done
# base-also: at arm_smmu_invs_unref
# timeout: 180
# programs: testdev_sva
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

bdf=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
observer=$(bdf_of 1b36:11f0) || die "no second smmu-testdev"
testdev_module "$bdf"

exec testdev_sva -t process_exits_during_reset "$bdf" "$observer"
