#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 45
# level: testdev
# run: all
# what: The same where all interrupts of the SMMU are one.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# modes: race
# base: fail # of \d+ stalls [1-9]\d* are open when a .* has returned
# timeout: 180
# programs: testdev_drain
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
# qemu: -global arm-smmuv3.irqs=combined
#
# Race only: the thread that reads the event queue is kept from running, on a CPU of
# its own.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
vfio_bind "$function"

grep -q arm-smmu-v3-combined-irq /proc/interrupts || die "the SMMU has other interrupts than a combined one"

exec testdev_drain \
	-t stalls_end_with_the_detach \
	-t stalls_end_with_the_replace \
	-t stalls_end_with_the_detach_of_their_pasid \
	-t stalls_whose_record_was_lost_end_with_the_detach \
	"$observer" "$function"
