#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 6
# level: testdev
# what: Writing reset_method, which only asks whether a method exists, refuses no transaction and changes no stream table entry.
# images: fast
# images-all: debug
# modes: deterministic race
# base: fail host check testdev_no_ste_write: stream table entries were changed
# base-also: DMA meanwhile: \d+ done, [1-9]\d* refused
# timeout: 120
# programs: testdev_reset
# trace: smmutd_*
# host-check: testdev_no_ste_write
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$function"

exec testdev_reset -t is_not_fenced_when_reset_methods_are_chosen "$observer" "$function"
