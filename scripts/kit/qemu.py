# SPDX-License-Identifier: GPL-2.0
"""QEMU with smmu-testdev: Debian's source package plus our patches, built once per version and patch set."""
import hashlib
import os
import re
import shutil
from pathlib import Path

from . import debian, kbuild, paths, prereq, proc
from .ui import KitError, note, relative

CONF = paths.TESTDEV / "qemu" / "source.conf"
BUILD = paths.TESTDEV / "build-qemu.sh"
MESON_OLDEST = (1, 5)
WITHOUT = "the other levels work without it: make vm TEST=... of level kunit or stock"


class NoSource(KitError):
    """QEMU's source package is not to be had: the testdev level cannot run here."""


def home():
    return paths.BUILD / "qemu"


def log():
    return paths.LOGS / "build-qemu.log"


def inputs():
    """Every file of ours that the program is made of."""
    return [BUILD, paths.TESTDEV / "regs.h",
            *sorted(p for sub in ("patches", "hw", "include", "configs") for p in (paths.TESTDEV / "qemu" / sub).rglob("*")
                    if p.is_file())]


def key(version):
    digest = hashlib.sha256(version.encode())
    for path in inputs():
        digest.update(str(path.relative_to(paths.TESTDEV)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def built():
    """The program, when what was built last is what the repository holds now."""
    given = os.environ.get("QEMU_TESTDEV")
    if given:
        if not os.access(given, os.X_OK) or os.path.isdir(given):
            raise KitError(f"QEMU_TESTDEV={given} is not a program", "name a qemu-system-aarch64 with smmu-testdev, "
                           "or leave it out: the kit builds one")
        return Path(given)
    try:
        version = (home() / "version").read_text(encoding="ascii").strip()
    except OSError:
        return None
    program = home() / key(version) / "qemu-system-aarch64"
    return program if program.exists() else None


def program():
    found = built()
    if not found:
        raise KitError("QEMU with smmu-testdev was not built", "make build MACHINE=testdev")
    return found


def build():
    """Build it unless it is there."""
    found = built()
    if found:
        return found
    prereq.need("qemu")
    proc.need_space(paths.BUILD, 3, "building QEMU")
    log().parent.mkdir(parents=True, exist_ok=True)
    log().unlink(missing_ok=True)
    version, source = get_source()
    try:
        meson = get_meson()
    except NoSource:
        raise
    except KitError as e:
        raise NoSource(f"QEMU's build needs meson, which is not to be had: {e.what}", f"{e.cure}; {WITHOUT}") from e
    where = home() / key(version)
    work = home() / "work"
    shutil.rmtree(where, ignore_errors=True)
    env = {"QEMU_SRC": str(source)}
    if meson:
        env["MESON_LIB"] = str(meson)
    if shutil.which("ccache"):
        env["CC"] = "ccache gcc"
    proc.logged([BUILD, work, kbuild.jobs()], log(), env=env, what="building QEMU with smmu-testdev")
    where.mkdir(parents=True)
    # What has its name is whole, also when we are interrupted here.
    shutil.copy(work / "qemu-system-aarch64", where / "part")
    os.replace(where / "part", where / "qemu-system-aarch64")
    (home() / "version").write_text(version + "\n", encoding="ascii")
    for old in sorted((p for p in home().iterdir() if re.fullmatch("[0-9a-f]{16}", p.name)),
                      key=os.path.getmtime)[:-3]:
        shutil.rmtree(old)
    return where / "qemu-system-aarch64"


def get_source():
    """(version, unpacked directory), from build/cache or from the first suite that has it."""
    conf = debian.read_conf(CONF)
    package, known = conf["package"][0], conf["sha256"]
    for version, digest in known.items():
        dsc = paths.CACHE / f"{package}_{version.split(':')[-1]}.dsc"
        if dsc.exists():
            debian.verify(dsc, digest)
            return version, unpack(dsc, version)
    problems, seen = [], []
    for suite in conf["suites"]:
        apt = debian.Apt(suite, source=True)
        try:
            apt.update()
            seen += apt.versions(package, "Sources")
            good = [v for v in seen if v.split(":")[-1].startswith(conf["series"][0])]
            if not good:
                continue
            version = next((v for v in known if v in good), good[0])
            note(f"source of {package} {version} from {suite}")
            dsc = apt.download_source(package, version)
        except KitError as e:
            problems.append(e)
            continue
        if version in known:
            debian.verify(dsc, known[version])
        else:
            note(f"this is not a version that the patches were proven on ({', '.join(known)})")
        return version, unpack(dsc, version)
    if problems:
        raise NoSource(f"QEMU's source package is not to be had: {problems[0].what}",
                       f"{problems[0].cure or 'check the mirror'}; {WITHOUT}")
    raise NoSource(f"the configured mirror has no source of {package} {conf['series'][0]}x in "
                   f"{' '.join(conf['suites'])}" + (f", only {', '.join(seen)}" if seen else ""),
                   f"use a full Debian mirror, or set QEMU_TESTDEV to a program that was built elsewhere; {WITHOUT}")


def unpack(dsc, version):
    """Debian's patched source. Its signature was checked by apt, the files' hashes are checked by dpkg-source."""
    where = home() / "source"
    stamp = home() / "source.version"
    if stamp.exists() and stamp.read_text(encoding="ascii") == version:
        return where
    shutil.rmtree(where, ignore_errors=True)
    home().mkdir(parents=True, exist_ok=True)
    try:
        proc.logged(["dpkg-source", "-x", dsc, where], log(), what=f"unpacking {relative(dsc)}")
    except KitError as e:
        if e.cure and "space" in e.cure:
            raise
        for part in paths.CACHE.glob("qemu_*"):
            part.unlink()
        raise KitError(e.what, "run again: what was downloaded of QEMU's source was removed") from e
    stamp.write_text(version, encoding="ascii")
    return where


def get_meson():
    """Directory to put before Python's path, or None when the system's meson will do."""
    text = proc.output(["meson", "--version"], check=False).strip() if shutil.which("meson") else ""
    if fits(text):
        return None
    where = home() / "meson"
    lib = where / "usr/lib/python3/dist-packages"
    if lib.exists():
        return lib
    conf = debian.read_conf(CONF)
    for suite in conf["suites"]:
        apt = debian.Apt(suite, source=True)
        if not apt.versions("meson"):
            apt.update()
        version = next((v for v in apt.versions("meson") if fits(v)), None)
        if version:
            note(f"meson {version} (unpacked into {relative(where)} only)")
            deb = apt.download("meson", version)
            proc.output(["dpkg-deb", "-x", deb, where])
            return lib
    raise NoSource(f"QEMU's build needs meson {MESON_OLDEST[0]}.{MESON_OLDEST[1]} or newer, and there is none in "
                   + " ".join(conf["suites"]), f"install it; {WITHOUT}")


def fits(version):
    found = re.match(r"(?:\d+:)?(\d+)\.(\d+)", version)
    return bool(found) and tuple(map(int, found.groups())) >= MESON_OLDEST
