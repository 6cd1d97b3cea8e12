#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: -
# level: stock
# what: The image boots to user space with an SMMUv3 in front of its PCI bus, and without a splat.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# base: pass
# timeout: 90
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1
# qemu: -device virtio-rng-pci,bus=rp0,ats=on,iommu_platform=on,disable-legacy=on

. /lib/testlib.sh

status=0
check() {
	number=$((number + 1))
	if eval "$2"; then
		echo "ok $number $1"
	else
		echo "not ok $number $1"
		status=1
	fi
}

echo "1..3"
check "SMMUv3 probed" 'dmesg | grep -q "arm-smmu-v3 .*: oas"'
# shellcheck disable=SC2016
check "function has an IOMMU group" '[ -e "$PCI_DEVICES/$(bdf_of 1af4:1044)/iommu_group" ]'
check "lockdep is on" '[ -e /proc/lockdep_stats ] && grep -q "debug_locks: *1" /proc/lockdep_stats'
exit $status
