#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 42
# level: testdev
# run: all
# what: A detach waits for the fault handler of its domain that is running.
# images: fast
# images-all: debug kcsan
# modes: race
# base: fail handlers that outlived the detach: 1
# base-also: refcount_t: underflow; use-after-free|Unable to handle kernel
# timeout: 180
# programs: testdev_sva
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

bdf=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
observer=$(bdf_of 1b36:11f0) || die "no second smmu-testdev"
testdev_module "$bdf"

exec testdev_sva -t detach_waits_for_a_running_handler "$bdf" "$observer"
