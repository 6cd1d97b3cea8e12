# SPDX-License-Identifier: GPL-2.0
"""What the tests of the kit stand on: a repository and a kernel tree of a few files, and the kit run on them.

A Lab is a copy of the kit's scripts and of bases/ in a temporary directory,
which makes it a repository of its own, with its own build directory. Nothing
here reads or writes the build directory that the tests were started with.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

IDENTITY = {
    "GIT_AUTHOR_NAME": "A U Thor", "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "C O Mitter", "GIT_COMMITTER_EMAIL": "committer@example.org",
    "GIT_AUTHOR_DATE": "1717171717 +0200", "GIT_COMMITTER_DATE": "1717171717 +0200",
}
# The user's and the machine's configuration of git must not decide what a test sees.
BLIND = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}

# Long enough for hunks that do not touch each other.
IOMMU_C = "".join(f"int iommu_{n}(void)\n{{\n\treturn {n};\n}}\n\n" for n in range(1, 13))

KERNEL = {
    "Makefile": "# SPDX-License-Identifier: GPL-2.0\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n"
                "EXTRAVERSION =\nNAME = Baby Opossum Posse\n",
    "Kconfig": "mainmenu \"Linux\"\n",
    "drivers/iommu/iommu.c": IOMMU_C,
    "drivers/iommu/Makefile": "obj-y += iommu.o\n",
    "drivers/pci/pci.c": "int pci;\n",
    "drivers/pci/obsolete.c": "int obsolete;\n",
    "drivers/net/net.c": "int net;\n",
    "include/linux/iommu.h": "#define IOMMU 1\n",
    "Documentation/driver-api/pci.rst": "PCI\n===\n",
    "scripts/tool.sh": "#!/bin/sh\nexit 0\n",
}


def environment(extra=None):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("GIT_", "IR_")) and k not in ("BASE", "KERNEL", "QEMU", "IMAGE", "TEST", "SUITE",
                                                              "DEBIAN_MIRROR", "PLANT", "ON", "MACHINE", "MAKEFLAGS")}
    env.update({"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"})
    env.update(extra or {})
    return env


def git(cwd, *args, env=None, data=None, check=True):
    res = subprocess.run(["git", "-C", str(cwd), *map(str, args)], env=environment({**BLIND, **IDENTITY, **(env or {})}),
                         input=data, capture_output=True, text=True, encoding="utf-8", check=False)
    if check and res.returncode:
        raise AssertionError(f"git {' '.join(map(str, args))}: {res.stderr}")
    return res.stdout


def write(path, text, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_bytes(text.encode("utf-8"))
    if mode:
        path.chmod(mode)


def kernel_tree(where, files=None):
    for path, text in {**KERNEL, **(files or {})}.items():
        write(where / path, text, 0o755 if path.endswith(".sh") else 0o644)
    return where


def commit(cwd, subject, body="", files=None, env=None, **how):
    """Write files (None removes one), commit everything; the message is taken as it is."""
    for path, text in (files or {}).items():
        if text is None:
            (Path(cwd) / path).unlink()
        else:
            write(Path(cwd) / path, text)
    for path in how.get("executable", ()):
        (Path(cwd) / path).chmod(0o755)
    git(cwd, "add", "-A", "-f", "--sparse", ".")
    message = subject + "\n" + (f"\n{body}\n" if body else "")
    git(cwd, "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-", data=message, env=env)


def snapshot(where):
    """Everything about the files below a directory that a user could notice, .git aside."""
    out = {}
    for top, dirs, files in os.walk(str(where)):
        dirs[:] = [d for d in dirs if d != ".git"]
        for name in dirs:
            out[os.path.relpath(os.path.join(top, name), str(where)) + "/"] = "directory"
        for name in files:
            path = os.path.join(top, name)
            info = os.lstat(path)
            if os.path.islink(path):
                out[os.path.relpath(path, str(where))] = os.readlink(path)
                continue
            with open(path, "rb") as f:
                out[os.path.relpath(path, str(where))] = (f.read(), info.st_mode, info.st_mtime_ns)
    return out


def git_state(where):
    refs = git(where, "for-each-ref")
    gitdir = Path(git(where, "rev-parse", "--absolute-git-dir").strip())
    return (git(where, "rev-parse", "-q", "--verify", "HEAD", check=False), refs,
            (gitdir / "HEAD").read_text(), git(where, "ls-files", "-s"),
            git(where, "status", "--porcelain", "--ignored"))


class Lab:
    """A repository with the kit and an empty series, and a store with a base kernel 7.3."""

    def __init__(self, where):
        self.where = Path(where)
        self.root = self.where / "repo"
        self.build = self.where / "build"

    @classmethod
    def new(cls, where, versions=("7.3",)):
        lab = cls(where)
        shutil.copytree(TOP / "scripts", lab.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(TOP / "bases", lab.root / "bases")
        shutil.copytree(TOP / "configs", lab.root / "configs")
        (lab.root / "tests/vm").mkdir(parents=True)
        write(lab.root / "patches/series", "# order of the series\n")
        lab.build.mkdir(parents=True)
        lab.python("from kit import bases; bases.init_store()")
        for version in versions:
            lab.add_base(version)
        return lab

    def add_base(self, version, files=None):
        tree = kernel_tree(self.where / f"kernel-{version}", {
            "Makefile": KERNEL["Makefile"].replace("PATCHLEVEL = 3", "PATCHLEVEL = " + version.split(".")[1]),
            **(files or {})})
        store = ["--git-dir", self.store, "--work-tree", tree]
        env = {"GIT_INDEX_FILE": str(self.where / f"index-{version}")}
        git(tree, *store, "add", "-A", ".", env=env)
        made = git(tree, *store, "write-tree", env=env).strip()
        base = git(tree, *store, "commit-tree", made, "-m", "base kernel", env=env).strip()
        git(tree, *store, "update-ref", f"refs/bases/{version}", base)
        return base

    @property
    def store(self):
        return self.build / "git"

    @property
    def tree(self):
        return self.build / "tree" / "7.3"

    def environment(self, extra=None):
        return environment({"PYTHONPATH": str(self.root / "scripts"), "IR_BUILD": str(self.build), **BLIND,
                            **(extra or {})})

    def python(self, code, **env):
        """Run Python with this repository's kit; its standard output."""
        res = subprocess.run([sys.executable, "-c", code], env=self.environment(env), cwd=self.root,
                             capture_output=True, text=True, encoding="utf-8", check=False)
        if res.returncode:
            raise AssertionError(f"{code}\n{res.stdout}{res.stderr}")
        return res.stdout

    def start(self, *command, **env):
        return subprocess.Popen([sys.executable, "-m", "kit", *command], env=self.environment(env), cwd=str(self.root),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                encoding="utf-8", start_new_session=True)

    def run(self, *command, **env):
        child = self.start(*command, **env)
        try:
            out, _ = child.communicate(timeout=60)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise
        return child.returncode, out

    def ok(self, *command, **env):
        status, out = self.run(*command, **env)
        if status:
            raise AssertionError(f"kit {' '.join(command)}: {out}")
        return out

    def saved(self):
        """The files of the repository that make save writes, with their modes."""
        out = {}
        for top in ("patches", "drivers", "include", "Documentation", "tools"):
            for path in sorted((self.root / top).rglob("*")):
                if path.is_file():
                    out[str(path.relative_to(self.root))] = (path.read_bytes(), path.stat().st_mode & 0o777)
        return out


def log(cwd, span):
    """What a commit is, its committer and its parents aside."""
    return git(cwd, "log", "--reverse", "--format=%T%n%an <%ae> %ad%n%B%x00", span)


def wait_for(path, seconds=20):
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise AssertionError(f"{path} did not appear")
        time.sleep(0.02)


class LabTest(unittest.TestCase):
    """A fresh copy of one prepared Lab for every test."""

    versions = ("7.3",)

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="kit-tests-")
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.master = Lab.new(Path(cls.scratch.name) / "master", cls.versions)
        cls.prepare(cls.master)

    @classmethod
    def prepare(cls, lab):
        pass

    def setUp(self):
        where = Path(tempfile.mkdtemp(prefix="lab-", dir=self.scratch.name))
        self.addCleanup(shutil.rmtree, str(where), True)
        shutil.copytree(str(self.master.where), str(where / "lab"), symlinks=True)
        self.lab = Lab(where / "lab")
        # A worktree and its store name each other with absolute paths.
        for link in [*self.lab.build.glob("tree/*/.git"), *self.lab.store.glob("worktrees/*/gitdir")]:
            link.write_text(link.read_text().replace(str(self.master.where), str(self.lab.where)))

    def refused(self, status, out, *words):
        """One line that says what is wrong, one with the cure, and a status that says so too."""
        self.assertNotEqual(status, 0, out)
        self.assertNotIn("Traceback", out)
        lines = out.rstrip("\n").split("\n")
        at = next((n for n, line in enumerate(lines) if line.startswith("iommu-recovery: ")), None)
        self.assertIsNotNone(at, out)
        self.assertEqual(len(lines), at + 2, f"one line and its cure expected:\n{out}")
        self.assertTrue(lines[at + 1].startswith("  cure: "), out)
        for word in words:
            self.assertIn(word, lines[at] + "\n" + lines[at + 1])
        return lines[at]
