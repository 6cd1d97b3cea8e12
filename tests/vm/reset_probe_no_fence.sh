#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 6
# level: stock
# run: all
# what: Writing reset_method, which only asks whether a method exists, neither interrupts DMA nor writes a stream table entry.
# images: fast
# images-all: debug
# base: fail DMA interrupted: write of "bus" to reset_method
# base-also: host check no_ste_write: stream table entries were changed
# cpus: 2
# timeout: 240
# programs: vfio_pci_reset_test reset_timeline
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1
# qemu: -device virtio-rng-pci,bus=rp0,ats=on,iommu_platform=on,disable-legacy=on,max-bytes=64,period=1
# trace: smmuv3_cmdq_opcode pci_cfg_read
# host-check: no_ste_write
#
# One buffer in each millisecond, the most that QEMU's limit can do, because a write
# to reset_method closes the stream table entry of an unpatched kernel for only a
# part of a millisecond.
#
# Two witnesses: the device, whose DMA must go on after every write; and QEMU's
# SMMU, which must see no CFGI_STE between mark 1 and mark 2, the two accesses to
# configuration offsets 0xff1 and 0xff2 that reset_timeline makes around its
# writes. The second does not depend on when DMA comes.

. /lib/testlib.sh

bdf=$(bdf_of 1af4:1044) || die "no virtio-rng"
vfio_bind "$bdf"

status=0
reset_timeline -m -o probe -w 20 "$bdf" || status=1
vfio_pci_reset_test -f vfio_pci_reset_method "$bdf" || status=1
exit $status
