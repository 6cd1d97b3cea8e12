// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a device could be attached: the domain is asked before anything is changed.
 *
 * An attach of a group is one attach of each of its devices. If a later one is
 * refused the earlier ones have to go back, and their DMA was interrupted for
 * nothing. And a device that is docked for a reset cannot be attached before the
 * reset has ended, when it is too late to refuse. So the core first collects what
 * speaks against the attach, its own reasons and those of &iommu_domain_ops.test_dev,
 * for all devices, and then attaches, in one hold of group->mutex: nothing that an
 * answer depends on, and that the mutex covers, can change in between.
 *
 * What is asked about is the configuration that is intended: group->domain and the
 * domains of group->pasid_array. Where a docked device really is says nothing about
 * what the attach will meet.
 *
 * Nobody is asked where an attach must succeed, as in a detach.
 */
#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <trace/events/iommu.h>

#include "iommu-priv.h"
#include "iommu-recovery.h"
#include "iommu-test-dev.h"

/* Attaches that drivers have refused although their test_dev had not, and the like */
static atomic_t iommu_test_dev_violations;

static void iommu_test_dev_violation(struct device *dev, ioasid_t pasid, int err)
{
	atomic_inc(&iommu_test_dev_violations);
	trace_test_dev_violation(dev, pasid, err);
}

/**
 * iommu_test_dev_ask() - ask a domain whether a device could be attached
 * @domain: the domain
 * @dev: the device
 * @pasid: the PASID, or %IOMMU_NO_PASID for the RID
 * @old: the domain that it would replace, which is intended for @dev; or NULL
 *
 * Context: group->mutex is held.
 * Return: what &iommu_domain_ops.test_dev returns; 0 without it; -EINVAL for a domain
 * of another driver, which knows nothing about @dev.
 */
int iommu_test_dev_ask(struct iommu_domain *domain, struct device *dev,
		       ioasid_t pasid, struct iommu_domain *old)
{
	int ret;

	iommu_group_mutex_assert(dev);

	if (!domain->ops->test_dev)
		return 0;
	if (!domain_iommu_ops_compatible(dev_iommu_ops(dev), domain))
		return -EINVAL;

	ret = domain->ops->test_dev(domain, dev, pasid, old);
	if (IS_ENABLED(CONFIG_IOMMU_DEBUG_TEST_DEV)) {
		switch (ret) {
		case 0:
		case -EINVAL:
		case -EOPNOTSUPP:
		case -EBUSY:
		case -ENODEV:
		case -ENOENT:
			break;
		default:
			iommu_test_dev_violation(dev, pasid, ret);
		}
	}
	/* Callers make pointers of errors */
	return ret > 0 ? -EINVAL : ret;
}

/**
 * iommu_test_dev_broken() - an attach has failed that nothing spoke against
 * @domain: the domain
 * @dev: the device
 * @pasid: the PASID, or %IOMMU_NO_PASID for the RID
 * @err: what the driver has returned
 *
 * Counts it where the kernel is built to, unless @err is for a resource. It is no
 * more than counted, since users can cause it: what a third party withdraws between
 * answer and attach counts as well.
 *
 * Context: any; iommu_test_dev_ask() has returned 0 in the same hold of
 * group->mutex.
 */
void iommu_test_dev_broken(struct iommu_domain *domain, struct device *dev,
			   ioasid_t pasid, int err)
{
	if (!IS_ENABLED(CONFIG_IOMMU_DEBUG_TEST_DEV) || !domain->ops->test_dev)
		return;
	if (err != -ENOMEM && err != -ENOSPC && err != -EIO)
		iommu_test_dev_violation(dev, pasid, err);
}

/**
 * iommu_test_dev_count_violations() - how often drivers have broken the contract
 *
 * Return: the number since boot, as in debugfs; always 0 without
 * CONFIG_IOMMU_DEBUG_TEST_DEV.
 */
unsigned int iommu_test_dev_count_violations(void)
{
	return atomic_read(&iommu_test_dev_violations);
}
EXPORT_SYMBOL_IF_KUNIT(iommu_test_dev_count_violations);

/**
 * iommu_dev_intended_domain() - what the RID of a device is to be attached to
 * @dev: the device
 *
 * For &iommu_domain_ops.test_dev. Other than iommu_driver_get_domain_for_dev() it
 * does not tell that a device is on the blocking domain for a reset.
 *
 * Context: group->mutex is held, as it is in operations of a domain.
 * Return: the domain; or NULL: nothing was attached yet.
 */
struct iommu_domain *iommu_dev_intended_domain(struct device *dev)
{
	return iommu_group_domain(dev->iommu_group);
}
EXPORT_SYMBOL_GPL(iommu_dev_intended_domain);

/**
 * iommu_dev_has_pasids() - are PASIDs of a device attached, or to be?
 * @dev: the device
 *
 * For &iommu_domain_ops.test_dev. A PASID that is about to be attached, and is only
 * reserved yet, does not count.
 *
 * Context: group->mutex is held, as it is in operations of a domain.
 * Return: true: there is at least one.
 */
bool iommu_dev_has_pasids(struct device *dev)
{
	unsigned long pasid = 0;

	if (!dev->iommu->max_pasids)
		return false;
	while (iommu_group_next_pasid(dev->iommu_group, &pasid))
		if (!iommu_recovery_pasid_is_left(dev, pasid))
			return true;
	return false;
}
EXPORT_SYMBOL_GPL(iommu_dev_has_pasids);

static int __init iommu_test_dev_init(void)
{
	if (IS_ENABLED(CONFIG_IOMMU_DEBUG_TEST_DEV))
		debugfs_create_atomic_t("violations", 0444,
					debugfs_create_dir("iommu_test_dev", NULL),
					&iommu_test_dev_violations);
	return 0;
}
late_initcall(iommu_test_dev_init);
