#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 14
# level: testdev
# what: The slot of a function is switched off inside its reset: its sibling goes on, and what is plugged in next works.
# images: fast debug
# modes: race
# base: pass
# expect-splat: possible circular locking dependency detected[\s\S]{1,250}-pciehp/\d+ is trying to acquire lock:\n.*(pci_rescan_remove_lock|reset_lock)
# lockdep-off: pciehp has one lock class for the reset_lock of all ports and takes it around and inside pci_rescan_remove_lock
# run: all
# timeout: 180
# programs: testdev_window
# qemu: -device smmu-testdev,id=td0,addr=3,plug="driver=smmu-testdev,,bus=rp0,,id=hot"
# qemu: -device smmu-testdev,id=td1,addr=4
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=5,chassis=1,slot=1

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
sibling=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
port=$(bdf_of 1b36:000c 1) || die "no root port"
bus=$(cat "$PCI_DEVICES/$port/secondary_bus_number") || die "$port is no port"
vfio_bind "$sibling"

exec testdev_window -f slot "$observer" "$(printf '0000:%02x:00.0' "$bus")" "$sibling"
