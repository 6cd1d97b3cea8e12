# SPDX-License-Identifier: GPL-2.0
"""Splats in a boot log: found, excused by name, and decoded."""
import re
import subprocess
from dataclasses import dataclass

from . import paths, proc
from .ui import KitError

DATA = paths.ROOT / "scripts" / "data"
# Lines of context that belong to a splat: its register dump and its trace.
CONTEXT = 60
# A KCSAN report has two traces.
LONGER = {"kcsan": 160}
END = re.compile(r"---\[ end trace|={60}")


@dataclass
class Splat:
    name: str      # of the pattern
    number: int    # line in the log, counted from 0
    line: str

    def __str__(self):
        return f"{self.name}: {self.line.strip()} (line {self.number + 1} of the console log)"


def entries(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def patterns(path=DATA / "splat-patterns.txt"):
    out = []
    for number, line in entries(path):
        name, mark, text = line.partition(": ")
        if not mark:
            raise KitError(f"{path.name}:{number}: expected 'name: regular expression'", "mend the file")
        out.append((name, compiled(path, number, text)))
    return out


def exceptions(path=DATA / "splat-exceptions.txt"):
    out = []
    for number, line in entries(path):
        text, mark, reason = line.partition("  # ")
        if not mark or not reason.strip():
            raise KitError(f"{path.name}:{number}: an exception needs its reason: 'regex  # reason'",
                           "say why this splat is no fault of the run")
        out.append(compiled(path, number, text))
        if out[-1].search(""):
            raise KitError(f"{path.name}:{number}: the exception '{text}' matches every line", "name the splat")
    return out


def compiled(path, number, text):
    try:
        return re.compile(text)
    except re.error as e:
        raise KitError(f"{path.name}:{number}: {e}", "mend the regular expression") from e


def scan(lines, expected=(), known=None, elsewhere=None):
    """(splats that nobody asked for, expected patterns that did not occur).

    A splat that a test asks for ends with its trace: what the trace quotes is
    not counted again, but a second splat after it is. The expression that asks
    for it begins in the splat's first line, and may go on in those that follow.
    @elsewhere is told a data race that nobody asked for; true when it is none
    of this run's.
    """
    table = patterns()
    excused = exceptions() if known is None else known
    wanted = [re.compile(e) for e in expected]
    seen = set()
    found = []
    quiet_until = -1
    for number, line in enumerate(lines):
        if "[ cut here ]" in line:
            quiet_until = -1
        name = next((n for n, regex in table if regex.search(line)), None)
        if not name or number < quiet_until or any(regex.search(line) for regex in excused):
            continue
        text = "\n".join(lines[number:number + CONTEXT])
        hit = next((regex for regex in wanted if (m := regex.search(text)) and m.start() <= len(line)), None)
        if hit:
            seen.add(hit)
            quiet_until = end_of(lines, number, name) or number + 1
            continue
        hit = Splat(name, number, line)
        if not (name == "kcsan" and elsewhere and elsewhere(excerpt(lines, hit))):
            found.append(hit)
    return found, [regex.pattern for regex in wanted if regex not in seen]


def end_of(lines, start, name=""):
    """The line after the last one of the splat that starts there; None when nothing marks its end."""
    for i in range(start + 1, min(start + LONGER.get(name, CONTEXT), len(lines))):
        if END.search(lines[i]):
            return i + 1
    return None


def excerpt(lines, splat):
    """The splat and what follows it, up to the end of its trace."""
    return lines[splat.number:end_of(lines, splat.number, splat.name) or splat.number + LONGER.get(splat.name, CONTEXT)]


def decode(lines, prog, image):
    """The same lines with file and line numbers, by the kernel's own script."""
    script = prog / "src/scripts/decode_stacktrace.sh"
    if not script.exists():
        return lines
    try:
        res = subprocess.run(["bash", str(script), str(image.dir / "vmlinux")], input="\n".join(lines) + "\n",
                             capture_output=True, text=True, timeout=120, check=False,
                             env=proc.environment({"CROSS_COMPILE": paths.CROSS, "ARCH": paths.ARCH}))
    except (OSError, subprocess.TimeoutExpired):
        return lines
    return res.stdout.splitlines() if not res.returncode and res.stdout.strip() else lines
