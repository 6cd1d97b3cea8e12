# SPDX-License-Identifier: GPL-2.0
"""Several machines at a time, where their time is not the host's."""
import concurrent.futures
import contextlib
import os
import threading
import time

from . import proc
from .ui import KitError, in_one_piece

# A guest takes up to 2 GiB.
MOST = 4

# What is built on the way, images and test programs, is built once, and takes all CPUs by itself.
building = threading.RLock()


class Host:
    """Who runs on it now: any number of machines that share it, or one that wants it for itself."""

    def __init__(self):
        self.changed = threading.Condition()
        self.running = 0
        self.alone = False

    @contextlib.contextmanager
    def shared(self):
        with self.changed:
            self.changed.wait_for(lambda: not self.alone)
            self.running += 1
        try:
            yield
        finally:
            with self.changed:
                self.running -= 1
                self.changed.notify_all()

    @contextlib.contextmanager
    def whole(self):
        with self.changed:
            self.changed.wait_for(lambda: not self.alone and not self.running)
            self.alone = True
        try:
            yield
        finally:
            with self.changed:
                self.alone = False
                self.changed.notify_all()


HOST = Host()


def workers():
    return max(1, min(MOST, os.cpu_count() or 1))


def run(jobs):
    """Call all of them, some at a time, each with its words in one piece; what they return, in the order of jobs.

    An exception of one, or an interrupt, ends the programs of the others.
    """
    stop = threading.Event()
    failures = []    # in the order of time: the others fail because of the first one

    def one(job):
        if stop.is_set():
            raise KitError("interrupted")
        try:
            with in_one_piece():
                return job()
        except BaseException as e:
            failures.append(e)
            stop.set()
            raise

    pool = concurrent.futures.ThreadPoolExecutor(max_workers=workers())
    waiting = [pool.submit(one, job) for job in jobs]
    try:
        concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_EXCEPTION)
        if failures:
            raise failures[0]
        return [future.result() for future in waiting]
    except BaseException:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        # Again and again: one of them may be about to start a program.
        while not all(future.done() for future in waiting):
            proc.kill_all()
            time.sleep(0.05)
        raise
    finally:
        pool.shutdown()
