# SPDX-License-Identifier: GPL-2.0
"""The kit's own tests (tests/kit, Python's unittest), with their results as data.

Run as `python3 -m kit.selftest OUT.json [PATTERN]`.
"""
import json
import signal
import sys
import time
import unittest

from . import paths

SLOWEST = 20


class Collector(unittest.TextTestResult):
    """Every outcome as [test, state, reason]; what fails outside a test counts too."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.rows = []
        self.seconds = {}
        self.since = 0

    def startTest(self, test):
        self.since = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.seconds[test.id()] = time.monotonic() - self.since

    def row(self, test, state, reason=""):
        self.rows.append([test.id().replace("tests.kit.", ""), state, reason])

    def addSuccess(self, test):
        super().addSuccess(test)
        self.row(test, "ok")

    def addError(self, test, err):
        super().addError(test, err)
        self.row(test, "failed", f"{err[0].__name__}: {err[1]}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.row(test, "failed", str(err[1]))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.row(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.row(subtest, "failed", str(err[1]))

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.row(test, "failed", "passed, and was expected to fail")


def main():
    out = sys.argv[1]
    # Whoever runs us in the background may have interrupts ignored, which our children would inherit: some of the
    # tests are about interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    loader = unittest.TestLoader()
    if sys.argv[2:]:
        loader.testNamePatterns = [f"*{sys.argv[2]}*"]
    suite = loader.discover(str(paths.ROOT / "tests" / "kit"), top_level_dir=str(paths.ROOT))
    result = unittest.TextTestRunner(verbosity=2, resultclass=Collector).run(suite)
    for name in sorted(result.seconds, key=result.seconds.get, reverse=True)[:SLOWEST]:
        print(f"{result.seconds[name]:6.1f} s {name}")
    with open(out, "w", encoding="utf-8") as f:
        json.dump(result.rows, f)
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
