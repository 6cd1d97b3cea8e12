#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 46
# level: testdev
# what: Faults that user space never reads or answers have an end with a detach, a replace, a closed queue and a killed process.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# modes: race deterministic
# base: pass
# bites-with: iommufd-drops-faults
# bites-how: # of \d+ stalls that nobody answers [1-9]\d* are open after a (detach|replace)
# timeout: 180
# programs: testdev_stall
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,pasid-width=16,stall=on

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0) || die "no smmu-testdev"
function=$(bdf_of 19e5:a250) || die "no smmu-testdev that can stall"
vfio_bind "$function"

exec testdev_stall -t that_nobody_answers_end_with_the_detach \
	-t that_nobody_answers_end_with_a_replace_by_a_domain_without_faults \
	-t that_nobody_can_answer_end_with_the_detach \
	-t leaves_no_stall_without_an_answer "$observer" "$function"
