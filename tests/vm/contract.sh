#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 21 24
# level: testdev
# what: Every page table of user space, attached in every state of a function: the same errno inside a reset and quarantined, nothing touched by a refusal.
# images: fast
# images-all: debug
# modes: deterministic
# base: fail 0 active, -16 inside a reset
# bites-with: test-dev-always-yes
# bites-how: violations of the contract: [1-9]
# timeout: 240
# programs: testdev_contract
# modules: smmu_testdev
# trace: smmutd_cmd smmutd_reg
# host-check: testdev_refusals_are_silent
# show: \d+ attaches tried
# qemu: -global arm-smmuv3.fwb=on
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16
# qemu: -device smmu-testdev,id=td2,addr=5,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td3,addr=6,pasid-width=16,alias=on,dma-can-stall=on
# qemu: -device smmu-testdev,id=td4,addr=7,pasid-width=16
#
# Deterministic only: its resets that fail take hours of the guest's time.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
plain=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
stalling=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
two_ids=$(bdf_of 1b4b:9128) || die "no smmu-testdev with two requester IDs"
driven=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"
for bdf in "$plain" "$stalling" "$two_ids"; do
	vfio_bind "$bdf"
done
testdev_module "$driven"

exec testdev_contract "$observer" "$plain" "$stalling" "$two_ids" "$driven"
