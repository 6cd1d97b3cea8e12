#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: testdev
# run: all
# what: Functions that come and go while the machine runs work each time, and leave nothing behind.
# images: fast
# images-all: debug
# modes: race deterministic
# base: pass
# expect-splat: possible circular locking dependency detected[\s\S]{1,250}-pciehp/\d+ is trying to acquire lock:\n.*(pci_rescan_remove_lock|reset_lock)
# lockdep-off: pciehp has one lock class for the reset_lock of all ports and takes it around and inside pci_rescan_remove_lock
# timeout: 180
# programs: testdev_benign_bus testdev_hotplug
# qemu: -device smmu-testdev,id=td0,addr=3,plug="driver=smmu-testdev,,bus=rp2,,id=hot"
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=6,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0
# qemu: -device pcie-root-port,id=rp1,bus=pcie.0,addr=7,chassis=2,slot=2
# qemu: -device smmu-testdev,id=td2,bus=rp1,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td3,bus=rp1,addr=0.1
# qemu: -device pcie-root-port,id=rp2,bus=pcie.0,addr=8,chassis=3,slot=3
#
# QEMU takes apart what has left its slot in a thread of its own, in the host's time:
# deterministic runs of this test were seen to differ by some 30 us at the end.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no four functions"
alone=$(bdf_of 1b36:11f0 2) || die "no four functions"
one=$(bdf_of 1b36:11f0 3) || die "no four functions"
two=$(bdf_of 1b36:11f0 4) || die "no four functions"
port=$(bdf_of 1b36:000c 3) || die "no third root port"
bus=$(cat "$PCI_DEVICES/$port/secondary_bus_number") || die "$port is no port"

status=0
echo "# run: testdev_benign_bus"
testdev_benign_bus -f slot "$observer" "$one" "$two" "$alone" || status=1
echo "# run: testdev_hotplug"
testdev_hotplug "$observer" "$(printf '0000:%02x:00.0' "$bus")" || status=1
exit $status
