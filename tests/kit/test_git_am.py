# SPDX-License-Identifier: GPL-2.0
"""make series for the real bases: git am gives the commits that the kit builds, tree by tree."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from kit import bases, paths, series, tree
from tests.kit.lab import BLIND, IDENTITY, environment


def run(*args, cwd, env=None):
    res = subprocess.run(["git", *map(str, args)], cwd=str(cwd), env=environment({**BLIND, **IDENTITY, **(env or {})}),
                         capture_output=True, text=True, encoding="utf-8", check=False)
    if res.returncode:
        raise AssertionError(f"git {' '.join(map(str, args))}: {res.stdout}{res.stderr}")
    return res.stdout


class Mails:
    """The tests of one base; the store gets objects and nothing else."""

    version = None

    @classmethod
    def setUpClass(cls):
        if cls.version not in bases.supported():
            raise unittest.SkipTest(f"Linux {cls.version} is not supported any more")
        there = (paths.STORE / "HEAD").exists() and bases.commit_of(f"refs/bases/{cls.version}")
        if not there:
            raise unittest.SkipTest(f"base kernel {cls.version} is not in the store of {paths.BUILD}")
        cls.base = bases.Base(cls.version, cls.version, there)
        scratch = tempfile.TemporaryDirectory(prefix="git-am-")
        cls.addClassCleanup(scratch.cleanup)
        cls.where = Path(scratch.name)
        cls.out, cls.tip = tree.export(cls.base, cls.where / "out")
        cls.files = sorted(p for p in cls.out.glob("*.patch") if not p.name.startswith("0000-"))
        cls.patches = series.load(cls.version)

    def test_one_file_for_each_patch_in_their_order(self):
        self.assertTrue(self.patches)
        self.assertEqual(len(self.files), len(self.patches))
        for number, (path, patch) in enumerate(zip(self.files, self.patches), 1):
            self.assertEqual(path.name[:5], f"{number:04d}-")
            self.assertEqual(path.name[5:-6][:40].rstrip("-."), patch.slug[:40].rstrip("-."))

    def test_subject_prefix(self):
        count = len(self.files)
        width = len(str(count))
        for number, path in enumerate(self.files, 1):
            self.assertRegex(path.read_text(encoding="utf-8"),
                             rf"(?m)^Subject: \[PATCH {number:0{width}d}/{count}\] \S")

    def test_cover_letter(self):
        text = (self.out / "0000-cover-letter.patch").read_text(encoding="utf-8")
        self.assertRegex(text, rf"(?m)^Subject: \[PATCH 0+/{len(self.files)}\] \S")
        self.assertNotIn("*** BLURB HERE ***", text)
        self.assertNotIn("*** SUBJECT HERE ***", text)

    def test_no_signed_off_by(self):
        for path in self.out.glob("*.patch"):
            self.assertNotIn("Signed-off-by", path.read_text(encoding="utf-8"), path.name)

    def test_tags_of_the_patch_files(self):
        for path, patch in zip(self.files, self.patches):
            mail = path.read_text(encoding="utf-8").split("\n---\n", 1)[0]
            for tag in re.findall(r"^(?:Fixes|Cc|Link|Closes|Reported-by): .*$", patch.head, re.M):
                self.assertIn("\n" + tag, mail, path.name)
            for tag in re.findall(r"^Fixes: (.*)$", mail, re.M):
                self.assertRegex(tag, r'^[0-9a-f]{12,40} \("..+"\)$', path.name)

    def test_nothing_of_this_machine(self):
        for path in self.out.glob("*.patch"):
            text = path.read_text(encoding="utf-8")
            self.assertRegex(text, r"\AFrom 0{40} Mon Sep 17 00:00:00 2001\n", path.name)
            self.assertNotIn(str(paths.BUILD), text, path.name)

    def test_git_am_gives_the_same_tree_at_every_commit(self):
        clone = self.where / "clone"
        run("clone", "-q", "--shared", "--no-checkout", "--bare", paths.STORE, clone, cwd=self.where)
        work = self.where / "work"
        run("worktree", "add", "-q", "--no-checkout", "--detach", work, self.base.commit, cwd=clone)
        self.addCleanup(shutil.rmtree, str(work), True)
        touched = {os.path.dirname(p) for patch in self.patches for p in tree.files_of(patch)}
        run("sparse-checkout", "set", "--cone", *sorted(d for d in touched if d), cwd=work)
        run("checkout", "-q", "--detach", self.base.commit, cwd=work)
        run("am", "-q", "--committer-date-is-author-date", *self.files, cwd=work)
        shape = "--format=%T%n%an <%ae> %ad%n%B"
        want = run("log", "--reverse", shape, f"{self.base.commit}..{self.tip}", cwd=clone)
        have = run("log", "--reverse", shape, f"{self.base.commit}..HEAD", cwd=work)
        self.assertEqual(have, want)
        self.assertEqual(run("status", "--porcelain", cwd=work), "")

    def test_the_trees_come_back_as_the_same_patches(self):
        found = series.series_from_commits(self.base.commit, self.tip)
        self.assertEqual([p.slug for p, _ in found], [p.slug for p in self.patches])
        for (again, files), patch in zip(found, self.patches):
            self.assertEqual((again.head, again.overlay), (patch.head, patch.overlay), patch.slug)
            if self.version == bases.supported()[0] or (paths.PATCHES / self.version / f"{patch.slug}.patch").exists():
                self.assertEqual(again.text(), patch.text(), f"{patch.slug}: make save writes another text")
            for path, (text, executable) in files.items():
                self.assertEqual(series.read_text(paths.ROOT / path), text, path)
                self.assertEqual(os.access(str(paths.ROOT / path), os.X_OK), executable, path)

    def test_no_overlay_file_is_in_the_base(self):
        there = set(bases.git("ls-tree", "-r", "--name-only", self.base.commit).splitlines())
        new = {p for patch in self.patches for p in patch.overlay}
        self.assertEqual(new & there, set())


class Base73(Mails, unittest.TestCase):
    version = "7.3"


class Base72(Mails, unittest.TestCase):
    version = "7.2"


class Series(unittest.TestCase):
    def test_every_patch_file_is_in_the_series(self):
        names = {p.name for p in paths.PATCHES.glob("*.patch")}
        listed = {f"{p.slug}.patch" for p in series.load(bases.supported()[0])}
        self.assertEqual(names - listed, set())

    def test_every_variant_is_of_a_patch_in_the_series(self):
        listed = {f"{p.slug}.patch" for p in series.load(bases.supported()[0])}
        for version in bases.supported():
            own = {p.name for p in (paths.PATCHES / version).glob("*.patch")}
            self.assertEqual(own - listed, set(), version)

    def test_patch_files_are_unsigned(self):
        for path in paths.PATCHES.rglob("*.patch"):
            self.assertNotIn("Signed-off-by:", path.read_text(encoding="utf-8"), path.name)


if __name__ == "__main__":
    unittest.main()
