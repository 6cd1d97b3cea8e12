#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: testdev
# what: Functions below a port that do what the specifications ask come through a hot reset and errors, and the oracle sees nothing.
# images: fast debug
# modes: deterministic race
# base: pass
# timeout: 240
# programs: testdev_benign_bus
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td2,bus=rp0,addr=0.1
# qemu: -device pcie-root-port,id=rp1,bus=pcie.0,addr=5,chassis=2,slot=2
# qemu: -device smmu-testdev,id=td3,bus=rp1
#
# Removal is a test of its own, benign_slot: it cannot be made with lockdep at work.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
one=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
two=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"
other=$(bdf_of 1b36:11f0 4) || die "no fourth smmu-testdev"
for function in "$one" "$two" "$other"; do
	vfio_bind "$function"
done

exec testdev_benign_bus -F slot "$observer" "$one" "$two" "$other"
