#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 32
# level: testdev
# run: all
# what: No flush leaves a guilty function out before the SMMU has done the CFGI_STE of its fence, also if that is given up; for a reset only that function is left out.
# images: fast
# images-all: debug kcsan
# modes: race
# base: none
# bites-with: skip-before-sync
# bites-how: (?s)flush 1 has returned before the CFGI_STE.*sent by a flush that found no fence: 0
# cpus: 4
# timeout: 180
# programs: testdev_skip
# show: the second flush came between
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4
#
# Race only: two CPUs flush at the same time, a third one watches them, and a fourth one is there for
# the work item that fences the function, which waits with interrupts off.

. /lib/testlib.sh

guilty=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
other=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$guilty"
vfio_bind "$other"

exec testdev_skip "$guilty" "$other"
