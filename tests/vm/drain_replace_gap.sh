#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 43
# level: testdev
# run: all
# what: A transaction that stalls when the driver has switched to a new domain, and the core not yet, goes to the new domain's handler.
# images: fast
# images-all: debug kcsan
# modes: race
# base: fail a stall of the new domain went to the old domain's queue inside the replace
# timeout: 120
# programs: testdev_stall
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on
#
# Race only: one CPU cannot read the event queue while it waits for a CMD_SYNC.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
vfio_bind "$function"

# The program looks there for the hand-over of the fault.
trace_functions iommu_report_device_fault

exec testdev_stall -t gets_no_fault_of_its_successor "$observer" "$function"
