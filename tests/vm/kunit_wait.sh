#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 30
# level: kunit
# what: How long a CMD_SYNC is waited for, whom the SMMU stands at, and which slots are used again when the wait was given up.
# images: fast
# images-all: debug kcsan
# beside: it waits for time, and is told late at worst
# base: none
# kunit: arm_smmu_v3_wait
# bites-with: wait-counts-from-insertion wait-forgets-late-completions wait-polls-the-errors-of-the-smmu
# bites-how: not ok 3 wait_behind_test[\s\S]*not ok 6 wait_msi_late_test[\s\S]*not ok 12 wait_own_err_test
# timeout: 240

exit 0
