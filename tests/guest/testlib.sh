# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Functions for the guest scripts in tests/vm/, sourced as /lib/testlib.sh by
# busybox sh in the initramfs. Whoever sources this has /proc, /sys, debugfs and
# tracefs mounted; nothing else is expected.

TRACING=/sys/kernel/tracing
PCI_DEVICES=/sys/bus/pci/devices

# A script that cannot prepare its experiment has failed, whatever it would find.
die() {
	echo "Bail out! $*"
	exit 1
}

# bdf_of VENDOR:DEVICE [N]: the address of the N-th (from 1) such function, the
# identifiers as four hexadecimal digits each.
bdf_of() {
	_nr=${2:-1}
	for _dir in "$PCI_DEVICES"/*; do
		[ "$(cat "$_dir/vendor"):$(cat "$_dir/device")" = "0x${1%:*}:0x${1#*:}" ] || continue
		_nr=$((_nr - 1))
		[ "$_nr" -gt 0 ] && continue
		basename "$_dir"
		return 0
	done
	echo "No PCI function $1 number ${2:-1}" >&2
	return 1
}

# vfio_bind BDF: hand the function to vfio-pci, from whatever driver has it.
vfio_bind() {
	_dev=$PCI_DEVICES/$1

	[ -d "$_dev" ] || die "$1 does not exist"
	echo vfio-pci > "$_dev/driver_override" || die "$1 takes no driver_override"
	if [ -e "$_dev/driver" ]; then
		echo "$1" > "$_dev/driver/unbind" || die "$1 cannot be unbound"
	fi
	echo "$1" > /sys/bus/pci/drivers_probe
	[ "$(basename "$(readlink -f "$_dev/driver")")" = vfio-pci ] ||
		die "$1 is not bound to vfio-pci"
}

# vfio_functions N: bind the first N smmu-testdev; their addresses are in $functions.
vfio_functions() {
	functions=
	_n=1
	while [ "$_n" -le "$1" ]; do
		_one=$(bdf_of 1b36:11f0 "$_n") || die "there are no $1 smmu-testdev"
		vfio_bind "$_one"
		functions="$functions $_one"
		_n=$((_n + 1))
	done
}

# observer_and_two: bind the second and the third smmu-testdev; $observer, $one, $two.
# shellcheck disable=SC2034 # of whoever calls it
observer_and_two() {
	observer=$(bdf_of 1b36:11f0 1) || die "no smmu-testdev"
	one=$(bdf_of 1b36:11f0 2) || die "no second smmu-testdev"
	two=$(bdf_of 1b36:11f0 3) || die "no third smmu-testdev"
	vfio_bind "$one"
	vfio_bind "$two"
}

# trace_functions NAME...: record entry and return of kernel functions. Events
# are named NAME and NAME_ret, and carry the first argument, which tells devices
# apart, and the returned value. Time is CLOCK_MONOTONIC, as in the test programs.
# A function that this kernel does not have is reported and left out.
trace_functions() {
	echo 0 > "$TRACING/tracing_on"
	echo > "$TRACING/trace"
	echo mono > "$TRACING/trace_clock" || die "no trace clock mono"
	for _fn; do
		if ! echo "p:fn/$_fn $_fn arg1=\$arg1" >> "$TRACING/kprobe_events" ||
		   ! echo "r:fn/${_fn}_ret $_fn ret=\$retval:s32" >> "$TRACING/kprobe_events"; then
			echo "TR-MISSING $_fn"
		fi
	done 2> /dev/null
	echo 1 > "$TRACING/events/fn/enable" || die "none of these can be traced: $*"
	echo 1 > "$TRACING/tracing_on"
}

# trace_dump: stop recording and print what was recorded. A line is
#   TR <task>-<pid> [<cpu>] <flags> <seconds>: <event>: ...
# where <seconds> has six decimals.
trace_dump() {
	echo 0 > "$TRACING/tracing_on"
	sed -n -e '/^#/d' -e 's/^ */TR /p' "$TRACING/trace"
	echo 0 > "$TRACING/events/fn/enable"
	echo > "$TRACING/kprobe_events"
}

# testdev_module BDF...: load smmu_testdev and hand it these functions.
testdev_module() {
	[ -d /sys/module/smmu_testdev ] || insmod /lib/smmu_testdev.ko || die "smmu_testdev cannot be loaded"
	for _bdf; do
		_dev=$PCI_DEVICES/$_bdf

		echo smmu_testdev > "$_dev/driver_override" || die "$_bdf takes no driver_override"
		[ -e "$_dev/driver" ] || echo "$_bdf" > /sys/bus/pci/drivers_probe
		[ "$(basename "$(readlink -f "$_dev/driver")")" = smmu_testdev ] ||
			die "$_bdf is not bound to smmu_testdev"
	done
}

# stress_functions: bind the five functions of testdev_stress; its arguments are in $functions.
stress_functions() {
	vfio_functions 3
	# shellcheck disable=SC2086 # several words
	set -- $functions
	_sva=$(bdf_of 19e5:a250) || die "no function that can stall"
	_guest=$(bdf_of 1b36:11f0 4) || die "no five functions"
	echo "$1" > "$PCI_DEVICES/$1/driver/unbind" || die "$1 cannot be unbound"
	testdev_module "$_sva" "$_guest"
	functions="$functions $_sva $_guest"
}

# record_uevents: keep what uevents say of recovery states from here on, for
# smtd_uevents() of the library. The kernel runs its helper once for each of them.
record_uevents() {
	mkdir -p /run
	: > /run/uevents
	cat > /run/uevent-helper <<-'EOF'
	#!/bin/busybox sh
	[ -z "$IOMMU_RECOVERY_STATE" ] || echo "$SEQNUM ${DEVPATH##*/} $IOMMU_RECOVERY_STATE $IOMMU_RECOVERY_REASON" >> /run/uevents
	EOF
	chmod +x /run/uevent-helper
	echo /run/uevent-helper > /sys/kernel/uevent_helper || die "this kernel runs no helper for uevents"
}
