# SPDX-License-Identifier: GPL-2.0
"""make bench: what things cost, in instructions of a machine that runs on counted time.

Base, series, and the series without the part that is measured run the same program in
the same way, so a figure stands for the kernel that it was taken from and for nothing
else: the same kernel gives the same figure, whatever the host is doing.
"""
import json
import re

from . import check, figures, kbuild, paths, prereq, proc, qemu, tests, tree, vm
from .ui import KitError, Steps, note, relative, say

OUT = paths.BUILD / "bench"

# Planted: no driver says in advance what can be attached. The patches themselves cannot be taken out, since later
# ones stand on them.
WITHOUT = ("no-test-dev",)

# What the series may cost those who do not use ATS: with it, compared with the base.
LIMITS = {"map": 1.005, "unmap": 1.005}

# The loop that every unmap goes through, also of domains that no ATS has.
LOOP = "__arm_smmu_domain_inv_range"

COLUMNS = ("figure", "base", "without test_dev", "with test_dev", "with/without", "with/base")


def counts(text):
    """{name: instructions} of the lines '# BENCH name number'."""
    found = re.findall(r"^# BENCH (\S+) ([0-9.]+)$", text, re.M)
    if not found:
        raise KitError("the run gave no figures", "see its directory in build/runs/")
    return {name: float(value) for name, value in found}


def measure(test, image):
    result = vm.run(test, image)
    if result.verdict != vm.PASS:
        raise KitError(f"{test.name} failed on {image.name}: {result.reason()}", check.evidence(result))
    return counts(result.output())


def ratio(one, other):
    return round(one / other, 4) if other else None


def rows(base, without, with_it):
    """The table as data; a figure that one of the kernels does not have is an error."""
    names = list(with_it)
    if set(base) != set(names) or set(without) != set(names):
        raise KitError("the kernels do not give the same figures", "see the runs in build/runs/")
    return [{"figure": n, "base": base[n], "without test_dev": without[n], "with test_dev": with_it[n],
             "with/without": ratio(with_it[n], without[n]), "with/base": ratio(with_it[n], base[n])} for n in names]


def beyond(data):
    """The figures that are beyond their limits."""
    return [f"{row['figure']}: {row['with/base']} of the base, at most {LIMITS[row['figure']]}"
            for row in data if row["with/base"] > LIMITS.get(row["figure"], row["with/base"])]


def disassembly(image):
    """The instructions of LOOP, one a line, without addresses of their own."""
    text = proc.output([f"{paths.CROSS}objdump", "-d", "--no-show-raw-insn", f"--disassemble={LOOP}",
                        image.dir / "vmlinux"])
    lines = [line.split(":", 1)[1].strip() for line in text.splitlines() if re.match(r"[0-9a-f]+:\t", line.strip())]
    if not lines:
        raise KitError(f"{image.name} has no {LOOP}", "mend LOOP in scripts/kit/bench.py")
    return lines


def counted(lines):
    """How many instructions, loads and branches there are."""
    return {"instructions": len(lines), "loads": sum(bool(re.match(r"ld", line)) for line in lines),
            "branches": sum(bool(re.match(r"(b|bl|blr|br|b\.\w+|cbn?z|tbn?z)\s", line)) for line in lines)}


def shown(value):
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}"


def table(data):
    lines = [COLUMNS, *[tuple(shown(row[c]) for c in COLUMNS) for row in data]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(w) if not i else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths)))
            for line in lines]


def run(base):
    prereq.need("build", "vm")
    test = tests.load("bench")
    plain, patched = kbuild.pair(base, tree.tip(base), "bench")
    without = check.with_planted(base, WITHOUT, "bench", "without test_dev")
    without.base_image, without.series_image = plain, patched
    images = {"base": plain, "without test_dev": without, "with test_dev": patched}
    steps = Steps(2 + 2 * len(images))
    with steps.step("QEMU with smmu-testdev" + (" (cached)" if qemu.built() else ""),
                    None if qemu.built() else qemu.log()):
        qemu.build()
    # First what the test programs are made of.
    for image in (patched, plain, without):
        with steps.step(f"kernel {image.name}" + (" (cached)" if image.ready() else ""),
                        None if image.ready() else kbuild.log_of(image)):
            kbuild.build(image)
    measured = {}
    for name, image in images.items():
        with steps.step(f"figures: {name}"):
            measured[name] = measure(test, image)
    with steps.step("figures: commands, timeouts and records of resets, unmaps and detaches"):
        panels = figures.measured(plain, patched)
    data = rows(*measured.values())
    OUT.mkdir(parents=True, exist_ok=True)
    where, drawn = OUT / f"{base.name}.json", OUT / f"{base.name}.svg"
    where.write_text(json.dumps({"base": base.name, "unit": "instructions", "figures": data, "counted": panels},
                                indent=1) + "\n", encoding="ascii")
    drawn.write_text(figures.plot(f"What it costs: {base.name}, unpatched and with the series",
                                  [figures.instructions(data), *panels]), encoding="utf-8")
    say(f"\nInstructions per call, user space and kernel, without lockdep and KUnit ({base.name}, counted time):\n")
    for line in table(data):
        say(f"  {line}")
    say("\nCounted by the test device's model, and counted time:\n")
    for line in figures.lines(panels):
        say(f"  {line}")
    say()
    note(f"as data: {relative(where)}; as a picture: {relative(drawn)}")
    loops = {}
    for name, image in (("base", plain), ("series", patched)):
        lines = disassembly(image)
        loops[name] = counted(lines)
        (OUT / f"{base.name}-{name}.s").write_text("\n".join(lines) + "\n", encoding="ascii")
    say(f"  {LOOP}(), base and series: "
        + ", ".join(f"{loops['base'][what]} and {loops['series'][what]} {what}" for what in loops["base"]))
    note(f"disassembly: {relative(OUT)}/{base.name}-base.s and -series.s")
    wrong = beyond(data) + [f"{LOOP}() has more {what} than that of the base" for what in ("loads", "branches")
                            if loops["series"][what] > loops["base"][what]]
    for line in wrong:
        note(f"TOO MUCH  {line}")
    return 1 if wrong else 0
