#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 50
# level: stock
# what: A reset in flight of a function with the ATS capability stops its DMA; once it is started again its DMA works.
# images: fast
# images-all: debug
# base: pass
# cpus: 2
# timeout: 240
# programs: vfio_pci_reset_test
# trace: smmuv3_cmdq_opcode pci_cfg_write
# host-check: flr_is_fenced
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1
# qemu: -device virtio-rng-pci,bus=rp0,ats=on,iommu_platform=on,disable-legacy=on,max-bytes=64,period=12
#
# One buffer of 64 bytes in 12 ms: a reset finds DMA in flight, and would find all
# of the queue's eight buffers written after the 100 ms of an FLR if DMA went on.
# DMA that meets the gap makes QEMU's device give up, which the reset heals; the
# SMMU drops it without an event.

. /lib/testlib.sh

bdf=$(bdf_of 1af4:1044) || die "no virtio-rng"
vfio_bind "$bdf"

exec vfio_pci_reset_test -f vfio_pci_reset "$bdf"
