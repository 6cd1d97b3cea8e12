#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 26
# level: testdev
# what: When an ATC invalidation fails, the function is fenced before the unmap returns: it does not write to the page any more.
# images: fast debug
# images-all: kcsan
# modes: deterministic race
# base: fail violation ats-marked: [1-9]
# timeout: 120
# programs: testdev_atc
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

guilty=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
innocent=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$guilty"
vfio_bind "$innocent"

exec testdev_atc -t a_failed_invalidation_fences_before_the_unmap_returns "$guilty" "$innocent"
