#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 29
# level: testdev
# what: An error of the command queue is seen by who waits for it, when its interrupt cannot come.
# images: fast
# modes: deterministic
# base: fail unmap took [1-9]\d{6} us
# timeout: 120
# programs: testdev_blame
# show: one CPU
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16
# qemu: -device smmu-testdev,id=td1,addr=4
# qemu: -device smmu-testdev,id=td2,addr=5
# qemu: -device smmu-testdev,id=td3,addr=6
# qemu: -device smmu-testdev,id=td4,addr=7
# qemu: -device smmu-testdev,id=td5,addr=8
# qemu: -device smmu-testdev,id=td6,addr=9
# qemu: -device smmu-testdev,id=td7,addr=10
#
# Deterministic, which is one CPU.

. /lib/testlib.sh

vfio_functions 8

# shellcheck disable=SC2086,SC2154 # several words, of vfio_functions
exec testdev_blame -t an_error_does_not_wait_for_its_interrupt $functions
