#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 28
# level: testdev
# run: all
# what: An ATC error that shows at another function's CMD_SYNC fences the function that did not answer, and no other.
# images: fast
# images-all: debug kcsan
# modes: race
# base: fail violation ats-marked: [1-9]
# base-also: round \d+: [1-9]\d* ATC errors at a CMD_SYNC of another flush
# cpus: 3
# timeout: 180
# programs: testdev_atc
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16
# qemu: -device smmu-testdev,id=td1,addr=4
#
# Race only: two CPUs flush at the same time, a third one takes the interrupt of the error.

. /lib/testlib.sh

guilty=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
innocent=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$guilty"
vfio_bind "$innocent"

exec testdev_atc -t an_error_at_another_flush_blames_the_guilty_only "$guilty" "$innocent"
