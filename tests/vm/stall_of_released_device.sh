#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 47
# level: testdev
# what: No stall of a function is open when it has been removed, or was pulled out of its slot, with its driver bound.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# modes: race
# base: fail # of \d+ stalls [1-9]\d* are open when their function has been released
# base-also: violation stall-open: [1-9]
# timeout: 180
# programs: testdev_drain
# modules: smmu_testdev
# expect-splat: possible circular locking dependency detected[\s\S]{1,250}-pciehp/\d+ is trying to acquire lock:\n.*(pci_rescan_remove_lock|reset_lock)
# lockdep-off: pciehp has one lock class for the reset_lock of all ports and takes it around and inside pci_rescan_remove_lock
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,stall=on
# qemu: -device smmu-testdev,id=td2,addr=5,stall=on
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=6,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td3,bus=rp0,stall=on
#
# Race only: the thread that reads the event queue is kept from running, on a CPU of
# its own.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
held=$(bdf_of 19e5:a250 1) || die "no three functions that can stall"
unread=$(bdf_of 19e5:a250 2) || die "no three functions that can stall"
pulled=$(bdf_of 19e5:a250 3) || die "no three functions that can stall"
testdev_module "$held" "$unread" "$pulled"

status=0
run() {
	echo "# run: testdev_drain $1"
	testdev_drain -t "$1" "$observer" "$2" || status=1
}

run stalls_in_the_hands_of_a_handler_end "$held"
# This one before the last, which leaves its stalls behind where they have no end.
run stalls_of_a_function_that_was_pulled_out_end "$pulled"
run stalls_that_nobody_has_read_end "$unread"
exit $status
