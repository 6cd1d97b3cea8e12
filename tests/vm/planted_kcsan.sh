#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: -
# level: kunit
# what: A data race that is planted with KCSAN's own KUnit suite fails the run of an image with KCSAN.
# images: kcsan
# base: none
# kunit: kcsan.test_basic
# timeout: 180
# planted: splat: kcsan: .*data-race in test_kernel_read / test_kernel_write

exit 0
