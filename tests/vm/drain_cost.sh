#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 44
# level: testdev
# what: What a detach costs: records of the event queue that it reads, and commands, by how many are outstanding.
# images: fast
# images-all: debug
# modes: race
# base: fail # COST +0 +256 +\d+ +\d+ +\d+ +[1-9]\d*
# timeout: 180
# programs: testdev_drain
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
# show: ^# COST
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

exec testdev_drain -t records_and_commands_are_counted "$observer" "$function"
