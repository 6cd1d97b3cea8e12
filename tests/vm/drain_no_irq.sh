#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 45
# level: testdev
# run: all
# what: The same where the SMMU has no interrupt: nobody reads of events until a domain is left.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# modes: race
# base: fail # of \d+ stalls [1-9]\d* are open when a .* has returned
# timeout: 180
# programs: testdev_drain
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
# qemu: -global arm-smmuv3.irqs=none
#
. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
vfio_bind "$function"

! grep -q arm-smmu-v3 /proc/interrupts || die "the SMMU has interrupts"

exec testdev_drain \
	-t stalls_end_with_the_detach \
	-t stalls_end_with_the_replace \
	-t stalls_end_with_the_detach_of_their_pasid \
	"$observer" "$function"
