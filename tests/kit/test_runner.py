# SPDX-License-Identifier: GPL-2.0
"""What the runner makes of a run: judged from files, and booted with a shell script in QEMU's place."""
import json
import os
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path
from types import SimpleNamespace

from kit import check, kbuild, ktap, paths, splat, tests, vm
from kit.ui import KitError
from tests.kit.lab import wait_for

CONSOLE = "[    0.1] Linux version 7.3.4\r\n[    1.0] init: one ended with status 0\r\n"
WARN = ("[    1.1] ------------[ cut here ]------------\n"
        "[    1.1] WARNING: drivers/iommu/iommu.c:4062 at one+0x1c/0x2a4, CPU#1: sh/101\n"
        "[    1.2] ---[ end trace 0000000000000000 ]---\n")
KUNIT = """#!/usr/bin/env python3
import json, sys
out = next(a for a in sys.argv if a.startswith("--json=")).split("=", 1)[1]
case = {"name": "case", "status": "PASS"}
rows = [dict(case, name=line.split()[-1], status="PASS" if " ok " in line else "FAIL")
        for line in open(sys.argv[-1]) if "KCASE" in line]
if rows:
    json.dump({"sub_groups": [{"name": "suite", "test_cases": rows}]}, open(out, "w"))
"""


class Runs(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="runner-")
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)

    def judge(self, result="", console=CONSOLE, end=("exit", 0), qemu="", **test):
        (self.dir / "console.log").write_text(console, encoding="utf-8")
        (self.dir / "result.log").write_text(result, encoding="utf-8")
        (self.dir / "qemu.log").write_text(qemu, encoding="utf-8")
        kunit = self.dir / "prog/src/tools/testing/kunit/kunit.py"
        kunit.parent.mkdir(parents=True, exist_ok=True)
        kunit.write_text(KUNIT, encoding="utf-8")
        image = SimpleNamespace(name="7.3 patched fast", dir=self.dir)
        out = vm.Result(tests.Test("one", what="x", **test), image, self.dir)
        vm.judge(out, end, self.dir / "prog", 120)
        return out

    def failed(self, *words, **run):
        out = self.judge(**run)
        self.assertEqual(out.verdict, vm.FAIL, out.reason())
        for word in words:
            self.assertIn(word, out.reason())
        return out


class Judge(Runs):
    def test_pass(self):
        out = self.judge("TAP version 13\r\n1..2\r\nok 1 one\r\nok 2 - two\r\nIR-EXIT 0\r\n")
        self.assertEqual((out.verdict, out.reasons), (vm.PASS, []))
        self.assertEqual(out.cases, {"one": "ok", "two": "ok"})

    def test_failed_case_is_named(self):
        out = self.failed("1 of 2 cases failed", "two", "drv.c:12:main",
                          result="1..2\nok 1 one\n# drv.c:12:main:Expected 1 (1) == 2 (2)\nnot ok 2 two\nIR-EXIT 1\n")
        self.assertEqual(out.cases["two"], "not ok")

    def test_failed_case_with_status_0(self):
        self.failed("1 of 2 cases failed", "two", result="1..2\nok 1 one\nnot ok 2 two\nIR-EXIT 0\n")

    def test_failed_case_is_not_hidden_by_a_later_one_of_its_name(self):
        self.failed("cases failed", result="not ok 1 one\nok 2 one\nIR-EXIT 0\n")

    def test_two_programs_with_cases_of_the_same_name(self):
        out = self.failed("a: one", result="# run: a\nnot ok 1 one\n# run: b\nok 1 one\nIR-EXIT 1\n")
        self.assertEqual(out.cases, {"a: one": "not ok", "b: one": "ok"})

    def test_fewer_cases_than_were_announced(self):
        self.failed("3", result="1..3\nok 1 one\nok 2 two\nIR-EXIT 0\n")

    def test_no_case_at_all(self):
        self.failed("no case", result="IR-EXIT 0\n")

    def test_exit_status(self):
        self.failed("exit status 139", "Segmentation fault",
                    result="1..1\nok 1 one\nSegmentation fault\nIR-EXIT 139\n")

    def test_bail_out(self):
        self.failed("exit status 1", "no virtio-rng", result="Bail out! no virtio-rng\nIR-EXIT 1\n")

    def test_guest_died(self):
        self.failed("guest died", result="1..2\nok 1 one\n")

    def test_guest_died_before_it_said_anything(self):
        self.failed("guest died", result="", console="")

    def test_no_files_at_all(self):
        image = SimpleNamespace(name="x", dir=self.dir)
        out = vm.Result(tests.Test("one", what="x"), image, self.dir)
        vm.judge(out, ("exit", 0), self.dir, 120)
        self.assertEqual(out.verdict, vm.FAIL)

    def test_hung(self):
        out = self.failed("guest hung", "120 s", "last line: [    2.0] waiting for the device",
                          result="1..2\nok 1 one\n", end=("timeout", 0.1),
                          console=CONSOLE + "[    2.0] waiting for the device\n\n")
        self.assertTrue(out.reasons[0].startswith("guest hung"))

    def test_hung_with_nothing_on_the_console(self):
        self.failed("guest hung", "nothing on the console", end=("timeout", 0.0), console="")

    def test_starved(self):
        out = self.judge("1..2\nok 1 one\n", end=("timeout", 0.8))
        self.assertEqual(out.verdict, vm.UNJUDGED)
        self.assertIn("could not be judged", out.reason())
        self.assertIn("80%", out.reason())

    def test_starved_with_a_splat_is_a_failure(self):
        self.failed("splat", end=("timeout", 0.8), console=CONSOLE + WARN)

    def test_a_data_race_that_cannot_be_laid_to_anybody(self):
        self.failed("splat: kcsan: BUG: KCSAN: data-race in a / b", result="1..1\nok 1 one\nIR-EXIT 0\n",
                    console=CONSOLE + "BUG: KCSAN: data-race in a / b\n")

    def test_splat(self):
        out = self.failed("splat: warning", "iommu.c:4062", result="1..1\nok 1 one\nIR-EXIT 0\n",
                          console=CONSOLE + WARN)
        self.assertIn("one+0x1c", (self.dir / f"splat-{out.splats[0].number + 1}.txt").read_text())

    def test_expected_splat(self):
        out = self.judge("1..1\nok 1 one\nIR-EXIT 0\n", console=CONSOLE + WARN, expect_splat=[r"one\+"])
        self.assertEqual(out.verdict, vm.PASS, out.reason())

    def test_expected_splat_that_did_not_come(self):
        self.failed("did not come", r"one\+", result="1..1\nok 1 one\nIR-EXIT 0\n", expect_splat=[r"one\+"])

    def test_kmemleak(self):
        self.failed("kmemleak: unreferenced object 0xffff000003a5c010",
                    result="1..1\nok 1 one\nunreferenced object 0xffff000003a5c010 (size 64):\nIR-EXIT 0\n")

    def test_qemu_failed(self):
        self.failed("QEMU ended with 1", "Could not open", end=("exit", 1), qemu="qemu: x\nqemu: Could not open\n")

    def test_qemu_killed(self):
        self.failed("QEMU ended with -9", end=("exit", -9), result="1..1\nok 1 one\nIR-EXIT 0\n")

    def test_all_skipped(self):
        out = self.judge("1..1\nok 1 one # SKIP no device\nIR-EXIT 4\n")
        self.assertEqual((out.verdict, out.reason()), (vm.SKIP, "no device"))
        out = self.judge("1..0 # SKIP no device\nIR-EXIT 4\n")
        self.assertEqual((out.verdict, out.reason()), (vm.SKIP, "no device"))

    def test_skip_without_a_name(self):
        out = self.judge("1..1\nok 1 # SKIP no device\nIR-EXIT 4\n")
        self.assertEqual(out.verdict, vm.SKIP, out.reason())

    def test_all_skipped_and_then_crashed(self):
        self.failed("exit status 139", result="1..2\nok 1 one # SKIP no device\nIR-EXIT 139\n")

    def test_some_skipped(self):
        out = self.judge("1..2\nok 1 one # SKIP no device\nok 2 two\nIR-EXIT 0\n")
        self.assertEqual((out.verdict, out.cases), (vm.PASS, {"one": "skip", "two": "ok"}))

    def test_kunit(self):
        out = self.judge("IR-EXIT 0\n", console="KCASE ok a\nKCASE ok b\n", kunit="suite", level="kunit")
        self.assertEqual((out.verdict, set(out.cases)), (vm.PASS, {"suite: a", "suite: b"}), out.reason())

    def test_kunit_failed_case(self):
        self.failed("1 of 2 cases failed", "suite: b", result="IR-EXIT 0\n", console="KCASE ok a\nKCASE bad b\n",
                    kunit="suite", level="kunit")

    def test_kunit_without_a_suite(self):
        self.failed("no KUnit suite matches nonsense", result="IR-EXIT 0\n", kunit="nonsense", level="kunit")

    def test_host_check_that_does_not_exist(self):
        with self.assertRaises(KitError):
            self.judge("1..1\nok 1 one\nIR-EXIT 0\n", host_check="nonsense")


class Boot(Runs):
    def boot(self, script, limit):
        program = self.dir / "qemu"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        return vm.boot([str(program), str(self.dir)], self.dir, limit)

    def gone(self, pid):
        for _ in range(100):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return True
            except OSError:
                return True
            time.sleep(0.02)
        return False

    def test_exit(self):
        self.assertEqual(self.boot("echo hello; echo error >&2", 5), ("exit", 0))
        self.assertEqual((self.dir / "qemu.log").read_text(), "hello\nerror\n")

    def test_exit_status(self):
        self.assertEqual(self.boot("exit 3", 5), ("exit", 3))
        self.assertEqual(self.boot("kill -9 $$", 5), ("exit", -signal.SIGKILL))

    def test_hang_is_killed_with_all_its_processes(self):
        begin = time.monotonic()
        end = self.boot('trap "" TERM INT\nsleep 60 &\necho $! >"$1/child"\necho $$ >"$1/parent"\nwait', 0.5)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(end[0], "timeout")
        self.assertLess(end[1], vm.STARVED)
        for name in ("child", "parent"):
            self.assertTrue(self.gone((self.dir / name).read_text().strip()), name)

    def test_interrupt_kills_it_too(self):
        def interrupt():
            wait_for(self.dir / "child")
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with self.assertRaises(KeyboardInterrupt):
            self.boot('sleep 60 &\necho $! >"$1/child.new"\nmv "$1/child.new" "$1/child"\nwait', 60)
        thread.join()
        self.assertTrue(self.gone((self.dir / "child").read_text().strip()))

    def test_no_such_program(self):
        with self.assertRaises(KitError) as caught:
            vm.boot([str(self.dir / "nonsense")], self.dir, 5)
        self.assertIn("cannot start", caught.exception.what)

    def test_a_busy_thread_is_not_called_starved(self):
        self.assertEqual(vm.starved(2 ** 22 + 1, 1), 0.0)
        self.assertLess(vm.starved(os.getpid(), 1e9), 0.01)


class Retry(Runs):
    def test_a_starved_run_is_repeated_once_with_more_time(self):
        seen = []

        def attempt(test, image, label, limit, mode):
            seen.append(limit)
            return SimpleNamespace(verdict=vm.UNJUDGED)

        kept, vm.attempt = vm.attempt, attempt
        self.addCleanup(setattr, vm, "attempt", kept)
        self.assertEqual(vm.run(tests.Test("one", timeout=10), None).verdict, vm.UNJUDGED)
        self.assertEqual(len(seen), 2)
        self.assertGreater(seen[1], seen[0])


class Tallies(Runs):
    def setUp(self):
        super().setUp()
        self.tally = check.Tally()
        for name in ("note", "say"):
            kept = getattr(check, name)
            setattr(check, name, lambda *_: None)
            self.addCleanup(setattr, check, name, kept)

    def test_an_unjudged_run_is_no_pass(self):
        check.expect_pass(self.tally, self.judge(end=("timeout", 0.8)))
        self.assertEqual((self.tally.passed, self.tally.failed), (0, 1))
        self.assertIn("could not be judged", self.tally.failures[0])
        self.assertEqual(self.tally.finish(), 1)

    def test_a_skipped_test_of_ours_is_a_failure(self):
        check.expect_pass(self.tally, self.judge("1..0 # SKIP no device\nIR-EXIT 4\n"))
        self.assertEqual((self.tally.passed, self.tally.failed), (0, 1))

    def test_a_failure_for_another_reason_is_none(self):
        out = self.judge("1..1\nnot ok 1 one\nIR-EXIT 1\n")
        self.assertFalse(check.expect_failure(self.tally, out, "DMA interrupted", "on base"))
        self.assertIn("not for the stated reason", self.tally.failures[0])

    def test_a_failure_for_the_stated_reason(self):
        out = self.judge("1..1\n# DMA interrupted\nnot ok 1 one\nIR-EXIT 1\n")
        self.assertTrue(check.expect_failure(self.tally, out, "DMA interrupted", "on base"))

    def test_a_pass_where_it_must_fail(self):
        out = self.judge("1..1\n# DMA interrupted\nok 1 one\nIR-EXIT 0\n")
        self.assertFalse(check.expect_failure(self.tally, out, "DMA interrupted", "on base"))

    def test_an_unjudged_run_is_not_the_stated_failure(self):
        out = self.judge("# DMA interrupted\n", end=("timeout", 0.9))
        self.assertFalse(check.expect_failure(self.tally, out, "DMA interrupted", "on base"))
        self.assertEqual(self.tally.failed, 1)

    def test_table_of_scenarios(self):
        good = self.judge("1..1\nok 1 one\nIR-EXIT 0\n")
        bad = self.judge("1..1\nnot ok 1 one\nIR-EXIT 1\n")
        self.assertEqual(check.scenarios([], []), [])
        check.expect_pass(self.tally, good)
        self.tally.bites.append(check.Bite(good.test, "x", "race", "on base", "refused"))
        total = check.Tally()
        total.add(self.tally)
        text = check.scenarios(total.rows, total.bites)
        self.assertRegex(text[1], r"scenario +test +level +result +bites")
        self.assertRegex(text[2], r" pass +on base: yes - refused$")
        check.expect_pass(total, bad)
        text = check.scenarios(total.rows, [])
        self.assertEqual(len(text), 3)
        self.assertIn("FAIL", text[2])
        self.assertTrue(text[2].endswith(" -"))

    def test_table_names_what_did_not_run(self):
        check.expect_pass(self.tally, self.judge("1..1\nok 1 one\nIR-EXIT 0\n"))
        known = [tests.Test("later", scenario="3", run="all"), tests.Test("never", scenario="2"),
                 tests.Test("demo", scenario="demo"), tests.Test("boot", scenario="-")]
        text = check.scenarios(self.tally.rows, [], known)
        self.assertEqual(len(text), 5, text)
        self.assertRegex(text[3], r"^2 +never +stock +not run +-$")
        self.assertRegex(text[4], r"^3 +later +stock +in make check-all +-$")

    def test_compare(self):
        same = self.judge("1..2\nok 1 a\nnot ok 2 b\nIR-EXIT 1\n")
        check.compare(self.tally, same, same)
        self.assertEqual((self.tally.passed, self.tally.failed), (1, 0), self.tally.failures)
        check.compare(self.tally, self.judge("1..2\nok 1 a\nok 2 b\nIR-EXIT 0\n"), same)
        self.assertEqual(self.tally.failed, 1)
        self.assertIn("b: not ok / ok", self.tally.failures[0])
        check.compare(self.tally, self.judge("IR-EXIT 0\n"), self.judge("IR-EXIT 0\n"))
        self.assertEqual(self.tally.failed, 2)
        check.compare(self.tally, self.judge("1..2\nok 1 a\nnot ok 2 b\nIR-EXIT 1\n", console=WARN), same)
        self.assertEqual(self.tally.failed, 3)

    def modes(self, flavour, everything=True, **test):
        """In which modes a test of both modes is run on the patched image of a flavour."""
        seen = []

        def run(what, image, mode=None):
            seen.append(mode)
            return self.judge("1..1\nok 1 a\nIR-EXIT 0\n")

        kept, check.vm.run = check.vm.run, run
        self.addCleanup(setattr, check.vm, "run", kept)
        image = SimpleNamespace(name=f"7.3 patched {flavour}", flavour=flavour)
        check.one_test(self.tally, tests.Test("one", what="x", base="none", **test), None, image, (), everything)
        self.assertEqual(self.tally.failures, [])
        return seen

    def test_each_mode_where_there_is_time(self):
        both = ["deterministic", "race"]
        self.assertEqual(self.modes("debug", modes=both), both)
        self.assertEqual(self.modes("debug", everything=False, modes=both), ["deterministic"])

    def test_one_cpu_races_with_nobody(self):
        self.assertEqual(self.modes("kcsan", modes=["deterministic", "race"], images_all=["kcsan"]), ["race"])

    def test_plants(self):
        self.addCleanup(os.environ.pop, "PLANT", None)
        os.environ["PLANT"] = "kcsan,warn"
        self.assertEqual(check.planted_names(), ["planted_kcsan", "planted_warn"])
        os.environ["PLANT"] = "tsan"
        with self.assertRaises(KitError) as caught:
            check.planted_names()
        self.assertIn("kcsan", caught.exception.cure)

    def test_races_elsewhere_are_said(self):
        out = self.judge("1..1\nok 1 a\nIR-EXIT 0\n")
        self.assertNotIn("data races", check.summary(out))
        out.races.elsewhere["data-race in a / b"] = 3
        self.assertIn("3 data races of other subsystems", check.summary(out))

    def test_the_last_line(self):
        said = []
        check.say = said.append
        self.tally.ok("a")
        self.tally.skip("b", "why")
        self.assertEqual(self.tally.finish(), 0)
        self.assertEqual(said[-1].strip(), "1 passed, 0 failed, 1 skipped")


class Config(Runs):
    def config(self, want, have):
        path = self.dir / "config"
        path.write_text("#\n# Automatically generated file; DO NOT EDIT.\n#\n" + have, encoding="ascii")
        kbuild.check_config(want, path)

    def lost(self, want, have, *words):
        with self.assertRaises(KitError) as caught:
            self.config(want, have)
        for word in words:
            self.assertIn(word, caught.exception.what)
        self.assertTrue(caught.exception.cure)

    def test_all_there(self):
        self.config("# why\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=n\nCONFIG_D=\"x y\"\nCONFIG_E=8\n",
                    "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=\"x y\"\nCONFIG_E=8\n")

    def test_lost_option_is_named(self):
        self.lost("CONFIG_A=y\nCONFIG_KASAN=y\n", "CONFIG_A=y\n", "CONFIG_KASAN is n, not y")

    def test_changed_option_is_named(self):
        self.lost("CONFIG_KASAN=y\n", "CONFIG_KASAN=m\n", "CONFIG_KASAN is m, not y")

    def test_option_that_came_back_is_named(self):
        self.lost("# CONFIG_SLUB_TINY is not set\n", "CONFIG_SLUB_TINY=y\n", "CONFIG_SLUB_TINY is y, not n")

    def test_line_that_cannot_be_read(self):
        self.lost("CONFIG_A = y\n", "CONFIG_A=y\n", "CONFIG_A = y")

    def test_a_later_line_wins(self):
        self.assertEqual(kbuild.wanted("CONFIG_A=y\n# CONFIG_A is not set\n"), {"CONFIG_A": "n"})

    def test_options_of_the_series_are_asked_for_where_the_source_has_them(self):
        name = next(iter(kbuild.wanted((paths.CONFIGS / "series.config").read_text(encoding="ascii"))))
        option = name.removeprefix("CONFIG_")
        self.assertIn(f"{name}=y\n", kbuild.series_options("CONFIG_KUNIT=y\n", f"config A\n\nconfig {option}\n\tbool\n"))
        for without in ("", f"config {option}_TOO\n", f"\tdepends on {option}\n"):
            self.assertEqual(kbuild.series_options("CONFIG_KUNIT=y\n", without), "")
        self.assertEqual(kbuild.series_options("CONFIG_A=y\n", f"config {option}\n"), "", "no KUnit")

    def test_own_fragments_can_be_read_and_are_sorted(self):
        for name in kbuild.FLAVOURS:
            self.assertEqual(kbuild.wanted(kbuild.fragments(name)).get("CONFIG_BUG"), "y", "every WARN_ON is silent")
        self.assertEqual(kbuild.wanted(kbuild.fragments("debug")).get("CONFIG_KASAN"), "y")


class Ktap(unittest.TestCase):
    def test_directives(self):
        self.assertEqual(ktap.cases("ok 1 - a # SKIP x\nok 2 b # skip\nnot ok 3 c # TODO x\nok 4 d#e\nnot ok 5 f\n"),
                         {"a": "skip", "b": "skip", "c": "ok", "d#e": "ok", "f": "not ok"})

    def test_lines_that_are_no_results(self):
        self.assertEqual(ktap.cases("okay 1 a\n  ok 1 nested\n# ok 1 a\nnot ok\nok\n"), {})

    def test_the_kernels_own_parser(self):
        groups = {"sub_groups": [{"name": "s", "test_cases": [
            {"name": "a", "status": "PASS"}, {"name": "b", "status": "SKIP"}, {"name": "c", "status": "ERROR"},
            {"name": "d", "status": "FAIL"}]}]}
        out = {}
        ktap.collect(json.loads(json.dumps(groups)), "", out)
        self.assertEqual(out, {"s: a": "ok", "s: b": "skip", "s: c": "not ok", "s: d": "not ok"})

    def test_decoding_falls_back_to_the_lines(self):
        self.assertEqual(splat.decode(["a"], Path("/nonexistent"), None), ["a"])


if __name__ == "__main__":
    unittest.main()
