# SPDX-License-Identifier: GPL-2.0
"""The second half of make demo: a device stops answering, told in lines and as a picture.

What happened is in the events of tests/guest/testdev_demo.c and in the kernel's trace beside them.
"""
from dataclasses import dataclass, field

from . import events, picture, vm
from .events import first, last, need
from .ui import KitError, relative

QUARANTINED, ACTIVE = "quarantined", "active"


@dataclass
class Story:
    """One kernel's; times are nanoseconds of CLOCK_MONOTONIC."""

    name: str
    at: dict                                      # event of testdev_demo -> its first one
    freed: int                                    # writes to the freed page that the device's oracle saw, in all
    refused: int                                  # accesses that the IOMMU has not let through, until the reset
    shut: int = None                              # since when nothing of the device gets through the IOMMU
    opened: int = None                            # the end of that
    states: list = field(default_factory=list)    # what iommu_recovery/state said, as it changed
    uevents: list = field(default_factory=list)

    @property
    def begin(self):
        return self.at["dma-running"].ns

    @property
    def watched(self):
        """The kernel says what state a device is in."""
        return any(e.values["now"] != "?" for e in self.states)

    @property
    def gate_shut(self):
        """Shut by the kernel itself, and not only for the reset."""
        return self.shut is not None and self.shut < self.at["reset-call"].ns

    def ms(self, ns):
        return (ns - self.begin) / 1e6

    def value(self, event, key):
        return int(self.at[event].values[key])

    @property
    def quarantine(self):
        return quarantine_in(self.states)

    @property
    def uevent(self):
        return quarantine_in(self.uevents)


def quarantine_in(entries):
    return next((e for e in entries if e.values["now"] == QUARANTINED), None)


NEEDED = ("dma-running", "silent", "unmap-call", "unmap-return", "page-freed", "answered", "reset-call", "reset-return",
          "dma-again", "end")


def read(result):
    text = vm.read(result.dir / "result.log")
    user, kernel = events.user(text), events.kernel(text)
    at = {name: need(user, name, result.dir) for name in NEEDED}
    call, back = at["reset-call"].ns, at["reset-return"].ns
    if not any(e.name == "sample" and at["page-freed"].ns <= e.ns <= call for e in user):
        raise KitError("no sample was taken of the freed page", f"see {relative(result.dir)}")
    story = Story(result.image.name, at, int(at["end"].values["freed_writes"]),
                  int(at["reset-call"].values["refused"]))
    story.states = [e for e in user if e.name == "state"]
    story.uevents = [e for e in user if e.name == "uevent"]
    # A reset is nested: the first one of its preparations fences the device, the end of the last one lets it out.
    inside = [e for e in kernel if call <= e.ns <= back]
    prepared = first(inside, "pci_dev_reset_iommu_prepare_ret")
    blamed = next((e for e in kernel if e.name == "arm_smmu_gate_blame_ret" and e.values.get("ret") == "0"
                   and at["unmap-call"].ns <= e.ns <= call), None)
    done = last(inside, "pci_dev_reset_iommu_done_ret")
    story.shut = (blamed or prepared).ns if blamed or prepared else None
    story.opened = done.ns if done else None
    return story


def rows(story):
    """[(ns, text)]; of those with the same time the first stays the first."""
    at, value = story.at, story.value
    before = value("reset-call", "freed_writes")
    out = [(at["dma-running"].ns, f"the device writes to a page through its ATC: {value('dma-running', 'writes')} "
            "writes"),
           (at["silent"].ns, "its ATC stops answering invalidations: each will fail after "
            f"{value('silent', 'us') / 1000:.0f} ms"),
           (at["unmap-call"].ns, "the page is unmapped ..."),
           (at["unmap-return"].ns, f"... and the call returns {value('unmap-return', 'err')} after "
            f"{value('unmap-return', 'us') / 1000:.0f} ms: from here on the page may be somebody else's")]
    if story.gate_shut:
        out.append((story.shut, "the gate at the IOMMU is shut: nothing of the device reaches memory"))
    out += [(e.ns, f"iommu_recovery/state says: {told(e)}") for e in story.states
            if e.values["now"] != "?" and e.ns > story.begin]
    out += [(e.ns, f"user space has a uevent: {told(e)}") for e in story.uevents]
    if not story.watched:
        out.append((at["answered"].ns, "nobody is told: there is no state of the device, and no uevent"))
    out += [(at["answered"].ns, "the ATC answers again; what it has missed is not repeated"),
            (at["reset-call"].ns, f"until now the oracle has counted {before} WRITES TO THE FREED PAGE"
             if before else "until now not one write has reached the freed page"
             + (f"; {story.refused} accesses were refused" if story.refused else "")),
            (at["reset-call"].ns, "the operator resets the device (VFIO_DEVICE_RESET) ..."),
            (at["reset-return"].ns, f"... and the call returns {value('reset-return', 'err')} after "
             f"{value('reset-return', 'us') / 1000:.0f} ms"),
            (at["dma-again"].ns, f"recovered: {value('dma-again', 'writes')} writes have reached another page through "
             "the ATC" if works_again(story) else "no write reaches another page")]
    return sorted(out, key=lambda row: row[0])


def told(event):
    reason = event.values["reason"]
    return event.values["now"] + (f" ({reason})" if reason != "none" else "")


def summary(story):
    """[(label, value)]"""
    call = story.at["unmap-call"].ns

    def after(ns):
        return f"{(ns - call) / 1e6:.0f} ms"

    return [("from the call of unmap to its return", f"{story.value('unmap-return', 'us') / 1000:.0f} ms"),
            ("... to the device being fenced", after(story.shut) if story.gate_shut else "not before the reset"),
            ("... to the state \"quarantined\"", after(story.quarantine.ns) if story.quarantine else "never"),
            ("... to the uevent", after(story.uevent.ns) if story.uevent else "never"),
            ("... to the return of the reset", after(story.at["reset-return"].ns)),
            ("... to DMA of another page", after(story.at["dma-again"].ns) if works_again(story) else "never"),
            ("writes to the freed page", str(story.freed))]


def works_again(story):
    return not story.value("reset-return", "err") and story.value("dma-again", "writes") > 0


def complaints(plain, patched):
    """What of the story is not as it should be, in sentences."""
    bad = [] if plain.freed else ["the unpatched kernel let nothing through: the experiment shows nothing"]
    if patched.freed:
        bad.append(f"the series let {patched.freed} writes to the freed page through")
    if not patched.gate_shut or patched.shut > patched.at["unmap-return"].ns:
        bad.append("with the series the unmap returned before the device was fenced")
    if not patched.quarantine:
        bad.append("with the series the state was never quarantined")
    if not patched.uevent:
        bad.append("with the series no uevent spoke of the quarantine")
    if patched.value("reset-return", "err"):
        bad.append(f"with the series the reset failed with {patched.value('reset-return', 'err')}")
    ends = patched.states[-1].values["now"] if patched.watched else "without a state"
    if ends != ACTIVE:
        bad.append(f"with the series the device ends {ends}, not {ACTIVE}")
    if not patched.value("dma-again", "writes"):
        bad.append("with the series the device's DMA does not work again after the reset")
    return bad


# Colours that differ in lightness as well.
LIVE, FREED, REFUSED, CALL, FENCED, OPEN = "#7fc97f", "#fc6a5d", "#9a9a9a", "#a6cee3", "#fdae61", "#e6f2e6"
LEGEND = [(LIVE, "writes to a page that is mapped"), (FREED, "writes to the freed page"),
          (REFUSED, "accesses that are refused"), (CALL, "call into the kernel"),
          (FENCED, "fenced, quarantined")]
TITLE = "A passed-through device stops answering while a page is unmapped"


def draw(stories):
    """The picture, as the text of an SVG file."""
    desc = " ".join(f"{s.name}: the unmap returns after {s.value('unmap-return', 'us') / 1000:.0f} ms; writes to the "
                    f"freed page: {s.freed}; "
                    + ("quarantined, then " if s.quarantine else "")
                    + ("recovered by a reset." if works_again(s) else "not recovered.") for s in stories)
    titles = (f"{which} ({s.name})" for which, s in zip(("unpatched kernel", "kernel with the series"), stories))
    lanes = [lane(s, title) for s, title in zip(stories, titles)]
    return picture.timeline(TITLE, desc, lanes, LEGEND)


def lane(story, title):
    at, ms = story.at, story.ms

    def bar(begin, end, fill, text):
        return picture.Bar(ms(begin), ms(end), fill, text)

    end = at["end"].ns
    call, back = at["unmap-call"].ns, at["unmap-return"].ns
    reset, done = at["reset-call"].ns, at["reset-return"].ns
    live = min(story.shut, back) if story.gate_shut else back
    dma = [bar(story.begin, live, LIVE, "writes to the page")]
    if story.refused:
        dma.append(bar(live, reset, REFUSED, f"{story.refused} refused"))
    if story.freed:
        dma.append(bar(back, max(back, story.shut or reset), FREED, f"{story.freed} writes"))
    if story.value("dma-again", "writes"):
        dma.append(bar(done, end, LIVE, "another page"))
    calls = [bar(call, back, CALL, "unmap"), bar(reset, done, CALL, "reset")]
    gate = [bar(story.begin, story.shut or end, OPEN, "open")]
    if story.shut:
        gate += [bar(story.shut, story.opened or end, FENCED, "fenced")]
    if story.shut and story.opened:
        gate.append(bar(story.opened, end, OPEN, "open"))
    tracks = [("device's DMA", dma), ("kernel calls", calls), ("IOMMU", gate), ("state", states(story, bar, end))]
    return picture.Lane(title, tracks, marks(story))


def states(story, bar, end):
    if not story.watched:
        return [bar(story.begin, end, "#f4f4f4", "no file says it, no uevent is sent: nobody is told")]
    ends = [e.ns for e in story.states[1:]] + [end]
    return [bar(max(e.ns, story.begin), until, FENCED if e.values["now"] == QUARANTINED else OPEN, told(e))
            for e, until in zip(story.states, ends)]


def marks(story):
    at = story.at
    out = [(at["silent"].ns, "ATC stops answering"), (at["unmap-return"].ns, "unmap returns"),
           (at["answered"].ns, "ATC answers again"), (at["reset-call"].ns, "reset")]
    if story.gate_shut:
        out.append((story.shut, "gate shut"))
    out += [(e.ns, e.values["now"]) for e in story.states
            if e.values["now"] == QUARANTINED or (e.values["now"] == ACTIVE and e.ns > story.begin)]
    out += [(e.ns, f"uevent {e.values['now']}") for e in story.uevents]
    if works_again(story):
        out.append((at["dma-again"].ns, "recovered"))
    return [picture.Mark(story.ms(ns), f"{text}: {story.ms(ns):.1f} ms") for ns, text in sorted(out)]
