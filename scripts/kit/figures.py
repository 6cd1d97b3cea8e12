# SPDX-License-Identifier: GPL-2.0
"""What runs of tests have counted on the base and with the series: commands, timeouts, records, and how long it took.

The tests print it themselves; here it becomes data, a table and a picture.
"""
import re

from . import check, picture, tests, vm
from .ui import KitError

BASE, SERIES = "base", "series"
FILL = {BASE: "#b0b0b0", SERIES: "#4477aa"}


def commands(text):
    """Commands of a reset, from constant_cost: one function after the other."""
    names = iter(("one StreamID", "two StreamIDs"))
    function, rows = None, {}
    for line in text.splitlines():
        if re.match(r"# +PASIDs +domains", line):
            function = next(names, None)
        found = re.match(r"# +(\d+) +(\d+) +(\d+) +(\d+) +\d+", line)
        if found and function:
            pasids, domains, prepare, done = map(int, found.groups())
            rows[f"{function}, {pasids} PASIDs on {domains} domains"] = prepare + done
    return rows


def timeouts(text):
    """Errors waited for in an unmap, from atc_blame: the lone culprit, one of eight, sixteen PASIDs."""
    found = re.findall(r"^# (\S+|16 PASIDs): (\d+) errors, unmap took (\d+) us$", text, re.M)
    # What comes first is one of the eight; the others are measured by the series alone.
    rows = {}
    for name, errors, took in found:
        label = name if name == "16 PASIDs" else "one of eight"
        rows.setdefault(label, (int(errors), round(int(took) / 1000, 1)))
    return rows


def drains(text):
    """Records consumed and commands sent by a detach, from drain_cost."""
    rows = {}
    for line in re.findall(r"^# COST +(\d.*)$", text, re.M):
        events, stalls, records, sent, _, still = map(int, line.split())
        rows[f"{events} events of others, {stalls} own stalls"] = (records, sent, still)
    return rows


def both(left, right, which=None):
    """{label: {kernel: value}} of what both have."""
    pick = (lambda v: v) if which is None else (lambda v: v[which])
    return {label: {BASE: pick(left[label]), SERIES: pick(right[label])} for label in right if label in left}


# Test, its output as data, and the panels: title, unit, and which of several values
KINDS = (
    ("constant_cost", commands, (("A reset: commands sent to the SMMU by prepare and done", "commands", None),)),
    ("atc_blame", timeouts, (("An ATC invalidation without an answer: timeouts waited for", "timeouts", 0),
                             ("... and the unmap that waits for them", "ms of counted time", 1))),
    ("drain_cost", drains, (("A detach: records of the event queue consumed", "records", 0),
                            ("... commands sent to the SMMU", "commands", 1),
                            ("... and own stalls still open when it has returned", "stalls", 2))),
)


def measured(plain, patched):
    """[{"title", "unit", "rows": {label: {kernel: value}}}] of one run of each test on both kernels."""
    panels = []
    for name, parse, shown in KINDS:
        test, data = tests.load(name), []
        for image in (plain, patched):
            result = vm.run(test, image)
            # The base may fail: that is what some of these tests are for.
            if result.verdict != vm.PASS and (image is patched or result.verdict != vm.FAIL):
                raise KitError(f"{name} failed on {image.name}: {result.reason()}", check.evidence(result))
            data.append(parse(result.output()))
        for title, unit, which in shown:
            rows = both(*data, which)
            if not rows:
                raise KitError(f"{name} gave no figures", f"mend {parse.__name__}() in scripts/kit/figures.py")
            panels.append({"title": title, "unit": unit, "rows": rows})
    return panels


def instructions(data):
    """The table of make bench as a panel: as part of the base."""
    return {"title": "Instructions of a call, user space and kernel", "unit": "of the base",
            "rows": {row["figure"]: {BASE: 1.0, SERIES: row["with/base"]} for row in data}}


def lines(panels):
    """The table as text."""
    width = max(len(label) for panel in panels for label in panel["rows"])
    out = []
    for panel in panels:
        out.append(f"{panel['title']} ({panel['unit']})")
        out.append(f"  {'':{width}}  {BASE:>9}  {SERIES:>9}")
        out += [f"  {label:{width}}  {row[BASE]:>9}  {row[SERIES]:>9}" for label, row in panel["rows"].items()]
    return out


def plot(title, panels):
    return picture.bars(title, "For each figure a bar of the unpatched kernel and one of the kernel with the series.",
                        panels, FILL)
