#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: -
# level: stock
# what: A WARN that is planted with LKDTM fails the run.
# images: fast debug
# beside: nothing in it depends on time
# base: none
# timeout: 60
# planted: splat: warning: .*lkdtm

echo WARNING > /sys/kernel/debug/provoke-crash/DIRECT
exit 0
