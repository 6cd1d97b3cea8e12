#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 34 35 36 41
# level: kunit
# what: Reports by the million are one, a late one is over, one at the wrong moment is not lost, and none outlives its device.
# images: fast
# images-all: debug kcsan
# beside: nothing in it depends on time but how often its threads meet
# base: none
# kunit: iommu_report
# bites-with: report-queues-always report-outlives-the-reset report-lost-at-the-opening
# bites-how: (?s)not ok \d+ a_million_reports_are_one.*not ok \d+ a_report_that_a_reset_has_answered_is_over.*not ok \d+ a_report_while_the_gate_opens_is_not_lost
# timeout: 240

exit 0
