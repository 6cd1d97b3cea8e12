#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 42 42a 43 46 48
# level: kunit
# what: When a domain is left its faults are over, whoever handles them; those of the switch are tried again; a device is fenced and let back.
# images: fast
# images-all: debug
# beside: nothing in it depends on time but how often its threads meet
# base: none
# kunit: iommu_drain*
# cmdline: oops=panic
# bites-with: drain-forgets-the-switch drain-at-the-queue-as-before
# bites-with: drain-does-not-wait drain-keeps-counts drain-forgets-queued-work drain-keeps-parts refence-as-a-reset
# bites-how: (?s)not ok \d+ nothing_is_done_to_a_device_that_is_fenced.*not ok \d+ leaving_waits_for_a_handler.*not ok \d+ a_fault_in_the_switch_is_tried_again.*not ok \d+ a_part_of_a_fault_goes_with_its_domain.*not ok \d+ faults_outlive_the_queue
# timeout: 180

exit 0
