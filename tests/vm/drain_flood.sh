#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 44
# level: testdev
# run: all
# what: A detach ends stalls, within a bound, while another function floods the event queue.
# images: fast
# images-all: debug
# modes: race
# base: fail # of \d+ stalls [1-9]\d* are open when a .* has returned
# timeout: 180
# programs: testdev_drain
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
# qemu: -global arm-smmuv3.evtqs=8
# trace: smmutd_cmd smmutd_stall smmutd_stall_end smmutd_overflow smmutd_violation
#
# Race only: the thread that reads the event queue is kept from running, on a CPU of
# its own.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
vfio_bind "$function"

# The program counts there what is read of the queue.
trace_functions arm_smmu_handle_event

exec testdev_drain -t stalls_in_a_flood_end_with_the_detach \
	-t stalls_in_a_flood_that_is_read_end_with_the_replace "$observer" "$function"
