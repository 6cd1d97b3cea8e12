# SPDX-License-Identifier: GPL-2.0
"""Running other programs, and the lock that keeps two runs of the kit apart."""
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import threading

from . import paths
from .ui import KitError, last_line, relative

# What a caller's environment would change in a build behind the back of the image's key.
LEAKS = ("ARCH", "AR", "AS", "BASE", "CC", "CFLAGS", "CPPFLAGS", "CROSS_COMPILE", "HOSTCC", "HOSTCFLAGS",
         "KAFLAGS", "KCFLAGS", "KCONFIG_CONFIG", "KERNEL", "LD", "LDFLAGS", "LLVM", "LLVM_IAS", "MAKEFLAGS",
         "MAKELEVEL", "MFLAGS", "O")
ENV_CLEAN = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def environment(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "KBUILD_")) and k not in LEAKS}
    env.update(ENV_CLEAN)
    env.update(extra or {})
    return env


def output(cmd, cwd=None, env=None, data=None, check=True):
    """Run a short program and return its standard output as text."""
    data = data.encode("utf-8", "surrogateescape") if data is not None else None
    stdin = {"input": data} if data is not None else {"stdin": subprocess.DEVNULL}
    res = subprocess.run([str(c) for c in cmd], cwd=cwd, env=environment(env),
                         capture_output=True, check=False, **stdin)
    if check and res.returncode:
        stderr = res.stderr.decode(errors="replace").strip()
        raise KitError(f"{' '.join(map(str, cmd))} failed ({res.returncode}): {stderr[-1500:]}",
                       out_of_space_cure(stderr))
    return res.stdout.decode("utf-8", "surrogateescape")


def out_of_space_cure(text):
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return f"free some space on the file system of {paths.BUILD} (make clean removes build/)"
    return None


def logged(cmd, log, cwd=None, env=None, what=None, timeout=None):
    """Run a long program with its output in a file; a failure shows the end of that file.

    The program gets a process group of its own, and the group is killed when
    we are: no compiler and no QEMU survives an interrupted run.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as f:
        f.write((f"\n$ {' '.join(map(str, cmd))}\n").encode())
        f.flush()
        with subprocess.Popen([str(c) for c in cmd], cwd=cwd, env=environment(env), stdout=f,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              start_new_session=True) as child, known(child):
            if getattr(_apart, "idle", False):
                os.sched_setscheduler(child.pid, os.SCHED_IDLE, os.sched_param(0))
            try:
                rc = child.wait(timeout)
            except BaseException:
                kill_group(child)
                raise
    if rc:
        raise build_error(what or cmd[0], log)


def build_error(what, log):
    text = log.read_bytes()[-20000:].decode(errors="replace")
    cure = out_of_space_cure(text)
    wrong = [line for line in text.splitlines()
             if "error:" in line or "Error " in line or "***" in line or "E: " in line][:3]
    shown = "; ".join(w.strip() for w in wrong) or last_line(log)
    return KitError(f"{what} failed: {shown}", cure or f"the whole output is in {relative(log)}")


def kill_group(child):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


_apart = threading.local()


@contextlib.contextmanager
def idle():
    """What this thread runs by logged() has the CPUs when nothing else wants them.

    Not the thread itself: it would keep Python's lock while it waits for a CPU.
    """
    _apart.idle = True
    try:
        yield
    finally:
        _apart.idle = False


_groups, _groups_lock = set(), threading.Lock()


@contextlib.contextmanager
def known(child):
    """A program with a process group of its own that kill_all() ends, whichever thread waits for it."""
    with _groups_lock:
        _groups.add(child.pid)
    try:
        yield child
    finally:
        with _groups_lock:
            _groups.discard(child.pid)


def kill_all():
    """For a thread that is interrupted while others run programs; they see them end."""
    with _groups_lock:
        for pid in _groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def need_space(path, gib, what):
    """Refuse before the work when it cannot fit."""
    path = next(p for p in [path, *path.parents] if p.exists())
    free = shutil.disk_usage(path).free / 2**30
    if free < gib:
        raise KitError(f"not enough space for {what}: {free:.1f} GiB free in {path}, {gib} GiB needed",
                       "free some space, or set IR_BUILD to a directory on a larger file system")


@contextlib.contextmanager
def exclusive():
    """One kit at a time in a build directory."""
    try:
        paths.BUILD.mkdir(parents=True, exist_ok=True)
        lock = open(paths.BUILD / ".lock", "w", encoding="ascii")
    except OSError as e:
        raise KitError(f"cannot write to {paths.BUILD}: {e.strerror}",
                       "set IR_BUILD to a directory that you can write to") from e
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise KitError(f"another run of the kit is using {paths.BUILD}",
                           "wait for it, or set IR_BUILD to another directory") from e
        yield


@contextlib.contextmanager
def disk_full_is_said():
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise KitError(f"the disk is full: {e.filename or paths.BUILD}",
                           out_of_space_cure("No space left on device")) from e
        raise
