#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 2
# level: testdev
# run: all
# what: Resets that nest fence and unfence a function once, and its state is what the last definite result says.
# images: fast
# modes: deterministic race
# base: none
# bites-with: recovery-first-result-wins recovery-not-done-opens recovery-done-unasked recovery-docks-the-group
# bites-with: gate-holds-the-cds
# bites-how: the last definite result of sequence 0 does not count
# timeout: 120
# programs: testdev_recovery
# modules: smmu_testdev
# trace: smmutd_*
# host-check: testdev_one_fence
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4
#
# One image has all that is planted for the tests of the recovery state; each has to
# see its own.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
testdev_module "$function"
record_uevents

exec testdev_recovery -t is_fenced_and_unfenced_once_by_nested_resets \
	-t is_what_the_last_definite_result_says -t is_not_left_in_a_reset_by_its_driver "$observer" "$function"
