#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 7
# level: testdev
# what: A VFIO hot reset of a bus fences both of its functions: nothing that they send inside it reaches memory.
# images: fast
# images-all: debug
# modes: deterministic race
# base: fail inside the hot reset reached memory: [1-9]\d* writes of \S+, [1-9]
# timeout: 120
# programs: testdev_reset
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td2,bus=rp0,addr=0.1

. /lib/testlib.sh

observer_and_two

# shellcheck disable=SC2154 # set by observer_and_two
exec testdev_reset -t functions_are_fenced_inside_a_hot_reset "$observer" "$one" "$two"
