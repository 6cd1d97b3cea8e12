/*
 * smmu-testdev: registers, the window onto a peer's, and the knobs of a running
 * device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "smmu_testdev.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/log.h"
#include "hw/pci/pcie_aer.h"
#include "trace.h"

static SMMUTestDev *td_by_sid(uint32_t sid)
{
    SMMUTestDev *d;

    QLIST_FOREACH(d, &td_devs, next) {
        if (smmuv3_ep_sid(&d->ep) == sid) {
            return d;
        }
    }
    return NULL;
}

static uint32_t xfers(SMMUTestDev *d, bool stalled)
{
    uint32_t n = 0;

    for (int i = 0; i < SMTD_SLOTS; i++) {
        n += d->xfer[i].state == XFER_STALLED ||
             (!stalled && d->xfer[i].state == XFER_READY);
    }
    return n;
}

static uint32_t td_caps(SMMUTestDev *d)
{
    SMMUv3State *s = d->ep.smmu;

    return (s->stall ? SMTD_CAPS_STALL : 0) |
           (s->ssidsize && d->pasid_width ? SMTD_CAPS_PASID : 0) |
           (s->ats ? SMTD_CAPS_ATS : 0) |
           (s->sync_msi ? SMTD_CAPS_MSI_SYNC : 0) |
           (d->alias_ep.smmu ? SMTD_CAPS_ALIAS : 0) |
           (pci_is_vf(&d->parent_obj) ? SMTD_CAPS_VF : 0) |
           (s->arch_eventq ? SMTD_CAPS_ARCH_EVTQ : 0);
}

static uint32_t td_reg_read(SMMUTestDev *d, uint32_t reg)
{
    SMMUv3State *s = d->ep.smmu;
    SMMUv3Hold *h = &d->hold[d->hold_sel];
    uint32_t n = 0;

    if (reg >= SMTD_STAT(0) && reg < SMTD_STAT(SMTD_S_COUNT)) {
        return d->stat[(reg - SMTD_STAT(0)) / 4];
    }
    if (reg >= SMTD_VIOL(0) && reg < SMTD_VIOL(SMTD_V_KINDS)) {
        return smmuv3_violations[(reg - SMTD_VIOL(0)) / 4];
    }
    switch (reg) {
    case SMTD_ID:
        return SMTD_MAGIC;
    case SMTD_VERSION:
        return SMTD_VERSION_CUR;
    case SMTD_CAPS:
        return td_caps(d);
    case SMTD_SID:
        return smmuv3_ep_sid(&d->ep);
    case SMTD_IOVA_LO:
        return d->iova;
    case SMTD_IOVA_HI:
        return d->iova >> 32;
    case SMTD_STRIDE:
        return d->stride;
    case SMTD_COUNT:
        return d->count;
    case SMTD_PASID:
        return d->pasid;
    case SMTD_PERIOD_US:
        return d->period_us;
    case SMTD_CTRL:
        return d->ctrl;
    case SMTD_PENDING:
        return xfers(d, false);
    case SMTD_STALLED:
        return xfers(d, true);
    case SMTD_DATA_LO:
        return d->data;
    case SMTD_DATA_HI:
        return d->data >> 32;
    case SMTD_REQUESTER:
        return d->requester;
    case SMTD_INV_MODE:
        return d->inv_mode;
    case SMTD_INV_DELAY_US:
        return d->inv_delay_us;
    case SMTD_INV_REPEAT:
        return d->inv_repeat;
    case SMTD_INV_LATE_US:
        return d->inv_late_us;
    case SMTD_INV_PENDING:
        for (int i = 0; i < INV_MAX; i++) {
            n += d->inv[i].used && !d->inv[i].late;
        }
        return n;
    case SMTD_ATC_ENTRIES:
        for (int i = 0; i < ATC_ENTRIES; i++) {
            n += d->atc[i].ep != NULL;
        }
        return n;
    case SMTD_FLR_FLAGS:
        return d->flr_flags;
    case SMTD_FLR_READY_MS:
        return d->flr_ready_ms;
    case SMTD_FLR_INV_MODE:
        return d->flr_inv_mode;
    case SMTD_VANISH:
        return d->vanish;
    case SMTD_TRPND:
        return d->trpnd;
    case SMTD_IN_RESET:
        return td_in_reset(d);
    case SMTD_ALIAS_SID:
        return d->alias_ep.smmu ? smmuv3_ep_sid(&d->alias_ep) : UINT32_MAX;
    case SMTD_HOLD_SEL:
        return d->hold_sel;
    case SMTD_HOLD_OP:
        return h->opcode | (h->any_sid ? SMTD_HOLD_ANY_SID : 0);
    case SMTD_HOLD_SID:
        return h->sid;
    case SMTD_HOLD_SKIP:
        return h->skip;
    case SMTD_HOLD_US:
        return h->us;
    case SMTD_HOLD_STAT:
        return s->ep.held < 0 ? 0 : SMTD_HOLD_STAT_HELD | s->ep.held << 8 |
                                    s->ep.held_op;
    case SMTD_HOLD_STAT_SID:
        return s->ep.held < 0 ? 0 : s->ep.held_sid;
    case SMTD_SYNC_MSI_US:
        return s->ep.msi_us;
    case SMTD_EVT_ABORT:
        return s->ep.evt_abort;
    case SMTD_SMMU_STALLS:
        return smmuv3_stalls(s, NULL, false);
    case SMTD_SMMU_UNREPORTED:
        return smmuv3_stalls(s, NULL, true);
    case SMTD_SMMU_CERROR:
        return s->ep.n_cerror;
    case SMTD_SMMU_OVERFLOW:
        return s->ep.n_overflow;
    case SMTD_SMMU_EVT_LOST:
        return s->ep.n_evt_lost;
    case SMTD_SMMU_INV_SENT:
        return s->ep.n_inv_sent;
    case SMTD_SMMU_CMDS:
        return s->ep.n_cmds;
    case SMTD_MARK_LO:
        return d->mark;
    case SMTD_MARK_HI:
        return d->mark >> 32;
    case SMTD_MARK_PASID:
        return d->mark_pasid;
    case SMTD_MARKS:
        return td_mark_count(d->marks) + td_mark_count(td_pa_marks);
    case SMTD_VIOL_TOTAL:
        for (int i = 0; i < SMTD_V_KINDS; i++) {
            n += smmuv3_violations[i];
        }
        return n;
    case SMTD_PEER_SID:
        return d->peer_sid;
    case SMTD_PLUG:
        return d->plug_state;
    case SMTD_PEER_PRESENT:
        return td_by_sid(d->peer_sid) != NULL;
    }
    return 0;
}

/* A value without a meaning is refused: the register keeps what it had */
static void set_mode(uint32_t *mode, uint32_t val)
{
    if (val <= SMTD_INV_ERROR_LATE) {
        *mode = val;
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "smmu-testdev: no such mode: %u\n", val);
    }
}

static void td_hold_ctl(SMMUTestDev *d, uint32_t val)
{
    SMMUv3Hold *h = &d->hold[d->hold_sel];

    switch (val) {
    case SMTD_HOLD_ARM:
    case SMTD_HOLD_ARM_EACH:
        h->armed = true;
        h->each = val == SMTD_HOLD_ARM_EACH;
        smmuv3_hold_set(d->ep.smmu, d->hold_sel, h);
        break;
    case SMTD_HOLD_DISARM:
        h->armed = false;
        smmuv3_hold_set(d->ep.smmu, d->hold_sel, h);
        break;
    case SMTD_HOLD_RELEASE:
        smmuv3_hold_release(d->ep.smmu);
        break;
    }
}

static void td_mark_ctl(SMMUTestDev *d, uint32_t val)
{
    switch (val) {
    case SMTD_MARK_IOVA:
    case SMTD_UNMARK_IOVA:
        td_mark_set(d->marks, d->mark, d->mark_pasid, val == SMTD_MARK_IOVA);
        break;
    case SMTD_MARK_PA:
    case SMTD_UNMARK_PA:
        td_mark_set(td_pa_marks, d->mark, 0, val == SMTD_MARK_PA);
        break;
    case SMTD_UNMARK_ALL:
        memset(d->marks, 0, sizeof(d->marks));
        memset(td_pa_marks, 0, sizeof(td_pa_marks));
        break;
    }
}

static void td_stalls_open(SMMUv3Endpoint *ep)
{
    uint32_t n = smmuv3_stalls(ep->smmu, ep, false);

    while (n--) {
        smmuv3_violation(SMMU_VIOL_STALL_OPEN, smmuv3_ep_sid(ep), 0);
    }
}

static void td_oracle_ctl(SMMUTestDev *d, uint32_t val)
{
    SMMUTestDev *o;

    switch (val) {
    case SMTD_ORACLE_CLEAR:
        memset(smmuv3_violations, 0, sizeof(smmuv3_violations));
        break;
    case SMTD_ORACLE_CHECK:
        QLIST_FOREACH(o, &td_devs, next) {
            td_stalls_open(&o->ep);
            if (o->alias_ep.smmu) {
                td_stalls_open(&o->alias_ep);
            }
        }
        break;
    }
}

void td_set_ready(SMMUTestDev *d)
{
    d->ready_at = d->flr_ready_ms == SMTD_FLR_READY_NEVER ? INT64_MAX :
                  td_now() + d->flr_ready_ms * 1000000LL;
}

static void td_requester(SMMUTestDev *d, uint32_t val)
{
    if (val > (d->alias_ep.smmu != NULL)) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "smmu-testdev: no such requester ID: %u\n", val);
        return;
    }
    d->requester = val;
}

/*
 * Whether the message is sent, and what becomes of it on its way up, is for
 * Device Control, the masks and the ports in between to say (PCIe 6.2.6).
 */
static void td_aer(SMMUTestDev *d, uint32_t val)
{
    PCIEAERErr err = { .source_id = pci_requester_id(&d->parent_obj) };

    switch (val) {
    case SMTD_AER_COR:
        err.flags = PCIE_AER_ERR_IS_CORRECTABLE;
        err.status = PCI_ERR_COR_BAD_TLP;
        break;
    case SMTD_AER_NONFATAL:
        err.status = PCI_ERR_UNC_COMP_TIME;
        break;
    case SMTD_AER_FATAL:
        err.status = PCI_ERR_UNC_DLP;
        break;
    default:
        return;
    }
    if (!td_dead(d)) {
        pcie_aer_inject_error(&d->parent_obj, &err);
    }
}

static void td_reg_write(SMMUTestDev *d, uint32_t reg, uint32_t val)
{
    SMMUv3Hold *h = &d->hold[d->hold_sel];

    switch (reg) {
    case SMTD_IOVA_LO:
        d->iova = deposit64(d->iova, 0, 32, val);
        break;
    case SMTD_IOVA_HI:
        d->iova = deposit64(d->iova, 32, 32, val);
        break;
    case SMTD_STRIDE:
        d->stride = val;
        break;
    case SMTD_COUNT:
        d->count = MIN(val, SMTD_SLOTS);
        break;
    case SMTD_PASID:
        d->pasid = val & SMTD_PASID_VALID ?
                   val & (SMTD_PASID_VALID | SMTD_PASID_MASK) : 0;
        break;
    case SMTD_PERIOD_US:
        d->period_us = val;
        break;
    case SMTD_CTRL:
        d->ctrl = val & 0x1f;
        d->rude = false;
        timer_del(d->run_timer);
        if (val & SMTD_CTRL_RUN) {
            timer_mod(d->run_timer, td_now() + RETRY_NS);
        }
        break;
    case SMTD_REQUESTER:
        td_requester(d, val);
        break;
    case SMTD_INV_MODE:
        set_mode(&d->inv_mode, val);
        break;
    case SMTD_INV_DELAY_US:
        d->inv_delay_us = val;
        break;
    case SMTD_INV_REPEAT:
        d->inv_repeat = val;
        break;
    case SMTD_INV_LATE_US:
        d->inv_late_us = val;
        break;
    case SMTD_INV_RELEASE:
        td_inv_release(d, val);
        break;
    case SMTD_ATC_ENTRIES:
        td_atc_drop_all(d);
        break;
    case SMTD_FLR_FLAGS:
        d->flr_flags = val & 7;
        break;
    case SMTD_FLR_READY_MS:
        d->flr_ready_ms = val;
        if (td_in_reset(d)) {
            td_set_ready(d);
        }
        break;
    case SMTD_FLR_INV_MODE:
        set_mode(&d->flr_inv_mode, val);
        break;
    case SMTD_VANISH:
        d->vanish = val & 1;
        trace_smmutd_vanish(smmuv3_ep_sid(&d->ep), d->vanish);
        break;
    case SMTD_TRPND:
        d->trpnd = val & 1;
        break;
    case SMTD_AER:
        td_aer(d, val);
        break;
    case SMTD_HOLD_SEL:
        if (val < SMTD_HOLDS) {
            d->hold_sel = val;
        }
        break;
    case SMTD_HOLD_OP:
        h->opcode = val & SMTD_HOLD_OPCODE;
        h->any_sid = val & SMTD_HOLD_ANY_SID;
        break;
    case SMTD_HOLD_SID:
        h->sid = val;
        break;
    case SMTD_HOLD_SKIP:
        h->skip = val;
        break;
    case SMTD_HOLD_US:
        h->us = val;
        break;
    case SMTD_HOLD_CTL:
        td_hold_ctl(d, val);
        break;
    case SMTD_SYNC_MSI_US:
        d->ep.smmu->ep.msi_us = val;
        break;
    case SMTD_EVT_ABORT:
        d->ep.smmu->ep.evt_abort = val;
        break;
    case SMTD_MARK_LO:
        d->mark = deposit64(d->mark, 0, 32, val);
        break;
    case SMTD_MARK_HI:
        d->mark = deposit64(d->mark, 32, 32, val);
        break;
    case SMTD_MARK_PASID:
        d->mark_pasid = val;
        break;
    case SMTD_MARK_CTL:
        td_mark_ctl(d, val);
        break;
    case SMTD_ORACLE_CTL:
        td_oracle_ctl(d, val);
        break;
    case SMTD_CFG_FORGET:
        smmuv3_ep_forget(&d->ep);
        if (d->alias_ep.smmu) {
            smmuv3_ep_forget(&d->alias_ep);
        }
        break;
    case SMTD_STAT_CLEAR:
        memset(d->stat, 0, sizeof(d->stat));
        break;
    case SMTD_PEER_SID:
        d->peer_sid = val;
        break;
    case SMTD_PLUG:
        td_plug_ctl(d, val);
        break;
    }
}

static uint64_t td_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    SMMUTestDev *d = opaque;
    SMMUTestDev *peer;

    if (td_dead(d)) {
        return UINT32_MAX;
    }
    if (addr >= SMTD_PEER(0) && addr < SMTD_PEER(0x200)) {
        peer = td_by_sid(d->peer_sid);
        return peer ? td_reg_read(peer, addr - SMTD_PEER(0)) : UINT32_MAX;
    }
    return td_reg_read(d, addr);
}

static void td_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    SMMUTestDev *d = opaque;
    SMMUTestDev *peer;

    if (td_dead(d)) {
        return;
    }
    if (addr >= SMTD_PEER(0) && addr < SMTD_PEER(0x200)) {
        peer = td_by_sid(d->peer_sid);
        if (!peer) {
            return;
        }
        d = peer;
        addr -= SMTD_PEER(0);
    }
    trace_smmutd_reg(smmuv3_ep_sid(&d->ep), addr, val);
    td_reg_write(d, addr, val);
}

const MemoryRegionOps td_mmio_ops = {
    .read = td_mmio_read,
    .write = td_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/*
 * Every knob is also a property of the running device, for a test that steers
 * from outside the guest: qom-set /machine/peripheral/ID inv-mode 2
 */
static const struct {
    const char *name;
    uint32_t reg;
} td_knobs[] = {
    { "inv-mode", SMTD_INV_MODE }, { "inv-delay-us", SMTD_INV_DELAY_US },
    { "inv-repeat", SMTD_INV_REPEAT }, { "inv-late-us", SMTD_INV_LATE_US },
    { "inv-release", SMTD_INV_RELEASE }, { "inv-pending", SMTD_INV_PENDING },
    { "atc-entries", SMTD_ATC_ENTRIES },
    { "flr-flags", SMTD_FLR_FLAGS }, { "flr-ready-ms", SMTD_FLR_READY_MS },
    { "flr-inv-mode", SMTD_FLR_INV_MODE }, { "vanish", SMTD_VANISH },
    { "trpnd", SMTD_TRPND }, { "in-reset", SMTD_IN_RESET },
    { "aer", SMTD_AER }, { "requester", SMTD_REQUESTER },
    { "hold-sel", SMTD_HOLD_SEL }, { "hold-op", SMTD_HOLD_OP },
    { "hold-sid", SMTD_HOLD_SID }, { "hold-skip", SMTD_HOLD_SKIP },
    { "hold-us", SMTD_HOLD_US }, { "hold-ctl", SMTD_HOLD_CTL },
    { "hold-stat", SMTD_HOLD_STAT }, { "hold-stat-sid", SMTD_HOLD_STAT_SID },
    { "sync-msi-us", SMTD_SYNC_MSI_US }, { "evt-abort", SMTD_EVT_ABORT },
    { "smmu-stalls", SMTD_SMMU_STALLS },
    { "smmu-overflow", SMTD_SMMU_OVERFLOW },
    { "oracle-ctl", SMTD_ORACLE_CTL }, { "viol-total", SMTD_VIOL_TOTAL },
};

static bool td_knob_ready(SMMUTestDev *d, Error **errp)
{
    if (!d->ep.smmu) {
        error_setg(errp, "only on the running device (qom-set)");
        return false;
    }
    return true;
}

static void td_knob_get(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    SMMUTestDev *d = SMMU_TESTDEV_BASE(obj);
    uint32_t val;

    if (td_knob_ready(d, errp)) {
        val = td_reg_read(d, td_knobs[(uintptr_t)opaque].reg);
        visit_type_uint32(v, name, &val, errp);
    }
}

static void td_knob_set(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    SMMUTestDev *d = SMMU_TESTDEV_BASE(obj);
    uint32_t val, reg = td_knobs[(uintptr_t)opaque].reg;

    if (!td_knob_ready(d, errp) || !visit_type_uint32(v, name, &val, errp)) {
        return;
    }
    if ((reg == SMTD_INV_MODE || reg == SMTD_FLR_INV_MODE) &&
        val > SMTD_INV_ERROR_LATE) {
        error_setg(errp, "%s=%u: modes are 0 to %u", name, val,
                   SMTD_INV_ERROR_LATE);
        return;
    }
    if (reg == SMTD_HOLD_SEL && val >= SMTD_HOLDS) {
        error_setg(errp, "%s=%u: there are %u breakpoints", name, val,
                   SMTD_HOLDS);
        return;
    }
    trace_smmutd_reg(smmuv3_ep_sid(&d->ep), reg, val);
    td_reg_write(d, reg, val);
}

void td_add_knobs(Object *obj)
{
    for (uintptr_t i = 0; i < ARRAY_SIZE(td_knobs); i++) {
        object_property_add(obj, td_knobs[i].name, "uint32", td_knob_get,
                            td_knob_set, NULL, (void *)i);
    }
}
