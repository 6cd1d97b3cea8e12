# SPDX-License-Identifier: GPL-2.0
"""The testdev level: QEMU with the test device, its modes, repeated runs, and the table of what bites."""
import os
import shutil
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from kit import bites, check, debian, paths, qemu, repeat, tests, vm
from kit.ui import KitError


class Scratch(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="testdev-")
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)

    def put(self, module, name, value):
        kept = getattr(module, name)
        setattr(module, name, value)
        self.addCleanup(setattr, module, name, kept)

    def unset(self, name):
        kept = os.environ.pop(name, None)
        if kept is not None:
            self.addCleanup(os.environ.__setitem__, name, kept)


class Program(Scratch):
    """One program per version and patch set."""

    def setUp(self):
        super().setUp()
        self.unset("QEMU_TESTDEV")
        copy = self.dir / "smmu-testdev"
        shutil.copytree(paths.TESTDEV, copy)
        self.put(paths, "TESTDEV", copy)
        self.put(paths, "BUILD", self.dir / "build")
        self.put(qemu, "BUILD", copy / "build-qemu.sh")

    def pretend(self, version):
        program = self.dir / "build/qemu" / qemu.key(version) / "qemu-system-aarch64"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch()
        (self.dir / "build/qemu/version").write_text(version + "\n", encoding="ascii")
        return program

    def test_nothing_is_built_at_first(self):
        self.assertIsNone(qemu.built())
        with self.assertRaises(KitError) as error:
            qemu.program()
        self.assertIn("make build MACHINE=testdev", str(error.exception))

    def test_what_was_built_is_found_again(self):
        program = self.pretend("1:10.0.13")
        self.assertEqual(qemu.built(), program)
        self.assertEqual(qemu.build(), program)

    def test_a_change_of_any_input_needs_a_new_build(self):
        for name in ("regs.h", "build-qemu.sh", "qemu/include/hw/arm/smmuv3-endpoint.h"):
            self.pretend("1:10.0.13")
            path = paths.TESTDEV / name
            path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
            self.assertIsNone(qemu.built(), name)
        self.pretend("1:10.0.13")
        next((paths.TESTDEV / "qemu/patches").glob("*.patch")).unlink()
        self.assertIsNone(qemu.built())

    def test_a_document_is_no_input(self):
        program = self.pretend("1:10.0.13")
        (paths.TESTDEV / "README.md").write_text("other\n", encoding="utf-8")
        self.assertEqual(qemu.built(), program)

    def test_a_program_of_the_user(self):
        mine = self.dir / "mine"
        os.environ["QEMU_TESTDEV"] = str(mine)
        self.addCleanup(os.environ.pop, "QEMU_TESTDEV")
        with self.assertRaises(KitError) as error:
            qemu.build()
        self.assertIn("is not a program", str(error.exception))
        mine.touch(0o755)
        self.assertEqual(qemu.build(), mine)


class Source(Scratch):
    """Where the source comes from, with an apt that answers as we like."""

    def setUp(self):
        super().setUp()
        self.put(paths, "BUILD", self.dir)
        self.put(paths, "CACHE", self.dir / "cache")
        self.put(paths, "LOGS", self.dir / "logs")
        (self.dir / "cache").mkdir()

    def apt(self, versions=(), trouble=None):
        class Apt:
            def __init__(self, suite, source=False):
                assert source

            def update(self):
                if trouble:
                    raise trouble

            def versions(self, package, index="Packages"):
                return list(versions)

        self.put(debian, "Apt", Apt)

    def refused(self, *words):
        with self.assertRaises(qemu.NoSource) as error:
            qemu.get_source()
        for word in words:
            self.assertIn(word, str(error.exception))

    def test_the_mirror_does_not_answer(self):
        self.apt(trouble=KitError("cannot read suite trixie: no route", "check the network"))
        self.refused("not to be had", "no route", "check the network", "other levels work")

    def test_the_mirror_has_another_version_only(self):
        self.apt(["1:11.1.0-2", "1:7.2+dfsg-7"])
        self.refused("no source of qemu 10.0.x", "only 1:11.1.0-2", "other levels work")

    def test_the_mirror_has_none(self):
        self.apt([])
        self.refused("no source of qemu")

    def test_a_cached_file_that_is_not_what_it_should_be(self):
        known = debian.read_conf(qemu.CONF)["sha256"]
        dsc = paths.CACHE / f"qemu_{next(iter(known)).split(':')[-1]}.dsc"
        dsc.write_text("truncated", encoding="ascii")
        with self.assertRaises(KitError) as error:
            qemu.get_source()
        self.assertIn("is not what it should be", str(error.exception))
        self.assertFalse(dsc.exists())

    def test_a_tarball_that_is_damaged_is_not_kept(self):
        dsc = paths.CACHE / "qemu_1.dsc"
        dsc.write_text("Format: 3.0 (quilt)\n", encoding="ascii")
        (paths.CACHE / "qemu_1.orig.tar.xz").touch()
        with self.assertRaises(KitError) as error:
            qemu.unpack(dsc, "1")
        self.assertIn("run again", error.exception.cure)
        self.assertEqual(list(paths.CACHE.iterdir()), [])

    def test_the_check_skips_the_level_and_goes_on(self):
        def gone():
            raise qemu.NoSource("no source of qemu", "use another mirror")

        self.put(qemu, "build", gone)
        self.put(check, "note", lambda *_: None)
        tally = check.Tally()
        check.test_device(tally, True)
        level = [t for t in tests.load().values() if t.level == "testdev"]
        self.assertEqual((tally.failed, tally.skipped), (0, len(level)))
        self.assertTrue(level)
        chosen = check.selected("fast", True, False, True, "7.3")
        self.assertTrue(chosen)
        self.assertFalse([t for t in chosen if t.level == "testdev"])

    def test_the_test_without_a_guest_is_judged(self):
        script = self.dir / "qemu/tests/smmu-testdev-host.py"
        script.parent.mkdir(parents=True)
        self.put(paths, "TESTDEV", self.dir)
        self.put(check, "note", lambda *_: None)
        for text, passed in (("print('ok 1 - a\\n1..1')", True), ("print('ok 1 - a\\nnot ok 2 - b\\n1..2')", False),
                             ("print('ok 1 - a\\n1..2')", False), ("print('1..0')", False),
                             ("print('ok 1 - a\\n1..1'); raise SystemExit(1)", False), ("syntax error", False)):
            script.write_text(text + "\n", encoding="ascii")
            tally = check.Tally()
            check.model_check(tally, "qemu")
            self.assertEqual((tally.passed, tally.failed), (1, 0) if passed else (0, 1), text)

    def test_a_build_that_fails_is_a_failure(self):
        def broken():
            raise KitError("building QEMU failed", "see the log")

        self.put(qemu, "build", broken)
        self.put(check, "note", lambda *_: None)
        tally = check.Tally()
        check.test_device(tally, False)
        self.assertEqual(tally.failed, 1)

    def test_meson_versions(self):
        self.assertEqual([qemu.fits(v) for v in ("1.7.0-1", "1.5.0", "2.0", "1:1.5", "1.0.1-5", "0.63", "")],
                         [True, True, True, True, False, False, False])


class Modes(unittest.TestCase):
    def command(self, mode, **test):
        kept, qemu.program = qemu.program, lambda: "qemu-testdev"
        self.addCleanup(setattr, qemu, "program", kept)
        one = tests.Test("one", what="x", cpus=4, **test)
        return vm.command(one, SimpleNamespace(kernel="Image"), Path("run"), "cpio", mode)

    def test_deterministic_is_one_cpu_on_counted_time(self):
        cmd = self.command("deterministic", level="testdev")
        self.assertEqual(cmd[0], "qemu-testdev")
        self.assertEqual(cmd[cmd.index("-smp") + 1], "1")
        self.assertIn("shift=1,sleep=off", cmd)
        self.assertIn("-seed", cmd)
        self.assertIn("dtb-randomness=off", cmd[cmd.index("-M") + 1])

    def test_race_has_the_cpus_that_the_test_asks_for(self):
        cmd = self.command("race", level="testdev")
        self.assertEqual(cmd[cmd.index("-smp") + 1], "4")
        self.assertNotIn("-icount", cmd)

    def test_what_the_level_means(self):
        cmd = self.command("race", level="testdev")
        for setting in ("arm-smmuv3.ats=on", "arm-smmuv3.stall=on", "arm-smmuv3.ssidsize=16", "enable=smmutd_*"):
            self.assertIn(setting, cmd)

    def test_other_levels_run_on_stock_qemu(self):
        cmd = self.command("race", level="stock")
        self.assertNotEqual(cmd[0], "qemu-testdev")
        self.assertFalse([c for c in cmd if c.startswith("arm-smmuv3.") or "smmutd" in c])

    def test_the_board_has_one_iommu(self):
        for name, board in (("smmuv3", True), ("virtio", False)):
            cmd = self.command("race", level="stock", iommu=name)
            self.assertEqual("iommu=smmuv3" in cmd[cmd.index("-M") + 1], board)
            self.assertIn("gic-version=3", cmd[cmd.index("-M") + 1])
            self.assertEqual("virtio-iommu-pci" in cmd, not board)
            self.assertEqual("virtio_pci_driver_init" in cmd[cmd.index("-append") + 1], board)

    def test_a_setting_of_the_test_comes_last(self):
        cmd = self.command("race", level="testdev", qemu=["-global arm-smmuv3.stall=off"])
        self.assertLess(cmd.index("arm-smmuv3.stall=on"), cmd.index("arm-smmuv3.stall=off"))


class Repeat(Scratch):
    """RUNS=N: deterministic runs must be alike to the byte."""

    def run_with(self, traces, mode="deterministic", verdicts=None):
        said, left = [], list(traces)

        def one(test, image, label, mode):
            number = len(traces) - len(left)
            where = self.dir / label
            where.mkdir()
            (where / "trace.log").write_text(left.pop(0), encoding="ascii")
            out = vm.Result(test, image, where, mode=mode)
            out.verdict = verdicts[number] if verdicts else vm.PASS
            return out

        self.put(vm, "run", one)
        self.put(repeat, "say", said.append)
        self.put(repeat, "note", said.append)
        result = repeat.run(tests.Test("one"), SimpleNamespace(name="7.3 base fast"), mode, len(traces))
        return result, "\n".join(said)

    def test_alike(self):
        result, said = self.run_with(["a\nb\n"] * 3)
        self.assertEqual(result.verdict, vm.PASS)
        self.assertIn("3 pass - identical logs", said)

    def test_a_run_that_differs_fails_and_shows_where(self):
        result, said = self.run_with(["a\nb\n", "a\nb\n", "a\nc\n"])
        self.assertEqual(result.verdict, vm.FAIL)
        self.assertIn("trace.log:2", said)
        self.assertIn("1 different", said)
        self.assertNotIn("identical logs", said)

    def test_a_shorter_log_differs(self):
        self.assertIn("2 lines / 1 lines", self.run_with(["a\nb\n", "a\n"])[1])

    def test_no_log_proves_nothing(self):
        with self.assertRaises(KitError):
            self.run_with(["", ""])

    def test_races_are_not_compared(self):
        result, said = self.run_with(["a\n", "b\n"], mode="race")
        self.assertEqual(result.verdict, vm.PASS)
        self.assertNotIn("identical", said)

    def test_one_failure_among_many(self):
        result, said = self.run_with(["a\n"] * 3, mode="race", verdicts=[vm.PASS, vm.FAIL, vm.PASS])
        self.assertEqual(result.verdict, vm.FAIL)
        self.assertIn("1 fail, 2 pass", said)


class Show(Scratch):
    class Result:
        def __init__(self, name, lines):
            self.image = type("Image", (), {"name": name})
            self.lines = lines

        def output(self):
            return "\n".join(self.lines)

    def test_figures_of_both_kernels_stand_side_by_side(self):
        said = []
        self.put(check, "say", said.append)
        check.show(tests.Test("t", show="^# +\\d"), self.Result("base", ["# 1 13", "# no", "# 2 2066"]),
                   self.Result("patched", ["# 1 2", "ok 1"]))
        self.assertEqual([s.split() for s in said], [["base", "patched"], ["1", "13", "1", "2"], ["2", "2066"]])


class Table(Scratch):
    def bite(self, scenario, **more):
        return check.Bite(tests.Test(f"t{scenario}", scenario=scenario, **more), "7.3 base fast", "race", "on base", "a|b")

    def test_rows_are_in_order_of_scenarios(self):
        rows = bites.table([self.bite(s) for s in ("42a", "6", "48", "42", "48b")])[2:]
        self.assertEqual([r.split(" | ")[0][2:] for r in rows], ["6", "42", "42a", "48", "48b"])

    def test_a_bar_does_not_make_a_column(self):
        self.assertIn("a\\|b", bites.table([self.bite("6")])[2])

    def test_the_document_gets_the_table_between_its_marks(self):
        document = self.dir / "table.md"
        document.write_text(f"head\n{bites.BEGIN}\nold\n{bites.END}\ntail\n", encoding="utf-8")
        self.put(bites, "DOCUMENT", document)
        bites.write(["new"])
        self.assertEqual(document.read_text(encoding="utf-8"), f"head\n{bites.BEGIN}\nnew\n{bites.END}\ntail\n")

    def test_the_rows_of_other_tests_stay(self):
        document = self.dir / "table.md"
        old = bites.table([self.bite(s) for s in ("6", "42", "48")])
        gone = old[-1].replace("t48", "t49")
        document.write_text("\n".join(["head", bites.BEGIN, *old, gone, bites.END, ""]), encoding="utf-8")
        self.put(bites, "DOCUMENT", document)
        known = {f"t{s}": tests.Test(f"t{s}", scenario=s) for s in ("6", "42", "48")}
        others = list(bites.written(known, {"t42"}))
        self.assertEqual(others, [(known["t6"], old[2]), (known["t48"], old[4])])
        rows = bites.table([self.bite("42a")], others)[2:]
        self.assertEqual([r.split(" | ")[1] for r in rows], ["t6", "t42a", "t48"])

    def test_a_document_without_marks_is_refused(self):
        document = self.dir / "table.md"
        document.write_text("head\n", encoding="utf-8")
        self.put(bites, "DOCUMENT", document)
        self.assertRaises(KitError, bites.write, ["new"])

    def test_the_document_names_every_test_of_a_defect(self):
        text = bites.DOCUMENT.read_text(encoding="utf-8").split(bites.BEGIN)[1].split(bites.END)[0]
        named = {line.split(" | ")[1] for line in text.strip().splitlines()[2:]}
        self.assertEqual(named, {t.name for t in tests.load().values() if t.base_fails or t.bites_without or t.bites_with})

    def test_an_unknown_test_is_refused(self):
        os.environ["TEST"] = "boot"
        self.addCleanup(os.environ.pop, "TEST")
        with self.assertRaises(KitError) as error:
            bites.chosen()
        self.assertIn("boot", str(error.exception))


if __name__ == "__main__":
    unittest.main()
