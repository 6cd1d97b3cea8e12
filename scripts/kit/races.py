# SPDX-License-Identifier: GPL-2.0
"""Whose is a data race? What a KCSAN report says of both its sides, and the source file of each.

A report has a stack for each side. Whose race it is says the function that
made the access, not what called it: a reset that sleeps has the scheduler's
races below it, and they are none of the reset's. Only where the access is in
a helper (a list, a tree, a memcpy(), a free) the caller is asked, since the
helper relies on the caller's locks. Files come from the line numbers in
vmlinux, inlined functions included: names alone tell of no directory.
"""
import functools
import re
import subprocess
from collections import Counter

from . import paths, proc

TITLE = re.compile(r"BUG: KCSAN: (.*)")
SIDE = re.compile(r" to 0x[0-9a-f]+ of \d+ bytes by ")
FRAME = re.compile(r"^(?:\[[^\]]*\])* +([\w.$]+)\+0x([0-9a-f]+)/0x([0-9a-f]+)(?: \[(\w+)\])?$")

# What the series touches or adds, and the kernel's KUnit suite of planted races.
OURS = ("drivers/iommu/", "drivers/pci/", "drivers/vfio/", "kernel/kcsan/kcsan_test.c")
# Code that works on what its caller owns, under its caller's locks. The slab allocator's only accesses are frees.
HELPERS = ("include/", "lib/", "arch/arm64/include/", "arch/arm64/lib/", "mm/slab", "mm/slub", "mm/util.c")
INSTRUCTION = 4      # a frame is where a call returns to


def sides(report):
    """The stacks of a report, innermost frame first: [(function, offset, size, module)] each."""
    out = []
    for line in report:
        if SIDE.search(line):
            out.append([])
        elif out and (found := FRAME.match(line.rstrip())):
            name, offset, size, module = found.groups()
            out[-1].append((name, int(offset, 16), int(size, 16), module))
    return [frames for frames in out if frames]


def owner(frames, files):
    """The file that the race is laid to on this side: the first that is no helper; None when nothing tells."""
    for frame in frames:
        if frame[3]:
            return "module " + frame[3]
        for file in files.get(frame, ()):
            if not file.startswith(HELPERS):
                return file
    return None


def ours(report, files):
    """Also where it cannot be told, as in a report that was cut off."""
    owners = [owner(frames, files) for frames in sides(report)]
    return not owners or any(o is None or o.startswith((*OURS, "module ")) for o in owners)


class Races:
    """The KCSAN reports of a run; those of other subsystems are counted here."""

    def __init__(self, image, console):
        self.image, self.console = image, console
        self.elsewhere = Counter()

    @functools.cached_property
    def files(self):
        """Of all frames at once: the line numbers of a kernel take a while to read."""
        return source_files(self.image, {frame for frames in sides(self.console) for frame in frames})

    def is_elsewhere(self, report):
        title = TITLE.search(report[0])
        if not title or ours(report, self.files):
            return False
        self.elsewhere[title.group(1)] += 1
        return True

    def __str__(self):
        total = sum(self.elsewhere.values())
        return f"{total} data races of other subsystems" if total else ""


def source_files(image, frames):
    """{frame: [files, the innermost inlined function's first]} of the frames that are in vmlinux."""
    where = {frame: [start + max(frame[1] - INSTRUCTION, 0) for start in starts]
             for frame, starts in functions(image.dir / "vmlinux", frames).items()}
    chains = inlined(image, sorted({a for addresses in where.values() for a in addresses}))
    # Of functions of the same name and size any may be meant.
    return {frame: [file for a in addresses for file in chains.get(a, ())] for frame, addresses in where.items()}


def functions(vmlinux, frames):
    """{frame: [where a function of that name and size starts]}"""
    names = {frame[0] for frame in frames if not frame[3]}
    table = sorted((int(row[0], 16), row[2]) for row in map(str.split, tool("nm", vmlinux).splitlines())
                   if len(row) == 3 and row[1] in "tTwW")
    found = {}
    for at, (start, name) in enumerate(table):
        if name in names:
            end = next((a for a, _ in table[at + 1:at + 99] if a > start), start)
            found.setdefault(name, []).append((start, end - start))
    out = {}
    for frame in frames:
        known = found.get(frame[0], []) if not frame[3] else []
        out[frame] = [s for s, size in known if size == frame[2]] or [s for s, _ in known]
    return out


def inlined(image, addresses):
    """{address: [files relative to the source, innermost first]}"""
    if not addresses:
        return {}
    out, at = {}, None
    place = re.compile(rf".*/src/{re.escape(image.source)}/(.*):(?:\d+|\?)")
    for line in tool("addr2line", "-a", "-i", "-e", image.dir / "vmlinux", *map(hex, addresses)).splitlines():
        if re.fullmatch(r"0x[0-9a-f]+", line):
            at = int(line, 16)
        elif found := place.match(line):
            out.setdefault(at, []).append(found.group(1))
    return out


def tool(name, *args):
    """Output of a tool of binutils; without it nothing can be told, and every race counts."""
    try:
        return subprocess.run([paths.CROSS + name, *map(str, args)], capture_output=True, text=True, timeout=120,
                              check=False, env=proc.environment()).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
