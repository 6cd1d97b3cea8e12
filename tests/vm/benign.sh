#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: testdev
# what: With functions that do what the specifications ask everything works that Linux can do with them, and the oracle sees nothing.
# images: fast debug
# modes: deterministic race
# base: pass
# expect-splat: possible circular locking dependency detected[\s\S]{1,250}-pciehp/\d+ is trying to acquire lock:\n.*(pci_rescan_remove_lock|reset_lock)
# lockdep-off: pciehp has one lock class for the reset_lock of all ports and takes it around and inside pci_rescan_remove_lock
# timeout: 240
# programs: testdev_benign testdev_benign_bus testdev_sva testdev_hotplug
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td2,addr=5,plug="driver=smmu-testdev,,bus=rp2,,id=hot"
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=6,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td3,bus=rp0
# qemu: -device pcie-root-port,id=rp1,bus=pcie.0,addr=7,chassis=2,slot=2
# qemu: -device smmu-testdev,id=td4,bus=rp1,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td5,bus=rp1,addr=0.1
# qemu: -device pcie-root-port,id=rp2,bus=pcie.0,addr=8,chassis=3,slot=3
#
# Hot-plug comes last: it makes lockdep report pciehp, and lockdep is off after that.

. /lib/testlib.sh

pasid=$(bdf_of 19e5:a250 1) && shared=$(bdf_of 19e5:a250 2) || die "no two functions that can stall"
observer=$(bdf_of 1b36:11f0 1) && alone=$(bdf_of 1b36:11f0 2) && one=$(bdf_of 1b36:11f0 3) &&
	two=$(bdf_of 1b36:11f0 4) || die "no four functions with ATS"
port=$(bdf_of 1b36:000c 3) || die "no third root port"
bus=$(cat "$PCI_DEVICES/$port/secondary_bus_number") || die "$port is no port"

status=0
run() {
	echo "# run: $1$([ "$1" != testdev_benign_bus ] || echo " $2 $3")"
	"$@" || status=1
}

for function in "$pasid" "$alone" "$one" "$two"; do
	vfio_bind "$function"
done
run testdev_benign "$pasid" "$alone"
run testdev_benign_bus -F slot "$observer" "$one" "$two" "$alone"

testdev_module "$shared"
run testdev_sva -f good "$shared" "$observer"
# What is plugged in below is not for the module.
rmmod smmu_testdev || die "smmu_testdev does not go"

run testdev_benign_bus -f slot "$observer" "$one" "$two" "$alone"
run testdev_hotplug "$observer" "$(printf '0000:%02x:00.0' "$bus")"
exit $status
