#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario: 4
# level: testdev
# what: A reset that was not carried out leaves an active function active and a quarantined one quarantined.
# images: fast
# modes: deterministic
# base: none
# bites-with: recovery-first-result-wins recovery-not-done-opens recovery-done-unasked recovery-docks-the-group
# bites-with: gate-holds-the-cds
# bites-how: no longer quarantined after a reset that was not done
# timeout: 120
# programs: testdev_recovery
# modules: smmu_testdev
# qemu: -device smmu-testdev,id=td0,addr=3
# qemu: -device pcie-root-port,id=rp0,bus=pcie.0,addr=4,chassis=1,slot=1
# qemu: -device smmu-testdev,id=td1,bus=rp0,addr=0.0,multifunction=on
# qemu: -device smmu-testdev,id=td2,bus=rp0,addr=0.1

. /lib/testlib.sh

observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
one=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
two=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"

# A bus reset is a method for a function that is alone on its bus, as this one is
# when it is asked for. Then it is not any more.
echo 1 > "$PCI_DEVICES/$two/remove"
echo bus > "$PCI_DEVICES/$one/reset_method" || die "$one is not alone on its bus"
echo 1 > /sys/bus/pci/rescan
[ -d "$PCI_DEVICES/$two" ] || die "$two does not come back"
[ "$(cat "$PCI_DEVICES/$one/reset_method")" = bus ] || die "$one has other methods"

testdev_module "$one"
record_uevents

status=0
for name in method_that_does_not_apply_changes_nothing is_as_before_after_a_reset_that_was_not_done; do
	echo "# run: testdev_recovery -t $name"
	testdev_recovery -t "$name" "$observer" "$one" "$two" || status=1
done
exit $status
