#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 27 28 30c 33 37
# level: kunit
# what: Which of several devices is fenced for an invalidation that was not answered, with how many timeouts, and who is asked again.
# images: fast
# images-all: debug kcsan
# beside: nothing in it depends on time
# base: none
# kunit: arm_smmu_v3_blame*
# bites-with: blame-takes-the-last
# bites-how: not ok \d+ blame_one_of_eight_test
# timeout: 120

exit 0
