/*
 * smmu-testdev: what its source files share. The register map, with the
 * meaning of every knob, is smmu-testdev-regs.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_SMMU_TESTDEV_H
#define HW_MISC_SMMU_TESTDEV_H

#include "qemu/timer.h"
#include "hw/pci/pci_device.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-endpoint.h"
#include "hw/misc/smmu-testdev-regs.h"

/* Common part of physical and virtual functions */
#define TYPE_SMMU_TESTDEV_BASE "smmu-testdev-base"
#define TYPE_SMMU_TESTDEV "smmu-testdev"
#define TYPE_SMMU_TESTDEV_VF "smmu-testdev-vf"
OBJECT_DECLARE_SIMPLE_TYPE(SMMUTestDev, SMMU_TESTDEV_BASE)

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
    SMMUv3Endpoint *ep; /* its requester ID */
    bool read;
    bool squashed;      /* ends without touching memory */
    uint32_t pasid;     /* as SMTD_PASID */
    uint32_t resets;    /* resets of the function when it stalled */
    uint64_t iova;
    uint16_t stag;
} TdXfer;

typedef struct {
    SMMUv3Endpoint *ep; /* the requester ID it was filled with; NULL: free */
    uint32_t pasid;
    uint64_t iova, pa, mask;
    IOMMUAccessFlags perm;
} TdAtcEntry;

/* An invalidate request that waits for its time, or for INV_RELEASE */
typedef struct {
    bool used, late;
    uint32_t mode, repeat;
    int64_t when;
    SMMUv3Endpoint *ep;
    SMMUv3AtcInv inv;
} TdInvRequest;

typedef struct {
    bool used;
    uint32_t pasid;     /* by IOVA only */
    uint64_t page;
} TdMark;

struct SMMUTestDev {
    PCIDevice parent_obj;
    MemoryRegion bar;
    SMMUv3Endpoint ep;
    SMMUv3Endpoint alias_ep;    /* attached with alias=on only */
    bool stall_id, alias, dma_can_stall;
    uint8_t pasid_width, vfs;

    QEMUTimer *run_timer, *retry_timer, *inv_timer;
    TdXfer xfer[SMTD_SLOTS];
    uint64_t iova, seq, data;
    uint32_t stride, count, pasid, period_us, ctrl, requester;

    TdAtcEntry atc[ATC_ENTRIES];
    uint32_t atc_next;
    TdInvRequest inv[INV_MAX];
    uint32_t inv_mode, inv_delay_us, inv_repeat, inv_late_us;

    uint32_t flr_flags, flr_ready_ms, flr_inv_mode, vanish, trpnd;
    int64_t ready_at;           /* end of the reset; INT64_MAX: never */
    bool rude;                  /* a reset left the engine running */
    uint32_t resets;

    uint32_t hold_sel;
    SMMUv3Hold hold[SMTD_HOLDS];
    uint64_t mark;
    uint32_t mark_pasid;
    TdMark marks[SMTD_MARKS_MAX]; /* by IOVA */
    uint32_t stat[SMTD_S_COUNT];
    uint32_t peer_sid;

    char *plug, *plug_id;       /* arguments of device_add; what it made */
    uint32_t plug_state;
    QEMUTimer *plug_timer;
    QLIST_ENTRY(SMMUTestDev) next;
};

/* Every function of the machine */
typedef QLIST_HEAD(, SMMUTestDev) TdList;
extern TdList td_devs;

static inline int64_t td_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static inline bool td_in_reset(SMMUTestDev *d)
{
    return td_now() < d->ready_at;
}

/* Not there at all: vanished, without power, a virtual function not enabled */
static inline bool td_absent(SMMUTestDev *d)
{
    return d->vanish || !d->parent_obj.enabled;
}

/* Neither configuration space nor BAR answers */
static inline bool td_dead(SMMUTestDev *d)
{
    return td_absent(d) || td_in_reset(d);
}

/* Of either requester ID */
static inline SMMUTestDev *td_of(SMMUv3Endpoint *ep)
{
    return SMMU_TESTDEV_BASE(ep->pdev);
}

static inline bool td_bus_master(SMMUTestDev *d)
{
    return pci_get_word(d->parent_obj.config + PCI_COMMAND) &
           PCI_COMMAND_MASTER;
}

static inline bool td_ats_enabled(SMMUTestDev *d)
{
    return pci_get_word(d->parent_obj.config + SMTD_CFG_ATS + PCI_ATS_CTRL) &
           PCI_ATS_CTRL_ENABLE;
}

/* smmu_testdev_atc.c */
TdAtcEntry *td_atc_find(SMMUTestDev *d, TdXfer *x);
TdAtcEntry *td_atc_fill(SMMUTestDev *d, TdXfer *x, const IOMMUTLBEntry *entry);
void td_atc_drop_all(SMMUTestDev *d);
SMMUv3InvAnswer td_atc_inv(SMMUv3Endpoint *ep, const SMMUv3AtcInv *inv);
void td_inv_timer(void *opaque);
/* @how: a value of SMTD_INV_RELEASE */
void td_inv_release(SMMUTestDev *d, uint32_t how);
/* A reset forgets the requests that it finds: nobody will answer them */
void td_inv_forget(SMMUTestDev *d);

/* smmu_testdev_dma.c */
extern TdMark td_pa_marks[SMTD_MARKS_MAX];      /* by physical address */
void td_mark_set(TdMark *marks, uint64_t addr, uint32_t pasid, bool on);
uint32_t td_mark_count(const TdMark *marks);
void td_run(void *opaque);
void td_retry(void *opaque);
void td_stall_end(SMMUv3Endpoint *ep, uint16_t stag, SMMUv3StallEnd end);

/* smmu_testdev_regs.c */
extern const MemoryRegionOps td_mmio_ops;
void td_add_knobs(Object *obj);
void td_set_ready(SMMUTestDev *d);

/* smmu_testdev_plug.c */
void td_plug_ctl(SMMUTestDev *d, uint32_t val);
void td_plug_timer(void *opaque);

#endif
