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
#include "qapi/error.h"
#include "hw/pci/pcie.h"
#include "hw/pci/msi.h"
#include "hw/qdev-properties.h"
#include "smmu_testdev.h"
#include "trace.h"

QEMU_BUILD_BUG_ON(SMTD_V_KINDS != SMMU_VIOL_KINDS);
QEMU_BUILD_BUG_ON(SMTD_HOLDS != SMMU_HOLDS);
QEMU_BUILD_BUG_ON(SMTD_V_TERM_LIVE != SMMU_VIOL_TERM_LIVE);

TdList td_devs = QLIST_HEAD_INITIALIZER(td_devs);

static const SMMUv3EndpointOps td_ops = {
    .atc_inv = td_atc_inv,
    .stall_end = td_stall_end,
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
        td_atc_drop_all(d);
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
    td_inv_forget(d);
    if (d->flr_flags & SMTD_FLR_KEEP_DMA) {
        d->rude = d->ctrl & SMTD_CTRL_RUN;
    } else {
        timer_del(d->run_timer);
        d->ctrl = 0;
        d->rude = false;
    }
    if (!(d->flr_flags & SMTD_FLR_KEEP_ATC)) {
        td_atc_drop_all(d);
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
    d->inv_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, td_inv_timer, d);
    memory_region_init_io(&d->bar, OBJECT(d), &td_mmio_ops, d,
                          TYPE_SMMU_TESTDEV, SMTD_BAR_SIZE);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &d->bar);
    QLIST_INSERT_HEAD(&td_devs, d, next);
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

static void td_instance_init(Object *obj)
{
    SMMUTestDev *d = SMMU_TESTDEV(obj);

    d->inv_delay_us = 100000;
    d->flr_inv_mode = SMTD_INV_ERROR;
    td_add_knobs(obj);
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
