#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 48a
# level: kunit
# what: A fault-capable domain is refused where the SMMU has no I/O page fault queue.
# images: fast debug
# beside: nothing in it depends on time
# base: none
# kunit: arm_smmu_v3_iopf
# cmdline: oops=panic
# bites-with: faults-without-a-queue
# bites-alone: the kernel dies of it
# bites-how: (?s)NULL pointer dereference.*Call trace:.*iopf_queue_add_device
# timeout: 90

exit 0
