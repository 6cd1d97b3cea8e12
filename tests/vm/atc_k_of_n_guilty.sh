#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 30c
# level: testdev
# run: all
# what: Of eight functions in one domain several do not answer: two are asked in vain, who comes after them is fenced as unproven, who has answered works on.
# images: fast
# images-all: debug kcsan
# modes: deterministic race
# base: fail violation ats-marked: [1-9]
# timeout: 240
# programs: testdev_blame
# show: errors
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4
# qemu: -device smmu-testdev,id=td2,addr=5
# qemu: -device smmu-testdev,id=td3,addr=6
# qemu: -device smmu-testdev,id=td4,addr=7
# qemu: -device smmu-testdev,id=td5,addr=8
# qemu: -device smmu-testdev,id=td6,addr=9
# qemu: -device smmu-testdev,id=td7,addr=10

. /lib/testlib.sh

vfio_functions 8

# shellcheck disable=SC2086,SC2154 # several words, of vfio_functions
exec testdev_blame -t k_of_n_guilty $functions
