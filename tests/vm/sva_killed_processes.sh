#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 42
# level: testdev
# what: Processes are killed while their faults are in flight: none of them is open when the unbind has returned.
# images: fast
# images-all: debug
# modes: race
# base: fail (corruption|use-after-free|underflow|Unable to handle kernel)[\s\S]{0,4000}iommu_sva_handle_iopf|# in [1-9]\d* of \d+ rounds stalls were open when the unbind had returned
# timeout: 180
# programs: testdev_sva
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4
#
# "cmdline: SMTD_ROUNDS=1000 SMTD_SEED=1" makes it 1000 rounds, of a chosen seed.

. /lib/testlib.sh

bdf=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
observer=$(bdf_of 1b36:11f0) || die "no second smmu-testdev"
testdev_module "$bdf"

exec testdev_sva -t processes_are_killed_with_faults_in_flight "$bdf" "$observer"
