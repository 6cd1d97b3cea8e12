#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 8 25
# level: stock
# what: Behind a virtio-iommu, whose driver has no gate, a reset in flight stops DMA, and a domain attached inside of it is what translates after it.
# images: fast
# images-all: debug
# base: fail attach of another address space inside the reset: -16
# bites-without: iommu-virtio-Say-in-advance-whether-a-device-can-be-attached
# bites-how: attach of another address space inside the reset: -16
# iommu: virtio
# cpus: 2
# timeout: 240
# programs: vfio_pci_reset_test reset_attach
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1
# qemu: -device virtio-rng-pci,bus=rp0,ats=on,iommu_platform=on,disable-legacy=on,max-bytes=64,period=12
#
# The reset is an FLR, which takes 100 ms: as long as there is time for the attach.

. /lib/testlib.sh

bdf=$(bdf_of 1af4:1044) || die "no virtio-rng"
[ "$(basename "$(readlink -f "$PCI_DEVICES/$bdf/iommu/device/driver")")" = virtio_iommu ] ||
	die "$bdf is not behind a virtio-iommu"
vfio_bind "$bdf"
trace_functions vfio_df_ioctl_attach_pt pci_dev_reset_iommu_prepare pci_dev_reset_iommu_done

status=0
echo "# run: vfio_pci_reset_test"
vfio_pci_reset_test -f vfio_pci_reset "$bdf" || status=1
echo "# run: reset_attach"
reset_attach "$bdf" || status=1
trace_dump
exit $status
