#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: boot
# level: testdev
# what: The machine of the testdev level boots, and Linux sees ATS, substreams and stalls in its SMMU.
# images: fast debug
# modes: deterministic race
# base: pass
# timeout: 90
# qemu: -device smmu-testdev,id=td0,pasid-width=16,stall=on

. /lib/testlib.sh

echo "1..2"
bdf=$(bdf_of 19e5:a250) || die "no smmu-testdev"
if [ -d "$PCI_DEVICES/$bdf/iommu_group" ]; then
	echo "ok 1 the function is behind the SMMU"
else
	echo "not ok 1 the function is behind the SMMU"
fi
if dmesg | grep -q 'arm-smmu-v3.*features 0x'; then
	dmesg | grep 'arm-smmu-v3.*features 0x'
fi
# PRI is absent from this SMMU; the stall model makes it a fault-capable one.
if dmesg | grep -q 'arm-smmu-v3.*allocated .* entries for evtq'; then
	echo "ok 2 the SMMU has an event queue"
else
	echo "not ok 2 the SMMU has an event queue"
fi
