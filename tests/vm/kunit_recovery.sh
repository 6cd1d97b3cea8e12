#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 2 4 13 14 17 18 19 20 22 23 25 40 52
# level: kunit
# what: Devices of a driver that fails on command are fenced, quarantined, recorded, removed and recovered as they should.
# images: fast
# images-all: debug kcsan
# beside: nothing in it depends on time but how often its threads meet
# base: none
# kunit: iommu_recovery*
# bites-with: recovery-first-result-wins recovery-not-done-opens recovery-done-unasked recovery-docks-the-group
# bites-with: gate-holds-the-cds
# bites-how: not ok \d+ nested_resets_fence_once_and_the_last_result_wins
# timeout: 900

exit 0
