/*
 * Stalled transactions of the emulated SMMUv3: the table of STAGs, CMD_RESUME
 * and CMD_STALL_TERM.
 *
 * Section numbers are those of Arm IHI 0070 (SMMUv3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-endpoint.h"
#include "trace.h"
#include "smmuv3-internal.h"

/*
 * A STAG for a faulting transaction, or -1. A STAG is not used again before
 * its RESUME or STALL_TERM (section 3.12.2); they are handed out in turn, so
 * that software that answers twice hits a free one rather than a stranger's.
 */
int smmuv3_stall_begin(SMMUv3State *s, SMMUv3Endpoint *ep)
{
    SMMUv3StallState *st = &s->stalls;

    for (int n = 0; n < SMMU_STALL_MAX; n++) {
        int stag = st->next++ % SMMU_STALL_MAX;

        if (!st->stall[stag].ep) {
            st->stall[stag] = (SMMUv3Stall) { .ep = ep };
            trace_smmutd_stall(smmuv3_ep_sid(ep), stag);
            return stag;
        }
    }
    return -1;
}

void smmuv3_stall_reported(SMMUv3State *s, int stag, bool reported)
{
    s->stalls.stall[stag].reported = reported;
}

static void smmuv3_stall_end(SMMUv3State *s, int stag, SMMUv3StallEnd end,
                             const char *why)
{
    SMMUv3Endpoint *ep = s->stalls.stall[stag].ep;

    s->stalls.stall[stag].ep = NULL;
    trace_smmutd_stall_end(smmuv3_ep_sid(ep), stag, why);
    ep->ops->stall_end(ep, stag, end);
}

/* Section 4.7.1. IDR0.TERM_MODEL = 1: Ab is ignored, terminated is aborted. */
void smmuv3_cmd_resume(SMMUv3State *s, Cmd *cmd)
{
    uint32_t stag = CMD_RESUME_STAG(cmd);
    SMMUv3Stall *st = stag < SMMU_STALL_MAX ? &s->stalls.stall[stag] : NULL;

    /*
     * A stall without a visible record cannot be meant: software may only
     * quote STAGs that it has read.
     */
    if (!st || !st->ep || !st->reported ||
        smmuv3_ep_sid(st->ep) != CMD_SID(cmd)) {
        smmuv3_violation(SMMU_VIOL_RESUME_UNKNOWN, CMD_SID(cmd), stag);
        return;
    }
    if (CMD_RESUME_AC(cmd)) {
        smmuv3_stall_end(s, stag, SMMU_STALL_RETRY, "retry");
    } else {
        smmuv3_stall_end(s, stag, SMMU_STALL_ABORT, "terminate");
    }
}

/* Section 4.7.2: the STE must abort already, or the effect is open */
void smmuv3_cmd_stall_term(SMMUv3State *s, Cmd *cmd)
{
    SMMUv3Endpoint *ep = smmuv3_ep_find(s, CMD_SID(cmd));

    if (!ep) {
        return;
    }
    if (!ep->ste.cached) {
        smmuv3_ste_view(s, CMD_SID(cmd), &ep->ste);
        ep->ste.cached = true;
    }
    if (!ep->ste.valid || !ep->ste.aborted) {
        smmuv3_violation(SMMU_VIOL_TERM_LIVE, CMD_SID(cmd), 0);
    }
    for (int i = 0; i < SMMU_STALL_MAX; i++) {
        if (s->stalls.stall[i].ep == ep) {
            smmuv3_stall_end(s, i, SMMU_STALL_ABORT, "STALL_TERM");
        }
    }
}

/*
 * The event queue may have become writable. A stall whose record did not fit
 * is retried as though it had just arrived (section 3.12.2): it succeeds, or
 * faults anew and finds room for its record, or waits again.
 */
void smmuv3_stall_writable(SMMUv3State *s)
{
    uint32_t pending = s->gerror ^ s->gerrorn;

    if (!smmuv3_eventq_enabled(s) || smmuv3_q_full(&s->eventq) ||
        FIELD_EX32(pending, GERROR, EVENTQ_ABT_ERR)) {
        return;
    }
    for (int i = 0; i < SMMU_STALL_MAX; i++) {
        if (s->stalls.stall[i].ep && !s->stalls.stall[i].reported) {
            smmuv3_stall_end(s, i, SMMU_STALL_RETRY, "unreported");
        }
    }
}

/* CR0.SMMUEN is cleared: every stall is terminated, section 3.12.2 */
void smmuv3_stall_disable(SMMUv3State *s)
{
    for (int i = 0; i < SMMU_STALL_MAX; i++) {
        if (s->stalls.stall[i].ep) {
            smmuv3_stall_end(s, i, SMMU_STALL_ABORT, "SMMUEN=0");
        }
    }
}

/* The function is gone */
void smmuv3_stall_forget(SMMUv3Endpoint *ep)
{
    SMMUv3State *s = ep->smmu;

    for (int i = 0; s && i < SMMU_STALL_MAX; i++) {
        if (s->stalls.stall[i].ep == ep) {
            smmuv3_violation(SMMU_VIOL_STALL_OPEN, smmuv3_ep_sid(ep), i);
            s->stalls.stall[i].ep = NULL;
        }
    }
}

uint32_t smmuv3_stalls(SMMUv3State *s, SMMUv3Endpoint *ep, bool unreported)
{
    uint32_t n = 0;

    for (int i = 0; i < SMMU_STALL_MAX; i++) {
        SMMUv3Stall *st = &s->stalls.stall[i];

        n += st->ep && (!ep || st->ep == ep) && (!unreported || !st->reported);
    }
    return n;
}
