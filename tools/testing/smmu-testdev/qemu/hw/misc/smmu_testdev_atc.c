/*
 * smmu-testdev: the address translation cache, and Invalidate Requests with the
 * answers that they get.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "smmu_testdev.h"

/* ---- address translation cache ---- */

TdAtcEntry *td_atc_find(SMMUTestDev *d, TdXfer *x)
{
    IOMMUAccessFlags perm = x->read ? IOMMU_RO : IOMMU_WO;

    for (int i = 0; i < ATC_ENTRIES; i++) {
        TdAtcEntry *e = &d->atc[i];

        if (e->ep == x->ep && e->pasid == x->pasid && (e->perm & perm) &&
            (x->iova & ~e->mask) == e->iova) {
            return e;
        }
    }
    return NULL;
}

void td_atc_drop_all(SMMUTestDev *d)
{
    memset(d->atc, 0, sizeof(d->atc));
}

/*
 * A request without a PASID names every entry of its range, whatever PASID it
 * was filled with: there is no way to name only those without one.
 */
static void atc_drop(SMMUv3Endpoint *ep, const SMMUv3AtcInv *inv)
{
    SMMUTestDev *d = td_of(ep);

    for (int i = 0; i < ATC_ENTRIES; i++) {
        TdAtcEntry *e = &d->atc[i];
        uint64_t mask = e->mask | inv->mask;

        if (e->ep == ep && (e->iova & ~mask) == (inv->addr & ~mask) &&
            (!inv->ssv || inv->global ||
             e->pasid == (inv->ssid | SMTD_PASID_VALID))) {
            e->ep = NULL;
        }
    }
}

TdAtcEntry *td_atc_fill(SMMUTestDev *d, TdXfer *x, const IOMMUTLBEntry *entry)
{
    TdAtcEntry *e = &d->atc[d->atc_next++ % ATC_ENTRIES];

    e->ep = x->ep;
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
static void inv_finish(SMMUTestDev *d, TdInvRequest *r, SMMUv3InvAnswer answer)
{
    SMMUv3Endpoint *ep = r->ep;
    SMMUv3AtcInv inv = r->inv;
    uint32_t repeat = r->repeat;

    r->used = false;
    if (answer == SMMU_INV_DONE) {
        atc_drop(ep, &inv);
        d->stat[SMTD_S_INV_DONE]++;
    } else if (answer == SMMU_INV_TIMEOUT && r->mode == SMTD_INV_ERROR_LATE) {
        r->used = true;
        r->late = true;
        r->mode = SMTD_INV_DELAYED;
        r->when = td_now() + d->inv_late_us * 1000LL;
    }
    smmuv3_ep_inv_answer(ep, inv.tag, answer, repeat);
}

void td_inv_timer(void *opaque)
{
    SMMUTestDev *d = opaque;

    for (int i = 0; i < INV_MAX; i++) {
        TdInvRequest *r = &d->inv[i];

        if (r->used && r->when <= td_now()) {
            inv_finish(d, r, r->mode == SMTD_INV_DELAYED ? SMMU_INV_DONE :
                       SMMU_INV_TIMEOUT);
        }
    }
    inv_rearm(d);
}

SMMUv3InvAnswer td_atc_inv(SMMUv3Endpoint *ep, const SMMUv3AtcInv *inv)
{
    SMMUTestDev *d = td_of(ep);
    uint32_t mode = d->inv_mode;
    TdInvRequest *r = NULL;

    if (!d->parent_obj.enabled) {
        return SMMU_INV_UR;     /* nobody there: the root complex answers */
    }
    d->stat[SMTD_S_INV_RX]++;
    if (td_in_reset(d)) {
        smmuv3_violation(SMMU_VIOL_INV_IN_RESET, smmuv3_ep_sid(ep), inv->addr);
        mode = d->flr_inv_mode;
    }
    if (mode == SMTD_INV_PROMPT) {
        atc_drop(ep, inv);
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
    *r = (TdInvRequest) {
        .used = true, .mode = mode, .repeat = d->inv_repeat,
        .ep = ep, .inv = *inv,
        .when = mode == SMTD_INV_NEVER ? INT64_MAX :
                td_now() + d->inv_delay_us * 1000LL,
    };
    inv_rearm(d);
    return SMMU_INV_PENDING;
}

void td_inv_release(SMMUTestDev *d, uint32_t how)
{
    static const SMMUv3InvAnswer answer[] = {
        [SMTD_INV_RELEASE_ANSWER] = SMMU_INV_DONE,
        [SMTD_INV_RELEASE_UR] = SMMU_INV_UR,
        [SMTD_INV_RELEASE_ERROR] = SMMU_INV_TIMEOUT,
    };
    TdInvRequest open[INV_MAX];

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

void td_inv_forget(SMMUTestDev *d)
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
