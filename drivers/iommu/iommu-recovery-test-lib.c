// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the KUnit tests of the recovery of devices have in common. See
 * iommu-recovery-fake.h.
 */
#include <linux/kernfs.h>

#include "iommu-priv.h"
#include "iommu-recovery-fake.h"

/* What the tests attach */

/* NULL after an error; for threads, which cannot abort the test */
struct iommu_domain *fake_domain_try_new(struct fake_dev *fdev)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(&fdev->dev);

	if (IS_ERR(domain)) {
		KUNIT_FAIL(fdev->fake->test, "no domain: %pe", domain);
		return NULL;
	}
	container_of(domain, struct fake_domain, domain)->of_test = true;
	return domain;
}

struct iommu_domain *fake_domain_new(struct fake_dev *fdev)
{
	struct iommu_domain *domain = fake_domain_try_new(fdev);

	KUNIT_ASSERT_NOT_NULL(fdev->fake->test, domain);
	return domain;
}

/* @mm: only its mm_users is used, so it need not be a whole one */
struct iommu_domain *fake_domain_new_sva(struct fake_dev *fdev,
					 struct mm_struct *mm)
{
	struct iommu_domain *domain = fake_domain_new(fdev);

	domain->type = IOMMU_DOMAIN_SVA;
	domain->mm = mm;
	return domain;
}

int fake_attach(struct fake_dev *fdev, struct iommu_domain *domain)
{
	return iommu_attach_group(domain, fake_group(fdev));
}

static struct iommu_attach_handle *fake_handle(struct fake_dev *fdev)
{
	struct iommu_attach_handle *handle;

	handle = kunit_kzalloc(fdev->fake->test, sizeof(*handle), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(fdev->fake->test, handle);
	return handle;
}

int fake_replace(struct fake_dev *fdev, struct iommu_domain *domain)
{
	return iommu_replace_group_handle(fake_group(fdev), domain,
					  fake_handle(fdev));
}

void fake_detach(struct fake_dev *fdev)
{
	iommu_detach_group_handle(NULL, fake_group(fdev));
}

static struct iommu_domain **fake_attached(struct fake_dev *fdev, ioasid_t pasid)
{
	return &fdev->fake->groups[fdev->group].pasid[pasid];
}

int fake_attach_pasid(struct fake_dev *fdev, ioasid_t pasid,
		      struct iommu_domain *domain)
{
	int ret = iommu_attach_device_pasid(domain, &fdev->dev, pasid, NULL);

	if (!ret)
		*fake_attached(fdev, pasid) = domain;
	return ret;
}

int fake_replace_pasid(struct fake_dev *fdev, ioasid_t pasid,
		       struct iommu_domain *domain)
{
	int ret = iommu_replace_device_pasid(domain, &fdev->dev, pasid,
					     fake_handle(fdev));

	if (!ret)
		*fake_attached(fdev, pasid) = domain;
	return ret;
}

void fake_detach_pasid(struct fake_dev *fdev, ioasid_t pasid)
{
	iommu_detach_device_pasid(*fake_attached(fdev, pasid), &fdev->dev, pasid);
	*fake_attached(fdev, pasid) = NULL;
}

/* Whatever the tests have attached, by the functions above */
void fake_detach_all(struct fake_dev *fdev)
{
	struct iommu_group *group = fake_group(fdev);

	if (!fdev->dev.iommu_group)
		return;
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		if (*fake_attached(fdev, i))
			fake_detach_pasid(fdev, i);
	fake_detach(fdev);
	if (iommu_group_dma_owner_claimed(group))
		iommu_group_release_dma_owner(group);
}

/**
 * fake_read_file() - read a file below iommu_recovery/ of a device
 * @fdev: the device
 * @name: name of the file
 * @buf: a page
 *
 * Return: what the file gives, or -ENOENT.
 */
ssize_t fake_read_file(struct fake_dev *fdev, const char *name, char *buf)
{
	struct kernfs_node *dir, *file = NULL;
	struct device_attribute *attr;
	ssize_t ret = -ENOENT;

	dir = kernfs_find_and_get(fdev->dev.kobj.sd, "iommu_recovery");
	if (dir)
		file = kernfs_find_and_get(dir, name);
	if (file) {
		attr = container_of(file->priv, struct device_attribute, attr);
		ret = attr->show(&fdev->dev, attr, buf);
	}
	kernfs_put(file);
	kernfs_put(dir);
	return ret;
}

void fake_expect_file(struct kunit *test, struct fake_dev *fdev,
		      const char *name, const char *content)
{
	char *buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_GT(test, fake_read_file(fdev, name, buf), 0);
	KUNIT_EXPECT_STREQ(test, buf, content);
}

/* Devices that have something to lose */

struct fake_busy fake_busy(struct fake_dev *fdev)
{
	struct kunit *test = fdev->fake->test;
	struct fake_busy busy = { .fdev = fdev };

	busy.rid = fake_domain_new(fdev);
	KUNIT_ASSERT_EQ(test, 0, fake_attach(fdev, busy.rid));
	if (!fdev->fake->variant->pasids)
		return busy;
	for (int i = 1; i < 6; i += 2) {
		busy.pasid[i] = fake_domain_new(fdev);
		KUNIT_ASSERT_EQ(test, 0,
				fake_attach_pasid(fdev, i, busy.pasid[i]));
		busy.nr_pasids++;
	}
	return busy;
}

void fake_expect_running(struct kunit *test, struct fake_busy *busy)
{
	FAKE_EXPECT_STATE(test, busy->fdev, ACTIVE);
	FAKE_EXPECT_REASON(test, busy->fdev, NONE);
	FAKE_EXPECT_ON(test, busy->fdev, busy->rid);
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		FAKE_EXPECT_PASID_ON(test, busy->fdev, i, busy->pasid[i]);
}

/* Fenced, with nothing left on the domains: they might be freed now */
void fake_expect_docked(struct kunit *test, struct fake_busy *busy)
{
	FAKE_EXPECT_DOCKED(test, busy->fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(busy->rid));
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		if (busy->pasid[i])
			KUNIT_EXPECT_EQ(test, 0,
					fake_domain_users(busy->pasid[i]));
}

void fake_reset(struct kunit *test, struct fake_dev *fdev,
		enum iommu_reset_result result)
{
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	iommu_dev_reset_done(&fdev->dev, result);
}

/* Where the kernel is expected not to warn, although something fails */
void fake_done_quietly(struct kunit *test, struct fake_dev *fdev,
		       enum iommu_reset_result result)
{
	kunit_warning_suppress(test) {
		iommu_dev_reset_done(&fdev->dev, result);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
}

int fake_prepare_quietly(struct kunit *test, struct fake_dev *fdev)
{
	int ret = 0;

	kunit_warning_suppress(test) {
		ret = iommu_dev_reset_prepare(&fdev->dev);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	return ret;
}

/* Has the work item run until the device is not BROKEN any more */
void fake_flush_work(struct kunit *test, struct fake_dev *fdev)
{
	int tries = 10;

	/* At least once: it tells user space after it has changed the state. */
	do {
		flush_delayed_work(&fake_recovery(fdev)->work);
	} while (--tries && fake_state(fdev) == IOMMU_RECOVERY_BROKEN);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
}
