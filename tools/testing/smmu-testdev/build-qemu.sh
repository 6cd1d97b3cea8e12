#!/bin/bash
# build-qemu.sh OUTDIR [JOBS]: builds qemu-system-aarch64 with smmu-testdev.
#
# QEMU_SRC must name an unpacked Debian source package of QEMU 10.0.x, as
# "dpkg-source -x" leaves it (default: OUTDIR/src). It is not changed; the
# patched copy is OUTDIR/tree, the result OUTDIR/qemu-system-aarch64.
# MESON_LIB may name a directory that holds mesonbuild >= 1.5 with its egg-info
# (usr/lib/python3/dist-packages of Debian's meson package).
# CC is honoured, e.g. CC="ccache gcc".
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

die() {
	echo "build-qemu.sh: $*" >&2
	exit 1
}

need() { # command, Debian package
	command -v "$1" > /dev/null || die "$1 is missing (Debian package $2)"
}

[ $# -ge 1 ] || die "usage: build-qemu.sh OUTDIR [JOBS]"
mkdir -p "$1"
out=$(cd "$1" && pwd)
jobs=${2:-$(nproc)}
src=${QEMU_SRC:-$out/src}

[ -f "$src/VERSION" ] || die "$src holds no QEMU source (QEMU_SRC)"
version=$(cat "$src/VERSION")
case $version in
10.0.*) ;;
*) die "QEMU $version is not supported, only 10.0.x" ;;
esac
need patch patch
need rsync rsync
need ninja ninja-build
need pkg-config pkg-config
need gcc gcc
for lib in glib-2.0:libglib2.0-dev pixman-1:libpixman-1-dev; do
	pkg-config --exists "${lib%%:*}" || die "${lib%%:*} is missing (Debian package ${lib#*:})"
done
[ -f /usr/include/libfdt.h ] || die "libfdt is missing (Debian package libfdt-dev)"
[ -z "${MESON_LIB:-}" ] || export PYTHONPATH=$MESON_LIB
/usr/bin/python3 -c '
import importlib.metadata, sys
v = importlib.metadata.version("meson").split(".")
sys.exit((int(v[0]), int(v[1])) < (1, 5))' 2> /dev/null ||
	die "meson >= 1.5 is missing (bookworm-backports, or MESON_LIB=DIR)"

# Patch a fresh copy, since a tree that was patched before cannot be patched again, and then take over what has
# changed, so that a second build compiles no more than that. Hard links are safe: patch and install write new files.
rm -rf "$out/fresh"
cp -al "$src" "$out/fresh" 2> /dev/null || { rm -rf "$out/fresh"; cp -a "$src" "$out/fresh"; }
cd "$out/fresh"
rm -rf build
for p in "$here"/qemu/patches/*.patch; do
	patch -p1 --no-backup-if-mismatch --forward --fuzz=0 < "$p" > "$out/patch.log" 2>&1 ||
		{ tail -n 12 "$out/patch.log" >&2; die "${p##*/} does not apply to QEMU $version"; }
done
(cd "$here/qemu" && find hw include configs -type f) | while read -r f; do
	install -D -m 644 "$here/qemu/$f" "$f"
done
install -D -m 644 "$here/regs.h" include/hw/misc/smmu-testdev-regs.h
[ "$(cat "$out/tree/VERSION" 2> /dev/null)" = "$version" ] || rm -rf "$out/tree"
mkdir -p "$out/tree/build"
rsync -rlp --checksum --delete --exclude=/build "$out/fresh/" "$out/tree/"
rm -rf "$out/fresh"

cd "$out/tree/build"
args=(--python=/usr/bin/python3 ${CC:+--cc="$CC"}
	--target-list=aarch64-softmmu --without-default-features
	--without-default-devices --with-devices-aarch64=smmu-testdev
	--enable-system --enable-tcg --enable-fdt=system --enable-pixman
	--enable-trace-backends=log --disable-docs --disable-download
	--disable-install-blobs --disable-debug-info --disable-werror)
# Configured in another way than last time: what was made then is no use.
[ "$(cat .configured 2> /dev/null)" = "${args[*]}" ] || { cd .. && rm -rf build && mkdir build && cd build; }
if [ ! -f build.ninja ] && ! ../configure "${args[@]}" > "$out/configure.log" 2>&1; then
	rm -f build.ninja
	tail -n 20 "$out/configure.log" >&2
	die "configure has failed, see $out/configure.log"
fi
echo "${args[*]}" > .configured
if ! ninja -j"$jobs" qemu-system-aarch64 > "$out/build.log" 2>&1; then
	grep -E -m 20 'error|FAILED' "$out/build.log" >&2 || tail -n 20 "$out/build.log" >&2
	die "the build has failed, see $out/build.log"
fi
install -m 755 qemu-system-aarch64 "$out/qemu-system-aarch64"
"$out/qemu-system-aarch64" -M none -device help 2>&1 | grep -q smmu-testdev ||
	die "the binary does not have smmu-testdev"
echo "$out/qemu-system-aarch64"
