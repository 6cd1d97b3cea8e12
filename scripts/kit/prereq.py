# SPDX-License-Identifier: GPL-2.0
"""The tools that the kit needs: installed when root, named when not."""
import os
import platform
import re
import shutil
import subprocess

from . import paths, proc
from .ui import KitError, say

# What must be there -> the Debian package that brings it. A name with a slash is a file.
SETS = {
    "base": {"git": "git", "xz": "xz-utils", "dpkg-deb": "dpkg"},
    "build": {
        "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
        "/usr/aarch64-linux-gnu/lib/libc.a": "libc6-dev-arm64-cross",
        "gcc": "gcc", "/usr/include/stdlib.h": "libc6-dev", "make": "make", "flex": "flex",
        "bison": "bison", "bc": "bc", "rsync": "rsync", "perl": "perl",
    },
    "vm": {"qemu-system-aarch64": "qemu-system-arm"},
    # To build QEMU with the test device
    "qemu": {
        "gcc": "gcc", "/usr/include/stdlib.h": "libc6-dev", "patch": "patch", "ninja": "ninja-build",
        "pkg-config": "pkg-config", "dpkg-source": "dpkg-dev", "rsync": "rsync",
        "/usr/include/glib-2.0/glib.h": "libglib2.0-dev", "/usr/include/libfdt.h": "libfdt-dev",
        "/usr/include/pixman-1/pixman.h": "libpixman-1-dev", "flex": "flex", "bison": "bison",
        "/usr/lib/python3/dist-packages/pip": "python3-pip", "/usr/share/doc/python3-venv": "python3-venv",
        "/usr/lib/python3/dist-packages/setuptools": "python3-setuptools",
    },
    "model": {"spin": "spin", "gcc": "gcc", "/usr/include/stdlib.h": "libc6-dev"},
    "lint": {"sparse": "sparse", "spatch": "coccinelle", "shellcheck": "shellcheck", "perl": "perl"},
    "drivers": {
        "x86_64-linux-gnu-gcc": "gcc" if platform.machine() == "x86_64" else "gcc-x86-64-linux-gnu",
        "arm-linux-gnueabihf-gcc": "gcc-arm-linux-gnueabihf", "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu",
        "s390x-linux-gnu-gcc": "gcc-s390x-linux-gnu", "powerpc64-linux-gnu-gcc": "gcc-powerpc64-linux-gnu",
        # x86 runs objtool over every object.
        "/usr/include/libelf.h": "libelf-dev",
    },
}

QEMU_OLDEST = (7, 2)


def missing(sets):
    lack = {}
    for name in sets:
        for tool, package in SETS[name].items():
            if tool == "qemu-system-aarch64" and os.environ.get("QEMU"):
                continue
            if not (os.path.exists(tool) if "/" in tool else shutil.which(tool)):
                lack[tool] = package
    return lack


def need(*sets):
    """Return when every tool of the sets is there; install Debian's packages when root."""
    lack = missing(sets)
    if lack:
        packages = sorted(set(lack.values()))
        names = ", ".join(sorted(lack))
        if not shutil.which("apt-get"):
            raise KitError(f"missing: {names}",
                           "install them; on Debian they are in " + " ".join(packages))
        command = "apt-get install --no-install-recommends " + " ".join(packages)
        if os.geteuid() or os.environ.get("IR_NO_INSTALL"):
            raise KitError(f"missing: {names}", f"as root: {command}")
        say(f"        installing {' '.join(packages)}")
        install(packages)
        lack = missing(sets)
        if lack:
            raise KitError(f"still missing after the installation: {', '.join(sorted(lack))}",
                           f"as root: {command}")
    if "vm" in sets:
        check_qemu(qemu())


def install(packages):
    log = paths.LOGS / "install.log"
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    what = f"installing {' '.join(packages)}"
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    try:
        proc.logged(command, log, env=env, what=what)
    except KitError:
        # The package lists may never have been fetched, or be older than the mirror.
        proc.logged(["apt-get", "update"], log, env=env, what="apt-get update")
        proc.logged(command, log, env=env, what=what)


def qemu():
    return os.environ.get("QEMU") or "qemu-system-aarch64"


def check_qemu(program):
    try:
        res = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError as e:
        raise KitError(f"cannot run {program}: {e.strerror}",
                       "install qemu-system-arm, or set QEMU to a qemu-system-aarch64") from e
    found = re.search(r"version (\d+)\.(\d+)", res.stdout)
    if not found:
        raise KitError(f"{program} does not say its version", "set QEMU to a qemu-system-aarch64")
    version = tuple(map(int, found.groups()))
    if version < QEMU_OLDEST:
        raise KitError(
            f"{program} is version {version[0]}.{version[1]}; {QEMU_OLDEST[0]}.{QEMU_OLDEST[1]} "
            "or newer is needed (functions with ATS behind its SMMUv3)",
            "install Debian 12's qemu-system-arm or a newer one, or set QEMU")
    return version
