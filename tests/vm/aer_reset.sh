#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 7a
# level: testdev
# what: Error recovery that resets the link fences the function from before until after it, and leaves it fenced when it does not come back; one without a reset does not.
# images: fast
# images-all: debug
# modes: deterministic
# base: fail inside the reset of the link reached memory: [1-9]
# timeout: 240
# programs: testdev_links
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0
#
# Deterministic only: it has windows of the guest's time.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
testdev_module "$function"

status=0
for t in is_fenced_while_it_is_reset_for_a_fatal_error is_not_fenced_for_an_error_without_a_reset \
	 can_be_removed_inside_of_the_reset stays_fenced_when_it_does_not_come_back; do
	echo "# run: testdev_links -t $t"
	testdev_links -t "$t" "$observer" "$function" || status=1
	# A driver counts its calls since it was bound.
	echo "$function" > "$PCI_DEVICES/$function/driver/unbind"
	echo "$function" > /sys/bus/pci/drivers_probe
done
exit $status
