#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# compare-stock.sh UNMODIFIED-QEMU PATCHED-QEMU KERNEL INITRAMFS [OUTDIR]
#
# With every new property off, the patched QEMU must be the unmodified one:
# the same guest is run on both in deterministic mode, with devices that do DMA
# behind the SMMUv3, and the console and the trace of the SMMU must be the same
# to the byte. So must the device tree be.
#
# The guest has to end by itself (poweroff) and do DMA through the SMMU that the
# virtual clock times: "smmu-testdev-check 0000:00:01.0 edu" does. (virtio-rng
# and nvme do DMA when their back ends answer, in the host's time: unmodified
# QEMU then differs from itself. Without DMA they can be reset as well.)
# APPEND adds to its command line, DEVICES replaces the devices, TIMEOUT (600)
# bounds a run on the host's clock.
set -euo pipefail

die() {
	echo "compare-stock.sh: $*" >&2
	exit 2
}

[ $# -ge 4 ] || die "usage: compare-stock.sh UNMODIFIED PATCHED KERNEL INITRAMFS [OUTDIR]"
stock=$1 patched=$2 kernel=$3 initramfs=$4
out=${5:-$(mktemp -d)}
mkdir -p "$out"
default="-device edu,addr=1
	-device pcie-root-port,id=rp,chassis=1,slot=1,addr=2
	-device virtio-rng-pci,bus=rp,ats=on,iommu_platform=on,disable-legacy=on"
read -r -d '' -a devices <<< "${DEVICES:-$default}" || true

for f in "$stock" "$patched"; do
	[ -x "$f" ] || die "$f is not a program"
done

# name, binary, arguments: one machine, the same each time
machine() {
	local name=$1 qemu=$2
	shift 2
	timeout "${TIMEOUT:-600}" "$qemu" -L /usr/share/qemu \
		-M virt,iommu=smmuv3,gic-version=3,dtb-randomness=off"${MACHINE:-}" \
		-cpu cortex-a57 -smp 1 -m 512 -nodefaults -display none -no-reboot \
		-icount shift=1,sleep=off -rtc clock=vm,base=2026-01-01 -seed 1 \
		"${devices[@]}" "$@" > "$out/$name.stdout" 2>&1
}

run() {
	local name=$1 qemu=$2
	machine "$name" "$qemu" -serial "file:$out/$name.console" \
		-trace 'smmuv3_*' -trace 'smmu_*' -D "$out/$name.trace" \
		-kernel "$kernel" -initrd "$initramfs" \
		-append "console=ttyAMA0 panic=-1 nokaslr ${APPEND:-}" ||
		die "$name: the guest has not ended by itself, see $out"
	MACHINE=,dumpdtb=$out/$name.dtb machine "$name-dtb" "$qemu" || true
	# the log says who wrote a line
	sed -i -E 's/^[0-9]+@[0-9.]+://' "$out/$name.trace"
}

run unmodified "$stock"
run patched "$patched"
rc=0
for what in console trace dtb; do
	a=$out/unmodified.$what b=$out/patched.$what
	if [ ! -s "$a" ]; then
		echo "not ok - $what is empty"
		rc=1
	elif cmp -s "$a" "$b"; then
		echo "ok - $what: $(wc -c < "$a") bytes in $(wc -l < "$a") lines are the same"
	else
		echo "not ok - $what differs, first:"
		diff -a "$a" "$b" | sed -n 's/^/# /; 1,6p' || true
		rc=1
	fi
done
grep -q smmuv3_translate_success "$out/unmodified.trace" || {
	echo "not ok - nothing was translated: the guest does no DMA"
	rc=1
}
exit $rc
