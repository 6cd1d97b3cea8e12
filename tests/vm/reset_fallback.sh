#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 5
# level: testdev
# what: A function whose FLR never ends is reset by the next method, stays fenced between the two, and works after it.
# images: fast
# modes: deterministic
# base: fail violation inv-in-reset: [1-9]
# base-also: inside the resets reached memory: [1-9]
# timeout: 240
# programs: testdev_reset
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0
#
# Deterministic only: the kernel waits for more than a minute of the guest's time.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$function"
record_uevents

exec testdev_reset -t works_when_a_second_method_has_reset_it "$observer" "$function"
