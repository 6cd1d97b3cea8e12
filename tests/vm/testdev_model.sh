#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: -
# level: testdev
# what: The model of the test device does what the architecture and its register map say, each knob by itself.
# images: fast
# modes: deterministic race
# base: pass
# timeout: 180
# programs: smmu-testdev-check
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4
# qemu: -device smmu-testdev,id=td2,addr=5.0,alias=on,dma-can-stall=on
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=6,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td3,bus=rp0

. /lib/testlib.sh

stall=$(bdf_of 19e5:a250) || die "no function that can stall"
alias=$(bdf_of 1b4b:9128) || die "no function with two requester IDs"
observer=$(bdf_of 1b36:11f0 1) || die "no other function"
port=$(bdf_of 1b36:11f0 2) || die "no function below a port"

status=0
run() {
	echo "# run: smmu-testdev-check $1"
	shift
	"$@" || status=1
}

# A CPU that waits for a CMD_SYNC cannot release it as well. The other cases leave stalls to the kernel's detach,
# which 7.3 does not get right when an event is still on its way: with one CPU none is.
if [ "$(nproc)" -gt 1 ]; then
	run stall smmu-testdev-check "$stall" release
	exit $status
fi
run stall env OBSERVER="$observer" smmu-testdev-check "$stall" translate ats pasid stall flr hold overflow \
	vanish two_functions keep_dma keep_atc drop_stalled trpnd engine_msi
run alias smmu-testdev-check "$alias" two_ids
run port smmu-testdev-check "$port" aer
exit $status
