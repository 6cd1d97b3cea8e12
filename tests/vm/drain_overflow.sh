#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 45
# level: testdev
# what: Stalls whose record found no room in the event queue, or was lost, have an end before the detach returns.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# modes: race
# base: fail # of \d+ stalls [1-9]\d* are open when a .* has returned
# timeout: 180
# programs: testdev_drain
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
# qemu: -global arm-smmuv3.evtqs=4
#
# Race only: the thread that reads the event queue is kept from running, on a CPU of
# its own.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
vfio_bind "$function"

exec testdev_drain -t stalls_without_a_record_end_with_the_detach \
	-t stalls_whose_record_was_lost_end_with_the_detach "$observer" "$function"
