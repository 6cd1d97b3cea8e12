#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: -
# level: stock
# what: A use after free that is planted with LKDTM fails the run of an image with KASAN.
# images: debug
# beside: nothing in it depends on time
# base: none
# timeout: 60
# planted: splat: kasan: .*slab-use-after-free in lkdtm

echo READ_AFTER_FREE > /sys/kernel/debug/provoke-crash/DIRECT
exit 0
