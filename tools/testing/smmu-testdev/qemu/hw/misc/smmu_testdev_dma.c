/*
 * smmu-testdev: the DMA engine, and the oracle's marks that its accesses are
 * compared with.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "smmu_testdev.h"
#include "exec/address-spaces.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "trace.h"

/* ---- the oracle ---- */

TdMark td_pa_marks[SMTD_MARKS_MAX];

static TdMark *mark_find(TdMark *marks, uint64_t page, uint32_t pasid)
{
    for (int i = 0; i < SMTD_MARKS_MAX; i++) {
        if (marks[i].used && marks[i].page == page && marks[i].pasid == pasid) {
            return &marks[i];
        }
    }
    return NULL;
}

void td_mark_set(TdMark *marks, uint64_t addr, uint32_t pasid, bool on)
{
    uint64_t page = addr & ~0xfffull;
    TdMark *m = mark_find(marks, page, pasid);

    if (!on && m) {
        m->used = false;
    }
    for (int i = 0; on && !m && i < SMTD_MARKS_MAX; i++) {
        if (!marks[i].used) {
            marks[i] = (TdMark) { .used = true, .page = page, .pasid = pasid };
            m = &marks[i];
        }
    }
}

uint32_t td_mark_count(const TdMark *marks)
{
    uint32_t n = 0;

    for (int i = 0; i < SMTD_MARKS_MAX; i++) {
        n += marks[i].used;
    }
    return n;
}

/* An access has reached memory */
static void td_oracle(SMMUTestDev *d, TdXfer *x, uint64_t pa, bool translated)
{
    if (mark_find(td_pa_marks, pa & ~0xfffull, 0) ||
        mark_find(d->marks, x->iova & ~0xfffull, x->pasid)) {
        smmuv3_violation(translated ? SMMU_VIOL_ATS_MARKED :
                         SMMU_VIOL_DMA_MARKED, smmuv3_ep_sid(x->ep), x->iova);
    }
    if (x->state == XFER_READY && x->resets != d->resets) {
        smmuv3_violation(SMMU_VIOL_STALL_FLR, smmuv3_ep_sid(x->ep), x->iova);
    }
}

/* ---- DMA engine ---- */

/* A transaction has been refused, by whomever */
static void td_refused(SMMUTestDev *d, int stat)
{
    d->stat[stat]++;
    d->stat[SMTD_S_RESET_FAULT] += td_in_reset(d);
}

/*
 * The data phase reaches memory only: a write to a device's registers could
 * lead back here, or to this function's unplugging.
 */
static void td_data(SMMUTestDev *d, TdXfer *x, AddressSpace *as, uint64_t pa,
                    bool translated)
{
    const MemTxAttrs attrs = { .memory = 1 };
    MemTxResult r;
    uint64_t v;

    if (x->read) {
        r = address_space_read(as, pa, attrs, &v, sizeof(v));
    } else {
        v = cpu_to_le64(d->seq + 1);
        r = address_space_write(as, pa, attrs, &v, sizeof(v));
    }
    if (r != MEMTX_OK) {
        td_refused(d, SMTD_S_FAULT);
        return;
    }
    if (x->read) {
        d->data = le64_to_cpu(v);
    } else {
        d->seq++;
    }
    td_oracle(d, x, pa, translated);
    d->stat[SMTD_S_OK]++;
    d->stat[SMTD_S_RESET_OK] += td_in_reset(d);
    trace_smmutd_dma(smmuv3_ep_sid(x->ep), translated ? "ats" : "dma",
                     x->read ? "r" : "w", x->pasid, x->iova, pa);
}

/* With ATS a transaction is a hit, or a Translation Request and then a hit */
static void td_xfer_ats(SMMUTestDev *d, TdXfer *x)
{
    TdAtcEntry *e = td_atc_find(d, x);
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

        smmuv3_ep_translate(x->ep, &req);
        if (!d->ep.smmu) {
            return;
        }
        switch (req.result) {
        case SMMU_EP_OK:
            if (!x->read && !(req.entry.perm & IOMMU_WO)) {
                td_refused(d, SMTD_S_ATS_NONE);
                return;
            }
            d->stat[SMTD_S_ATC_FILL]++;
            e = td_atc_fill(d, x, &req.entry);
            break;
        case SMMU_EP_NONE:
            td_refused(d, SMTD_S_ATS_NONE);
            return;
        case SMMU_EP_UR:
            td_refused(d, SMTD_S_ATS_UR);
            return;
        default:
            td_refused(d, SMTD_S_ATS_CA);
            return;
        }
    }
    pa = e->pa | (x->iova & e->mask);
    if (!smmuv3_ep_translated(x->ep, pa, x->read)) {
        td_refused(d, SMTD_S_FORBIDDEN);
        trace_smmutd_dma(smmuv3_ep_sid(x->ep), "forbidden",
                         x->read ? "r" : "w", x->pasid, x->iova, pa);
        return;
    }
    td_data(d, x, &address_space_memory, pa, true);
}

/*
 * A port forwards memory requests upstream, translated ones and Translation
 * Requests among them, only while its own Bus Master Enable is set (PCIe Base
 * 7.5.1.1.3). Completions and messages, so the answer to an invalidation, pass.
 */
static bool td_forwarded(SMMUTestDev *d)
{
    PCIBus *bus = pci_get_bus(&d->parent_obj);

    while (!pci_bus_is_root(bus)) {
        PCIDevice *port = pci_bridge_get_device(bus);

        if (!(pci_get_word(port->config + PCI_COMMAND) & PCI_COMMAND_MASTER)) {
            return false;
        }
        bus = pci_get_bus(port);
    }
    return true;
}

/* Presents one transaction; afterwards it is idle, stalled or ready again */
static void td_xfer(SMMUTestDev *d, TdXfer *x)
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
    if (!retry && (td_absent(d) ||
                   (!d->rude && (td_in_reset(d) || !td_bus_master(d))))) {
        return;
    }
    if (!retry && !td_forwarded(d)) {
        td_refused(d, SMTD_S_PORT);
        return;
    }
    if (!retry && (d->ctrl & SMTD_CTRL_ATS) && (d->rude || td_ats_enabled(d))) {
        td_xfer_ats(d, x);
        return;
    }
    smmuv3_ep_translate(x->ep, &req);
    if (!d->ep.smmu) {
        return;         /* unplugged by the write of an event record */
    }
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
            timer_mod(d->retry_timer, td_now() + BUSY_NS);
        }
        break;
    default:
        td_refused(d, SMTD_S_FAULT);
        x->state = XFER_IDLE;
    }
}

void td_run(void *opaque)
{
    SMMUTestDev *d = opaque;

    /*
     * A guest can have event records or an MSI written to the registers of the
     * slot that we sit in, and so unplug us from in here.
     */
    object_ref(OBJECT(d));
    for (uint32_t i = 0; i < d->count && (d->ctrl & SMTD_CTRL_RUN) &&
                         d->ep.smmu; i++) {
        TdXfer *x = &d->xfer[i];

        if (x->state == XFER_IDLE) {
            *x = (TdXfer) {
                .ep = d->requester ? &d->alias_ep : &d->ep,
                .iova = d->iova + (uint64_t)i * d->stride,
                .pasid = d->pasid, .read = d->ctrl & SMTD_CTRL_READ,
            };
            td_xfer(d, x);
        }
    }
    if (d->ep.smmu && (d->ctrl & SMTD_CTRL_IRQ) &&
        msi_enabled(&d->parent_obj) && td_bus_master(d) && td_forwarded(d) &&
        !td_dead(d)) {
        trace_smmutd_msi(smmuv3_ep_sid(&d->ep));
        msi_notify(&d->parent_obj, 0);
    }
    if (d->ep.smmu && (d->ctrl & SMTD_CTRL_RUN) &&
        (d->ctrl & SMTD_CTRL_LOOP)) {
        timer_mod(d->run_timer, td_now() + MAX(d->period_us, 1) * 1000LL);
    } else {
        d->ctrl &= ~SMTD_CTRL_RUN;
    }
    object_unref(OBJECT(d));
}

void td_retry(void *opaque)
{
    SMMUTestDev *d = opaque;

    object_ref(OBJECT(d));
    for (int i = 0; i < SMTD_SLOTS && d->ep.smmu; i++) {
        if (d->xfer[i].state == XFER_READY) {
            td_xfer(d, &d->xfer[i]);
        }
    }
    object_unref(OBJECT(d));
}

void td_stall_end(SMMUv3Endpoint *ep, uint16_t stag, SMMUv3StallEnd end)
{
    SMMUTestDev *d = td_of(ep);

    for (int i = 0; i < SMTD_SLOTS; i++) {
        TdXfer *x = &d->xfer[i];

        if (x->state != XFER_STALLED || x->ep != ep || x->stag != stag) {
            continue;
        }
        if (end == SMMU_STALL_RETRY && !x->squashed) {
            d->stat[SMTD_S_RETRY]++;
            x->state = XFER_READY;
            timer_mod(d->retry_timer, td_now() + RETRY_NS);
        } else {
            td_refused(d, SMTD_S_ABORT);
            x->state = XFER_IDLE;
        }
        return;
    }
}
