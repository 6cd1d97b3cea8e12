#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 15
# level: testdev
# what: Over resets by VFIO, by sysfs, of the bus and by a close, PASID control is not written while ATS is enabled, and PASIDs work after each.
# images: fast
# images-all: debug
# modes: deterministic
# base: fail writes of PASID control while ATS was enabled, in VFIO_DEVICE_RESET: [1-9]
# base-also: while ATS was enabled, in the attribute reset: [1-9]
# timeout: 120
# programs: testdev_reset
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0,pasid-width=16,stall=on

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev with PASIDs"
vfio_bind "$function"

exec testdev_reset -t has_its_pasids_back_before_ats "$observer" "$function"
