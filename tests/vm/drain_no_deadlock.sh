#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 42a
# level: testdev
# what: A fault on a BAR whose function is being reset, and a fault that nobody answers, do not hold up anybody else.
# images: fast
# images-all: debug kcsan
# modes: race
# base: pass
# bites-with: flush-faults-under-group-mutex
# bites-how: the reset waits for a fault that waits for the reset
# run: all
# timeout: 120
# programs: testdev_sva
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3,pasid-width=16,stall=on
# qemu: -device smmu-testdev,id=td1,addr=4,stall=on
# qemu: -device smmu-testdev,id=td2,addr=5,stall=on

. /lib/testlib.sh

bdf=$(bdf_of 19e5:a250 1) || die "no three functions that can stall"
held=$(bdf_of 19e5:a250 2) || die "no three functions that can stall"
vfio=$(bdf_of 19e5:a250 3) || die "no three functions that can stall"
vfio_bind "$vfio"
testdev_module "$bdf" "$held"

# The program looks there for the beginning of the reset.
trace_functions pcie_flr

exec testdev_sva -t fault_on_a_bar_against_its_reset "$bdf" "$held" "$vfio"
