# SPDX-License-Identifier: GPL-2.0
"""The part of make lint that looks at C of ours that is in no patch: the test device's module and library, guest programs."""
import re
import shutil
import subprocess

from . import kbuild, paths, proc
from .ui import KitError

LINE = re.compile(r"(?P<path>\S+?):(?P<line>\d+): (?:WARNING|ERROR|CHECK):(?P<text>.*)")


def sources():
    """What is written in the kernel's style; QEMU's files are in QEMU's."""
    out = [*paths.TESTDEV.glob("*.[ch]"), *(paths.ROOT / "tests/guest").glob("*.[ch]")]
    for directory in ("lib", "tests"):
        out += (paths.TESTDEV / directory).glob("*.[ch]")
    return sorted(out)


def checkpatch(job, files):
    """[(path, line, text)] of checkpatch --strict on whole files."""
    where = job.dir / "checkpatch"
    res = subprocess.run(["perl", where / "checkpatch.pl", "--strict", "--terse", "--show-types", "--no-summary",
                          f"--root={job.source}", "-f", *files], cwd=where, capture_output=True, check=False,
                         stdin=subprocess.DEVNULL, env=proc.environment({"HOME": str(where)}))
    text = res.stdout.decode(errors="replace")
    out = [(m["path"], m["line"], m["text"]) for m in map(LINE.match, text.splitlines()) if m]
    if res.returncode and not out:
        raise KitError(f"checkpatch.pl failed on the test device: {(text or res.stderr.decode())[-300:].strip()}",
                       "report this")
    return out


def lint_style(job):
    """checkpatch on every file; job.dir/checkpatch must be there, and was seen to work on a planted mistake."""
    for path, line, text in checkpatch(job, sources()):
        job.found("checkpatch", f"{path.removeprefix(f'{paths.ROOT}/')}:{line}: {text}")


def lint_module(job, sparse):
    """The module with W=1 and sparse, as a user builds it out of tree; both see what is planted first."""
    job.ran.add("module")
    log = job.log("module")
    log.unlink(missing_ok=True)
    kbuild.kmake(job.source, job.obj, "modules_prepare", log=log, what="modules_prepare")
    work = job.dir / "module"
    planted = "\nint smtd_planted(void);\nint smtd_planted(void) { __le32 x = 1; int unused; return (int)x; }\n"
    found = build(job, work, log, sparse, planted)
    if "unused" not in found or "restricted" not in found:
        raise KitError("the module's W=1 build with sparse does not see a planted mistake", f"see {log}")
    for line in build(job, work, log, sparse).splitlines():
        if re.search(r"(warning|error):", line):
            job.found("module", line.replace(f"{work}/", ""))


def build(job, work, log, sparse, more=""):
    """What the compiler and sparse say of a copy of the module."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for path in kbuild.module_files():
        shutil.copy(path, work / path.name)
    if more:
        victim = work / "smtd_mem.c"
        victim.write_text(victim.read_text(encoding="ascii") + more, encoding="ascii")
    start = log.stat().st_size
    out, wrapper = sparse(job)
    # Symbols of a kernel that was not built here are unknown: that is no finding.
    try:
        kbuild.kmake(job.source, job.obj, f"M={work}", "W=1", "C=2", f"CHECK={wrapper}", "KBUILD_MODPOST_WARN=1",
                     "modules", log=log, what="the module with W=1", env={"IR_SPARSE_OUT": str(out)})
    except KitError:
        pass
    text = log.read_bytes()[start:].decode(errors="replace")
    checked = [p.read_text(errors="replace") for p in out.iterdir()]
    if not checked:
        raise KitError("sparse looked at no file of the module", f"see {log}")
    lines = [line for line in text.splitlines() if "modpost" not in line and "undefined!" not in line]
    return "\n".join(lines + checked)
