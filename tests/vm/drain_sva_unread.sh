#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 43
# level: testdev
# run: all
# what: Stalls of an address space that nobody has read of yet have an end before the unbind returns.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# modes: race
# base: fail # of 8 stalls [1-9]\d* are open when the unbind has returned
# timeout: 180
# programs: testdev_sva
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4
#
# Race only: the thread that reads the event queue is kept from running, on a CPU of
# its own.

. /lib/testlib.sh

bdf=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
observer=$(bdf_of 1b36:11f0) || die "no second smmu-testdev"
testdev_module "$bdf"

exec testdev_sva -t unbind_ends_what_nobody_has_read "$bdf" "$observer"
