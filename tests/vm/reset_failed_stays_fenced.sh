#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 3
# level: testdev
# what: After a reset that never ended, the function stays fenced, without invalidations sent to it, until a reset succeeds; files and uevents say so.
# images: fast
# images-all: debug
# modes: deterministic
# base: fail violation inv-in-reset: [1-9]
# base-also: DMA that reached memory: \d+ before that, [1-9]\d* after it
# base-also: host check testdev_ats_stays_off: ATS was enabled
# timeout: 240
# programs: testdev_reset
# trace: smmutd_*
# host-check: testdev_ats_stays_off
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4
#
# Deterministic only: the kernel waits for more than a minute of the guest's time.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$function"
record_uevents

exec testdev_reset -t stays_fenced_when_its_reset_has_failed "$observer" "$function"
