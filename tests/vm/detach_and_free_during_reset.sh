#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 9
# level: testdev
# what: A domain that is replaced or detached inside a reset, and freed there, is not used any more by anybody.
# images: fast debug
# modes: deterministic race
# base: fail replace inside the reset: -16
# timeout: 180
# programs: testdev_window
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$function"

exec testdev_window -t domain_is_freed_inside_a_reset "$observer" "$function"
