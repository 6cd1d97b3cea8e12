# SPDX-License-Identifier: GPL-2.0
"""What the user sees: errors with their cure, and the progress of long work."""
import contextlib
import os
import sys
import threading
import time

HEARTBEAT_S = 60


class KitError(Exception):
    """Something the user can mend: what is wrong, and the cure."""

    def __init__(self, what, cure=None):
        super().__init__(what)
        self.what = what
        self.cure = cure

    def __str__(self):
        return self.what + (f"\n  cure: {self.cure}" if self.cure else "")


_apart = threading.local()
_stdout = threading.Lock()


def say(text=""):
    lines = getattr(_apart, "lines", None)
    if lines is not None:
        lines.append(text)
        return
    with _stdout:
        print(text, flush=True)


@contextlib.contextmanager
def in_one_piece():
    """What this thread says comes out at the end, not between the lines of others."""
    _apart.lines = lines = []
    try:
        yield
    finally:
        _apart.lines = None
        if lines:
            say("\n".join(lines))


def note(text):
    say(f"        {text}")


def hms(seconds):
    seconds = int(seconds)
    return f"{seconds // 60}m{seconds % 60:02d}s"


def last_line(path):
    """The last line of a log file, for the heartbeat."""
    try:
        with open(path, "rb") as f:
            f.seek(max(0, os.path.getsize(path) - 400))
            lines = f.read().decode(errors="replace").strip().splitlines()
            return lines[-1].strip()[:90] if lines else ""
    except OSError:
        return ""


class Steps:
    """Numbered steps: 'step n of m', elapsed time, and where the log is."""

    def __init__(self, total):
        self.total = total
        self.number = 0
        self.start = time.monotonic()

    @contextlib.contextmanager
    def step(self, title, log=None):
        self.number += 1
        self.total = max(self.total, self.number)
        begin = time.monotonic()
        where = f"  (log: {relative(log)})" if log else ""
        say(f"[{self.number:2d}/{self.total}] {title} ...{where}")
        stop = threading.Event()

        def beat():
            while not stop.wait(HEARTBEAT_S):
                tail = last_line(log) if log else ""
                note(f"... {hms(time.monotonic() - begin)} {tail}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        took = time.monotonic() - begin
        if took >= 2:
            note(f"done in {hms(took)}, {hms(time.monotonic() - self.start)} since the start")


def relative(path):
    """A path as the user would type it from the top of the repository."""
    path = str(path)
    rel = os.path.relpath(path)
    return path if rel.startswith("..") else rel


def fail(error):
    say(f"iommu-recovery: {error}")
    sys.exit(1)
