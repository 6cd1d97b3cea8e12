#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 12
# level: testdev
# what: A function whose re-attach after a reset fails for want of memory does not cost the other function of the domain its invalidations.
# images: debug
# modes: deterministic race
# base: fail violation (ats|dma)-marked: [1-9]
# run: all
# timeout: 240
# programs: testdev_shared
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4
# qemu: -device smmu-testdev,id=td2,addr=5
#
# Image debug: failing allocations need failslab.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
victim=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
sibling=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"
vfio_bind "$victim"
vfio_bind "$sibling"
[ -d /sys/kernel/debug/failslab ] || die "no failslab in this kernel"

exec testdev_shared -t is_invalidated_for_a_sibling_of_a_failed_reattach "$observer" "$victim" "$sibling"
