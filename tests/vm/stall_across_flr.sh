#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 47a
# level: testdev
# what: A transaction that stalled before a reset does not reach memory after it, whatever its late answer says.
# images: fast
# images-all: debug
# modes: deterministic race
# base: fail violation stall-flr: [1-9]
# base-also: a stall of before the reset is outstanding after it
# bites-with: gate-opens-for-an-attach gate-answers-old-stalls
# bites-how: the answer to a stall before the reset has ended one after it
# timeout: 120
# programs: testdev_stall
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
vfio_bind "$function"

exec testdev_stall -t of_the_time_before_a_reset_do_not_complete_after_it \
	-t of_the_time_before_a_reset_are_not_answered_after_it "$observer" "$function"
