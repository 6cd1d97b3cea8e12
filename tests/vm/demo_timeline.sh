#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: demo
# level: stock
# what: What DMA does during a reset and while reset_method is written, on one time scale with the kernel's steps.
# images: fast
# base: pass
# cpus: 2
# timeout: 120
# programs: reset_timeline
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1
# qemu: -device pcie-root-port,id=rp1,bus=pcie.0,chassis=2,slot=2
# qemu: -device virtio-rng-pci,bus=rp0,ats=on,iommu_platform=on,disable-legacy=on,max-bytes=64,period=4
# qemu: -device virtio-rng-pci,bus=rp1,ats=on,iommu_platform=on,disable-legacy=on,max-bytes=64,period=1
# trace: smmuv3_cmdq_opcode pci_cfg_read
#
# Lines "EV" come from reset_timeline (see the head of its source), lines "TR"
# from the kernel (see trace_dump in testlib.sh). Both count CLOCK_MONOTONIC. The
# first "begin" is that of the reset, with one buffer in 4 ms; the second that of
# the writes to reset_method, with one in 1 ms.

. /lib/testlib.sh

slow=$(bdf_of 1af4:1044 1) || die "no virtio-rng"
fast=$(bdf_of 1af4:1044 2) || die "no second virtio-rng"
vfio_bind "$slow"
vfio_bind "$fast"

trace_functions pci_dev_reset_iommu_prepare pci_dev_reset_iommu_done pcie_flr \
	pci_reset_bus_function iommu_dev_reset_prepare iommu_dev_reset_done

# The exit status says whether the experiment could be made, not what it showed.
status=0
number=0
experiment() {
	number=$((number + 1))
	if reset_timeline "$@"; then
		echo "ok $number $2"
	else
		echo "not ok $number $2"
		status=1
	fi
}

echo "1..2"
experiment -o reset "$slow"
experiment -o probe -m -w 60 "$fast"

trace_dump
exit $status
