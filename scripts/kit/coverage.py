# SPDX-License-Identifier: GPL-2.0
"""make coverage: which lines of the files that the series adds are run by the tests.

The image gcov counts in these files only. Each guest hands its counters over on the line of results; a line counts
as run if one of the tests has run it.
"""
import base64
import binascii
import json
import os
import re
import shutil
from pathlib import Path

from . import check, kbuild, paths, prereq, proc, qemu, together, tree, vm
from .ui import KitError, Steps, note, relative, say

OUT = paths.BUILD / "coverage"
# What a test runs that takes longer, shorter ones run too.
LONGEST_S = 1000
EXPLAINED = paths.ROOT / "scripts" / "coverage-explained.txt"


def counters(text):
    """{path of the object: bytes} of what a guest has handed over."""
    out = {}
    for path, blob in re.findall(r"^IR-GCDA (\S+)\.gcda\n(.*?)^IR-GCDA$", text, re.M | re.S):
        try:
            out[path] = base64.b64decode("".join(blob.split()), validate=True)
        except binascii.Error as e:
            raise KitError(f"the counters of {path} are no base64: {e}", "see result.log of that run") from e
    return out


def name_in(path):
    """The file below the source, of the path of its object."""
    return next((name for name in kbuild.counted() if path.endswith("/" + name.removesuffix(".c"))), None)


def lines_of(image, name, data, where):
    """{line: count} of one file in one run."""
    where.mkdir(parents=True, exist_ok=True)
    stem = Path(name).stem
    shutil.copy(image.dir / Path(name).with_suffix(".gcno"), where / f"{stem}.gcno")
    (where / f"{stem}.gcda").write_bytes(data)
    text = proc.output([f"{paths.CROSS}gcov", "--json-format", "--stdout", f"{stem}.gcda"], cwd=where)
    out = {}
    for unit in json.loads(text)["files"]:
        if unit["file"].endswith(name):
            for line in unit["lines"]:
                # Inlined, or made twice from a macro: one of them is enough.
                out[line["line_number"]] = max(out.get(line["line_number"], 0), line["count"])
    return out


def merge(total, lines):
    for number, count in lines.items():
        total[number] = total.get(number, 0) + count


def explanations():
    """[(file, regex, reason, number of the line)]"""
    out = []
    for number, line in enumerate(EXPLAINED.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        found = re.fullmatch(r"(\S+\.c): (.+?)  # (.+)", line)
        if not found:
            raise KitError(f"{relative(EXPLAINED)}:{number}: not 'FILE: REGEX  # reason'", "mend that line")
        out.append((*found.groups(), number))
    return out


def unexplained(name, missed, known, used):
    """Of [(number, text)] those that no explanation is for; what explains is added to @used."""
    rest = []
    for number, text in missed:
        fit = [row for row in known if row[0] == name and re.search(row[1], text)]
        used.update(row[3] for row in fit)
        if not fit:
            rest.append((number, text))
    return rest


def chosen(version):
    names = (os.environ.get("TEST") or "").split()
    every = [t for t in check.selected("fast", False, qemu.built() is not None, True, version)
             if not t.planted and t.base != "same" and t.timeout <= LONGEST_S]
    wrong = [n for n in names if n not in {t.name for t in every}]
    if wrong:
        raise KitError(f"TEST={wrong[0]}: that is no test for this", "one of: " + ", ".join(t.name for t in every))
    return [t for t in every if not names or t.name in names]


def run(base):
    prereq.need("build", "vm")
    _, patched = kbuild.pair(base, tree.tip(base), "gcov")
    patched.series_image = patched
    steps = Steps(3)
    with steps.step("QEMU with smmu-testdev" + (" (cached)" if qemu.built() else ""),
                    None if qemu.built() else qemu.log()):
        qemu.build()
    with steps.step(f"kernel {patched.name}" + (" (cached)" if patched.ready() else ""),
                    None if patched.ready() else kbuild.log_of(patched)):
        kbuild.build(patched)
    wanted = chosen(base.version)
    shutil.rmtree(OUT, ignore_errors=True)
    total, failures = {name: {} for name in kbuild.counted()}, []

    def one(test):
        result = vm.run(test, patched)
        if result.verdict != vm.PASS:
            failures.append(f"{test.name}: {result.reason()}")
            note(f"FAILED  {failures[-1]}")
        found = counters(vm.read(result.dir / "result.log"))
        lines = {name_in(path): lines_of(patched, name_in(path), data, OUT / "runs" / test.name)
                 for path, data in found.items() if name_in(path)}
        note(f"{'ok' if result.verdict == vm.PASS else '--'}      {test.name} ({result.seconds:.0f} s, "
             f"{sum(bool(c) for rows in lines.values() for c in rows.values())} lines)")
        return lines

    with steps.step(f"{len(wanted)} tests on {patched.name}"):
        for lines in together.run([lambda test=test: one(test) for test in wanted]):
            for name, rows in lines.items():
                merge(total[name], rows)
    return report(base, total, failures, whole=not os.environ.get("TEST"))


def report(base, total, failures, whole):
    """The table, what was missed, and the exit status; with some tests only, nothing is demanded."""
    source = tree.full_source(base.name, tree.tip(base))
    known, used, left, data = explanations(), set(), 0, {}
    say()
    for name, rows in total.items():
        text = (source / name).read_text(encoding="utf-8").splitlines()
        missed = [(n, text[n - 1].strip()) for n, count in sorted(rows.items()) if not count]
        rest = unexplained(name, missed, known, used)
        left += len(rest)
        ran = len(rows) - len(missed)
        data[name] = {"lines": len(rows), "run": ran, "missed": [n for n, _ in missed], "unexplained": [n for n, _ in rest]}
        say(f"  {name:55} {ran:5} of {len(rows):5} lines  {100 * ran / len(rows) if rows else 0:5.1f} %"
            f"  {len(missed) - len(rest)} explained, {len(rest)} not")
        for number, line in rest:
            say(f"      {number:5}  {line}")
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{base.name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="ascii")
    stale = [row for row in known if row[3] not in used] if whole else []
    for row in stale:
        say(f"  {relative(EXPLAINED)}:{row[3]}: explains nothing: {row[1]}")
    lines, ran = sum(d["lines"] for d in data.values()), sum(d["run"] for d in data.values())
    say(f"\n  {ran} of {lines} lines, {100 * ran / lines if lines else 0:.1f} %; {left} neither run nor explained; "
        f"as data: {relative(OUT)}/{base.name}.json")
    for line in failures:
        say(f"  FAILED  {line}")
    return 1 if failures or (whole and (left or stale)) or not ran else 0
