#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 10 24
# level: testdev
# what: An attach inside a reset, or while quarantined, is refused with the errno that it has without, or succeeds as it does without.
# images: fast
# images-all: debug
# modes: deterministic
# base: fail stage 2 to another PASID: -22 outside, -16 inside a reset
# base-also: two StreamIDs: -95 outside, -16 inside a reset
# timeout: 180
# programs: testdev_gate
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16
# qemu: -device smmu-testdev,id=td2,addr=5,alias=on,dma-can-stall=on

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
two_ids=$(bdf_of 1b4b:9128) || die "no smmu-testdev with two requester IDs"
testdev_module "$function" "$two_ids"

status=0
testdev_gate -t refuses_what_is_refused_without_a_reset "$observer" "$function" || status=1
echo "# run: testdev_gate for $two_ids"
testdev_gate -t refuses_faults_of_a_function_with_two_ids "$observer" "$two_ids" || status=1
exit $status
