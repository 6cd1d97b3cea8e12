/*
 * Hot-plug by register: what device_add and device_del do, but at an instant of
 * the guest's own time, so that deterministic runs stay alike.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/config-file.h"
#include "qemu/error-report.h"
#include "qemu/option.h"
#include "monitor/qdev.h"
#include "smmu_testdev.h"

/* What this register plugged in, while it is there */
static Object *td_plugged(SMMUTestDev *d)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s",
                                            d->plug_id ?: "");

    return d->plug_id ? object_resolve_path(path, NULL) : NULL;
}

static bool td_plug_add(SMMUTestDev *d, Error **errp)
{
    QemuOpts *opts = qemu_opts_parse(qemu_find_opts("device"), d->plug, true,
                                     errp);
    DeviceState *dev;

    if (!opts) {
        return false;
    }
    if (!qemu_opts_id(opts)) {
        error_setg(errp, "plug: an id is needed");
        qemu_opts_del(opts);
        return false;
    }
    dev = qdev_device_add(opts, errp);
    if (!dev) {
        qemu_opts_del(opts);
        return false;
    }
    g_free(d->plug_id);
    d->plug_id = g_strdup(dev->id);
    object_unref(OBJECT(dev));
    return true;
}

/* Presses the attention button: the guest decides when it is gone */
static bool td_plug_remove(SMMUTestDev *d, Error **errp)
{
    Object *obj = td_plugged(d);
    Error *local = NULL;

    if (!obj) {
        return false;   /* it went just now */
    }
    qdev_unplug(DEVICE(obj), &local);
    if (local) {
        error_propagate(errp, local);
        return false;
    }
    return true;
}

void td_plug_timer(void *opaque)
{
    Error *local = NULL;
    SMMUTestDev *d = opaque;
    bool ok = d->plug_state == SMTD_PLUG_ADD ? td_plug_add(d, &local) :
              td_plug_remove(d, &local);

    d->plug_state = ok ? SMTD_PLUG_DONE : SMTD_PLUG_FAILED;
    if (local) {
        warn_report_err(local);
    }
}

void td_plug_ctl(SMMUTestDev *d, uint32_t val)
{
    if (val != SMTD_PLUG_ADD && val != SMTD_PLUG_REMOVE) {
        return;
    }
    if (timer_pending(d->plug_timer)) {
        return;         /* one is under way, and its end will show */
    }
    if (!d->plug || (val == SMTD_PLUG_ADD) == !!td_plugged(d)) {
        d->plug_state = SMTD_PLUG_FAILED;
        return;
    }
    d->plug_state = val;
    /* not from inside a register access, which holds a function in place */
    timer_mod(d->plug_timer, td_now() + SCALE_US);
}
