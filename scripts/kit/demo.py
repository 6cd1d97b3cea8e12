# SPDX-License-Identifier: GPL-2.0
"""make demo: a reset of a passed-through device in flight, and a device that stops answering, told as timelines."""
from . import events, kbuild, paths, prereq, qemu, story, tests, tree, vm
from .events import first, last, need
from .ui import KitError, Steps, note, relative, say

PICTURE = paths.OUT / "demo.svg"

# What the kernel's functions mean to somebody who watches a reset. The series fences over the whole of it, and some
# methods once more inside that: the first call of the one and the last of the other count.
KERNEL_STEPS = (
    ("pci_dev_reset_iommu_prepare", first, "reset prepare: the IOMMU blocks the device"),
    ("pci_dev_reset_iommu_done", last, "reset done: the IOMMU lets the device through again"),
)


def timeline(result):
    """[(ns, text)] of the reset."""
    text = vm.read(result.dir / "result.log")
    user, kernel = events.user(text), events.kernel(text)
    running = need(user, "dma-running", result.dir)
    call, back = need(user, "reset-call", result.dir), need(user, "reset-return", result.dir)
    again = need(user, "dma-again", result.dir)
    rows = [(running.ns, f"DMA running: {running.values['completions']} buffers written, one every "
             f"{int(running.values['interval_us']) / 1000:.1f} ms"),
            (call.ns, f"VFIO_DEVICE_RESET called with buffers in flight ({call.values['completions']} "
             "written)")]
    window = [e for e in kernel if call.ns <= e.ns <= back.ns]
    for name, which, meaning in KERNEL_STEPS:
        enter, leave = which(window, name), which(window, name + "_ret")
        if not enter or not leave:
            raise KitError(f"the kernel's trace shows no {name} during the reset", f"see {relative(result.dir)}")
        rows.append((leave.ns, f"{meaning} ({(leave.ns - enter.ns) / 1e6:.1f} ms)"))
    blocked, opened = rows[-2][0], rows[-1][0]
    inside = [int(e.values["completions"]) for e in user if e.name == "sample" and blocked <= e.ns <= opened]
    if not inside:
        raise KitError("no sample was taken while the device was blocked", f"see {relative(result.dir)}")
    moved = max(inside) - min(inside)
    rows.append(((blocked + opened) // 2,
                 f"blocked: {len(inside)} samples, DMA counter "
                 + (f"stands still at {inside[0]}" if not moved else f"MOVED by {moved}")))
    rows.append((back.ns, f"reset returned {back.values['err']}, {int(back.values['us']) / 1000:.0f} ms "
                 "after the call"))
    rows.append((again.ns, f"DMA running again: {again.values['completions']} buffers written"))
    return sorted(rows), moved


def probe_rows(result):
    """What the writes to reset_method did: [(label, value)], changes of stream table entries, DMA hits."""
    user = events.user(vm.read(result.dir / "result.log"))
    end = need(user, "probe-end", result.dir)
    hits = [e for e in user if e.name == "dma-interrupted"]
    writes = [e for e in user if e.name == "probe-write"]
    changes = ste_commands(result)
    took = sorted(int(e.values["us"]) for e in writes)
    reasons = sorted({e.values.get("reason", "?") for e in hits})
    return [("writes of reset_method", end.values["writes"]),
            ("DMA interrupted by", f"{len(hits)} of them" + (f" ({', '.join(reasons)})" if hits else "")),
            ("buffers filled during the writes", str(sum(int(e.values["delta"]) for e in writes))),
            ("one write takes (median)", f"{took[len(took) // 2] / 1000:.2f} ms" if took else "-"),
            ("SMMU stream table entries changed", f"{changes} times")], changes, len(hits)


def ste_commands(result):
    """Changes of stream table entries that QEMU's SMMU was told of between the two marks."""
    lines = vm.read(result.dir / "trace.log").splitlines()
    marks, inside, outside = vm.host_checks().ste_commands(lines)
    if marks != [1, 2] or not outside:
        raise KitError("QEMU's trace of the run is empty or incomplete", f"see {relative(result.dir)}")
    return sum(inside.values())


def show_story(results):
    """What a device that stops answering does with both kernels; complaints."""
    say("\nA device whose ATC stops answering while a page is unmapped (scenario 26)")
    told = [story.read(result) for result in results]
    for one in told:
        say(f"\n{one.name}")
        print_rows(story.rows(one))
    say()
    side_by_side(*(story.summary(one) for one in told))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(story.draw(told), encoding="utf-8")
    return story.complaints(*told)


def print_rows(rows):
    start = rows[0][0]
    for ns, text in rows:
        say(f"  {(ns - start) / 1e6:9.1f} ms  {text}")


def side_by_side(left, right):
    label = max(len(k) for k, _ in left)
    say(f"  {'':{label}}   {'unpatched':32} patched")
    for (key, a), (_, b) in zip(left, right):
        say(f"  {key:{label}}   {a:32} {b}")


def print_timeline(result, rows):
    say(f"\n{result.image.name}: the reset of a passed-through device in flight")
    print_rows(rows)


def boot(steps, name, what, images):
    results = []
    for image in images:
        with steps.step(f"boot {image.name}: {what}"):
            result = vm.run(tests.load(name), image)
            if result.verdict != vm.PASS:
                raise KitError(f"the demo failed on {image.name}: {result.reason()}",
                               f"see {relative(result.dir)}")
            results.append(result)
    return results


def test_device(steps):
    """QEMU with the test device; None, said, when its source is not to be had."""
    with steps.step("QEMU with smmu-testdev" + (" (cached)" if qemu.built() else ""),
                    None if qemu.built() else qemu.log()):
        try:
            return qemu.build()
        except qemu.NoSource as e:
            note(f"{e.what}; the device that stops answering is left out")
            return None


def run(choose):
    steps = Steps(9)
    with steps.step("prerequisites", paths.LOGS / "install.log"):
        prereq.need("base", "build", "vm")
    with steps.step("base kernel"):
        base = choose()
    plain, patched = kbuild.pair(base, tree.tip(base), "fast")
    for image in (plain, patched):
        with steps.step(f"kernel {image.name}" + (" (cached)" if image.ready() else ""),
                        None if image.ready() else kbuild.log_of(image)):
            kbuild.build(image)
    testdev = test_device(steps)
    results = boot(steps, "demo_timeline", "reset, write reset_method", (plain, patched))
    freed = boot(steps, "demo_freed_page", "a device that stops answering", (plain, patched)) if testdev else []
    bad = []
    for result in results:
        rows, moved = timeline(result)
        print_timeline(result, rows)
        if moved:
            bad.append(f"{result.image.name}: DMA went on while the device was blocked")
    say("\nWriting reset_method, which only asks whether a reset method exists, while DMA runs (scenario 6)")
    (left, base_changes, _), (right, changes, hits) = (probe_rows(r) for r in results)
    side_by_side(left, right)
    if not base_changes:
        bad.append("the unpatched kernel did not touch the stream table: the experiment shows nothing")
    if changes or hits:
        bad.append("the patched kernel interferes with a running device")
    if freed:
        bad += show_story(freed)
    say()
    for result in results + freed:
        note(f"console, output and trace: {relative(result.dir)}")
    if freed:
        note(f"as a picture: {relative(PICTURE)}")
    for line in bad:
        say(f"FAILED: {line}")
    return 1 if bad else 0
