#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: bench
# level: testdev
# what: Instructions that attach, replace, detach, map and unmap take.
# images: bench
# modes: deterministic
# base: pass
# timeout: 120
# programs: testdev_bench
# qemu: -device smmu-testdev,id=td0,addr=3.0,multifunction=on
# qemu: -device smmu-testdev,id=td1,addr=3.1,multifunction=on
# qemu: -device smmu-testdev,id=td2,addr=3.2,multifunction=on
# qemu: -device smmu-testdev,id=td3,addr=4,pasid-width=16
# qemu: -device edu,addr=5

. /lib/testlib.sh

function=$(bdf_of 1b36:11f0 4) || die "no four smmu-testdev"
vfio_bind 0000:00:03.0
vfio_bind "$function"
plain=$(bdf_of 1234:11e8) || die "no edu"
vfio_bind "$plain"

exec testdev_bench "$function" 0000:00:03.0 "$plain"
