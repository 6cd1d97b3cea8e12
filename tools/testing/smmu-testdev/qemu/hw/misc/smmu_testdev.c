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
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_aer.h"
#include "hw/pci/pcie_sriov.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "smmu_testdev.h"
#include "trace.h"

QEMU_BUILD_BUG_ON(SMTD_V_KINDS != SMMU_VIOL_KINDS);
QEMU_BUILD_BUG_ON(SMTD_HOLDS != SMMU_HOLDS);
QEMU_BUILD_BUG_ON(SMTD_V_TERM_LIVE != SMMU_VIOL_TERM_LIVE);

#define SMTD_VFS_MAX    7u

TdList td_devs = QLIST_HEAD_INITIALIZER(td_devs);

static const SMMUv3EndpointOps td_ops = {
    .atc_inv = td_atc_inv,
    .stall_end = td_stall_end,
};

/* ---- configuration space and resets ---- */

static uint32_t td_config_read(PCIDevice *pdev, uint32_t addr, int len)
{
    SMMUTestDev *d = SMMU_TESTDEV_BASE(pdev);
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
    SMMUTestDev *d = SMMU_TESTDEV_BASE(pdev);
    uint32_t pasid_ctrl = SMTD_CFG_PASID + PCI_PASID_CTRL;
    bool ats = td_ats_enabled(d);

    trace_smmutd_config(smmuv3_ep_sid(&d->ep), addr, val, len, td_dead(d));
    if (td_dead(d)) {
        return;
    }
    if (ats && d->pasid_width && !pci_is_vf(pdev) &&
        ranges_overlap(addr, len, pasid_ctrl, 2)) {
        /* PCIe: behaviour is undefined if PASID changes while ATS is on */
        smmuv3_violation(SMMU_VIOL_PASID_ATS, smmuv3_ep_sid(&d->ep), val);
    }
    pci_default_write_config(pdev, addr, val, len);
    if (ats && !td_ats_enabled(d) && !(d->flr_flags & SMTD_FLR_KEEP_ATC)) {
        td_atc_drop_all(d);
    }
    pcie_aer_write_config(pdev, addr, val, len);
    pcie_cap_flr_write_config(pdev, addr, val, len);
}

/*
 * FLR, a reset of the bus above, the machine's own; of a virtual function also
 * a reset of its physical function, and VF Enable: all of them come by here.
 */
static void td_reset(DeviceState *dev)
{
    SMMUTestDev *d = SMMU_TESTDEV_BASE(dev);
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
    if (d->pasid_width && !pci_is_vf(&d->parent_obj)) {
        pci_set_word(conf + SMTD_CFG_PASID + PCI_PASID_CTRL, 0);
    }
}

/* ---- life ---- */

/* What cannot work is refused here, before anything has been set up */
static bool td_check(SMMUTestDev *d, Error **errp)
{
    PCIDevice *pdev = &d->parent_obj;

    if (!pci_bus_is_express(pci_get_bus(pdev))) {
        error_setg(errp, "not on a PCI Express bus");
        return false;
    }
    if (d->pasid_width > 20) {
        error_setg(errp, "pasid-width=%u: a PASID has at most 20 bits",
                   d->pasid_width);
        return false;
    }
    if (d->alias && d->stall_id) {
        error_setg(errp, "alias=on and stall=on are two identities "
                   "(dma-can-stall=on goes with alias=on)");
        return false;
    }
    if (d->dma_can_stall && DEVICE(pdev)->hotplugged) {
        error_setg(errp, "dma-can-stall=on: a function plugged in later is "
                   "not in the device tree");
        return false;
    }
    if ((d->alias || d->vfs) && PCI_FUNC(pdev->devfn)) {
        error_setg(errp, "%s needs function 0 of a slot",
                   d->alias ? "alias=on" : "vfs");
        return false;
    }
    if (d->alias &&
        pci_get_bus(pdev)->devices[PCI_DEVFN(PCI_SLOT(pdev->devfn), 1)]) {
        error_setg(errp, "alias=on: function 1 of the slot is occupied");
        return false;
    }
    if (d->vfs > SMTD_VFS_MAX) {
        error_setg(errp, "vfs=%u: there are %u other functions in a slot",
                   d->vfs, SMTD_VFS_MAX);
        return false;
    }
    return true;
}

static bool td_check_smmu(SMMUTestDev *d, Error **errp)
{
    SMMUv3State *s = d->ep.smmu;

    if ((d->stall_id || d->dma_can_stall) && !s->stall) {
        error_setg(errp, "%s=on needs an SMMU with stalls "
                   "(-global arm-smmuv3.stall=on)",
                   d->stall_id ? "stall" : "dma-can-stall");
        return false;
    }
    if (d->pasid_width && d->pasid_width > s->ssidsize) {
        error_setg(errp, "pasid-width=%u: the SMMU has %u bits "
                   "(-global arm-smmuv3.ssidsize=N)", d->pasid_width,
                   s->ssidsize);
        return false;
    }
    return true;
}

static bool td_attach(SMMUTestDev *d, Error **errp)
{
    PCIDevice *pdev = &d->parent_obj;

    if (!smmuv3_ep_attach(&d->ep, pdev, pdev->devfn, &td_ops, errp) ||
        !td_check_smmu(d, errp)) {
        return false;
    }
    return !d->alias ||
           smmuv3_ep_attach(&d->alias_ep, pdev,
                            PCI_DEVFN(PCI_SLOT(pdev->devfn), 1), &td_ops, errp);
}

static void td_init_pasid(SMMUTestDev *d)
{
    PCIDevice *pdev = &d->parent_obj;

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

static bool td_init_caps(SMMUTestDev *d, Error **errp)
{
    PCIDevice *pdev = &d->parent_obj;

    if (pcie_endpoint_cap_init(pdev, SMTD_CFG_PCIE) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        return false;
    }
    if (msi_init(pdev, 0x60, 1, true, false, errp)) {
        return false;
    }
    pcie_cap_deverr_init(pdev);
    pcie_cap_flr_init(pdev);
    pcie_ats_init(pdev, SMTD_CFG_ATS, true);
    /* The VFs of a PF with PASID use its capability (PCIe 7.8.9) */
    if (d->pasid_width && !pci_is_vf(pdev)) {
        td_init_pasid(d);
    }
    return !pcie_aer_init(pdev, PCI_ERR_VER, SMTD_CFG_AER, PCI_ERR_SIZEOF,
                          errp);
}

static void td_identity(SMMUTestDev *d)
{
    uint8_t *conf = d->parent_obj.config;

    if (d->stall_id) {
        pci_config_set_vendor_id(conf, SMTD_STALL_VENDOR);
        pci_config_set_device_id(conf, SMTD_STALL_DEVICE);
        pci_config_set_revision(conf, SMTD_STALL_REVISION);
    } else if (d->alias) {
        pci_config_set_vendor_id(conf, SMTD_ALIAS_VENDOR);
        pci_config_set_device_id(conf, SMTD_ALIAS_DEVICE);
    }
}

static void td_detach(SMMUTestDev *d)
{
    SMMUv3Endpoint *const eps[] = { &d->ep, &d->alias_ep };

    for (int i = 0; i < ARRAY_SIZE(eps); i++) {
        smmuv3_stall_forget(eps[i]);
        smmuv3_ep_detach(eps[i]);
    }
}

static void td_exit(PCIDevice *pdev)
{
    SMMUTestDev *d = SMMU_TESTDEV_BASE(pdev);

    if (!pci_is_vf(pdev)) {
        pcie_sriov_pf_exit(pdev);
    }
    QLIST_REMOVE(d, next);
    td_detach(d);
    timer_free(d->run_timer);
    timer_free(d->retry_timer);
    timer_free(d->inv_timer);
    timer_free(d->plug_timer);
    g_free(d->plug_id);
    pcie_aer_exit(pdev);
    msi_uninit(pdev);
    pcie_cap_exit(pdev);
}

static bool td_init_vfs(SMMUTestDev *d, Error **errp)
{
    PCIDevice *pdev = &d->parent_obj;

    if (!pcie_sriov_pf_init(pdev, SMTD_CFG_SRIOV, TYPE_SMMU_TESTDEV_VF,
                            d->stall_id ? SMTD_STALL_VF_DEVICE : SMTD_VF_DEVICE,
                            d->vfs, d->vfs, 1, 1, errp)) {
        return false;
    }
    pcie_sriov_pf_init_vf_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY,
                              SMTD_BAR_SIZE);
    return true;
}

static void td_realize(PCIDevice *pdev, Error **errp)
{
    SMMUTestDev *d = SMMU_TESTDEV_BASE(pdev);

    if (!td_check(d, errp)) {
        return;
    }
    if (!td_attach(d, errp) || !td_init_caps(d, errp)) {
        goto fail;
    }
    td_identity(d);
    if (d->vfs && !td_init_vfs(d, errp)) {
        pcie_aer_exit(pdev);
        goto fail;
    }
    d->run_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, td_run, d);
    d->retry_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, td_retry, d);
    d->inv_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, td_inv_timer, d);
    d->plug_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, td_plug_timer, d);
    memory_region_init_io(&d->bar, OBJECT(d), &td_mmio_ops, d,
                          TYPE_SMMU_TESTDEV, SMTD_BAR_SIZE);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &d->bar);
    QLIST_INSERT_HEAD(&td_devs, d, next);
    return;

fail:
    td_detach(d);
    msi_uninit(pdev);
    if (pdev->exp.exp_cap) {
        pcie_cap_exit(pdev);
    }
}

static void td_vf_realize(PCIDevice *pdev, Error **errp)
{
    SMMUTestDev *d = SMMU_TESTDEV_BASE(pdev);
    SMMUTestDev *pf = SMMU_TESTDEV_BASE(pcie_sriov_get_pf(pdev));

    d->stall_id = pf->stall_id;
    d->pasid_width = pf->pasid_width;
    td_realize(pdev, errp);
}

static void td_instance_init(Object *obj)
{
    SMMUTestDev *d = SMMU_TESTDEV_BASE(obj);

    d->inv_delay_us = 100000;
    d->flr_inv_mode = SMTD_INV_ERROR;
    td_add_knobs(obj);
}

static const Property td_properties[] = {
    /* the identity that Linux marks dma-can-stall */
    DEFINE_PROP_BOOL("stall", SMMUTestDev, stall_id, false),
    /* the identity to which Linux gives a second requester ID */
    DEFINE_PROP_BOOL("alias", SMMUTestDev, alias, false),
    /* a node with this property in the device tree, which "virt" makes */
    DEFINE_PROP_BOOL("dma-can-stall", SMMUTestDev, dma_can_stall, false),
    /* width of the PASID capability; 0: none */
    DEFINE_PROP_UINT8("pasid-width", SMMUTestDev, pasid_width, 0),
    /* virtual functions; 0: no SR-IOV capability */
    DEFINE_PROP_UINT8("vfs", SMMUTestDev, vfs, 0),
    /* what SMTD_PLUG plugs in, as the argument of -device */
    DEFINE_PROP_STRING("plug", SMMUTestDev, plug),
};

/* Neither is what the SMMU knows of the function's transactions migrated */
static const VMStateDescription td_vmstate = {
    .name = TYPE_SMMU_TESTDEV,
    .unmigratable = 1,
};

static void td_base_class_init(ObjectClass *klass, void *data)
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
    dc->vmsd = &td_vmstate;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static void td_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    device_class_set_props(dc, td_properties);
    dc->desc = "PCIe test function for the SMMUv3 (ATS, PASID, stalls)";
}

static void td_vf_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    PCI_DEVICE_CLASS(klass)->realize = td_vf_realize;
    dc->desc = "Virtual function of smmu-testdev";
    dc->user_creatable = false;     /* made by the property vfs of another */
}

static const TypeInfo td_types[] = {
    {
        .name = TYPE_SMMU_TESTDEV_BASE,
        .parent = TYPE_PCI_DEVICE,
        .abstract = true,
        .instance_size = sizeof(SMMUTestDev),
        .instance_init = td_instance_init,
        .class_init = td_base_class_init,
        .interfaces = (InterfaceInfo[]) { { INTERFACE_PCIE_DEVICE }, { } },
    }, {
        .name = TYPE_SMMU_TESTDEV,
        .parent = TYPE_SMMU_TESTDEV_BASE,
        .class_init = td_class_init,
    }, {
        .name = TYPE_SMMU_TESTDEV_VF,
        .parent = TYPE_SMMU_TESTDEV_BASE,
        .class_init = td_vf_class_init,
    },
};

DEFINE_TYPES(td_types)
