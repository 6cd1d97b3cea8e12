# SPDX-License-Identifier: GPL-2.0
"""tools/iommu/iommu-recovery on sysfs trees that are made up, with the host's compiler."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from kit import bases, paths
from tests.kit.lab import TOP, environment, write

TOOL = TOP / "tools/iommu/iommu-recovery"
QUARANTINED = ("quarantined", "reset-failed", "1")
ACTIVE = ("active", "none", "0")
FILES = ("state", "reason", "quarantine_count")


class Sysfs:
    """What the tool reads of /sys. A name may be bytes."""

    def __init__(self, where):
        self.top = Path(where)
        self.top.mkdir()

    def path(self, name, bus="pci"):
        return Path(os.fsdecode(os.path.join(os.fsencode(self.top / "devices" / bus), os.fsencode(name))))

    def add(self, name, values=ACTIVE, group="1", bus="pci", driver=None):
        where = self.path(name, bus)
        where.mkdir(parents=True)
        for file in ("uevent", "reset"):
            write(where / file, "")
        write(where / "reset_method", "flr bus\n")
        (where / "subsystem").symlink_to(f"../../../bus/{bus}")
        if driver:
            (where / "driver").symlink_to(f"../../../bus/{bus}/drivers/{driver}")
        for file, value in zip(FILES, values or ()):
            write(where / "iommu_recovery" / file, value if isinstance(value, bytes) else f"{value}\n")
        for links in (self.top / "kernel/iommu_groups" / group / "devices", self.top / "bus" / bus / "devices"):
            links.mkdir(parents=True, exist_ok=True)
            (links / where.name).symlink_to(where)
        return where


def compiled(where, *flags):
    program = Path(where) / "iommu-recovery"
    subprocess.run(["gcc", "-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wshadow",
                    "-Wmissing-prototypes", "-Wstrict-prototypes", "-Wwrite-strings", *flags, "-o", program,
                    *sorted(TOOL.glob("*.c"))], check=True, env=environment())
    return program


class Scratch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="tool-")
        cls.addClassCleanup(scratch.cleanup)
        # AddressSanitizer of Debian 12 does not start on hosts that randomize more of an address.
        cls.program = compiled(scratch.name, "-fsanitize=undefined", "-fno-sanitize-recover=all",
                               "-D_FORTIFY_SOURCE=2")

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="tool-")
        self.addCleanup(scratch.cleanup)
        self.sys = Sysfs(Path(scratch.name) / "sys")

    def command(self, *args):
        return [self.program, "--sysfs", self.sys.top, *args]

    def run_tool(self, *args, status=0, **how):
        res = subprocess.run(self.command(*args), capture_output=True, check=False, env=environment(), timeout=60,
                             **how)
        out, err = res.stdout.decode("ascii"), res.stderr.decode("ascii")    # whatever it is given
        self.assertEqual(res.returncode, status, out + err)
        return out, err

    def refused(self, *args, status, says):
        """One line, on stderr, and nothing else."""
        out, err = self.run_tool(*args, status=status)
        self.assertEqual(out, "")
        self.assertRegex(err, r"\Aiommu-recovery: [^\n]*\n\Z")
        self.assertIn(says, err)

    def listed(self, *args, status=0):
        return json.loads(self.run_tool("--json", *args, status=status)[0])


class List(Scratch):
    def test_table(self):
        self.sys.add("0000:02:00.0", group="12", driver="nvme")
        self.sys.add("0000:01:00.0", QUARANTINED, "3", driver="vfio-pci")
        self.sys.add("arm-smmu-test.0.auto", ("broken", "fence-failed", "7"), "4", bus="platform")
        out, err = self.run_tool()
        self.assertEqual(err, "")
        self.assertEqual(out.splitlines(), [
            "DEVICE                BUS       DRIVER    GROUP  STATE        REASON        COUNT",
            "0000:01:00.0          pci       vfio-pci  3      quarantined  reset-failed  1",
            "0000:02:00.0          pci       nvme      12     active       none          0",
            "arm-smmu-test.0.auto  platform  -         4      broken       fence-failed  7"])

    def test_json(self):
        self.sys.add("0000:01:00.0", QUARANTINED, "3", driver="vfio-pci")
        self.sys.add("0000:02:00.0")
        self.assertEqual(self.listed(), [
            {"device": "0000:01:00.0", "bus": "pci", "driver": "vfio-pci", "group": 3, "state": "quarantined",
             "reason": "reset-failed", "quarantine_count": 1},
            {"device": "0000:02:00.0", "bus": "pci", "driver": None, "group": 1, "state": "active", "reason": "none",
             "quarantine_count": 0}])

    def test_only_those_that_are_not_active(self):
        self.sys.add("0000:01:00.0")
        self.assertEqual(self.listed("--quarantined"), [])
        self.assertEqual(len(self.run_tool("-q")[0].splitlines()), 1)
        for n, state in enumerate(("resetting", "broken", "quarantined", "unheard-of")):
            self.sys.add(f"0000:02:00.{n}", (state, "none", "0"))
        self.assertEqual([d["state"] for d in self.listed("-q")], ["resetting", "broken", "quarantined", "unheard-of"])

    def test_check(self):
        self.sys.add("0000:01:00.0")
        where = self.sys.add("0000:02:00.0")
        for state, status in (("active", 0), ("resetting", 0), ("broken", 1), ("quarantined", 1), ("unheard-of", 1)):
            write(where / "iommu_recovery/state", f"{state}\n")
            self.run_tool("--check", status=status)
            self.run_tool()

    def test_words_of_kernels_to_come(self):
        self.sys.add("0000:01:00.0", ("half-fenced", "cosmic-ray", "0x10"))
        self.assertIn("half-fenced  cosmic-ray  0x10", self.run_tool()[0])
        self.assertEqual([self.listed()[0][k] for k in ("state", "reason", "quarantine_count")],
                         ["half-fenced", "cosmic-ray", "0x10"])

    def test_numbers_that_json_has_not(self):
        for count, shown in (("007", "007"), ("99999999999999999999", "99999999999999999999"), ("-1", "-1"), ("0", 0),
                             ("4294967295", 4294967295), ("", None)):
            where = self.sys.add("0000:01:00.0", ("active", "none", count))
            self.assertEqual(self.listed()[0]["quarantine_count"], shown)
            shutil.rmtree(self.sys.top)
            self.sys.top.mkdir()
            self.assertFalse(where.exists())

    def test_names_that_would_harm_a_terminal(self):
        name = b'\x1b[2J\n"\\\x7f \xc2\x9b\xff\xf0\x9f\x98\x80\xed\xa0\x80\xc1\x81x'
        self.sys.add(name, ("quarantined\tno\x1b[31m", "a b", "1"), driver="d\u202er")
        out = self.run_tool()[0].splitlines()
        self.assertEqual(len(out), 2)
        self.assertEqual(len(out[1].split()), 7)
        self.assertIn(r'\x1b[2J\x0a"\x5c\x7f\x20\xc2\x9b\xff\xf0\x9f\x98\x80\xed\xa0\x80\xc1\x81x ', out[1])
        self.assertIn(r"quarantined\x09no\x1b[31m  a\x20b", out[1])
        for text in (*out, self.run_tool("--json")[0].replace("\n", "")):
            self.assertNotRegex(text, r"[^ -~]")
        device = self.listed()[0]
        self.assertEqual(device["device"], '\x1b[2J\n"\\\x7f \x9b\ufffd\U0001f600\ufffd\ufffd\ufffd\ufffd\ufffdx')
        self.assertEqual((device["state"], device["driver"]), ("quarantined\tno\x1b[31m", "d\u202er"))

    def test_text_that_is_cut_off_in_a_character(self):
        self.sys.add("0000:01:00.0", (b"\xf0\x9f", b"a\0b\n", b""))
        device = self.listed()[0]
        self.assertEqual((device["state"], device["reason"], device["quarantine_count"]), ("\ufffd\ufffd", "a", None))

    def test_long_words_are_cut(self):
        self.sys.add("n" * 255, ("s" * 5000, "r" * 128, "9" * 40), group="g" * 255)
        device = self.listed()[0]
        self.assertEqual((device["state"], device["reason"], device["quarantine_count"], device["device"]),
                         ("s" * 127, "r" * 127, "9" * 31, "n" * 255))
        self.run_tool()

    def test_empty_files(self):
        self.sys.add("0000:01:00.0", (b"", b"", b""))
        self.assertEqual(self.run_tool()[0].splitlines()[1].split()[-3:], ["-", "-", "-"])
        self.run_tool("--check", status=1)

    def test_what_vanishes_is_left_out(self):
        self.sys.add("0000:01:00.0")
        gone = self.sys.add("0000:02:00.0")
        shutil.rmtree(gone)
        (self.sys.add("0000:03:00.0") / "iommu_recovery/reason").unlink()
        shutil.rmtree(self.sys.add("0000:04:00.0", group="5") / "iommu_recovery")
        shutil.rmtree(self.sys.top / "kernel/iommu_groups/5/devices")
        out, err = self.run_tool()
        self.assertEqual((len(out.splitlines()), err), (2, ""))

    def test_devices_come_and_go_meanwhile(self):
        self.sys.add("0000:01:00.0")
        stop = threading.Event()

        def plug():
            while not stop.is_set():
                where = self.sys.add("0000:02:00.0", QUARANTINED, group="7")
                shutil.rmtree(where)
                shutil.rmtree(self.sys.top / "kernel/iommu_groups/7")
                (self.sys.top / "bus/pci/devices/0000:02:00.0").unlink()

        thread = threading.Thread(target=plug)
        thread.start()
        try:
            for _ in range(40):
                devices = self.listed()
                self.assertIn(sorted(d["device"] for d in devices),
                              (["0000:01:00.0"], ["0000:01:00.0", "0000:02:00.0"]))
        finally:
            stop.set()
            thread.join()

    def test_a_file_that_cannot_be_read(self):
        self.sys.add("0000:01:00.0")
        where = self.sys.add("0000:02:00.0\n")
        (where / "iommu_recovery/state").unlink()
        (where / "iommu_recovery/state").mkdir()
        out, err = self.run_tool(status=5)
        self.assertEqual(len(out.splitlines()), 2)
        self.assertRegex(err, r"\Aiommu-recovery: 0000:02:00.0\\x0a: .*cannot be read: Is a directory\n\Z")

    def test_output_that_cannot_be_written(self):
        self.sys.add("0000:01:00.0")
        with open("/dev/full", "wb") as full:
            for args in ((), ("--json",), ("--watch",), ("reset", "01:00.0"), ("--help",)):
                res = subprocess.run(self.command(*args), stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
                self.assertEqual(res.returncode, 5, args)
                self.assertIn(b"No space left", res.stderr)


class Refused(Scratch):
    def test_a_kernel_without_the_series(self):
        self.sys.add("0000:01:00.0", None)
        (self.sys.top / "class/iommu/smmu3.0").mkdir(parents=True)
        for args in ((), ("--json",), ("--check",), ("--watch",), ("reset", "0000:01:00.0")):
            self.refused(*args, status=3,
                         says="this kernel has no iommu_recovery; it needs the iommu-recovery series")
        self.assertEqual((self.sys.path("0000:01:00.0") / "reset").read_text(), "")

    def test_the_only_device_is_being_removed(self):
        (self.sys.add("0000:01:00.0") / "iommu_recovery/state").unlink()
        self.refused(status=4, says="there is no IOMMU")

    def test_no_iommu(self):
        self.refused(status=4, says="there is no IOMMU")
        (self.sys.top / "kernel/iommu_groups").mkdir(parents=True)
        (self.sys.top / "class/iommu").mkdir(parents=True)
        for args in ((), ("--watch",)):
            self.refused(*args, status=4, says="there is no IOMMU")

    def test_an_iommu_with_nothing_behind_it(self):
        (self.sys.top / "kernel/iommu_groups").mkdir(parents=True)
        (self.sys.top / "class/iommu/smmu3.0").mkdir(parents=True)
        self.refused(status=4, says="there is an IOMMU, but no device is behind it")

    def test_no_sysfs(self):
        shutil.rmtree(self.sys.top)
        self.refused(status=5, says="cannot open")

    def test_nonsense(self):
        self.sys.add("0000:01:00.0")
        for args in (("--nonsense",), ("nonsense",), ("reset",), ("reset", "01:00.0", "02:00.0"), ("reset", "--json",
                     "01:00.0"), ("--watch", "reset", "01:00.0"), ("--watch", "--check")):
            out, err = self.run_tool(*args, status=2)
            self.assertEqual(out, "")
            self.assertTrue(err)

    def test_help(self):
        self.assertIn("reset BDF", self.run_tool("--help")[0])


class Reset(Scratch):
    BDF = "0000:01:00.0"

    def setUp(self):
        super().setUp()
        self.where = self.sys.add(self.BDF, QUARANTINED)

    def refused_reset(self, status, says, bdf=BDF):
        self.refused("reset", bdf, status=status, says=says)

    def test_it_writes_1_and_reads_the_state(self):
        self.refused_reset(10, f"{self.BDF}: the reset has succeeded, but it is still quarantined (reset-failed)")
        self.assertEqual((self.where / "reset").read_text(), "1")

    def test_it_says_so_when_the_device_is_active(self):
        write(self.where / "iommu_recovery/state", "active\n")
        write(self.where / "iommu_recovery/reason", "none\n")
        self.assertEqual(self.run_tool("reset", self.BDF),
                         (f"{self.BDF}: the reset has succeeded; it was active, and is active\n", ""))

    def test_ways_to_write_an_address(self):
        write(self.where / "iommu_recovery/state", "active\n")
        self.sys.add("10000:ab:1f.7")
        for bdf, meant in ((self.BDF, self.BDF), ("01:00.0", self.BDF), ("1:0.0", self.BDF), ("0:1:0.0", self.BDF),
                           ("10000:AB:1F.7", "10000:ab:1f.7")):
            self.assertTrue(self.run_tool("reset", bdf)[0].startswith(f"{meant}: "), bdf)

    def test_what_is_no_address(self):
        for bdf in ("", "nonsense", "01:00", "01:00.8", "01:20.0", "100:00.0", "0000:01:00.0x", "0x1:0.0", " 01:00.0",
                    "../x", "01:00.0/../0000:02:00.0", "0" * 5000, "\x1b[2J\n", "::.", "01:00.0:"):
            self.refused_reset(2, "is not the address of a PCI function", bdf)

    def test_no_such_device(self):
        self.refused_reset(6, "0000:77:00.0: there is no such device", "77:00.0")

    def test_a_device_that_is_not_behind_an_iommu(self):
        shutil.rmtree(self.sys.add("0000:02:00.0") / "iommu_recovery")
        self.refused_reset(6, "not behind an IOMMU", "0000:02:00.0")
        self.assertEqual((self.sys.path("0000:02:00.0") / "reset").read_text(), "")

    def test_no_reset_method(self):
        (self.where / "reset_method").unlink()
        (self.where / "reset").unlink()
        self.refused_reset(8, "no reset method; it is quarantined (reset-failed)")

    def test_reset_methods_that_the_user_has_taken_away(self):
        for nothing in ("", "\n"):
            write(self.where / "reset_method", nothing)
            self.refused_reset(8, "no reset method")
            self.assertEqual((self.where / "reset").read_text(), "")

    def test_not_permitted(self):
        (self.where / "reset").chmod(0o444)
        self.sys.top.parent.chmod(0o755)
        self.program.parent.chmod(0o755)
        # A Debian system calls it nobody. Root may write wherever it wants.
        how = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        err = self.run_tool("reset", self.BDF, status=7, **how)[1]
        self.assertEqual(err, f"iommu-recovery: {self.BDF}: not reset: Permission denied (it needs root)\n")

    def test_a_reset_that_fails(self):
        (self.where / "reset").unlink()
        (self.where / "reset").mkdir()
        self.refused_reset(9, "the reset has failed: Is a directory; it is quarantined (reset-failed)")
        (self.where / "reset").rmdir()
        (self.where / "reset").symlink_to("/dev/full")
        self.refused_reset(9, "the reset has failed: No space left on device; it is quarantined (reset-failed)")

    def test_a_device_that_is_gone_afterwards(self):
        (self.where / "reset").unlink()
        os.mkfifo(self.where / "reset")
        # As long as it is full, whoever writes to it waits.
        fifo = os.open(self.where / "reset", os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, fifo)
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(fifo, b"x" * size)
        with subprocess.Popen(self.command("reset", self.BDF), stderr=subprocess.PIPE) as child:
            while str(self.where / "reset") not in self.open_files(child.pid):
                self.assertIsNone(child.poll())
                time.sleep(0.01)
            shutil.rmtree(self.where / "iommu_recovery")
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.read(fifo, 4096)
            err = child.communicate(timeout=60)[1]
        self.assertIn(b"the device is gone", err)
        self.assertEqual(child.returncode, 6)

    @staticmethod
    def open_files(pid):
        out = []
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                out.append(os.readlink(link))
        return out


class Watch(Scratch):
    """What needs no uevent. The rest is in tests/vm/tool.sh."""

    def watched(self, *args, lines=1, end=signal.SIGTERM):
        with subprocess.Popen(self.command("--watch", *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env=environment()) as child:
            try:
                out = [child.stdout.readline() for _ in range(lines)]    # what is flushed at once
                child.send_signal(end)
                rest, err = child.communicate(timeout=60)
            finally:
                child.kill()
        self.assertEqual((rest, err, child.returncode), ("", "", 0))
        return out

    def test_the_present_state_comes_first(self):
        self.sys.add("0000:01:00.0", QUARANTINED)
        self.sys.add("0000:02:00.0")
        for end in (signal.SIGTERM, signal.SIGINT):
            out = self.watched(lines=2, end=end)
            self.assertRegex(out[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000 present 0000:01:00.0 quarantined "
                                     r"reset-failed\n$")
            self.assertRegex(out[1], r" present 0000:02:00.0 active none\n$")

    def test_an_object_in_each_line(self):
        self.sys.add("0000:01:00.0")
        self.sys.add("0000:02:00.0", QUARANTINED)
        event = json.loads(self.watched("--json", "--quarantined")[0])
        self.assertRegex(event.pop("time"), r"^\d{4}-\d\d-\d\dT[\d:.]+\+0000$")
        self.assertEqual(event, {"event": "present", "device": "0000:02:00.0", "bus": "pci", "driver": None, "group": 1,
                                 "state": "quarantined", "reason": "reset-failed", "quarantine_count": 1})

    def test_it_ends_when_nobody_reads_any_more(self):
        self.sys.add("0000:01:00.0", QUARANTINED)
        with subprocess.Popen(self.command("--watch"), stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            child.stdout.close()
            self.assertEqual(child.wait(60), 0)


class Files(unittest.TestCase):
    """What stands beside the program."""

    def test_the_makefile(self):
        store = (paths.STORE / "HEAD").exists()
        commit = bases.commit_of(f"refs/bases/{bases.supported()[0]}") if store else ""
        if not commit:
            self.skipTest("no base kernel in the store to take tools/scripts from")
        with tempfile.TemporaryDirectory(prefix="tool-") as name:
            work = Path(name)
            for file in bases.git("ls-tree", "-r", "--name-only", commit, "tools/scripts").split():
                write(work / file, bases.git("show", f"{commit}:{file}"))
            shutil.copytree(TOOL, work / "tools/iommu/iommu-recovery")
            before = set(work.rglob("*"))
            make = ["make", "-C", work / "tools/iommu/iommu-recovery", "EXTRA_CFLAGS=-Werror"]
            for args in (["all"], ["install", f"DESTDIR={work}/root"], ["clean"]):
                subprocess.run([*make, *args], check=True, capture_output=True, env=environment())
            root = work / "root/usr"
            self.assertTrue(os.access(root / "sbin/iommu-recovery", os.X_OK))
            self.assertTrue((root / "share/man/man8/iommu-recovery.8").exists())
            shutil.rmtree(work / "root")
            self.assertEqual(set(work.rglob("*")), before)

    def test_the_manual_has_every_status_and_option(self):
        manual = (TOOL / "iommu-recovery.8").read_text(encoding="ascii")
        header = (TOOL / "iommu-recovery.h").read_text(encoding="ascii")
        statuses = re.findall(r"^\tST_\w+", header, re.M)
        documented = re.findall(r"^\.TP\n\.B (\d+)$", manual, re.M)
        self.assertEqual(documented, [str(n) for n in range(len(statuses))])
        source = (TOOL / "iommu-recovery.c").read_text(encoding="ascii")
        options = set(re.findall(r'\{ "([a-z]+)", (?:no|required)_argument', source)) - {"sysfs"}
        self.assertEqual(options, set(re.findall(r'^\.BR \\-[a-z] ", " \\-\\-([a-z]+)$', manual, re.M)))
        for option in options:
            self.assertIn(f"--{option}", source)

    def test_the_rules_are_rules(self):
        lines = (TOOL / "90-iommu-recovery.rules").read_text(encoding="ascii").splitlines()
        rules = [line.lstrip("#") for line in lines if re.match(r"#?ACTION", line)]
        self.assertEqual(len(rules), 2)
        for rule in rules:
            for part in rule.split(", "):
                self.assertRegex(part, r'^[A-Z]+(\{[\w/]+\})?(==|\+=)"[^"]+"$')
        self.assertTrue(all(line.startswith("#") or not line or line == rules[0] for line in lines))


if __name__ == "__main__":
    unittest.main()
