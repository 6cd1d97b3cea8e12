# SPDX-License-Identifier: GPL-2.0
"""The splat scanner against the lines that a 7.x kernel prints (lib/bug.c, kernel/panic.c, lockdep.c, ...)."""
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from kit import kbuild, paths, races, splat
from kit.ui import KitError

CUT = "[    1.1] ------------[ cut here ]------------"
END = "[    1.2] ---[ end trace 0000000000000000 ]---"
RULE = "[    1.1] " + "=" * 66

# (name of the pattern, a line of this kernel)
SPLATS = [
    ("warning", "WARNING: drivers/iommu/iommu.c:4062 at pci_dev_reset_iommu_done+0x1c/0x2a4, CPU#1: sh/101"),
    ("warning", "WARNING: drivers/iommu/iommu.c:12 at foo+0x0/0x8 [iommu_test], CPU#0: kworker/u8:2/33"),
    # Without DEBUG_BUGVERBOSE.
    ("warning", "WARNING: at pci_dev_reset_iommu_done+0x1c/0x2a4, CPU#1: sh/101"),
    ("warning", "WARNING: chain_key collision"),
    ("warning", "WARNING: Nested lock was not taken"),
    ("warning", "WARNING: sh/101 still has locks held!"),
    ("warning", "WARNING: bad contention detected!"),
    ("lockdep", "WARNING: possible recursive locking detected"),
    ("lockdep", "WARNING: possible circular locking dependency detected"),
    ("lockdep", "WARNING: inconsistent lock state"),
    ("lockdep", "WARNING: suspicious RCU usage"),
    ("lockdep", "WARNING: bad unlock balance detected!"),
    ("lockdep", "WARNING: held lock freed!"),
    ("lockdep", "WARNING: lock held when returning to user space!"),
    ("lockdep", "WARNING: possible irq lock inversion dependency detected"),
    ("lockdep", "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected"),
    ("lockdep", "[ BUG: Invalid wait context ]"),
    ("lockdep", "INFO: trying to register non-static key."),
    ("lockdep", "BUG: MAX_LOCKDEP_CHAINS too low!"),
    ("lockdep", "BUG: MAX_LOCK_DEPTH too low!"),
    ("bug", "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!"),
    ("bug", "BUG: Bad page state in process sh  pfn:4a5f3"),
    ("bug", "BUG: KFENCE: use-after-free read in arm_smmu_handle_event+0x10/0x90"),
    ("bug", "kernel BUG at drivers/iommu/iommu.c:99!"),
    ("bug", "kernel BUG at iommu_put+0x10/0x20 [verbose debug info unavailable]"),
    ("oops", "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010"),
    ("oops", "Unable to handle kernel paging request at virtual address dfff800000000002"),
    ("oops", "Internal error: Oops: 0000000096000004 [#1]  SMP"),
    ("oops", "Internal error: Oops - BUG: 00000000f2000800 [#1]  SMP"),
    ("oops", "Internal error: Oops - Undefined instruction: 0000000002000000 [#1]  SMP"),
    # A PCI access that is aborted: no "Oops" in this one.
    ("oops", "Internal error: synchronous external abort: 0000000096000010 [#1]  SMP"),
    ("oops", "Internal error: SP/PC alignment exception: 000000008a000000 [#1]  SMP"),
    ("panic", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"),
    ("panic", "Kernel panic - not syncing: Asynchronous SError Interrupt"),
    ("atomic-sleep", "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:591"),
    ("atomic-sleep", "BUG: scheduling while atomic: sh/101/0x00000002"),
    ("kasan", "BUG: KASAN: slab-use-after-free in arm_smmu_handle_event+0x10/0x90"),
    ("kasan", "BUG: KASAN: null-ptr-deref in iopf_queue_add_device+0x58/0x2a0"),
    ("kcsan", "BUG: KCSAN: data-race in a / b"),
    ("ubsan", "UBSAN: array-index-out-of-bounds in drivers/iommu/iommu.c:3:4"),
    ("kmemleak", "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"),
    ("kmemleak", "kmemleak: Kernel memory leak detector disabled"),
    ("debug-objects", "ODEBUG: free active (active state 0) object: 00000000a8d2f4b1 object type: work_struct hint: "
                      "evt_work+0x0/0x10"),
    ("debug-objects", "ODEBUG: Out of memory. ODEBUG disabled"),
    ("list", "list_del corruption. prev->next should be ffff000003a5c010, but was 0000000000000000. (prev=ffff0)"),
    ("list", "list_add corruption. next is NULL."),
    ("list", "list_del corruption, ffff000003a5c010->next is LIST_POISON1 (dead000000000100)"),
    ("list", "list_add double add: new=ffff000003a5c010, prev=ffff000003a5c010, next=ffff000003a5c020."),
    ("refcount", "refcount_t: underflow; use-after-free."),
    ("refcount", "refcount_t: addition on 0; use-after-free."),
    ("rcu", "rcu: INFO: rcu_preempt self-detected stall on CPU"),
    ("rcu", "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:"),
    ("rcu", "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 21 jiffies s: 57 root: 0x2/."),
    ("rcu", "rcu: rcu_preempt kthread starved for 5250 jiffies! g-1127 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=1"),
    ("rcu", "rcu: rcu_sched kthread timer wakeup didn't happen for 2099 jiffies! g-1127 f0x0"),
    ("rcu", "INFO: rcu_tasks detected stalls on tasks:"),
    ("hung-task", "INFO: task kworker/1:1:37 blocked for more than 120 seconds."),
    ("hung-task", "INFO: task sh:101 blocked in I/O wait for more than 120 seconds."),
    ("lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:101]"),
    ("lockup", "watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 0"),
    ("slab", "BUG kmalloc-64 (Not tainted): Poison overwritten"),
    ("slab", "BUG task_struct (Tainted: G    B   W          ): Objects remaining on __kmem_cache_shutdown()"),
    ("memory", "sh: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO)"),
    ("memory", "Out of memory: Killed process 101 (sh) total-vm:3000kB, anon-rss:100kB"),
    ("stack", "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: foo+0x10/0x20"),
    ("stack", "Kernel panic - not syncing: corrupted stack end detected inside scheduler"),
]

BENIGN = [
    "Warning: unable to open an initial console.",
    "BUGS",
    "Bug report: see the MAINTAINERS file",
    "arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:",
    "arm-smmu-v3 arm-smmu-v3.0.auto: \t0x0000010000000010",
    "arm-smmu-v3 arm-smmu-v3.0.auto: ias 44-bit, oas 44-bit (features 0x00008305)",
    "arm-smmu-v3 arm-smmu-v3.0.auto: ATC invalidate timeout",
    "arm-smmu-v3 arm-smmu-v3.0.auto: CMDQ error (cons 0x02000007): ATC invalidate timeout",
    "clocksource: arch_sys_counter: mask: 0x1ffffffffffffff max_cycles: 0x1cd42e208c, max_idle_ns: 881590405314 ns",
    "clocksource: Long readout interval, skipping watchdog check: cs_nsec: 1 wd_nsec: 2",
    "debug: skip boot console de-registration.",
    "DEBUG: registered",
    "Kernel command line: console=ttyAMA0 panic=-1 oops=panic loglevel=8 warning=all -- planted_warn",
    "Unknown kernel command line parameters \"warning=all\", will be passed to user space.",
    "rcu: Preemptible hierarchical RCU implementation.",
    "rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.",
    "rcu: \tRCU restricting CPUs from NR_CPUS=8 to nr_cpu_ids=2.",
    "kmemleak: Kernel memory leak detector initialized (mem pool available: 15834)",
    "kmemleak: Automatic memory scanning thread started",
    "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
    "... MAX_LOCK_DEPTH:          48",
    "... MAX_LOCKDEP_KEYS:        8192",
    "kasan: KernelAddressSanitizer initialized (generic)",
    "printk: legacy console [ttyAMA0] enabled",
    "iommu: Default domain type: Translated",
    "vfio-pci 0000:01:00.0: resetting",
    "pci 0000:01:00.0: not ready 1023ms after FLR; waiting",
    "workqueue: round-robin CPU selection forced, expect performance impact",
    "workqueue: free_obj_work hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
    "process '/bin/busybox' started with executable stack",
    "    # iommu_warning_test: pass:3 fail:0 skip:0 total:3",
    "ok 1 - WARN_ON in a test's name",
    "init: planted_warn ended with status 0",
    "Oops counter is 0",
]


def stamped(lines):
    return [f"[{n:5d}.000001] {line}" for n, line in enumerate(lines)]


def found(lines, expected=(), known=()):
    return [hit.line for hit in splat.scan(lines, expected, list(known))[0]]


class Patterns(unittest.TestCase):
    def test_every_splat_of_this_kernel_is_seen(self):
        missed = [line for _, line in SPLATS if not found(stamped([line]))]
        self.assertEqual(missed, [])

    def test_a_prefix_of_printk_caller_does_not_hide_it(self):
        missed = [line for _, line in SPLATS if not found([f"[    1.234567][  T101] {line}"])]
        self.assertEqual(missed, [])

    def test_no_pattern_is_dead(self):
        lines = [line for _, line in SPLATS]
        dead = [f"{name}: {regex.pattern}" for name, regex in splat.patterns()
                if not any(regex.search(line) for line in lines)]
        self.assertEqual(dead, [], "no line of this kernel matches")

    def test_no_alternative_is_dead(self):
        lines = [line for _, line in SPLATS]
        dead = []
        for name, regex in splat.patterns():
            inner = re.fullmatch(r"\((.*)\)", regex.pattern)
            for part in re.split(r"\|(?![^(]*\))", inner.group(1) if inner else regex.pattern):
                if not any(re.search(part, line) for line in lines) and part != "unable to":
                    dead.append(f"{name}: {part}")
        self.assertEqual(dead, [])

    def test_every_name_of_the_table_is_tried_here(self):
        self.assertEqual({name for name, _ in splat.patterns()} - {name for name, _ in SPLATS}, set())

    def test_benign_lines(self):
        self.assertEqual(found(stamped(BENIGN)), [])

    def test_position_and_line(self):
        hit = splat.scan(["a", "[ 1.0] BUG: Bad page state in process sh  pfn:4a5f3"], (), [])[0][0]
        self.assertEqual(hit.number, 1)
        self.assertIn("line 2 of the console log", str(hit))


WARN = [CUT, "[    1.1] WARNING: drivers/iommu/iommu.c:4062 at one+0x1c/0x2a4, CPU#1: sh/101",
        "[    1.1] Modules linked in:", "[    1.1] Call trace:", "[    1.1]  one+0x1c/0x2a4 (P)", END]
OTHER = [CUT, "[    2.1] WARNING: drivers/iommu/iommu.c:5000 at two+0x1c/0x2a4, CPU#1: sh/101", END]
KASAN = [RULE, "[    3.1] BUG: KASAN: slab-use-after-free in three+0x10/0x90",
         "[    3.1] Read of size 8 at addr ffff000003a5c010 by task sh/101", "[    3.1] Call trace:", RULE]
OOPS = "[    4.1] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010"
PANIC = "[    4.2] Kernel panic - not syncing: Oops: Fatal exception"
SLEEP = ["[    5.1] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:591",
         "[    5.1] in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 101, name: sh", "[    5.1] Call trace:",
         "[    5.1]  show_stack+0x18/0x24 (C)"]


class Excused(unittest.TestCase):
    def test_an_expected_splat_is_excused(self):
        self.assertEqual(splat.scan(WARN, [r"one\+"], []), ([], []))

    def test_what_its_trace_quotes_is_excused(self):
        lines = WARN[:3] + ["[    1.1] BUG: quoted"] + WARN[3:]
        self.assertEqual(found(lines, [r"one\+"]), [])

    def test_a_second_splat_after_it_is_found(self):
        for second in (OTHER, KASAN, [OOPS], [PANIC], SLEEP):
            self.assertEqual(len(found(WARN + second, [r"one\+"])), 1, second)

    def test_a_second_splat_after_one_without_an_end_mark_is_found(self):
        for second in (OTHER, KASAN, [OOPS], [PANIC]):
            self.assertEqual(len(found(SLEEP + second, ["sleeping function"])), 1, second)

    def test_a_panic_after_an_expected_oops_is_found(self):
        self.assertEqual(found([OOPS, "[    4.1] Internal error: Oops: 0000000096000004 [#1]  SMP", END, PANIC],
                               ["NULL pointer"]), [PANIC])

    def test_a_second_one_that_begins_before_the_first_has_ended(self):
        self.assertEqual(len(found(WARN[:4] + OTHER, [r"one\+"])), 1)

    def test_the_same_splat_twice_is_excused_twice(self):
        self.assertEqual(found(WARN + WARN, [r"one\+"]), [])

    def test_a_splat_before_the_expected_one_is_found(self):
        self.assertEqual(len(found(OTHER + WARN, [r"one\+"])), 1)

    def test_a_splat_may_be_named_by_the_lines_that_follow(self):
        lines = ["[    1.1] WARNING: possible circular locking dependency detected", "[    1.1] 7.3.4 #1 Not tainted",
                 "[    1.1] irq/18-pciehp/34 is trying to acquire lock:"]
        named = r"possible circular locking dependency detected[\s\S]{1,99}pciehp/\d+ is trying"
        self.assertEqual(splat.scan(lines, [named]), ([], []))
        other = [line.replace("pciehp", "smmu") for line in lines]
        found, unseen = splat.scan(other, [named])
        self.assertEqual((len(found), unseen), (1, [named]))
        # What is said later in the log does not make another splat the expected one.
        found, _ = splat.scan([*other, *["[    2.0] quiet"] * 99, *lines], [named])
        self.assertEqual(len(found), 1)

    def test_an_expected_splat_that_does_not_come(self):
        self.assertEqual(splat.scan(OTHER[:0] + ["quiet"], [r"one\+"], []), ([], [r"one\+"]))

    def test_a_benign_line_is_not_the_expected_splat(self):
        self.assertEqual(splat.scan([r"init: one+ is coming"], [r"one\+"], [])[1], [r"one\+"])

    def test_expected_kasan_report_ends_with_its_rule(self):
        self.assertEqual(len(found(KASAN + [OOPS], ["KASAN: slab-use-after-free"])), 1)

    def test_an_exception_excuses_its_lines_only(self):
        known = [re.compile(r"two\+")]
        self.assertEqual(found(OTHER, known=known), [])
        self.assertEqual(len(found(OTHER + WARN, known=known)), 1)

    def test_excerpt_ends_with_the_trace(self):
        hit = splat.scan(WARN + OTHER, (), [])[0][0]
        self.assertEqual(splat.excerpt(WARN + OTHER, hit), WARN[1:])


def stack(*names):
    return [f"[    6.1]  {name}+0x40/0x90" if " " not in name else
            "[    6.1]  {}+0x40/0x90 [{}]".format(*name.split()) for name in names]


def race(one, other, first="write", what="data-race"):
    """A KCSAN report of two stacks; with none for @one, of a race whose other side is not known."""
    lines = [RULE, f"[    6.1] BUG: KCSAN: {what} in {one[0].split()[0]} / {other[0].split()[0]}" if one else
             f"[    6.1] BUG: KCSAN: {what} in {other[0]}+0x40/0x90", "[    6.1] "]
    if one:
        lines += [f"[    6.1] {first} to 0xffff0000058a7018 of 8 bytes by interrupt on cpu 1:", *stack(*one),
                  "[    6.1] "]
    lines += ["[    6.1] " + ("" if one else "race at unknown origin, with ")
              + "read (marked) to 0xffff0000058a7018 of 8 bytes by task 101 on cpu 0:", *stack(*other)]
    return lines + ["[    6.1] ", "[    6.1] value changed: 0x0000000000000000 -> 0x0000000000000001", "[    6.1] ",
                    "[    6.1] Reported by Kernel Concurrency Sanitizer on:",
                    "[    6.1] CPU: 0 UID: 0 PID: 101 Comm: sh Not tainted 7.3.4 #1", RULE]


# The files of each function, the innermost inlined one first.
SOURCES = {"iommu_fence": ["drivers/iommu/iommu.c"], "reset_store": ["drivers/pci/pci.c"],
           "close": ["drivers/vfio/main.c"],
           "list_user": ["include/linux/list.h", "drivers/iommu/iommu.c"], "rb_insert": ["lib/rbtree.c"],
           "kfree": ["mm/slub.c"], "tick": ["kernel/time/tick-sched.c"], "wake": ["kernel/sched/core.c"],
           "plant": ["kernel/kcsan/kcsan_test.c"], "memcpy": [],
           "tick_list": ["include/linux/list.h", "kernel/time/timer.c"]}


class Owners(unittest.TestCase):
    """Whose a race is: the function's that made the access, or the caller's of a helper that made it."""

    def ours(self, one, other, **how):
        report = race(one, other, **how)
        frames = {frame for frames in races.sides(report) for frame in frames}
        self.assertEqual(len(races.sides(report)), 2 if one else 1)
        return races.ours(report, {frame: SOURCES.get(frame[0], []) for frame in frames})

    def test_of_either_side(self):
        for mine in ("iommu_fence", "reset_store", "close", "plant"):
            self.assertTrue(self.ours([mine], ["tick"]), mine)
            self.assertTrue(self.ours(["tick"], [mine]), mine)
        self.assertFalse(self.ours(["tick"], ["wake"]))

    def test_what_our_code_calls_is_not_ours(self):
        self.assertFalse(self.ours(["wake", "iommu_fence"], ["tick", "reset_store"]))
        self.assertFalse(self.ours(["tick_list", "reset_store"], ["wake"]))

    def test_a_helper_is_its_callers(self):
        for helpers in (["rb_insert"], ["memcpy"], ["kfree"], ["memcpy", "rb_insert"]):
            self.assertTrue(self.ours([*helpers, "iommu_fence", "tick"], ["wake"]), helpers)
            self.assertFalse(self.ours([*helpers, "tick", "iommu_fence"], ["wake"]), helpers)
        self.assertTrue(self.ours(["list_user"], ["wake"]))

    def test_a_side_that_is_not_known(self):
        self.assertTrue(self.ours([], ["iommu_fence"]))
        self.assertFalse(self.ours([], ["wake", "iommu_fence"]))

    def test_a_module_is_ours(self):
        self.assertTrue(self.ours(["smtd_ioctl smmu_testdev", "tick"], ["wake"]))
        self.assertTrue(self.ours(["memcpy", "smtd_ioctl smmu_testdev", "tick"], ["wake"]))

    def test_other_kinds_of_access(self):
        self.assertTrue(self.ours(["iommu_fence"], ["wake"], first="assert no writes", what="assert: race"))
        self.assertTrue(self.ours(["iommu_fence"], ["wake"], first="write (reordered)"))

    def test_what_cannot_be_told_counts(self):
        self.assertTrue(self.ours(["memcpy"], ["wake"]))
        self.assertTrue(races.ours(race(["tick"], ["wake"])[:3], {}), "cut off before the first stack")

    def test_a_long_report_is_read_to_its_end(self):
        report = race(["wake"] * 60, ["tick"] * 60) + [OOPS]
        hit = splat.scan(report, (), [])[0][0]
        self.assertEqual(splat.excerpt(report, hit), report[1:-1])

    def scan(self, lines, expected=(), known=()):
        seen = []

        def elsewhere(report):
            seen.append(report)
            return "iommu_fence" not in "".join(report)

        return splat.scan(lines, expected, list(known), elsewhere), seen

    def test_a_race_elsewhere_is_no_splat(self):
        lines = race(["tick"], ["wake"]) + race(["iommu_fence"], ["wake"]) + race(["tick"], ["wake"])
        (found, _), seen = self.scan(lines)
        self.assertEqual([hit.line for hit in found], ["[    6.1] BUG: KCSAN: data-race in iommu_fence / wake"])
        self.assertEqual([report[0] for report in seen], [line for line in lines if "KCSAN" in line])
        self.assertEqual([report[-1] for report in seen], [RULE] * 3)

    def test_what_follows_a_race_elsewhere_is_found(self):
        for second in (OTHER, KASAN, [OOPS], SLEEP):
            self.assertEqual(len(self.scan(race(["tick"], ["wake"]) + second)[0][0]), 1, second)

    def test_a_race_that_is_asked_for_or_excused_is_nobodys(self):
        (found, unseen), seen = self.scan(race(["tick"], ["wake"]), ["KCSAN: data-race in tick"])
        self.assertEqual((found, unseen, seen), ([], [], []))
        known = [re.compile("data-race in iommu_fence / wake")]
        (found, _), seen = self.scan(race(["iommu_fence"], ["wake"]), known=known)
        self.assertEqual((found, seen), ([], []))

    def test_no_other_splat_is_asked_about(self):
        (found, _), seen = self.scan(WARN + KASAN)
        self.assertEqual((len(found), seen), (2, []))

    def test_a_run_counts_them(self):
        mine = races.Races(None, [])
        mine.files = {("tick", 64, 144, None): ["kernel/t.c"], ("wake", 64, 144, None): ["kernel/w.c"]}
        self.assertEqual(str(mine), "")
        for _ in range(2):
            self.assertTrue(mine.is_elsewhere(race(["tick"], ["wake"])[1:]))
        self.assertFalse(mine.is_elsewhere(race(["tick"], ["nowhere"])[1:]))
        self.assertEqual(mine.elsewhere, {"data-race in tick / wake": 2})
        self.assertEqual(str(mine), "2 data races of other subsystems")


@unittest.skipUnless(shutil.which(paths.CROSS + "gcc"), f"no {paths.CROSS}gcc")
class Symbols(unittest.TestCase):
    """Frames of a real ELF file with line numbers."""

    SOURCES = {
        "include/list.h": "extern long hook(long *);\n"
                          "static inline long list_add(long *p) { *p += 1; return hook(p); }\n",
        "drivers/iommu/a.c": "#include \"list.h\"\n"
                             "static __attribute__((noinline)) long twice(long *p) { return hook(p) + hook(p); }\n"
                             "long iommu_two(long *p) { return twice(p) + 1; }\n"
                             "long iommu_one(long *p) { long r = list_add(p); return r * 3 + *p; }\n",
        "kernel/b.c": "#include \"list.h\"\nlong hook(long *p) { return *p; }\n"
                      "static __attribute__((noinline)) long twice(long *p) { *p += 3; return *p * list_add(p) + 7; }\n"
                      "long kernel_two(long *p) { return twice(p) + 1; }\nint main(void) { return 0; }\n"}

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="symbols-")
        cls.addClassCleanup(scratch.cleanup)
        # A path with directories that are called like those of a kernel.
        cls.image = SimpleNamespace(dir=Path(scratch.name), source="7.3")
        top = Path(scratch.name) / "lib/src/drivers/src/7.3"
        for name, text in cls.SOURCES.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text, encoding="ascii")
        # All in one executable, as the kernel is, function after function: a call at the very end returns to the next.
        subprocess.run([kbuild.HOME.cross + "gcc", "-O2", "-fno-optimize-sibling-calls", "-fno-ipa-icf", "-g",
                        "-fno-toplevel-reorder", "-falign-functions=4", "-nostdlib", "-static", "-Wl,-e,main",
                        f"-I{top}/include", "-o", cls.image.dir / "vmlinux",
                        *(top / name for name in cls.SOURCES if name.endswith(".c"))], check=True)
        rows = races.tool("nm", "-S", cls.image.dir / "vmlinux").splitlines()
        cls.sizes = {}
        for row in map(str.split, rows):
            if len(row) == 4:
                cls.sizes.setdefault(row[3], []).append(int(row[1], 16))

    def chains(self, name, size):
        frames = [(name, offset, size, None) for offset in range(4, size + 4, 4)]
        found = races.source_files(self.image, set(frames))
        return [found[frame] for frame in frames]

    def test_an_inlined_helper_is_named_before_its_caller(self):
        chains = self.chains("iommu_one", self.sizes["iommu_one"][0])
        self.assertIn(["include/list.h", "drivers/iommu/a.c"], chains)
        self.assertEqual({chain[-1] for chain in chains}, {"drivers/iommu/a.c"})

    def test_functions_of_one_name_are_told_apart_by_their_size(self):
        sizes = self.sizes["twice"]
        self.assertEqual(len(set(sizes)), 2)
        self.assertEqual({self.chains("twice", size)[0][-1] for size in sizes}, {"drivers/iommu/a.c", "kernel/b.c"})
        # Where the size tells nothing each of them may be meant.
        self.assertEqual({self.chains("twice", 4096)[0][n] for n in (0, -1)}, {"drivers/iommu/a.c", "kernel/b.c"})

    def test_what_is_not_there(self):
        frame, module = ("nowhere", 64, 144, None), ("iommu_one", 4, 8, "smmu_testdev")
        self.assertEqual(races.source_files(self.image, {frame, module}), {frame: [], module: []})
        none = SimpleNamespace(dir=self.image.dir / "none", source="7.3")
        self.assertEqual(races.source_files(none, {frame}), {frame: []})


class Files(unittest.TestCase):
    def file(self, text):
        where = tempfile.TemporaryDirectory(prefix="splat-")
        self.addCleanup(where.cleanup)
        path = Path(where.name) / "list.txt"
        path.write_text(text, encoding="utf-8")
        return path

    def test_exception_without_a_reason(self):
        for text in ("foo.*\n", "foo.*  #\n", "foo.*  #  \n", "foo.* # one blank\n"):
            with self.assertRaises(KitError) as caught:
                splat.exceptions(self.file("# comment\n" + text))
            self.assertIn("list.txt:2", caught.exception.what)
            self.assertTrue(caught.exception.cure)

    def test_exception_with_a_reason(self):
        rows = splat.exceptions(self.file("# comment\n\nWARNING: .*two  # the host does that\n"))
        self.assertEqual([r.pattern for r in rows], ["WARNING: .*two"])

    def test_pattern_without_a_name(self):
        with self.assertRaises(KitError) as caught:
            splat.patterns(self.file("WARNING\n"))
        self.assertIn("list.txt:1", caught.exception.what)

    def test_pattern_that_cannot_be_compiled(self):
        with self.assertRaises(KitError) as caught:
            splat.patterns(self.file("warning: (\n"))
        self.assertIn("list.txt:1", caught.exception.what)

    def test_exception_that_would_excuse_everything(self):
        with self.assertRaises(KitError):
            splat.exceptions(self.file(".*  # all is well\n"))

    def test_the_real_files(self):
        self.assertTrue(splat.patterns())
        for regex in splat.exceptions():
            self.assertFalse(regex.search(""), f"{regex.pattern} excuses every line")


if __name__ == "__main__":
    unittest.main()
