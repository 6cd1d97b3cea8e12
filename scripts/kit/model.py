# SPDX-License-Identifier: GPL-2.0
"""The SPIN models of the protocol (tests/model), and proof that each of them can fail.

A model says in comments of its own what is run:

    config: NAME | DEFINES                        must verify: every state searched, every statement reached
    long: NAME | DEFINES                          the same, in make check-all and make model LONG=1 only
    unreached: CONFIG or * | PROCESSES | STATEMENT | REASON      unless it is intended that it is not
    caught: VARIANT | CONFIG | PROPERTY | WHY     with -DVARIANT (a mistake) that property must fail
    holds: VARIANT | CONFIG | WHY                 with -DVARIANT (another way to do it) it verifies too

VARIANT may be several names.

A search that was cut short, an unreached statement, a variant that nothing catches and one that the
sources know but no table names are all failures: a model that proves nothing must not look like one
that proves something. What SPIN found is remembered by the content of the model.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field

from . import paths, prereq, proc
from .ui import KitError, Steps, note, relative, say

MODELS = paths.ROOT / "tests" / "model"
SCRATCH = paths.BUILD / "model"
RESULTS = paths.CACHE / "model"
LOG = paths.LOGS / "model.log"

DEADLOCK = "invalid end state"
FIELDS = {"config": 2, "long": 2, "unreached": 4, "caught": 4, "holds": 3}
KEY = re.compile(r"\s*\*\s*(" + "|".join(FIELDS) + r"): *(.*)")
VARIANT = re.compile(r"\b(?:BUG|ALT)_[A-Z0-9_]+\b")

MEMORY_MIB = 3000
SECONDS = 900        # one search on a busy host; an idle one takes at most half a minute
# No partial order reduction: nearly every step is visible to others, and without it there is nothing to trust.
CFLAGS = ("-DSAFETY", "-DNOCLAIM", "-DNOREDUCE", f"-DMEMLIM={MEMORY_MIB}")
# A proof goes deep and says what it did not reach; a counterexample is shortest breadth first.
PROOF = (("-O2", "-DCOLLAPSE"), ("-m5000000", "-w24"))
HUNT = (("-O1", "-DBFS"), ("-w20",))
# What pan says when it did not look at everything.
CUT_SHORT = ("max search depth too small", "MEMLIM bound", "out of memory", "VECTORSZ", "Bit statespace",
             "Hash-Compact", "Search not completed", "aborting")
MUST_SAY = ("Full statespace search for:", "assertion violations\t+", "invalid end states\t+")


@dataclass
class Run:
    """One search: a model in a configuration, and perhaps a variant of it."""
    model: str
    config: str
    defines: list
    variant: str = ""
    expect: str = ""         # the property that must fail; none: it must verify
    why: str = ""
    facts: dict = field(default_factory=dict)

    @property
    def name(self):
        return " ".join([self.model, f"({self.config})"] + ([self.variant] if self.variant else []))


@dataclass
class Model:
    name: str
    configs: dict = field(default_factory=dict)
    long: set = field(default_factory=set)
    unreached: list = field(default_factory=list)
    runs: list = field(default_factory=list)


def parse(path):
    """The tables of one model."""
    model, variants = Model(path.stem), []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = KEY.match(line)
        if not found:
            continue
        key, row = found.group(1), [f.strip() for f in re.split(r" \|(?: |$)", found.group(2))]
        if len(row) != FIELDS[key] or not all(row[:1]):
            raise KitError(f"{path.name}:{number}: '{key}' needs {FIELDS[key]} fields, separated by ' | '",
                           "see scripts/kit/model.py")
        if key in ("config", "long"):
            model.configs[row[0]] = row[1].split()
            model.long |= {row[0]} if key == "long" else set()
        elif key == "unreached":
            model.unreached.append([row[0], row[1].split(), row[2], row[3]])
        else:
            variants.append((number, row))
    if not model.configs:
        raise KitError(f"{path.name}: has no 'config', so nothing of it would run", "see scripts/kit/model.py")
    model.runs = [Run(model.name, name, defines) for name, defines in model.configs.items()]
    for number, row in variants:
        variant, config, prop = row[0], row[1], row[2] if len(row) == 4 else ""
        if config not in model.configs:
            raise KitError(f"{path.name}:{number}: there is no config '{config}'",
                           "one of: " + ", ".join(model.configs))
        model.runs.append(Run(model.name, config, [*model.configs[config], *(f"-D{v}" for v in variant.split())],
                              variant, prop, row[-1]))
    for config, *_ in model.unreached:
        if config != "*" and config not in model.configs:
            raise KitError(f"{path.name}: 'unreached' names the config '{config}', which there is not", "mend it")
    return model


def sources():
    return sorted(p for p in MODELS.glob("*") if p.suffix in (".pml", ".inc"))


def load(everything=False):
    """Every model, with its long runs or without; raises when sources and tables do not name the same variants."""
    models = [parse(p) for p in sources() if p.suffix == ".pml"]
    for model in models:
        model.runs = [r for r in model.runs if everything or r.config not in model.long]
    if not models:
        raise KitError(f"there is no model in {relative(MODELS)}", "take it back from git")
    known = {name for p in sources() for line in p.read_text(encoding="utf-8").splitlines()
             if re.match(r"\s*#\s*(if|elif)", line) for name in VARIANT.findall(line)}
    listed = {v for m in models for r in m.runs for v in r.variant.split()}
    for names, what in ((known - listed, "is in a model, but nothing says what it must show"),
                        (listed - known, "is in a table, but in no model")):
        if names:
            raise KitError(f"tests/model: {sorted(names)[0]} {what}", "mend the 'caught' and 'holds' lines")
    if not any(r.expect for m in models for r in m.runs):
        raise KitError("tests/model: no broken variant at all, so nothing shows that the models can fail",
                       "add a 'caught' line")
    return models


def versions():
    return [proc.output(["spin", "-V"]).strip(), proc.output(["gcc", "--version"]).splitlines()[0]]


def key_of(run, tools):
    """What decides the result of a search: the tools, the flags, and the model with what it includes."""
    flags = [run.defines, CFLAGS, HUNT if run.expect else PROOF, SECONDS]
    text = [p.read_text(encoding="utf-8") for p in (MODELS / f"{run.model}.pml", *sorted(MODELS.glob("*.inc")))]
    return hashlib.sha256(json.dumps([tools, flags, text]).encode()).hexdigest()[:20]


def program(command, out, cwd, stop, seconds=SECONDS):
    """Run a program with its output in a file until it ends, its time is over, or the kit is stopped."""
    end = time.monotonic() + seconds
    with open(out, "wb") as f, subprocess.Popen(command, cwd=cwd, env=proc.environment(), stdout=f,
                                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                                start_new_session=True) as child:
        while True:
            try:
                return child.wait(0.2)
            except subprocess.TimeoutExpired:
                if stop.is_set() or time.monotonic() > end:
                    proc.kill_group(child)
                    return None


def verifier(run, where, stop):
    """Let spin and gcc make the verifier; raises with what they complain of."""
    source = f"{run.model}.pml"
    said = proc.output(["spin", "-a", *run.defines, source], cwd=where, check=False)
    if re.search(r"\berror\b", said, re.I) or not (where / "pan.c").exists():
        complaint = next((line for line in said.splitlines() if "rror" in line), "it wrote no verifier")
        raise KitError(f"spin does not accept it: {complaint.strip()[:200]}")
    compiler = (HUNT if run.expect else PROOF)[0]
    if program(["gcc", *CFLAGS, *compiler, "-w", "-o", "pan", "pan.c"], where / "gcc.log", where, stop):
        last = (where / "gcc.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[:1]
        raise KitError(f"the verifier does not compile: {' '.join(last)[:200]}")


def search(run, tools, stop):
    """Fill in run.facts, from an earlier search of the same or by a new one."""
    remembered = RESULTS / f"{key_of(run, tools)}.json"
    if remembered.exists():
        run.facts = json.loads(remembered.read_text(encoding="utf-8"))
        return
    where = SCRATCH / re.sub(r"[^A-Za-z0-9]+", "-", run.name).strip("-")
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    for path in sources():
        shutil.copy(path, where / path.name)
    verifier(run, where, stop)
    out = where / "pan.out"
    if program(["./pan", *(HUNT if run.expect else PROOF)[1]], out, where, stop) is None:
        raise KitError(f"no result after {SECONDS} s: run it on an idle machine")
    if (where / f"{run.model}.pml.trail").exists():
        trail = proc.output(["spin", "-t", "-p", "-g", "-l", *run.defines, f"{run.model}.pml"], cwd=where, check=False)
        (where / "trail.txt").write_text(trail, encoding="utf-8")
    run.facts = facts_of(out.read_text(encoding="utf-8", errors="replace"), relative(where))
    for heavy in [where / "pan", *where.glob("pan.[a-z]")]:
        heavy.unlink(missing_ok=True)
    # What depends on this machine's memory is not remembered.
    if not run.facts["silent"] and (run.facts["errors"] or not run.facts["cut"]):
        RESULTS.mkdir(parents=True, exist_ok=True)
        fresh = remembered.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(run.facts, indent=1), encoding="utf-8")
        fresh.replace(remembered)


def facts_of(text, where):
    """What a search said, as data."""
    def number(regex):
        found = re.search(regex, text)
        return int(float(found.group(1))) if found else None

    lines = text.splitlines()
    cut = [next(line.strip() for line in lines if word in line) for word in CUT_SHORT if word in text]
    unreached, process = [], ""
    for line in lines:
        if found := re.match(r"unreached in (?:proctype )?(\S+)", line):
            process = found.group(1)
        elif found := re.match(r'\t\S+:\d+, state \d+, "(.*)"$', line):
            unreached.append([process, found.group(1)])
    failed = re.search(r"^pan:\d+: (.*) \(at depth (\d+)\)", text, re.M)
    return {
        "errors": number(r"errors: (\d+)"), "states": number(r"([\d.e+]+) states, stored"),
        "depth": number(r"depth reached (\d+)"), "cut": cut, "unreached": unreached,
        "silent": [w.replace("\t", " ") for w in MUST_SAY if w not in text],
        "failed": failed.group(1) if failed else "", "at": int(failed.group(2)) if failed else 0,
        "where": where,
    }


def property_of(failed):
    """'assertion violated  !(name)' as 'name'."""
    found = re.fullmatch(r"assertion violated +!\((\w+)\)", failed)
    return found.group(1) if found else failed


def judge(run, unreached):
    """None when the search showed what it must, else what is wrong."""
    facts = run.facts
    see = f"see {facts['where']}"
    if facts["silent"]:
        return f"the search does not say '{facts['silent'][0]}'; {see}"
    if run.expect:
        if not facts["errors"]:
            return f"not caught: {run.expect} must fail, and {facts['states']} states show nothing"
        if property_of(facts["failed"]) != run.expect:
            return f"must fail with {run.expect}, but failed with {property_of(facts['failed'])}; {see}/trail.txt"
        return None
    if facts["errors"] or facts["failed"]:
        return f"{property_of(facts['failed']) or 'error'} after {facts['at']} steps; {see}/trail.txt"
    if facts["cut"]:
        return f"the search was cut short: {facts['cut'][0]}"
    if facts["errors"] is None or not facts["states"]:
        return f"the search has no result; {see}"
    rows = [row for row in unreached if row[0] in ("*", run.config)]
    for process, statement in facts["unreached"]:
        if not any(process in row[1] and statement == row[2] for row in rows):
            return f"never reached: {process}: {statement}"
    # Where a variant of the model reaches more, that is no harm.
    for _, processes, statement, _ in [] if run.variant else rows:
        for process in processes:
            if [process, statement] not in facts["unreached"]:
                return f"'unreached' names {process}: {statement}, which is reached"
    return None


def brief(run):
    """What is said of a run that showed what it must."""
    facts = run.facts
    if run.expect:
        kind = DEADLOCK if run.expect == DEADLOCK else f"assertion {run.expect}"
        return f"caught: {kind}, {facts['at']} steps"
    return f"{facts['states']} states, all of them; depth {facts['depth']}"


def run_all(models):
    """[(run, what is wrong or None)]; two searches at a time."""
    tools, stop = versions(), threading.Event()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.write_text("", encoding="ascii")
    runs = [r for m in models for r in m.runs]
    unreached = {m.name: m.unreached for m in models}
    out = {}

    def one(run):
        if stop.is_set():
            return "interrupted"
        try:
            search(run, tools, stop)
            return judge(run, unreached[run.model])
        except KitError as e:
            return str(e)

    # The long searches first, so that none of them is left alone at the end.
    order = sorted(runs, key=lambda r: bool(r.expect))
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1))
    try:
        waiting = {pool.submit(one, run): run for run in order}
        for number, future in enumerate(concurrent.futures.as_completed(waiting), 1):
            run = waiting[future]
            out[run.name] = future.result()
            with open(LOG, "a", encoding="utf-8") as f:
                f.write(f"{number} of {len(runs)}: {run.name}: {out[run.name] or brief(run)}\n")
    finally:
        stop.set()
        pool.shutdown()
    return [(run, out[run.name]) for run in runs]


def check(tally, everything=False):
    """The step of make check."""
    prereq.need("model")
    for run, wrong in run_all(load(everything)):
        if wrong:
            tally.bad(f"model {run.name}", wrong)
        else:
            tally.ok(f"model {run.name}", brief(run))


def command():
    """make model: the same by itself."""
    prereq.need("model")
    models = load(bool(os.environ.get("LONG")))
    steps = Steps(1)
    total = sum(len(m.runs) for m in models)
    with steps.step(f"{total} searches of {len(models)} models", LOG):
        rows = run_all(models)
    for run, wrong in rows:
        note(f"{'FAILED' if wrong else 'ok':7} {run.name} - {wrong or brief(run)}")
    bad = sum(1 for _, wrong in rows if wrong)
    say(f"\n{len(rows) - bad} passed, {bad} failed")
    return 1 if bad else 0
