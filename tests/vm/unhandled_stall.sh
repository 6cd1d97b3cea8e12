#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 48
# level: testdev
# what: Stalls whose function is removed before the driver reads of them have an end.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# modes: race
# base: fail # \d+ stalls, of which [1-9]\d* are still open after the removal
# timeout: 120
# programs: testdev_stall
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
#
# Race only: the thread that reads the event queue is kept from running, on a CPU of
# its own. The function has no driver, so that nobody attends to its faults.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"

exec testdev_stall -t stalls_end_when_their_function_is_removed "$observer" "$function"
