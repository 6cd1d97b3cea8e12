#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 14
# level: testdev
# what: A function that is removed while it is fenced, inside its reset or after one that failed, leaves nothing behind in its group.
# images: fast debug
# modes: deterministic
# base: pass
# bites-with: leak-recovery-count-on-removal
# bites-how: 16 - Device or resource busy
# run: all
# timeout: 240
# programs: testdev_shared
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td2,bus=rp0,addr=0.1
#
# The base passes. Its release of a blocked device is wrong, but from user space it
# cannot be reached: resets by sysfs and VFIO hold device_lock(), for which a removal
# waits. Only aer_root_reset() of an RCiEP resets without it, and needs an event
# collector (RCEC), which QEMU does not have.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
victim=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
sibling=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"
vfio_bind "$sibling"

status=0
for name in is_free_when_a_function_is_removed_after_a_failed_reset \
	is_free_when_a_function_is_removed_inside_its_reset; do
	echo "# run: testdev_shared -t $name"
	testdev_shared -t "$name" "$observer" "$victim" "$sibling" || status=1
	# A removed function comes back for the next one.
	echo 1 > /sys/bus/pci/rescan
done
exit $status
