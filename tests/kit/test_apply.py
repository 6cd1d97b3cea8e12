# SPDX-License-Identifier: GPL-2.0
"""make apply on a user's tree: all of the series or nothing, and nothing when it is refused."""
import os
import shutil
import subprocess
import sys
import unittest

from tests.kit.lab import IOMMU_C, LabTest, commit, git, git_state, kernel_tree, snapshot, write

NEW = "drivers/iommu/new.c"
NEW_DIR = "drivers/iommu/newdir/deep/file.c"
SUBJECTS = ["iommu: Füge neu hinzu", "iommu: " + "A subject that does not fit a line of a mail " * 2 + "at all",
            "PCI: Remove obsolete"]


class ApplyTest(LabTest):
    @classmethod
    def prepare(cls, lab):
        lab.ok("tree")
        second = IOMMU_C.replace("return 2;", "return 22;").replace("return 11;", "return 1111;")
        commit(lab.tree, SUBJECTS[0], "Warum.", {NEW: "int new;\n", "drivers/iommu/Makefile": "obj-y += iommu.o new.o\n"})
        commit(lab.tree, SUBJECTS[1], "Why.", {"drivers/iommu/iommu.c": second, NEW: "int newer;\n",
                                               NEW_DIR: "int deep;\n"})
        commit(lab.tree, SUBJECTS[2], "", {"drivers/pci/obsolete.c": None}, executable=["drivers/pci/pci.c"])
        lab.ok("save")
        cls.result = git(lab.tree, "rev-parse", "HEAD^{tree}").strip()
        cls.trees = git(lab.tree, "log", "--format=%T", "base/7.3..HEAD")

    def setUp(self):
        super().setUp()
        # Not below "linux": a name with a blank is a directory like any other.
        self.user = self.lab.where / "my linux"
        kernel_tree(self.user)

    def apply(self, **env):
        return self.lab.run("apply", KERNEL=str(env.pop("kernel", self.user)), **env)

    def refuse(self, *words, **env):
        before, state = snapshot(self.user), self.state()
        status, out = self.apply(**env)
        line = self.refused(status, out, *words)
        self.assertEqual(snapshot(self.user), before, "the user's tree was touched")
        self.assertEqual(self.state(), state, "the user's repository was touched")
        self.assertEqual(self.leftovers(), [], "something was left behind")
        return line

    def state(self):
        return git_state(self.user) if (self.user / ".git").exists() else None

    def leftovers(self):
        return [p for p in os.listdir(str(self.lab.where)) if p.startswith(("apply", "series", "overlay"))]


class Versions(ApplyTest):
    def version(self, text):
        write(self.user / "Makefile", text)

    def test_no_kernel_given(self):
        status, out = self.lab.run("apply")
        self.refused(status, out, "make apply needs KERNEL=DIR")

    def test_unsupported_version_is_named_with_those_that_are(self):
        self.version("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n")
        self.refuse("Linux 6.12 is not supported", "7.3", "7.2")

    def test_not_a_kernel_tree(self):
        for text in ("all:\n\ttrue\n", "VERSION = 1.2.3\n", "VERSION = 7\n"):
            self.version(text)
            self.refuse("is not a kernel tree")

    def test_no_makefile(self):
        (self.user / "Makefile").unlink()
        self.refuse("is not a kernel tree")

    def test_makefile_of_a_kernel_without_its_iommu(self):
        shutil.rmtree(str(self.user / "drivers/iommu"))
        self.refuse("is not a kernel tree")

    def test_not_a_directory(self):
        for path in (self.user / "Makefile", self.user / "nonsense"):
            self.refuse("is not a directory", kernel=path)

    def test_subdirectory_of_a_kernel_tree(self):
        self.refuse("is not a kernel tree", kernel=self.user / "drivers")


class Common:
    """What a git tree and a plain one have in common."""

    def test_hunk_that_does_not_apply(self):
        self.change("drivers/iommu/iommu.c", IOMMU_C.replace("return 11;", "return 12345;"))
        self.refuse("patch iommu-A-subject", "does not apply", "file drivers/iommu/iommu.c", "hunk 2 of 2")

    def test_first_hunk_that_does_not_apply(self):
        self.change("drivers/iommu/iommu.c", IOMMU_C.replace("return 2;", "return 12345;"))
        self.refuse("patch iommu-A-subject", "file drivers/iommu/iommu.c", "hunk 1 of 2")

    def test_file_that_is_not_there(self):
        self.change("drivers/pci/obsolete.c", None)
        line = self.refuse("patch PCI-Remove-obsolete does not apply", "drivers/pci/obsolete.c")
        self.assertNotIn("failed (", line)

    def test_first_of_the_files_that_are_not_there_is_named(self):
        self.change("drivers/iommu/iommu.c", None)
        line = self.refuse("patch iommu-A-subject", "drivers/iommu/iommu.c")
        self.assertNotIn("failed (", line)

    def test_already_patched(self):
        status, out = self.apply()
        self.assertEqual(status, 0, out)
        self.refuse("has the series already", "'")

    def test_lines_that_moved_are_no_obstacle(self):
        self.change("drivers/iommu/iommu.c", "/* vendor */\n" * 7 + IOMMU_C)
        status, out = self.apply()
        self.assertEqual(status, 0, out)
        self.assertIn("return 1111;", (self.user / "drivers/iommu/iommu.c").read_text())

    def test_read_only_tree(self):
        if os.geteuid() == 0:
            self.skipTest("root can write to it anyway")
        self.user.chmod(0o555)
        self.addCleanup(self.user.chmod, 0o755)
        self.refuse("cannot be written to")


class GitTree(Common, ApplyTest):
    def setUp(self):
        super().setUp()
        git(self.user, "init", "-q", "-b", "main")
        git(self.user, "add", "-A")
        git(self.user, "commit", "-q", "-m", "Linux 7.3.4")

    def change(self, path, text):
        commit(self.user, "vendor: Change", "", {path: text})

    def test_applied(self):
        before = snapshot(self.user)
        head = git(self.user, "rev-parse", "HEAD").strip()
        status, out = self.apply()
        self.assertEqual(status, 0, out)
        self.assertEqual(git(self.user, "log", "--format=%s").splitlines(), SUBJECTS[::-1] + ["Linux 7.3.4"])
        self.assertEqual(git(self.user, "log", "--format=%T", f"{head}.."), self.trees)
        self.assertEqual(git(self.user, "status", "--porcelain", "--ignored"), "")
        self.assertEqual(git(self.user, "symbolic-ref", "HEAD").strip(), "refs/heads/main")
        self.assertNotIn("Signed-off-by", git(self.user, "log", "--format=%B", f"{head}.."))
        self.assertEqual(git(self.user, "fsck", "--no-dangling"), "")
        after = snapshot(self.user)
        touched = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
        self.assertEqual(touched, {NEW, NEW_DIR, "drivers/iommu/iommu.c", "drivers/iommu/Makefile", "drivers/pci/pci.c",
                                   "drivers/pci/obsolete.c", "drivers/iommu/newdir/", "drivers/iommu/newdir/deep/"})
        # The cures that it prints.
        git(self.user, "rebase", "-q", "--signoff", head[:12])
        self.assertEqual(git(self.user, "log", "--format=%B", f"{head}..").count("Signed-off-by"), 3)
        git(self.user, "reset", "-q", "--keep", head[:12])
        self.assertEqual(git(self.user, "rev-parse", "HEAD").strip(), head)

    def test_applied_to_a_worktree_of_it(self):
        other = self.lab.where / "other"
        git(self.user, "worktree", "add", "-q", other)
        status, out = self.apply(kernel=other)
        self.assertEqual(status, 0, out)
        self.assertEqual(git(other, "rev-parse", "HEAD^{tree}").strip(), self.result)
        self.assertEqual(git(self.user, "log", "--format=%s").strip(), "Linux 7.3.4")

    def test_applied_to_a_detached_head(self):
        git(self.user, "checkout", "-q", "--detach")
        status, out = self.apply()
        self.assertEqual(status, 0, out)
        self.assertEqual(git(self.user, "rev-parse", "HEAD^{tree}").strip(), self.result)

    def test_untracked_files_elsewhere_stay(self):
        write(self.user / "notes.txt", "mine\n")
        write(self.user / "drivers/iommu/iommu.o", "object\n")
        status, out = self.apply()
        self.assertEqual(status, 0, out)
        self.assertEqual((self.user / "notes.txt").read_text(), "mine\n")

    def test_configuration_of_the_user_changes_nothing(self):
        config = self.lab.where / "gitconfig"
        config.write_text("[user]\n\tname = U\n\temail = u@example.org\n[core]\n\tautocrlf = true\n[apply]\n"
                          "\twhitespace = fix\n[mailinfo]\n\tscissors = true\n[diff]\n\tnoprefix = true\n[commit]\n"
                          "\tgpgsign = true\n[merge]\n\tff = false\n[color]\n\tui = always\n[status]\n"
                          "\tshowUntrackedFiles = no\n", encoding="ascii")
        status, out = self.apply(GIT_CONFIG_GLOBAL=str(config))
        self.assertEqual(status, 0, out)
        self.assertEqual(git(self.user, "rev-parse", "HEAD^{tree}").strip(), self.result)

    def test_user_without_a_name(self):
        config = self.lab.where / "gitconfig"
        config.write_text("[user]\n\tuseConfigOnly = true\n", encoding="ascii")
        before = git(self.user, "rev-parse", "HEAD")
        status, out = self.apply(GIT_CONFIG_GLOBAL=str(config))
        if status:
            self.refused(status, out, "user.name")
            self.assertEqual(git(self.user, "rev-parse", "HEAD"), before)

    def test_dirty(self):
        write(self.user / "drivers/net/net.c", "int changed;\n")
        self.refuse("has changes that are not committed", "drivers/net/net.c", "commit or stash")

    def test_dirty_index(self):
        write(self.user / "drivers/net/net.c", "int changed;\n")
        git(self.user, "add", "-A")
        self.refuse("has changes that are not committed", "drivers/net/net.c")

    def test_untracked_file_in_the_way(self):
        write(self.user / NEW, "mine\n")
        self.refuse(NEW, "move it away")

    def test_ignored_file_in_the_way(self):
        commit(self.user, "ignore", "", {".gitignore": "new.c\n"})
        write(self.user / NEW, "mine\n")
        self.refuse(NEW, "move it away")

    def test_untracked_file_where_a_directory_must_be(self):
        write(self.user / "drivers/iommu/newdir", "mine\n")
        self.refuse("drivers/iommu/newdir")

    def test_dangling_link_in_the_way(self):
        (self.user / NEW).symlink_to("nowhere")
        self.refuse(NEW)

    def test_middle_of_a_rebase(self):
        commit(self.user, "one", "", {"drivers/net/net.c": "int one;\n"})
        commit(self.user, "two", "", {"drivers/net/net.c": "int two;\n"})
        git(self.user, "rebase", "--onto", "HEAD~2", "HEAD~1", check=False)
        git(self.user, "checkout", "-q", "-f", "HEAD")
        self.refuse("in the middle of a rebase")

    def test_middle_of_a_merge_and_a_cherry_pick(self):
        git(self.user, "checkout", "-q", "-b", "side")
        commit(self.user, "side", "", {"drivers/net/net.c": "int net;\n"})
        git(self.user, "checkout", "-q", "main")
        git(self.user, "merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "side")
        self.refuse("in the middle of")
        git(self.user, "merge", "--abort")
        write(self.user / ".git/CHERRY_PICK_HEAD", git(self.user, "rev-parse", "side"))
        self.refuse("in the middle of")

    def test_middle_of_git_am(self):
        write(self.lab.where / "bad.patch", "From: a <a@b>\nSubject: x\n\n---\ndiff --git a/drivers/net/net.c "
              "b/drivers/net/net.c\n--- a/drivers/net/net.c\n+++ b/drivers/net/net.c\n@@ -1 +1 @@\n-no\n+yes\n")
        git(self.user, "am", "-q", self.lab.where / "bad.patch", check=False)
        self.refuse("in the middle of")

    def test_no_commit_yet(self):
        shutil.rmtree(str(self.user / ".git"))
        git(self.user, "init", "-q", "-b", "main")
        self.refuse("no commit")

    def test_second_series_on_top_is_refused_even_when_amended(self):
        status, out = self.apply()
        self.assertEqual(status, 0, out)
        commit(self.user, "vendor: On top", "", {"drivers/net/net.c": "int vendor;\n"})
        self.refuse("has the series already")


class PlainTree(Common, ApplyTest):
    def change(self, path, text):
        if text is None:
            (self.user / path).unlink()
        else:
            write(self.user / path, text)

    def as_git_has_it(self):
        git(self.user, "init", "-q")
        git(self.user, "add", "-A")
        return git(self.user, "write-tree").strip()

    def test_applied(self):
        before = snapshot(self.user)
        status, out = self.apply()
        self.assertEqual(status, 0, out)
        after = snapshot(self.user)
        touched = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
        self.assertEqual(touched, {NEW, NEW_DIR, "drivers/iommu/iommu.c", "drivers/iommu/Makefile", "drivers/pci/pci.c",
                                   "drivers/pci/obsolete.c", "drivers/iommu/newdir/", "drivers/iommu/newdir/deep/"})
        self.assertEqual(self.as_git_has_it(), self.result)

    def test_applied_below_another_repository(self):
        git(self.lab.where, "init", "-q")
        status, out = self.apply()
        self.assertEqual(status, 0, out)
        self.assertEqual(self.as_git_has_it(), self.result)

    def test_file_in_the_way(self):
        write(self.user / NEW, "mine\n")
        self.refuse(NEW)

    def test_file_where_a_directory_must_be(self):
        write(self.user / "drivers/iommu/newdir", "mine\n")
        self.refuse("drivers/iommu/newdir")

    def test_half_patched(self):
        write(self.user / NEW, "int new;\n")
        write(self.user / "drivers/iommu/Makefile", "obj-y += iommu.o new.o\n")
        self.refuse("drivers/iommu/Makefile")

    def injected(self, error, at):
        """Put the files in place with an error at the N-th of them; what is raised."""
        code = f"""
import os, shutil, signal, sys
from kit import apply, series
count = 0
def broken(*a, real=shutil.copy):
    global count
    count += 1
    if count == {at}:
        {error}
    return real(*a)
def replace(*a, real=apply.replace):
    apply.shutil.copy = broken
    return real(*a)
real, apply.replace = apply.replace, replace
replace.__defaults__ = (real,)
sys.argv[1:] = ["apply"]
os.environ["KERNEL"] = {str(self.user)!r}
from kit.cli import main
main()
"""
        res = subprocess.run([sys.executable, "-c", code], env=self.lab.environment(), cwd=str(self.lab.root),
                             capture_output=True, text=True, check=False)
        return res.returncode, res.stdout + res.stderr

    def test_interrupted_while_files_are_put_in_place(self):
        before = snapshot(self.user)
        for at in (1, 3):
            status, out = self.injected("os.kill(os.getpid(), signal.SIGINT)", at)
            self.refused(status, out, "interrupted")
            self.assertEqual(snapshot(self.user), before, f"interrupted at file {at}")

    def test_disk_full_while_files_are_put_in_place(self):
        before = snapshot(self.user)
        status, out = self.injected("import errno; raise OSError(errno.ENOSPC, 'No space left on device', 'x')", 4)
        self.refused(status, out, "disk is full")
        self.assertEqual(snapshot(self.user), before)

    def test_error_while_files_are_put_in_place(self):
        before = snapshot(self.user)
        status, _ = self.injected("raise RuntimeError('injected')", 2)
        self.assertNotEqual(status, 0)
        self.assertEqual(snapshot(self.user), before)


class OtherUser(ApplyTest):
    """As a user who is not root, when root runs the tests."""

    def setUp(self):
        super().setUp()
        if os.geteuid():
            self.skipTest("needs root, to become another user")
        self.program = next((p for p in (sys.executable, "/usr/bin/python3") if self.can_run(p)), None)
        if not self.program:
            self.skipTest("another user cannot run this Python")
        for path in (self.lab.where.parent.parent, self.lab.where.parent):
            path.chmod(0o755)
        subprocess.run(["chown", "-R", "65534", str(self.lab.build)], check=True)

    @staticmethod
    def can_run(program):
        try:
            return subprocess.run([program, "-c", ""], user=65534, capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    def refuse_other(self, *words):
        before = snapshot(self.user)
        res = subprocess.run([self.program, "-m", "kit", "apply"], user=65534, group=65534, extra_groups=[],
                             env=self.lab.environment({"KERNEL": str(self.user), "HOME": "/nonexistent"}),
                             cwd=str(self.lab.root), capture_output=True, text=True, check=False)
        self.refused(res.returncode, res.stdout + res.stderr, *words)
        self.assertEqual(snapshot(self.user), before)

    def test_tree_that_cannot_be_read(self):
        self.user.chmod(0o700)
        self.refuse_other("cannot be read")

    def test_tree_that_cannot_be_written(self):
        self.refuse_other("cannot be written to")

    def test_git_tree_that_cannot_be_written(self):
        git(self.user, "init", "-q")
        git(self.user, "add", "-A")
        git(self.user, "commit", "-q", "-m", "Linux 7.3.4")
        self.refuse_other("cannot be written to")


if __name__ == "__main__":
    unittest.main()
