# SPDX-License-Identifier: GPL-2.0
"""Kernel images: configured, checked, built, and kept by what went into them.

Base and patched kernels of one configuration share a source tree and an object
directory, so that the second costs only what the series changes. A finished
image is found again by a key made of the source tree's hash, the
configuration and the compiler: nothing that is built twice is the same.
"""
import contextlib
import hashlib
import os
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from . import paths, proc, tree
from .bases import git
from .ui import KitError

# Parts of the source that no image depends on.
NOT_KERNEL = ("Documentation", "MAINTAINERS", "tools")

# Where the series adds options of its own
SERIES_KCONFIG = ("drivers/iommu/Kconfig", "drivers/pci/Kconfig")

FLAVOURS = {"fast": ("base.config", "fast.config"), "debug": ("base.config", "debug.config"),
            "kcsan": ("base.config", "kcsan.config"), "bench": ("base.config", "bench.config"),
            "gcov": ("base.config", "gcov.config")}

# Built ahead() in make check
AHEAD = ("debug",)

REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "2026-01-01 00:00:00 +0000", "KBUILD_BUILD_USER": "iommu-recovery",
    "KBUILD_BUILD_HOST": "kit", "KBUILD_BUILD_VERSION": "1",
}


@dataclass(frozen=True)
class Target:
    """What a kernel is compiled for, and the prefix of the tools that do it."""

    arch: str
    cross: str


HOME = Target(paths.ARCH, paths.CROSS)      # what the kit boots


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


def compiler(target=HOME):
    return proc.output([f"{target.cross}gcc", "--version"]).splitlines()[0]


def fragments(flavour):
    return "".join((paths.CONFIGS / f).read_text(encoding="ascii") for f in FLAVOURS[flavour])


def series_options(asked, kconfig):
    """The lines of configs/series.config whose options that text has: tests, where KUnit is asked for."""
    if wanted(asked).get("CONFIG_KUNIT") != "y":
        return ""
    have = set(re.findall(r"^config (\w+)$", kconfig, re.M))
    text = (paths.CONFIGS / "series.config").read_text(encoding="ascii")
    return "".join(f"CONFIG_{name}={value}\n" for name, value in re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.M)
                   if name in have)


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


def lost_options(text, config_file):
    """[(option, what it is, what it should be)]: the requested options that did not survive olddefconfig."""
    have = wanted("\n".join(line for line in config_file.read_text(encoding="ascii").splitlines()
                            if "CONFIG_" in line))
    return [(k, have.get(k, "n"), v) for k, v in wanted(text).items() if have.get(k, "n") != v]


def check_config(text, config_file, may_lose=()):
    """Every requested option must have survived olddefconfig."""
    lost = [f"{k} is {have}, not {want}" for k, have, want in lost_options(text, config_file) if k not in may_lose]
    if lost:
        raise KitError("the kernel configuration does not take: " + "; ".join(lost[:5])
                       + (f" and {len(lost) - 5} more" if lost[5:] else ""),
                       "mend configs/ (an option's dependencies, or its name in this kernel)")


def image(base, commit, flavour, name):
    """The image of that source and flavour; it may have to be built."""
    source = "\n".join(row for row in git("ls-tree", commit).splitlines()
                       if row.split("\t")[1] not in NOT_KERNEL)
    modules = [hashlib.sha256(p.read_bytes()).hexdigest() for p in module_files()]
    config = fragments(flavour)
    config += series_options(config, "\n".join(git("show", f"{commit}:{name}", check=False)
                                               for name in SERIES_KCONFIG))
    text = "\n".join((source, config, compiler(), *REPRODUCIBLE.values(), *modules, *profile(flavour)))
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Image(name, paths.IMAGES / f"{base.name}-{flavour}-{key}", commit, flavour, place(base, flavour), base)


def place(base, flavour):
    """The source tree for that flavour: one of its own where nobody else may change the commit meanwhile."""
    return f"{base.name}-{flavour}" if flavour in AHEAD else base.name


def counted():
    """The files that the series adds to the kernel and that are no tests: whose lines are counted."""
    return sorted(str(p.relative_to(paths.ROOT)) for p in (paths.ROOT / "drivers").rglob("*.c")
                  if not re.search(r"-test$|-test-lib$|-fake|-states$|-paths$", p.stem))


def profile(flavour):
    """What make is told so that only those files are compiled to be counted."""
    return [f"GCOV_PROFILE_{Path(name).stem}.o=y" for name in counted()] if flavour == "gcov" else []


def module_files():
    """Source of the test device's kernel module, which every image has beside it."""
    return sorted(p for p in paths.TESTDEV.glob("*") if p.name in ("Kbuild", "Kconfig") or p.suffix in (".c", ".h"))


def build_modules(source, obj, where, flavour, log):
    """The out-of-tree module against this kernel, as a user would build it, in a copy of its directory."""
    if not (paths.TESTDEV / "Kbuild").exists():
        return
    work = obj / "smmu-testdev"
    work.mkdir(exist_ok=True)
    for path in module_files():
        copy = work / path.name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copy(path, copy)
    kmake(source, obj, *profile(flavour), "modules", log=log, what="building modules")
    kmake(source, obj, f"M={work}", "modules", log=log, what="building the module smmu_testdev")
    for module in work.glob("*.ko"):
        shutil.copy(module, where / module.name)


def kmake(source, obj, *args, log, what, env=None, target=HOME):
    proc.logged(["make", "-C", source, f"O={obj}", f"ARCH={target.arch}",
                 f"CROSS_COMPILE={target.cross}", f"-j{jobs()}", *args], log,
                env={**REPRODUCIBLE, **(env or {})}, what=what)


def attempt(source, obj, *args, log, env=None, target=HOME):
    """Compile as far as possible; True when all of it went well."""
    try:
        kmake(source, obj, "-k", *args, log=log, what=log.stem, env=env, target=target)
        return True
    except KitError as e:
        if e.cure and "space" in e.cure:
            raise
        return False


def configure(source, obj, text, log, target=HOME, may_lose=()):
    """Write .config from tinyconfig and fragments; the build's time stamps stay when nothing changes.

    Returns everything that was asked for.
    """
    kconfigs = [source / name for name in SERIES_KCONFIG if (source / name).exists()]
    text += series_options(text, "\n".join(path.read_text(encoding="utf-8") for path in kconfigs))
    obj.mkdir(parents=True, exist_ok=True)
    stamp = obj / ".fragments"
    asked = [p for top in ("iommu", "pci", "vfio") for p in sorted(source.glob(f"drivers/{top}/**/Kconfig"))]
    release = hashlib.sha256(b"".join(p.read_bytes() for p in [*asked, source / "Makefile"])).hexdigest()
    inputs = text + release + "".join(sorted(may_lose))
    if (obj / ".config").exists() and stamp.exists() and stamp.read_text() == inputs:
        return text
    fresh = obj / ".config.fresh"
    (obj / "fragment").write_text(text, encoding="ascii")
    kmake(source, obj, "tinyconfig", f"KCONFIG_CONFIG={fresh}", log=log, what="tinyconfig", target=target)
    proc.logged([source / "scripts/kconfig/merge_config.sh", "-m", "-Q", "-O", obj, fresh, obj / "fragment"],
                log, cwd=obj, env={"KCONFIG_CONFIG": str(fresh)}, what="merging configs/")
    kmake(source, obj, "olddefconfig", f"KCONFIG_CONFIG={fresh}", log=log, what="olddefconfig", target=target)
    check_config(text, fresh, may_lose)
    if not (obj / ".config").exists() or (obj / ".config").read_bytes() != fresh.read_bytes():
        os.replace(fresh, obj / ".config")
    stamp.write_text(inputs)
    return text


def log_of(img):
    return paths.LOGS / f"build-{img.dir.name}.log"


_ahead = {}    # source tree -> the event that what is built from it ahead has ended


@contextlib.contextmanager
def ahead(*jobs):
    """Do jobs, pairs of a source tree and a function, while the caller does other work.

    They run one after the other, by CPUs that nothing else wants, and leave something that makes it
    short to do the same again: that is what tells of a failure, after until_built().
    """
    ended = {source: threading.Event() for source, _ in jobs}
    stop = threading.Event()

    def work():
        for source, job in jobs:
            try:
                # Whatever goes wrong: whoever does it again sees it.
                with proc.idle(), contextlib.suppress(Exception):
                    if not stop.is_set():
                        job()
            finally:
                ended[source].set()

    _ahead.update(ended)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        while thread.is_alive():
            proc.kill_all()
            thread.join(0.05)
        for source in ended:
            del _ahead[source]


def until_built(source):
    """Wait for what is built ahead from that source tree."""
    if source in _ahead:
        _ahead[source].wait()


def build(img):
    """Build the image unless it is there; after what is built ahead in the same place."""
    until_built(img.source)
    return img if img.ready() else build_now(img)


def build_now(img):
    """Build the image here, whoever else may be at it."""
    proc.need_space(paths.BUILD, 3, f"building {img.name}")
    log = log_of(img)
    log.unlink(missing_ok=True)
    source = tree.full_source(img.source, img.commit)
    obj = paths.BUILD / "obj" / f"{img.base.name}-{img.flavour}"
    text = configure(source, obj, fragments(img.flavour), log)
    kmake(source, obj, *profile(img.flavour), "Image", log=log, what=f"building {img.name}")
    check_config(text, obj / ".config")
    shutil.rmtree(img.dir, ignore_errors=True)
    img.dir.mkdir(parents=True)
    kmake(source, obj, "headers_install", f"INSTALL_HDR_PATH={img.dir / 'usr'}", log=log,
          what="headers_install")
    shutil.copy(obj / "arch" / paths.ARCH / "boot" / "Image", img.kernel)
    shutil.copy(obj / ".config", img.dir / "config")
    shutil.copy(obj / "vmlinux", img.dir / "vmlinux")
    build_modules(source, obj, img.dir, img.flavour, log)
    for name in counted() if img.flavour == "gcov" else ():
        notes = Path(name).with_suffix(".gcno")
        if (obj / notes).exists():      # not there: the base
            (img.dir / notes).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(obj / notes, img.dir / notes)
    (img.dir / "done").touch()
    return img


def pair(base, tip, flavour):
    """The unpatched and the patched image of one flavour, knowing of each other."""
    plain = image(base, base.commit, flavour, f"{base.name} base {flavour}")
    patched = image(base, tip, flavour, f"{base.name} patched {flavour}")
    for one in (plain, patched):
        one.base_image, one.series_image = plain, patched
    return plain, patched
