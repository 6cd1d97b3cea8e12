#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 52
# level: testdev
# what: Each allocation of attach, replace, bind, map and reset fails once, inside of a reset too: nothing is done, leaked or complained of.
# images: debug
# modes: race
# base: pass
# run: all
# timeout: 300
# programs: smmu-testdev-fail-nth
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
#
# Image debug: it has failslab, and kmemleak looks for what is left behind.

. /lib/testlib.sh

bdf=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
[ -d /sys/kernel/debug/failslab ] || die "no failslab in this kernel"
testdev_module "$bdf"

exec smmu-testdev-fail-nth
