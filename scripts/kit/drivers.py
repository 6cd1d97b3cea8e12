# SPDX-License-Identifier: GPL-2.0
"""make drivers: every IOMMU driver, and the PCI core, compile on every architecture without a new warning.

One small configuration for each machine below (tinyconfig and the fragments in
configs/drivers/); of it only the directories that the series can break are
compiled, with W=1, on the base and on the series, and what the series adds
counts. What makes a clean result worth something: every option of a fragment
survives, each compiler is seen to report a planted mistake in the very build
whose warnings are read, and every source file of COVERED was compiled by at
least one machine. scripts/data/drivers-exceptions.txt has what cannot be.
"""
import fnmatch
import hashlib
import json
import os
import re
import shutil
import time
from collections import defaultdict
from dataclasses import dataclass

from . import kbuild, paths, proc, tree, warn
from .bases import git
from .ui import KitError, note, relative, say

FRAGMENTS = paths.CONFIGS / "drivers"
EXCEPTIONS = paths.ROOT / "scripts" / "data" / "drivers-exceptions.txt"
EXCEPTION = re.compile(r"(?:file(?:@(\S+))?|option(?:@(\S+))? (\S+)): (\S+)\s+# \S.*")
FORMAT = "1"     # of the remembered results: raise it when a measure changes

# What is compiled for every machine, and of what every file must be compiled by one of them ('*' crosses no '/').
DIRS = ("drivers/iommu/", "drivers/pci/", "drivers/vfio/")
COVERED = ("drivers/iommu/**", "drivers/pci/*", "drivers/pci/hotplug/*", "drivers/pci/msi/*", "drivers/pci/pcie/*",
           "drivers/vfio/*", "drivers/vfio/pci/*")
PLANTED_OBJECT = f"{warn.PLANTED[:-2]}.o"
DRIVER = re.compile(r"^(?:static )?(?:const )?struct iommu_ops \w+ = \{", re.M)
COMPILED = re.compile(r"^(?:source_\S+ := |  )(\S+\.c)\b", re.M)


@dataclass(frozen=True)
class Machine:
    """An architecture in one configuration."""

    name: str
    target: kbuild.Target
    fragments: tuple
    also: tuple = ()     # what else there uses the IOMMU core, and is compiled with it

    def text(self):
        return "".join((FRAGMENTS / f"{f}.config").read_text(encoding="ascii") for f in self.fragments)


def machine(name, arch, cross, *fragments, also=()):
    return Machine(name, kbuild.Target(arch, cross), ("common", *fragments, name), also)


# "soc" has the drivers of systems on chip that COMPILE_TEST lets others compile too.
MACHINES = (
    machine("x86_64", "x86_64", "x86_64-linux-gnu-", "soc",
            also=("arch/x86/kernel/pci-dma.o", "drivers/acpi/scan.o", "drivers/acpi/viot.o",
                  "drivers/base/platform.o", "drivers/cxl/")),
    machine("i386", "i386", "x86_64-linux-gnu-"),
    machine("arm64", "arm64", "aarch64-linux-gnu-", "soc",
            also=("drivers/acpi/arm64/iort.o", "drivers/amba/bus.o", "drivers/base/platform.o")),
    machine("arm", "arm", "arm-linux-gnueabihf-", "soc", also=("arch/arm/mm/dma-mapping.o",)),
    machine("riscv", "riscv", "riscv64-linux-gnu-", "soc", also=("drivers/acpi/riscv/rimt.o",)),
    machine("s390", "s390", "s390x-linux-gnu-", "soc", also=("arch/s390/pci/",)),
    machine("powerpc", "powerpc", "powerpc64-linux-gnu-", "soc",
            also=("arch/powerpc/kernel/eeh.o", "arch/powerpc/kernel/iommu.o", "arch/powerpc/mm/book3s64/iommu_api.o",
                  "arch/powerpc/platforms/powernv/", "arch/powerpc/platforms/pseries/")),
    machine("powerpc-e500", "powerpc", "powerpc64-linux-gnu-"),
)


@dataclass
class Result:
    """What compiling one commit for one machine has shown."""

    warnings: dict       # as in warn
    compiled: list       # sources
    drivers: list        # those of them that have a struct iommu_ops
    seconds: float
    known: bool = False  # from an earlier run


def read_exceptions(base):
    """({machine: {option: line}}, {file: line}) of that base; every line must give its reason."""
    options, files = defaultdict(dict), {}
    lines = EXCEPTIONS.read_text(encoding="utf-8").splitlines() if EXCEPTIONS.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        one = EXCEPTION.fullmatch(line.strip())
        where = f"{relative(EXCEPTIONS)}, line {number}"
        if not one:
            raise KitError(f"{where}: neither 'file: PATH  # reason' nor 'option MACHINE: CONFIG_X  # reason'",
                           "mend the line; file@7.2 and option@7.2 hold for one base only")
        of_file, of_option, name, what = one.groups()
        if name and name not in {m.name for m in MACHINES}:
            raise KitError(f"{where}: there is no machine {name}", "one of: " + ", ".join(m.name for m in MACHINES))
        if (of_file or of_option) in (None, base.version):
            (options[name] if name else files)[what] = number
    return options, files


def check_options(one, may_lose, config_file):
    """An exception for an option that is not asked for, or survives, covers nothing."""
    lost = {option for option, _, _ in kbuild.lost_options(one.text(), config_file)}
    stale = [f"{option} (line {number})" for option, number in may_lose.items() if option not in lost]
    if stale:
        raise KitError(f"{relative(EXCEPTIONS)}: {one.name} does not lose {', '.join(stale)}", "remove the line")


# One commit for one machine


def objects(base, one):
    return paths.BUILD / "obj" / f"{base.name}-drivers-{one.name}"


def log_of(base, one):
    return paths.LOGS / f"drivers-{base.name}-{one.name}.log"


def remembered(base, one, commit, may_lose):
    """The file that keeps a result: named by everything that went into it."""
    source = "\n".join(row for row in git("ls-tree", commit).splitlines()
                       if row.split("\t")[1] not in kbuild.NOT_KERNEL)
    what = (FORMAT, source, one.text(), kbuild.compiler(one.target), *DIRS, *one.also, *sorted(may_lose),
            warn.PLANTED_TEXT)
    key = hashlib.sha256("\n".join(what).encode()).hexdigest()[:16]
    return paths.BUILD / "drivers" / base.name / f"{one.name}-{key}.json"


def measure(base, one, commit, may_lose, source_name):
    kept = remembered(base, one, commit, may_lose)
    if kept.exists():
        stored = json.loads(kept.read_text(encoding="utf-8"))
        stored["warnings"] = {path: {tuple(w) for w in found} for path, found in stored["warnings"].items()}
        return Result(**stored, known=True)
    proc.need_space(paths.BUILD, 1, f"compiling for {one.name}")
    begin = time.monotonic()
    source = tree.full_source(source_name, commit)
    warnings = compile_all(base, one, source, may_lose)
    compiled = sources_compiled(source, objects(base, one), one)
    drivers = [p for p in compiled if DRIVER.search((source / p).read_text(encoding="utf-8", errors="replace"))]
    result = Result(warnings, compiled, drivers, round(time.monotonic() - begin, 1))
    # What stood behind an error was not looked at, and a compiler that was killed may look like one.
    if not errors(warnings):
        keep(kept, result)
    return result


def keep(path, result):
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"warnings": {p: sorted(w) for p, w in result.warnings.items()},
                                 "compiled": result.compiled, "drivers": result.drivers,
                                 "seconds": result.seconds}), encoding="utf-8")
    os.replace(fresh, path)


def compile_all(base, one, source, may_lose):
    """The W=1 warnings of every object of that machine, which are made anew for it."""
    obj, log = objects(base, one), log_of(base, one)
    log.unlink(missing_ok=True)
    kbuild.configure(source, obj, one.text(), log, one.target, may_lose)
    check_options(one, may_lose, obj / ".config")
    for name in (*DIRS, *one.also):
        if name.endswith("/"):
            shutil.rmtree(obj / name, ignore_errors=True)
        else:
            (obj / name).unlink(missing_ok=True)
            command_of(obj / name).unlink(missing_ok=True)
    # What every build begins with is made first: its warnings would be there only the first time.
    kbuild.kmake(source, obj, "W=1", "prepare", log=log, what=f"make prepare for {one.name}", target=one.target)
    start = log.stat().st_size
    try:
        (source / warn.PLANTED).write_text(warn.PLANTED_TEXT, encoding="ascii")
        complete = kbuild.attempt(source, obj, "W=1", *DIRS, *one.also, PLANTED_OBJECT, log=log, target=one.target)
    finally:
        (source / warn.PLANTED).unlink(missing_ok=True)
    command_of(obj / PLANTED_OBJECT).unlink(missing_ok=True)
    warnings = warn.warnings_in(log.read_bytes()[start:].decode(errors="replace"), source)
    if not warn.says(warnings, warn.PLANTED_W1):
        raise KitError(f"the W=1 build for {one.name} is not working: it does not see a planted mistake",
                       f"the whole output is in {relative(log)}")
    del warnings[warn.PLANTED]
    if not complete and not errors(warnings):
        raise proc.build_error(f"compiling for {one.name}", log)
    return warnings


def errors(warnings):
    return [f"{path}:{place}: {text}" for path, found in sorted(warnings.items()) for place, text in sorted(found)
            if text.startswith("error")]


def command_of(path):
    """kbuild writes it when an object was made, and only then."""
    return path.with_name(f".{path.name}.cmd")


def sources_compiled(source, obj, one):
    """Every .c file that the objects were made of, as kbuild has noted it."""
    found = set()
    for name in (*DIRS, *one.also):
        notes = (obj / name).rglob(".*.o.cmd") if name.endswith("/") else [command_of(obj / name)]
        for path in notes:
            if path.exists() and path.with_name(path.name[1:-4]).exists():
                found.update(COMPILED.findall(path.read_text(encoding="utf-8", errors="replace")))
    return sorted(p.removeprefix(f"{source}/") for p in found if (source / p).is_file())


# The whole


def covered(path):
    """COVERED: '**' is everything below, '*' a file of the directory itself."""
    return path.endswith(".c") and any(
        path.startswith(p[:-2]) if p.endswith("**") else fnmatch.fnmatch(path, p) and path.count("/") == p.count("/")
        for p in COVERED)


def not_compiled(job, results, files):
    """Findings: sources that no machine compiles, and exceptions of sources that one does."""
    compiled = {path for r in results.values() for path in r.compiled}
    broken = {path for r in results.values() for path, found in r.warnings.items()
              if any(text.startswith("error") for _, text in found)}
    there = {p for p in git("ls-tree", "-r", "--name-only", job.tip, "drivers/").splitlines() if covered(p)}
    if not there:
        raise KitError(f"{job.base.name} has no file of {', '.join(COVERED)}", "mend COVERED in drivers.py")
    for path in sorted(there - compiled - broken - files.keys()):
        yield f"{path} is compiled by none of {', '.join(m.name for m in MACHINES)}"
    for path, number in files.items():
        why = "is compiled" if path in compiled else "is not in the tree, or need not be compiled"
        if path in compiled or path not in there:
            yield f"{relative(EXCEPTIONS)}, line {number} covers nothing: {path} {why}"


def run(job, steps):
    """Compile the base and the series for every machine; findings go to the job of lint."""
    job.ran.add("drivers")
    options, files = read_exceptions(job.base)
    before, after, new = {}, {}, {}
    for commit, results, label in ((job.base.commit, before, "base"), (job.tip, after, "series")):
        for one in MACHINES:
            with steps.step(f"drivers on {one.name}, {label}", log_of(job.base, one)):
                results[one.name] = measure(job.base, one, commit, options[one.name], job.source.name)
                note(summary(results[one.name]))
    for one in MACHINES:
        if wrong := errors(before[one.name].warnings):
            raise KitError(f"{job.base.name} without the series does not compile for {one.name}: {wrong[0]}",
                           "mend configs/drivers/")
        new[one.name] = warn.added(before[one.name].warnings, after[one.name].warnings)
        for path, place, text in new[one.name]:
            job.found("drivers", f"{one.name}: {path}:{place}: {text}")
    for text in not_compiled(job, after, files):
        job.found("drivers", text)
    table(job, before, after, new, files)


def summary(result):
    known = ", known from an earlier run" if result.known else ""
    return f"{len(result.compiled)} files, {len(result.drivers)} IOMMU drivers, {result.seconds:.0f} s{known}"


def short(path):
    return re.sub(r"^drivers/iommu/", "", path)[:-2]


def table(job, before, after, new, files):
    say(f"\n{'architecture':13} {'files':>5} {'drivers':>7} {'new warnings':>12} {'seconds (base + series)':>24}")
    for one in MACHINES:
        b, a = before[one.name], after[one.name]
        spent = " + ".join("known" if r.known else f"{r.seconds:.0f}" for r in (b, a))
        say(f"{one.name:13} {len(a.compiled):5} {len(a.drivers):7} {len(new[one.name]):12} {spent:>24}")
    everywhere = {path for r in after.values() for path in r.compiled}
    drivers = sorted({path for r in after.values() for path in r.drivers})
    say(f"{'together':13} {len(everywhere):5} {len(drivers):7} {sum(map(len, new.values())):12}")
    say(f"drivers: {', '.join(map(short, drivers))}")
    iommu = [p for p in everywhere if p.startswith("drivers/iommu/")]
    say(f"{len(iommu)} sources of drivers/iommu/ compiled; {len(files)} sources of {job.base.name} are left out, "
        f"for the reasons in {relative(EXCEPTIONS)}\n")
