# SPDX-License-Identifier: GPL-2.0
"""make tree, make save, make series: between the repository and commits."""
import os
import re
import shutil
import tempfile
import threading
from pathlib import Path

from . import bases, paths, proc, series
from .bases import git
from .ui import KitError, note, relative, say

# The slice of the kernel that a developer sees in build/tree; the series' own files are added.
SLICE = ("Documentation/ABI/testing", "Documentation/driver-api", "drivers/iommu", "drivers/pci",
         "drivers/vfio", "include/linux", "include/trace/events", "include/uapi/linux",
         "tools/testing/selftests/iommu", "tools/testing/selftests/vfio")


_adding = threading.Lock()


def tip(base):
    """The last commit of the series on that base."""
    return series.build_commits(base.commit, series.mails(base.version))


def full_source(name, commit):
    """build/src/NAME: the whole tree at that commit, for building. Only what differs is written."""
    where = paths.BUILD / "src" / name
    if not (where / ".git").exists():
        proc.need_space(paths.BUILD, 4, "a kernel source tree")
        shutil.rmtree(where, ignore_errors=True)
        # To prune could take one away that another thread is just adding.
        with _adding:
            git("worktree", "prune")
            git("worktree", "add", "-f", "-q", "--no-checkout", "--detach", where, commit)
    wt = ["git", "-C", where]
    # An interrupted checkout leaves a lock, and files that belong to neither commit.
    lock = Path(proc.output([*wt, "rev-parse", "--git-dir"]).strip()) / "index.lock"
    lock.unlink(missing_ok=True)
    proc.output([*wt, "checkout", "-q", "-f", "--detach", commit], env=bases.BLIND)
    proc.output([*wt, "clean", "-q", "-f", "-d", "-x"], env=bases.BLIND)
    return where


def worktree(base):
    return paths.BUILD / "tree" / base.name


def wt_git(base, *args, check=True):
    return proc.output(["git", "-C", worktree(base), *args], check=check)


def check_editable(base):
    """The worktree holds nothing that a commit of it would not hold."""
    where = worktree(base)
    gitdir = Path(wt_git(base, "rev-parse", "--absolute-git-dir").strip())
    for name in ("rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "MERGE_HEAD"):
        if (gitdir / name).exists():
            raise KitError(f"{relative(where)} is in the middle of a rebase, cherry-pick or merge",
                           "finish it (git status says how)")
    if (gitdir / "index.lock").exists():
        raise KitError(f"{relative(where)} has a lock: another git is at work there, or was killed",
                       f"wait for it, or remove {gitdir}/index.lock")
    dirty = wt_git(base, "status", "--porcelain").splitlines()
    if dirty:
        raise KitError(f"{relative(where)} has changes that are not committed: "
                       + ", ".join(d[3:] for d in dirty[:3]) + (" ..." if dirty[3:] else ""),
                       "commit them there (git commit --amend, or --fixup and git rebase -i --autosquash)")
    hidden = [row[3:] for row in wt_git(base, "status", "--porcelain", "--ignored", "-uall").splitlines()
              if row.startswith("!!") and row.endswith((".c", ".h", ".rst", ".sh", ".py", "/Makefile"))]
    if hidden:
        raise KitError(f"{relative(where)}: .gitignore hides {', '.join(hidden[:3])} from git add",
                       "git add -f it, or remove it")


def make_tree(base):
    """build/tree/NAME: the base as one commit, the series as commits on top, ready to be edited."""
    target, where = tip(base), worktree(base)
    saved = bases.commit_of(f"refs/saved/{base.name}")
    # The reference is written last: without it the worktree is one that was interrupted.
    if (where / ".git").exists() and saved:
        check_editable(base)
        head = wt_git(base, "rev-parse", "HEAD").strip()
        if head not in (saved, target):
            raise KitError(f"{relative(where)} has commits that are not saved",
                           f"make save BASE={base.name}, or remove {relative(where)} to drop them")
        wt_git(base, "reset", "-q", "--hard", target)
    else:
        git("update-ref", "-d", f"refs/saved/{base.name}")
        shutil.rmtree(where, ignore_errors=True)
        git("worktree", "prune")
        git("worktree", "add", "-f", "-q", "--no-checkout", "-B", f"tree/{base.name}", where, target)
        touched = {str(Path(p).parent) for patch in series.load(base.version) for p in files_of(patch)}
        wt_git(base, "sparse-checkout", "set", "--cone", *sorted(set(SLICE) | touched - {"."}))
        wt_git(base, "checkout", "-q", f"tree/{base.name}")
    git("update-ref", f"refs/saved/{base.name}", target)
    git("update-ref", f"refs/heads/base/{base.name}", base.commit)
    count = git("rev-list", "--count", f"{base.commit}..{target}").strip()
    say(f"{relative(where)}: {count} commits on base/{base.name} ({base.version}); edit and commit "
        f"there, then make save BASE={base.name}")
    return where


def files_of(patch):
    return set(patch.overlay) | set(re.findall(r"^\+\+\+ b/(.*)$", patch.diff, re.M))


def save(base):
    """Write the branch of build/tree/NAME back as overlay files and patches."""
    where = worktree(base)
    if not (where / ".git").exists():
        raise KitError(f"there is no {relative(where)} to save", f"make tree BASE={base.name}")
    check_editable(base)
    head = wt_git(base, "rev-parse", "HEAD").strip()
    if git("merge-base", base.commit, head, check=False).strip() != base.commit:
        raise KitError(f"the branch in {relative(where)} does not stand on base/{base.name}",
                       f"git rebase base/{base.name}")
    try:
        old = tip(base)
    except KitError:
        old = None      # what is there does not lead to a tree; what is saved now will
    saved = bases.commit_of(f"refs/saved/{base.name}")
    found = series.series_from_commits(base.commit, head)
    check_mails(base, head)
    # What was changed in the repository itself since make tree, and is not on the branch, would be lost.
    changed = git("diff", "--name-only", saved, old).splitlines() if old and saved else []
    lost = set(changed) & set(git("diff", "--name-only", head, old).splitlines()) if changed else set()
    if lost:
        raise KitError(f"the repository was changed since make tree: {', '.join(sorted(lost)[:3])}",
                       f"undo that with git, or make tree BASE={base.name} first")
    primary = base.version == bases.supported()[0]
    if primary:
        write_series(found, paths.ROOT)
    else:
        write_variants(base, found, head)
    again = tip(base)
    if git("rev-parse", f"{again}^{{tree}}") != git("rev-parse", f"{head}^{{tree}}"):
        raise KitError("the saved series does not give back the tree that was saved; "
                       "the repository holds what was written", "git diff shows it; report this")
    git("update-ref", f"refs/saved/{base.name}", head)
    if old == again:
        say("nothing changed")
    elif old:
        say(git("range-diff", "--no-color", base.commit, old, again).rstrip())
    say(f"saved {len(found)} patches of {relative(where)}")


def check_mails(base, head):
    """What git am makes of each commit must be that commit."""
    shape = "--format=%T%n%an <%ae> %ad%n%s%n%b"
    parent = base.commit
    with tempfile.TemporaryDirectory(prefix="save") as name:
        env = {"GIT_INDEX_FILE": f"{name}/index"}
        for commit in git("rev-list", "--reverse", f"{base.commit}..{head}").split():
            git("read-tree", parent, env=env)
            mail = git("format-patch", "-1", "--stdout", "--zero-commit", "-N", "--no-signature",
                       *series.DIFF_OPTIONS, commit)
            again = series.commit_mail(Path(name), env, parent, series.Patch(commit[:12], mail), mail, git)
            a, b = (git("log", "-1", shape, c).rstrip().splitlines() for c in (commit, again))
            if a != b:
                what = "subject" if a[2] != b[2] else "message"
                raise KitError(f"git am would change the {what} of commit {commit[:12]}", "reword it")
            parent = commit


def write_series(found, root):
    """Replace patches/*.patch, patches/series and the overlay files of the series."""
    patches = root / "patches"
    known = series.load(bases.supported()[0], root)
    before = {p for patch in known for p in patch.overlay}
    after = {p: text for _, files in found for p, text in files.items()}
    stage = patches / ".new"
    shutil.rmtree(stage, ignore_errors=True)
    for patch, _ in found:
        series.write_text(stage / f"{patch.slug}.patch", patch.text())
    header = [line for line in series.read_text(patches / "series").splitlines()
              if line.startswith("#")] if (patches / "series").exists() else []
    series.write_text(stage / "series", "".join(f"{line}\n" for line in header)
                      + "".join(f"{patch.slug}.patch\n" for patch, _ in found))
    for path, (text, executable) in after.items():
        put_file(root / path, text, executable)
    for path in sorted(before - after.keys()):
        (root / path).unlink(missing_ok=True)
    new = {p.name for p in stage.iterdir()}
    for old in patches.glob("*.patch"):
        if old.name not in new:
            old.unlink()
    for p in stage.iterdir():
        os.replace(p, patches / p.name)
    stage.rmdir()
    for version in bases.supported():
        for own in (patches / version).glob("*.patch"):
            if own.name not in new:
                own.unlink()


def put_file(path, text, executable):
    if not path.exists() or series.read_text(path) != text:
        series.write_text(path, text)
    os.chmod(path, 0o755 if executable else 0o644)


def write_variants(base, found, head):
    """For a base that is not the first: keep only the diffs in which it differs."""
    common = series.load(bases.supported()[0])
    if [p.slug for p in common] != [p.slug for p, _ in found]:
        raise KitError(f"the series on {base.name} has other commits (number, order or subject) than "
                       f"on {bases.supported()[0]}", f"make save BASE={bases.supported()[0]} first, then "
                       f"rebase the {base.name} branch so that it has the same commits")
    for patch, files in found:
        for path, (text, executable) in files.items():
            mine = paths.ROOT / path
            if series.read_text(mine) != text or os.access(mine, os.X_OK) != executable:
                raise KitError(f"{path} of {base.name} differs from the repository's: new files are the "
                               "same for all bases", f"change it in build/tree/{bases.supported()[0]}")
    where = paths.PATCHES / base.version
    stage = paths.PATCHES / f".{base.version}.new"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    commits = git("rev-list", "--reverse", f"{base.commit}..{head}").split()
    common_mail = {p.slug: mail for p, mail in series.mails(bases.supported()[0])}
    parent = base.commit
    for (patch, _), commit in zip(found, commits):
        try:
            same = git("rev-parse", series.build_commits(parent, [(patch, common_mail[patch.slug])])
                       + "^{tree}") == git("rev-parse", f"{commit}^{{tree}}")
        except KitError:
            same = False
        if not same:
            series.write_text(stage / f"{patch.slug}.patch", patch.text())
            note(f"{patch.slug}: a diff of its own for {base.name}")
        parent = commit
    shutil.rmtree(where, ignore_errors=True)
    if any(stage.iterdir()):
        os.replace(stage, where)
    else:
        stage.rmdir()


def export(base, out=None):
    """build/out/NAME: mailbox files for git am, with a cover letter."""
    out = out or paths.OUT / base.name
    last = tip(base)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    git("format-patch", "-q", "-o", out, "--zero-commit", "--no-signature", "-n", "--cover-letter",
        "--cover-from-description=none", *series.DIFF_OPTIONS, f"{base.commit}..{last}")
    cover = out / "0000-cover-letter.patch"
    text = paths.PATCHES / "cover-letter.txt"
    if cover.exists() and text.exists():
        subject, _, body = series.read_text(text).partition("\n")
        filled = series.read_text(cover).replace("*** SUBJECT HERE ***", subject.strip(), 1)
        filled = filled.replace("*** BLURB HERE ***", body.strip(), 1)
        series.write_text(cover, filled)
    return out, last
