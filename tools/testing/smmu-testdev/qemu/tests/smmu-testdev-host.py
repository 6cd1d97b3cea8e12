#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""smmu-testdev-host.py QEMU [CASE...]: what no Linux guest can provoke.

Drives the SMMU's and the function's registers from outside, with no guest and
a virtual clock, and prints TAP. "fuzz" takes SEED and ROUNDS from the
environment.
"""
import os
import random
import re
import subprocess
import sys
import tempfile

from smmu_qtest import (ATC_INV, CD, CFGI_STE, CMDQ_CONS, CMDQ_PROD, CR0, DATA,
                        EVTQ_CONS, EVTQ_PROD, Function, GERROR, GERRORN, Gone,
                        Machine, MSI, R, RAM, RESUME, SMMU, STALL_TERM,
                        STE_ABORT, STE_S1, SYNC, TLBI_ALL)

QEMU = None
IOVA = 0x40000
GICD = 0x8000000
SMMU_SPI = 32 + 74
STALLS = ("ats=on", "stall=on", "ssidsize=16")
tests = failures = 0


def check(ok, what, note=None):
    global tests, failures
    tests += 1
    failures += not ok
    print("%sok %d - %s" % ("" if ok else "not ", tests, what))
    if not ok and note is not None:
        print("#", note)


def machine(smmu=STALLS, devices=("smmu-testdev,id=td0,addr=2",), **kw):
    m = Machine(QEMU, smmu, devices, trace=os.environ.get("TRACE"))
    m.smmu_setup(stall="stall=on" in smmu, **kw)
    return m


# ---- stalls ----

def case_resume():
    with machine() as m:
        f = Function(m, 0x10)
        f.burst(IOVA, 2)
        check(f["SMMU_STALLS"] == 2, "two stalls")
        stag = [m.event(i)[1] & 0xffff for i in range(2)]
        check(len(set(stag)) == 2 and m.event(0)[1] >> 31 & 1,
              "two STAGs, Stall = 1")
        m.map(IOVA, DATA)
        m.cmd(RESUME, w0=1 << 12, w1=0x10, w2=stag[0])
        m.step(2000)
        check(f.stat("RETRY") == 1 and f.stat("OK") == 1 and m.rd64(DATA),
              "RESUME(retry) of the mapped page: written")
        m.cmd(RESUME, w0=1 << 12, w1=0x10, w2=stag[0])
        check(f.viol("RESUME_UNKNOWN") == 1, "a second RESUME is a violation")
        m.cmd(RESUME, w1=0x18, w2=stag[1])
        check(f.viol("RESUME_UNKNOWN") == 2 and f["SMMU_STALLS"] == 1,
              "so is one with another StreamID")
        m.cmd(RESUME, w1=0x10, w2=stag[1])
        check(f.stat("ABORT") == 1 and not f["SMMU_STALLS"],
              "RESUME(terminate)")
        f["ORACLE_CTL"] = R["ORACLE_CHECK"]
        check(not f.viol("STALL_OPEN"), "no stall is open")


def case_stall_term():
    with machine() as m:
        f = Function(m, 0x10)
        f.burst(IOVA, 3)
        m.cmd(STALL_TERM, w1=0x10)
        check(f.viol("TERM_LIVE") == 1, "a live STE is a violation (4.7.2)")
        f.burst(IOVA, 3)
        check(f["SMMU_STALLS"] == 3, "three stalls")
        m.set_ste(0x10, STE_ABORT)
        m.cmd(STALL_TERM, w1=0x18)
        check(f["SMMU_STALLS"] == 3, "those of another stream stay")
        m.cmd(STALL_TERM, w1=0x10)
        check(not f["SMMU_STALLS"] and f.stat("ABORT") == 6 and
              f.viol("TERM_LIVE") == 1, "terminated")
        m.set_ste(0x10, STE_S1)
        f.burst(IOVA, 2)
        m.wr(SMMU + CR0, 0x1c)
        check(not f["SMMU_STALLS"], "SMMUEN = 0 ends every stall (3.12.2)")


# ---- event queue ----

def case_evt_abort():
    with machine(("arch-eventq=on",)) as m:
        f = Function(m, 0x10, ats=False)
        f["EVT_ABORT"] = 1
        f.burst(IOVA)
        pending = m.rd(SMMU + GERROR) ^ m.rd(SMMU + GERRORN)
        check(pending == 4, "EVENTQ_ABT_ERR", "%#x" % pending)
        check(not m.rd(SMMU + EVTQ_PROD) and f["SMMU_EVT_LOST"] == 1 and
              not f["EVT_ABORT"], "the record is lost")
        f.burst(IOVA)
        check(not m.rd(SMMU + EVTQ_PROD) and f["SMMU_EVT_LOST"] == 2,
              "so is the next, before the error is acknowledged (7.2.1)")
        m.wr(SMMU + GERRORN, m.rd(SMMU + GERROR))
        f.burst(IOVA)
        check(m.rd(SMMU + EVTQ_PROD) == 1, "then one is written")


def case_overflow():
    with machine(("arch-eventq=on", "evtqs=4"), evtq_log2=10) as m:
        f = Function(m, 0x10, ats=False)
        f.burst(IOVA, 20)
        prod = m.rd(SMMU + EVTQ_PROD)
        check(prod == 1 << 31 | 0x10, "OVFLG at 16 records", "%#x" % prod)
        check(f["SMMU_OVERFLOW"] == 1 and f["SMMU_EVT_LOST"] == 4,
              "one overflow, four records lost (7.4)")
        m.wr(SMMU + EVTQ_CONS, 0x10)
        f.burst(IOVA, 20)
        check(f["SMMU_OVERFLOW"] == 1 and m.rd(SMMU + EVTQ_PROD) == 1 << 31,
              "no second one before the first is acknowledged")
        m.wr(SMMU + EVTQ_CONS, 1 << 31)
        f.burst(IOVA, 20)
        check(f["SMMU_OVERFLOW"] == 2 and m.rd(SMMU + EVTQ_PROD) == 0x10,
              "acknowledged, the next one toggles OVFLG")
        check(not m.rd(SMMU + GERROR), "no EVENTQ_ABT_ERR")
    with machine((), evtq_log2=4) as m:
        f = Function(m, 0x10, ats=False)
        f.burst(IOVA, 20)
        check(m.rd(SMMU + GERROR) & 4 and m.rd(SMMU + EVTQ_PROD) == 0x10,
              "arch-eventq=off: EVENTQ_ABT_ERR, as in unmodified QEMU")


def case_unreported():
    with machine(STALLS + ("evtqs=4",)) as m:
        f = Function(m, 0x10)
        f.burst(IOVA, 20)
        check(f["SMMU_STALLS"] == 20 and f["SMMU_UNREPORTED"] == 4 and
              not f["SMMU_OVERFLOW"], "16 stalls reported, 4 wait")
        for i in range(16):
            m.cmd(RESUME, w1=0x10, w2=m.event(i)[1] & 0xffff)
        m.wr(SMMU + EVTQ_CONS, 0x10)
        m.step(3000)
        check(f["SMMU_STALLS"] == 4 and not f["SMMU_UNREPORTED"] and
              m.rd(SMMU + EVTQ_PROD) == 0x14, "room: the 4 are reported")


def case_unknown_event():
    with machine(STALLS + ("stall-event=239",)) as m:
        f = Function(m, 0x10)
        f.burst(IOVA, 1)
        check(f["SMMU_STALLS"] == 1 and m.event(0)[0] & 0xff == 239 and
              m.event(0)[1] >> 31 & 1, "a stall with an event of no kind")
        m.cmd(RESUME, w1=0x10, w2=m.event(0)[1] & 0xffff)
        check(not f["SMMU_STALLS"] and not f["VIOL_TOTAL"],
              "ended by its STAG as any other")
    with machine(("arch-eventq=on", "stall-event=239")) as m:
        f = Function(m, 0x10, ats=False)
        f.burst(IOVA, 1)
        check(m.event(0)[0] & 0xff != 239, "an event without a stall keeps its")


NAMES = (("separate", b"eventq\0priq\0cmdq-sync\0gerror\0", b"combined\0"),
         ("combined", b"combined\0", b"gerror\0"),
         ("none", b"", b"gerror\0"))


def case_irqs():
    for irqs, there, absent in NAMES:
        with tempfile.TemporaryDirectory() as where:
            # By its name: QEMU puts a new file in the place of an old one.
            dtb = os.path.join(where, "dtb")
            subprocess.run([QEMU, "-M", "virt,iommu=smmuv3,gic-version=3,"
                            "dumpdtb=" + dtb, "-nodefaults", "-display",
                            "none", "-L", "/usr/share/qemu", "-global",
                            "arm-smmuv3.irqs=" + irqs], check=True,
                           capture_output=True, timeout=10)
            with open(dtb, "rb") as f:
                text = f.read()
            check(b"arm,smmu-v3\0" in text and there in text and
                  absent not in text,
                  "the device tree has %s interrupts" % irqs)
    for irqs, line in (("separate", 3), ("combined", 0)):
        with machine(STALLS + ("irqs=" + irqs,)) as m:
            f = Function(m, 0x10)
            intid = SMMU_SPI + line
            m.wr(GICD + 0xc00 + intid // 16 * 4, 2 << intid % 16 * 2)   # edge
            f["EVT_ABORT"] = 1
            f.burst(IOVA, 1)
            pending = m.rd(GICD + 0x200 + intid // 32 * 4) >> intid % 32 & 1
            check(m.rd(SMMU + GERROR) & 4 and pending,
                  "irqs=%s: GERROR comes by line %d" % (irqs, line))


# ---- command queue ----

def case_sync_msi():
    with machine(("ats=on", "sync-msi=on")) as m:
        f = Function(m, 0x10)
        f["SYNC_MSI_US"] = 1000
        m.cmd(SYNC, w0=1 << 12, w1=0x11, w2=MSI)
        check(m.consumed() and not m.rd(MSI), "consumed, not signalled")
        m.step(500000)
        f["SYNC_MSI_US"] = 0
        m.cmd(SYNC, w0=1 << 12, w1=0x22, w2=MSI + 4)
        check(not m.rd(MSI) and not m.rd(MSI + 4), "the second waits behind it")
        m.step(500000)
        check(m.rd(MSI) == 0x11 and m.rd(MSI + 4) == 0x22,
              "written after 1 ms, in order")
        m.cmd(SYNC, w0=1 << 12, w1=0x33, w2=MSI)
        check(m.rd(MSI) == 0x33, "without delay at once")
        m.cmd(SYNC, w0=1 << 12, w1=0xffff, w2=f.bar + R["INV_MODE"])
        check(f["INV_MODE"] == 0 and m.rd(SMMU + GERROR) == 1 << 4,
              "not to a device: MSI_CMDQ_ABT_ERR (7.5)")


def case_hold():
    with machine() as m:
        f = Function(m, 0x10)
        for prop, value in (("hold-sel", 2), ("hold-op", ATC_INV),
                            ("hold-sid", 0x10), ("hold-skip", 1),
                            ("hold-ctl", R["HOLD_ARM"])):
            check("return" in m.qom("td0", prop, value), "qom-set " + prop)
        m.cmd(ATC_INV, w1=0x18)
        m.cmd(ATC_INV, w1=0x10)
        check(m.consumed(), "another stream, and one skipped")
        m.cmd(ATC_INV, w1=0x10)
        m.cmd(SYNC)
        stat = m.qom("td0", "hold-stat")
        check(not m.consumed() and stat == 1 << 31 | 2 << 8 | ATC_INV,
              "held", "%#x" % stat)
        check(m.qom("td0", "hold-stat-sid") == 0x10 and
              f.stat("INV_RX") == 1,
              "before it is carried out")
        m.step(10 ** 9)
        check(not m.consumed(), "for as long as nobody releases it")
        m.qom("td0", "hold-ctl", R["HOLD_RELEASE"])
        check(m.consumed() and f.stat("INV_RX") == 2, "released by QMP")
        for prop, value in (("hold-sel", 4), ("inv-mode", 6),
                            ("flr-inv-mode", 99)):
            check("error" in m.qom("td0", prop, value),
                  "%s=%u is refused" % (prop, value))


def case_inv_error():
    with machine() as m:
        f = Function(m, 0x10)
        m.map(IOVA, DATA)
        f.burst(IOVA, 1, R["CTRL_ATS"])
        f["INV_MODE"], f["INV_REPEAT"] = R["INV_ERROR_LATE"], 1
        f["INV_DELAY_US"], f["INV_LATE_US"] = 1000, 5000
        m.cmd(ATC_INV, w1=0x10, w2=52)
        m.cmd(SYNC)
        m.step(999000)
        check(not m.consumed() and not m.rd(SMMU + GERROR), "SYNC waits")
        m.step(1000)
        check(m.cerror() == 3 and m.rd(SMMU + GERROR) == 1, "CERROR_ATC_INV")
        m.wr(SMMU + GERRORN, 1)
        check(m.cerror() == 3 and m.rd(SMMU + GERROR) == 0, "and once again")
        m.wr(SMMU + GERRORN, 0)
        check(m.consumed() and f["SMMU_CERROR"] == 2, "then it completes")
        check(f["ATC_ENTRIES"] == 1, "the entry is still there")
        m.step(5 * 10 ** 6)
        check(not f["ATC_ENTRIES"], "until the late answer")


# ---- resets ----

def port_machine(smmu=STALLS, extra=""):
    m = machine(smmu, ("pcie-root-port,id=rp,chassis=1,slot=1,addr=1",
                       "smmu-testdev,id=td0,bus=rp" + extra,
                       "smmu-testdev,id=obs,addr=2"))
    m.root_port(0x08, 1)
    f, o = Function(m, 0x100), Function(m, 0x10)
    o["PEER_SID"] = 0x100
    return m, f, o


def peer(o, reg):
    return o[0x400 + (R[reg] if isinstance(reg, str) else reg)]


def hot_reset(m):
    m.ask("writew %#x 0x40" % m.cfg(0x08, 0x3e))
    m.ask("writew %#x 0" % m.cfg(0x08, 0x3e))


def case_resets():
    for name in "FLR", "hot reset":
        m, f, o = port_machine()
        with m:
            m.map(IOVA, DATA)
            f.burst(IOVA, 1, R["CTRL_ATS"])
            f.start(IOVA, 1, R["CTRL_ATS"] | R["CTRL_LOOP"])
            m.step(10 ** 6)
            ok, resets = f.stat("OK"), f.stat("RESET")
            f["FLR_READY_MS"] = 10
            f.flr() if name == "FLR" else hot_reset(m)
            check(peer(o, 0x140 + 4 * R["S_RESET"]) == resets + 1 and
                  peer(o, "IN_RESET") == 1, name + ": inside the reset")
            check(m.rd(m.cfg(0x100, 0)) == 0xffffffff, "all ones")
            check(not peer(o, "ATC_ENTRIES") and not peer(o, "CTRL"),
                  "ATC empty, engine off")
            m.step(9 * 10 ** 6)
            check(peer(o, "IN_RESET") == 1, "not ready yet")
            m.step(10 ** 6)
            check(not peer(o, "IN_RESET") and
                  m.rd(m.cfg(0x100, 0)) != 0xffffffff and
                  not m.rd(m.cfg(0x100, 0x104)) >> 31 and
                  peer(o, 0x140) == ok, "ready; ATS off, no DMA meanwhile")


def case_fenced():
    m, f, o = port_machine()
    with m:
        m.map(IOVA, DATA)
        f["FLR_FLAGS"], f["FLR_READY_MS"] = R["FLR_KEEP_DMA"], 100
        f.start(IOVA, 1, R["CTRL_LOOP"])
        m.step(10 ** 6)
        hot_reset(m)
        m.step(10 ** 7)
        ok = peer(o, 0x140 + 4 * R["S_RESET_OK"])
        check(ok > 50, "unfenced: memory is reached inside the reset")
        m.set_ste(0x100, STE_ABORT)
        fenced = peer(o, 0x140 + 4 * R["S_RESET_OK"])
        m.step(10 ** 7)
        check(peer(o, 0x140 + 4 * R["S_RESET_OK"]) == fenced and
              peer(o, 0x140 + 4 * R["S_RESET_FAULT"]) > 50,
              "fenced: refused and counted")
        o[0x400 + R["VANISH"]] = 1
        n = peer(o, 0x140 + 4 * R["S_RESET_FAULT"])
        m.step(10 ** 7)
        check(peer(o, 0x140 + 4 * R["S_RESET_FAULT"]) == n,
              "a vanished function does nothing, whatever its flags")


def case_aer():
    m, f, o = port_machine()
    with m:
        m.ask("writew %#x 0x2f" % m.cfg(0x100, R["CFG_PCIE"] + 8))
        aer = R["CFG_AER"]
        for kind, off, bit in (("COR", 0x10, 1 << 6), ("NONFATAL", 4, 1 << 14),
                               ("FATAL", 4, 1 << 4)):
            f["AER"] = R["AER_" + kind]
            check(m.rd(m.cfg(0x100, aer + off)) & bit, kind + " in the status")
        f["AER"] = 77
        o["AER"] = R["AER_FATAL"]
        check(True, "no port above: nothing happens")


# ---- unplugging ----

def unplug(m, dev):
    m.command("device_del", id=dev)
    off = m.cap(0x08, 0x10) + 0x18
    m.ask("writew %#x %#x" % (m.cfg(0x08, off), 0x300 | 0x400))


def case_unplug():
    m, f, o = port_machine(extra=",pasid-width=4")
    with m:
        f.burst(IOVA, 5)
        check(o["SMMU_STALLS"] == 5, "five stalls")
        f["INV_MODE"] = R["INV_NEVER"]
        f.start(IOVA + 0x100000, 1, R["CTRL_LOOP"])
        for _ in range(3):
            m.cmd(ATC_INV, w1=0x100, w2=52)
        m.cmd(SYNC)
        check(not m.consumed() and f["INV_PENDING"] == 3,
              "a CMD_SYNC waits for three answers")
        unplug(m, "td0")
        m.command("query-status")
        check("error" in m.command("qom-get", path="/machine/peripheral/td0",
                                   property="sid") and not
              o["PEER_PRESENT"], "the function is gone", m.events)
        check(m.consumed(), "the CMD_SYNC completes")
        check(not o["SMMU_STALLS"] and o.viol("STALL_OPEN") >= 5,
              "its stalls are gone, and counted as violations")
        # Engines may be running with a burst in each microsecond
        m.step(10 ** 8)
        for op in ATC_INV, RESUME, STALL_TERM, CFGI_STE:
            m.cmd(op, w1=0x100)
        m.cmd(SYNC)
        # Engines may be running with a burst in each microsecond
        m.step(10 ** 8)
        check(m.consumed(), "commands for it do nothing")
        answer = m.command("device_add", driver="smmu-testdev", bus="rp",
                           id="td1", vfs=2)
        check("return" in answer, "one with VFs is plugged in", answer)
        for sid in 0x100, 0x101:
            m.cmd(ATC_INV, w1=sid, w2=52)
        m.cmd(SYNC)
        check(m.consumed(), "nothing waits for a VF that is not enabled")
        unplug(m, "td1")
        m.command("query-status")
        check("error" in m.command("qom-get", path="/machine/peripheral/td1",
                                   property="vfs"), "and unplugged again")
        m.step(10 ** 9)
        answer = m.command("device_add", driver="smmu-testdev", bus="rp",
                           id="td2", **{"pasid-width": 30})
        check("error" in answer and
              "return" in m.command("device_add", driver="smmu-testdev",
                                    bus="rp", id="td2"),
              "a bad one is refused, a good one then takes its place", answer)


def case_unplug_held():
    m, f, o = port_machine()
    with m:
        f["HOLD_OP"], f["HOLD_SID"] = ATC_INV, 0x100
        f["HOLD_CTL"] = R["HOLD_ARM_EACH"]
        m.cmd(ATC_INV, w1=0x100)
        m.cmd(SYNC)
        check(not m.consumed(), "held")
        unplug(m, "td0")
        m.command("query-status")
        check(not m.consumed(), "a breakpoint is the SMMU's, not the device's")
        o["HOLD_CTL"] = R["HOLD_RELEASE"]
        check(m.consumed(), "released through another function")


# ---- command line and migration ----

REFUSED = (
    ((), "smmu-testdev,stall=on", "needs an SMMU with stalls"),
    ((), "smmu-testdev,dma-can-stall=on", "needs an SMMU with stalls"),
    ((), "smmu-testdev,pasid-width=1", "pasid-width=1: the SMMU has 0 bits"),
    (STALLS, "smmu-testdev,pasid-width=17", "the SMMU has 16 bits"),
    (STALLS, "smmu-testdev,pasid-width=21", "at most 20 bits"),
    (STALLS, "smmu-testdev,pasid-width=256", "256"),
    (STALLS, "smmu-testdev,alias=on,stall=on", "two identities"),
    ((), "smmu-testdev,addr=2.1,alias=on", "needs function 0"),
    ((), "smmu-testdev,addr=2.1,vfs=1", "needs function 0"),
    ((), "smmu-testdev,vfs=8", "7 other functions"),
    ((), "smmu-testdev,vfs=1,alias=on", "requester ID of"),
    ((), "smmu-testdev,addr=2.1 smmu-testdev,addr=2.0,multifunction=on,"
     "alias=on", "function 1 of the slot is occupied"),
    ((), "smmu-testdev,addr=2.0,multifunction=on,alias=on smmu-testdev,"
     "addr=2.1", "requester ID of"),
    ((), "smmu-testdev,inv-mode=1", "only on the running device"),
    ((), "smmu-testdev-vf", "expects a pluggable device type"),
    ((), "pcie-pci-bridge,id=b smmu-testdev,bus=b", "PCI"),
    (("ssidsize=21",), "", "at most 20 bits"),
    (("ssidsize=300",), "", "300"),
    (("evtqs=0",), "", "evtqs=0"),
    (("evtqs=20",), "", "evtqs=20"),
    (("irqs=two",), "", "irqs=two"),
    (("stall-event=223",), "", "stall-event=223"),
    (("stall-event=240",), "", "stall-event=240"),
    (("ssidsize=4", "stage=2"), "", "ssidsize needs stage 1"),
    (("stall=on", "stage=2"), "", "stall needs stage 1"),
    (("fwb=on", "stage=1"), "", "fwb needs stage 2"),
    (("ats=maybe",), "", "maybe"),
)


def case_refused():
    for smmu, devices, want in REFUSED:
        # newer machine types insist on both stages
        one_stage = any(prop.startswith("stage=") for prop in smmu)
        virt = "virt-9.0" if one_stage else "virt"
        cmd = [QEMU, "-M", virt + ",iommu=smmuv3,gic-version=3",
               "-accel", "qtest", "-nodefaults", "-display", "none",
               "-L", "/usr/share/qemu"]
        for prop in smmu:
            cmd += ["-global", "arm-smmuv3." + prop]
        for dev in devices.split():
            cmd += ["-device", dev]
        try:
            p = subprocess.run(cmd, stdin=subprocess.DEVNULL, text=True,
                               capture_output=True, timeout=10, check=False)
            rc, err = p.returncode, p.stderr
        except subprocess.TimeoutExpired:
            rc, err = 0, "it runs"
        check(rc == 1 and want in err, "refused: %s %s" % (" ".join(smmu),
                                                           devices),
              "%d %s" % (rc, err.strip()))
    p = subprocess.run([QEMU, "-M", "virt,gic-version=3", "-accel", "qtest",
                        "-nodefaults", "-display", "none", "-L",
                        "/usr/share/qemu", "-device", "smmu-testdev"],
                       capture_output=True, text=True, timeout=10, check=False)
    check(p.returncode == 1 and "not behind an SMMUv3" in p.stderr,
          "refused: no SMMU", p.stderr)


def case_migration():
    for smmu, devices, want in (
            (("ats=on",), (), True), (("sync-msi=on",), (), True),
            (("evtqs=5",), (), True),
            ((), ("smmu-testdev,id=td0",), True), ((), (), False)):
        with machine(smmu, devices) as m:
            answer = m.command("migrate", uri="exec:cat>/dev/null")
            check(("error" in answer) == want, "migration is %s: %s %s" % (
                "refused" if want else "allowed", " ".join(smmu),
                " ".join(devices)), answer)


# ---- hostile guests ----

def case_reentry():
    with machine() as m:
        f = Function(m, 0x10)
        m.map(IOVA, f.bar)
        f["MARK_LO"] = 0
        f.burst(IOVA + R["MARK_LO"])
        check(f.stat("FAULT") == 1 and not f.stat("OK") and not f["MARK_LO"],
              "DMA does not reach the function's own registers")
        m.map(IOVA, SMMU & ~0xfff)
        f.burst(IOVA + CR0)
        check(f.stat("FAULT") == 2 and m.rd(SMMU + CR0) == 0x1d,
              "nor those of the SMMU")


def case_bad_ste():
    with machine() as m:
        f = Function(m, 0x10)
        for config in (1, 2, 3, 5, 6, 7):
            m.wr64(CD, 0)
            m.set_ste(0x10, config, True)
            f.burst(IOVA)
            f.burst(IOVA, 1, R["CTRL_ATS"])
            m.wr(SMMU + EVTQ_CONS, m.rd(SMMU + EVTQ_PROD))
        check(not f.stat("OK") and f.stat("FAULT") >= 6,
              "an STE or CD full of zeros translates nothing")


def case_fuzz():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    rounds = int(os.environ.get("ROUNDS", "4000"))
    rng = random.Random(seed)
    print("# SEED=%d ROUNDS=%d" % (seed, rounds))
    words = (0, 1, 2, 3, 4, 5, 0xffffffff, 1 << 31, IOVA, RAM, SMMU, 0x10)
    ops = (CFGI_STE, ATC_INV, RESUME, STALL_TERM, SYNC, TLBI_ALL, 0x04, 0x05,
           0x06, 0x10, 0x7f)
    m = machine(STALLS + ("sync-msi=on", "evtqs=5"), (
        "smmu-testdev,addr=2.0,multifunction=on,stall=on,pasid-width=8",
        "smmu-testdev,addr=2.1", "smmu-testdev,addr=3,alias=on",
        "smmu-testdev,addr=4,vfs=3"))
    with m:
        fs = [Function(m, sid) for sid in (0x10, 0x11, 0x18, 0x20)]
        m.map(IOVA, DATA)

        def word():
            return rng.choice(words) if rng.random() < 0.6 else \
                rng.getrandbits(rng.choice((4, 10, 32)))

        for _ in range(rounds):
            f, what = rng.choice(fs), rng.random()
            if what < 0.45:
                f[rng.choice(range(0, 0x200, 4)) +
                  rng.choice((0, 0, 0, 0x400))] = word()
            elif what < 0.65:
                m.cmd(rng.choice(ops), w0=word() & ~0xff, w1=rng.choice(
                    (0x10, 0x11, 0x18, 0x19, 0x20, word())), w2=word(),
                    w3=word() & 0xff)
            elif what < 0.72:
                m.wr(m.cfg(f.sid, rng.randrange(0, 0x200) & ~3), word())
            elif what < 0.77:
                m.ask("writew %#x 6" % m.cfg(f.sid, 4))
                m.wr(m.cfg(f.sid, 0x10), f.bar)
            elif what < 0.80:
                m.wr(SMMU + rng.choice((CR0, GERRORN, EVTQ_CONS, EVTQ_PROD,
                                        CMDQ_CONS, 0xa0, 0x90)), word())
            elif what < 0.85:
                m.set_ste(f.sid, rng.choice((0, 4, 5, 6, 7)), rng.random() < .5)
            elif what < 0.88:
                f.flr()
            elif what < 0.90:
                m.smmu_setup(True)
                m.wr(SMMU + CMDQ_PROD, 0)
            else:
                m.step(rng.choice((1000, 10 ** 5, 10 ** 7)))
        # Engines may be running with a burst in each microsecond
        m.step(10 ** 8)
        check("return" in m.command("query-status"), "QEMU is alive")


def main():
    global QEMU, tests, failures
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    QEMU = sys.argv[1]
    cases = {n[5:]: f for n, f in globals().items() if n.startswith("case_")}
    print("TAP version 13")
    for name in sys.argv[2:] or cases:
        if not re.fullmatch("|".join(cases), name):
            sys.exit("Bail out! no case " + name)
        print("# case", name)
        try:
            cases[name]()
        except Gone as e:
            check(False, name + ": QEMU has ended", e)
        sys.stdout.flush()
    print("1..%d" % tests)
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
