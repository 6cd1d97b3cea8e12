#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 51
# level: kunit
# what: The KUnit suites of the kernel give the same results with and without the series.
# images: fast
# beside: nothing in it depends on time
# base: same
# kunit: *
# timeout: 240

exit 0
