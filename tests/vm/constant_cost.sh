#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 16
# level: testdev
# what: A reset sends the SMMU the same number of commands, before it and after it, whatever the number of PASIDs and of domains.
# images: fast
# modes: deterministic
# base: fail prepare sends \d+ commands without PASIDs and \d\d+ with 16
# base-also: done sends \d+ commands without PASIDs and \d\d\d+ with 256
# show: ^# +(PASIDs|\d+ +\d+ )
# timeout: 180
# programs: testdev_gate
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16
# qemu: -device smmu-testdev,id=td2,addr=5,pasid-width=16,stall=on
#
# The second time for a function that can stall, whose stalls have to be ended as well.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
stalling=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
testdev_module "$function" "$stalling"

status=0
for bdf in "$function" "$stalling"; do
	echo "# run: testdev_gate for $bdf"
	testdev_gate -t costs_the_same_for_any_number_of_pasids "$observer" "$bdf" || status=1
done
exit $status
