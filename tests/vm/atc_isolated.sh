#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 30
# level: testdev
# what: A function that is alone below a port and never answers an ATC invalidation is stopped at the port before the flush returns, until it is fenced.
# images: fast
# images-all: debug kcsan
# modes: deterministic race
# base: fail violation ats-marked: [1-9]
# timeout: 180
# programs: testdev_atc
# show: unmap took
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=3,chassis=1,hotplug=off
# qemu: -device smmu-testdev,id=td0,bus=rp0
# qemu: -device pcie-root-port,id=rp1,bus=pcie.0,addr=4,chassis=2,hotplug=off
# qemu: -device smmu-testdev,id=td1,bus=rp1

. /lib/testlib.sh

guilty=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
innocent=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
vfio_bind "$guilty"
vfio_bind "$innocent"

exec testdev_atc -t who_does_not_answer_is_stopped_at_its_port "$guilty" "$innocent"
