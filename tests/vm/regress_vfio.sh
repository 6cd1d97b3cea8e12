#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 51
# level: stock
# what: The VFIO selftests of the kernel that can run here give the same results with and without the series.
# images: fast
# beside: nothing in it depends on time
# base: same
# programs-from: base
# programs: vfio_dma_mapping_test vfio_dma_mapping_mmio_test vfio_iommufd_setup_test vfio_pci_device_test vfio_pci_device_init_perf_test
# timeout: 240
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1
# qemu: -device virtio-rng-pci,bus=rp0,ats=on,iommu_platform=on,disable-legacy=on
#
# Not among them: vfio_pci_driver_test and vfio_pci_sriov_uapi_test, for which
# QEMU 7.2 has no device.

. /lib/testlib.sh

bdf=$(bdf_of 1af4:1044) || die "no virtio-rng"
vfio_bind "$bdf"
echo 64 > /proc/sys/vm/nr_hugepages

for program in vfio_dma_mapping_test vfio_dma_mapping_mmio_test vfio_iommufd_setup_test \
	vfio_pci_device_test vfio_pci_device_init_perf_test; do
	echo "# run: $program"
	"$program" "$bdf"
done
exit 0
