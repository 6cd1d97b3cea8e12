# SPDX-License-Identifier: GPL-2.0
"""What the demo and the host side checks make of a run's files, without a machine."""
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

from kit import demo, picture, vm
from kit.ui import KitError

MS = 1000000

RESULT = """EV {t0} begin bdf=0000:01:00.0 iommu_mode=iommufd methods=flr
EV {t10} dma-running completions=40 interval_us=4000
EV {t20} reset-call completions=42
EV {t40} sample completions={a} phase=during
EV {t60} sample completions={b} phase=during
EV {t130} reset-return err=0 us=110000
EV {t200} dma-again completions=50
EV {t300} probe-begin writes=2 methods=bus
EV {t310} probe-write nr=1 err=0 us=1000 completions=52 delta=2 status=0xf
EV {t320} probe-write nr=2 err=0 us=3000 completions=52 delta=0 status=0x4f
EV {t330} dma-interrupted nr=2 status=0x4f reason=needs-reset
EV {t340} probe-end writes=2 interrupted=1
TR reset_timeline-64 [000] d..... 1.030000: pci_dev_reset_iommu_prepare: (x) arg1=0x1
TR reset_timeline-64 [000] d..... 1.031000: pci_dev_reset_iommu_prepare_ret: (x) ret=0
TR reset_timeline-64 [000] d..... 1.120000: pci_dev_reset_iommu_done: (x) arg1=0x1
TR reset_timeline-64 [000] d..... 1.121000: pci_dev_reset_iommu_done_ret: (x) ret=0
"""
MARK = "pci_cfg_read virtio-rng-pci 01:00.0 @0xff{} -> 0x0"
STE = "smmuv3_cmdq_opcode <--- SMMU_CMD_CFGI_STE"
COMMAND = "pci_cfg_write virtio-rng-pci 01:00.0 @0x4 <- 0x{:x}"
FLR = "pci_cfg_write virtio-rng-pci 01:00.0 @0x48 <- 0x8000"


class Files(unittest.TestCase):
    def setUp(self):
        where = tempfile.TemporaryDirectory(prefix="demo")
        self.addCleanup(where.cleanup)
        self.dir = Path(where.name)

    def result(self, a=43, b=43, drop="", trace=()):
        times = {f"t{n}": 10**9 + n * MS for n in (0, 10, 20, 40, 60, 130, 200, 300, 310, 320, 330, 340)}
        text = RESULT.format(a=a, b=b, **times)
        kept = [line for line in text.splitlines() if not drop or drop not in line]
        (self.dir / "result.log").write_text("\n".join(kept) + "\n")
        (self.dir / "trace.log").write_text("\n".join(trace) + "\n")
        return SimpleNamespace(dir=self.dir)

    def test_timeline_is_in_order_and_blocked(self):
        rows, moved = demo.timeline(self.result())
        self.assertEqual(moved, 0)
        self.assertEqual([ns for ns, _ in rows], sorted(ns for ns, _ in rows))
        text = " / ".join(t for _, t in rows)
        self.assertIn("prepare", text)
        self.assertIn("2 samples, DMA counter stands still at 43", text)
        self.assertIn("110 ms after the call", text)

    def test_timeline_of_a_reset_inside_a_reset_is_that_of_the_outer_one(self):
        result = self.result()
        with open(result.dir / "result.log", "a", encoding="ascii") as log:
            for time, what in (("1.050000", "prepare"), ("1.051000", "prepare_ret"), ("1.125000", "done"),
                               ("1.128000", "done_ret")):
                log.write(f"TR reset_timeline-64 [000] d..... {time}: pci_dev_reset_iommu_{what}: (x) ret=0\n")
        rows, _ = demo.timeline(result)
        self.assertEqual([(ns, text) for ns, text in rows if "reset prepare" in text or "reset done" in text],
                         [(1031000000, "reset prepare: the IOMMU blocks the device (1.0 ms)"),
                          (1128000000, "reset done: the IOMMU lets the device through again (3.0 ms)")])

    def test_timeline_sees_dma_that_goes_on(self):
        rows, moved = demo.timeline(self.result(a=43, b=45))
        self.assertEqual(moved, 2)
        self.assertTrue(any("MOVED by 2" in t for _, t in rows))

    def test_timeline_without_a_kernel_step_is_refused(self):
        for gone in ("pci_dev_reset_iommu_prepare_ret", "pci_dev_reset_iommu_done:", "reset-return", "sample"):
            with self.assertRaises(KitError):
                demo.timeline(self.result(drop=gone))

    def test_probe_counts(self):
        rows, changes, hits = demo.probe_rows(self.result(trace=[STE, MARK.format(1), STE, STE, MARK.format(2)]))
        self.assertEqual((changes, hits), (2, 1))
        self.assertIn(("DMA interrupted by", "1 of them (needs-reset)"), rows)

    def test_probe_without_a_trace_is_refused(self):
        for trace in ([], [MARK.format(1), MARK.format(2)], [STE, MARK.format(1)]):
            with self.assertRaises(KitError):
                demo.probe_rows(self.result(trace=trace))


# The events of testdev_demo, at milliseconds since 1 s, and below the kernel's trace, likewise.
STORY = """
0 begin bdf=0000:00:03.0 interval_us=1000
1 state now={first} reason={none}
10 dma-running writes=20
11 silent writes=21 us=100000
12 unmap-call writes=22
{back} unmap-return err=0 us={took} writes=900
{freed} page-freed writes=900
1071 sample writes=910 freed_writes={writes} refused=3
1150 answered writes=940
1190 reset-call freed_writes={writes} refused={refused}
1300 reset-return err={err} us=110000
1350 dma-again writes={again}
1400 end freed_writes={writes} refused=9
"""
# More of them, with the series
TOLD = """
1073 state now=quarantined reason=atc-timeout
1080 uevent now=quarantined reason=atc-timeout
1310 state now={last} reason=none
1360 uevent now=active reason=none
"""
TRACE = "TR testdev_demo-59 [000] d..1. {}.{:06d}: {}: (x) ret={}"
RESET = ((1191, "pci_dev_reset_iommu_prepare_ret"), (1193, "pci_dev_reset_iommu_prepare_ret"),
         (1290, "pci_dev_reset_iommu_done_ret"), (1295, "pci_dev_reset_iommu_done_ret"))


class Stories(unittest.TestCase):
    """A device that stops answering: what demo makes of runs with the unpatched kernel and with the series."""

    def setUp(self):
        where = tempfile.TemporaryDirectory(prefix="demo")
        self.addCleanup(where.cleanup)
        self.dir = Path(where.name)
        self.said = []
        for name, value in (("say", lambda text="": self.said.append(text)), ("PICTURE", self.dir / "out/demo.svg")):
            self.addCleanup(setattr, demo, name, getattr(demo, name))
            setattr(demo, name, value)

    def result(self, name, text, drop, trace):
        where = Path(tempfile.mkdtemp(dir=self.dir))
        lines = []
        for line in text.split("\n"):
            if line and not (drop and drop in line):
                ms, rest = line.split(" ", 1)
                lines.append(f"EV {1000 + int(ms)}000000 {rest}")
        lines += [TRACE.format(1 + ms // 1000, ms % 1000 * 1000, what, ret) for ms, what, ret in trace]
        (where / "result.log").write_text("\n".join(lines) + "\n")
        return SimpleNamespace(dir=where, image=SimpleNamespace(name=name))

    def plain(self, writes=7, err=0, again=20, drop=None):
        text = STORY.format(first="?", none="?", back=1070, freed=1070, took=1058000, writes=writes, refused=0, err=err,
                            again=again)
        return self.result("plain", text, drop, [(*entry, 0) for entry in RESET[1:3]])

    def patched(self, writes=0, err=0, again=20, last="active", drop=None, shut=110, ret=0):
        text = STORY.format(first="active", none="none", back=114, freed=114, took=102000, writes=writes, refused=200,
                            err=err, again=again) + TOLD.format(last=last)
        return self.result("patched", text, drop,
                           [(shut, "arm_smmu_gate_blame_ret", ret)] + [(*entry, 0) for entry in RESET])

    def judge(self, plain, patched):
        return demo.show_story([plain, patched])

    def test_the_whole_story(self):
        self.assertEqual(self.judge(self.plain(), self.patched()), [])
        plain, patched = "\n".join(self.said).split("\npatched\n")
        steps = ("stops answering", "page is unmapped", "the call returns 0 after 1058 ms", "nobody is told",
                 "7 WRITES TO THE FREED PAGE", "operator resets", "recovered: 20 writes")
        self.assertEqual(sorted(steps, key=plain.index), list(steps))
        steps = ("stops answering", "page is unmapped", "gate at the IOMMU is shut", "the call returns 0",
                 "iommu_recovery/state says: quarantined (atc-timeout)", "uevent: quarantined (atc-timeout)",
                 "not one write has reached the freed page; 200 accesses were refused", "operator resets",
                 "says: active", "recovered: 20 writes", "uevent: active")
        self.assertEqual(sorted(steps, key=patched.index), list(steps))
        self.assertNotIn("WRITES TO THE FREED PAGE", patched)
        self.assertNotIn("nobody is told", patched)

    def test_times_are_those_of_the_events(self):
        self.judge(self.plain(), self.patched())
        said = "\n".join(self.said)
        self.assertIn("    100.0 ms  the gate at the IOMMU is shut", said)
        self.assertRegex(said, r"to its return +1058 ms +102 ms")
        self.assertRegex(said, r"being fenced +not before the reset +98 ms")
        self.assertRegex(said, r"to the uevent +never +1068 ms")

    def test_an_experiment_that_shows_nothing_fails(self):
        self.assertEqual(self.judge(self.plain(writes=0), self.patched()),
                         ["the unpatched kernel let nothing through: the experiment shows nothing"])

    def test_a_series_that_does_not_cure_fails(self):
        self.assertEqual(self.judge(self.plain(), self.patched(writes=6)),
                         ["the series let 6 writes to the freed page through"])

    def test_a_device_that_does_not_recover_fails(self):
        for broken, complaint in (
                ({"last": "quarantined"}, "ends quarantined, not active"), ({"again": 0}, "DMA does not work again"),
                ({"err": 110}, "reset failed with 110"), ({"drop": "1310 state"}, "ends quarantined, not active"),
                ({"drop": "state now=q"}, "never quarantined"), ({"drop": "uevent now=q"}, "no uevent"),
                ({"drop": "state"}, "ends without a state")):
            with self.subTest(broken):
                bad = self.judge(self.plain(), self.patched(**broken))
                self.assertIn(complaint, " / ".join(bad))

    def test_a_fence_that_comes_late_or_not_at_all_fails(self):
        for late in ({"shut": 120}, {"ret": -110}, {"shut": 5}):
            with self.subTest(late):
                self.assertEqual(self.judge(self.plain(), self.patched(**late)),
                                 ["with the series the unmap returned before the device was fenced"])

    def test_the_unpatched_kernel_may_end_as_it_likes(self):
        self.assertEqual(self.judge(self.plain(err=25, again=0), self.patched()), [])
        said = "\n".join(self.said)
        self.assertIn("the call returns 25", said)
        self.assertIn("no write reaches another page", said)
        self.assertRegex(said, r"to DMA of another page +never +1338 ms")

    def test_a_run_without_an_event_or_samples_is_refused(self):
        for gone in ("sample", "unmap-return", "reset-call", "dma-again", "end "):
            self.assertRaises(KitError, demo.show_story, [self.plain(drop=gone), self.patched()])

    def test_the_picture_has_both_lanes(self):
        self.judge(self.plain(), self.patched())
        root = ET.fromstring(demo.PICTURE.read_text(encoding="utf-8"))
        texts = [e.text for e in root.iter(f"{picture.SVG}text")]
        for text in ("unpatched kernel (plain)", "kernel with the series (patched)", "7 writes", "200 refused",
                     "gate shut: 100.0 ms", "quarantined: 1063.0 ms", "uevent quarantined: 1070.0 ms", "fenced"):
            self.assertIn(text, texts)
        for text, times in (("ATC stops answering", 2), ("unmap returns", 2), ("reset: ", 2), ("recovered", 2),
                            ("gate shut", 1), ("nobody is told", 1)):
            self.assertEqual(sum(text in t for t in texts), times, text)
        self.assertIn("writes to the freed page: 7;", root.find(f"{picture.SVG}desc").text)

    def test_a_failed_run_has_a_picture_too(self):
        self.judge(self.plain(writes=0), self.patched(writes=6, again=0, err=5, last="quarantined"))
        texts = [e.text for e in ET.fromstring(demo.PICTURE.read_text()).iter(f"{picture.SVG}text")]
        self.assertEqual([t for t in texts if "recovered" in t and "1" in t], ["recovered: 1340.0 ms"])


class HostChecks(unittest.TestCase):
    def setUp(self):
        self.checks = vm.host_checks()

    def test_no_ste_write(self):
        check = self.checks.check_no_ste_write
        self.assertIsNone(check([STE, MARK.format(1), MARK.format(2), STE]))
        self.assertIn("1 CFGI_STE", check([STE, MARK.format(1), STE, MARK.format(2)]))
        self.assertIn("marks", check([STE, MARK.format(2), MARK.format(1)]))
        self.assertIn("no CFGI_STE at all", check([MARK.format(1), MARK.format(2)]))

    def test_no_ste_write_in_the_log_of_the_test_device(self):
        check = self.checks.check_testdev_no_ste_write
        mark = "smmutd_reg sid=0x100 reg=0x1f8 val=0x{}"
        ste = "smmutd_cmd SMMU_CMD_CFGI_STE sid=0x100 w0=0x00000003 w2=0x00000001 w3=0x00000000"
        self.assertIsNone(check([ste, mark.format(1), mark.format(2), ste]))
        self.assertIn("2 CFGI_STE", check([ste, mark.format(1), ste, ste, mark.format(2)]))
        self.assertIn("marks", check([ste, mark.format(1)]))
        self.assertIn("no CFGI_STE at all", check([mark.format(1), mark.format(2)]))

    def test_ats_that_stays_off(self):
        check = self.checks.check_testdev_ats_stays_off
        mark = "smmutd_reg sid=0x20 reg=0x1f8 val=0x{}"
        reset = "smmutd_reset sid=0x20 flags=0x1 ready_ms=4294967295"
        ats = "smmutd_config sid=0x20 addr=0x106 val=0x{} len=2 dead=1"
        self.assertIsNone(check([mark.format(1), ats.format(8000), reset, ats.format(0), mark.format(2)]))
        self.assertIn("1 times", check([mark.format(1), reset, ats.format(8000), mark.format(2)]))
        self.assertIn("marks", check([mark.format(1), ats.format(0), mark.format(2)]))
        event = "smmutd_event sid=0x20 type=0x10"
        self.assertIsNone(check([mark.format(1), event, reset, mark.format(2), event]))
        self.assertIn("1 accesses", check([mark.format(1), reset, event, mark.format(2)]))

    def test_one_fence(self):
        check = self.checks.check_testdev_one_fence
        mark = "smmutd_reg sid=0x20 reg=0x1f8 val=0x{}"
        ste = "smmutd_cmd SMMU_CMD_CFGI_STE sid=0x{} w0=0x00000003 w2=0x00000001 w3=0x00000000"

        def log(*counts, other=0):
            lines = [ste.format(20)]
            for number, count in enumerate(counts, 1):
                lines += [ste.format(20)] * count + [ste.format(28)] * other + [mark.format(number)]
            return lines

        self.assertIsNone(check(log(0, 2, 1, 5, 2, 0, 1)))
        self.assertIsNone(check(log(0, 2, 1, 5, 2, 0, 1, other=1)))
        self.assertIn("2 + 1 + 1 times", check(log(0, 2, 1, 5, 2, 1, 1)))
        self.assertIn("2 + 0 + 0 times", check(log(0, 2, 1, 5, 2, 0, 0)))
        self.assertIn("recorded", check(log(0, 0, 1, 0, 0, 0, 1)))
        self.assertIn("marks", check(log(0, 2, 1)))
        self.assertIn("none", check([]))

    def test_others_untouched(self):
        check = self.checks.check_testdev_others_untouched
        mark = "smmutd_reg sid=0x{} reg=0x1f8 val=0x{}"
        ste = "smmutd_cmd SMMU_CMD_CFGI_STE sid=0x{} w0=0x00000003 w2=0x00000001 w3=0x00000000"
        begin = [mark.format(21, 1), ste.format(22), mark.format(22, 1)]
        end = [mark.format(21, 2), ste.format(21), mark.format(22, 2)]
        self.assertIsNone(check(begin + [ste.format(20)] + end))
        self.assertIn("1 times", check(begin + [ste.format(20), ste.format(22)] + end))
        self.assertIn("recorded", check(begin + end))
        self.assertIn("marks", check(begin))
        self.assertIn("none", check([ste.format(20)]))

    def test_refusals_are_silent(self):
        check = self.checks.check_testdev_refusals_are_silent
        mark = "smmutd_reg sid=0x20 reg=0x1f8 val=0x{}"
        cmd = "smmutd_cmd SMMU_CMD_{} sid=0x20 w0=0x00000003 w2=0x00000001 w3=0x00000000"
        one, refused, done = (mark.format(n) for n in (1, 2, 3))
        good = [one, cmd.format("CFGI_CD"), done, cmd.format("CFGI_STE"), one, cmd.format("TLBI_NH_ASID"), refused]
        self.assertIsNone(check(good))
        for name in ("CFGI_STE", "CFGI_CD", "CFGI_CD_ALL", "ATC_INV"):
            self.assertIn(f"1 of 2 refusals told the SMMU something (the first one: 1 {name})",
                          check([*good, one, cmd.format(name), refused]))
        self.assertIn("recorded", check(good[:3]))
        self.assertIn("recorded", check([one, done, one, refused]))
        self.assertIn("recorded", check([*good, one]))
        self.assertIn("a mark 1 after a mark 1", check([one, *good]))
        self.assertIn("a mark 2 after a mark 3", check([one, done, refused]))
        self.assertIn("recorded", check([]))

    def test_fenced_flr(self):
        reset = [COMMAND.format(6), COMMAND.format(0x400), STE, FLR, STE]
        self.assertIsNone(self.checks.check_flr_is_fenced(reset * 2))

    def test_flr_that_is_not_fenced(self):
        for missing in (2, 4):
            reset = [COMMAND.format(6), COMMAND.format(0x400), STE, FLR, STE]
            del reset[missing]
            self.assertIn("1 of 1 FLRs were not fenced", self.checks.check_flr_is_fenced(reset))

    def test_change_before_bus_master_is_taken_away_does_not_count(self):
        trace = [COMMAND.format(6), STE, COMMAND.format(0x400), FLR, STE]
        self.assertIn("not fenced", self.checks.check_flr_is_fenced(trace))

    def test_flr_of_a_function_without_bus_master_is_not_judged(self):
        self.assertIn("no FLR of a bus master", self.checks.check_flr_is_fenced([COMMAND.format(0), FLR]))
