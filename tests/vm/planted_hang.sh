#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: -
# level: stock
# what: A guest whose only CPU spins with interrupts off is killed, and the run fails with a reason.
# images: fast
# base: none
# cpus: 1
# timeout: 20
# planted: guest hung: no end after .*last output: planting HARDLOCKUP

echo "planting HARDLOCKUP"
echo HARDLOCKUP > /sys/kernel/debug/provoke-crash/DIRECT
exit 0
