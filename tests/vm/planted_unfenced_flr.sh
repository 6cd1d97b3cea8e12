#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: stock
# run: all
# what: A reset that the IOMMU core does not fence (a function without the ATS capability) is seen by the check of stock_flr.
# images: fast
# base: none
# planted: host check flr_is_fenced: .* not fenced
# cpus: 2
# timeout: 240
# programs: vfio_pci_reset_test
# trace: smmuv3_cmdq_opcode pci_cfg_write
# host-check: flr_is_fenced
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1
# qemu: -device virtio-rng-pci,bus=rp0,ats=off,iommu_platform=on,disable-legacy=on,max-bytes=64,period=12
#
# One buffer of 64 bytes in 12 ms: a reset finds DMA in flight, and would find all
# of the queue's eight buffers written after the 100 ms of an FLR if DMA went on.
# DMA that meets the gap makes QEMU's device give up, which the reset heals; the
# SMMU drops it without an event.

. /lib/testlib.sh

bdf=$(bdf_of 1af4:1044) || die "no virtio-rng"
vfio_bind "$bdf"

exec vfio_pci_reset_test -r vfio_pci_reset.iommufd.a_reset_in_flight_stops_dma_until_the_next_init "$bdf"
