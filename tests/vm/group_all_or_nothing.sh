#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 20
# level: testdev
# what: When one of three functions refuses a domain, be it the first, second or third, none is switched: the SMMU is told nothing, no DMA is refused.
# images: fast
# images-all: debug kcsan
# beside: nothing in it depends on time
# modes: race
# base: fail its DMA: [1-9]\d* refused
# base-also: the configuration of the mover was written
# base-also: refusals told the SMMU something
# timeout: 120
# programs: testdev_group
# trace: smmutd_cmd smmutd_reg
# host-check: testdev_refusals_are_silent
# qemu: -device smmu-testdev,id=td0,addr=3.0,multifunction=on,alias=on,dma-can-stall=on
# qemu: -device smmu-testdev,id=td2,addr=3.2,multifunction=on
# qemu: -device smmu-testdev,id=td3,addr=3.3,multifunction=on

. /lib/testlib.sh

# The one that refuses has to be function 0, for its second requester ID.
mover=0000:00:03.2
other=0000:00:03.3
refusing=0000:00:03.0
group=$(readlink -f "$PCI_DEVICES/$mover/iommu_group")
vfio_bind "$mover"
status=0

# Functions are in the group, and attached, in the order in which they were found. A scan
# finds all that are missing, lowest first.
remove() {
	echo 1 > "$PCI_DEVICES/$1/remove" || die "$1 cannot be removed"
}

rescan() {
	echo 1 > /sys/bus/pci/rescan
}

# order WHICH: the function that refuses is WHICH of the group
order() {
	for _bdf in "$mover" "$other" "$refusing"; do
		[ "$(readlink -f "$PCI_DEVICES/$_bdf/iommu_group")" = "$group" ] || die "$_bdf is not in the group"
	done
	[ "$(find "$group/devices" -type l | wc -l)" = 3 ] || die "not three functions in the group"
	echo "# run: testdev_group, $1 refuses"
	testdev_group "$mover" "$other" "$refusing" || status=1
}

order first

remove "$refusing"
remove "$other"
rescan
order second

remove "$refusing"
rescan
order third

exit $status
