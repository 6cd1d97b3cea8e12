// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a device is fenced: by the gate of its driver, or by docking.
 *
 * With a gate nothing is moved: what is attached stays attached, and what comes
 * meanwhile goes to the driver, which answers for it.
 *
 * Docking is for all other drivers. RID and PASIDs are moved to blocking domains,
 * while group->domain and group->pasid_array keep what is to be attached again. That
 * needs one call of the driver for each of them, and the way back may fail. The
 * driver is always told what it has attached itself, and not what is recorded.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/device.h>
#include <linux/ktime.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include <trace/events/iommu.h>

#include "iommu-priv.h"
#include "iommu-recovery.h"

static int __cmp_dma_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	return alias == *(u16 *)data;
}

static int cmp_dma_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	return pci_for_each_dma_alias(data, __cmp_dma_alias, &alias);
}

/* Devices that firmware has wired to the same stream of the same IOMMU */
static bool share_an_id(struct iommu_fwspec *a, struct iommu_fwspec *b)
{
	if (!a || !b || a->iommu_fwnode != b->iommu_fwnode)
		return false;
	for (unsigned int i = 0; i < a->num_ids; i++)
		for (unsigned int j = 0; j < b->num_ids; j++)
			if (a->ids[i] == b->ids[j])
				return true;
	return false;
}

/*
 * Devices of a group whose requests look alike to the IOMMU can only be fenced
 * together: the driver has one entry for all of them.
 */
bool iommu_recovery_same_rid(struct device *a, struct device *b)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_recovery_same_rid, a, b);

	if (a == b)
		return true;
	if (dev_is_pci(a) && dev_is_pci(b))
		return pci_for_each_dma_alias(to_pci_dev(a), cmp_dma_alias,
					      to_pci_dev(b));
	return share_an_id(dev_iommu_fwspec_get(a), dev_iommu_fwspec_get(b));
}
EXPORT_SYMBOL_IF_KUNIT(iommu_recovery_same_rid);

/**
 * iommu_recovery_is_wanted() - must a device be docked?
 * @dev: a device with a recovery state, of a locked group
 * @except: whose wishes do not count; may be NULL
 *
 * Return: true: for its own sake, or for that of one that shares a requester ID.
 */
bool iommu_recovery_is_wanted(struct device *dev, struct iommu_recovery *except)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	struct device *other;

	iommu_group_for_each(recovery->group, other) {
		struct iommu_recovery *o = dev_iommu_recovery(other);

		if (o && o != except && iommu_recovery_needs_fence(o) &&
		    iommu_recovery_same_rid(dev, other))
			return true;
	}
	return false;
}

/*
 * Move PASIDs and RID to blocking domains. The PASIDs go first, as they do when a
 * device is detached for good: AMD's table of PASIDs goes with the RID's domain.
 * That they can be blocked at any time is what drivers owe the core.
 *
 * After an error the RID is where it was, and iommu_recovery_undock() gives the
 * PASIDs back.
 */
static int iommu_recovery_dock(struct iommu_recovery *recovery)
{
	struct iommu_group *group = recovery->group;
	struct device *dev = recovery->dev;
	struct iommu_domain *domain, *blocking;
	unsigned long pasid = 0;
	int ret;

	iommu_recovery_assert_locked(recovery);

	ret = iommu_group_alloc_blocking_domain(group);
	if (ret)
		return ret;

	if (!recovery->docked) {
		while (dev->iommu->max_pasids &&
		       (domain = iommu_group_next_pasid(group, &pasid)))
			if (!iommu_recovery_pasid_is_left(dev, pasid))
				iommu_remove_dev_pasid(dev, pasid, domain);
		xa_destroy(&recovery->left);
		recovery->docked = true;
	}

	if (recovery->on_blocking)
		return 0;
	domain = iommu_recovery_old_domain(dev, iommu_group_domain(group));
	blocking = iommu_group_blocking_domain(group);
	if (domain != blocking) {
		ret = __iommu_attach_device(blocking, dev, domain);
		if (ret)
			return ret;
	}
	recovery->on_blocking = true;
	return 0;
}

static int iommu_recovery_undock_pasid(struct iommu_recovery *recovery,
				       struct iommu_domain *domain,
				       ioasid_t pasid)
{
	int ret;

	/* It came later to a group that uses more PASIDs than it has. */
	if (pasid >= recovery->dev->iommu->max_pasids)
		return xa_err(xa_store(&recovery->left, pasid, domain,
				       GFP_KERNEL));

	/*
	 * The page tables of a process that has exited are gone, or are about
	 * to go: such a PASID stays blocked until it is unbound. The reference
	 * keeps the others from exiting inside of the driver's attach.
	 */
	if (domain->type == IOMMU_DOMAIN_SVA && !mmget_not_zero(domain->mm))
		return xa_err(xa_store(&recovery->left, pasid, domain,
				       GFP_KERNEL));

	/* As a first attach: what is blocked is attached to nothing. */
	ret = domain->ops->set_dev_pasid(domain, recovery->dev, pasid, NULL);

	/* Not mmput(): notifiers of an exit must not run under group->mutex. */
	if (domain->type == IOMMU_DOMAIN_SVA)
		mmput_async(domain->mm);
	return ret;
}

/*
 * Give RID and PASIDs back to what is attached now. After an error of the driver the
 * device is docked as before. The one exception is a driver that fails to block:
 * @on_blocking is false then.
 */
static int iommu_recovery_undock(struct iommu_recovery *recovery)
{
	struct iommu_group *group = recovery->group;
	struct iommu_domain *domain = iommu_group_domain(group);
	struct iommu_domain *blocking = iommu_group_blocking_domain(group);
	struct device *dev = recovery->dev;
	struct iommu_domain *pasid_domain;
	unsigned long pasid = 0, failed;
	int ret;

	iommu_recovery_assert_locked(recovery);

	/* A group without a domain yet: the device waits on the blocking domain. */
	if (domain) {
		if (recovery->on_blocking && domain != blocking) {
			ret = __iommu_attach_device(domain, dev, blocking);
			if (ret)
				return ret;
		}
		recovery->on_blocking = false;
	}

	if (dev->iommu->max_pasids) {
		while ((pasid_domain = iommu_group_next_pasid(group, &pasid))) {
			ret = iommu_recovery_undock_pasid(recovery, pasid_domain,
							  pasid);
			if (ret)
				goto err_pasid;
		}
	}
	recovery->docked = false;
	return 0;

err_pasid:
	failed = pasid;
	pasid = 0;
	while ((pasid_domain = iommu_group_next_pasid(group, &pasid)) &&
	       pasid != failed)
		if (!iommu_recovery_pasid_is_left(dev, pasid))
			iommu_remove_dev_pasid(dev, pasid, pasid_domain);
	xa_destroy(&recovery->left);

	if (domain && (domain == blocking ||
		       !__iommu_attach_device(blocking, dev, domain)))
		recovery->on_blocking = true;
	return ret;
}

/**
 * iommu_recovery_is_held() - is a device fenced, or may it be?
 * @recovery: its recovery state; its group is locked
 *
 * Return: true: iommu_recovery_let_go() has something to do.
 */
bool iommu_recovery_is_held(struct iommu_recovery *recovery)
{
	return recovery->gated || recovery->docked;
}

static int iommu_recovery_hold(struct iommu_recovery *recovery)
{
	struct device *dev = recovery->dev;
	const struct iommu_ops *ops = dev_iommu_ops(dev);

	iommu_recovery_assert_locked(recovery);

	if (!ops->fence_dev)
		return iommu_recovery_dock(recovery);

	/* After an error, too: the gate may be shut, only not yet for certain. */
	recovery->gated = true;
	return ops->fence_dev(dev);
}

/**
 * iommu_recovery_let_go() - let a device back to what is attached now
 * @recovery: of a device for which iommu_recovery_is_held(); its group is locked
 *
 * Return: 0; or an error of the driver, after which the device has to be fenced
 * again.
 */
int iommu_recovery_let_go(struct iommu_recovery *recovery)
{
	struct device *dev = recovery->dev;
	int ret;

	iommu_recovery_assert_locked(recovery);

	if (!recovery->gated)
		return iommu_recovery_undock(recovery);

	ret = dev_iommu_ops(dev)->unfence_dev(dev);
	if (!ret)
		recovery->gated = false;
	return ret;
}

/* All that share a requester ID with @recovery, and that nothing else wants fenced */
static int iommu_recovery_let_go_all(struct iommu_recovery *recovery)
{
	struct device *dev;
	int ret;

	iommu_group_for_each(recovery->group, dev) {
		struct iommu_recovery *r = dev_iommu_recovery(dev);

		if (!r || !iommu_recovery_is_held(r) ||
		    !iommu_recovery_same_rid(recovery->dev, dev) ||
		    iommu_recovery_is_wanted(dev, recovery))
			continue;
		ret = iommu_recovery_let_go(r);
		if (ret) {
			dev_err_ratelimited(dev, r->gated ?
					    "cannot be let through the IOMMU: %pe\n" :
					    "cannot be attached again: %pe\n",
					    ERR_PTR(ret));
			return ret;
		}
	}
	return 0;
}

static int iommu_recovery_hold_all(struct iommu_recovery *recovery)
{
	struct device *dev;
	int ret, err = 0;

	iommu_group_for_each(recovery->group, dev) {
		struct iommu_recovery *r = dev_iommu_recovery(dev);

		if (!r || !iommu_recovery_same_rid(recovery->dev, dev))
			continue;
		if (r != recovery && !iommu_recovery_is_held(r))
			dev_info_ratelimited(dev, "fenced with %s, whose requester ID it shares\n",
					     dev_name(recovery->dev));
		ret = iommu_recovery_hold(r);
		/* One gate that fails must not leave the others open. */
		if (ret && !r->gated)
			return ret;
		if (!err)
			err = ret;
	}
	return err;
}

static void iommu_recovery_trace(struct iommu_recovery *recovery, bool fence,
				 int err, ktime_t start)
{
	trace_recovery_fence(recovery->dev, fence, err,
			     ktime_to_ns(ktime_sub(ktime_get(), start)));
}

/**
 * iommu_recovery_fence() - carry out %IOMMU_RECOVERY_ACT_FENCE
 * @recovery: of a device whose group is locked
 * @err: 0 or the error of the driver
 *
 * Return: the event that tells how it went.
 */
enum iommu_recovery_event iommu_recovery_fence(struct iommu_recovery *recovery,
					       int *err)
{
	ktime_t start = ktime_get();

	*err = iommu_recovery_hold_all(recovery);
	iommu_recovery_trace(recovery, true, *err, start);
	if (!*err)
		return IOMMU_RECOVERY_IS_FENCED;

	/*
	 * As it was before: nobody asks for those that were docked meanwhile. A gate
	 * that could not be confirmed is shut or it is not; the work item finds out.
	 */
	if (recovery->gated || iommu_recovery_needs_fence(recovery) ||
	    iommu_recovery_let_go_all(recovery))
		return IOMMU_RECOVERY_IS_UNSURE;
	return IOMMU_RECOVERY_IS_OPEN;
}

/**
 * iommu_recovery_unfence() - carry out %IOMMU_RECOVERY_ACT_UNFENCE
 * @recovery: of a device whose group is locked
 *
 * Return: the event that tells how it went.
 */
enum iommu_recovery_event iommu_recovery_unfence(struct iommu_recovery *recovery)
{
	ktime_t start = ktime_get();
	int err = iommu_recovery_let_go_all(recovery);

	iommu_recovery_trace(recovery, false, err, start);
	if (!err)
		return IOMMU_RECOVERY_IS_OPEN;
	/* Half way open is not fenced: from the start, for a gate as well. */
	if (!iommu_recovery_hold_all(recovery))
		return IOMMU_RECOVERY_IS_FENCED;
	return IOMMU_RECOVERY_IS_UNSURE;
}

/* What iommu.c asks when it attaches and detaches */

/**
 * iommu_recovery_group_is_resetting() - is a device of the group docked for a reset?
 * @group: the group, locked
 *
 * Return: true: only what must succeed, what blocks, and what can be asked in advance
 * may be attached.
 */
bool iommu_recovery_group_is_resetting(struct iommu_group *group)
{
	struct device *dev;

	iommu_group_for_each(group, dev) {
		struct iommu_recovery *recovery = dev_iommu_recovery(dev);

		if (recovery && recovery->docked &&
		    iommu_recovery_state(recovery) == IOMMU_RECOVERY_RESETTING)
			return true;
	}
	return false;
}

/**
 * iommu_recovery_holds_rid() - is a domain for the RID to be recorded only?
 * @dev: a device of a locked group
 *
 * Return: true by where the RID is, not by the state: a BROKEN device may not be
 * docked yet, and would be left on a domain that its user frees.
 */
bool iommu_recovery_holds_rid(struct device *dev)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	return recovery && recovery->docked && recovery->on_blocking;
}

/**
 * iommu_recovery_holds_pasids() - is a domain for a PASID to be recorded only?
 * @dev: a device of a locked group
 *
 * Return: true while the device is docked.
 */
bool iommu_recovery_holds_pasids(struct device *dev)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	return recovery && recovery->docked;
}

/**
 * iommu_recovery_old_domain() - where the RID really is
 * @dev: a device of a locked group
 * @domain: where it is unless the core has moved it
 *
 * Return: what the driver has to be told as the domain to be replaced; NULL before
 * the first attach.
 */
struct iommu_domain *iommu_recovery_old_domain(struct device *dev,
					       struct iommu_domain *domain)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	if (!recovery || !recovery->attached)
		return NULL;
	if (recovery->on_blocking)
		return iommu_group_blocking_domain(recovery->group);
	return domain;
}

/**
 * iommu_recovery_attached() - the driver has attached the RID
 * @dev: a device of a locked group
 */
void iommu_recovery_attached(struct device *dev)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	if (recovery)
		recovery->attached = true;
}

/**
 * iommu_recovery_park() - the RID is on the blocking domain in place of group->domain
 * @dev: a device of a locked group, not docked
 * @on_blocking: or is no longer
 */
void iommu_recovery_park(struct device *dev, bool on_blocking)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	if (recovery)
		recovery->on_blocking = on_blocking;
}

/**
 * iommu_recovery_pasid_is_left() - has the driver nothing attached to this PASID?
 * @dev: a device of a locked group, not docked
 * @pasid: a PASID of the group's pasid_array
 *
 * Return: true: it was not given back after a reset, since its process has exited.
 */
bool iommu_recovery_pasid_is_left(struct device *dev, ioasid_t pasid)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	return recovery && xa_load(&recovery->left, pasid);
}

/**
 * iommu_recovery_forget_pasid() - the PASID has been detached, or attached anew
 * @dev: a device of a locked group
 * @pasid: the PASID
 */
void iommu_recovery_forget_pasid(struct device *dev, ioasid_t pasid)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	if (recovery)
		xa_erase(&recovery->left, pasid);
}

/**
 * iommu_recovery_leave_pasids() - a device comes to a group that uses PASIDs
 * @dev: the device, in its locked group
 *
 * The driver has attached nothing to them for this device.
 *
 * Return: 0 or -ENOMEM.
 */
int iommu_recovery_leave_pasids(struct device *dev)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	struct iommu_domain *domain;
	unsigned long pasid = 0;
	int ret;

	while (dev->iommu->max_pasids &&
	       (domain = iommu_group_next_pasid(recovery->group, &pasid))) {
		ret = xa_err(xa_store(&recovery->left, pasid, domain, GFP_KERNEL));
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * iommu_recovery_detach_pasids() - a device leaves a group that uses PASIDs
 * @dev: the device, before its driver releases it; its group is locked
 *
 * The PASIDs of a group stay, so nobody else tells the driver of this device.
 */
void iommu_recovery_detach_pasids(struct device *dev)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	struct iommu_domain *domain;
	unsigned long pasid = 0;

	if (!dev->iommu->max_pasids || !recovery->attached || recovery->docked)
		return;

	while ((domain = iommu_group_next_pasid(recovery->group, &pasid)))
		if (!iommu_recovery_pasid_is_left(dev, pasid))
			iommu_remove_dev_pasid(dev, pasid, domain);
}

/**
 * iommu_recovery_must_fence() - does a device that comes to its group have to be fenced?
 * @dev: a device that its driver has not attached to anything yet, in the list of
 *	its locked group
 *
 * Return: true: it shares a requester ID with a device that is fenced.
 */
bool iommu_recovery_must_fence(struct device *dev)
{
	return iommu_recovery_is_wanted(dev, dev_iommu_recovery(dev));
}

/**
 * iommu_recovery_fence_unattached() - fence a device before its first attach
 * @dev: a device for which iommu_recovery_must_fence()
 *
 * Return: 0, and iommu_recovery_holds_rid() says whether the device is to be attached
 * now; or an error of the driver.
 */
int iommu_recovery_fence_unattached(struct device *dev)
{
	return iommu_recovery_hold(dev_iommu_recovery(dev));
}
