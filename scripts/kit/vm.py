# SPDX-License-Identifier: GPL-2.0
"""One boot: a kernel image, one test, QEMU; and what came of it.

Everything of a run is kept in build/runs/TEST-IMAGE/: console, result, trace,
command line, configuration and the verdict.
"""
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import guest, ktap, paths, prereq, proc, qemu, races, splat, together
from .ui import KitError

PASS, FAIL, UNJUDGED, SKIP = "pass", "fail", "not judged", "skip"
# A guest whose threads waited this part of the time for a CPU of the host was not given a chance.
STARVED = 0.5
SLOW = float(os.environ.get("IR_SLOW") or 1)


@dataclass
class Result:
    test: object
    image: object
    dir: Path
    verdict: str = FAIL
    reasons: list = field(default_factory=list)
    cases: dict = field(default_factory=dict)    # "program: case" -> ok, not ok, skip
    seconds: float = 0
    splats: list = field(default_factory=list)
    mode: str = "race"
    races: object = ""           # races.Races: those that are no splat of this run

    def reason(self):
        return "; ".join(self.reasons)

    def output(self):
        return read(self.dir / "result.log") + "\n" + read(self.dir / "console.log")


def read(path):
    try:
        return path.read_bytes().decode("utf-8", "replace").replace("\r", "")
    except OSError:
        return ""


# What the testdev level means for the machine; a test may override each by a -global of its own.
TESTDEV = ("arm-smmuv3.ats=on", "arm-smmuv3.stall=on", "arm-smmuv3.ssidsize=16")
TESTDEV_TRACE = ["smmutd_*"]
# One CPU, time counted in instructions, idle time skipped, nothing random from the host.
DETERMINISTIC = ("-icount", "shift=1,sleep=off", "-rtc", "clock=vm,base=2026-01-01", "-seed", "1")


def program(test):
    return qemu.program() if test.level == "testdev" else prereq.qemu()


def machine(test, mode):
    fixed = mode == "deterministic"
    board = "virt," + ("iommu=smmuv3," if test.iommu == "smmuv3" else "") + "gic-version=3"
    board += ",dtb-randomness=off" if fixed else ""
    out = ["-M", board, "-cpu", "cortex-a57", "-m", str(test.memory), "-smp", "1" if fixed else str(test.cpus),
           "-nodefaults", "-display", "none", "-no-reboot"]
    if test.level == "testdev":
        for setting in TESTDEV:
            out += ["-global", setting]
    if test.iommu == "virtio":
        out += ["-device", "virtio-iommu-pci"]
    return out + list(DETERMINISTIC if fixed else ())


def command(test, image, where, archive, mode="race"):
    append = "console=ttyAMA0 panic=-1 oops=panic loglevel=8"
    if test.iommu != "virtio":
        # Virtio functions are there for vfio-pci: nobody is to touch them before.
        append += " initcall_blacklist=virtio_pci_driver_init"
    if test.kunit:
        # A KUnit case that oopses must not take the rest of the suite with it.
        append = append.replace(" oops=panic", "") + f" kunit.enable=1 kunit.filter_glob={test.kunit}"
    if test.cmdline:
        append += " " + test.cmdline
    cmd = [program(test), *machine(test, mode),
           "-serial", f"file:{where / 'console.log'}",
           "-chardev", f"file,id=result,path={where / 'result.log'}", "-device", "pci-serial,chardev=result",
           "-kernel", image.kernel, "-initrd", archive, "-append", f"{append} -- {test.name}"]
    for line in test.qemu:
        cmd += shlex.split(line)
    trace = test.trace or (TESTDEV_TRACE if test.level == "testdev" else [])
    if trace:
        cmd += ["-D", where / "trace.log"]
        for event in trace:
            cmd += ["-trace", f"enable={event}"]
    return [str(c) for c in cmd]


def run(test, image, label=None, mode=None):
    """Boot and judge; a run that the host was too slow for is repeated once, with twice the time."""
    mode = mode or test.modes[0]
    result = attempt(test, image, label, test.timeout * SLOW, mode)
    if result.verdict == UNJUDGED:
        result = attempt(test, image, label, 2 * test.timeout * SLOW, mode)
    return result


def attempt(test, image, label, limit, mode):
    where = paths.RUNS / ("-".join([test.name, label or image.name.replace(" ", "-")]
                                   + ([mode] if mode != test.modes[0] else [])))
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    with together.building:
        prog = guest.programs(source_image(test, image))
    archive = guest.initramfs(test, prog, where, image)
    cmd = command(test, image, where, archive, mode)
    (where / "command").write_text(shlex.join(cmd) + "\n", encoding="utf-8")
    shutil.copy(image.dir / "config", where / "config")
    result = Result(test, image, where, mode=mode)
    # In race mode the machine's time is the host's: beside another one it would be a slow machine.
    beside = mode == "deterministic" or test.beside
    with together.HOST.shared() if beside else together.HOST.whole():
        begin = time.monotonic()
        end = boot(cmd, where, limit)
        result.seconds = time.monotonic() - begin
    judge(result, end, prog, limit)
    archive.unlink(missing_ok=True)
    (where / "verdict.json").write_text(json.dumps(
        {"test": test.name, "image": image.name, "mode": mode, "verdict": result.verdict, "reasons": result.reasons,
         "seconds": round(result.seconds, 1), "cases": result.cases,
         "races elsewhere": getattr(result.races, "elsewhere", {})}, indent=1) + "\n", encoding="utf-8")
    return result


def source_image(test, image):
    """The image whose source the test programs come from."""
    if test.programs_from == "base":
        return image.base_image or image
    return image.series_image or image


def boot(cmd, where, limit):
    """Run QEMU to its end or to the limit; ('exit', code) or ('timeout', part of the time it starved)."""
    with open(where / "qemu.log", "wb") as log:
        try:
            child = subprocess.Popen(cmd, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                     start_new_session=True, env=proc.environment())
        except OSError as e:
            raise KitError(f"cannot start {cmd[0]}: {e.strerror}", "install qemu-system-arm, or set QEMU") from e
    begin = time.monotonic()
    with proc.known(child):
        try:
            while True:
                try:
                    return "exit", child.wait(1)
                except subprocess.TimeoutExpired:
                    if time.monotonic() - begin > limit:
                        return "timeout", starved(child.pid, time.monotonic() - begin)
        finally:
            if child.poll() is None:
                proc.kill_group(child)


def starved(pid, seconds):
    """The largest part of the time that one thread of QEMU waited for a CPU of the host."""
    worst = 0.0
    for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            worst = max(worst, int(stat.read_text().split()[1]) / 1e9 / seconds)
        except (OSError, IndexError, ValueError):
            pass
    return worst


def judge(result, end, prog, limit):
    test = result.test
    console = read(result.dir / "console.log").splitlines()
    text = read(result.dir / "result.log")
    status = re.findall(r"^IR-EXIT (\d+)$", text, re.M)
    result.cases = ktap.cases(text)
    if test.kunit:
        found, complaint = ktap.kunit_cases(console, prog)
        result.cases.update(found)
        if complaint:
            result.reasons.append(complaint)
    reasons = result.reasons
    result.races = races.Races(result.image, console)
    result.splats, unseen = splat.scan(console, test.expect_splat, elsewhere=result.races.is_elsewhere)
    for hit in result.splats[:3]:
        lines = splat.decode(splat.excerpt(console, hit), prog, result.image)
        (result.dir / f"splat-{hit.number + 1}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        reasons.append(f"splat: {hit}")
    reasons += [f"asked for a splat that did not come: {p}" for p in unseen]
    if end[0] == "timeout":
        if end[1] > STARVED and not result.splats:
            result.verdict = UNJUDGED
            reasons.append(f"could not be judged: host too slow (a thread of QEMU waited {end[1]:.0%} of "
                           f"{limit:.0f} s for a CPU)")
            return
        tail = next((line for line in reversed(console) if line.strip()), "nothing on the console")
        said = next((line for line in reversed(text.splitlines()) if line.strip()), "none")
        reasons.insert(0, f"guest hung: no end after {limit:.0f} s; last line: {tail.strip()[:120]}; "
                       f"last output: {said.strip()[:120]}")
    elif end[1]:
        words = read(result.dir / "qemu.log").strip().splitlines()
        reasons.append(f"QEMU ended with {end[1]}: {words[-1] if words else 'no message'}")
    elif not status:
        reasons.append("guest died: it ended before the test did")
    failed = [name for name, state in result.cases.items() if state == "not ok"]
    if failed:
        detail = ktap.diagnosis(text)
        reasons.append(f"{len(failed)} of {len(result.cases)} cases failed: " + ", ".join(failed[:3])
                       + (" ..." if failed[3:] else "") + (f" ({detail})" if detail else ""))
    elif status and status[-1] != "0" and not ktap.all_skipped(result.cases, status[-1]):
        said = next((line for line in reversed(text.splitlines())
                     if line.strip() and not line.startswith("IR-EXIT")), "")
        reasons.append(f"exit status {status[-1]}: {said.strip()[:160]}")
    elif not result.cases and not test.kunit and not reasons and status[-1] != ktap.SKIPPED:
        reasons.append("no case ran")
    if status and ktap.announced(text) > ktap.results(text):
        reasons.append(f"only {ktap.results(text)} of {ktap.announced(text)} announced cases reported")
    empty = [p for p in ktap.programs(text) if not any(c.startswith(f"{p}: ") for c in result.cases)]
    if status and empty:
        reasons.append(f"not one case of {', '.join(empty)}")
    if test.kunit and not result.cases:
        reasons[:] = [r for r in reasons if not r.startswith("KUnit's parser")]
        reasons.append(f"no KUnit suite matches {test.kunit}")
    if "IR-LOCKDEP off" in text and not result.splats and not test.lockdep_off:
        reasons.append("lockdep was off at the end: the run proves nothing about locks")
    if "unreferenced object" in text:
        reasons.append("kmemleak: " + re.search(r"unreferenced object.*", text).group(0))
    if test.host_check and status:
        said = host_check(test.host_check, result.dir)
        if said:
            reasons.append(f"host check {test.host_check}: {said}")
    if reasons:
        result.verdict = FAIL
    elif ktap.all_skipped(result.cases, status[-1] if status else "1"):
        result.verdict = SKIP
        reasons.append(ktap.skip_reason(text))
    else:
        result.verdict = PASS


def host_checks():
    """The module tests/vm/hostchecks.py: what the host makes of QEMU's trace."""
    if str(paths.VM_TESTS) not in sys.path:
        sys.path.insert(0, str(paths.VM_TESTS))
    return importlib.import_module("hostchecks")


def host_check(name, where):
    check = getattr(host_checks(), f"check_{name}", None)
    if not check:
        raise KitError(f"tests/vm/hostchecks.py has no check_{name}", "add it, or mend the test's host-check")
    return check(read(where / "trace.log").splitlines())
