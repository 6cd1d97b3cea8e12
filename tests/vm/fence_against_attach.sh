#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 31
# level: testdev
# what: An attach that is stopped at each of its steps, begun before a fence or behind it, never opens what the fence has shut.
# images: fast
# images-all: debug kcsan
# modes: race
# base: fail in place of \d inside the reset: -16
# bites-with: gate-opens-for-an-attach gate-answers-old-stalls
# bites-how: the gate is open inside an attach
# timeout: 240
# programs: testdev_steps
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16
#
# One image has all that is planted for the tests of the gate; each has to see its own.
# Race only: one CPU waits for a CMD_SYNC with interrupts off while the other looks.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
testdev_module "$function"

exec testdev_steps "$observer" "$function"
