# SPDX-License-Identifier: GPL-2.0
"""Bad input and bad luck through the command line: one clear line, its cure, and a status that says so."""
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from kit import bases, debian, prereq, proc
from kit.ui import KitError
from tests.kit.lab import LabTest, commit, git, kernel_tree, snapshot, wait_for, write

TOOLS = ("sh", "bash", "env", "git", "xz", "dpkg-deb", "dpkg", "patch", "python3", "rm", "cp", "cat", "ls", "sed", "tar",
         "uname", "sleep", "touch", "apt-get", "apt-cache", "gcc", "make", "flex", "bison", "bc", "rsync", "perl",
         "aarch64-linux-gnu-gcc", "qemu-system-aarch64", "fdtput", "fdtget", "sparse", "spatch", "shellcheck")


def living(group):
    """The processes of a group that are not dead, a moment later."""
    for _ in range(50):
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[2] == str(group) and fields[0] not in "ZX":
                found.append(stat.parent.name)
        if not found:
            return []
        time.sleep(0.02)
    return found


class CliTest(LabTest):
    def path(self, without=(), scripts=None):
        """A PATH with links to the tools, some of them left out, some replaced by scripts."""
        where = self.lab.where / "bin"
        where.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            if found and name not in without:
                (where / name).symlink_to(found)
        for name, text in (scripts or {}).items():
            if (where / name).exists():
                (where / name).unlink()
            write(where / name, text, 0o755)
        return str(where)

    def refuse(self, command, *words, **env):
        status, out = self.lab.run(*([command] if command else []), **env)
        return self.refused(status, out, *words)

    def lacks(self, *sets):
        lack = prereq.missing(sets)
        if lack:
            self.skipTest("this machine lacks " + ", ".join(sorted(lack)))


class Input(CliTest):
    def test_unknown_command(self):
        self.refuse("nonsense", "unknown command 'nonsense'", "make help")
        self.refuse(None, "unknown command")

    def script(self, name):
        """One of the repository's tests, for the lab's own copy of the kit."""
        shutil.copy(str(Path(__file__).resolve().parents[1] / f"vm/{name}.sh"), str(self.lab.root / f"tests/vm/{name}.sh"))

    def test_testdev_program_that_is_none(self):
        self.script("benign")
        self.refuse("vm", "QEMU_TESTDEV=/nonexistent", "is not a program", TEST="benign", QEMU_TESTDEV="/nonexistent")

    def test_unknown_mode(self):
        self.script("boot")
        self.refuse("vm", "MODE=fast", "deterministic, race", TEST="boot", MODE="fast")

    def test_number_of_runs(self):
        self.script("boot")
        self.refuse("vm", "RUNS=0", "at least 1", TEST="boot", RUNS="0")

    def test_bites_of_a_test_of_no_defect(self):
        self.script("boot")
        self.refuse("bites", "TEST=boot", "no test of a defect", TEST="boot")

    def test_unknown_base(self):
        self.refuse("tree", "Linux 6.12 is not supported", "7.3, 7.2", BASE="6.12")

    def test_base_that_is_a_path(self):
        self.refuse("tree", "is not supported", BASE="../bases/7.3")

    def test_base_and_kernel(self):
        self.refuse("tree", "BASE= and KERNEL= are both given", BASE="7.3", KERNEL="/")

    def test_kernel_that_is_none(self):
        self.refuse("tree", "KERNEL=/ is not a kernel tree", KERNEL="/")
        self.refuse("tree", "is not a directory", KERNEL="/nonsense")

    def test_kernel_of_another_version(self):
        where = kernel_tree(self.lab.where / "linux", {"Makefile": "VERSION = 6\nPATCHLEVEL = 1\n"})
        line = self.refuse("tree", "Linux 6.1 is not supported", "7.3, 7.2", KERNEL=str(where))
        self.assertIn(str(where), line)

    def test_dirty_kernel(self):
        where = kernel_tree(self.lab.where / "linux")
        git(where, "init", "-q")
        commit(where, "Linux 7.3.4")
        write(where / "drivers/net/net.c", "int changed;\n")
        before = snapshot(where)
        self.refuse("tree", "has changes that are not committed", "drivers/net/net.c", KERNEL=str(where))
        self.assertEqual(snapshot(where), before)

    def test_kernel_as_base_is_read_only(self):
        for how in ("plain", "git"):
            where = kernel_tree(self.lab.where / how, {"drivers/iommu/iommu.o": "object", ".gitignore": "*.o\n"})
            if how == "git":
                git(where, "init", "-q")
                git(where, "add", "-A")
                git(where, "commit", "-q", "-m", "Linux")
            before = snapshot(where)
            self.lab.ok("tree", KERNEL=str(where))
            self.assertEqual(snapshot(where), before, how)

    def test_kernel_of_another_owner(self):
        if os.geteuid():
            self.skipTest("needs root, to give a directory away")
        where = kernel_tree(self.lab.where / "linux")
        git(where, "init", "-q")
        commit(where, "Linux 7.3.4")
        subprocess.run(["chown", "-R", "65534", str(where)], check=True)
        self.lab.ok("tree", KERNEL=str(where))

    def test_unknown_image_test_machine_and_kernel(self):
        shutil.copy(str(Path(__file__).resolve().parents[1] / "vm/boot.sh"), str(self.lab.root / "tests/vm/boot.sh"))
        self.refuse("vm", "make vm needs TEST=NAME", "boot")
        self.refuse("vm", "there is no test 'nonsense'", "boot", TEST="nonsense")
        self.refuse("vm", "MACHINE=stock", TEST="boot", MACHINE="testdev")
        self.refuse("build", "IMAGE=nonsense", "fast, debug", IMAGE="nonsense")

    def test_unknown_side_is_refused_before_anything_is_built(self):
        self.script("boot")
        self.refuse("vm", "ON=nonsense", "base, patched", TEST="boot", ON="nonsense")

    def test_empty_patches_directory(self):
        shutil.rmtree(str(self.lab.root / "patches"))
        where = kernel_tree(self.lab.where / "linux")
        self.refuse("apply", "the series is empty", KERNEL=str(where))


class Tools(CliTest):
    def test_missing_tool(self):
        self.refuse("tree", "missing: git", "as root: apt-get install", PATH=self.path(["git"]), IR_NO_INSTALL="1")

    def test_missing_tools_are_named_together(self):
        self.refuse("tree", "missing: git, xz", "git xz-utils", PATH=self.path(["git", "xz"]), IR_NO_INSTALL="1")

    def test_missing_tool_where_there_is_no_apt(self):
        self.refuse("tree", "missing: git", "on Debian they are in git", PATH=self.path(["git", "apt-get"]))

    def test_installation_that_fails(self):
        if os.geteuid():
            self.skipTest("installs as root only")
        fails = "#!/bin/sh\necho 'E: Unable to fetch some archives' >&2\nexit 100\n"
        self.refuse("tree", "Unable to fetch", PATH=self.path(["git"], {"apt-get": fails}))

    def test_installation_that_brings_nothing(self):
        if os.geteuid():
            self.skipTest("installs as root only")
        self.refuse("tree", "still missing", "git", PATH=self.path(["git"], {"apt-get": "#!/bin/sh\nexit 0\n"}))

    def test_missing_qemu(self):
        self.lacks("base", "build")
        self.refuse("build", "missing: qemu-system-aarch64", "qemu-system-arm",
                    PATH=self.path(["qemu-system-aarch64"]), IR_NO_INSTALL="1")

    def test_old_qemu(self):
        self.lacks("base", "build")
        old = "#!/bin/sh\necho 'QEMU emulator version 6.2.0 (Debian 1:6.2+dfsg-2)'\n"
        self.refuse("build", "is version 6.2; 7.2 or newer is needed", "QEMU",
                    PATH=self.path([], {"qemu-system-aarch64": old, "fdtput": "#!/bin/sh\n"}), IR_NO_INSTALL="1")

    def test_qemu_that_is_none(self):
        self.lacks("base", "build")
        tools = self.path([], {"qemu-system-aarch64": "#!/bin/sh\n", "fdtput": "#!/bin/sh\n"})
        self.refuse("build", "does not say its version", PATH=tools, IR_NO_INSTALL="1")
        self.refuse("build", "cannot run /nonsense", PATH=tools, IR_NO_INSTALL="1", QEMU="/nonsense")

    def test_versions_of_qemu(self):
        with tempfile.TemporaryDirectory() as name:
            program = Path(name) / "qemu"
            for text, version in (("7.2.22", (7, 2)), ("10.0.13", (10, 0)), ("11.1", (11, 1))):
                write(program, f"#!/bin/sh\necho 'QEMU emulator version {text}'\n", 0o755)
                self.assertEqual(prereq.check_qemu(str(program)), version)
            for text in ("7.1.9", "6.99"):
                write(program, f"#!/bin/sh\necho 'QEMU emulator version {text}'\n", 0o755)
                with self.assertRaises(KitError):
                    prereq.check_qemu(str(program))

    def test_own_qemu_needs_no_other(self):
        kept = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(kept)))
        os.environ["PATH"] = self.path(["qemu-system-aarch64"], {"fdtput": "#!/bin/sh\n"})
        os.environ["QEMU"] = "/opt/qemu/bin/qemu-system-aarch64"
        self.assertNotIn("qemu-system-aarch64", prereq.missing(["vm"]))


class Downloads(CliTest):
    versions = ()

    def package(self):
        conf = bases.read_conf("7.3")
        return f"{conf['package'][0]}_{next(iter(conf['sha256']))}_all.deb"

    def test_no_network(self):
        for tool in ("apt-get", "dpkg"):
            if not shutil.which(tool):
                self.skipTest(f"this machine lacks {tool}")
        quick = f"#!/bin/sh\nexec {shutil.which('apt-get')} \"$@\" -o Acquire::Retries=0\n"
        self.refuse("tree", "cannot read suite", "network", BASE="7.3", DEBIAN_MIRROR="http://127.0.0.1:9/debian",
                    PATH=self.path([], {"apt-get": quick}), http_proxy="")
        self.assertEqual(git(self.lab.store, "for-each-ref"), "")

    def test_truncated_download(self):
        cached = self.lab.build / "cache" / self.package()
        write(cached, b"!<arch>\n" + b"\0" * 5000)
        self.refuse("tree", cached.name, "sha256", "truncated", "again", BASE="7.3")
        self.assertFalse(cached.exists(), "the next run would find it again")

    def test_download_with_the_right_checksum_is_kept(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "x.deb"
            path.write_bytes(b"x")
            debian.verify(path, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")
            self.assertTrue(path.exists())

    def test_package_that_is_none(self):
        conf = self.lab.root / "bases/7.3.conf"
        cached = self.lab.build / "cache" / self.package()
        write(cached, b"not a package\n")
        text = conf.read_text()
        conf.write_text(text.replace(next(iter(bases.read_conf("7.3")["sha256"].values())), debian.sha256(cached)))
        status, out = self.lab.run("tree", BASE="7.3")
        self.refused(status, out.replace(*self.noise(out)), cached.name)
        self.assertEqual(git(self.lab.store, "for-each-ref"), "")

    @staticmethod
    def noise(out):
        """What dpkg-deb itself says is not the kit's line."""
        line = next((row for row in out.splitlines() if row.startswith("dpkg-deb: ")), "")
        return (line + "\n", "") if line else ("", "")


class Disk(CliTest):
    def mount(self, size):
        where = self.lab.where / "small"
        where.mkdir()
        if os.geteuid() or not shutil.which("mount"):
            self.skipTest("needs root, to mount a small file system")
        res = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)],
                             capture_output=True, text=True, check=False)
        if res.returncode:
            self.skipTest(f"cannot mount a small file system: {res.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(where)], check=False)
        return where

    def test_too_small_to_begin_with(self):
        where = self.mount("1m")
        self.refuse("tree", "not enough space for the source of Linux 7.3", "IR_BUILD", IR_BUILD=str(where))

    def test_full_in_the_middle(self):
        where = self.mount("400k")
        kernel = kernel_tree(self.lab.where / "linux", {"drivers/net/big.c": os.urandom(1 << 20)})
        self.refuse("tree", "space", IR_BUILD=str(where), KERNEL=str(kernel))

    def test_full_before_the_lock(self):
        where = self.mount("4k,nr_inodes=1")
        self.refuse("tree", "space", IR_BUILD=str(where / "build"), KERNEL="/")

    def test_build_directory_that_cannot_be(self):
        write(self.lab.where / "file", "x")
        self.refuse("tree", "cannot write to", "IR_BUILD", IR_BUILD=str(self.lab.where / "file/build"))

    def test_space_is_measured(self):
        with self.assertRaises(KitError) as caught:
            proc.need_space(Path(tempfile.gettempdir()) / "not/there/yet", 1 << 30, "everything")
        self.assertIn("not enough space for everything", caught.exception.what)
        proc.need_space(Path(tempfile.gettempdir()), 0, "nothing")


class Runs(CliTest):
    def test_second_run_at_the_same_time(self):
        with open(str(self.lab.build / ".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refuse("tree", "another run of the kit is using", str(self.lab.build))
        self.lab.ok("tree")

    def interrupt(self, when, signal_group):
        """make tree, interrupted while git does a thing; then make tree again."""
        marker = self.lab.where / "started"
        real = shutil.which("git")
        slow = (f"#!/bin/sh\ncase \" $* \" in *\" {when} \"*) : >'{marker}'; exec sleep 30;; esac\n"
                f"exec {real} \"$@\"\n")
        child = self.lab.start("tree", PATH=self.path([], {"git": slow}))
        try:
            wait_for(marker)
            if signal_group:
                os.killpg(child.pid, signal.SIGINT)
            else:
                os.kill(child.pid, signal.SIGINT)
            out, _ = child.communicate(timeout=20)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
        self.refused(child.returncode, out, "interrupted", "run the same command again")
        self.assertEqual(living(child.pid), [], "a child is still there")
        shutil.rmtree(str(self.lab.where / "bin"))
        marker.unlink()
        self.lab.ok("tree")
        self.assertTrue((self.lab.tree / "drivers/iommu/iommu.c").exists())
        self.assertEqual(git(self.lab.tree, "status", "--porcelain"), "")

    def test_interrupted_and_resumed(self):
        self.interrupt("sparse-checkout", True)

    def test_interrupted_alone_and_resumed(self):
        self.interrupt("worktree add", False)

    def test_interrupted_at_the_end_and_resumed(self):
        self.interrupt("checkout -q", True)

    def test_interrupted_save_leaves_a_repository_that_can_be_saved(self):
        self.lab.ok("tree")
        commit(self.lab.tree, "iommu: One", "", {"drivers/iommu/new.c": "int new;\n"})
        commit(self.lab.tree, "iommu: Two", "", {"drivers/iommu/new.c": "int newer;\n"})
        self.lab.ok("save")
        git(self.lab.tree, "reset", "-q", "--hard", "HEAD~1")
        commit(self.lab.tree, "iommu: Two", "", {"drivers/iommu/new.c": "int newest;\n"})
        # As it is when the run ends between the overlay files and the patches.
        write(self.lab.root / "drivers/iommu/new.c", "int newest;\n")
        self.lab.ok("save")
        self.lab.ok("tree")


if __name__ == "__main__":
    unittest.main()
