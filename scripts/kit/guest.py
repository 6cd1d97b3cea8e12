# SPDX-License-Identifier: GPL-2.0
"""What runs inside: test programs from a kernel's own selftests, and the initramfs."""
import hashlib
import posixpath
import shutil
import subprocess
from pathlib import Path

from . import debian, kbuild, paths, proc
from .bases import git
from .ui import KitError

PACKAGES = ("busybox-static", "uuid-dev", "libcap-dev")
SOURCES = ("tools/testing/selftests/vfio", "tools/testing/selftests/iommu", "tools/testing/selftests/lib.mk",
           "tools/testing/selftests/kselftest.h", "tools/testing/selftests/kselftest_harness.h",
           "tools/testing/selftests/kselftest", "tools/testing/kunit", "tools/include", "tools/arch",
           "drivers/iommu/iommufd/iommufd_test.h", "scripts", "usr/gen_init_cpio.c", "tools/scripts", "tools/iommu")
OWN = paths.ROOT / "tests" / "guest"


def link_targets(commit):
    """Files that the sources reach through symbolic links (identifiers, register headers of drivers)."""
    out = []
    for row in git("ls-tree", "-r", commit, "tools/include", "tools/testing/selftests/vfio",
                   "tools/testing/selftests/iommu").splitlines():
        meta, path = row.split("\t", 1)
        if meta.startswith("120000"):
            target = git("show", f"{commit}:{path}")
            out.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
    return out


def key_of(image):
    inputs = (*SOURCES, *link_targets(image.commit), "include/uapi", f"arch/{paths.ARCH}/include/uapi")
    parts = [git("rev-parse", "-q", "--verify", f"{image.commit}:{p}", check=False).strip() for p in inputs]
    parts.append(Path(__file__).read_text(encoding="utf-8"))
    parts += [hashlib.sha256(p.read_bytes()).hexdigest() for p in own_files()]
    return hashlib.sha256("\n".join([*parts, kbuild.compiler()]).encode()).hexdigest()[:16]


def own_files():
    """Sources of our own programs: those of the kit, and what they share with the test device."""
    shared = [*paths.TESTDEV.glob("regs.h"), *paths.TESTDEV.glob("*_uapi.h")]
    for directory in ("lib", "tests", "qemu/tests"):
        shared += [p for p in (paths.TESTDEV / directory).glob("*") if p.suffix in (".c", ".h")]
    return sorted(p for p in OWN.iterdir() if p.is_file()) + sorted(shared)


def copy_own(where):
    """The kit's programs as one more directory of the kernel's selftests, the test device's below it."""
    shutil.copytree(OWN, where)
    for path in own_files():
        if paths.TESTDEV in path.parents:
            target = where / "smmu-testdev" / path.relative_to(paths.TESTDEV)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def extract(commit, where):
    """The slice of a kernel's source that its tests are made of."""
    exist = [p for p in SOURCES if git("rev-parse", "-q", "--verify", f"{commit}:{p}", check=False)]
    where.mkdir(parents=True)
    with subprocess.Popen(["git", "--git-dir", paths.STORE, "archive", commit, *exist,
                           *link_targets(commit)], stdout=subprocess.PIPE,
                          env=proc.environment()) as archive:
        subprocess.run(["tar", "-x", "-C", where], stdin=archive.stdout, check=True)
    if archive.returncode:
        raise KitError("git archive failed", "make clean, and run again")


def programs(image):
    """Directory with the static test programs of that kernel's source and our own."""
    where = paths.BUILD / "guest" / f"{image.base.name}-{key_of(image)}"
    if (where / "done").exists():
        return where
    for package in PACKAGES:
        debian.guest_package(package)
    shutil.rmtree(where, ignore_errors=True)
    extract(image.commit, where / "src")
    log = paths.LOGS / f"guest-{where.name}.log"
    log.unlink(missing_ok=True)
    copy_own(where / "src/tools/testing/selftests/iommu-recovery")
    for name in ("vfio", "iommu", "iommu-recovery"):
        compile_dir(image, where, name, log)
    compile_tool(where, log)
    proc.logged(["gcc", "-O2", "-o", where / "gen_init_cpio", where / "src/usr/gen_init_cpio.c"], log,
                what="compiling gen_init_cpio")
    (where / "done").touch()
    return where


def compile_dir(image, where, name, log):
    """One directory of selftests by its own Makefile: static, against the image's headers."""
    directory = where / "src/tools/testing/selftests" / name
    include, lib = paths.SYSROOT / "usr/include", paths.SYSROOT / "usr/lib/aarch64-linux-gnu"
    (where / "bin").mkdir(parents=True, exist_ok=True)
    if not (directory / "Makefile").exists():
        return
    flags = f"-D_GNU_SOURCE= -I{include}"
    asserts = where / "src/tools/testing/selftests/vfio/lib/include/libvfio/assert.h"
    if asserts.exists() and "calloc_assert" not in asserts.read_text(encoding="utf-8"):
        flags += " -Dcalloc_assert=calloc"    # 7.2's libvfio uses it and does not define it
    proc.logged(["make", "-C", directory, f"ARCH={paths.ARCH}", f"CROSS_COMPILE={paths.CROSS}",
                 f"OUTPUT={where / 'bin'}", f"KHDR_INCLUDES=-isystem {image.dir / 'usr/include'}",
                 f"USERCFLAGS={flags}", f"EXTRA_CFLAGS={flags}",
                 f"USERLDFLAGS=-static -L{lib}", f"LDLIBS={'-lcap' if name == 'iommu' else '-luuid'}",
                 f"-j{kbuild.jobs()}"], log, what=f"compiling the selftests in {name}")


def compile_tool(where, log):
    """The series' program for operators, by its own Makefile: static."""
    directory = where / "src/tools/iommu/iommu-recovery"
    if directory.exists():
        proc.logged(["make", "-C", directory, f"CROSS_COMPILE={paths.CROSS}", f"OUTPUT={where / 'bin'}/",
                     "LDFLAGS=-static"], log, what="compiling iommu-recovery")


def initramfs(test, prog, where, image):
    """Everything that one test needs, as a cpio archive by the kernel's own tool."""
    busybox = next((p for p in (paths.SYSROOT / "bin/busybox", paths.SYSROOT / "usr/bin/busybox")
                    if p.exists()), None)
    if not busybox:
        raise KitError("build/sysroot holds no busybox", "remove build/sysroot and run again")
    lines = [f"dir {d} 0755 0 0" for d in ("/dev", "/bin", "/lib", "/tests", "/tmp", "/proc", "/sys")]
    lines.append("nod /dev/console 0600 0 0 c 5 1")
    lines.append(f"file /bin/busybox {busybox} 0755 0 0")
    lines.append(f"file /init {OWN / 'init'} 0755 0 0")
    if (OWN / "testlib.sh").exists():
        lines.append(f"file /lib/testlib.sh {OWN / 'testlib.sh'} 0644 0 0")
    script = paths.VM_TESTS / f"{test.name}.sh"
    if not script.exists():    # KUnit by name: everything happens before user space
        script = where / "script.sh"
        script.write_text("exit 0\n", encoding="ascii")
    lines.append(f"file /tests/{test.name}.sh {script} 0644 0 0")
    for name in test.programs:
        program = prog / "bin" / name
        if not program.exists():
            raise KitError(f"test {test.name} names the program {name}, which was not built",
                           f"see build/logs/guest-{prog.name}.log")
        lines.append(f"file /bin/{name} {program} 0755 0 0")
    for name in test.modules:
        module = image.dir / f"{name}.ko"
        if not module.exists():
            raise KitError(f"test {test.name} names the module {name}, which was not built",
                           f"remove {image.dir} and run again")
        lines.append(f"file /lib/{name}.ko {module} 0644 0 0")
    listing = where / "initramfs.list"
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    archive = where / "initramfs.cpio"
    with open(archive, "wb") as f:
        subprocess.run([prog / "gen_init_cpio", "-t", "0", listing], stdout=f, check=True)
    return archive
