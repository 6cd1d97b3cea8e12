# SPDX-License-Identifier: GPL-2.0
"""make check: every test, each with what it must show on the unpatched kernel too."""
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

from . import (bases, bisect, guest, kbuild, ktap, lint, model, paths, prereq, proc, qemu, series, splat, tests, together, tree,
               uml, vm)
from .bases import git
from .ui import KitError, Steps, hms, note, relative, say


@dataclass
class Bite:
    """A defect that a test has shown."""
    test: object
    where: str      # the kernel
    mode: str
    why: str
    seen: str       # the words that showed it

    def claim(self):
        return f"bites {self.why}: yes"


@dataclass
class Row:
    """What a test had to show on one kernel in one mode, and whether it did."""
    test: object
    where: str
    mode: str
    good: bool


def order(test):
    """Scenarios by number, then by letter: 6, 42, 42a, 48b. The first one of several."""
    digits = "".join(c for c in test.scenario.partition(" ")[0] if c.isdigit())
    return int(digits or 0), test.scenario, test.name


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)
    bites: list = field(default_factory=list)
    rows: list = field(default_factory=list)

    def ok(self, name, detail=""):
        self.passed += 1
        note(f"ok      {name}{' - ' + detail if detail else ''}")

    def bad(self, name, reason):
        self.failed += 1
        self.failures.append(f"{name}: {reason}")
        note(f"FAILED  {name}: {reason}")

    def skip(self, name, reason):
        self.skipped += 1
        note(f"skipped {name}: {reason}")

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.bites += other.bites
        self.rows += other.rows

    def ran(self, result, good):
        """Judged already; for the table of scenarios."""
        self.rows.append(Row(result.test, result.image.name, result.mode if len(result.test.modes) > 1 else "", good))

    def finish(self):
        if self.failures:
            say("\nFailed:")
            for line in self.failures:
                say(f"  {line}")
        for line in scenarios(self.rows, self.bites, tests.load().values()):
            say(line)
        say(f"\n{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


def scenarios(rows, bites, known=()):
    """The table: a line for each test, and one for each way in which it has failed where it must.

    Of @known those that did not run are named too, if they stand for a scenario.
    """
    if not rows:
        return []
    table = [("scenario", "test", "level", "result", "bites")]
    listed = {test.name: test for test in known if test.scenario not in (*tests.NO_TEST, "-")}
    listed.update((row.test.name, row.test) for row in rows)
    for test in sorted(listed.values(), key=order):
        mine = [row for row in rows if row.test.name == test.name]
        if not mine:
            table.append((test.scenario, test.name, test.level,
                          "in make check-all" if test.run == "all" else "not run", "-"))
            continue
        bad = [" ".join(filter(None, (row.where, row.mode))) for row in mine if not row.good]
        shown = list(dict.fromkeys(f"{bite.why}: yes - {bite.seen}" for bite in bites if bite.test.name == test.name))
        good = "pass" + (f" ({len(mine)} runs)" if len(mine) > 1 else "")
        table.append((test.scenario, test.name, test.level, "FAIL: " + ", ".join(bad) if bad else good,
                      shown[0] if shown else "-"))
        table += [("", "", "", "", more) for more in shown[1:]]
    width = [max(len(line[i]) for line in table) for i in range(4)]
    return [""] + ["  ".join(f"{cell:{w}}" for cell, w in zip(line, width + [0])).rstrip() for line in table]


def summary(result):
    states = Counter(result.cases.values())
    text = ", ".join(f"{n} {s}" for s, n in sorted(states.items())) or "no cases"
    return ", ".join(filter(None, (f"{result.seconds:.0f} s", text, str(result.races))))


def title(result):
    mode = f", {result.mode}" if len(result.test.modes) > 1 else ""
    return f"{result.test.name} ({result.image.name}{mode})"


def evidence(result):
    return f"see {relative(result.dir)}"


def expect_pass(tally, result):
    name = title(result)
    tally.ran(result, result.verdict == vm.PASS)
    if result.verdict == vm.PASS:
        tally.ok(name, summary(result))
    elif result.verdict == vm.SKIP:
        tally.bad(name, f"a test of our own set must not be skipped: {result.reason()}")
    else:
        tally.bad(name, f"{result.reason()}; {evidence(result)}")


def expect_failure(tally, result, regex, why):
    """The failing run must fail, and for the reason that the test states."""
    name = title(result)
    if result.verdict == vm.UNJUDGED:
        tally.bad(name, result.reason())
    elif result.verdict != vm.FAIL:
        tally.bad(name, f"must fail {why}, but it ended with: {result.verdict}")
    elif not re.search(regex, result.output() + "\n" + result.reason()):
        tally.bad(name, f"failed {why}, but not for the stated reason /{regex}/: {result.reason()}; "
                  + evidence(result))
    else:
        return True
    return False


def also_shown(tally, result, regexes):
    """What else the failing run must show, each by itself."""
    absent = [r for r in regexes if not re.search(r, result.output() + "\n" + result.reason())]
    if absent:
        tally.bad(title(result), f"failed, but does not show /{absent[0]}/; {evidence(result)}")
    return not absent


def compare(tally, patched, plain):
    """The base kernel's own tests must give the same results with and without the series."""
    name = f"{patched.test.name} (same on {plain.image.name} and {patched.image.name})"
    for one in (plain, patched):
        trouble = [r for r in one.reasons if " cases failed: " not in r]
        if one.verdict == vm.UNJUDGED or trouble:
            tally.bad(name, f"{one.image.name}: {one.reason()}; {evidence(one)}")
            tally.ran(patched, False)
            return
    tally.ran(patched, compare_cases(tally, name, plain.cases, patched.cases, summary(patched)))


def compare_cases(tally, name, plain, patched, detail):
    # What the series adds to a suite has no counterpart, and must simply pass.
    differ = [f"{case}: {plain.get(case, 'absent')} / {patched.get(case, 'absent')}"
              for case in sorted(plain.keys() | patched.keys())
              if plain.get(case, "ok") != patched.get(case, "absent")]
    if "ok" not in plain.values():
        tally.bad(name, "not one case is ok on the base")
    elif differ:
        tally.bad(name, f"{len(differ)} cases differ (base / patched): " + "; ".join(differ[:3]))
    else:
        tally.ok(name, detail)
        return True
    return False


def uml_suites(tally, base):
    """The KUnit suites that cannot be judged on arm64, on user-mode Linux."""
    patched = uml.cases(base, tree.tip(base))
    detail = ", ".join(f"{n} {s}" for s, n in sorted(Counter(patched.values()).items()))
    compare_cases(tally, f"KUnit of generic_pt on user-mode Linux (same on {base.name} base and patched)",
                  uml.cases(base, base.commit), patched, detail)


def without(base, slugs, flavour):
    """The image of the series with patches taken out: what a test of a fix must fail on."""
    messages = series.mails(base.version)
    known = {p.slug for p, _ in messages}
    unknown = [s for s in slugs if s not in known]
    if unknown:
        raise KitError(f"bites-without names {unknown[0]}, which is not in patches/series", "mend the test")
    commit = series.build_commits(base.commit, [(p, m) for p, m in messages if p.slug not in slugs])
    image = kbuild.image(base, commit, flavour, f"{base.name} {flavour} without the fix")
    return image


def with_planted(base, slugs, flavour, what="with a defect planted"):
    """The image of the series with defects planted on top that a test must see."""
    commit = tree.tip(base)
    index = paths.BUILD / "index.planted"
    index.unlink(missing_ok=True)
    env = {"GIT_INDEX_FILE": str(index)}
    git("read-tree", commit, env=env)
    for slug in slugs:
        patch = paths.VM_TESTS / "planted" / f"{slug}.patch"
        if not patch.exists():
            raise KitError(f"bites-with names {slug}, and there is no {relative(patch)}", "mend the test")
        try:
            git("apply", "--cached", patch, env=env)
        except KitError as e:
            raise KitError(f"{relative(patch)} does not apply to {base.name}: {e.what}", "mend the patch") from e
    made = git("commit-tree", git("write-tree", env=env).strip(), "-p", commit, data="planted\n").strip()
    return kbuild.image(base, made, flavour, f"{base.name} {flavour} {what}")


def one_test(tally, test, plain, patched, planted=(), everything=False):
    """Everything that one test has to show on one flavour."""
    first = patched.flavour == test.images[0]
    modes = test.modes if everything else test.modes[:1]
    if patched.flavour == "kcsan":
        modes = ["race"]     # one CPU races with nobody
    if test.series == "not-yet":
        for mode in modes if first or everything else ():
            bites(tally, test, vm.run(test, plain, mode=mode), test.base_fails, "on base")
        if everything and first and vm.run(test, patched).verdict == vm.PASS:
            tally.bad(f"{test.name} ({patched.name})", "passes with the series now: take 'series: not-yet' out")
        return
    shown = []
    for mode in modes:
        result = vm.run(test, patched, mode=mode)
        shown.append(result)
        if test.planted and test.name not in planted:
            seen = expect_failure(tally, result, test.planted, "because a fault is planted in it")
            tally.ran(result, seen)
            if seen:
                tally.ok(title(result), f"the runner saw it: {result.reason()[:110]}")
        elif test.base == "same":
            compare(tally, result, vm.run(test, plain, mode=mode))
        else:
            expect_pass(tally, result)
    if test.planted or test.base == "same" or not first:
        return    # what the base does is shown once
    if test.base == "pass":
        # That a test cries wolf on neither kernel is shown where there is time.
        for mode in modes if everything else ():
            expect_pass(tally, vm.run(test, plain, mode=mode))
    elif test.base_fails:
        for mode in modes:
            result = vm.run(test, plain, mode=mode)
            bites(tally, test, result, test.base_fails, "on base")
            if test.show and mode == modes[0]:
                show(test, result, shown[0])
    # An image of its own for a test that has failed on the base already takes too long for make check.
    if everything or (test.bites_alone and not test.base_fails):
        bites_elsewhere(tally, test, plain, patched, test.bites_with)
    elif not test.base_fails:
        bites_elsewhere(tally, test, plain, patched, test.bites_with and all_planted(patched))


def figures(test, result):
    return [line[1:] for line in result.output().splitlines() if re.search(test.show, line)]


def show(test, plain, patched):
    """What a test has measured on both kernels, line by line."""
    left, right = figures(test, plain), figures(test, patched)
    width = max([len(line) for line in left] + [len(plain.image.name)])
    say(f"        {plain.image.name:{width}}   {patched.image.name}")
    for a, b in itertools.zip_longest(left, right, fillvalue=""):
        say(f"        {a:{width}}   {b}")


def all_planted(patched):
    """The defects that make check plants in one image, which is built once: each test still has to see its own."""
    return list(dict.fromkeys(slug for test in selected(patched.flavour, True, True, False, patched.base.version)
                              if not test.base_fails and not test.bites_alone for slug in test.bites_with))


def bites_elsewhere(tally, test, plain, patched, defects):
    """Where a test must fail besides the base: without the fix, or with defects planted, its own among them."""
    wanted = []
    with together.building:
        if test.bites_without:
            wanted.append((without(patched.base, test.bites_without, patched.flavour), "with its fix taken out"))
        if defects:
            wanted.append((with_planted(patched.base, defects, patched.flavour), "with the defect planted"))
    for image, why in wanted:
        image.base_image, image.series_image = plain, patched
        if not image.ready():
            with together.building, together.HOST.whole():
                kbuild.build(image)
        bites(tally, test, vm.run(test, image), test.bites_how, why)


def bites(tally, test, result, regex, why):
    also = test.base_also if why == "on base" else ()
    if expect_failure(tally, result, regex, why) and also_shown(tally, result, also):
        shown = re.search(regex, result.output() + "\n" + result.reason()).group(0)
        lines = re.sub(r"\[ *\d+\.\d+\] *", "", shown).splitlines()
        ends = [" ".join(line.split())[:90] for line in (lines[0], lines[-1])]
        bite = Bite(test, result.image.name, result.mode, why, " ... ".join(dict.fromkeys(ends)))
        tally.ok(title(result), f"{bite.claim()} ({bite.seen})")
        tally.bites.append(bite)


def selected(flavour, with_base, testdev, everything, version):
    """The tests of a flavour; without a base image, those that need none on that flavour."""
    return [t for t in tests.load().values()
            if flavour in t.images + (t.images_all if everything else []) and t.scenario not in tests.NO_TEST and (testdev or t.level != "testdev")
            and (everything or t.run == "check") and (not t.bases or version in t.bases)
            and (with_base or t.base != "same")]


def kit_tests(tally):
    """tests/kit: the kit's own tests."""
    log, out = paths.LOGS / "kit-tests.log", paths.LOGS / "kit-tests.json"
    log.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    with open(log, "wb") as f:
        status = subprocess.run([sys.executable, "-m", "kit.selftest", out], cwd=paths.ROOT, stdout=f,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                                env=proc.environment({"PYTHONPATH": str(paths.ROOT / "scripts"),
                                                      "IR_BUILD": str(paths.BUILD)})).returncode
    rows = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
    for name, state, reason in rows:
        if state == "ok":
            tally.passed += 1
        elif state == "skipped":
            tally.skip(name, reason)
        else:
            tally.bad(name, f"{reason.strip().splitlines()[-1][:200] if reason.strip() else 'no reason'}; "
                      f"see {relative(log)}")
    if not rows or (status and not any(state == "failed" for _, state, _ in rows)):
        tally.bad("tests of the kit", f"exit status {status}, {len(rows)} results; see {relative(log)}")
    else:
        note(f"{len(rows)} tests of the kit")


def quick_lint(tally, base):
    lint.quick(base)
    tally.ok("lint: checkpatch, sparse, kernel-doc, shellcheck; each saw its planted mistake")


def compile_log(base):
    return paths.LOGS / f"compile-{base.name}.log"


def compile_touched(base):
    """Compile the directories that the series touches, and name them."""
    tip, log = tree.tip(base), compile_log(base)
    log.unlink(missing_ok=True)
    source = tree.full_source(base.name, tip)
    obj = paths.BUILD / "obj" / f"{base.name}-fast"
    kbuild.configure(source, obj, kbuild.fragments("fast"), log)
    touched = sorted({"/".join(f.split("/")[:2]) + "/" for p in series.load(base.version)
                      for f in tree.files_of(p) if f.startswith("drivers/")})
    kbuild.kmake(source, obj, *touched, log=log, what=f"compiling {' '.join(touched)} of {base.name}")
    return " ".join(touched)


def compiles(tally, base):
    """On a base that is not booted here: the series applies, and what it touches compiles."""
    tally.ok(f"{base.name}: the series applies, and {compile_touched(base)} compile")


def beside(main, others):
    """What make check builds while it does other work: [(source tree, function)]"""
    def kasan():
        image = kbuild.pair(main, tree.tip(main), "debug")[1]
        return image.ready() or kbuild.build_now(image)

    jobs = [(kbuild.place(main, "debug"), kasan)]
    return jobs + [(base.name, functools.partial(compile_touched, base)) for base in others if base is not main]


def planted_names():
    """PLANT=warn|kasan|kcsan|hang: let the planted fault count as it would in a real test."""
    kinds = os.environ.get("PLANT", "").replace(",", " ").split()
    names = {k: f"planted_{k}" for k in ("warn", "kasan", "kcsan", "hang")}
    wrong = [k for k in kinds if k not in names]
    if wrong:
        raise KitError(f"PLANT={wrong[0]}: there is no such fault", "one of: " + ", ".join(names))
    return [names[k] for k in kinds]


def guarded(tally, name, function, *args):
    """A step that cannot be done is a failure of that step; the others still run."""
    try:
        return function(*args)
    except bases.Gone:
        raise
    except KitError as e:
        tally.bad(name, str(e).replace("\n", "; "))
    except Exception as e:  # pylint: disable=broad-except  # a bug of the kit fails its step, not the rest
        traceback.print_exc()
        tally.bad(name, f"the kit failed: {type(e).__name__}: {e}")
    return None


def boots(steps, tally, base, flavour, planted, with_base=True, everything=False):
    """Build what the flavour needs and run its tests."""
    plain, patched = kbuild.pair(base, tree.tip(base), flavour)
    for image in ([plain] if with_base else []) + [patched]:
        with steps.step(f"kernel {image.name}" + (" (cached)" if image.ready() else ""),
                        None if image.ready() else kbuild.log_of(image)):
            kbuild.build(image)
    testdev = qemu.built() is not None
    chosen = selected(flavour, with_base, testdev, everything, base.version)
    with steps.step(f"{len(chosen)} tests on {patched.name}, {together.workers()} at a time where they may be"):
        if any(test.images[0] == flavour and test.base != "none" for test in chosen):
            kbuild.build(plain)
        # Those that want the host for themselves last: they wait for each other only.
        chosen.sort(key=lambda test: "race" in test.modes and not test.beside)
        for part in together.run([functools.partial(alone, f"{test.name} ({patched.name})", one_test, test, plain,
                                                    patched, planted, everything) for test in chosen]):
            tally.add(part)


def alone(name, function, *args):
    """A part of the check with a tally of its own, to run beside others."""
    tally = Tally()
    guarded(tally, name, function, tally, *args)
    return tally


def boot_of_bisect(base):
    """For make bisect: boot a commit's image and run every test that its source brings."""
    def boot(kernel, commit):
        where = paths.BUILD / "bisect" / "boot"
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(parents=True)
        obj = kernel.parents[3]
        name = git("show", "-s", "--format=%s", commit).strip()
        image = kbuild.Image(f"bisect {commit[:12]}", where, commit, "fast", f"{base.name}-bisect", base)
        for source, target in ((kernel, "Image"), (obj / "vmlinux", "vmlinux"), (obj / ".config", "config")):
            shutil.copy(source, where / target)
        kbuild.kmake(paths.BUILD / "src" / image.source, obj, "headers_install",
                     f"INSTALL_HDR_PATH={where / 'usr'}", log=paths.LOGS / "bisect-headers.log",
                     what="headers_install")
        built = guest.programs(image) / "bin"
        tip = commit == tree.tip(base)
        chosen = [test for test in tests.load().values() if of_commit(test, image, tip)
                  and all((built / p).exists() for p in test.programs)]

        def one(test):
            result = vm.run(test, image)
            if result.verdict != vm.PASS:
                raise KitError(f"commit '{name}': {test.name}: {result.reason()}", evidence(result))
            note(f"ok      {test.name} ({summary(result)})")

        together.run([functools.partial(one, test) for test in chosen])
    return boot


def of_commit(test, image, tip):
    """Whether a test is to pass at a commit: KUnit where the suite is concerned, and the rest when the series is whole."""
    if test.level not in bisect.LEVELS or "fast" not in test.images or test.planted or test.base == "same":
        return False
    if test.series == "not-yet":
        return False
    return tip or test.name == "boot" or (test.level == "kunit" and suite_concerned(test, image))


def suite_concerned(test, image):
    """Whether the commit of that image has the KUnit suite that the test names, and changes something beside it."""
    if not test.kunit:
        return True
    name = f'"{test.kunit}"'.replace('*"', "")
    found = git("grep", "-lF", name, image.commit, "--", "drivers", check=False).split()
    homes = {os.path.dirname(place.partition(":")[2]) for place in found}
    return not homes.isdisjoint(bisect.changed_directories(image.commit))


def model_check(tally, program):
    """The test device without a guest: what Linux never does, bad values, and a guest that means harm."""
    script = paths.TESTDEV / "qemu" / "tests" / "smmu-testdev-host.py"
    log = paths.LOGS / "smmu-testdev-host.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as f:
        status = subprocess.run([sys.executable, script, program], stdout=f, stderr=subprocess.STDOUT, check=False,
                                stdin=subprocess.DEVNULL, env=proc.environment()).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    states = Counter(line.split()[0] for line in text.splitlines() if re.match(r"(ok|not ok) \d", line))
    if status or states["not"] or not states["ok"] or ktap.announced(text) != sum(states.values()):
        wrong = next((line for line in text.splitlines() if line.startswith("not ok")), f"exit status {status}")
        tally.bad("the test device without a guest", f"{wrong}; see {relative(log)}")
    else:
        tally.ok("the test device without a guest", f"{states['ok']} checks")


def test_device(tally, everything):
    """QEMU for the testdev level; where its source is not to be had, its tests are skipped and the others run."""
    try:
        model_check(tally, qemu.build())
    except qemu.NoSource as e:
        for test in tests.load().values():
            if test.level == "testdev" and (everything or test.run == "check"):
                tally.skip(test.name, e.what)
        note(f"cure: {e.cure}")
    except KitError as e:
        tally.bad("QEMU with smmu-testdev", str(e).replace("\n", "; "))


def stages(steps, tally, main, planted, everything):
    """What is done on the main base, one after the other."""
    # Not beside the tests of the kit, some of which lint in the same place.
    with steps.step("lint (the quick part)", paths.LOGS / f"lint-{main.name}.log"):
        guarded(tally, "lint", quick_lint, tally, main)
    with steps.step("tests of the kit; SPIN models of the protocol", paths.LOGS / "kit-tests.log"):
        for part in together.run([functools.partial(alone, "tests of the kit", kit_tests),
                                  functools.partial(alone, "models", model.check, everything)]):
            tally.add(part)
    with steps.step("QEMU with smmu-testdev" + (" (cached)" if qemu.built() else ""),
                    None if qemu.built() else qemu.log()):
        test_device(tally, everything)
    guarded(tally, "fast images", boots, steps, tally, main, "fast", planted, True, everything)
    guarded(tally, "debug image", boots, steps, tally, main, "debug", planted, everything, everything)
    if everything:
        guarded(tally, "kcsan image", boots, steps, tally, main, "kcsan", planted, False, everything)
        with steps.step("KUnit on user-mode Linux", uml.log_of(main)):
            guarded(tally, "KUnit on user-mode Linux", uml_suites, tally, main)


def other_base(steps, tally, base, planted, everything):
    """What is done on a base besides the main one."""
    if everything:
        for flavour in ("fast", "debug"):
            guarded(tally, f"{base.name} {flavour}", boots, steps, tally, base, flavour, planted, True, everything)
        return
    with steps.step(f"{base.name}: applies and compiles", compile_log(base)):
        kbuild.until_built(base.name)
        guarded(tally, f"{base.name} compiles", compiles, tally, base)


def run(everything=False):
    """The whole check; the exit status."""
    tally, names = Tally(), bases.supported()
    first, others = names[0], names[1:]
    planted = planted_names()
    steps = Steps(10 + 2 * len(others) + (3 + 6 * len(others) if everything else 0))
    with steps.step("prerequisites", paths.LOGS / "install.log"):
        prereq.need("base", "build", "vm", "lint", "model")
        splat.patterns(), splat.exceptions(), tests.load()
    found = {}
    for name in names:
        with steps.step(f"base kernel {name}"):
            try:
                found[name] = guarded(tally, f"base {name}", bases.get, name)
            except bases.Gone as e:
                found[name] = None
                tally.skip(f"base {name}", e.what)
    main = found[first] or next((b for b in found.values() if b), None)
    if main is None:
        tally.bad("base kernels", "not one of them is to be had")
        return tally.finish()
    if main.name != first:
        note(f"{first} is not to be had; the tests run on {main.name}")
    with kbuild.ahead(*beside(main, [] if everything else [found[n] for n in others if found[n]])):
        stages(steps, tally, main, planted, everything)
        for base in filter(None, (found[name] for name in others)):
            if base is not main:
                other_base(steps, tally, base, planted, everything)
    say(f"        {hms(time.monotonic() - steps.start)} in all")
    return tally.finish()
