# SPDX-License-Identifier: GPL-2.0
"""make lint: what the usual checkers say about the series, and proof that each of them is awake.

Existing files are compared before and after the series: only what the series
adds counts. A new file has no "before", so it must be clean outright. Every
checker is first shown a planted mistake, and lint fails when it does not see
it: a checker that is not working must never look like a clean result.

scripts/lint-exceptions.txt holds the findings that are right as they are.
"""
import concurrent.futures
import fnmatch
import hashlib
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from . import devlint, drivers, kbuild, paths, prereq, proc, scriptlint, series, tree, warn
from .bases import git
from .ui import KitError, Steps, note, relative, say

EXCEPTIONS = paths.ROOT / "scripts" / "lint-exceptions.txt"
EXCEPTION = re.compile(r"([a-z0-9-]+)(?:@(\S+))?: (.+?)\s+# (\S.*)")
SHOWN = 40
FORMAT = "1"     # of the remembered results: raise it when a measure changes

# Where a change of a header below include/ may raise a warning.
HOMES = ("drivers/iommu/", "drivers/pci/", "drivers/vfio/")
NOT_KERNEL = ("tools/", "Documentation/", "scripts/", "samples/")

# Debian 12's sparse 0.6.4 knows neither, and the kernel's Makefile then leaves sparse out without failing.
SPARSE_DEFINES = "-D__typeof_unqual__=__typeof__ '-D__builtin_strlen(x)=(sizeof(x)-1)'"
# One file for each source file: the first line says that it was checked, and outputs never mix.
SPARSE_WRAPPER = f"""#!/bin/sh
for source; do :; done
{{
	echo "checked: $source"
	sparse {SPARSE_DEFINES} "$@" 2>&1
}} >"${{IR_SPARSE_OUT:-/tmp}}/$$.txt"
"""

COCCI_DIR = "scripts/coccinelle"
COCCI = ("free/devm_free", "free/ifnullfree", "free/kfree", "free/kfreeaddr", "free/put_device",
         "locks/call_kern", "locks/double_lock", "locks/flags", "locks/mini_lock",
         "null/deref_null", "null/eno", "null/kmerr",
         "iterators/for_each_child", "iterators/itnull", "iterators/list_entry_update",
         "iterators/use_after_iter")
COCCI_LIMIT_S = 60

PLANTED_SHELL = '#!/bin/sh\nrm -r $ir_planted/*\n'

KDOC_LINE = re.compile(r"(?i)(warning|error): ([^\s:]+):(\d+) (.*)")
COCCI_LINE = re.compile(r"([^\s:]+):(\d+):\d+(?:-\d+)?: (.*)")
CHECKPATCH_LINE = re.compile(r"([^\s:]+):(\d+): ((?:ERROR|WARNING|CHECK):.*)")


@dataclass
class Variant:
    """A configuration that must compile: the options changed, and those that must survive the change."""

    name: str
    change: dict
    keep: dict


MATRIX = (
    Variant("ARM_SMMU_V3=m", {"ARM_SMMU_V3": "m", "ARM_SMMU_V3_KUNIT_TEST": "m"},
            {"ARM_SMMU_V3_SVA": "y", "ARM_SMMU_V3_IOMMUFD": "y", "PCI_ATS": "y"}),
    Variant("ARM_SMMU_V3_SVA=n", {"ARM_SMMU_V3_SVA": "n"},
            {"ARM_SMMU_V3": "y", "IOMMUFD": "y", "PCI_ATS": "y"}),
    Variant("IOMMUFD=n", {"IOMMUFD": "n", "IOMMUFD_TEST": "n"},
            {"ARM_SMMU_V3": "y", "ARM_SMMU_V3_SVA": "y", "PCI_ATS": "y", "VFIO_PCI": "y"}),
    Variant("PCI_ATS=n", {"PCI_ATS": "n", "PCI_PRI": "n", "PCI_PASID": "n", "PCI_IOV": "n"},
            {"ARM_SMMU_V3": "y", "PCI": "y", "IOMMUFD": "y"}),
    Variant("PCI=n", {"PCI": "n"}, {"ARM_SMMU_V3": "y", "IOMMUFD": "y"}),
    Variant("IOMMU_API=n", {"IOMMU_API": "n", "IOMMU_SUPPORT": "n", "VFIO": "n", "IOMMUFD": "n"},
            {"PCI": "y"}),
)


@dataclass
class Job:
    """One run of lint: what it looks at, and what it has found."""

    base: object
    tip: str
    status: dict                                   # path -> A, M or D
    exceptions: list = field(default_factory=list)
    findings: list = field(default_factory=list)   # (tool, text)
    ran: set = field(default_factory=set)          # tools
    used: set = field(default_factory=set)         # exceptions

    @property
    def dir(self):
        return paths.BUILD / "lint" / self.base.name

    @property
    def source(self):
        return paths.BUILD / "src" / f"{self.base.name}-lint"

    @property
    def obj(self):
        return paths.BUILD / "obj" / f"{self.base.name}-lint"

    def touched(self, *suffixes, commit=None):
        """Files of the series with that suffix that exist at that commit."""
        gone = "A" if commit == self.base.commit else "D"
        return sorted(p for p, s in self.status.items() if p.endswith(suffixes) and s != gone)

    def kernel_c(self, commit):
        return [p for p in self.touched(".c", commit=commit) if not p.startswith(NOT_KERNEL)]

    def dirs(self):
        """The directories to compile; a header may show its warnings in any of its homes."""
        found = set()
        for path in self.status:
            if path.startswith("include/"):
                found.update(HOMES)
            elif "/" in path and not path.startswith(NOT_KERNEL):
                found.add("/".join(path.split("/")[:-1][:2]) + "/")
        return sorted(found)

    def log(self, name):
        return paths.LOGS / f"lint-{self.base.name}-{name}.log"

    def found(self, tool, text):
        """Record a finding, unless an exception covers it."""
        for exception in self.exceptions:
            number, for_tool, for_base, pattern = exception
            if for_tool == tool and for_base in (None, self.base.version) and pattern.search(text):
                self.used.add(number)
                return
        self.findings.append((tool, text))
        note(f"{tool}: {text}")


def read_exceptions():
    """[(line number, tool, base or None, pattern)]; every line must give its reason."""
    out = []
    lines = EXCEPTIONS.read_text(encoding="utf-8").splitlines() if EXCEPTIONS.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = EXCEPTION.fullmatch(line.strip())
        if not parts:
            raise KitError(f"{relative(EXCEPTIONS)}, line {number}: not 'tool: regex  # reason'",
                           "an exception names its tool and gives its reason")
        try:
            out.append((number, parts.group(1), parts.group(2), re.compile(parts.group(3))))
        except re.error as e:
            raise KitError(f"{relative(EXCEPTIONS)}, line {number}: {e}", "mend the pattern") from e
    return out


def start(base):
    last = tree.tip(base)
    rows = git("diff", "--no-renames", "--name-status", base.commit, last).splitlines()
    status = dict(reversed(row.split("\t", 1)) for row in rows)
    return Job(base, last, status, read_exceptions())


def options(flavour):
    """The options of a flavour without the comments beside them, for names of remembered results."""
    return "\n".join(f"{k}={v}" for k, v in sorted(kbuild.wanted(kbuild.fragments(flavour)).items()))


def checkout(job, commit):
    """The source at that commit, configured for lint."""
    source = tree.full_source(job.source.name, commit)
    kbuild.configure(source, job.obj, kbuild.fragments("fast"), job.log("configure"))
    return source


# The tools that are compared before and after


def make(job, *args, log, obj=None, env=None):
    return kbuild.attempt(job.source, obj or job.obj, *args, log=log, env=env)


def measure_w1(job, commit):
    """W=1 warnings of every object in the directories that the series touches."""
    log = job.log("w1")
    log.unlink(missing_ok=True)
    for name in job.dirs():
        shutil.rmtree(job.obj / name, ignore_errors=True)
    complete = make(job, "W=1", *job.dirs(), log=log)
    warnings = warn.warnings_in(log.read_text(errors="replace"), job.source)
    if not complete and not any(t.startswith("error") for w in warnings.values() for _, t in w):
        raise KitError(f"the W=1 build of {job.base.name} failed", f"the whole output is in {relative(log)}")
    return warnings


def measure_sparse(job, commit, files=None):
    """What sparse says in the touched files; W=1 only spares compiling the objects again."""
    files = job.kernel_c(commit) if files is None else files
    results = run_sparse(job, files)
    warnings = defaultdict(set)
    checked = set()
    for text in results:
        first, _, rest = text.partition("\n")
        checked.add(first.removeprefix(f"checked: {job.source}/"))
        for path, found in warn.warnings_in(rest, job.source).items():
            if path in job.status or path == warn.PLANTED:
                warnings[path] |= found
    for path in set(files) - checked:
        warnings[path].add(("0", "error: not checked, because this configuration does not compile it"))
    return warnings


def sparse_wrapper(job):
    """(a fresh directory for sparse's results, the program that puts them there)."""
    out = job.dir / "sparse"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    wrapper = job.dir / "sparse-wrapper"
    wrapper.write_text(SPARSE_WRAPPER)
    wrapper.chmod(0o755)
    return out, wrapper


def run_sparse(job, files):
    if not files:
        return []
    out, wrapper = sparse_wrapper(job)
    log = job.log("sparse")
    log.unlink(missing_ok=True)
    # What is not checked is found by its missing "checked:" line.
    make(job, "W=1", "C=2", f"CHECK={wrapper}", *[f"{p[:-2]}.o" for p in files], log=log,
         env={"IR_SPARSE_OUT": str(out)})
    return [p.read_text(errors="replace") for p in out.iterdir()]


def measure_kernel_doc(job, commit, files=None):
    files = job.touched(".c", ".h", commit=commit) if files is None else files
    warnings = defaultdict(set)
    if not files:
        return warnings
    res = subprocess.run([sys.executable, job.source / "scripts/kernel-doc", "-none", "-Wall", *files],
                         cwd=job.source, capture_output=True, check=False, stdin=subprocess.DEVNULL,
                         env=proc.environment({"PYTHONDONTWRITEBYTECODE": "1"}))
    text = (res.stdout + res.stderr).decode(errors="replace")
    if "Traceback" in text:
        raise KitError(f"kernel-doc failed: {text.strip().splitlines()[-1]}", "report this")
    for line in text.splitlines():
        if one := KDOC_LINE.match(line):
            warn.add(warnings, job.source, one.group(2), one.group(3), f"warning: {one.group(4)}")
    return warnings


def measure_coccinelle(job, commit, files=None):
    files = job.kernel_c(commit) if files is None else files
    warnings = defaultdict(set)
    if not files:
        return warnings
    with concurrent.futures.ThreadPoolExecutor(int(kbuild.jobs())) as pool:
        for script, text in zip(COCCI, pool.map(lambda s: spatch(job, s, files), COCCI)):
            for line in text.splitlines():
                if one := COCCI_LINE.match(line):
                    warn.add(warnings, job.source, *one.group(1, 2), f"{one.group(3)} ({script}.cocci)")
    return warnings


def spatch(job, script, files):
    """The report of one semantic patch; one that did not finish is said, for it found nothing either."""
    path = job.source / COCCI_DIR / f"{script}.cocci"
    if not path.exists():
        raise KitError(f"{script}.cocci is not in Linux {job.base.version}", "mend COCCI in lint.py")
    options = " ".join(re.findall(r"^// Options:(.*)", path.read_text(errors="replace"), re.M)).split()
    cmd = ["spatch", "-D", "report", "--very-quiet", "--no-show-diff", "--cocci-file", path, *options, *files]
    try:
        res = subprocess.run(cmd, cwd=job.source, capture_output=True, check=False, timeout=COCCI_LIMIT_S,
                             stdin=subprocess.DEVNULL, env=proc.environment())
    except subprocess.TimeoutExpired:
        note(f"coccinelle: {script} did not finish in {COCCI_LIMIT_S} s and says nothing")
        return ""
    if res.returncode:
        last = (res.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise KitError(f"spatch {script}.cocci failed: {last}", "install coccinelle as Debian packages it")
    return res.stdout.decode(errors="replace")


MEASURES = {
    "w1": ("W=1 build", measure_w1),
    "sparse": ("sparse", measure_sparse),
    "kernel-doc": ("kernel-doc", measure_kernel_doc),
    "coccinelle": ("coccinelle", measure_coccinelle),
}


def remembered(job, tool, commit):
    """The file that keeps a result: named by everything that went into it."""
    tree_id = git("rev-parse", f"{commit}^{{tree}}").strip()
    versions = [proc.output([p, "--version"]).splitlines()[0] for p in ("sparse", "spatch")]
    what = (FORMAT, tool, tree_id, options("fast"), kbuild.compiler(), *versions, *COCCI,
            SPARSE_WRAPPER, *job.dirs(), *sorted(job.status))
    return job.dir / f"{tool}-{hashlib.sha256(chr(10).join(what).encode()).hexdigest()[:16]}.json"


def measure(job, tool, commit):
    kept = remembered(job, tool, commit)
    if (known := warn.load(kept)) is not None:
        return known
    checkout(job, commit)
    warnings = MEASURES[tool][1](job, commit)
    warn.keep(kept, warnings)
    return warnings


def compare(job, steps, tools):
    """Each tool on the base, then on the series: two checkouts, and two builds, are enough."""
    before = {}
    for commit, label in ((job.base.commit, "base"), (job.tip, "series")):
        for tool in tools:
            job.ran.add(tool)
            with steps.step(f"{MEASURES[tool][0]}, {label}", job.log("w1") if tool == "w1" else None):
                result = measure(job, tool, commit)
            if commit != job.tip:
                before[tool] = result
                continue
            for path, place, text in warn.added(before[tool], result):
                job.found(tool, f"{path}:{place}: {text}")


# Planted mistakes


def planted(job, tools):
    """Those of the tools that see a planted mistake."""
    job.dir.mkdir(parents=True, exist_ok=True)
    checkout(job, job.tip)
    trials = {"w1": try_w1, "checkpatch": try_checkpatch, "shellcheck": try_shellcheck,
              "sparse": lambda j: warn.says(measure_sparse(j, j.tip, [warn.PLANTED]), "different base types"),
              "kernel-doc": lambda j: warn.says(measure_kernel_doc(j, j.tip, [warn.PLANTED]), "parameter 'p'"),
              "coccinelle": lambda j: warn.says(measure_coccinelle(j, j.tip, [warn.PLANTED]), "preceded by free")}
    path = job.source / warn.PLANTED
    try:
        path.write_text(warn.PLANTED_TEXT)
        return {tool for tool in tools if trials[tool](job)}
    finally:
        path.unlink(missing_ok=True)
        for left in (job.obj / warn.PLANTED).parent.glob(f"*{path.stem}*"):
            left.unlink()


def try_w1(job):
    log = job.log("planted")
    log.unlink(missing_ok=True)
    (job.obj / warn.PLANTED).with_suffix(".o").unlink(missing_ok=True)
    make(job, "W=1", f"{warn.PLANTED[:-2]}.o", log=log)
    return warn.says(warn.warnings_in(log.read_text(errors="replace"), job.source), warn.PLANTED_W1)


def try_checkpatch(job):
    mail = scratch_checkpatch(job) / "planted.patch"
    mail.write_text("Subject: [PATCH] planted\n\nText.\n---\n"
                    + series.new_file_diff(warn.PLANTED, warn.PLANTED_TEXT, False))
    return any("SPACING" in text for _, text in checkpatch(job, mail))


def try_shellcheck(job):
    script = job.dir / "planted.sh"
    script.write_text(PLANTED_SHELL)
    return "SC2086" in scriptlint.shellcheck(script)


def sparse_sees_planted_bug(base):
    """Does sparse, as lint runs it, report an integer that is stored as little endian?"""
    prereq.need("build", "lint")
    return "sparse" in planted(start(base), ("sparse",))


def check_awake(job, steps, tools):
    """The tools that see a planted mistake; the others are a finding, and nothing they say is kept."""
    with steps.step("a planted mistake for every checker", job.log("sparse")):
        seen = planted(job, tools)
    for tool in sorted(set(tools) - seen):
        job.found("planted", f"{tool} is not working: it does not see a planted mistake")
    return seen


# checkpatch


def scratch_checkpatch(job):
    """A copy: checkpatch.pl writes a cache beside its working directory, and reads ~/.checkpatch.conf."""
    where = job.dir / "checkpatch"
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    for name in ("checkpatch.pl", "spelling.txt", "const_structs.checkpatch"):
        shutil.copy(job.source / "scripts" / name, where / name)
    return where


def checkpatch(job, mail):
    """[(line, text)] of one mail."""
    where = job.dir / "checkpatch"
    res = subprocess.run(["perl", where / "checkpatch.pl", "--strict", "--no-signoff", "--terse",
                          "--show-types", "--no-summary", f"--root={job.source}", mail], cwd=where,
                         capture_output=True, check=False, stdin=subprocess.DEVNULL,
                         env=proc.environment({"HOME": str(where)}))
    text = res.stdout.decode(errors="replace")
    out = [one.group(2, 3) for one in map(CHECKPATCH_LINE.match, text.splitlines()) if one]
    if res.returncode and not out:
        raise KitError(f"checkpatch.pl failed on {mail.name}: {(text or res.stderr.decode())[-300:].strip()}",
                       "report this")
    return out


def lint_patches(job):
    """checkpatch on every patch as it is sent."""
    job.ran.add("checkpatch")
    out, _ = tree.export(job.base)
    scratch_checkpatch(job)
    for mail in sorted(out.glob("*.patch")):
        if mail.name.startswith("0000-"):
            continue
        for line, text in checkpatch(job, mail):
            if "FILE_PATH_CHANGES" in text and not unmaintained(job, mail):
                continue
            job.found("checkpatch", f"{mail.name}:{line}: {text}")


def unmaintained(job, mail):
    """New files of a patch that no entry of MAINTAINERS covers, except the one for everything."""
    text = (job.source / "MAINTAINERS").read_text(encoding="utf-8", errors="replace")
    patterns = [p for p in re.findall(r"^F:\s*(\S+)", text, re.M) if p.strip("*/")]
    new = re.findall(r"^--- /dev/null\n\+\+\+ b/(.*)$", series.read_text(mail), re.M)
    return [path for path in new if not any(covers(p, path) for p in patterns)]


def covers(pattern, path):
    """MAINTAINERS: a directory covers all below it, and '*' does not cross a '/'."""
    if pattern.endswith("/"):
        parts = path.split("/")[:pattern.count("/")]
        return path.count("/") >= len(parts) and fnmatch.fnmatch("/".join(parts) + "/", pattern)
    return pattern.count("/") == path.count("/") and fnmatch.fnmatch(path, pattern)


# The compile matrix


def matrix_log(job, variant):
    return job.log("matrix-" + re.sub(r"\W+", "-", variant.name))


def lint_variant(job, variant):
    """Compile the touched directories in another configuration."""
    obj = paths.BUILD / "obj" / f"{job.base.name}-matrix"
    log = matrix_log(job, variant)
    log.unlink(missing_ok=True)
    source = checkout(job, job.tip)
    configure_variant(job, variant, obj, log)
    # A warning is printed only when the object is made.
    dirs = [d for d in job.dirs() if (source / d).is_dir()]
    for name in dirs:
        shutil.rmtree(obj / name, ignore_errors=True)
    complete = make(job, *dirs, obj=obj, log=log)
    errors = 0
    for path, found in sorted(warn.warnings_in(log.read_text(errors="replace"), source).items()):
        for place, text in sorted(found):
            errors += text.startswith("error")
            if text.startswith("error") or path in job.status:
                job.found("matrix", f"{variant.name}: {path}:{place}: {text}")
    if not complete and not errors:
        job.found("matrix", f"{variant.name}: make failed (log: {relative(log)})")
    if not any((obj / d).is_dir() for d in dirs):
        job.found("matrix", f"{variant.name}: nothing was compiled (log: {relative(log)})")
    for module, symbol in unexported(obj, dirs):
        job.found("matrix", f"{variant.name}: {module} uses {symbol}, which is not exported")


def configure_variant(job, variant, obj, log):
    """The configuration of lint with some options changed; olddefconfig takes along what depends on them."""
    obj.mkdir(parents=True, exist_ok=True)
    drop = re.compile(r"(?:# )?CONFIG_(?:" + "|".join(variant.change) + r")(?:=| is not set).*\n")
    text = drop.sub("", (job.obj / ".config").read_text(encoding="ascii"))
    change = "".join(f"CONFIG_{k}={v}\n" if v != "n" else f"# CONFIG_{k} is not set\n"
                     for k, v in variant.change.items())
    (obj / ".config").write_text(text + change, encoding="ascii")
    kbuild.kmake(job.source, obj, "olddefconfig", log=log, what=f"olddefconfig for {variant.name}")
    kept = "".join(f"CONFIG_{k}={v}\n" for k, v in variant.keep.items())
    kbuild.check_config(change + kept, obj / ".config")


def nm(path):
    """[(type, symbol)] of an object or an archive of them."""
    rows = proc.output([f"{paths.CROSS}nm", path]).splitlines()
    return [tuple(r.split()[-2:]) for r in rows if len(r.split()) >= 2 and not r.endswith(":")]


def unexported(obj, dirs):
    """[(module, symbol)]: what modpost would refuse, as far as the touched directories can tell."""
    modules = [obj / line for d in dirs if (obj / d / "modules.order").exists()
               for line in (obj / d / "modules.order").read_text().splitlines()]
    objects = {m: nm(m) for m in dict.fromkeys(modules)}
    objects.update({obj / d: nm(obj / d / "built-in.a") for d in dirs
                    if (obj / d / "built-in.a").exists()})
    home, exported = {}, set()
    for where, symbols in objects.items():
        for kind, symbol in symbols:
            if symbol.startswith("__export_symbol_"):
                exported.add(symbol[len("__export_symbol_"):])
            elif kind in "TDBRVW":
                home[symbol] = where
    return [(m.relative_to(obj), symbol) for m in dict.fromkeys(modules) for kind, symbol in objects[m]
            if kind == "U" and symbol in home and home[symbol] != m and symbol not in exported]


# The whole


def finish(job):
    """Raise what was found, and exceptions that cover nothing."""
    for number, tool, for_base, pattern in job.exceptions:
        if tool in job.ran and for_base in (None, job.base.version) and number not in job.used:
            job.findings.append(("exceptions", f"{relative(EXCEPTIONS)}, line {number} covers nothing: "
                                               f"{tool}: {pattern.pattern}"))
    if not job.findings:
        say(f"lint: nothing found ({', '.join(sorted(job.ran))}; {len(job.used)} exceptions used)")
        return
    lines = [f"{tool}: {text}" for tool, text in job.findings]
    whole = job.log("findings")
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    more = f"\n  and {len(lines) - SHOWN} more" if lines[SHOWN:] else ""
    shown = "\n  ".join(lines[:SHOWN])
    raise KitError(f"lint has {len(lines)} findings on {job.base.name}:\n  {shown}{more}",
                   f"mend them, or give a reason in {relative(EXCEPTIONS)}; all are in {relative(whole)}")


def run(base):
    """Everything; raises KitError with the findings when all checks have run."""
    prereq.need("build", "lint", "drivers")
    job = start(base)
    tools = ("checkpatch", *MEASURES, "shellcheck")
    steps = Steps(4 + 2 * len(MEASURES) + len(MATRIX) + 2 * len(drivers.MACHINES))
    awake = check_awake(job, steps, tools)
    with steps.step("checkpatch --strict on every patch"):
        lint_patches(job)
    compare(job, steps, [t for t in MEASURES if t in awake])
    with steps.step("shellcheck, and Python"):
        scriptlint.lint_scripts(job)
    with steps.step("the test device: checkpatch, W=1, sparse", job.log("module")):
        devlint.lint_style(job)
        devlint.lint_module(job, sparse_wrapper)
    job.ran.add("matrix")
    for variant in MATRIX:
        with steps.step(f"compile with {variant.name}", matrix_log(job, variant)):
            lint_variant(job, variant)
    drivers.run(job, steps)
    finish(job)


def drivers_alone(base):
    """What make drivers runs."""
    prereq.need("build", "drivers")
    drivers.run(job := start(base), Steps(2 * len(drivers.MACHINES)))
    finish(job)


def quick(base):
    """The part of lint that make check runs."""
    prereq.need("build", "lint")
    job = start(base)
    tools = ["sparse", "kernel-doc"]
    steps = Steps(3 + 2 * len(tools))
    awake = check_awake(job, steps, ("checkpatch", *tools, "shellcheck"))
    with steps.step("checkpatch --strict on every patch"):
        lint_patches(job)
    compare(job, steps, [t for t in tools if t in awake])
    with steps.step("shellcheck, and Python"):
        scriptlint.lint_scripts(job)
        devlint.lint_style(job)
    finish(job)
