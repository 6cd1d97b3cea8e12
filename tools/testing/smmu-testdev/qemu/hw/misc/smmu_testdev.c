/*
 * PCIe test function for the emulated SMMUv3: a DMA engine with an address
 * translation cache, PASIDs, stalled transactions and resets, each of which can
 * be told to misbehave, and an oracle that counts what must never happen.
 *
 * The register map, with the meaning of every knob, is smmu-testdev-regs.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "hw/pci/msi.h"
#include "hw/qdev-properties.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-endpoint.h"
#include "hw/misc/smmu-testdev-regs.h"
#include "exec/address-spaces.h"
#include "trace.h"

#define TYPE_SMMU_TESTDEV "smmu-testdev"
OBJECT_DECLARE_SIMPLE_TYPE(SMMUTestDev, SMMU_TESTDEV)

#define ATC_ENTRIES     128
#define INV_MAX         SMMU_ATC_INV_MAX
#define RETRY_NS        1000        /* from RESUME(retry) to the retry */
#define BUSY_NS         100000      /* from "no free STAG" to the next try */

typedef enum {
    XFER_IDLE,
    XFER_STALLED,       /* in the SMMU, its STAG is known */
    XFER_READY,         /* to be presented again */
} XferState;

typedef struct {
    XferState state;
    bool read;
    bool squashed;      /* ends without touching memory */
    uint32_t pasid;     /* as SMTD_PASID */
    uint32_t resets;    /* resets of the function when it stalled */
    uint64_t iova;
    uint16_t stag;
} Xfer;

typedef struct {
    bool valid;
    uint32_t pasid;
    uint64_t iova, pa, mask;
    IOMMUAccessFlags perm;
} AtcEntry;

/* An invalidate request that waits for its time, or for INV_RELEASE */
typedef struct {
    bool used, late;
    uint32_t mode, repeat;
    int64_t when;
    SMMUv3AtcInv inv;
} InvRequest;

typedef struct {
    bool used;
    uint32_t pasid;     /* by IOVA only */
    uint64_t page;
} Mark;

struct SMMUTestDev {
    PCIDevice parent_obj;
    MemoryRegion bar;
    SMMUv3Endpoint ep;
    bool stall_id;
    uint8_t pasid_width;

    QEMUTimer *run_timer, *retry_timer, *inv_timer;
    Xfer xfer[SMTD_SLOTS];
    uint64_t iova, seq, data;
    uint32_t stride, count, pasid, period_us, ctrl;

    AtcEntry atc[ATC_ENTRIES];
    uint32_t atc_next;
    InvRequest inv[INV_MAX];
    uint32_t inv_mode, inv_delay_us, inv_repeat, inv_late_us;

    uint32_t flr_flags, flr_ready_ms, flr_inv_mode, vanish, trpnd;
    int64_t ready_at;           /* end of the reset; INT64_MAX: never */
    bool rude;                  /* a reset left the engine running */
    uint32_t resets;

    uint32_t hold_sel;
    SMMUv3Hold hold[SMTD_HOLDS];
    uint64_t mark;
    uint32_t mark_pasid;
    Mark marks[SMTD_MARKS_MAX]; /* by IOVA */
    uint32_t stat[SMTD_S_COUNT];
    uint32_t peer_sid;
    QLIST_ENTRY(SMMUTestDev) next;
};

static QLIST_HEAD(, SMMUTestDev) all_devs = QLIST_HEAD_INITIALIZER(all_devs);
static Mark pa_marks[SMTD_MARKS_MAX];

QEMU_BUILD_BUG_ON(SMTD_V_KINDS != SMMU_VIOL_KINDS);
QEMU_BUILD_BUG_ON(SMTD_HOLDS != SMMU_HOLDS);
QEMU_BUILD_BUG_ON(SMTD_V_TERM_LIVE != SMMU_VIOL_TERM_LIVE);

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static bool td_in_reset(SMMUTestDev *d)
{
    return now_ns() < d->ready_at;
}

/* Neither configuration space nor BAR answers */
static bool td_dead(SMMUTestDev *d)
{
    return d->vanish || td_in_reset(d);
}

static bool td_bus_master(SMMUTestDev *d)
{
    return pci_get_word(d->parent_obj.config + PCI_COMMAND) &
           PCI_COMMAND_MASTER;
}

static bool td_ats_enabled(SMMUTestDev *d)
{
    return pci_get_word(d->parent_obj.config + SMTD_CFG_ATS + PCI_ATS_CTRL) &
           PCI_ATS_CTRL_ENABLE;
}

/* ---- the oracle ---- */

static Mark *mark_find(Mark *marks, uint64_t page, uint32_t pasid)
{
    for (int i = 0; i < SMTD_MARKS_MAX; i++) {
        if (marks[i].used && marks[i].page == page && marks[i].pasid == pasid) {
            return &marks[i];
        }
    }
    return NULL;
}

static void mark_set(Mark *marks, uint64_t addr, uint32_t pasid, bool on)
{
    uint64_t page = addr & ~0xfffull;
    Mark *m = mark_find(marks, page, pasid);

    if (!on && m) {
        m->used = false;
    }
    for (int i = 0; on && !m && i < SMTD_MARKS_MAX; i++) {
        if (!marks[i].used) {
            marks[i] = (Mark) { .used = true, .page = page, .pasid = pasid };
            m = &marks[i];
        }
    }
}

static uint32_t mark_count(const Mark *marks)
{
    uint32_t n = 0;

    for (int i = 0; i < SMTD_MARKS_MAX; i++) {
        n += marks[i].used;
    }
    return n;
}

/* An access has been admitted and is about to reach memory */
static void td_oracle(SMMUTestDev *d, Xfer *x, uint64_t pa, bool translated)
{
    if (mark_find(pa_marks, pa & ~0xfffull, 0) ||
        mark_find(d->marks, x->iova & ~0xfffull, x->pasid)) {
        smmuv3_violation(translated ? SMMU_VIOL_ATS_MARKED :
                         SMMU_VIOL_DMA_MARKED, smmuv3_ep_sid(&d->ep), x->iova);
    }
    if (x->state == XFER_READY && x->resets != d->resets) {
        smmuv3_violation(SMMU_VIOL_STALL_FLR, smmuv3_ep_sid(&d->ep), x->iova);
    }
}

/* ---- address translation cache ---- */

static AtcEntry *atc_find(SMMUTestDev *d, Xfer *x)
{
    IOMMUAccessFlags perm = x->read ? IOMMU_RO : IOMMU_WO;

    for (int i = 0; i < ATC_ENTRIES; i++) {
        AtcEntry *e = &d->atc[i];

        if (e->valid && e->pasid == x->pasid && (e->perm & perm) &&
            (x->iova & ~e->mask) == e->iova) {
            return e;
        }
    }
    return NULL;
}

static void atc_drop_all(SMMUTestDev *d)
{
    memset(d->atc, 0, sizeof(d->atc));
}

/*
 * A request without a PASID names every entry of its range, whatever PASID it
 * was filled with: there is no way to name only those without one.
 */
static void atc_drop(SMMUTestDev *d, const SMMUv3AtcInv *inv)
{
    for (int i = 0; i < ATC_ENTRIES; i++) {
        AtcEntry *e = &d->atc[i];
        uint64_t mask = e->mask | inv->mask;

        if (e->valid && (e->iova & ~mask) == (inv->addr & ~mask) &&
            (!inv->ssv || inv->global ||
             e->pasid == (inv->ssid | SMTD_PASID_VALID))) {
            e->valid = false;
        }
    }
}

static AtcEntry *atc_fill(SMMUTestDev *d, Xfer *x, const IOMMUTLBEntry *entry)
{
    AtcEntry *e = &d->atc[d->atc_next++ % ATC_ENTRIES];

    e->valid = true;
    e->pasid = x->pasid;
    e->mask = entry->addr_mask;
    e->iova = x->iova & ~e->mask;
    e->pa = entry->translated_addr & ~e->mask;
    e->perm = entry->perm;
    return e;
}

/* ---- invalidate requests ---- */

static void inv_rearm(SMMUTestDev *d)
{
    int64_t when = INT64_MAX;

    for (int i = 0; i < INV_MAX; i++) {
        if (d->inv[i].used) {
            when = MIN(when, d->inv[i].when);
        }
    }
    if (when == INT64_MAX) {
        timer_del(d->inv_timer);
    } else {
        timer_mod(d->inv_timer, when);
    }
}

/* The request's time has come, or INV_RELEASE decides */
static void inv_finish(SMMUTestDev *d, InvRequest *r, SMMUv3InvAnswer answer)
{
    SMMUv3AtcInv inv = r->inv;
    uint32_t repeat = r->repeat;

    r->used = false;
    if (answer == SMMU_INV_DONE) {
        atc_drop(d, &inv);
        d->stat[SMTD_S_INV_DONE]++;
    } else if (answer == SMMU_INV_TIMEOUT && r->mode == SMTD_INV_ERROR_LATE) {
        r->used = true;
        r->late = true;
        r->mode = SMTD_INV_DELAYED;
        r->when = now_ns() + d->inv_late_us * 1000LL;
    }
    smmuv3_ep_inv_answer(&d->ep, inv.tag, answer, repeat);
}

static void inv_timer_cb(void *opaque)
{
    SMMUTestDev *d = opaque;

    for (int i = 0; i < INV_MAX; i++) {
        InvRequest *r = &d->inv[i];

        if (r->used && r->when <= now_ns()) {
            inv_finish(d, r, r->mode == SMTD_INV_DELAYED ? SMMU_INV_DONE :
                       SMMU_INV_TIMEOUT);
        }
    }
    inv_rearm(d);
}

static SMMUv3InvAnswer td_atc_inv(SMMUv3Endpoint *ep, const SMMUv3AtcInv *inv)
{
    SMMUTestDev *d = container_of(ep, SMMUTestDev, ep);
    uint32_t mode = d->inv_mode;
    InvRequest *r = NULL;

    d->stat[SMTD_S_INV_RX]++;
    if (td_in_reset(d)) {
        smmuv3_violation(SMMU_VIOL_INV_IN_RESET, smmuv3_ep_sid(ep), inv->addr);
        mode = d->flr_inv_mode;
    }
    if (mode == SMTD_INV_PROMPT) {
        atc_drop(d, inv);
        d->stat[SMTD_S_INV_DONE]++;
        return SMMU_INV_DONE;
    }
    if (mode == SMTD_INV_UR) {
        return SMMU_INV_UR;
    }
    for (int i = 0; i < INV_MAX && !r; i++) {
        /* a request whose late answer nobody waits for gives way */
        if (!d->inv[i].used || (i == INV_MAX - 1 && d->inv[i].late)) {
            r = &d->inv[i];
        }
    }
    if (!r) {
        return SMMU_INV_TIMEOUT;
    }
    *r = (InvRequest) {
        .used = true, .mode = mode, .repeat = d->inv_repeat, .inv = *inv,
        .when = mode == SMTD_INV_NEVER ? INT64_MAX :
                now_ns() + d->inv_delay_us * 1000LL,
    };
    inv_rearm(d);
    return SMMU_INV_PENDING;
}

static void inv_release(SMMUTestDev *d, uint32_t how)
{
    static const SMMUv3InvAnswer answer[] = {
        [SMTD_INV_RELEASE_ANSWER] = SMMU_INV_DONE,
        [SMTD_INV_RELEASE_UR] = SMMU_INV_UR,
        [SMTD_INV_RELEASE_ERROR] = SMMU_INV_TIMEOUT,
    };
    InvRequest open[INV_MAX];

    if (how < SMTD_INV_RELEASE_ANSWER || how > SMTD_INV_RELEASE_ERROR) {
        return;
    }
    /* An end may let the queue go on and bring new requests: not those */
    memcpy(open, d->inv, sizeof(open));
    for (int i = 0; i < INV_MAX; i++) {
        if (open[i].used && d->inv[i].used &&
            d->inv[i].inv.tag == open[i].inv.tag) {
            inv_finish(d, &d->inv[i], answer[how]);
        }
    }
    inv_rearm(d);
}

/* A reset forgets the requests that it finds: nobody will answer them */
static void inv_forget(SMMUTestDev *d)
{
    for (int i = 0; i < INV_MAX; i++) {
        if (d->inv[i].used && d->inv[i].late) {
            d->inv[i].used = false;
        } else if (d->inv[i].used && d->inv[i].mode == SMTD_INV_DELAYED) {
            d->inv[i].mode = SMTD_INV_ERROR;
        }
    }
    inv_rearm(d);
}

/* ---- DMA engine ---- */

static void td_data(SMMUTestDev *d, Xfer *x, AddressSpace *as, uint64_t pa,
                    bool translated)
{
    uint64_t v;

    td_oracle(d, x, pa, translated);
    if (x->read) {
        address_space_read(as, pa, MEMTXATTRS_UNSPECIFIED, &v, sizeof(v));
        d->data = le64_to_cpu(v);
    } else {
        v = cpu_to_le64(++d->seq);
        address_space_write(as, pa, MEMTXATTRS_UNSPECIFIED, &v, sizeof(v));
    }
    d->stat[SMTD_S_OK]++;
    trace_smmutd_dma(smmuv3_ep_sid(&d->ep), translated ? "ats" : "dma",
                     x->read ? "r" : "w", x->pasid, x->iova, pa);
}

/* With ATS a transaction is a hit, or a Translation Request and then a hit */
static void td_xfer_ats(SMMUTestDev *d, Xfer *x)
{
    AtcEntry *e = atc_find(d, x);
    uint64_t pa;

    if (e) {
        d->stat[SMTD_S_ATC_HIT]++;
    } else if (d->rude && !td_ats_enabled(d)) {
        return;         /* a stale entry is all that such a device has */
    } else {
        SMMUv3EpReq req = {
            .ats = true, .ssv = x->pasid & SMTD_PASID_VALID,
            .ssid = x->pasid & SMTD_PASID_MASK, .iova = x->iova,
            .perm = x->read ? IOMMU_RO : IOMMU_RW,
        };

        smmuv3_ep_translate(&d->ep, &req);
        switch (req.result) {
        case SMMU_EP_OK:
            if (!x->read && !(req.entry.perm & IOMMU_WO)) {
                d->stat[SMTD_S_ATS_NONE]++;
                return;
            }
            d->stat[SMTD_S_ATC_FILL]++;
            e = atc_fill(d, x, &req.entry);
            break;
        case SMMU_EP_NONE:
            d->stat[SMTD_S_ATS_NONE]++;
            return;
        case SMMU_EP_UR:
            d->stat[SMTD_S_ATS_UR]++;
            return;
        default:
            d->stat[SMTD_S_ATS_CA]++;
            return;
        }
    }
    pa = e->pa | (x->iova & e->mask);
    if (!smmuv3_ep_translated(&d->ep, pa, x->read)) {
        d->stat[SMTD_S_FORBIDDEN]++;
        trace_smmutd_dma(smmuv3_ep_sid(&d->ep), "forbidden",
                         x->read ? "r" : "w", x->pasid, x->iova, pa);
        return;
    }
    td_data(d, x, &address_space_memory, pa, true);
}

/* Presents one transaction; afterwards it is idle, stalled or ready again */
static void td_xfer(SMMUTestDev *d, Xfer *x)
{
    bool retry = x->state == XFER_READY;
    SMMUv3EpReq req = {
        .ssv = x->pasid & SMTD_PASID_VALID,
        .ssid = x->pasid & SMTD_PASID_MASK,
        .iova = x->iova, .perm = x->read ? IOMMU_RO : IOMMU_WO,
    };

    /*
     * A retried transaction is the SMMU's, not the function's: Bus Master
     * Enable, a reset or the function's absence do not stop it.
     */
    if (!retry && !d->rude && (td_dead(d) || !td_bus_master(d))) {
        return;
    }
    if (!retry && (d->ctrl & SMTD_CTRL_ATS) && (d->rude || td_ats_enabled(d))) {
        td_xfer_ats(d, x);
        return;
    }
    smmuv3_ep_translate(&d->ep, &req);
    switch (req.result) {
    case SMMU_EP_OK:
        td_data(d, x, req.entry.target_as,
                (req.entry.translated_addr & ~req.entry.addr_mask) |
                (x->iova & req.entry.addr_mask), false);
        x->state = XFER_IDLE;
        break;
    case SMMU_EP_STALLED:
        d->stat[SMTD_S_STALL]++;
        if (!retry) {
            x->resets = d->resets;
        }
        x->state = XFER_STALLED;
        x->stag = req.stag;
        break;
    case SMMU_EP_BUSY:
        d->stat[SMTD_S_BUSY]++;
        if (!retry) {
            x->resets = d->resets;
        }
        x->state = XFER_READY;
        if (!timer_pending(d->retry_timer)) {
            timer_mod(d->retry_timer, now_ns() + BUSY_NS);
        }
        break;
    default:
        d->stat[SMTD_S_FAULT]++;
        x->state = XFER_IDLE;
    }
}

static void td_run(void *opaque)
{
    SMMUTestDev *d = opaque;

    for (uint32_t i = 0; i < d->count && (d->ctrl & SMTD_CTRL_RUN); i++) {
        Xfer *x = &d->xfer[i];

        if (x->state == XFER_IDLE) {
            *x = (Xfer) {
                .iova = d->iova + (uint64_t)i * d->stride,
                .pasid = d->pasid, .read = d->ctrl & SMTD_CTRL_READ,
            };
            td_xfer(d, x);
        }
    }
    if ((d->ctrl & SMTD_CTRL_IRQ) && msi_enabled(&d->parent_obj) &&
        td_bus_master(d) && !td_dead(d)) {
        trace_smmutd_msi(smmuv3_ep_sid(&d->ep));
        msi_notify(&d->parent_obj, 0);
    }
    if ((d->ctrl & SMTD_CTRL_RUN) && (d->ctrl & SMTD_CTRL_LOOP)) {
        timer_mod(d->run_timer, now_ns() + MAX(d->period_us, 1) * 1000LL);
    } else {
        d->ctrl &= ~SMTD_CTRL_RUN;
    }
}

static void td_retry(void *opaque)
{
    SMMUTestDev *d = opaque;

    for (int i = 0; i < SMTD_SLOTS; i++) {
        if (d->xfer[i].state == XFER_READY) {
            td_xfer(d, &d->xfer[i]);
        }
    }
}

static void td_stall_end(SMMUv3Endpoint *ep, uint16_t stag, SMMUv3StallEnd end)
{
    SMMUTestDev *d = container_of(ep, SMMUTestDev, ep);

    for (int i = 0; i < SMTD_SLOTS; i++) {
        Xfer *x = &d->xfer[i];

        if (x->state != XFER_STALLED || x->stag != stag) {
            continue;
        }
        if (end == SMMU_STALL_RETRY && !x->squashed) {
            d->stat[SMTD_S_RETRY]++;
            x->state = XFER_READY;
            timer_mod(d->retry_timer, now_ns() + RETRY_NS);
        } else {
            d->stat[SMTD_S_ABORT]++;
            x->state = XFER_IDLE;
        }
        return;
    }
}

static const SMMUv3EndpointOps td_ops = {
    .atc_inv = td_atc_inv,
    .stall_end = td_stall_end,
};

/* ---- registers ---- */

static SMMUTestDev *td_by_sid(uint32_t sid)
{
    SMMUTestDev *d;

    QLIST_FOREACH(d, &all_devs, next) {
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
           (s->sync_msi ? SMTD_CAPS_MSI_SYNC : 0);
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
            n += d->atc[i].valid;
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
    case SMTD_MARK_LO:
        return d->mark;
    case SMTD_MARK_HI:
        return d->mark >> 32;
    case SMTD_MARK_PASID:
        return d->mark_pasid;
    case SMTD_MARKS:
        return mark_count(d->marks) + mark_count(pa_marks);
    case SMTD_VIOL_TOTAL:
        for (int i = 0; i < SMTD_V_KINDS; i++) {
            n += smmuv3_violations[i];
        }
        return n;
    case SMTD_PEER_SID:
        return d->peer_sid;
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
        mark_set(d->marks, d->mark, d->mark_pasid, val == SMTD_MARK_IOVA);
        break;
    case SMTD_MARK_PA:
    case SMTD_UNMARK_PA:
        mark_set(pa_marks, d->mark, 0, val == SMTD_MARK_PA);
        break;
    case SMTD_UNMARK_ALL:
        memset(d->marks, 0, sizeof(d->marks));
        memset(pa_marks, 0, sizeof(pa_marks));
        break;
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
        QLIST_FOREACH(o, &all_devs, next) {
            uint32_t n = smmuv3_stalls(o->ep.smmu, &o->ep, false);

            while (n--) {
                smmuv3_violation(SMMU_VIOL_STALL_OPEN, smmuv3_ep_sid(&o->ep),
                                 0);
            }
        }
        break;
    }
}

static void td_set_ready(SMMUTestDev *d)
{
    d->ready_at = d->flr_ready_ms == SMTD_FLR_READY_NEVER ? INT64_MAX :
                  now_ns() + d->flr_ready_ms * 1000000LL;
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
            timer_mod(d->run_timer, now_ns() + RETRY_NS);
        }
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
        inv_release(d, val);
        break;
    case SMTD_ATC_ENTRIES:
        atc_drop_all(d);
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
    case SMTD_STAT_CLEAR:
        memset(d->stat, 0, sizeof(d->stat));
        break;
    case SMTD_PEER_SID:
        d->peer_sid = val;
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

static const MemoryRegionOps td_mmio_ops = {
    .read = td_mmio_read,
    .write = td_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* ---- configuration space and resets ---- */

static uint32_t td_config_read(PCIDevice *pdev, uint32_t addr, int len)
{
    SMMUTestDev *d = SMMU_TESTDEV(pdev);
    uint32_t val, devsta = SMTD_CFG_PCIE + PCI_EXP_DEVSTA;

    if (td_dead(d)) {
        return MAKE_64BIT_MASK(0, 8 * len);
    }
    val = pci_default_read_config(pdev, addr, len);
    if (d->trpnd && addr <= devsta && addr + len > devsta) {
        val |= PCI_EXP_DEVSTA_TRPND << (8 * (devsta - addr));
    }
    return val;
}

static void td_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val,
                            int len)
{
    SMMUTestDev *d = SMMU_TESTDEV(pdev);
    uint32_t pasid_ctrl = SMTD_CFG_PASID + PCI_PASID_CTRL;
    bool ats = td_ats_enabled(d);

    trace_smmutd_config(smmuv3_ep_sid(&d->ep), addr, val, len, td_dead(d));
    if (td_dead(d)) {
        return;
    }
    if (ats && d->pasid_width && ranges_overlap(addr, len, pasid_ctrl, 2)) {
        /* PCIe: behaviour is undefined if PASID changes while ATS is on */
        smmuv3_violation(SMMU_VIOL_PASID_ATS, smmuv3_ep_sid(&d->ep), val);
    }
    pci_default_write_config(pdev, addr, val, len);
    if (ats && !td_ats_enabled(d) && !(d->flr_flags & SMTD_FLR_KEEP_ATC)) {
        atc_drop_all(d);
    }
    pcie_cap_flr_write_config(pdev, addr, val, len);
}

/* FLR, a reset of the bus above, or the machine's own */
static void td_reset(DeviceState *dev)
{
    SMMUTestDev *d = SMMU_TESTDEV(dev);
    uint8_t *conf = d->parent_obj.config;

    d->resets++;
    d->stat[SMTD_S_RESET]++;
    trace_smmutd_reset(smmuv3_ep_sid(&d->ep), d->flr_flags, d->flr_ready_ms);
    td_set_ready(d);
    inv_forget(d);
    if (d->flr_flags & SMTD_FLR_KEEP_DMA) {
        d->rude = d->ctrl & SMTD_CTRL_RUN;
    } else {
        timer_del(d->run_timer);
        d->ctrl = 0;
        d->rude = false;
    }
    if (!(d->flr_flags & SMTD_FLR_KEEP_ATC)) {
        atc_drop_all(d);
    }
    if (d->flr_flags & SMTD_FLR_DROP_STALLED) {
        for (int i = 0; i < SMTD_SLOTS; i++) {
            d->xfer[i].squashed = true;
            if (d->xfer[i].state == XFER_READY) {
                d->xfer[i].state = XFER_IDLE;
            }
        }
    }
    pci_set_word(conf + SMTD_CFG_ATS + PCI_ATS_CTRL, 0);
    if (d->pasid_width) {
        pci_set_word(conf + SMTD_CFG_PASID + PCI_PASID_CTRL, 0);
    }
}

static bool td_init_caps(PCIDevice *pdev, Error **errp)
{
    SMMUTestDev *d = SMMU_TESTDEV(pdev);

    if (pcie_endpoint_cap_init(pdev, SMTD_CFG_PCIE) < 0) {
        error_setg(errp, "no PCI Express capability: not on a PCIe bus?");
        return false;
    }
    if (msi_init(pdev, 0x60, 1, true, false, errp)) {
        return false;
    }
    pcie_cap_deverr_init(pdev);
    pcie_cap_flr_init(pdev);
    pcie_ats_init(pdev, SMTD_CFG_ATS, true);
    if (d->pasid_width) {
        pcie_add_capability(pdev, PCI_EXT_CAP_ID_PASID, 1, SMTD_CFG_PASID,
                            PCI_EXT_CAP_PASID_SIZEOF);
        pci_set_word(pdev->config + SMTD_CFG_PASID + PCI_PASID_CAP,
                     d->pasid_width << 8);
        pci_set_word(pdev->wmask + SMTD_CFG_PASID + PCI_PASID_CTRL,
                     PCI_PASID_CTRL_ENABLE);
        /* a PASID is an end-end TLP prefix: without them Linux leaves it off */
        pci_long_test_and_set_mask(pdev->config + SMTD_CFG_PCIE +
                                   PCI_EXP_DEVCAP2, PCI_EXP_DEVCAP2_EE_PREFIX);
    }
    return true;
}

static void td_realize(PCIDevice *pdev, Error **errp)
{
    SMMUTestDev *d = SMMU_TESTDEV(pdev);

    if (d->pasid_width > 20) {
        error_setg(errp, "pasid-width=%u: a PASID has at most 20 bits",
                   d->pasid_width);
        return;
    }
    if (!smmuv3_ep_attach(&d->ep, pdev, &td_ops, errp)) {
        return;
    }
    if (d->stall_id && !d->ep.smmu->stall) {
        error_setg(errp, "stall=on needs an SMMU with stalls "
                   "(-global arm-smmuv3.stall=on)");
        goto detach;
    }
    if (d->pasid_width && d->pasid_width > d->ep.smmu->ssidsize) {
        error_setg(errp, "pasid-width=%u: the SMMU has %u bits "
                   "(-global arm-smmuv3.ssidsize=N)", d->pasid_width,
                   d->ep.smmu->ssidsize);
        goto detach;
    }
    if (!td_init_caps(pdev, errp)) {
        goto detach;
    }
    if (d->stall_id) {
        pci_config_set_vendor_id(pdev->config, SMTD_STALL_VENDOR);
        pci_config_set_device_id(pdev->config, SMTD_STALL_DEVICE);
        pci_config_set_revision(pdev->config, SMTD_STALL_REVISION);
    }
    d->run_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, td_run, d);
    d->retry_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, td_retry, d);
    d->inv_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, inv_timer_cb, d);
    memory_region_init_io(&d->bar, OBJECT(d), &td_mmio_ops, d,
                          TYPE_SMMU_TESTDEV, SMTD_BAR_SIZE);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &d->bar);
    QLIST_INSERT_HEAD(&all_devs, d, next);
    return;

detach:
    smmuv3_ep_detach(&d->ep);
}

static void td_exit(PCIDevice *pdev)
{
    SMMUTestDev *d = SMMU_TESTDEV(pdev);

    QLIST_REMOVE(d, next);
    smmuv3_stall_forget(&d->ep);
    smmuv3_ep_detach(&d->ep);
    timer_free(d->run_timer);
    timer_free(d->retry_timer);
    timer_free(d->inv_timer);
    msi_uninit(pdev);
    pcie_cap_exit(pdev);
}

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
    if (!d->bar.ops) {
        error_setg(errp, "only on the running device (qom-set)");
        return false;
    }
    return true;
}

static void td_knob_get(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    SMMUTestDev *d = SMMU_TESTDEV(obj);
    uint32_t val;

    if (td_knob_ready(d, errp)) {
        val = td_reg_read(d, td_knobs[(uintptr_t)opaque].reg);
        visit_type_uint32(v, name, &val, errp);
    }
}

static void td_knob_set(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    SMMUTestDev *d = SMMU_TESTDEV(obj);
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

static void td_instance_init(Object *obj)
{
    SMMUTestDev *d = SMMU_TESTDEV(obj);

    d->inv_delay_us = 100000;
    d->flr_inv_mode = SMTD_INV_ERROR;
    for (uintptr_t i = 0; i < ARRAY_SIZE(td_knobs); i++) {
        object_property_add(obj, td_knobs[i].name, "uint32", td_knob_get,
                            td_knob_set, NULL, (void *)i);
    }
}

static const Property td_properties[] = {
    /* the identity that Linux marks dma-can-stall */
    DEFINE_PROP_BOOL("stall", SMMUTestDev, stall_id, false),
    /* width of the PASID capability; 0: none */
    DEFINE_PROP_UINT8("pasid-width", SMMUTestDev, pasid_width, 0),
};

static void td_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->realize = td_realize;
    k->exit = td_exit;
    k->config_read = td_config_read;
    k->config_write = td_config_write;
    k->vendor_id = SMTD_VENDOR;
    k->device_id = SMTD_DEVICE;
    k->revision = SMTD_REVISION;
    k->class_id = PCI_CLASS_OTHERS;
    device_class_set_legacy_reset(dc, td_reset);
    device_class_set_props(dc, td_properties);
    dc->desc = "PCIe test function for the SMMUv3 (ATS, PASID, stalls)";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo td_info = {
    .name = TYPE_SMMU_TESTDEV,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(SMMUTestDev),
    .instance_init = td_instance_init,
    .class_init = td_class_init,
    .interfaces = (InterfaceInfo[]) { { INTERFACE_PCIE_DEVICE }, { } },
};

static void td_register_types(void)
{
    type_register_static(&td_info);
}

type_init(td_register_types)
