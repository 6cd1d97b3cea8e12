#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 42a 46
# level: kunit
# what: As kunit_drain, with a detach that waits for too much, or answers nothing that came meanwhile.
# images: fast
# beside: nothing in it depends on time but how often its threads meet
# base: none
# kunit: iommu_drain
# bites-with: drain-waits-for-answers drain-waits-for-all drain-never-answers
# bites-alone: who does not wait at all, as in kunit_drain, does not wait for too much
# run: all
# bites-how: (?s)not ok \d+ leaving_does_not_wait_for_who_took_over.*not ok \d+ leaving_does_not_wait_for_another_handle.*not ok \d+ a_fault_in_the_switch_is_tried_again
# timeout: 300

exit 0
