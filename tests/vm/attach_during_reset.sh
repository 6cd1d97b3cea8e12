#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 8
# level: testdev
# what: A domain that is attached, replaced or detached inside a reset, for a function or a PASID, is so with its true result, and is what translates after the reset.
# images: fast
# images-all: debug
# modes: deterministic race
# base: fail replace inside the reset: -16
# base-also: attach inside the reset: -16
# bites-with: recovery-first-result-wins recovery-not-done-opens recovery-done-unasked recovery-docks-the-group
# bites-with: gate-holds-the-cds
# bites-how: after the reset domain 0 is still written to
# timeout: 180
# programs: testdev_window
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$function"

exec testdev_window -T domain_is_freed_inside_a_reset -f window "$observer" "$function"
