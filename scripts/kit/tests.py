# SPDX-License-Identifier: GPL-2.0
"""What a test says about itself: the comment block at the head of tests/vm/NAME.sh."""
import re
from dataclasses import dataclass, field, fields

from . import paths
from .kbuild import FLAVOURS
from .ui import KitError

LEVELS = ("kunit", "stock", "testdev")
# What translates for PCI functions: the SMMUv3 of the board, or a virtio-iommu in its place.
IOMMUS = ("smmuv3", "virtio")
LISTS = ("base-also", "expect-splat", "qemu")
WORDS = ("images", "images-all", "bases", "programs", "trace", "bites-without", "bites-with", "modes", "modules")
# How the machine runs: one CPU whose time is the instructions it has executed, so that runs are alike to the
# byte; or several CPUs in the host's time.
MODES = ("deterministic", "race")


@dataclass
class Test:
    name: str
    what: str = ""
    scenario: str = ""
    level: str = "stock"
    images: list = field(default_factory=lambda: ["fast"])
    images_all: list = field(default_factory=list)    # more of them, in make check-all
    modes: list = field(default_factory=lambda: ["race"])
    beside: str = ""             # why a machine in race mode may run beside another one
    base: str = "pass"           # "pass", "same", "none", or "fail REGEX"
    series: str = "cures"        # or "not-yet": the defect is there with the series too
    bases: list = field(default_factory=list)    # kernels that the test is for; none: all
    run: str = "check"           # or "all": only in make check-all
    base_also: list = field(default_factory=list)    # more that the failure there must show
    iommu: str = "smmuv3"        # one of IOMMUS
    cpus: int = 2
    memory: int = 1024           # MiB
    timeout: int = 120           # seconds of wall time on an idle host of 2 cores
    programs: list = field(default_factory=list)
    modules: list = field(default_factory=list)      # kernel modules that the initramfs gets
    programs_from: str = "series"    # or "base": the base kernel's own, on both kernels
    qemu: list = field(default_factory=list)
    trace: list = field(default_factory=list)
    expect_splat: list = field(default_factory=list)
    lockdep_off: str = ""        # why the splat that is asked for may turn lockdep off
    cmdline: str = ""
    kunit: str = ""              # filter_glob of KUnit suites that run during this boot
    host_check: str = ""
    bites_without: list = field(default_factory=list)    # patches to take out, where the test must fail
    bites_with: list = field(default_factory=list)       # tests/vm/planted/NAME.patch: where it must fail as well
    bites_alone: str = ""        # why those defects cannot be in one image with others
    bites_how: str = ""          # regex that the failure must show
    show: str = ""               # regex of lines that make check prints, those of the base beside the series'
    planted: str = ""            # regex of the reason with which the runner must fail this test

    @property
    def base_fails(self):
        """The regex that the failure on the unpatched base must show, or None."""
        return self.base[5:].strip() if self.base.startswith("fail ") else None


# Scenarios that stand for no test: what these programs show is for other commands.
NO_TEST = ("demo", "bench")

KEYS = {f.name for f in fields(Test)} - {"name"}


def parse(path):
    test, own = Test(path.stem), {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("#"):
            break
        found = re.fullmatch(r"# ([a-z-]+): *(.*)", line)
        if not found:
            continue
        key, value = found.groups()
        attribute = key.replace("-", "_")
        if attribute not in KEYS:
            raise KitError(f"{path.name}:{number}: unknown key '{key}'", "see scripts/kit/tests.py")
        if key in LISTS:
            getattr(test, attribute).append(value)
        elif key in WORDS:
            own[attribute] = own.get(attribute, []) + value.split()
            setattr(test, attribute, own[attribute])
        elif isinstance(getattr(test, attribute), int):
            if not value.isdigit():
                raise KitError(f"{path.name}:{number}: {key} must be a number", "mend it")
            setattr(test, attribute, int(value))
        else:
            setattr(test, attribute, value)
    if not test.what or test.level not in LEVELS:
        raise KitError(f"{path.name}: needs 'what' and a level of {', '.join(LEVELS)}", "add them")
    wrong = [i for i in test.images + test.images_all if i not in FLAVOURS]
    if wrong or not test.images:
        raise KitError(f"{path.name}: there is no image '{' '.join(wrong)}'", "one of: " + ", ".join(FLAVOURS))
    if test.base not in ("pass", "same", "none") and not test.base_fails:
        raise KitError(f"{path.name}: base '{test.base}' says nothing", "one of: pass, same, none, fail REGEX")
    wrong = [m for m in test.modes if m not in MODES]
    if wrong or not test.modes:
        raise KitError(f"{path.name}: there is no mode '{' '.join(wrong)}'", "one of: " + ", ".join(MODES))
    for key, value, known in (("series", test.series, ("cures", "not-yet")), ("run", test.run, ("check", "all"))):
        if value not in known:
            raise KitError(f"{path.name}: {key} cannot be '{value}'", "one of: " + ", ".join(known))
    if test.iommu not in IOMMUS:
        raise KitError(f"{path.name}: there is no IOMMU '{test.iommu}'", "one of: " + ", ".join(IOMMUS))
    if test.iommu != "smmuv3" and test.level == "testdev":
        raise KitError(f"{path.name}: the test device needs an SMMUv3, not {test.iommu}", "another level, or IOMMU")
    if test.lockdep_off and not test.expect_splat:
        raise KitError(f"{path.name}: lockdep-off without expect-splat", "name the splat that turns it off")
    if test.series == "not-yet" and not test.base_fails:
        raise KitError(f"{path.name}: a test without a cure must say how the base fails", "base: fail REGEX")
    if (test.bites_without or test.bites_with) and not test.bites_how:
        raise KitError(f"{path.name}: bites-without and bites-with need bites-how", "say what the failure must show")
    return test


def load(name=None):
    found = {p.stem: parse(p) for p in sorted(paths.VM_TESTS.glob("*.sh"))}
    if name is None:
        return found
    if name not in found:
        raise KitError(f"there is no test '{name}'", "one of: " + ", ".join(found))
    return found[name]
