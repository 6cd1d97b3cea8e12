#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: testdev
# what: With functions that do what the specifications ask everything works that Linux can do with them, and the oracle sees nothing.
# images: fast
# images-all: debug
# modes: deterministic race
# base: pass
# timeout: 240
# programs: testdev_benign testdev_benign_bus testdev_sva
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td2,addr=5
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=6,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td3,bus=rp0
# qemu: -device pcie-root-port,id=rp1,bus=pcie.0,addr=7,chassis=2,slot=2
# qemu: -device smmu-testdev,id=td4,bus=rp1,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td5,bus=rp1,addr=0.1
#
# Hot-plug is benign_hotplug's: lockdep does not survive it.

. /lib/testlib.sh

pasid=$(bdf_of 19e5:a250 1) || die "no two functions that can stall"
shared=$(bdf_of 19e5:a250 2) || die "no two functions that can stall"
observer=$(bdf_of 1b36:11f0 1) || die "no four functions with ATS"
alone=$(bdf_of 1b36:11f0 2) || die "no four functions with ATS"
one=$(bdf_of 1b36:11f0 3) || die "no four functions with ATS"
two=$(bdf_of 1b36:11f0 4) || die "no four functions with ATS"

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
exit $status
