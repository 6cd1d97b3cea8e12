# SPDX-License-Identifier: GPL-2.0
"""Machines side by side: who waits for whom, what is printed, and what an error or an interrupt leaves behind."""
import contextlib
import functools
import io
import os
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from kit import check, kbuild, proc, together, ui
from kit.ui import KitError


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


class Host(unittest.TestCase):
    def setUp(self):
        self.host = together.Host()
        self.inside, self.go = [], threading.Event()

    def enter(self, how, name):
        def body():
            with how():
                self.inside.append(name)
                self.go.wait(10)
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(self.go.set)
        return thread

    def test_machines_share_the_host(self):
        self.enter(self.host.shared, "one")
        self.enter(self.host.shared, "two")
        self.assertTrue(until(lambda: len(self.inside) == 2))

    def test_one_that_wants_it_alone_waits_for_the_others(self):
        shared = self.enter(self.host.shared, "shared")
        self.assertTrue(until(lambda: self.inside))
        alone = self.enter(self.host.whole, "alone")
        time.sleep(0.05)
        self.assertEqual(self.inside, ["shared"])
        self.go.set()
        shared.join(10)
        alone.join(10)
        self.assertEqual(self.inside, ["shared", "alone"])

    def test_others_wait_for_one_that_has_it_alone(self):
        alone = self.enter(self.host.whole, "alone")
        self.assertTrue(until(lambda: self.inside))
        others = [self.enter(self.host.shared, "shared"), self.enter(self.host.whole, "alone too")]
        time.sleep(0.05)
        self.assertEqual(self.inside, ["alone"])
        self.go.set()
        for thread in [alone, *others]:
            thread.join(10)
        self.assertEqual(len(self.inside), 3)

    def test_an_error_gives_it_back(self):
        for how in (self.host.whole, self.host.shared):
            with self.assertRaises(ValueError), how():
                raise ValueError
        with self.host.whole():
            pass


class Run(unittest.TestCase):
    def test_results_in_the_order_of_the_jobs(self):
        first = threading.Event()
        jobs = [lambda: first.wait(10) and "slow", lambda: first.set() or "fast"]
        with mock.patch.object(together, "workers", return_value=2):
            self.assertEqual(together.run(jobs), ["slow", "fast"])

    def test_no_more_at_a_time_than_there_are_cpus(self):
        now, most, lock = [0], [0], threading.Lock()

        def job():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.01)
            with lock:
                now[0] -= 1

        with mock.patch.object(together, "workers", return_value=3):
            together.run([job] * 12)
        self.assertEqual(most[0], 3)

    def test_words_of_a_job_are_not_mixed_with_those_of_others(self):
        meet = threading.Barrier(2)

        def job(name):
            for number in range(3):
                meet.wait(10)
                ui.say(f"{name} {number}")

        out = io.StringIO()
        with contextlib.redirect_stdout(out), mock.patch.object(together, "workers", return_value=2):
            together.run([functools.partial(job, "a"), functools.partial(job, "b")])
        lines = out.getvalue().split("\n")[:-1]
        self.assertEqual(sorted(lines), ["a 0", "a 1", "a 2", "b 0", "b 1", "b 2"])
        self.assertEqual(lines, sorted(lines, key=lambda line: line[0] != lines[0][0]))

    def test_words_before_an_error_are_not_lost(self):
        def job():
            ui.say("before")
            raise KitError("broken")

        out = io.StringIO()
        with contextlib.redirect_stdout(out), self.assertRaises(KitError):
            together.run([job])
        self.assertIn("before", out.getvalue())

    def test_an_error_ends_the_programs_of_the_others(self):
        started = threading.Event()

        def sleeper():
            with subprocess.Popen(["sleep", "60"], start_new_session=True) as child, proc.known(child):
                started.set()
                return child.wait()

        def broken():
            started.wait(10)
            raise KitError("broken")

        begin = time.monotonic()
        with mock.patch.object(together, "workers", return_value=2), self.assertRaisesRegex(KitError, "broken"):
            together.run([sleeper, broken, sleeper])
        self.assertLess(time.monotonic() - begin, 30)

    def test_tallies_add_up(self):
        def part(tally, name):
            tally.ok(name)
            tally.skip(name, "why")
            if name == "b":
                raise KitError("broken")

        total = check.Tally()
        with contextlib.redirect_stdout(io.StringIO()):
            for one in together.run([functools.partial(check.alone, n, part, n) for n in "ab"]):
                total.add(one)
        self.assertEqual((total.passed, total.failed, total.skipped), (2, 1, 2))
        self.assertEqual(total.failures, ["b: broken"])


class Ahead(unittest.TestCase):
    """What is built while other work goes on."""

    def setUp(self):
        where = tempfile.TemporaryDirectory()
        self.addCleanup(where.cleanup)
        self.dir, self.built = Path(where.name), []
        self.go, self.begun, self.broken = threading.Event(), threading.Event(), False
        patcher = mock.patch.object(kbuild, "build_now", self.build_now)
        patcher.start()
        self.addCleanup(patcher.stop)

    def image(self, name="one"):
        done = self.dir / name
        return SimpleNamespace(source="7.3-debug", done=done, ready=done.exists)

    def build_now(self, image):
        self.built.append(image)
        self.begun.set()
        self.go.wait(10)
        if self.broken:
            raise KitError("does not compile")
        image.done.touch()
        return image

    def ahead(self, image):
        return kbuild.ahead((image.source, functools.partial(self.build_now, image)))

    def test_whoever_needs_it_waits_and_does_not_build_again(self):
        image = self.image()
        with self.ahead(image):
            self.assertTrue(self.begun.wait(10))
            threading.Timer(0.1, self.go.set).start()
            self.assertIs(kbuild.build(image), image)
        self.assertEqual(self.built, [image])

    def test_another_image_of_the_same_place_waits_for_it(self):
        image, other = self.image(), self.image("other")
        with self.ahead(image):
            self.assertTrue(self.begun.wait(10))
            threading.Timer(0.1, self.go.set).start()
            kbuild.build(other)
            self.assertTrue(image.ready())
        self.assertEqual(self.built, [image, other])

    def test_a_failure_is_told_to_who_needs_it(self):
        image, self.broken = self.image(), True
        self.go.set()
        with self.ahead(image), self.assertRaisesRegex(KitError, "does not compile"):
            kbuild.build(image)
        self.assertEqual(self.built, [image, image])

    def test_one_after_the_other_also_after_a_failure(self):
        done = []

        def fails():
            done.append("first")
            raise KitError("broken")

        with kbuild.ahead(("a", fails), ("b", lambda: done.append("second"))):
            kbuild.until_built("b")
            kbuild.until_built("nothing that is built")
            self.assertEqual(done, ["first", "second"])

    def test_an_error_elsewhere_ends_its_programs_and_begins_no_more(self):
        more = []

        def sleeps():
            self.begun.set()
            proc.logged(["sleep", "60"], self.dir / "log")

        begin = time.monotonic()
        with self.assertRaisesRegex(KitError, "elsewhere"):
            with kbuild.ahead(("a", sleeps), ("b", lambda: more.append(1))):
                self.assertTrue(self.begun.wait(10))
                raise KitError("elsewhere")
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual(more, [])

    def test_its_programs_have_the_cpus_that_nobody_wants(self):
        policies = []

        def job():
            policies.append(os.sched_getscheduler(0))
            proc.logged(["sh", "-c", "sleep 0.2; exec chrt -p $$"], self.dir / "log")
            policies.append((self.dir / "log").read_text(encoding="utf-8"))

        with kbuild.ahead(("a", job)):
            kbuild.until_built("a")
        self.assertEqual(policies[0], os.SCHED_OTHER)
        self.assertIn("SCHED_IDLE", policies[1])
