# SPDX-License-Identifier: GPL-2.0
"""The series: overlay files and patches/ on one side, commits on the other.

A patch file is a mail header and a message, a line '---', one line
'Overlay: PATH' for each new kernel file that the commit introduces, and the
diff of the existing kernel files. The text of an overlay file in the
repository is its text after the whole series; where a later patch changes it,
that patch carries the diff, and the text at its introduction is found by
taking the later diffs off again.
"""
import email.header
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from . import bases, paths, proc
from .ui import KitError

DIFF_OPTIONS = ("--no-renames", "--no-ext-diff", "--no-color", "--no-textconv", "-U3", "--src-prefix=a/",
                "--dst-prefix=b/")


@dataclass
class Patch:
    slug: str
    head: str                                    # mail header and message
    overlay: list = field(default_factory=list)  # paths of new files
    diff: str = ""                               # of existing files

    def text(self):
        lines = "".join(f"Overlay: {p}\n" for p in self.overlay)
        return f"{self.head}\n---\n{lines}" + (f"\n{self.diff}" if self.diff else "")

    @property
    def subject(self):
        found = re.search(r"^Subject: (?:\[PATCH\] )?(.*(?:\n .*)*)", self.head, re.M)
        text = re.sub(r"\n ", " ", found.group(1)) if found else self.slug
        return str(email.header.make_header(email.header.decode_header(text)))


def parse(slug, text):
    head, mark, rest = text.partition("\n---\n")
    if not mark or not head.startswith("From "):
        raise KitError(f"patches/{slug}.patch is not a patch of the kit (mail header, message, '---')",
                       "restore it with git, or write it with make save")
    at = rest.find("diff --git ")
    return Patch(slug, head, re.findall(r"^Overlay: (.*)$", rest[:at] if at >= 0 else rest, re.M),
                 rest[at:] if at >= 0 else "")


def read_text(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as f:
        return f.read()


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as f:
        f.write(text)


def load(version, root=paths.ROOT):
    """The series for one base; patches/VERSION/ overrides single patches."""
    order = root / "patches" / "series"
    slugs = [s.strip() for s in read_text(order).splitlines()
             if s.strip() and not s.startswith("#")] if order.exists() else []
    series = []
    for name in slugs:
        if slugs.count(name) > 1:
            raise KitError(f"patches/series names {name} twice", "take one of them out")
        if not name.endswith(".patch"):
            raise KitError(f"patches/series names '{name}', which is not NAME.patch", "mend patches/series")
        own = root / "patches" / version / name
        path = own if own.exists() else root / "patches" / name
        if not path.exists():
            raise KitError(f"patches/series names {name}, which does not exist",
                           "restore it with git, or take it out of patches/series")
        series.append(parse(name[:-len(".patch")], read_text(path)))
    return series


def mails(version, root=paths.ROOT):
    """[(patch, mail that git am takes)]: every overlay file with its text at introduction."""
    series = load(version, root)
    first = overlay_texts(series, root)
    out = []
    for patch in series:
        new = "".join(new_file_diff(p, *first[p]) for p in patch.overlay)
        out.append((patch, f"{patch.head}\n---\n\n{patch.diff}{new}"))
    return out


def overlay_texts(series, root):
    """{path: (text, executable)} at the introduction of each overlay file."""
    first = {}
    with tempfile.TemporaryDirectory(prefix="overlay") as name:
        tmp = Path(name)
        for patch in series:
            for p in patch.overlay:
                source = root / p
                if not source.is_file():
                    raise KitError(f"patches/{patch.slug}.patch introduces {p}, which is not in the "
                                   "repository", "restore the file with git, or run make save")
                (tmp / p).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, tmp / p)
        for patch in reversed(series):
            late = [p for p in re.findall(r"^diff --git a/(.*) b/\1$", patch.diff, re.M)
                    if (tmp / p).exists()]
            if late:
                try:
                    proc.output(["git", "apply", "-R", "--whitespace=nowarn",
                                 *[f"--include={p}" for p in late], "-"], cwd=tmp,
                                env={"GIT_CEILING_DIRECTORIES": str(tmp.parent)}, data=patch.diff)
                except KitError as e:
                    raise KitError(f"patches/{patch.slug}.patch changes {', '.join(late)}, but the "
                                   "text in the repository is not what it leads to",
                                   "change the file in build/tree and run make save") from e
            for p in patch.overlay:
                first[p] = (read_text(tmp / p), os.access(tmp / p, os.X_OK))
                (tmp / p).unlink()
    return first


def new_file_diff(path, text, executable):
    out = f"diff --git a/{path} b/{path}\nnew file mode {'100755' if executable else '100644'}\n"
    if not text:
        return out
    lines = text.split("\n")
    ended = lines[-1] == ""
    if ended:
        lines.pop()
    count = f"1,{len(lines)}" if len(lines) != 1 else "1"
    return (out + f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +{count} @@\n"
            + "".join(f"+{line}\n" for line in lines)
            + ("" if ended else "\\ No newline at end of file\n"))


def refusal(stderr, patch_name, diff):
    """git apply's complaint as 'which patch, which file, which hunk'."""
    found = re.search(r"error: patch failed: (.*):(\d+)", stderr)
    if not found:
        first = re.search(r"error: (.*)", stderr)
        return f"{patch_name} does not apply: {first.group(1) if first else stderr.strip()}"
    path, line = found.groups()
    part = diff.split(f"\n+++ b/{path}\n", 1)[-1].split("\ndiff --git ", 1)[0]
    hunks = re.findall(r"^@@ -(\d+)", part, re.M)
    number = hunks.index(line) + 1 if line in hunks else "?"
    return (f"{patch_name} does not apply: file {path}, hunk {number} of {len(hunks)} "
            f"(at line {line})")


def build_commits(base_commit, messages, run=bases.git):
    """Make the commits of the series on top of base_commit; return the last one.

    Nothing but objects is written: no branch, no index and no work tree of the
    repository changes. A patch that does not fit raises an error that names
    patch, file and hunk.
    """
    parent = base_commit
    with tempfile.TemporaryDirectory(prefix="series") as name:
        env = {"GIT_INDEX_FILE": os.path.join(name, "index")}
        run("read-tree", base_commit, env=env)
        for patch, mail in messages:
            parent = commit_mail(Path(name), env, parent, patch, mail, run)
    return parent


def commit_mail(tmp, env, parent, patch, mail, run):
    info = mail_info(tmp, mail)
    try:
        run("apply", "--cached", "--whitespace=nowarn", str(tmp / "diff"), env=env)
    except KitError as e:
        raise KitError(refusal(e.what, f"patch {patch.slug}", mail),
                       "use the kernel version that the series was made for, or rebase that patch: "
                       "make tree, mend, make save") from e
    tree = run("write-tree", env=env).strip()
    author = {"GIT_AUTHOR_NAME": info["Author"], "GIT_AUTHOR_EMAIL": info["Email"],
              "GIT_AUTHOR_DATE": info["Date"]}
    return run("commit-tree", tree, "-p", parent, "-F", str(tmp / "msg"), env=author).strip()


def mail_info(tmp, mail):
    """Split a mail as git am does: tmp/msg, tmp/diff, and the header's fields."""
    res = proc.output(["git", "mailinfo", "--encoding=UTF-8", tmp / "body", tmp / "diff"], data=mail)
    info = dict(line.split(": ", 1) for line in res.splitlines() if ": " in line)
    body = read_text(tmp / "body")
    write_text(tmp / "msg", info["Subject"] + "\n" + ("\n" + body if body.strip() else ""))
    return info


def series_from_commits(base_commit, tip, run=bases.git):
    """[(Patch, {overlay path: (text, executable)})]: the inverse of build_commits()."""
    commits = run("rev-list", "--reverse", f"{base_commit}..{tip}").split()
    final = {line.split("\t", 1)[1]: line.split()[0]
             for line in run("ls-tree", "-r", tip).splitlines()}
    taken, out = set(), []
    last_add = {}
    for commit in commits:
        for line in run("diff-tree", "-r", "--no-renames", "--no-commit-id", "--name-status", commit).splitlines():
            path = line.split("\t", 1)[1]
            if line.startswith("A") and path in final:
                last_add[path] = commit
    for commit in commits:
        if run("rev-list", "--parents", "-1", commit).split()[2:]:
            raise KitError(f"commit {commit[:12]} is a merge", "rebase the branch into a straight line")
        added = [line.split("\t", 1)[1]
                 for line in run("diff-tree", "-r", "--no-renames", "--no-commit-id", "--name-status",
                                 commit).splitlines() if line.startswith("A\t")]
        overlay = [p for p in added if last_add.get(p) == commit]
        for p in overlay:
            if not p.startswith(tuple(f"{top}/" for top in paths.OVERLAY_TOPS)):
                raise KitError(f"commit {commit[:12]} adds {p}: new files belong below "
                               + ", ".join(paths.OVERLAY_TOPS), "move the file")
        mail = run("format-patch", "-1", "--stdout", "--zero-commit", "-N", "--no-signature",
                   "--stat", *DIFF_OPTIONS, commit)
        head = mail.split("\n---\n", 1)[0]
        if re.search(r"^(---$|--- \S|diff -|Index: )", run("show", "-s", "--format=%B", commit), re.M):
            raise KitError(f"the message of commit {commit[:12]} has a line '---', or one that begins like a diff",
                           "git am would cut it there: reword it, or indent that line")
        if not mail:
            raise KitError(f"commit {commit[:12]} changes nothing", "drop it (git rebase -i)")
        if run("diff", "--numstat", "--no-renames", f"{commit}^", commit).startswith("-\t") or \
                "\n-\t-\t" in run("diff", "--numstat", "--no-renames", f"{commit}^", commit):
            raise KitError(f"commit {commit[:12]} changes a binary file: "
                           + re.search(r"^-\t-\t(.*)", run("diff", "--numstat", "--no-renames", f"{commit}^", commit), re.M).group(1),
                           "a mail cannot carry it")
        links = [p for p in overlay if final[p] not in ("100644", "100755")]
        if links:
            raise KitError(f"commit {commit[:12]} adds {links[0]}, which is not a plain file", "make it one")
        excluded = [f":(exclude,literal,top){p}" for p in overlay]
        diff = run("diff", *DIFF_OPTIONS, f"{commit}^", commit, "--", ":/", *excluded)
        diff = re.sub(r"^index [0-9a-f]+\.\.[0-9a-f]+(?: \d+)?\n", "", diff, flags=re.M)
        slug = unique(run("show", "-s", "--format=%f", commit).strip()[:60].strip("-."), taken)
        out.append((Patch(slug, head, overlay, diff),
                    {p: (run("show", f"{tip}:{p}"), final[p] == "100755") for p in overlay}))
    return out


def unique(slug, taken):
    name, n = slug, 2
    while name in taken:
        name, n = f"{slug}-{n}", n + 1
    taken.add(name)
    return name
