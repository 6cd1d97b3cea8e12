# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU without a guest: registers and memory through qtest, and QMP.

The virtual clock moves when told to, so nothing here depends on the host's
speed. Section numbers are those of Arm IHI 0070.
"""
import json
import os
import re
import socket
import struct
import subprocess
import tempfile

REGS = os.path.join(os.path.dirname(__file__), "..", "..", "regs.h")
SMMU, ECAM, RAM = 0x09050000, 0x3f000000, 0x40000000
STRTAB, CD, PGD = RAM + 0x100000, RAM + 0x120000, RAM + 0x130000
CMDQ, EVTQ, MSI, DATA = (RAM + 0x140000, RAM + 0x150000, RAM + 0x160000,
                         RAM + 0x200000)
CR0, IRQ_CTRL, GERROR, GERRORN = 0x20, 0x50, 0x60, 0x64
CMDQ_PROD, CMDQ_CONS, EVTQ_PROD, EVTQ_CONS = 0x98, 0x9c, 0x100a8, 0x100ac
CFGI_STE, CFGI_CD, TLBI_ALL, ATC_INV, RESUME, STALL_TERM, SYNC = (
    0x03, 0x05, 0x30, 0x40, 0x44, 0x45, 0x46)
STE_ABORT, STE_S1 = 0, 5


def registers():
    """The plain numbers of regs.h by name, without the prefix SMTD_."""
    regs = {}
    for name, value in re.findall(
            r"^#define\s+SMTD_(\w+)\s+(0x[0-9a-f]+|\d+)\b",
            open(REGS).read(), re.M):
        regs[name] = int(value, 0)
    return regs


R = registers()


def STAT(name):
    return 0x140 + 4 * R["S_" + name]


def VIOL(name):
    return 0x0e0 + 4 * R["V_" + name]


class Gone(Exception):
    """QEMU has ended, which no guest may bring about."""


class Lines:
    """One request, one line of answer, over a Unix socket."""

    def __init__(self, path, proc):
        self.proc = proc
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        while True:
            try:
                self.sock.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if proc.poll() is not None:
                    raise Gone(proc.stderr.read()) from None
        self.file = self.sock.makefile("r")

    def line(self):
        text = self.file.readline()
        if not text:
            self.proc.wait()
            raise Gone("exit %s: %s" % (self.proc.returncode,
                                        self.proc.stderr.read()[-2000:]))
        return text

    def ask(self, text):
        try:
            self.sock.sendall(text.encode() + b"\n")
        except BrokenPipeError:
            pass
        return self.line()


class Machine:
    def __init__(self, qemu, smmu, devices, trace=None):
        self.dir = tempfile.TemporaryDirectory()
        paths = [os.path.join(self.dir.name, n) for n in ("qtest", "qmp")]
        cmd = [qemu, "-M", "virt,iommu=smmuv3,gic-version=3,highmem=off",
               "-accel", "qtest", "-m", "64", "-nodefaults", "-display", "none",
               "-L", "/usr/share/qemu",
               "-qtest", "unix:%s,server=on,wait=off" % paths[0],
               "-qtest-log", "/dev/null",
               "-qmp", "unix:%s,server=on,wait=off" % paths[1]]
        for prop in smmu:
            cmd += ["-global", "arm-smmuv3." + prop]
        for dev in devices:
            cmd += ["-device", dev]
        if trace:
            cmd += ["-trace", "smmutd_*", "-D", trace]
        self.proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, text=True)
        self.qtest = Lines(paths[0], self.proc)
        self.qmp = Lines(paths[1], self.proc)
        self.events = []
        self.qmp.line()
        self.command("qmp_capabilities")
        self.next_bar = 0x10000000
        self.ste = {}

    def close(self):
        self.proc.kill()
        self.proc.communicate()
        self.dir.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- qtest and QMP ----

    def ask(self, text):
        answer = self.qtest.ask(text).split()
        if answer[0] != "OK":
            raise RuntimeError("%s: %s" % (text, answer))
        return int(answer[1], 0) if len(answer) > 1 else None

    def rd(self, addr):
        return self.ask("readl %#x" % addr)

    def wr(self, addr, value):
        self.ask("writel %#x %#x" % (addr, value & 0xffffffff))

    def rd64(self, addr):
        return self.ask("readq %#x" % addr)

    def wr64(self, addr, value):
        self.ask("writeq %#x %#x" % (addr, value))

    def step(self, ns):
        self.ask("clock_step %d" % ns)

    def command(self, name, **args):
        text = self.qmp.ask(json.dumps({"execute": name, "arguments": args}))
        while "event" in json.loads(text):
            self.events.append(json.loads(text)["event"])
            text = self.qmp.line()
        return json.loads(text)

    def qom(self, dev, prop, value=None):
        path = "/machine/peripheral/" + dev
        if value is None:
            return self.command("qom-get", path=path, property=prop)["return"]
        return self.command("qom-set", path=path, property=prop, value=value)

    # ---- PCI ----

    def cfg(self, sid, off):
        return ECAM + (sid << 12) + off

    def pci_setup(self, sid):
        """Gives BAR 0 an address, turns on memory and bus mastering."""
        bar, self.next_bar = self.next_bar, self.next_bar + 0x1000
        self.wr(self.cfg(sid, 0x10), bar)
        self.ask("writew %#x 6" % self.cfg(sid, 4))
        return bar

    def root_port(self, sid, bus):
        self.wr(self.cfg(sid, 0x18), bus << 16 | bus << 8)
        self.wr(self.cfg(sid, 0x20), (self.next_bar >> 16 & 0xfff0) |
                ((self.next_bar + 0xfffff) & 0xfff00000))
        self.ask("writew %#x 6" % self.cfg(sid, 4))

    def cap(self, sid, ident):
        off = self.rd(self.cfg(sid, 0x34)) & 0xff
        while off:
            word = self.rd(self.cfg(sid, off))
            if word & 0xff == ident:
                return off
            off = word >> 8 & 0xff
        raise KeyError(ident)

    # ---- the SMMU: one linear stream table, one CD for everybody ----

    def smmu_setup(self, stall=False, evtq_log2=4):
        base = SMMU
        self.wr64(PGD, (PGD + 0x1000) | 3)              # level 1
        self.wr64(PGD + 0x1000, (PGD + 0x2000) | 3)     # level 2
        flags = 1 << 31 | 1 << 30 | 25                  # V, EPD1, T0SZ
        flags |= (4 | 1 << 9 | stall << 12 | 3 << 13) << 32  # IPS AA64 S R A
        self.wr64(CD, flags)
        self.wr64(CD + 8, PGD)
        self.wr(base + 0x80, STRTAB)
        self.wr(base + 0x84, 0)
        self.wr(base + 0x88, 10)                        # 1024 linear STEs
        self.wr(base + 0x90, CMDQ | 8)
        self.wr(base + 0x94, 0)
        self.wr(base + 0xa0, EVTQ | evtq_log2)
        self.wr(base + 0xa4, 0)
        self.wr(base + IRQ_CTRL, 7)
        self.wr(base + CR0, 0x1d)      # SMMUEN, EVENTQEN, CMDQEN, ATSCHK
        self.prod = 0

    def set_ste(self, sid, config, ats=False, sync=True):
        self.wr64(STRTAB + sid * 64, 1 | config << 1 |
                  (CD if config == STE_S1 else 0))
        self.wr64(STRTAB + sid * 64 + 8, (1 << 28) if ats else 0)
        if sync:
            self.cmd(CFGI_STE, w1=sid)

    def map(self, iova, pa=None):
        """One 4 KiB page; @pa None takes it away."""
        self.wr64(PGD + 0x2000 + (iova >> 12 & 0x1ff) * 8,
                  0 if pa is None else pa | 1 << 10 | 1 << 6 | 3)

    def cmd(self, op, w0=0, w1=0, w2=0, w3=0):
        addr = CMDQ + (self.prod & 0xff) * 16
        for i, w in enumerate((op | w0, w1, w2, w3)):
            self.wr(addr + 4 * i, w)
        self.prod = (self.prod + 1) & 0x1ff
        self.wr(SMMU + CMDQ_PROD, self.prod)

    def consumed(self):
        return self.rd(SMMU + CMDQ_CONS) & 0x1ff == self.prod

    def cerror(self):
        return self.rd(SMMU + CMDQ_CONS) >> 24 & 0x7f

    def event(self, i):
        return struct.unpack("<4Q", struct.pack(
            "<4Q", *(self.rd64(EVTQ + i * 32 + 8 * n) for n in range(4))))


class Function:
    """An smmu-testdev, ready to be used."""

    def __init__(self, m, sid, config=STE_S1, ats=True):
        self.m, self.sid = m, sid
        self.bar = m.pci_setup(sid)
        m.set_ste(sid, config, ats)
        if ats:
            m.ask("writew %#x 0x8000" % m.cfg(sid, 0x106))

    def __getitem__(self, reg):
        return self.m.rd(self.bar + (R[reg] if isinstance(reg, str) else reg))

    def __setitem__(self, reg, value):
        self.m.wr(self.bar + (R[reg] if isinstance(reg, str) else reg), value)

    def stat(self, name):
        return self[STAT(name)]

    def viol(self, name):
        return self[VIOL(name)]

    def start(self, iova, count=1, ctrl=0, stride=0x1000, period=100):
        self["IOVA_LO"], self["IOVA_HI"] = iova, iova >> 32
        self["COUNT"], self["STRIDE"], self["PERIOD_US"] = count, stride, period
        self["CTRL"] = ctrl | R["CTRL_RUN"]

    def burst(self, iova, count=1, ctrl=0, stride=0x1000):
        self.start(iova, count, ctrl, stride)
        self.m.step(2000)

    def flr(self):
        off = R["CFG_PCIE"] + 8
        self.m.ask("writew %#x 0x8000" % self.m.cfg(self.sid, off))
