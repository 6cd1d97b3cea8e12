#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 39 30b
# level: testdev
# what: A function that does not answer the invalidation after its reset stays fenced, quarantined for that reason, until it answers after another one.
# images: fast
# images-all: debug
# modes: deterministic race
# base: fail its invalidation has no answer; DMA reached memory: [1-9]
# timeout: 180
# programs: testdev_gate
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
testdev_module "$function"
record_uevents

# In time that is counted in instructions each second for which the kernel waits is a
# long one: an answer that never comes is for several CPUs.
[ "$(nproc)" -gt 1 ] || set -- -V never

exec testdev_gate "$@" -t that_does_not_come_keeps_the_function_fenced \
	-t stays_shut_for_a_function_that_has_vanished "$observer" "$function"
