#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 49
# level: testdev
# what: As stress, for ten minutes of the guest's time.
# images: fast
# images-all: debug kcsan
# modes: race
# base: none
# run: all
# timeout: 1500
# programs: testdev_stress
# modules: smmu_testdev
# cmdline: SMTD_SECONDS=600
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16
# qemu: -device smmu-testdev,id=td2,addr=5,pasid-width=16
# qemu: -device smmu-testdev,id=td3,addr=6,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td4,addr=7

. /lib/testlib.sh

stress_functions
# shellcheck disable=SC2086,SC2154 # several words, of stress_functions
exec testdev_stress $functions
