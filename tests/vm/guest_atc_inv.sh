#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 37
# level: testdev
# what: An ATC invalidation of a guest that times out fences its function before the ioctl returns; for a fenced function it does nothing, beside others that do.
# images: fast
# images-all: debug kcsan
# modes: race deterministic
# base: fail violation ats-marked: [1-9]
# bites-with: guest-invalidates-the-fenced
# bites-how: invalidations sent for a fenced function, and one that is not: [2-9]
# timeout: 240
# programs: testdev_guest
# show: the ioctl returned
# qemu: -global arm-smmuv3.fwb=on
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4

. /lib/testlib.sh

guilty=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
benign=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$guilty"
vfio_bind "$benign"

exec testdev_guest "$guilty" "$benign"
