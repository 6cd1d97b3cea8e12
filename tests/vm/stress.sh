#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 49
# level: testdev
# what: Attaches, unmaps, resets, silent ATCs, dying processes and removals at random, of four functions at the same time.
# images: fast
# images-all: debug kcsan
# modes: race deterministic
# base: fail violation \S+: [1-9]|reaches memory after its unmap|Stalls are open after|WARNING: .*|underflow|use-after-free
# run: all
# timeout: 300
# programs: testdev_stress
# modules: smmu_testdev
# show: SMTD_SEED
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16
# qemu: -device smmu-testdev,id=td2,addr=5,pasid-width=16
# qemu: -device smmu-testdev,id=td3,addr=6,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td4,addr=7
#
# "cmdline: SMTD_SEED=N" repeats the choices of a run, SMTD_SECONDS=600 makes it ten minutes
# of the guest's time, and SMTD_ROUNDS=N ends each thread after so many.

. /lib/testlib.sh

stress_functions
# shellcheck disable=SC2086,SC2154 # several words, of stress_functions
exec testdev_stress $functions
