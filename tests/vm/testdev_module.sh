#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: testdev
# what: Every ioctl of the kernel module smmu_testdev does what it promises, also when an allocation of it fails.
# images: fast
# images-all: debug
# modes: race
# base: pass
# timeout: 300
# programs: smmu-testdev-module smmu-testdev-domains smmu-testdev-fail-nth
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on

. /lib/testlib.sh

one=$(bdf_of 19e5:a250 1) || die "no two functions that can stall"
two=$(bdf_of 19e5:a250 2) || die "no two functions that can stall"
testdev_module "$one" "$two"

status=0
for program in smmu-testdev-module smmu-testdev-domains smmu-testdev-fail-nth; do
	echo "# run: $program"
	"$program" || status=1
done
exit $status
