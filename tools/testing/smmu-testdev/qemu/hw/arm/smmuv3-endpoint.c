/*
 * Endpoint side of the emulated SMMUv3: ATS, and the controls with which a
 * test holds the command queue or delays a completion.
 *
 * Section numbers are those of Arm IHI 0070 (SMMUv3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/timer.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-endpoint.h"
#include "exec/address-spaces.h"
#include "trace.h"
#include "smmuv3-internal.h"

uint32_t smmuv3_violations[SMMU_VIOL_KINDS];

static const char *const viol_name[SMMU_VIOL_KINDS] = {
    "ats-marked", "dma-marked", "resume-unknown", "stall-open",
    "inv-in-reset", "pasid-ats", "stall-flr", "term-live",
};

void smmuv3_violation(int kind, uint32_t sid, uint64_t info)
{
    smmuv3_violations[kind]++;
    trace_smmutd_violation(viol_name[kind], sid, info);
}

/* ---- endpoints ---- */

/* As pci_device_iommu_address_space(), for any requester ID of the bus */
static AddressSpace *smmuv3_ep_as(PCIDevice *pdev, int devfn)
{
    PCIBus *bus = pci_get_bus(pdev);
    PCIBus *top = bus;

    if (devfn == pdev->devfn) {
        return pci_device_iommu_address_space(pdev);
    }
    while (!top->iommu_ops && top->parent_dev) {
        if (!pci_bus_is_express(top)) {
            return NULL;        /* behind a bridge that puts in its own ID */
        }
        top = pci_get_bus(top->parent_dev);
    }
    if (!top->iommu_ops || pci_bus_bypass_iommu(bus)) {
        return NULL;
    }
    return top->iommu_ops->get_address_space(bus, top->iommu_opaque, devfn);
}

bool smmuv3_ep_attach(SMMUv3Endpoint *ep, PCIDevice *pdev, int devfn,
                      const SMMUv3EndpointOps *ops, Error **errp)
{
    AddressSpace *as = smmuv3_ep_as(pdev, devfn);
    SMMUv3Endpoint *other;
    SMMUDevice *sdev;
    SMMUv3State *s;

    if (!as || !object_dynamic_cast(OBJECT(as->root),
                                    TYPE_SMMUV3_IOMMU_MEMORY_REGION)) {
        error_setg(errp, "the device is not behind an SMMUv3 "
                   "(-M virt,iommu=smmuv3)");
        return false;
    }
    sdev = container_of(IOMMU_MEMORY_REGION(as->root), SMMUDevice, iommu);
    s = sdev->smmu;
    QLIST_FOREACH(other, &s->ep.endpoints, next) {
        if (other->sdev == sdev) {
            error_setg(errp, "%02x.%x is a requester ID of %s already",
                       PCI_SLOT(devfn), PCI_FUNC(devfn), other->pdev->name);
            return false;
        }
    }
    ep->ops = ops;
    ep->pdev = pdev;
    ep->sdev = sdev;
    ep->smmu = s;
    ep->ste.cached = false;
    ep->ss_configs = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    QLIST_INSERT_HEAD(&s->ep.endpoints, ep, next);
    return true;
}

void smmuv3_ep_detach(SMMUv3Endpoint *ep)
{
    SMMUv3State *s = ep->smmu;

    if (!s) {
        return;
    }
    QLIST_REMOVE(ep, next);
    g_hash_table_destroy(ep->ss_configs);
    /* The link is down: the root complex completes what is open (as UR) */
    for (int i = 0; i < SMMU_ATC_INV_MAX; i++) {
        if (s->ep.inv[i].ep == ep) {
            s->ep.inv[i].ep = NULL;
        }
    }
    ep->smmu = NULL;
    smmuv3_cmdq_consume(s);
}

uint32_t smmuv3_ep_sid(SMMUv3Endpoint *ep)
{
    return smmu_get_sid(ep->sdev);
}

SMMUv3Endpoint *smmuv3_ep_find(SMMUv3State *s, uint32_t sid)
{
    SMMUv3Endpoint *ep;

    QLIST_FOREACH(ep, &s->ep.endpoints, next) {
        if (smmuv3_ep_sid(ep) == sid) {
            return ep;
        }
    }
    return NULL;
}

/* Forgets cached configuration of streams [first, last], section 4.3 */
void smmuv3_ep_flush_ste(SMMUv3State *s, uint32_t first, uint32_t last)
{
    SMMUv3Endpoint *ep;

    QLIST_FOREACH(ep, &s->ep.endpoints, next) {
        uint32_t sid = smmuv3_ep_sid(ep);

        if (sid >= first && sid <= last) {
            ep->ste.cached = false;
            g_hash_table_remove_all(ep->ss_configs);
        }
    }
}

/* A cache may lose its entries at any time, section 3.21 */
void smmuv3_ep_forget(SMMUv3Endpoint *ep)
{
    uint32_t sid = smmuv3_ep_sid(ep);
    SMMUSIDRange range = { .start = sid, .end = sid };

    qemu_mutex_lock(&ep->smmu->mutex);
    smmu_configs_inv_sid_range(ARM_SMMU(ep->smmu), range);
    smmuv3_ep_flush_ste(ep->smmu, sid, sid);
    qemu_mutex_unlock(&ep->smmu->mutex);
}

/* CMD_CFGI_CD and CMD_CFGI_CD_ALL leave the STE cached, section 4.3.3 */
void smmuv3_ep_flush_cd(SMMUv3State *s, uint32_t sid, bool all, uint32_t ssid)
{
    SMMUv3Endpoint *ep = smmuv3_ep_find(s, sid);

    if (!ep) {
        return;
    }
    if (all) {
        g_hash_table_remove_all(ep->ss_configs);
    } else {
        g_hash_table_remove(ep->ss_configs, GUINT_TO_POINTER(ssid + 1));
    }
}

/* ---- translation ---- */

void smmuv3_ep_translate(SMMUv3Endpoint *ep, SMMUv3EpReq *req)
{
    req->entry = smmuv3_access(&ep->sdev->iommu, req->iova, req->perm, ep, req);
    trace_smmutd_access(smmuv3_ep_sid(ep), req->ats ? "treq" : "untranslated",
                        req->ssv ? (int)req->ssid : -1, req->iova,
                        req->perm == IOMMU_RO ? "r" : "w", req->result,
                        req->result == SMMU_EP_OK ?
                        req->entry.translated_addr : 0);
}

static const SMMUv3SteView *smmuv3_ep_ste(SMMUv3Endpoint *ep)
{
    if (!ep->ste.cached) {
        smmuv3_ste_view(ep->smmu, smmuv3_ep_sid(ep), &ep->ste);
        ep->ste.cached = true;
    }
    return &ep->ste;
}

/*
 * What keeps a Translation Request from being looked up, section 3.9.1.2.
 * SMMU_EP_OK if nothing does. Otherwise @event may have to be recorded, once
 * the mutex is released: the queue may be anywhere in the address space.
 */
SMMUv3EpResult smmuv3_ep_treq_check(SMMUv3Endpoint *ep, SMMUv3EpReq *req,
                                    SMMUEventInfo *event)
{
    SMMUv3State *s = ep->smmu;
    const SMMUv3SteView *ste;

    if (smmu_enabled(s)) {
        ste = smmuv3_ep_ste(ep);
        if (!ste->valid) {
            return SMMU_EP_CA;          /* no event: CR2.REC_CFG_ATS = 0 */
        }
        if (ste->aborted) {
            return SMMU_EP_UR;          /* silently */
        }
        if (ste->ats) {
            return SMMU_EP_OK;
        }
    }
    event->type = SMMU_EVT_F_BAD_ATS_TREQ;
    event->u.f_bad_ats_treq.addr = req->iova;
    event->u.f_bad_ats_treq.ssv = req->ssv;
    event->u.f_bad_ats_treq.ssid = req->ssid;
    return SMMU_EP_UR;
}

bool smmuv3_ep_translated(SMMUv3Endpoint *ep, uint64_t addr, bool read)
{
    SMMUv3State *s = ep->smmu;
    SMMUEventInfo event = { .sid = smmuv3_ep_sid(ep) };
    const SMMUv3SteView *ste;

    if (smmu_enabled(s)) {
        if (!FIELD_EX32(s->cr[0], CR0, ATSCHK)) {
            return true;
        }
        qemu_mutex_lock(&s->mutex);
        ste = smmuv3_ep_ste(ep);
        qemu_mutex_unlock(&s->mutex);
        if (!ste->valid || ste->aborted) {
            return false;               /* aborted, no event */
        }
        if (ste->ats) {
            return true;
        }
    }
    event.type = SMMU_EVT_F_TRANS_FORBIDDEN;
    event.u.f_transl_forbidden.addr = addr;
    event.u.f_transl_forbidden.rnw = read;
    smmuv3_record_event(s, &event);
    return false;
}

/* ---- CMD_ATC_INV, section 4.5.1 ---- */

/* False: no room to remember the request, the queue has to wait */
bool smmuv3_ep_atc_inv(SMMUv3State *s, Cmd *cmd, SMMUCmdError *error)
{
    uint32_t size = CMD_ATC_SIZE(cmd);
    SMMUv3Endpoint *ep = smmuv3_ep_find(s, CMD_SID(cmd));
    SMMUv3AtcInv inv = {
        .ssv = CMD_SSV(cmd),
        .ssid = CMD_SSID(cmd),
        .global = CMD_SSV(cmd) && CMD_ATC_GLOBAL(cmd),
    };
    int i;

    if (size > 52 || CMD_SSEC(cmd)) {
        *error = SMMU_CERROR_ILL;
        return true;
    }
    if (!smmu_enabled(s) || !ep) {
        /* IGNORED; a function without ATS answers UR, which completes */
        return true;
    }
    inv.mask = size == 52 ? UINT64_MAX : (1ull << (12 + size)) - 1;
    inv.addr = CMD_ADDR(cmd) & ~inv.mask;

    for (i = 0; i < SMMU_ATC_INV_MAX; i++) {
        if (!s->ep.inv[i].ep) {
            break;
        }
    }
    if (i == SMMU_ATC_INV_MAX) {
        return false;
    }
    s->ep.n_inv_sent++;
    inv.tag = ++s->ep.inv_tag;
    trace_smmutd_inv(CMD_SID(cmd), inv.tag, inv.ssv ? (int)inv.ssid : -1,
                     inv.addr, inv.mask);
    switch (ep->ops->atc_inv(ep, &inv)) {
    case SMMU_INV_PENDING:
        s->ep.inv[i].ep = ep;
        s->ep.inv[i].tag = inv.tag;
        break;
    case SMMU_INV_TIMEOUT:
        s->ep.sync_errors = MAX(s->ep.sync_errors, 1);
        break;
    default:
        trace_smmutd_inv_answer(CMD_SID(cmd), inv.tag, "at once");
    }
    return true;
}

void smmuv3_ep_inv_answer(SMMUv3Endpoint *ep, uint32_t tag,
                          SMMUv3InvAnswer answer, uint32_t repeat)
{
    SMMUv3State *s = ep->smmu;
    int i;

    for (i = 0; i < SMMU_ATC_INV_MAX; i++) {
        if (s->ep.inv[i].ep == ep && s->ep.inv[i].tag == tag) {
            break;
        }
    }
    if (i == SMMU_ATC_INV_MAX) {
        trace_smmutd_inv_answer(smmuv3_ep_sid(ep), tag, "unexpected");
        return;
    }
    trace_smmutd_inv_answer(smmuv3_ep_sid(ep), tag,
                            answer == SMMU_INV_TIMEOUT ? "timeout" :
                            answer == SMMU_INV_UR ? "UR" : "done");
    s->ep.inv[i].ep = NULL;
    if (answer == SMMU_INV_TIMEOUT) {
        s->ep.sync_errors = MAX(s->ep.sync_errors, 1 + repeat);
    }
    smmuv3_cmdq_consume(s);
}

/* ---- CMD_SYNC, section 4.7.3 ---- */

static void smmuv3_ep_msi_write(SMMUv3State *s, uint64_t addr, uint32_t data)
{
    /* To memory alone: a device could call back into the SMMU and its mutex */
    const MemTxAttrs attrs = { .memory = 1 };
    uint32_t le = cpu_to_le32(data);

    trace_smmutd_sync_msi(addr, data);
    if (address_space_write(&address_space_memory, addr, attrs, &le,
                            sizeof(le)) != MEMTX_OK) {
        smmuv3_trigger_irq(s, SMMU_IRQ_GERROR, R_GERROR_MSI_CMDQ_ABT_ERR_MASK);
    }
}

static void smmuv3_ep_msi_timer(void *opaque)
{
    SMMUv3State *s = opaque;
    SMMUv3EpState *e = &s->ep;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    /* The MSI writes of CMD_SYNCs stay in order */
    while (e->msi_head != e->msi_tail) {
        uint32_t i = e->msi_head % SMMU_SYNC_MSI_MAX;

        if (e->msi[i].when > now) {
            timer_mod(e->msi_timer, e->msi[i].when);
            return;
        }
        smmuv3_ep_msi_write(s, e->msi[i].addr, e->msi[i].data);
        e->msi_head++;
    }
}

/*
 * CMD_SYNC completes when every invalidation before it has an end; commands
 * behind it do not begin earlier. False: not yet.
 */
bool smmuv3_ep_sync(SMMUv3State *s, Cmd *cmd, SMMUCmdError *error)
{
    SMMUv3EpState *e = &s->ep;
    uint64_t addr = CMD_SYNC_MSIADDR(cmd);

    for (int i = 0; i < SMMU_ATC_INV_MAX; i++) {
        if (e->inv[i].ep) {
            return false;
        }
    }
    if (e->sync_errors) {
        /* An unknown subset has failed: none may count, section 7.1 */
        e->sync_errors--;
        e->n_cerror++;
        *error = SMMU_CERROR_ATC_INV_SYNC;
        return true;
    }
    if (!FIELD_EX32(s->idr[0], IDR0, MSI) ||
        CMD_SYNC_CS(cmd) != CMD_SYNC_SIG_IRQ || !addr) {
        return true;
    }
    if (!e->msi_us && e->msi_head == e->msi_tail) {
        smmuv3_ep_msi_write(s, addr, CMD_SYNC_MSIDATA(cmd));
        return true;
    }
    if (e->msi_tail - e->msi_head == SMMU_SYNC_MSI_MAX) {
        return false;
    }
    e->msi[e->msi_tail % SMMU_SYNC_MSI_MAX].addr = addr;
    e->msi[e->msi_tail % SMMU_SYNC_MSI_MAX].data = CMD_SYNC_MSIDATA(cmd);
    e->msi[e->msi_tail % SMMU_SYNC_MSI_MAX].when =
        qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + e->msi_us * 1000LL;
    e->msi_tail++;
    if (e->msi_tail - e->msi_head == 1) {
        timer_mod(e->msi_timer, e->msi[e->msi_head % SMMU_SYNC_MSI_MAX].when);
    }
    return true;
}

/* ---- breakpoints in the command queue ---- */

/* To be asked before a command is carried out. True: CONS stays on it. */
bool smmuv3_ep_hold(SMMUv3State *s, Cmd *cmd)
{
    SMMUv3EpState *e = &s->ep;

    if (!e->logged) {
        e->logged = true;
        e->n_cmds++;
        trace_smmutd_cmd(smmu_cmd_string(CMD_TYPE(cmd)), CMD_SID(cmd),
                         cmd->word[0], cmd->word[2], cmd->word[3]);
    } else {
        /* seen before: it stands at a breakpoint, or waits for more */
        return e->held >= 0;
    }
    for (int i = 0; i < SMMU_HOLDS; i++) {
        SMMUv3Hold *h = &e->hold[i];

        if (!h->armed || h->opcode != CMD_TYPE(cmd) ||
            (!h->any_sid && h->sid != CMD_SID(cmd))) {
            continue;
        }
        if (h->skip) {
            h->skip--;
            continue;
        }
        h->armed = h->each;
        e->held = i;
        e->held_op = CMD_TYPE(cmd);
        e->held_sid = CMD_SID(cmd);
        trace_smmutd_hold(i, smmu_cmd_string(CMD_TYPE(cmd)), CMD_SID(cmd));
        if (h->us) {
            timer_mod(e->hold_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                      h->us * 1000LL);
        }
        return true;
    }
    return false;
}

void smmuv3_hold_set(SMMUv3State *s, int slot, const SMMUv3Hold *hold)
{
    s->ep.hold[slot] = *hold;
}

void smmuv3_hold_release(SMMUv3State *s)
{
    SMMUv3EpState *e = &s->ep;

    if (e->held < 0) {
        return;
    }
    trace_smmutd_release(e->held);
    timer_del(e->hold_timer);
    e->held = -1;
    smmuv3_cmdq_consume(s);
}

static void smmuv3_ep_hold_timer(void *opaque)
{
    smmuv3_hold_release(opaque);
}

/* The command at CONS has been consumed */
void smmuv3_ep_consumed(SMMUv3State *s)
{
    s->ep.logged = false;
}

/* ---- event queue, sections 7.2 and 7.4 ---- */

/* May a record be written? Counts and signals what is lost if not. */
SMMUv3Admit smmuv3_ep_event_admit(SMMUv3State *s, bool stall)
{
    SMMUQueue *q = &s->eventq;
    uint32_t pending = s->gerror ^ s->gerrorn;

    if (!s->arch_eventq) {
        return SMMU_EVT_WRITE;
    }
    if (!smmuv3_eventq_enabled(s) ||
        FIELD_EX32(pending, GERROR, EVENTQ_ABT_ERR)) {
        goto lost;              /* not writable: discarded, no overflow */
    }
    if (smmuv3_q_full(q)) {
        /* The record of a stall is not discarded, so it is no overflow */
        if (!stall && !((q->prod ^ q->cons) & EVT_Q_OVERFLOW)) {
            q->prod ^= EVT_Q_OVERFLOW;
            s->ep.n_overflow++;
            trace_smmutd_overflow(q->prod);
        }
        goto lost;
    }
    if (s->ep.evt_abort) {
        /* A synchronous abort: PROD stays, this record is gone for good */
        s->ep.evt_abort--;
        smmuv3_trigger_irq(s, SMMU_IRQ_GERROR, R_GERROR_EVENTQ_ABT_ERR_MASK);
        s->ep.n_evt_lost++;
        return SMMU_EVT_ABORTED;
    }
    return SMMU_EVT_WRITE;
lost:
    s->ep.n_evt_lost += !stall;
    return SMMU_EVT_NO_ROOM;
}

/* ---- life ---- */

void smmuv3_ep_init(SMMUv3State *s)
{
    QLIST_INIT(&s->ep.endpoints);
    s->ep.held = -1;
    s->ep.hold_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, smmuv3_ep_hold_timer,
                                    s);
    s->ep.msi_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, smmuv3_ep_msi_timer, s);
}

/*
 * The command queue is switched off: software has given up what it waited
 * for. Requests without an answer no longer hold anything up.
 */
void smmuv3_ep_cmdq_off(SMMUv3State *s)
{
    memset(s->ep.inv, 0, sizeof(s->ep.inv));
    s->ep.sync_errors = 0;
    s->ep.held = -1;
    timer_del(s->ep.hold_timer);
    smmuv3_ep_consumed(s);
}

void smmuv3_ep_reset(SMMUv3State *s)
{
    smmuv3_ep_cmdq_off(s);
    smmuv3_ep_flush_ste(s, 0, UINT32_MAX);
    s->ep.msi_head = s->ep.msi_tail;
    timer_del(s->ep.msi_timer);
}
