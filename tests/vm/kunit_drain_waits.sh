#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 42a 46
# level: kunit
# what: As kunit_drain, with a detach that waits for too much, or with the mutex of the group held.
# images: fast
# run: all
# beside: nothing in it depends on time but how often its threads meet
# base: none
# kunit: iommu_drain
# bites-with: drain-under-group-mutex drain-waits-for-answers drain-waits-for-all drain-never-answers
# bites-alone: who does not wait at all, as in kunit_drain, does not wait for too much
# bites-how: (?s)not ok \d+ leaving_does_not_wait_for_who_took_over.*not ok \d+ leaving_does_not_wait_for_another_handle
# timeout: 300

exit 0
