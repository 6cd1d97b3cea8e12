#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: demo
# level: testdev
# what: What becomes of a function whose ATC stops answering, and of the page unmapped meanwhile, until it works again; on one time scale.
# images: fast
# modes: deterministic race
# base: pass
# timeout: 120
# programs: testdev_demo
# qemu: -device smmu-testdev,id=td0,addr=3
#
# Lines "EV" come from testdev_demo (see the head of its source), lines "TR" from the
# kernel (see trace_dump in testlib.sh), both in CLOCK_MONOTONIC. Passes when the
# experiment could be made, whatever it showed.

. /lib/testlib.sh

function=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
vfio_bind "$function"

record_uevents
# The gate of the series, which is shut when the first of these has returned 0
trace_functions arm_smmu_gate_blame pci_dev_reset_iommu_prepare pci_dev_reset_iommu_done

echo "1..1"
status=0
if testdev_demo "$function"; then
	echo "ok 1 demo"
else
	echo "not ok 1 demo"
	status=1
fi

trace_dump
exit $status
