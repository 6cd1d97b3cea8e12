// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space sees of the recovery of devices: the log, uevents, and files in
 * sysfs. See iommu-recovery.h.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "iommu-priv.h"
#include "iommu-recovery.h"

const char * const iommu_recovery_state_names[] = {
	[IOMMU_RECOVERY_ACTIVE]		= "active",
	[IOMMU_RECOVERY_RESETTING]	= "resetting",
	[IOMMU_RECOVERY_BROKEN]		= "broken",
	[IOMMU_RECOVERY_QUARANTINED]	= "quarantined",
};

static_assert(ARRAY_SIZE(iommu_recovery_state_names) == IOMMU_RECOVERY_NR_STATES);

const char * const iommu_broken_reason_names[] = {
	[IOMMU_BROKEN_NONE]		= "none",
	[IOMMU_BROKEN_RESET_FAILED]	= "reset-failed",
	[IOMMU_BROKEN_UNFENCE_FAILED]	= "unfence-failed",
	[IOMMU_BROKEN_FENCE_FAILED]	= "fence-failed",
	[IOMMU_BROKEN_ATC_TIMEOUT]	= "atc-timeout",
	[IOMMU_BROKEN_ATC_UNPROVEN]	= "atc-unproven",
	[IOMMU_BROKEN_ATC_NO_ANSWER]	= "atc-no-answer",
};

static_assert(ARRAY_SIZE(iommu_broken_reason_names) == IOMMU_BROKEN_NR_REASONS);

struct iommu_recovery_news
iommu_recovery_news(struct iommu_recovery *recovery)
{
	struct iommu_recovery_news news;

	iommu_recovery_assert_locked(recovery);
	guard(raw_spinlock_irqsave)(&recovery->lock);

	news.state = recovery->fsm.state;
	news.reason = recovery->reason;
	news.require_direct = recovery->dev->iommu->require_direct;
	news.any = (news.state == IOMMU_RECOVERY_ACTIVE ||
		    news.state == IOMMU_RECOVERY_QUARANTINED) &&
		   (news.state != recovery->told ||
		    news.reason != recovery->told_reason);
	if (!news.any)
		return news;

	/* With another reason it is quarantined still, not again. */
	if (news.state == IOMMU_RECOVERY_QUARANTINED &&
	    recovery->told != IOMMU_RECOVERY_QUARANTINED)
		recovery->count++;
	recovery->told = news.state;
	recovery->told_reason = news.reason;
	return news;
}

void iommu_recovery_tell(struct iommu_recovery *recovery,
			 struct iommu_recovery_news *news)
{
	struct device *dev = recovery->dev;
	char state[48], reason[48];
	char *env[3] = { state, reason, NULL };

	if (!news->any)
		return;

	if (news->state == IOMMU_RECOVERY_QUARANTINED)
		dev_warn_ratelimited(dev, "quarantined (%s): its DMA is blocked until a reset succeeds%s\n",
				     iommu_broken_reason_names[news->reason],
				     news->require_direct ?
				     "; the mapping that firmware asked for is down with it" : "");
	else
		dev_info_ratelimited(dev, "recovered from quarantine\n");

	snprintf(state, sizeof(state), "IOMMU_RECOVERY_STATE=%s",
		 iommu_recovery_state_names[news->state]);
	snprintf(reason, sizeof(reason), "IOMMU_RECOVERY_REASON=%s",
		 iommu_broken_reason_names[news->reason]);
	kobject_uevent_env(&dev->kobj, KOBJ_CHANGE, env);
}

/* Files; Documentation/ABI/testing/sysfs-devices-iommu_recovery */

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);

	if (!recovery)
		return -ENODEV;
	return sysfs_emit(buf, "%s\n",
			  iommu_recovery_state_names[iommu_recovery_state(recovery)]);
}
static DEVICE_ATTR_RO(state);

static ssize_t reason_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	enum iommu_broken_reason reason;

	if (!recovery)
		return -ENODEV;
	scoped_guard(raw_spinlock_irqsave, &recovery->lock)
		reason = recovery->reason;
	return sysfs_emit(buf, "%s\n", iommu_broken_reason_names[reason]);
}
static DEVICE_ATTR_RO(reason);

static ssize_t quarantine_count_show(struct device *dev,
				     struct device_attribute *attr, char *buf)
{
	struct iommu_recovery *recovery = dev_iommu_recovery(dev);
	unsigned int count;

	if (!recovery)
		return -ENODEV;
	scoped_guard(raw_spinlock_irqsave, &recovery->lock)
		count = recovery->count;
	return sysfs_emit(buf, "%u\n", count);
}
static DEVICE_ATTR_RO(quarantine_count);

static struct attribute *iommu_recovery_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_reason.attr,
	&dev_attr_quarantine_count.attr,
	NULL,
};

static const struct attribute_group iommu_recovery_attr_group = {
	.name = "iommu_recovery",
	.attrs = iommu_recovery_attrs,
};

/**
 * iommu_recovery_create_files() - show the recovery state of a device in sysfs
 * @dev: a device with a recovery state
 *
 * Without them the device works all the same.
 *
 * Context: may sleep.
 */
void iommu_recovery_create_files(struct device *dev)
{
	int ret = sysfs_create_group(&dev->kobj, &iommu_recovery_attr_group);

	if (ret)
		dev_warn(dev, "no files of the IOMMU recovery state: %pe\n",
			 ERR_PTR(ret));
}

/**
 * iommu_recovery_remove_files() - before the recovery state is killed
 * @dev: a device with a recovery state
 *
 * Context: may sleep; waits for readers.
 */
void iommu_recovery_remove_files(struct device *dev)
{
	sysfs_remove_group(&dev->kobj, &iommu_recovery_attr_group);
}
