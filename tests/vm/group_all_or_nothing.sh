#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 20
# level: testdev
# what: When the second of three functions refuses a domain, the first is not switched: its configuration is not written, none of its DMA is refused.
# images: fast
# modes: race
# base: fail its DMA: [1-9]\d* refused
# base-also: context descriptor of the first function was written
# series: not-yet
# timeout: 120
# programs: testdev_group
# qemu: -device smmu-testdev,id=td0,addr=3.0,multifunction=on,alias=on,dma-can-stall=on
# qemu: -device smmu-testdev,id=td2,addr=3.2,multifunction=on
# qemu: -device smmu-testdev,id=td3,addr=3.3,multifunction=on

. /lib/testlib.sh

# Functions are in the group in the order in which they were found: the one that
# refuses has to be function 0, for its second requester ID, and is wanted second.
for fn in 0 3; do
	echo 1 > "$PCI_DEVICES/0000:00:03.$fn/remove" || die "function $fn cannot be removed"
done
for fn in 0 3; do
	# A scan finds all that are missing: take the last one away again.
	echo 1 > /sys/bus/pci/rescan
	[ "$fn" = 3 ] || echo 1 > "$PCI_DEVICES/0000:00:03.3/remove"
done

first=0000:00:03.2
refusing=0000:00:03.0
group=$(readlink -f "$PCI_DEVICES/$first/iommu_group")
[ "$(readlink -f "$PCI_DEVICES/$refusing/iommu_group")" = "$group" ] || die "not in one group"
[ "$(find "$group/devices" -type l | wc -l)" = 3 ] || die "not three functions in the group"
vfio_bind "$first"

exec testdev_group "$first" "$refusing"
