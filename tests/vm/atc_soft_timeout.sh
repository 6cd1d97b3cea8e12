#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 30
# level: testdev
# run: all
# what: An ATC invalidation without an answer, and a command queue that stands still: who is at its head is reported and fenced later, who is behind is not.
# images: fast
# images-all: debug kcsan
# modes: race deterministic
# base: fail violation ats-marked: [1-9]
# timeout: 240
# programs: testdev_atc
# show: unmap took
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

guilty=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
innocent=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$guilty"
vfio_bind "$innocent"

exec testdev_atc -t who_does_not_answer_in_time_is_fenced_later "$guilty" "$innocent"
