# SPDX-License-Identifier: GPL-2.0
"""The part of make lint that looks at the repository's own scripts: shellcheck, and Python's own parser."""
import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from . import paths, proc
from .ui import KitError


def own_files():
    """Every file of the repository that people wrote."""
    for where, dirs, files in os.walk(paths.ROOT):
        here = Path(where)
        dirs[:] = sorted(d for d in dirs if (not d.startswith(".") or d == ".ci")
                         and d != "__pycache__" and (here / d).resolve() != paths.BUILD
                         and here / d != paths.ROOT / "build")
        yield from (here / f for f in sorted(files) if not (here / f).is_symlink())


def first_line(path):
    with open(path, "rb") as f:
        return f.readline(200).decode(errors="replace")


def is_shell(path):
    return path.suffix == ".sh" or re.match(r"#!.*\b(ba|da|)sh\b", first_line(path)) is not None


def is_python(path):
    return path.suffix == ".py" or re.match(r"#!.*\bpython3?\b", first_line(path)) is not None


def shellcheck(path, guest=False):
    """shellcheck's lines; guest scripts are for busybox, and find their library where the guest has it."""
    text = (paths.ROOT / path).read_text(encoding="utf-8")
    if guest:
        text = re.sub(r"^\. /lib/(\w+\.sh)", r". tests/guest/\1", text, flags=re.M)
    res = subprocess.run(["shellcheck", "-f", "gcc", "-x", *(["-s", "sh"] if guest else []), "-"],
                         cwd=paths.ROOT, capture_output=True, check=False, text=True, input=text,
                         env=proc.environment())
    if res.returncode > 1:
        raise KitError(f"shellcheck failed on {path}: {res.stderr.strip()[:300]}", "report this")
    return re.sub(r"^-:", f"{path}:", res.stdout, flags=re.M)


def lint_scripts(job):
    job.ran |= {"shellcheck", "python"}
    for path in own_files():
        name = path.relative_to(paths.ROOT)
        if is_shell(path):
            guest = str(name.parent) in ("tests/vm", "tests/guest")
            for line in shellcheck(name, guest).splitlines():
                job.found("shellcheck", line)
        elif is_python(path):
            lint_python(job, path, name)


def lint_python(job, path, name):
    """What py_compile does, without the file it leaves, and by the oldest Python that is supported."""
    try:
        ast.parse(path.read_bytes(), str(name), feature_version=(3, 9))
        compile(path.read_bytes(), str(name), "exec")
    except (SyntaxError, ValueError) as e:
        job.found("python", f"{name}:{getattr(e, 'lineno', 0)}: {getattr(e, 'msg', e)}")
        return
    if importlib.util.find_spec("pyflakes"):
        res = subprocess.run([sys.executable, "-m", "pyflakes", path], capture_output=True, check=False,
                             text=True, stdin=subprocess.DEVNULL, env=proc.environment())
        for line in res.stdout.splitlines():
            job.found("python", line.removeprefix(f"{paths.ROOT}/"))
