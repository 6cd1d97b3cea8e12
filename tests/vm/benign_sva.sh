#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: benign
# level: testdev
# what: Faults of an SVA device are served, and nothing is reached that a process has given back.
# images: fast debug
# modes: deterministic race
# base: pass
# timeout: 180
# programs: testdev_sva
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

bdf=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
observer=$(bdf_of 1b36:11f0) || die "no second smmu-testdev"
testdev_module "$bdf"

exec testdev_sva -f good "$bdf" "$observer"
