/*
 * Endpoint side of the emulated SMMUv3: what a PCIe function sees of it.
 *
 * QEMU's IOMMU memory regions know neither substreams nor ATS nor a
 * transaction that waits for software. A device that wants these talks to the
 * SMMU through this interface instead of through its address space.
 *
 * Everything here runs under the BQL. Callbacks run inside command processing
 * with the SMMU's mutex held: they may change the device's own state, set
 * timers and return an answer, but must not call back into the SMMU.
 *
 * Section numbers are those of Arm IHI 0070 (SMMUv3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ARM_SMMUV3_ENDPOINT_H
#define HW_ARM_SMMUV3_ENDPOINT_H

#include "exec/memory.h"
#include "hw/pci/pci.h"
#include "qemu/timer.h"

typedef struct SMMUv3State SMMUv3State;
typedef struct SMMUDevice SMMUDevice;
typedef struct SMMUv3Endpoint SMMUv3Endpoint;

/* ---- ATS invalidation (section 4.5.1) ---- */

typedef struct SMMUv3AtcInv {
    bool ssv;           /* the request carries a PASID */
    bool global;        /* Global Invalidate: entries of every PASID */
    uint32_t ssid;
    uint64_t addr;      /* aligned to the span */
    uint64_t mask;      /* span - 1; all ones: everything */
    uint32_t tag;       /* names the request in smmuv3_ep_inv_answer() */
} SMMUv3AtcInv;

typedef enum SMMUv3InvAnswer {
    SMMU_INV_DONE,      /* answered */
    SMMU_INV_UR,        /* Unsupported Request: complete, section 3.9.1.5 */
    SMMU_INV_TIMEOUT,   /* the root complex gave up, section 3.9.1.4 */
    SMMU_INV_PENDING,   /* only from the callback: the answer comes later */
} SMMUv3InvAnswer;

/* ---- stalled transactions (section 3.12.2) ---- */

typedef enum SMMUv3StallEnd {
    SMMU_STALL_RETRY,   /* issue the transaction again, from outside the call */
    SMMU_STALL_ABORT,   /* it was terminated */
} SMMUv3StallEnd;

typedef struct SMMUv3EndpointOps {
    SMMUv3InvAnswer (*atc_inv)(SMMUv3Endpoint *ep, const SMMUv3AtcInv *inv);
    void (*stall_end)(SMMUv3Endpoint *ep, uint16_t stag, SMMUv3StallEnd end);
} SMMUv3EndpointOps;

/* What the STE says of ATS, cached until CMD_CFGI_STE */
typedef struct SMMUv3SteView {
    bool cached;
    bool valid;         /* found and not ILLEGAL */
    bool aborted;       /* Config = 0b000 */
    bool ats;           /* effective EATS = 0b01; false for Config = 0b100 */
} SMMUv3SteView;

/* Embedded in the device */
struct SMMUv3Endpoint {
    const SMMUv3EndpointOps *ops;
    PCIDevice *pdev;
    SMMUv3State *smmu;          /* NULL: not attached */
    SMMUDevice *sdev;
    SMMUv3SteView ste;
    GHashTable *ss_configs;     /* SubstreamID -> SMMUTransCfg */
    QLIST_ENTRY(SMMUv3Endpoint) next;
};

typedef enum SMMUv3EpResult {
    SMMU_EP_OK,
    SMMU_EP_ABORT,      /* terminated with an abort */
    SMMU_EP_STALLED,    /* ops->stall_end() will follow */
    SMMU_EP_BUSY,       /* would stall, but no STAG is free: present it again */
    SMMU_EP_NONE,       /* translation request: success, R = W = 0 */
    SMMU_EP_UR,         /* translation request: Unsupported Request */
    SMMU_EP_CA,         /* translation request: Completer Abort */
} SMMUv3EpResult;

typedef struct SMMUv3EpReq {
    bool ats;                   /* an ATS Translation Request */
    bool ssv;                   /* with a SubstreamID */
    uint32_t ssid;
    uint64_t iova;
    IOMMUAccessFlags perm;      /* IOMMU_RO on a translation request: NW */
    /* results */
    SMMUv3EpResult result;
    IOMMUTLBEntry entry;        /* if SMMU_EP_OK */
    uint16_t stag;              /* if SMMU_EP_STALLED */
} SMMUv3EpReq;

/*
 * Connects requester ID @devfn of the bus of @pdev, which is its own or one
 * that no function has. False, with @errp set, if the device is not behind an
 * SMMUv3 or somebody else uses that requester ID.
 */
bool smmuv3_ep_attach(SMMUv3Endpoint *ep, PCIDevice *pdev, int devfn,
                      const SMMUv3EndpointOps *ops, Error **errp);
/* Disconnects: open invalidate requests complete, as when the link is down */
void smmuv3_ep_detach(SMMUv3Endpoint *ep);
uint32_t smmuv3_ep_sid(SMMUv3Endpoint *ep);

/* An Untranslated transaction or a Translation Request */
void smmuv3_ep_translate(SMMUv3Endpoint *ep, SMMUv3EpReq *req);
/* May a Translated transaction pass? Section 3.9.1.3 */
bool smmuv3_ep_translated(SMMUv3Endpoint *ep, uint64_t addr, bool read);
/*
 * The end of a request for which atc_inv() returned PENDING. With TIMEOUT the
 * CMD_SYNC fails 1 + @repeat times. An answer nobody waits for is ignored.
 */
void smmuv3_ep_inv_answer(SMMUv3Endpoint *ep, uint32_t tag,
                          SMMUv3InvAnswer answer, uint32_t repeat);

/* ---- test controls: they change when things happen, never the rules ---- */

#define SMMU_HOLDS 4
#define SMMU_ATC_INV_MAX 256
#define SMMU_SYNC_MSI_MAX 256

typedef struct SMMUv3Hold {
    bool armed, each, any_sid;
    uint8_t opcode;
    uint32_t sid, skip, us;
} SMMUv3Hold;

/* The oracle's counters; numbered as SMTD_V_* in the test device's regs.h */
#define SMMU_VIOL_KINDS 8
enum {
    SMMU_VIOL_ATS_MARKED, SMMU_VIOL_DMA_MARKED, SMMU_VIOL_RESUME_UNKNOWN,
    SMMU_VIOL_STALL_OPEN, SMMU_VIOL_INV_IN_RESET, SMMU_VIOL_PASID_ATS,
    SMMU_VIOL_STALL_FLR, SMMU_VIOL_TERM_LIVE,
};
extern uint32_t smmuv3_violations[SMMU_VIOL_KINDS];
void smmuv3_violation(int kind, uint32_t sid, uint64_t info);

/* Part of SMMUv3State */
typedef struct SMMUv3EpState {
    QLIST_HEAD(, SMMUv3Endpoint) endpoints;

    /* ATS Invalidate Requests without an answer */
    struct {
        SMMUv3Endpoint *ep;
        uint32_t tag;
    } inv[SMMU_ATC_INV_MAX];
    uint32_t inv_tag;
    uint32_t sync_errors;       /* times the next CMD_SYNC still has to fail */

    /* consumption */
    bool consuming;             /* inside smmuv3_cmdq_consume() */
    bool logged;                /* the command at CONS is in the log */
    int held;                   /* the breakpoint it stands at, or -1 */
    uint8_t held_op;
    uint32_t held_sid;
    SMMUv3Hold hold[SMMU_HOLDS];
    QEMUTimer *hold_timer;

    /* completion of CMD_SYNC by MSI, possibly late */
    struct {
        uint64_t addr;
        uint32_t data;
        int64_t when;
    } msi[SMMU_SYNC_MSI_MAX];
    uint32_t msi_head, msi_tail, msi_us;
    QEMUTimer *msi_timer;

    uint32_t evt_abort;
    uint32_t n_cerror, n_overflow, n_evt_lost, n_inv_sent, n_cmds;
} SMMUv3EpState;

void smmuv3_hold_set(SMMUv3State *s, int slot, const SMMUv3Hold *hold);
void smmuv3_hold_release(SMMUv3State *s);

/* Forget what is cached of the configuration of the endpoint's stream */
void smmuv3_ep_forget(SMMUv3Endpoint *ep);

/* ---- stalls, part of SMMUv3State ---- */

#define SMMU_STALL_MAX 256

typedef struct SMMUv3Stall {
    SMMUv3Endpoint *ep;         /* NULL: the STAG is free */
    bool reported;              /* its event record is in the queue */
} SMMUv3Stall;

typedef struct SMMUv3StallState {
    SMMUv3Stall stall[SMMU_STALL_MAX];
    uint32_t next;              /* STAGs are handed out in turn */
} SMMUv3StallState;

/* Outstanding stalls of @ep, or of every stream if NULL */
uint32_t smmuv3_stalls(SMMUv3State *s, SMMUv3Endpoint *ep, bool unreported);
/* To be called before smmuv3_ep_detach(): stalls still open are violations */
void smmuv3_stall_forget(SMMUv3Endpoint *ep);

#endif
