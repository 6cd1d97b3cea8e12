# SPDX-License-Identifier: GPL-2.0
"""What the tests in tests/vm say about themselves, and that nonsense there is refused."""
import importlib
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from kit import bases, bench, kbuild, paths, series, tests
from kit.ui import KitError
from tests.kit.lab import TOP

GOOD = "#!/bin/sh\n# what: Something.\n# level: stock\n# images: fast\n"


class Scripts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tests = tests.load()

    def every(self):
        yield from self.tests.values()

    def test_there_are_some(self):
        self.assertTrue(self.tests)
        self.assertEqual(set(self.tests), {p.stem for p in (TOP / "tests/vm").glob("*.sh")})

    def test_each_is_a_shell_script(self):
        for test in self.every():
            path = paths.VM_TESTS / f"{test.name}.sh"
            self.assertTrue(path.read_text(encoding="utf-8").startswith("#!/bin/sh\n"), test.name)
            res = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
            self.assertEqual(res.returncode, 0, res.stderr)

    def test_each_names_its_scenario_and_what_it_shows(self):
        for test in self.every():
            self.assertRegex(test.scenario, r"^(-|demo|bench|\d+[a-z]?([ ,]+\d+[a-z]?)*)$", test.name)
            self.assertRegex(test.what, r"^\S.{15,}\.$", test.name)

    def test_each_image_exists(self):
        for test in self.every():
            self.assertTrue(test.images, test.name)
            self.assertEqual([i for i in test.images + test.images_all if i not in kbuild.FLAVOURS], [], test.name)

    def test_each_says_what_the_base_must_show(self):
        for test in self.every():
            self.assertTrue(test.base in ("pass", "same", "none") or test.base_fails, f"{test.name}: {test.base}")

    def test_each_regular_expression_is_one(self):
        for test in self.every():
            for text in [test.base_fails or "", test.bites_how, test.planted, test.show, *test.expect_splat]:
                re.compile(text)

    def test_a_kunit_test_names_its_suites(self):
        for test in self.every():
            self.assertEqual(test.level == "kunit", bool(test.kunit), test.name)

    def test_each_program_has_a_source(self):
        own = {p.stem for p in (TOP / "tests/guest").glob("*.c")} | {"smmu-testdev-check"}
        own |= {p.stem for p in (paths.TESTDEV / "tests").glob("*.c")}
        kernel = {Path(p).stem for patch in series.load(bases.supported()[0]) for p in patch.overlay}
        commit = bases.commit_of(f"refs/bases/{bases.supported()[0]}") if (paths.STORE / "HEAD").exists() else ""
        if commit:
            kernel |= {Path(p).stem for p in bases.git(
                "ls-tree", "-r", "--name-only", commit, "tools/testing/selftests/vfio",
                "tools/testing/selftests/iommu").split() if p.endswith(".c")}
        for test in self.every():
            for name in test.programs:
                if not commit and name not in own | kernel:
                    self.skipTest("no base kernel in the store to look for the kernel's own programs")
                self.assertIn(name, own | kernel, test.name)

    def test_each_patch_to_take_out_is_in_the_series(self):
        slugs = {p.slug for p in series.load(bases.supported()[0])}
        for test in self.every():
            self.assertEqual([s for s in test.bites_without if s not in slugs], [], test.name)

    def test_a_test_that_bites_says_how(self):
        for test in self.every():
            if test.bites_without:
                self.assertTrue(test.bites_how, f"{test.name}: an empty expression accepts every failure")

    def test_each_host_check_exists_and_has_a_trace(self):
        sys.path.insert(0, str(paths.VM_TESTS))
        self.addCleanup(sys.path.remove, str(paths.VM_TESTS))
        checks = importlib.import_module("hostchecks")
        for test in self.every():
            if test.host_check:
                self.assertTrue(hasattr(checks, f"check_{test.host_check}"), test.name)
                self.assertTrue(test.trace, test.name)

    def test_a_plant_for_each_thing_that_must_be_seen(self):
        planted = {n for n, t in self.tests.items() if t.planted}
        self.assertEqual({"planted_warn", "planted_kasan", "planted_kcsan", "planted_hang"} - planted, set())
        flavours = {i for n in planted for i in self.tests[n].images}
        judged = {image for test in tests.load().values() if test.scenario != "bench"
                  for image in test.images + test.images_all}
        self.assertEqual(judged - flavours, set(), "a configuration without a plant")
        self.assertEqual(judged | {"bench", "gcov"}, set(kbuild.FLAVOURS))

    def test_what_looks_for_races_has_two_cpus(self):
        looking = [test for test in self.every() if "kcsan" in test.images + test.images_all]
        self.assertTrue(looking)
        self.assertEqual([t.name for t in looking if "race" not in t.modes or t.cpus < 2], [])

    def test_one_sanitizer_to_an_image(self):
        for flavour, option in (("debug", "CONFIG_KASAN"), ("kcsan", "CONFIG_KCSAN")):
            have = kbuild.wanted(kbuild.fragments(flavour))
            self.assertEqual([o for o in ("CONFIG_KASAN", "CONFIG_KCSAN") if have.get(o) == "y"], [option])

    def test_lockdep_where_tests_are_judged(self):
        for flavour in ("fast", "debug"):
            self.assertEqual(kbuild.wanted(kbuild.fragments(flavour)).get("CONFIG_PROVE_LOCKING"), "y", flavour)


class Refused(unittest.TestCase):
    def parse(self, text):
        where = tempfile.TemporaryDirectory(prefix="metadata-")
        self.addCleanup(where.cleanup)
        path = Path(where.name) / "one.sh"
        path.write_text(text, encoding="utf-8")
        return tests.parse(path)

    def refuse(self, text, *words):
        with self.assertRaises(KitError) as caught:
            self.parse(text)
        for word in words:
            self.assertIn(word, str(caught.exception))
        self.assertTrue(caught.exception.cure)

    def test_good(self):
        test = self.parse(GOOD + "# cpus: 4\n# qemu: -device a\n# qemu: -device b\n# programs: a b\n"
                          "# base: fail some \\d+ thing\n# bites-without: x\n# bites-how: y\n\n# nonsense: z\n")
        self.assertEqual((test.cpus, test.qemu, test.programs, test.base_fails),
                         (4, ["-device a", "-device b"], ["a", "b"], r"some \d+ thing"))

    def test_unknown_key(self):
        self.refuse(GOOD + "# nonsense: x\n", "one.sh:5", "nonsense")

    def test_key_that_is_python_only(self):
        self.refuse(GOOD + "# base-fails: x\n", "base-fails")

    def test_key_that_is_pythons_own(self):
        self.refuse(GOOD + "# --doc--: x\n", "--doc--")

    def test_number_that_is_none(self):
        self.refuse(GOOD + "# cpus: two\n", "cpus", "number")

    def test_unknown_level(self):
        self.refuse(GOOD.replace("stock", "stoke"), "level")

    def test_unknown_iommu(self):
        self.refuse(GOOD + "# iommu: vtd\n", "vtd", "smmuv3, virtio")

    def test_the_test_device_behind_another_iommu(self):
        self.refuse(GOOD.replace("stock", "testdev") + "# iommu: virtio\n", "needs an SMMUv3")
        self.assertEqual(self.parse(GOOD + "# iommu: virtio\n").iommu, "virtio")

    def test_no_what(self):
        self.refuse(GOOD.replace("# what: Something.\n", ""), "what")

    def test_unknown_image_is_not_silently_never_run(self):
        self.refuse(GOOD.replace("fast", "fats"), "fats")

    def test_unknown_base_is_not_silently_ignored(self):
        self.refuse(GOOD + "# base: fial x\n", "fial")

    def test_bites_without_how(self):
        self.refuse(GOOD + "# bites-without: x\n", "bites-how")

    def test_a_planted_defect_without_what_it_must_show(self):
        self.refuse(GOOD + "# bites-with: x\n", "bites-how")

    def test_unknown_mode(self):
        self.refuse(GOOD + "# modes: race determined\n", "determined", "deterministic")

    def test_a_cure_that_is_not_there_yet(self):
        self.refuse(GOOD + "# series: not-yet\n", "how the base fails")
        self.refuse(GOOD + "# series: later\n", "series cannot be 'later'")
        self.assertEqual(self.parse(GOOD + "# base: fail x\n# series: not-yet\n").series, "not-yet")

    def test_a_test_that_would_never_run(self):
        self.refuse(GOOD + "# run: never\n", "run cannot be 'never'")

    def test_lockdep_may_go_off_only_for_a_splat_that_is_named(self):
        self.refuse(GOOD + "# lockdep-off: it does not matter\n", "expect-splat")

    def test_each_planted_defect_is_there_and_used(self):
        known = {p.stem for p in (paths.VM_TESTS / "planted").glob("*.patch")}
        used = {slug for test in tests.load().values() for slug in test.bites_with}
        self.assertEqual(known, used | set(bench.WITHOUT))

    def test_bench_has_limits_that_can_be_exceeded(self):
        def row(name, value):
            return {"figure": name, "with/base": value}

        self.assertEqual(bench.beyond([row("map", 1.005), row("unmap", 0.9), row("attach", 1.2)]), [])
        self.assertEqual(bench.beyond([row("map", 1.0), row("unmap", 1.0051)]),
                         ["unmap: 1.0051 of the base, at most 1.005"])
        names = (paths.ROOT / "tests/guest/testdev_bench.c").read_text(encoding="ascii")
        for figure in bench.LIMITS:
            self.assertIn(f'figure("{figure}", variant->what)', names)

    def test_bench_counts_loads_and_branches(self):
        lines = ["ldr\tx0, [x1]", "add\tx0, x0, #0x1", "cbz\tx0, 10 <f+0x10>", "b.eq\t20 <f>", "bic\tx0, x1, x2",
                 "ldp\tx0, x1, [sp]", "tbnz\tw0, #1, 4 <f>", "ret"]
        self.assertEqual(bench.counted(lines), {"instructions": 8, "loads": 2, "branches": 3})

    def test_key_given_twice_loses_nothing(self):
        test = self.parse(GOOD + "# programs: a\n# programs: b\n")
        self.assertEqual(test.programs, ["a", "b"])

    def test_unknown_test(self):
        with self.assertRaises(KitError) as caught:
            tests.load("nonsense")
        self.assertIn("boot", caught.exception.cure)


if __name__ == "__main__":
    unittest.main()
