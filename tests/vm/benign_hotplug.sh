#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: testdev
# what: A function that is plugged in and taken out while the machine runs works each time, and leaves nothing behind.
# images: fast debug
# modes: deterministic race
# base: pass
# expect-splat: possible circular locking dependency detected[\s\S]*reset_lock.*pciehp_configure_device
# lockdep-off: 7.3's pciehp gives one class to the reset_lock of every port and takes it inside pci_rescan_remove_lock
# timeout: 180
# programs: testdev_hotplug
# qemu: -device smmu-testdev,id=td0,addr=3,plug="driver=smmu-testdev,,bus=rp0,,id=hot"
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1

. /lib/testlib.sh

plugger=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
port=$(bdf_of 1b36:000c) || die "no root port"
bus=$(cat "$PCI_DEVICES/$port/secondary_bus_number") || die "$port is no port"

exec testdev_hotplug "$plugger" "$(printf '0000:%02x:00.0' "$bus")"
