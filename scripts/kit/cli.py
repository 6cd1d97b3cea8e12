# SPDX-License-Identifier: GPL-2.0
"""The commands behind the Makefile's targets."""
import os
import signal
import sys
from pathlib import Path

from . import bases, paths, prereq, proc
from .ui import KitError, Steps, fail, note, relative, say


def chosen_base():
    """BASE=, KERNEL=, or the first supported one."""
    prereq.need("base")
    kernel, name = os.environ.get("KERNEL"), os.environ.get("BASE")
    if kernel and name:
        raise KitError("BASE= and KERNEL= are both given", "give one of them")
    if kernel or name:
        return bases.get(name, kernel)
    return first_available()


def first_available():
    """The first supported base that is still to be had."""
    gone = None
    for name in bases.supported():
        try:
            return bases.get(name)
        except bases.Gone as e:
            gone = e
            note(f"{e.what}; trying the next base")
    raise gone


def cmd_tree():
    from . import tree
    tree.make_tree(chosen_base())


def cmd_save():
    from . import tree
    tree.save(chosen_base())


def cmd_series():
    from . import tree
    out, _ = tree.export(chosen_base())
    files = sorted(out.glob("*.patch"))
    say(f"{len(files)} mailbox files in {relative(out)}/")
    note(f"git am {relative(out)}/00*[1-9]*.patch   (0000 is the cover letter)")


def cmd_apply():
    from . import apply
    kernel = os.environ.get("KERNEL")
    if not kernel:
        raise KitError("make apply needs KERNEL=DIR", "name the top of the kernel tree that gets the series")
    prereq.need("base")
    apply.run(kernel)


def images(flavour, side="both", machine=None):
    """The unpatched and the patched image, those of them built that are asked for; and QEMU for the machine."""
    from . import kbuild, qemu, tree
    base = chosen_base()
    prereq.need("build", "vm")
    plain, patched = kbuild.pair(base, tree.tip(base), flavour)
    which = {"base": [plain], "patched": [patched], "both": [plain, patched]}
    if side not in which:
        raise KitError(f"ON={side}: there is no such kernel", "one of: " + ", ".join(which))
    testdev = machine == "testdev"
    steps = Steps(len(which[side]) + testdev)
    if testdev:
        with steps.step("QEMU with smmu-testdev" + (" (cached)" if qemu.built() else ""),
                        None if qemu.built() else qemu.log()):
            qemu.build()
    for image in which[side]:
        with steps.step(f"kernel {image.name}" + (" (cached)" if image.ready() else ""),
                        None if image.ready() else kbuild.log_of(image)):
            kbuild.build(image)
    return which[side]


def flavour():
    from . import kbuild
    name = os.environ.get("IMAGE") or "fast"
    if name not in kbuild.FLAVOURS:
        raise KitError(f"IMAGE={name}: there is no such configuration", "one of: " + ", ".join(kbuild.FLAVOURS))
    return name


def cmd_build():
    from . import qemu, tests
    machine = os.environ.get("MACHINE")
    if machine and machine not in tests.LEVELS:
        raise KitError(f"MACHINE={machine}: there is no such level", "one of: " + ", ".join(tests.LEVELS))
    for image in images(flavour(), machine=machine):
        say(f"{image.name}: {relative(image.kernel)}")
    if machine == "testdev":
        say(f"QEMU with smmu-testdev: {relative(qemu.program())}")


def show(result):
    for name, state in result.cases.items():
        note(f"{state:7} {name}")
    for title, count in sorted(getattr(result.races, "elsewhere", {}).items()):
        note(f"not counted: KCSAN: {title}" + (f" ({count} times)" if count > 1 else ""))
    say(f"{result.test.name} on {result.image.name}: {result.verdict}, {result.seconds:.1f} s"
        + (f" - {result.reason()}" if result.reasons else ""))
    note(f"console, output and trace: {relative(result.dir)}")


def number(name, default):
    value = os.environ.get(name) or str(default)
    if not value.isdigit() or not int(value):
        raise KitError(f"{name}={value} is not a number of at least 1", f"{name}=10, for instance")
    return int(value)


def run_one(test):
    from . import kbuild, qemu, repeat, tests, vm
    results = []
    if test.level == "testdev":
        qemu.built()    # refuses a QEMU_TESTDEV that is none before anything is downloaded
    mode = os.environ.get("MODE")
    if mode and mode not in tests.MODES:
        raise KitError(f"MODE={mode}: there is no such mode", "one of: " + ", ".join(tests.MODES))
    runs = number("RUNS", 1)
    for image in images(flavour(), os.environ.get("ON") or "both", test.level):
        # What the test programs are made of must be there, whichever kernel runs them.
        kbuild.build(vm.source_image(test, image))
        if runs > 1:
            results.append(repeat.run(test, image, mode or test.modes[0], runs))
        else:
            results.append(vm.run(test, image, mode=mode))
            show(results[-1])
    return 0 if results[-1].verdict == vm.PASS else 1


def cmd_vm():
    from . import tests
    name = os.environ.get("TEST")
    if not name:
        raise KitError("make vm needs TEST=NAME", "one of: " + ", ".join(tests.load()))
    test = tests.load(name)
    machine = os.environ.get("MACHINE")
    if machine and machine != test.level:
        raise KitError(f"test {name} is for MACHINE={test.level}", f"make vm TEST={name}")
    return run_one(test)


def cmd_kunit():
    from . import tests
    suite = os.environ.get("SUITE") or "*"
    return run_one(tests.Test("kunit", what="KUnit suites by name", level="kunit", kunit=suite, timeout=300))


def cmd_check(everything=False):
    from . import check
    if os.environ.get("BASE") or os.environ.get("KERNEL"):
        raise KitError("make check takes neither BASE= nor KERNEL=: it tests the supported bases",
                       "leave them out; make demo, make vm and make lint take them")
    return check.run(everything)


def cmd_check_all():
    return cmd_check(everything=True)


def cmd_bites():
    from . import bites
    return bites.run(chosen_base())


def cmd_bench():
    from . import bench
    return bench.run(chosen_base())


def cmd_coverage():
    from . import coverage
    return coverage.run(chosen_base())


def cmd_demo():
    from . import demo
    return demo.run(chosen_base)


def cmd_model():
    from . import model
    return model.command()


def cmd_lint():
    from . import lint
    base = chosen_base()
    lint.run(base)


def cmd_drivers():
    from . import lint
    lint.drivers_alone(chosen_base())


def cmd_bisect():
    from . import bisect, check
    base = chosen_base()
    prereq.need("build", "vm")
    return bisect.run(base, boot=check.boot_of_bisect(base))


COMMANDS = {name[4:].replace("_", "-"): function for name, function in list(globals().items())
            if name.startswith("cmd_")}


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        fail(KitError(f"unknown command '{name}'", "make help"))
    os.chdir(paths.ROOT)
    # A CI that runs out of time must not leave a QEMU or a compiler behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        with proc.exclusive(), proc.disk_full_is_said():
            status = COMMANDS[name]()
    except KitError as e:
        fail(e)
    except KeyboardInterrupt:
        fail(KitError("interrupted", f"run the same command again: what is finished in "
                      f"{relative(Path(paths.BUILD))} is kept"))
    sys.exit(status or 0)
