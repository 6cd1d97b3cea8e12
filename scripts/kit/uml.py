# SPDX-License-Identifier: GPL-2.0
"""KUnit suites that need no machine, on user-mode Linux, by the kernel's own kunit.py.

The suites of drivers/iommu/generic_pt count pages with statistics that are
exact only without SMP, and arm64 has no kernel without SMP.
"""
import hashlib
import json
import shutil
import subprocess
import sys

from . import kbuild, ktap, paths, proc, tree
from .bases import git
from .ui import KitError, relative

KUNITCONFIG = "drivers/iommu/generic_pt/.kunitconfig"


def key_of(base, commit):
    source = "\n".join(row for row in git("ls-tree", commit).splitlines()
                       if row.split("\t")[1] not in kbuild.NOT_KERNEL)
    host = proc.output(["gcc", "--version"]).splitlines()[0]
    return f"{base.name}-uml-" + hashlib.sha256(f"{source}\n{host}".encode()).hexdigest()[:16]


def log_of(base):
    return paths.LOGS / f"uml-{base.name}.log"


def build(base, commit):
    """Directory with a user-mode kernel of that source and the script that runs it."""
    where = paths.IMAGES / key_of(base, commit)
    if (where / "done").exists():
        return where
    source = tree.full_source(base.name, commit)
    obj = paths.BUILD / "obj" / f"{base.name}-uml"
    obj.mkdir(parents=True, exist_ok=True)
    kunit(source, "build", "--build_dir", obj, "--kunitconfig", source / KUNITCONFIG,
          "--jobs", kbuild.jobs(), log=log_of(base), what=f"building {base.name} for user-mode Linux")
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(source / "tools/testing/kunit", where / "src/tools/testing/kunit")
    for name in ("linux", ".config"):
        shutil.copy(obj / name, where / name)
    (where / "done").touch()
    return where


def kunit(source, *args, log, what):
    proc.logged([sys.executable, "tools/testing/kunit/kunit.py", *args], log, cwd=source, what=what)


def cases(base, commit):
    """{'suite: case': state} of every suite in that source."""
    where = build(base, commit)
    out = where / "result.json"
    out.unlink(missing_ok=True)
    log = log_of(base)
    with open(log, "ab") as f:
        # It fails when a case fails; which one is in the result.
        status = subprocess.run([sys.executable, "tools/testing/kunit/kunit.py", "exec", "--build_dir",
                                 where, "--timeout", "300", f"--json={out}"], cwd=where / "src", stdout=f,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=proc.environment(),
                                check=False).returncode
    if not out.exists():
        raise KitError("user-mode Linux gave no result", f"see {relative(log)}")
    found = {}
    ktap.collect(json.loads(out.read_text(encoding="utf-8")), "", found)
    if status and "not ok" not in found.values():
        raise KitError("the parser of KUnit is not satisfied", f"see {relative(log)}")
    return found
