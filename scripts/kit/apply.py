# SPDX-License-Identifier: GPL-2.0
"""make apply KERNEL=DIR: the series onto a user's own tree, all of it or nothing.

A git tree gets commits: they are made of objects only, and the branch moves by
one fast-forward merge at the end. Another tree is changed with copies: every
patch is applied to copies of the files first, and only when all of them fit
are the files put in place, with the originals kept until then.
"""
import functools
import os
import re
import shutil
import tempfile
from pathlib import Path

from . import bases, proc, series
from .ui import KitError, note, say


def run(directory):
    version = bases.kernel_version(directory)
    messages = series.mails(version)
    if not messages:
        raise KitError("the series is empty", "restore patches/series with git")
    if bases.is_git_top(directory):
        to_git(directory, version, messages)
    else:
        to_plain(Path(directory), version, messages)


def writable(directory):
    if not os.access(directory, os.W_OK):
        raise KitError(f"KERNEL={directory} cannot be written to", "check its permissions")


def to_git(directory, version, messages):
    git = functools.partial(bases.user_git, directory)
    writable(directory)
    bases.check_clean(directory)
    gitdir = Path(git("rev-parse", "--absolute-git-dir").strip())
    for name in ("rebase-merge", "rebase-apply", "MERGE_HEAD", "CHERRY_PICK_HEAD"):
        if (gitdir / name).exists():
            raise KitError(f"KERNEL={directory} is in the middle of a rebase, am, merge or cherry-pick",
                           "finish or abort it (git status says how)")
    head = git("rev-parse", "-q", "--verify", "HEAD", check=False).strip()
    if not head:
        raise KitError(f"KERNEL={directory} has no commit yet", "commit the kernel first")
    subjects = git("log", "--format=%s", "-200", head).splitlines()
    there = [p.subject for p, _ in messages if p.subject in subjects]
    if there:
        raise KitError(f"KERNEL={directory} has the series already: '{there[0]}'"
                       + (f" and {len(there) - 1} more" if there[1:] else ""),
                       "go back to a commit without it")
    untracked = in_the_way(directory, messages)
    if untracked:
        raise KitError(f"KERNEL={directory} holds {untracked[0]}, which the series brings",
                       "move it away")
    tip = series.build_commits(head, messages, git)
    git("merge", "-q", "--ff", "--ff-only", tip)
    say(f"{directory}: {len(messages)} commits on top of {head[:12]} (Linux {version}); they carry no "
        "Signed-off-by")
    note(f"to sign them:   git -C {directory} rebase --signoff {head[:12]}")
    note(f"to take them off:   git -C {directory} reset --keep {head[:12]}")


def in_the_way(directory, messages):
    """What stands where the series puts a new file, or a directory for one."""
    out = []
    for path in sorted({p for patch, _ in messages for p in patch.overlay}):
        if os.path.lexists(os.path.join(directory, path)):
            out.append(path)
        out += [str(p) for p in Path(path).parents
                if os.path.lexists(os.path.join(directory, p)) and not os.path.isdir(os.path.join(directory, p))]
    return out


def targets(messages):
    """Every file that the series touches."""
    return sorted({p for _, mail in messages for p in re.findall(r"^diff --git a/(.*) b/\1$", mail, re.M)})


def to_plain(directory, version, messages):
    paths = targets(messages)
    writable(directory)
    for path in paths:
        parent = next(p for p in (directory / path).parents if p.exists())
        if not parent.is_dir():
            raise KitError(f"KERNEL={directory} holds {parent.relative_to(directory)}, where the series needs a "
                           "directory", "move it away")
        writable(parent)
    with tempfile.TemporaryDirectory(prefix="apply") as name:
        stage = Path(name)
        for path in paths:
            if (directory / path).exists():
                (stage / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(directory / path, stage / path)
        for patch, mail in messages:
            try:
                proc.output(["git", "apply", "--whitespace=nowarn", "-"], cwd=stage, data=mail,
                            env={"GIT_CEILING_DIRECTORIES": str(stage.parent)})
            except KitError as e:
                refuse_plain(directory, messages, paths, patch, mail, e)
        replace(directory, stage, paths, Path(name) / "originals")
    say(f"{directory}: {len(messages)} patches applied (Linux {version}, not a git tree)")


def refuse_plain(directory, messages, paths, patch, mail, error):
    """Say 'already patched' when taking the whole series off would work."""
    try:
        with tempfile.TemporaryDirectory(prefix="apply") as name:
            for path in paths:
                if (directory / path).exists():
                    (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(directory / path, Path(name) / path)
            for _, text in reversed(messages):
                proc.output(["git", "apply", "-R", "--whitespace=nowarn", "-"], cwd=name, data=text,
                            env={"GIT_CEILING_DIRECTORIES": str(Path(name).parent)})
    except KitError:
        raise KitError(series.refusal(error.what, f"patch {patch.slug}", mail),
                       "use the kernel version that the series was made for, or merge that patch by hand "
                       "(nothing was changed)") from error
    raise KitError(f"KERNEL={directory} has the series already: '{messages[0][0].subject}'",
                   "take a tree without it") from error


def replace(directory, stage, paths, keep):
    """Put the changed files in place; whatever goes wrong, the originals come back."""
    done, made = [], []
    try:
        for path in paths:
            target, new = directory / path, stage / path
            original = keep / path
            original.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                shutil.copy2(target, original)
            made += [p for p in target.parents if not p.exists()]
            target.parent.mkdir(parents=True, exist_ok=True)
            done.append(path)
            if new.exists():
                part = target.with_name(target.name + ".iommu-recovery-new")
                try:
                    shutil.copy(new, part)
                    os.replace(part, target)
                finally:
                    part.unlink(missing_ok=True)
            else:
                target.unlink()
    except BaseException:
        for path in done:
            if (keep / path).exists():
                shutil.copy2(keep / path, directory / path)
            else:
                (directory / path).unlink(missing_ok=True)
        for path in sorted(made, reverse=True):
            path.rmdir()
        raise
