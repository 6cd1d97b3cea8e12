#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 42 42a 46 47
# level: kunit
# what: As kunit_drain, with a detach that waits for too much, answers nothing that came meanwhile, or answers for a device that was released.
# images: fast
# beside: nothing in it depends on time but how often its threads meet
# base: none
# kunit: iommu_drain
# bites-with: drain-waits-for-answers drain-waits-for-all drain-never-answers bond-gives-up-early
# bites-with: fault-answered-after-release
# bites-alone: who does not wait at all, as in kunit_drain, does not wait for too much
# run: all
# bites-how: (?s)not ok \d+ leaving_does_not_wait_for_who_took_over.*not ok \d+ leaving_does_not_wait_for_another_handle.*not ok \d+ a_fault_in_the_switch_is_tried_again.*not ok \d+ a_domain_outlives_the_work.*not ok \d+ a_fault_of_a_device_that_left
# timeout: 300

exit 0
