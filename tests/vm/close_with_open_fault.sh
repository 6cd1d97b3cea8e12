#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 48b
# level: testdev
# what: A fault that is unanswered when the VFIO file is closed gets its answer before the function is reset.
# images: fast debug
# modes: deterministic race
# base: fail inside the reset of the close [1-9]\d* transactions were stalled
# timeout: 120
# programs: testdev_stall
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
vfio_bind "$function"

exec testdev_stall -t are_answered_before_the_reset_of_a_close "$observer" "$function"
