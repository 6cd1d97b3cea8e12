#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 31 32
# level: kunit
# what: The part of kunit_gate that has threads, with KCSAN. The other part is one thread, and takes too long there.
# images: kcsan
# beside: nothing in it depends on time
# base: none
# run: all
# kunit: arm_smmu_v3_gate_queue
# timeout: 300

exit 0
