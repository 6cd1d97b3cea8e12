#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 31 32
# level: kunit
# what: The gate in every order of attach, fence, unfence and closes; timeouts, flushes, stalls and the drain at its queues.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# base: none
# kunit: arm_smmu_v3_gate*
# bites-with: stall-of-nobody-stays
# bites-how: (?s)not ok \d+ queue_unknown_stall_test.*not ok \d+ queue_release_test
# timeout: 300

exit 0
