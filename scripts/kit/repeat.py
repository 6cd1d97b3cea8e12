# SPDX-License-Identifier: GPL-2.0
"""RUNS=N: one test many times. In deterministic mode the runs must be alike to the byte."""
from collections import Counter

from . import vm
from .ui import KitError, note, say

LOGS = ("console.log", "result.log", "trace.log")


def logs(result):
    return {name: (result.dir / name).read_bytes() for name in LOGS if (result.dir / name).exists()}


def difference(name, one, other):
    """Where two logs part."""
    mine, theirs = one.splitlines(), other.splitlines()
    for number, (a, b) in enumerate(zip(mine, theirs), 1):
        if a != b:
            return f"{name}:{number}: {a[:100]!r} / {b[:100]!r}"
    return f"{name}: {len(mine)} lines / {len(theirs)} lines"


def run(test, image, mode, runs):
    """The last result, or the first that is not a pass; each run keeps its own directory."""
    verdicts, first, worst = Counter(), None, None
    for number in range(1, runs + 1):
        result = vm.run(test, image, label=f"{image.name.replace(' ', '-')}-{mode}-{number}", mode=mode)
        verdicts[result.verdict] += 1
        said = result.reason()
        if mode == "deterministic":
            have = logs(result)
            if first is None:
                first = have
            apart = [difference(n, first.get(n, b""), have.get(n, b""))
                     for n in sorted(first.keys() | have.keys()) if first.get(n) != have.get(n)]
            if apart:
                result.verdict, said = vm.FAIL, "; ".join([*result.reasons, "not as the first run: " + apart[0]])
                result.reasons.append(said)
                verdicts["different"] += 1
        note(f"run {number:3} of {runs}: {result.verdict}, {result.seconds:.1f} s" + (f" - {said}" if said else ""))
        if worst is None or (worst.verdict == vm.PASS and result.verdict != vm.PASS):
            worst = result
    if first is not None and not first.get("trace.log"):
        raise KitError("the runs have no trace to compare", "a test with 'trace:' or of level testdev")
    counts = ", ".join(f"{n} {v}" for v, n in sorted(verdicts.items()))
    alike = " - identical logs" if mode == "deterministic" and not verdicts["different"] else ""
    say(f"{test.name} on {image.name}, {mode}: {runs} runs: {counts}{alike}")
    return worst
