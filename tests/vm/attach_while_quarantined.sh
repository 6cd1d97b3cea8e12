#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 8
# level: testdev
# run: all
# what: A quarantined function can be opened by VFIO and attached, RID and PASIDs; that is in force from the reset on that succeeds.
# images: fast
# images-all: debug
# modes: deterministic
# base: none
# bites-with: recovery-first-result-wins recovery-not-done-opens recovery-done-unasked recovery-docks-the-group
# bites-with: gate-holds-the-cds
# bites-how: not ok \d+ assigned.function_is_attached_when_somebody_resets_it
# timeout: 240
# programs: testdev_recovery
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4
# qemu: -device smmu-testdev,id=td2,addr=5,pasid-width=16
#
# Deterministic only: one of its resets takes more than a minute of the guest's time.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
function=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
pasid=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"
testdev_module "$function"
record_uevents

exec testdev_recovery -f assigned "$observer" "$function" "$pasid"
