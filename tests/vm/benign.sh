#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: testdev
# what: With a function that does what the specifications ask, translation, PASIDs, ATS, stalls and resets work, and the oracle sees nothing.
# images: fast debug
# modes: deterministic race
# base: pass
# timeout: 240
# programs: testdev_benign
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0

. /lib/testlib.sh

pasid=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
ats=$(bdf_of 1b36:11f0) || die "no second smmu-testdev"
vfio_bind "$pasid"
vfio_bind "$ats"

exec testdev_benign "$pasid" "$ats"
