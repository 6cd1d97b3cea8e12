#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 7b
# level: testdev
# what: A VF is fenced while its PF is reset, and has ATS after it; when the PF's reset has failed it stays fenced too.
# images: fast
# images-all: debug
# modes: deterministic
# base: fail inside the reset of the PF reached memory: [1-9]
# timeout: 240
# programs: testdev_links
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device smmu-testdev,id=td1,addr=4,vfs=2
#
# Deterministic only: the kernel waits for more than a minute of the guest's time.

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
pf=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
echo 1 > /sys/module/vfio_pci/parameters/enable_sriov || die "vfio-pci has no SR-IOV"
vfio_bind "$pf"
echo 1 > "$PCI_DEVICES/$pf/sriov_numvfs" || die "$pf enables no VF"
vf=$(bdf_of 1b36:11f1) || die "there is no VF"
# vfio-pci has taken it, so that nobody else does unasked.
echo "$vf" > "$PCI_DEVICES/$vf/driver/unbind"
testdev_module "$vf"

status=0
testdev_links -t vf_is_fenced_while_its_pf_is_reset "$observer" "$vf" "$pf" || status=1

# Resets hold no VF back: all of them can be disabled.
echo 0 > "$PCI_DEVICES/$pf/sriov_numvfs" || status=1
[ ! -d "$PCI_DEVICES/$vf" ] || status=1
exit $status
