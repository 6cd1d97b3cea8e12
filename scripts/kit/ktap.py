# SPDX-License-Identifier: GPL-2.0
"""Results in KTAP: from test programs, and from KUnit by the kernel's own parser."""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from . import proc

SKIPPED = "4"    # exit status of a kselftest that could not run


def cases(text):
    """{'program: case': state}; a script says '# run: PROGRAM' before each program."""
    out, program = {}, ""
    for line in text.splitlines():
        if found := re.match(r"# run: (\S+.*)", line):
            program = found.group(1).strip() + ": "
            continue
        found = re.match(r"(ok|not ok) \d+ ?-? ?(.*)", line)
        if not found:
            continue
        state, name = found.groups()
        name, _, directive = f" {name}".partition(" # ")
        if directive.upper().startswith("SKIP"):
            state = "skip"
        elif directive.upper().startswith(("TODO", "XFAIL")):
            state = "ok"
        if out.get(program + name.strip()) != "not ok":
            out[program + name.strip()] = state
    return out


def announced(text):
    """How many cases the plans say that there are."""
    return sum(map(int, re.findall(r"^1\.\.(\d+)", text, re.M)))


def results(text):
    return len(re.findall(r"^(?:ok|not ok) \d+", text, re.M))


def all_skipped(found, status):
    states = set(found.values())
    return states <= {"skip"} and status in (("0", SKIPPED) if states else (SKIPPED,))


def skip_reason(text):
    found = re.findall(r"# SKIP +(.*)", text)
    return found[-1] if found else "no reason given"


def diagnosis(text):
    """The first line of a program's output that says what a failed case saw."""
    for line in text.splitlines():
        if re.match(r"#? *\S+\.[ch]:\d+:", line) or "interrupted:" in line:
            return re.sub(r"^# *", "", line.strip())[:200]
    return ""


def programs(text):
    """The programs that a script says it runs."""
    return [p.strip() for p in re.findall(r"^# run: (\S+.*)", text, re.M)]


def kunit_cases(console, prog):
    """({'suite: case': state} out of the boot log, what the parser complains of or None).

    The parser is the one of the kernel's source, tools/testing/kunit.
    """
    with tempfile.TemporaryDirectory(prefix="kunit") as name:
        log, out = Path(name) / "log", Path(name) / "out.json"
        log.write_text("\n".join(console) + "\n", encoding="utf-8")
        tool = prog / "src/tools/testing/kunit/kunit.py"
        res = subprocess.run([sys.executable, tool, "parse", f"--json={out}", log], cwd=prog / "src",
                             capture_output=True, text=True, env=proc.environment(), check=False)
        if not out.exists():
            return {}, "KUnit's parser gives no result"
        data = json.loads(out.read_text(encoding="utf-8"))
    found = {}
    collect(data, "", found)
    if res.returncode and "not ok" not in found.values():
        said = [line for line in res.stdout.splitlines() if "ERROR" in line]
        return found, f"KUnit's parser: {said[0].strip()[:160] if said else 'not satisfied'}"
    return found, None


def collect(group, prefix, found):
    for case in group.get("test_cases", []):
        state = {"PASS": "ok", "SKIP": "skip"}.get(case.get("status"), "not ok")
        found[f"{prefix}{case['name']}"] = state
    for sub in group.get("sub_groups", []):
        collect(sub, f"{prefix}{sub['name']}: ", found)
