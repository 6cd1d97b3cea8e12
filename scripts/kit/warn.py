# SPDX-License-Identifier: GPL-2.0
"""Warnings of compilers and checkers, {path: {(place, text), ...}}: read, compared before and after, kept."""
import json
import os
import re
from collections import defaultdict

# A file with one mistake for each checker: one that does not see its own is not working.
PLANTED = "drivers/iommu/ir-planted.c"
PLANTED_TEXT = """// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <linux/types.h>

static const int ir_unused = 1;

__le32 ir_planted(int *p);

/**
 * ir_planted() - the parameter is missing here
 */
__le32 ir_planted(int *p)
{
	__le32 x = 1;

	kfree (p);
	*p = 2;
	return x;
}
"""
PLANTED_W1 = "unused-const-variable"

COMPILER_LINE = re.compile(r"(\S+?):(\d+(?::\d+)?): (?:fatal )?(warning|error): (.*)")
CONTINUED = re.compile(r"(\S+?):(\d+:\d+):    (.*)")


def add(warnings, source, path, place, text):
    path = re.sub(r"^(\./)+", "", path.removeprefix(f"{source}/"))
    warnings[path].add((place, text))


def warnings_in(log_text, source):
    """The compiler's and sparse's warnings in a text."""
    warnings, last = defaultdict(set), None
    for line in log_text.splitlines():
        if more := CONTINUED.fullmatch(line):
            if last and last[:2] == more.group(1, 2):
                last = (*last[:2], f"{last[2]};{more.group(3)}")
            continue
        if last:
            add(warnings, source, *last)
            last = None
        if one := COMPILER_LINE.match(line):
            last = (one.group(1), one.group(2), f"{one.group(3)}: {one.group(4)}")
    if last:
        add(warnings, source, *last)
    return warnings


def added(before, after):
    """[(path, place, text)] of the warnings that the series adds; places move, so texts are counted."""
    out = []
    for path, found in sorted(after.items()):
        old, new = (by_text(w.get(path, ())) for w in (before, after))
        for text, places in sorted(new.items()):
            # An error stops the tool, so what stood behind it was not looked at.
            if len(places) > len(old.get(text, ())) or text.startswith("error"):
                real = [t for p, t in sorted(found) if re.sub(r"\bline \d+", "line N", t) == text]
                out.append((path, ", ".join(sorted(places, key=natural)), real[0]))
    return out


def by_text(warnings):
    out = defaultdict(set)
    for place, text in warnings:
        out[re.sub(r"\bline \d+", "line N", text)].add(place)
    return out


def natural(place):
    return [int(n) for n in place.split(":") if n.isdigit()]


def says(warnings, words):
    """Is that said of the planted file?"""
    return any(words in text for _, text in warnings.get(PLANTED, ()))


def load(path):
    """What was kept there; None when nothing was."""
    if not path.exists():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {source: {tuple(w) for w in found} for source, found in stored.items()}


def keep(path, warnings):
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({p: sorted(found) for p, found in warnings.items()}), encoding="utf-8")
    os.replace(fresh, path)
