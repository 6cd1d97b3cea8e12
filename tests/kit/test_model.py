# SPDX-License-Identifier: GPL-2.0
"""The runner of the SPIN models, on models of a few lines: it must notice everything that would make one worthless."""
import os
import shutil
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from kit import check, model, prereq
from kit.ui import KitError

TABLE = "/*\n * config: plain |\n * caught: BUG_LOST | plain | lost | x is not given back\n */\n"
BODY = """bit x, lost;
active [2] proctype user() {
	atomic { x == 0 -> x = 1 }
#ifdef BUG_LOST
	lost = 1;
#endif
	assert(!lost);
	x = 0
}
"""


class Models(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="model-")
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)
        (self.dir / "src").mkdir()
        for name, value in {"MODELS": self.dir / "src", "SCRATCH": self.dir / "work", "RESULTS": self.dir / "cache",
                            "LOG": self.dir / "logs/model.log"}.items():
            self.patch(name, value)

    def patch(self, name, value):
        patcher = mock.patch.object(model, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    def write(self, text, name="one.pml"):
        (self.dir / "src" / name).write_text(text, encoding="utf-8")

    def refused(self, text, *words):
        self.write(text)
        with self.assertRaises(KitError) as caught:
            model.load()
        for word in words:
            self.assertIn(word, str(caught.exception))


class Tables(Models):
    def test_no_model(self):
        with self.assertRaises(KitError):
            model.load()

    def test_no_config(self):
        self.refused("/*\n * caught: BUG_LOST | plain | lost | why\n */\n" + BODY, "one.pml", "no 'config'")

    def test_no_broken_variant(self):
        self.refused("/*\n * config: plain |\n */\nactive proctype user() { true }\n", "no broken variant")

    def test_field_missing(self):
        self.refused("/*\n * config: plain |\n * caught: BUG_LOST | plain | lost\n */\n" + BODY, "one.pml:3", "4 fields")

    def test_unknown_config(self):
        self.refused("/*\n * config: plain |\n * caught: BUG_LOST | fancy | lost | why\n */\n" + BODY, "'fancy'", "plain")
        self.refused("/*\n * config: plain |\n * unreached: fancy | user | x = 0 | why\n */\n" + BODY, "'fancy'")

    def test_variant_that_no_table_names(self):
        self.refused(TABLE + BODY.replace("#ifdef BUG_LOST", "#if defined(BUG_LOST) || defined(BUG_TWICE)"),
                     "BUG_TWICE is in a model")

    def test_variant_that_no_model_has(self):
        self.refused(TABLE.replace("BUG_LOST", "BUG_LSOT") + BODY, "BUG_LOST is in a model")
        self.refused(TABLE + BODY.replace("BUG_LOST", "LOST"), "BUG_LOST is in a table")

    def test_variant_in_an_included_file(self):
        self.write("#ifdef BUG_INSIDE\n#endif\n", "part.inc")
        self.refused(TABLE + BODY, "BUG_INSIDE")

    def test_several_variants_at_once(self):
        self.write(TABLE.replace(" */\n", " * caught: BUG_LOST ALT_X | plain | lost | why\n */\n") + BODY
                   + "#ifdef ALT_X\n#endif\n")
        self.assertEqual(model.load()[0].runs[-1].defines, ["-DBUG_LOST", "-DALT_X"])

    def test_long_runs_are_asked_for(self):
        self.write(TABLE.replace("config: plain |", "config: plain |\n * long: big | -DBIG") + BODY)
        self.assertEqual([r.config for r in model.load()[0].runs], ["plain", "plain"])
        self.assertEqual([r.config for r in model.load(everything=True)[0].runs], ["plain", "big", "plain"])

    def test_own_models(self):
        with mock.patch.object(model, "MODELS", Path(__file__).resolve().parents[1] / "model"):
            found = model.load()
        self.assertGreaterEqual(sum(1 for m in found for r in m.runs if r.expect), 4)


class Searches(Models):
    def setUp(self):
        super().setUp()
        lack = prereq.missing(["model"])
        if lack:
            self.skipTest("this machine lacks " + ", ".join(sorted(lack)))
        self.patch("PROOF", (("-O0", "-DCOLLAPSE"), ("-m10000",)))
        self.patch("HUNT", (("-O0", "-DBFS"), ()))

    def judged(self, text=None):
        """{run: what is wrong or None}"""
        if text:
            self.write(text)
        return {run.variant or "good": wrong for run, wrong in model.run_all(model.load())}

    def wrong(self, run, text, *words):
        said = self.judged(text)[run]
        self.assertIsNotNone(said)
        for word in words:
            self.assertIn(word, said)

    def test_right(self):
        self.assertEqual(self.judged(TABLE + BODY), {"good": None, "BUG_LOST": None})
        self.assertIn("2 of 2", (self.dir / "logs/model.log").read_text())

    def test_as_a_step_of_check(self):
        self.write(TABLE + BODY)
        tally = check.Tally()
        model.check(tally)
        self.assertEqual((tally.passed, tally.failed), (2, 0))
        self.write(TABLE + BODY.replace("lost = 1", "lost = 0"))
        model.check(tally)
        self.assertEqual((tally.passed, tally.failed), (3, 1))
        self.assertIn("BUG_LOST: not caught", tally.failures[0])

    def test_uncaught_variant(self):
        self.wrong("BUG_LOST", TABLE + BODY.replace("lost = 1", "lost = 0"), "not caught", "lost")

    def test_variant_caught_by_something_else(self):
        self.wrong("BUG_LOST", TABLE + BODY.replace("lost = 1;", "lost = 1; assert(x == 0);"), "must fail with lost")

    def test_property_that_fails(self):
        self.wrong("good", TABLE + BODY.replace("x = 0\n}", "lost = 1\n}").replace("== 0", "<= 1"), "lost", "trail.txt")

    def test_deadlock(self):
        self.wrong("good", TABLE + BODY.replace("	x = 0\n", "	true\n"), "invalid end state")

    def test_variant_that_must_hold_and_does_not(self):
        text = (TABLE + BODY).replace(" */\n", " * holds: ALT_STUCK | plain | why\n */\n", 1)
        self.wrong("ALT_STUCK", text.replace("x = 0\n}", "\n#ifndef ALT_STUCK\nx = 0\n#endif\n}"), "invalid end state")

    def test_unreached_statement(self):
        self.wrong("good", TABLE + BODY.replace("	x = 0\n", "	x = 0;\n	if\n	:: x == 2 -> x = 1\n	:: else\n	fi\n"),
                   "never reached: user: x = 1")

    def test_process_that_never_runs(self):
        self.wrong("good", TABLE + BODY + "proctype idle() { x = 1 }\n", "never reached: idle: x = 1")

    def test_unreached_as_intended(self):
        rest = BODY.replace("	x = 0\n", "	x = 0;\n	if\n	:: x == 2 -> x = 1\n	:: else\n	fi\n")
        text = TABLE.replace(" */\n", " * unreached: * | user | x = 1 | a bit is never 2\n */\n")
        self.assertIsNone(self.judged(text + rest)["good"])

    def test_exception_that_covers_nothing(self):
        self.wrong("good", TABLE.replace(" */\n", " * unreached: * | user | x = 0 | why\n */\n") + BODY, "which is reached")

    def test_search_that_is_not_deep_enough(self):
        self.patch("PROOF", (model.PROOF[0], ("-m3",)))
        self.wrong("good", TABLE + BODY, "cut short", "depth")

    def test_search_without_memory(self):
        self.patch("CFLAGS", model.CFLAGS[:-1] + ("-DMEMLIM=1",))
        self.wrong("good", TABLE + BODY, "cut short", "MEMLIM")

    def test_lossy_search(self):
        for lossy in ("-DBITSTATE", "-DHC4"):
            self.patch("PROOF", (("-O0", lossy), ("-m10000",)))
            self.assertIsNotNone(self.judged(TABLE + BODY)["good"], lossy)

    def test_search_that_takes_too_long(self):
        self.patch("SECONDS", 0)
        with mock.patch.object(model, "verifier"):
            real = self.dir / "bin"
            real.mkdir()
            self.write(TABLE + BODY)
            run = model.load()[0].runs[0]
            with mock.patch.object(model, "program", return_value=None), self.assertRaises(KitError) as caught:
                model.search(run, ["tools"], threading.Event())
        self.assertIn("no result after", str(caught.exception))

    def test_program_is_stopped(self):
        stop, begin = threading.Event(), time.monotonic()
        threading.Timer(0.3, stop.set).start()
        self.assertIsNone(model.program(["sleep", "60"], self.dir / "out", self.dir, stop))
        self.assertIsNone(model.program(["sleep", "60"], self.dir / "out", self.dir, threading.Event(), 0.3))
        self.assertLess(time.monotonic() - begin, 30)

    def test_syntax_error(self):
        self.wrong("good", TABLE + BODY.replace("atomic {", "atomic ("), "spin does not accept it", "one.pml")

    def test_syntax_error_in_a_variant(self):
        self.wrong("BUG_LOST", TABLE + BODY.replace("lost = 1", "lost = = 1"), "spin does not accept it")

    def test_verifier_that_does_not_compile(self):
        self.patch("CFLAGS", ("-DSAFETY", "-no-such-option"))
        self.wrong("good", TABLE + BODY, "does not compile")

    def test_remembered(self):
        self.judged(TABLE + BODY)
        with mock.patch.object(model, "verifier", side_effect=AssertionError("searched again")):
            self.assertEqual(self.judged(), {"good": None, "BUG_LOST": None})
            # The tables are judged anew: they are no part of what is searched.
            with self.assertRaises(AssertionError):
                self.judged(TABLE + BODY.replace("x = 0\n", "x = 0;\n	true\n"))

    def test_changed_include_is_searched_again(self):
        self.write("#define GIVE x = 0\n", "part.inc")
        self.judged(TABLE + '#include "part.inc"\n' + BODY.replace("x = 0\n", "GIVE\n"))
        self.write("#define GIVE true\n", "part.inc")
        self.assertIn("invalid end state", self.judged()["good"])


class Missing(Models):
    def test_missing_spin(self):
        where = self.dir / "bin"
        where.mkdir()
        for tool in ("gcc", "apt-get"):
            (where / tool).symlink_to(shutil.which(tool) or "/bin/true")
        self.write(TABLE + BODY)
        with mock.patch.dict(os.environ, {"PATH": str(where), "IR_NO_INSTALL": "1"}):
            for function, args in ((model.check, [check.Tally()]), (model.command, [])):
                with self.assertRaises(KitError) as caught:
                    function(*args)
                self.assertIn("missing: spin", str(caught.exception))

    def test_words_of_pan(self):
        """A verifier that died, or that did not look for what it should, has shown nothing."""
        run = model.Run("one", "plain", [])
        for text in ("", "Segmentation fault\n",
                     "Full statespace search for:\n\tassertion violations\t- (disabled)\n\tinvalid end states\t+\n"
                     "State-vector 20 byte, depth reached 3, errors: 0\n        5 states, stored\n"):
            run.facts = model.facts_of(text, "here")
            self.assertIn("does not say", model.judge(run, []))


if __name__ == "__main__":
    unittest.main()
