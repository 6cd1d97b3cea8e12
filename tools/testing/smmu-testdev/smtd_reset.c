// SPDX-License-Identifier: GPL-2.0
/*
 * The smmu-testdev module: what surrounds a reset.
 *
 * The core wants whoever calls it to keep the function from being released
 * meanwhile. A driver that is bound does that, so that no lock of the device is
 * needed: ioctls hold life, for which the removal waits, and the removal ends what is
 * left before it lets the function go, unless it is asked to leave it.
 */
#include <linux/uaccess.h>

#include "smtd.h"

/* Kbuild looks whether the kernel has the calls */
#ifdef SMTD_HAS_DEV_RESET

static_assert(SMTD_RESET_NOT_DONE == (int)IOMMU_RESET_NOT_DONE);
static_assert(SMTD_RESET_OK == (int)IOMMU_RESET_OK);
static_assert(SMTD_RESET_FAILED == (int)IOMMU_RESET_FAILED);

long smtd_ioctl_reset_prepare(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_reset_prepare arg;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.flags & ~SMTD_RESET_LEAVE || arg.reserved)
		return -EINVAL;
	if (mutex_lock_killable(&td->reset_lock))
		return -EINTR;
	ret = iommu_dev_reset_prepare(&td->pdev->dev);
	if (!ret) {
		td->prepares++;
		td->leave |= arg.flags & SMTD_RESET_LEAVE;
	}
	mutex_unlock(&td->reset_lock);
	return ret;
}

long smtd_ioctl_reset_done(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_reset_done arg;
	int ret = 0;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.result > SMTD_RESET_FAILED || arg.flags & ~SMTD_RESET_UNPAIRED)
		return -EINVAL;
	if (mutex_lock_killable(&td->reset_lock))
		return -EINTR;
	if (td->prepares || arg.flags & SMTD_RESET_UNPAIRED)
		iommu_dev_reset_done(&td->pdev->dev, arg.result);
	else
		ret = -ENOENT;
	if (td->prepares && !--td->prepares)
		td->leave = false;
	mutex_unlock(&td->reset_lock);
	return ret;
}

/* Called with life held for writing */
void smtd_reset_teardown(struct smtd_dev *td, bool unbind)
{
	mutex_lock(&td->reset_lock);
	for (; td->prepares; td->prepares--)
		if (!unbind || !td->leave)
			iommu_dev_reset_done(&td->pdev->dev,
					     IOMMU_RESET_NOT_DONE);
	td->leave = false;
	mutex_unlock(&td->reset_lock);
}

#else

long smtd_ioctl_reset_prepare(struct smtd_dev *td, void __user *uarg)
{
	return -EOPNOTSUPP;
}

long smtd_ioctl_reset_done(struct smtd_dev *td, void __user *uarg)
{
	return -EOPNOTSUPP;
}

void smtd_reset_teardown(struct smtd_dev *td, bool unbind)
{
}

#endif
