#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 48
# level: testdev
# run: all
# what: A stall whose event record is of a kind that the driver does not know is answered.
# images: fast
# images-all: debug
# modes: deterministic race
# base: fail # 8 stalls with a record of an unknown kind, of which [1-9] have no answer
# timeout: 120
# programs: testdev_stall
# qemu: -global arm-smmuv3.stall-event=224
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"

exec testdev_stall -t events_that_stall_are_answered "$observer" "$function"
