# SPDX-License-Identifier: GPL-2.0
"""make bisect: every commit of the series builds without a new warning, boots, and passes the tests it brings.

One object directory follows the commits, so each of them costs only what it
changes. build/bisect/NAME/ remembers finished commits by what went into them.
"""
import hashlib
import json
import os
import shutil

from . import kbuild, lint, paths, prereq, proc, tests, tree, warn
from .bases import git
from .ui import KitError, Steps, note, relative, say

FLAVOUR = "fast"
# The tests that commits are booted with need no test device.
LEVELS = ("kunit", "stock")


def state_dir(base):
    return paths.BUILD / "bisect" / base.name


# Parts of the source that neither the kernel nor a program of a test is made of.
NOT_BUILT = ("Documentation", "MAINTAINERS")


def key_of(commit):
    source = [row for row in git("ls-tree", commit).splitlines() if row.split("\t")[1] not in NOT_BUILT]
    text = "\n".join((*source, lint.options(FLAVOUR), kbuild.compiler()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record(base, commit):
    """What is known of a commit: {"warnings": [[path, place, text], ...], "booted": key of the boot or ""}, or None."""
    path = state_dir(base) / f"{key_of(commit)}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def changed_directories(commit):
    """Those below drivers/ in which a commit changes files: suites there are to pass."""
    changed = git("diff-tree", "-r", "--no-commit-id", "--name-only", commit, "--", "drivers").split()
    return sorted({os.path.dirname(path) for path in changed})


def remember(base, commit, warnings, booted):
    where = state_dir(base)
    where.mkdir(parents=True, exist_ok=True)
    rows = [[path, *w] for path, found in sorted(warnings.items()) for w in sorted(found)]
    fresh = where / "new"
    fresh.write_text(json.dumps({"warnings": rows, "booted": booted}), encoding="utf-8")
    os.replace(fresh, where / f"{key_of(commit)}.json")


def subject(commit):
    return git("show", "-s", "--format=%s", commit).strip()


def objects(base):
    return paths.BUILD / "obj" / f"{base.name}-bisect"


def log_named(base, key):
    return paths.LOGS / f"bisect-{base.name}-{key}.log"


def log_of(base, commit):
    return log_named(base, key_of(commit))


def pending(base):
    """The mark in an object directory whose last build stopped, or brought warnings: the commit's key."""
    return objects(base) / ".unfinished"


def resume(base, commit, source):
    """Go on after a build that was not settled; True when it was of this very commit.

    A warning is printed only when its object is made, and would be missing
    the next time. The same commit goes on with its old log; for another one,
    what was warned about is made again.
    """
    mark = pending(base)
    if not mark.exists():
        return False
    key = mark.read_text(encoding="ascii")
    log = log_named(base, key)
    if not log.exists():
        shutil.rmtree(objects(base))
        return False
    if key == key_of(commit):
        return True
    for path in warn.warnings_in(log.read_text(errors="replace"), source):
        if (source / path).is_file():
            os.utime(source / path)
    return False


def build(base, commit):
    """Build Image with W=1; {path: {(place, text)}} of what the compiler said."""
    obj, log = objects(base), log_of(base, commit)
    source = tree.full_source(f"{base.name}-bisect", commit)
    if not resume(base, commit, source):
        log.unlink(missing_ok=True)
    obj.mkdir(parents=True, exist_ok=True)
    pending(base).write_text(key_of(commit), encoding="ascii")
    kbuild.configure(source, obj, kbuild.fragments(FLAVOUR), log)
    try:
        kbuild.kmake(source, obj, "W=1", "Image", log=log, what=f"'{subject(commit)}'")
    except KitError as e:
        raise KitError(f"commit '{subject(commit)}' does not build: {e.what}", e.cure) from e
    found = warn.warnings_in(log.read_text(errors="replace"), source)
    # An error in the log of a build that succeeded is of an earlier attempt.
    return {path: {w for w in ws if not w[1].startswith("error")} for path, ws in found.items()}


def settle(base):
    pending(base).unlink()


def base_warnings(base):
    """The warnings that the base itself has, from one whole build of it."""
    known = record(base, base.commit)
    if known is None:
        mark = pending(base)
        if not mark.exists() or mark.read_text(encoding="ascii") != key_of(base.commit):
            shutil.rmtree(objects(base), ignore_errors=True)
        remember(base, base.commit, build(base, base.commit), "")
        settle(base)
        known = record(base, base.commit)
    warnings = {}
    for path, place, text in known["warnings"]:
        warnings.setdefault(path, set()).add((place, text))
    return warnings


def check(base, commit, before, boot):
    """Build one commit, compare its warnings with the base's, boot it."""
    warnings = build(base, commit)
    new = warn.added(before, warnings)
    if new:
        shown = "\n  ".join(f"{path}:{place}: {text}" for path, place, text in new[:lint.SHOWN])
        raise KitError(f"commit '{subject(commit)}' brings {len(new)} new warnings:\n  {shown}",
                       f"mend it in build/tree/{base.name} and make save; the whole output is in "
                       f"{relative(log_of(base, commit))}")
    settle(base)
    if boot:
        boot(objects(base) / "arch" / paths.ARCH / "boot" / "Image", commit)
    remember(base, commit, warnings, boot_key(base, commit) if boot else "")


def boot_key(base, commit):
    """What a boot depends on besides the source: the tests, and which of them run; what runs in the guest; QEMU."""
    files = [paths.VM_TESTS / f"{test.name}.sh" for test in tests.load().values() if test.level in LEVELS]
    files += paths.VM_TESTS.glob("*.py")
    files += [p for p in (paths.ROOT / "tests" / "guest").iterdir()
              if p.is_file() and not p.name.startswith("testdev_")]
    parts = [p.read_bytes() for p in sorted(files)]
    parts.append(proc.output([prereq.qemu(), "--version"]).encode())
    # The same source may be another commit's, with other tests: the tip has all of them.
    parts.append(b"tip" if commit == tree.tip(base) else " ".join(changed_directories(commit)).encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def done(base, commit, boot):
    known = record(base, commit)
    return known is not None and (boot is None or known["booted"] == boot_key(base, commit))


def run(base, boot=None):
    """Every commit from the base on; boot(image, commit) raises when the commit's tests do not pass."""
    prereq.need("build")
    commits = git("rev-list", "--reverse", f"{base.commit}..{tree.tip(base)}").split()
    steps = Steps(1 + len(commits))
    with steps.step(f"W=1 build of the base, {base.name}", log_of(base, base.commit)):
        before = base_warnings(base)
    finished = 0
    for commit in commits:
        with steps.step(subject(commit), log_of(base, commit)):
            if done(base, commit, boot):
                note("finished in an earlier run")
                finished += 1
            else:
                check(base, commit, before, boot)
    say(f"bisect: {len(commits)} commits build on {base.name} without a new warning "
        f"({finished} known from an earlier run)")
