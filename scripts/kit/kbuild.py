# SPDX-License-Identifier: GPL-2.0
"""Kernel images: configured, checked, built, and kept by what went into them.

Base and patched kernels of one configuration share a source tree and an object
directory, so that the second costs only what the series changes. A finished
image is found again by a key made of the source tree's hash, the
configuration and the compiler: nothing that is built twice is the same.
"""
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import paths, proc, tree
from .bases import git
from .ui import KitError

# Parts of the source that no image depends on.
NOT_KERNEL = ("Documentation", "MAINTAINERS", "tools")

FLAVOURS = {"fast": ("base.config", "fast.config"), "debug": ("base.config", "debug.config")}

REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "2026-01-01 00:00:00 +0000", "KBUILD_BUILD_USER": "iommu-recovery",
    "KBUILD_BUILD_HOST": "kit", "KBUILD_BUILD_VERSION": "1",
}


@dataclass
class Image:
    name: str        # for people: "7.3 patched fast"
    dir: Path        # Image, vmlinux, config, usr/include
    commit: str      # of the store
    flavour: str
    source: str      # directory name below build/src
    base: object
    base_image: object = None      # of the same pair; whose own selftests run with programs-from: base
    series_image: object = None    # of the same pair; whose test programs run otherwise

    @property
    def kernel(self):
        return self.dir / "Image"

    @property
    def key(self):
        return self.dir.name

    def ready(self):
        return (self.dir / "done").exists()


def jobs():
    return os.environ.get("JOBS") or str(os.cpu_count() or 2)


def compiler():
    return proc.output([f"{paths.CROSS}gcc", "--version"]).splitlines()[0]


def fragments(flavour):
    return "".join((paths.CONFIGS / f).read_text(encoding="ascii") for f in FLAVOURS[flavour])


def wanted(text):
    """{option: value} of fragments; a later line wins, n stands for 'is not set'."""
    want = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"# (CONFIG_\w+) is not set", line):
            want[found.group(1)] = "n"
        elif found := re.fullmatch(r"(CONFIG_\w+)=(.*)", line):
            want[found.group(1)] = found.group(2)
        elif line and not line.startswith("#"):
            raise KitError(f"configs/: cannot read the line '{line}'", "mend it")
    return want


def check_config(text, config_file):
    """Every requested option must have survived olddefconfig."""
    have = wanted("\n".join(line for line in config_file.read_text(encoding="ascii").splitlines()
                            if "CONFIG_" in line))
    lost = [f"{k} is {have.get(k, 'n')}, not {v}" for k, v in wanted(text).items()
            if have.get(k, "n") != v]
    if lost:
        raise KitError("the kernel configuration does not take: " + "; ".join(lost[:5])
                       + (f" and {len(lost) - 5} more" if lost[5:] else ""),
                       "mend configs/ (an option's dependencies, or its name in this kernel)")


def image(base, commit, flavour, name):
    """The image of that source and flavour; it may have to be built."""
    source = "\n".join(row for row in git("ls-tree", commit).splitlines()
                       if row.split("\t")[1] not in NOT_KERNEL)
    modules = [hashlib.sha256(p.read_bytes()).hexdigest() for p in module_files()]
    text = "\n".join((source, fragments(flavour), compiler(), *REPRODUCIBLE.values(), *modules))
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Image(name, paths.IMAGES / f"{base.name}-{flavour}-{key}", commit, flavour, base.name, base)


def module_files():
    """Source of the test device's kernel module, which every image has beside it."""
    return sorted(p for p in paths.TESTDEV.glob("*") if p.name in ("Kbuild", "Kconfig") or p.suffix in (".c", ".h"))


def build_modules(source, obj, where, log):
    """The out-of-tree module against this kernel, as a user would build it, in a copy of its directory."""
    if not (paths.TESTDEV / "Kbuild").exists():
        return
    work = obj / "smmu-testdev"
    work.mkdir(exist_ok=True)
    for path in module_files():
        copy = work / path.name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copy(path, copy)
    kmake(source, obj, "modules", log=log, what="building modules")
    kmake(source, obj, f"M={work}", "modules", log=log, what="building the module smmu_testdev")
    for module in work.glob("*.ko"):
        shutil.copy(module, where / module.name)


def kmake(source, obj, *args, log, what, env=None):
    proc.logged(["make", "-C", source, f"O={obj}", f"ARCH={paths.ARCH}",
                 f"CROSS_COMPILE={paths.CROSS}", f"-j{jobs()}", *args], log,
                env={**REPRODUCIBLE, **(env or {})}, what=what)


def configure(source, obj, text, log):
    """Write .config from tinyconfig and fragments; the build's time stamps stay when nothing changes."""
    obj.mkdir(parents=True, exist_ok=True)
    stamp = obj / ".fragments"
    release = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(source.glob("drivers/iommu/**/Kconfig"))
                                      + [source / "Makefile"])).hexdigest()
    if (obj / ".config").exists() and stamp.exists() and stamp.read_text() == text + release:
        return
    fresh = obj / ".config.fresh"
    (obj / "fragment").write_text(text, encoding="ascii")
    kmake(source, obj, "tinyconfig", f"KCONFIG_CONFIG={fresh}", log=log, what="tinyconfig")
    proc.logged([source / "scripts/kconfig/merge_config.sh", "-m", "-Q", "-O", obj, fresh, obj / "fragment"],
                log, cwd=obj, env={"KCONFIG_CONFIG": str(fresh)}, what="merging configs/")
    kmake(source, obj, "olddefconfig", f"KCONFIG_CONFIG={fresh}", log=log, what="olddefconfig")
    check_config(text, fresh)
    if not (obj / ".config").exists() or (obj / ".config").read_bytes() != fresh.read_bytes():
        os.replace(fresh, obj / ".config")
    stamp.write_text(text + release)


def log_of(img):
    return paths.LOGS / f"build-{img.dir.name}.log"


def build(img):
    """Build the image unless it is there."""
    if img.ready():
        return img
    proc.need_space(paths.BUILD, 3, f"building {img.name}")
    log = log_of(img)
    log.unlink(missing_ok=True)
    source = tree.full_source(img.source, img.commit)
    obj = paths.BUILD / "obj" / f"{img.source}-{img.flavour}"
    text = fragments(img.flavour)
    configure(source, obj, text, log)
    kmake(source, obj, "Image", log=log, what=f"building {img.name}")
    check_config(text, obj / ".config")
    shutil.rmtree(img.dir, ignore_errors=True)
    img.dir.mkdir(parents=True)
    kmake(source, obj, "headers_install", f"INSTALL_HDR_PATH={img.dir / 'usr'}", log=log,
          what="headers_install")
    shutil.copy(obj / "arch" / paths.ARCH / "boot" / "Image", img.kernel)
    shutil.copy(obj / ".config", img.dir / "config")
    shutil.copy(obj / "vmlinux", img.dir / "vmlinux")
    build_modules(source, obj, img.dir, log)
    (img.dir / "done").touch()
    return img


def pair(base, tip, flavour):
    """The unpatched and the patched image of one flavour, knowing of each other."""
    plain = image(base, base.commit, flavour, f"{base.name} base {flavour}")
    patched = image(base, tip, flavour, f"{base.name} patched {flavour}")
    for one in (plain, patched):
        one.base_image, one.series_image = plain, patched
    return plain, patched
