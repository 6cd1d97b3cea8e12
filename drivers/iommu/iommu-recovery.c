// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery of devices that are reset, or that are broken. See iommu-recovery.h.
 *
 * PCIe Base 10.3.1 wants ATS quiet before a function is reset: during the reset it
 * may ignore invalidations, and after a reset that failed nobody knows what it
 * still has in its cache. So a device is fenced before, and only a reset that
 * has succeeded, or that was never begun, opens the fence.
 */
#define pr_fmt(fmt)    "iommu: " fmt

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/property.h>
#include <linux/slab.h>
#include <trace/events/iommu.h>

#include "iommu-priv.h"
#include "iommu-recovery.h"

/* How long the work item waits before it tries again to fence a device */
#define IOMMU_RECOVERY_RETRY_MS		1000

static struct workqueue_struct *iommu_recovery_wq;

/*
 * Give an event to the state machine. @reason is kept when the device becomes
 * BROKEN or QUARANTINED by it.
 */
static enum iommu_recovery_action
iommu_recovery_event(struct iommu_recovery *recovery,
		     enum iommu_recovery_event event,
		     enum iommu_broken_reason reason)
{
	struct iommu_recovery_step step;
	enum iommu_recovery_state old;

	guard(raw_spinlock_irqsave)(&recovery->lock);

	old = recovery->fsm.state;
	/* What was reported meanwhile is why it is BROKEN when it is let back */
	if (event == IOMMU_RECOVERY_REPORT && !recovery->fsm.reported)
		recovery->reported = reason;
	else if (recovery->fsm.reported &&
		 (event == IOMMU_RECOVERY_IS_OPEN ||
		  (reason == IOMMU_BROKEN_NONE &&
		   recovery->reason == IOMMU_BROKEN_NONE)))
		reason = recovery->reported;
	step = iommu_recovery_next(&recovery->fsm, event);
	recovery->fsm = step.fsm;
	if (step.fsm.state == old)
		return step.action;

	if (step.fsm.state == IOMMU_RECOVERY_ACTIVE)
		recovery->reason = IOMMU_BROKEN_NONE;
	else if (step.fsm.state != IOMMU_RECOVERY_RESETTING &&
		 reason != IOMMU_BROKEN_NONE)
		recovery->reason = reason;
	trace_recovery_state(recovery->dev, iommu_recovery_state_names[old],
			     iommu_recovery_state_names[step.fsm.state],
			     iommu_broken_reason_names[recovery->reason]);
	return step.action;
}

static void iommu_recovery_queue(struct iommu_recovery *recovery,
				 enum iommu_recovery_action action,
				 unsigned int delay_ms)
{
	/* A removed device is not fenced again: its driver has let it go. */
	if (action == IOMMU_RECOVERY_ACT_QUEUE_WORK &&
	    !READ_ONCE(recovery->dead))
		queue_delayed_work(iommu_recovery_wq, &recovery->work,
				   msecs_to_jiffies(delay_ms));
}

enum iommu_recovery_state iommu_recovery_state(struct iommu_recovery *recovery)
{
	guard(raw_spinlock_irqsave)(&recovery->lock);
	return recovery->fsm.state;
}

static enum iommu_reset_result
iommu_recovery_result(struct iommu_recovery *recovery)
{
	guard(raw_spinlock_irqsave)(&recovery->lock);
	return recovery->fsm.result;
}

/* Is the device to be fenced, as its state says? */
bool iommu_recovery_needs_fence(struct iommu_recovery *recovery)
{
	guard(raw_spinlock_irqsave)(&recovery->lock);
	switch (recovery->fsm.state) {
	case IOMMU_RECOVERY_ACTIVE:
		return false;
	case IOMMU_RECOVERY_RESETTING:
		return recovery->fsm.fenced;
	default:
		return true;
	}
}

/* Resets */

static int iommu_recovery_prepare(struct iommu_recovery *recovery, bool fence)
{
	enum iommu_recovery_action action;
	enum iommu_recovery_event event;
	int ret = 0;

	iommu_recovery_assert_locked(recovery);

	action = iommu_recovery_event(recovery,
				      fence ? IOMMU_RECOVERY_PREPARE :
					      IOMMU_RECOVERY_PREPARE_COUNT,
				      IOMMU_BROKEN_NONE);
	if (action == IOMMU_RECOVERY_ACT_WARN)
		return -EBUSY;
	if (action == IOMMU_RECOVERY_ACT_FENCE) {
		event = iommu_recovery_fence(recovery, &ret);
		action = iommu_recovery_event(recovery, event,
					      IOMMU_BROKEN_FENCE_FAILED);
		iommu_recovery_queue(recovery, action, 0);
	}
	return ret;
}

/* Returns false if there was no prepare. */
static bool iommu_recovery_done(struct iommu_recovery *recovery,
				enum iommu_reset_result result)
{
	static const enum iommu_recovery_event events[] = {
		[IOMMU_RESET_NOT_DONE]	= IOMMU_RECOVERY_DONE_NOT_DONE,
		[IOMMU_RESET_OK]	= IOMMU_RECOVERY_DONE_OK,
		[IOMMU_RESET_FAILED]	= IOMMU_RECOVERY_DONE_FAILED,
	};
	enum iommu_recovery_action action;
	enum iommu_recovery_event event;
	enum iommu_broken_reason reason;

	iommu_recovery_assert_locked(recovery);

	/* Where nothing was done, whatever was the reason before still is. */
	reason = IOMMU_BROKEN_NONE;
	if (result == IOMMU_RESET_FAILED ||
	    (result == IOMMU_RESET_NOT_DONE &&
	     iommu_recovery_result(recovery) == IOMMU_RESET_FAILED))
		reason = IOMMU_BROKEN_RESET_FAILED;
	action = iommu_recovery_event(recovery, events[result], reason);
	if (action == IOMMU_RECOVERY_ACT_UNFENCE) {
		event = iommu_recovery_unfence(recovery);
		action = iommu_recovery_event(recovery, event,
					      IOMMU_BROKEN_UNFENCE_FAILED);
	}
	iommu_recovery_queue(recovery, action, 0);
	if (READ_ONCE(recovery->fence_again))
		iommu_recovery_queue(recovery, IOMMU_RECOVERY_ACT_QUEUE_WORK, 0);
	return action != IOMMU_RECOVERY_ACT_WARN;
}

static int __iommu_dev_reset_prepare(struct device *dev, bool fence)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	struct iommu_recovery_news news;
	int ret;

	might_sleep();
	if (!recovery)
		return 0;

	scoped_guard(mutex, iommu_group_mutex(recovery->group)) {
		if (recovery->dead)
			return -ENODEV;

		ret = iommu_recovery_prepare(recovery, fence);
		news = iommu_recovery_news(recovery);
	}
	iommu_recovery_tell(recovery, &news);
	return ret;
}

/**
 * iommu_dev_reset_prepare() - fence a device before it is reset
 * @dev: device that is going to be reset
 *
 * After success the device is fenced: nothing that it sends reaches memory
 * through the IOMMU, no invalidation to it is outstanding, and none will be sent
 * until the matching iommu_dev_reset_done(). Pairs nest, also across callers: only
 * the outermost prepare fences.
 *
 * Where the IOMMU driver has a gate, the device can be attached and detached
 * meanwhile as ever, and iommu_dev_reset_done() lets it back to what is attached
 * then. With any other driver what is attached is recorded, and carried out by
 * iommu_dev_reset_done(): whatever must succeed, such as a detach; a blocking domain;
 * and a domain that &iommu_domain_ops.test_dev says yes for. One that cannot be asked
 * is refused with -EBUSY.
 *
 * PCIe Base 10.3.1 recommends that ATS is disabled before a function is reset.
 *
 * Context: may sleep; takes the mutex of the device's group, so it must not be
 * called from an operation of an IOMMU driver. The caller keeps
 * iommu_release_device() away while the call runs: it holds device_lock() of a
 * device of which it knows that device_del() has not begun, or is the driver bound
 * to it, or otherwise owns it, as the driver of a PF does its VFs. A device that is
 * removed before its done is released as what it is, and that done does nothing.
 * Return: 0, also when the device has no IOMMU. An error: nothing has changed, no
 * done must follow, and the device should not be reset. -ENODEV: the device is
 * gone. Others are those of the IOMMU driver, -ENOMEM above all. If not even it
 * is certain that nothing has changed, the device is fenced soon, by a work item,
 * and stays so until a reset succeeds.
 */
int iommu_dev_reset_prepare(struct device *dev)
{
	return __iommu_dev_reset_prepare(dev, true);
}
EXPORT_SYMBOL_GPL(iommu_dev_reset_prepare);

/**
 * iommu_dev_reset_unfenced() - a device is reset although it could not be fenced
 * @dev: device that iommu_dev_reset_prepare() has failed for
 *
 * For callers that cannot refuse a reset, since error recovery needs it or the
 * hardware has done it already. Nobody knows then what the device has made of the
 * invalidations that were sent into its reset, so it is BROKEN: a work item fences
 * it as soon as that is possible, and only a later reset lets it back. No
 * iommu_dev_reset_done() must follow.
 *
 * Context: as iommu_dev_reset_prepare().
 */
void iommu_dev_reset_unfenced(struct device *dev)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	enum iommu_recovery_action action;

	might_sleep();
	if (!recovery)
		return;

	guard(mutex)(iommu_group_mutex(recovery->group));
	action = iommu_recovery_event(recovery, IOMMU_RECOVERY_REPORT,
				      IOMMU_BROKEN_FENCE_FAILED);
	iommu_recovery_queue(recovery, action, 0);
}
EXPORT_SYMBOL_GPL(iommu_dev_reset_unfenced);

/**
 * iommu_dev_reset_result() - what has become of a reset so far
 * @dev: device that iommu_dev_reset_prepare() has succeeded for
 *
 * Context: as iommu_dev_reset_prepare(), and before the outermost done.
 * Return: the last definite result since the outermost prepare, or
 * %IOMMU_RESET_NOT_DONE; this also for a device without IOMMU.
 */
enum iommu_reset_result iommu_dev_reset_result(struct device *dev)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	return recovery ? iommu_recovery_result(recovery) :
			  IOMMU_RESET_NOT_DONE;
}
EXPORT_SYMBOL_GPL(iommu_dev_reset_result);

/**
 * iommu_dev_reset_done() - unfence a device after it was reset
 * @dev: device that iommu_dev_reset_prepare() has succeeded for
 * @result: what has become of the reset. %IOMMU_RESET_NOT_DONE is also for callers
 *	that do not know more than a pair nested in theirs
 *
 * Of all results since the outermost prepare the last one that is not
 * %IOMMU_RESET_NOT_DONE counts. The outermost done then either
 *
 * - lets the device back to whatever is attached now: after %IOMMU_RESET_OK, and
 *   after %IOMMU_RESET_NOT_DONE where nothing was wrong with the device before; or
 * - leaves it fenced, as QUARANTINED, until a reset succeeds: after
 *   %IOMMU_RESET_FAILED; when it was quarantined before and no reset has succeeded;
 *   or when it cannot be let back, since it does not answer, or for want of memory.
 *
 * A device that was not fenced, such as a PCI function that cannot do ATS, is left as
 * it is by %IOMMU_RESET_FAILED too.
 *
 * User space learns of a change from a uevent and from the files below
 * iommu_recovery/ of the device.
 *
 * Context: as iommu_dev_reset_prepare(). The configuration space of a PCI function
 * must have been restored if its driver relies on it, since ATS may be enabled.
 */
void iommu_dev_reset_done(struct device *dev, enum iommu_reset_result result)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	struct iommu_recovery_news news;
	bool begun;

	might_sleep();
	if (!recovery || WARN_ON_ONCE(result > IOMMU_RESET_FAILED))
		return;

	scoped_guard(mutex, iommu_group_mutex(recovery->group)) {
		if (recovery->dead)
			return;

		begun = iommu_recovery_done(recovery, result);
		news = iommu_recovery_news(recovery);
	}
	WARN_ONCE(!begun, "%s %s: the end of a reset that was not begun\n",
		  dev_driver_string(dev), dev_name(dev));
	iommu_recovery_tell(recovery, &news);
}
EXPORT_SYMBOL_GPL(iommu_dev_reset_done);

/**
 * pci_dev_reset_iommu_prepare() - fence a PCI function before it is reset
 * @pdev: function that is going to be reset
 *
 * As iommu_dev_reset_prepare(), but a function that can neither do ATS nor stall is not
 * fenced unless it is quarantined already: it caches no translation, no invalidation
 * is sent to it, and nothing of it waits for an answer. What counts is that it could,
 * not whether its IOMMU lets it.
 *
 * Context: as iommu_dev_reset_prepare().
 * Return: as iommu_dev_reset_prepare().
 */
int pci_dev_reset_iommu_prepare(struct pci_dev *pdev)
{
	bool fence = pci_ats_supported(pdev) ||
		     device_property_read_bool(&pdev->dev, "dma-can-stall");

	return __iommu_dev_reset_prepare(&pdev->dev, fence);
}
EXPORT_SYMBOL_GPL(pci_dev_reset_iommu_prepare);

/**
 * pci_dev_reset_iommu_done() - unfence a PCI function after it was reset
 * @pdev: function that pci_dev_reset_iommu_prepare() has succeeded for
 * @result: as for iommu_dev_reset_done(). A function that was pulled out meanwhile
 *	has not succeeded, whatever this says
 *
 * After a reset the PASID capability is restored here, while ATS is still off: the
 * IOMMU driver may enable ATS, and then it is too late for that. Nothing else of
 * the configuration space is needed for it.
 *
 * Context: as iommu_dev_reset_done().
 */
void pci_dev_reset_iommu_done(struct pci_dev *pdev,
			      enum iommu_reset_result result)
{
	if (result == IOMMU_RESET_OK && pci_dev_is_disconnected(pdev))
		result = IOMMU_RESET_FAILED;
	if (result == IOMMU_RESET_OK)
		pci_restore_pasid_state(pdev);
	iommu_dev_reset_done(&pdev->dev, result);
}
EXPORT_SYMBOL_GPL(pci_dev_reset_iommu_done);

/**
 * iommu_report_device_broken() - a device has ignored an invalidation
 * @dev: the device
 * @reason: what has happened
 *
 * The device is BROKEN from here on: a work item fences it, which its driver may have
 * done already, and it stays fenced until a reset succeeds. Reports are merged: only
 * the first one makes a difference. One that comes inside of a reset counts unless
 * that reset succeeds.
 *
 * A report must not come so late that it is about an invalidation that was sent before
 * the last reset: fence_dev() of the driver waits for it. A driver without a gate has
 * to see to that itself.
 *
 * Context: any but NMI; does not sleep or allocate. @dev is not released meanwhile:
 * release_device() of the driver waits for whoever may report it.
 */
void iommu_report_device_broken(struct device *dev,
				enum iommu_broken_reason reason)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	enum iommu_recovery_action action;

	if (!recovery)
		return;
	action = iommu_recovery_event(recovery, IOMMU_RECOVERY_REPORT, reason);
	iommu_recovery_queue(recovery, action, 0);
}
EXPORT_SYMBOL_GPL(iommu_report_device_broken);

static void iommu_recovery_want_refence(struct iommu_recovery *recovery,
					unsigned int delay_ms)
{
	scoped_guard(raw_spinlock_irqsave, &recovery->lock)
		recovery->fence_again = true;
	iommu_recovery_queue(recovery, IOMMU_RECOVERY_ACT_QUEUE_WORK, delay_ms);
}

/**
 * iommu_refence_device() - have a device fenced, and let back at once
 * @dev: the device
 *
 * For a driver that has lost track of what a device has outstanding, such as stalled
 * transactions whose records were lost: a fence ends all of it. A work item does that
 * soon, unless the device is fenced already. What it sends in between is blocked, as in
 * a reset. It is not at fault, and user space is not told.
 *
 * Context: as iommu_report_device_broken().
 */
void iommu_refence_device(struct device *dev)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	if (recovery)
		iommu_recovery_want_refence(recovery, 0);
}
EXPORT_SYMBOL_GPL(iommu_refence_device);

/* A device that is fenced has nothing outstanding that could have been lost. */
static bool iommu_recovery_take_refence(struct iommu_recovery *recovery)
{
	guard(raw_spinlock_irqsave)(&recovery->lock);

	/* Not yet: the end of a reset that does not fence queues the work again */
	if (!recovery->fence_again ||
	    (recovery->fsm.state == IOMMU_RECOVERY_RESETTING &&
	     !recovery->fsm.fenced))
		return false;
	recovery->fence_again = false;
	return recovery->fsm.state == IOMMU_RECOVERY_ACTIVE;
}

static void iommu_recovery_refence(struct iommu_recovery *recovery)
{
	if (!iommu_recovery_take_refence(recovery))
		return;
	if (!iommu_recovery_prepare(recovery, true))
		iommu_recovery_done(recovery, IOMMU_RESET_NOT_DONE);
	else if (iommu_recovery_state(recovery) == IOMMU_RECOVERY_ACTIVE)
		iommu_recovery_want_refence(recovery, IOMMU_RECOVERY_RETRY_MS);
}

/* The work item: the fence of a device that is BROKEN, and that of one that is not */
static void iommu_recovery_work(struct work_struct *work)
{
	struct iommu_recovery *recovery =
		container_of(to_delayed_work(work), struct iommu_recovery, work);
	enum iommu_recovery_action action;
	enum iommu_recovery_event event;
	struct iommu_recovery_news news;
	int err;

	scoped_guard(mutex, iommu_group_mutex(recovery->group)) {
		if (recovery->dead)
			return;

		action = iommu_recovery_event(recovery, IOMMU_RECOVERY_WORK,
					      IOMMU_BROKEN_NONE);
		if (action == IOMMU_RECOVERY_ACT_FENCE) {
			event = iommu_recovery_fence(recovery, &err);
			if (err && !recovery->complained)
				dev_err(recovery->dev,
					"cannot be fenced: %pe, trying again every second\n",
					ERR_PTR(err));
			recovery->complained = err;
			action = iommu_recovery_event(recovery, event,
						      IOMMU_BROKEN_NONE);
			iommu_recovery_queue(recovery, action,
					     IOMMU_RECOVERY_RETRY_MS);
		}
		iommu_recovery_refence(recovery);
		news = iommu_recovery_news(recovery);
	}
	iommu_recovery_tell(recovery, &news);
}

/* Life */

/**
 * iommu_recovery_alloc() - allocate the recovery state of a device
 * @dev: a device that its IOMMU driver has probed
 * @group: its group
 *
 * Return: the state, to be joined or freed; or NULL.
 */
struct iommu_recovery *iommu_recovery_alloc(struct device *dev,
					    struct iommu_group *group)
{
	struct iommu_recovery *recovery;

	recovery = kzalloc_obj(*recovery);
	if (!recovery)
		return NULL;
	recovery->dev = dev;
	recovery->group = iommu_group_ref_get(group);
	raw_spin_lock_init(&recovery->lock);
	INIT_DELAYED_WORK(&recovery->work, iommu_recovery_work);
	xa_init(&recovery->left);
	return recovery;
}

/**
 * iommu_recovery_join() - let resets find the recovery state of a device
 * @recovery: from iommu_recovery_alloc(); its device has just entered the list of its
 *	group, whose mutex stays held until its first attach
 */
void iommu_recovery_join(struct iommu_recovery *recovery)
{
	iommu_recovery_assert_locked(recovery);
	/* Pairs with dev_iommu_recovery(), which a reset calls without the mutex. */
	smp_store_release(&recovery->dev->iommu->recovery, recovery);
}

/**
 * iommu_recovery_kill() - the device is being removed
 * @recovery: its recovery state; the device has left the list of its group already,
 *	whose mutex is held
 *
 * Nothing is fenced or unfenced from here on. Where the RID is stays known, for the
 * driver has to be told when it releases the device.
 */
void iommu_recovery_kill(struct iommu_recovery *recovery)
{
	iommu_recovery_assert_locked(recovery);
	/* A report that does not see it queues work that is cancelled */
	WRITE_ONCE(recovery->dead, true);
}

/**
 * iommu_recovery_release_others() - unfence what was fenced for a removed device only
 * @recovery: of a killed device, which the driver has released: what it does to an
 *	entry that devices share is over
 */
void iommu_recovery_release_others(struct iommu_recovery *recovery)
{
	enum iommu_recovery_action action;
	struct device *dev;

	iommu_recovery_assert_locked(recovery);

	iommu_group_for_each(recovery->group, dev) {
		struct iommu_recovery *r = dev_iommu_recovery(dev);

		if (!r || !iommu_recovery_is_held(r) ||
		    !iommu_recovery_same_rid(recovery->dev, dev) ||
		    iommu_recovery_is_wanted(dev, recovery))
			continue;
		if (!iommu_recovery_let_go(r))
			continue;
		/* It is not at fault, but that is how it can be had back. */
		action = iommu_recovery_event(r, IOMMU_RECOVERY_REPORT,
					      IOMMU_BROKEN_UNFENCE_FAILED);
		iommu_recovery_queue(r, action, 0);
	}
}

/**
 * iommu_recovery_free() - free the recovery state of a device
 * @recovery: from iommu_recovery_alloc(); if it was joined it is killed since, and
 *	the driver has released the device
 *
 * Context: may sleep; waits for the work item, which takes group->mutex.
 */
void iommu_recovery_free(struct iommu_recovery *recovery)
{
	cancel_delayed_work_sync(&recovery->work);
	iommu_group_put(recovery->group);
	xa_destroy(&recovery->left);
	kfree(recovery);
}

static int __init iommu_recovery_init(void)
{
	iommu_recovery_wq = alloc_workqueue("iommu_recovery",
					    WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!iommu_recovery_wq)
		iommu_recovery_wq = system_freezable_wq;
	return 0;
}
core_initcall(iommu_recovery_init);
