# SPDX-License-Identifier: GPL-2.0
"""Which lines the tests run: from what guests print to the table."""
import base64
import os
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from kit import coverage, kbuild
from kit.ui import KitError

ONE = "drivers/iommu/iommu-recovery.c"


class Guests(unittest.TestCase):
    def test_counters(self):
        blob = base64.encodebytes(bytes(range(200))).decode()
        text = f"ok 1 one\nIR-GCDA /b/obj/drivers/iommu/iommu-recovery.gcda\n{blob}IR-GCDA\nIR-EXIT 0\n"
        self.assertEqual(coverage.counters(text), {"/b/obj/drivers/iommu/iommu-recovery": bytes(range(200))})
        self.assertEqual(coverage.counters("ok 1 one\nIR-EXIT 0\n"), {})
        with self.assertRaises(KitError):
            coverage.counters("IR-GCDA /b/x.gcda\n???\nIR-GCDA\n")

    def test_names(self):
        self.assertEqual(coverage.name_in("/b/obj/drivers/iommu/iommu-recovery"), ONE)
        self.assertIsNone(coverage.name_in("/b/obj/drivers/iommu/iommu-recovery-test"))

    def test_tests_are_not_counted(self):
        self.assertIn(ONE, kbuild.counted())
        self.assertEqual([n for n in kbuild.counted() if "fake" in n or n.endswith("-test.c")], [])
        self.assertEqual(kbuild.profile("fast"), [])
        self.assertIn("GCOV_PROFILE_iommu-recovery.o=y", kbuild.profile("gcov"))


class Explained(unittest.TestCase):
    def setUp(self):
        self.kept = coverage.EXPLAINED, coverage.OUT, coverage.say, coverage.tree
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)
        self.said = []
        (self.dir / ONE).parent.mkdir(parents=True)
        (self.dir / ONE).write_text("one();\nreturn -ENOMEM;\nthree();\n", encoding="ascii")
        coverage.EXPLAINED = self.dir / "explained"
        coverage.OUT = Path(os.path.relpath(self.dir / "out", coverage.paths.ROOT)).absolute()
        coverage.say = lambda *words: self.said.append(" ".join(words))
        coverage.tree = SimpleNamespace(full_source=lambda *_: self.dir, tip=lambda _: "")

    def tearDown(self):
        coverage.EXPLAINED, coverage.OUT, coverage.say, coverage.tree = self.kept

    def report(self, explained, whole=True):
        coverage.EXPLAINED.write_text(explained, encoding="ascii")
        return coverage.report(SimpleNamespace(name="x"), {ONE: {1: 7, 2: 0, 3: 1}}, [], whole)

    def test_a_line_that_nobody_runs(self):
        self.assertEqual(self.report("# nothing\n"), 1)
        self.assertIn("return -ENOMEM;", "\n".join(self.said))
        self.assertEqual(self.report("", whole=False), 0)

    def test_an_explanation(self):
        self.assertEqual(self.report(f"{ONE}: ENOMEM  # no memory\n"), 0)

    def test_an_explanation_of_nothing(self):
        self.assertEqual(self.report(f"{ONE}: ENOMEM  # no memory\n{ONE}: gone  # of old\n"), 1)
        self.assertIn("explains nothing: gone", "\n".join(self.said))

    def test_a_line_that_cannot_be_read(self):
        with self.assertRaises(KitError):
            self.report(f"{ONE} ENOMEM\n")
