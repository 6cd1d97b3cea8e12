#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 36
# level: kunit
# what: 10,000 devices are removed while a thread and an interrupt report them.
# images: debug
# run: all
# base: none
# kunit: iommu_report
# cmdline: iommu_recovery_kunit.removals=10000
# timeout: 900

exit 0
