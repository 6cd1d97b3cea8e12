# SPDX-License-Identifier: GPL-2.0
"""make bites: every test of a defect, run where the defect is; the table that Documentation/ has."""
import os

from . import check, kbuild, paths, prereq, qemu, tests, tree
from .ui import KitError, Steps, relative, say

DOCUMENT = paths.ROOT / "Documentation" / "bites-on-base.md"
BEGIN, END = "<!-- make bites: begin -->", "<!-- make bites: end -->"
COLUMNS = ("scenario", "test", "level", "kernel", "mode", "bites", "reason seen")


def defects():
    return {t.name: t for t in tests.load().values() if t.base_fails or t.bites_without or t.bites_with}


def chosen():
    known = defects()
    names = (os.environ.get("TEST") or "").split() or sorted(known, key=lambda n: check.order(known[n]))
    wrong = [n for n in names if n not in known]
    if wrong:
        raise KitError(f"TEST={wrong[0]}: that is no test of a defect", "one of: " + ", ".join(known))
    return [known[n] for n in names]


def row(bite):
    test = bite.test
    return (test.scenario, test.name, test.level, bite.where, bite.mode if test.level == "testdev" else "-",
            f"{bite.why}: yes", bite.seen.replace("|", "\\|"))


def table(bites, others=()):
    """Lines of the table; @others are pairs of a test and its line as it was."""
    rows = [(check.order(b.test), "| " + " | ".join(row(b)) + " |") for b in bites]
    rows += [(check.order(test), line) for test, line in others]
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    return lines + [line for _, line in sorted(rows)]


def written(known, but):
    """What the document says of tests that still are there and were not run now."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for line in text.partition(BEGIN)[2].partition(END)[0].splitlines():
        cells = line.split(" | ")
        name = cells[1].strip() if len(cells) == len(COLUMNS) else ""
        if name in known and name not in but:
            yield known[name], line


def write(lines):
    """Put the table between its marks in the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise KitError(f"{relative(DOCUMENT)} has no place for the table", f"give it the lines {BEGIN} and {END}")
    head, rest = text.split(BEGIN)
    DOCUMENT.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1], encoding="utf-8")


def run(base):
    wanted = chosen()
    prereq.need("build", "vm")
    pairs = {f: kbuild.pair(base, tree.tip(base), f) for f in sorted({t.images[0] for t in wanted})}
    testdev = any(t.level == "testdev" for t in wanted)
    steps = Steps(len(pairs) + testdev + 1)
    if testdev:
        with steps.step("QEMU with smmu-testdev" + (" (cached)" if qemu.built() else ""),
                        None if qemu.built() else qemu.log()):
            qemu.build()
    for plain, patched in pairs.values():
        with steps.step(f"kernels {plain.name}, {patched.name}"):
            kbuild.build(patched)    # what the test programs are made of
            kbuild.build(plain)
    tally = check.Tally()
    with steps.step(f"{len(wanted)} tests of defects"):
        for test in wanted:
            plain, patched = pairs[test.images[0]]
            check.guarded(tally, test.name, one, tally, test, plain, patched)
    lines = table(tally.bites)
    say("\n" + "\n".join(lines))
    if os.environ.get("WRITE"):
        write(table(tally.bites, written(defects(), {t.name for t in wanted})))
        say(f"\nwritten to {relative(DOCUMENT)}")
    for line in tally.failures:
        say(f"  {line}")
    say(f"\n{tally.passed} bite, {tally.failed} do not")
    return 1 if tally.failed else 0


def one(tally, test, plain, patched):
    if test.base_fails:
        result = check.vm.run(test, plain)
        check.bites(tally, test, result, test.base_fails, "on base")
    check.bites_elsewhere(tally, test, plain, patched, test.bites_with)
