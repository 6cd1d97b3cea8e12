#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 14
# level: testdev
# what: A function that is removed while it is fenced, inside its reset or after one that failed, leaves nothing behind in its group.
# images: fast debug
# modes: deterministic
# base: pass
# bites-with: gate-drops-its-domain-twice recovery-keeps-the-group
# bites-how: violation dma-marked[\s\S]*the group is still there
# run: all
# timeout: 240
# programs: testdev_shared
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td2,bus=rp0,addr=0.1
#
# The base passes. Its release of a blocked device is wrong, but from user space it
# cannot be reached: resets by sysfs and VFIO hold device_lock(), for which a removal
# waits, and after a reset that failed it does not block. Only aer_root_reset() of an
# RCiEP resets without the lock, and needs an event collector (RCEC), which QEMU does
# not have.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
victim=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
sibling=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"
group=$(readlink -f "$PCI_DEVICES/$victim/iommu_group")

status=0
run() {
	echo "# run: testdev_shared -t $1"
	testdev_shared -t "$1" "$observer" "$victim" "$sibling" || status=1
}

vfio_bind "$sibling"
run is_free_when_a_function_is_removed_after_a_failed_reset
run is_free_when_a_function_is_removed_inside_its_reset

# The module takes whatever it knows and has no driver: also the observer.
echo > "$PCI_DEVICES/$sibling/driver_override"
echo "$sibling" > "$PCI_DEVICES/$sibling/driver/unbind"
testdev_module "$victim" "$sibling"
run is_invalidated_when_a_fenced_function_is_removed
run is_free_when_a_function_is_removed_before_its_done

# With its last function the group goes as well.
echo 1 > "$PCI_DEVICES/$victim/remove"
echo 1 > "$PCI_DEVICES/$sibling/remove"
if [ -d "$group" ]; then
	echo "# the group is still there"
	status=1
fi
exit $status
