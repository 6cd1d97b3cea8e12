#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 11
# level: testdev
# what: Inside a reset a process dies whose address space is shared, a domain is replaced and freed, and the VFIO file is closed: nothing is left behind, and siblings go on.
# images: debug
# images-all: kcsan
# modes: race
# base: fail splat: warning: .* at pci_dev_reset_iommu_done
# run: all
# timeout: 300
# programs: testdev_sva testdev_window
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16
# qemu: -device smmu-testdev,id=td2,addr=5,pasid-width=16
# qemu: -device smmu-testdev,id=td3,addr=6,pasid-width=16,stall=on
#
# Image debug: kmemleak, KASAN and lockdep say what is left behind.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
sibling=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"
stalling=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"

groups() {
	find /sys/kernel/iommu_groups -mindepth 1 -maxdepth 1 | wc -l
}
before=$(groups)

status=0
vfio_bind "$function"
vfio_bind "$sibling"
for round in 1 2; do
	echo "# run: testdev_window -f closed, round $round"
	testdev_window -f closed "$observer" "$function" "$sibling" || status=1
	echo "# run: testdev_window -t domain_is_freed_inside_a_reset, round $round"
	testdev_window -t domain_is_freed_inside_a_reset "$observer" "$function" || status=1
done

testdev_module "$stalling"
for round in 1 2; do
	echo "# run: testdev_sva, round $round"
	testdev_sva -t process_exits_during_reset "$stalling" "$observer" || status=1
done

# The module takes whatever it knows and has no driver; with the last function the group goes.
for bdf in "$function" "$sibling" "$stalling"; do
	echo 1 > "$PCI_DEVICES/$bdf/remove"
done
after=$(groups)
echo "# IOMMU groups: $before, and $after without three functions"
[ "$after" -eq $((before - 3)) ] || status=1
exit $status
