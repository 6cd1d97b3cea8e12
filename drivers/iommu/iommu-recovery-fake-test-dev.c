// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the IOMMU that is not there says in advance. See iommu-recovery-fake.h.
 */
#include "iommu-recovery-fake.h"

const struct fake_variant fake_test_dev_variants[4] = {
	{
		.name = "blocked domain, PASIDs, release domain",
		.test_dev = true,
		.blocked = true,
		.pasids = true,
		.release = FAKE_RELEASE_BLOCKED,
	}, {
		.name = "blocked domain",
		.test_dev = true,
		.blocked = true,
	}, {
		.name = "only paging domains, release domain",
		.test_dev = true,
		.release = FAKE_RELEASE_IDENTITY,
	}, {
		.name = "gate, PASIDs, release domain",
		.test_dev = true,
		.gate = true,
		.blocked = true,
		.pasids = true,
		.release = FAKE_RELEASE_BLOCKED,
	},
};

/* Why an attach of the RID fails beside of PASIDs, or of none */
int fake_refuses_rid(struct fake_dev *fdev, struct iommu_domain *domain,
		     bool has_pasids)
{
	if (fake_is_blocking(domain))
		return fdev->bad_blocking ? fdev->bad_error ?: -EINVAL : 0;
	if (domain == fdev->bad)
		return fdev->bad_error ?: -EINVAL;
	if (domain == fdev->fake->lone && has_pasids)
		return -EBUSY;
	return 0;
}

/* Why an attach of a PASID fails, with the RID on @rid */
int fake_refuses_pasid(struct fake_dev *fdev, struct iommu_domain *domain,
		       ioasid_t pasid, struct iommu_domain *rid,
		       struct iommu_domain *old)
{
	if (pasid == fdev->bad_pasid)
		return fdev->bad_error ?: -EINVAL;
	if (rid && rid == fdev->fake->lone)
		return -EINVAL;
	if (fdev->fake->variant->pasid_table && old &&
	    domain->type == IOMMU_DOMAIN_SVA)
		return -EOPNOTSUPP;
	return 0;
}

int fake_test_dev(struct iommu_domain *domain, struct device *dev,
		  ioasid_t pasid, struct iommu_domain *old)
{
	struct fake_dev *fdev = container_of(dev, struct fake_dev, dev);
	struct fake_iommu *fake = fdev->fake;
	struct iommu_domain *want;

	iommu_group_mutex_assert(dev);
	fdev->tested++;
	fake->intended = iommu_dev_intended_domain(dev);
	fake->actual = iommu_driver_get_domain_for_dev(dev);

	if (fdev->released)
		fake_violation(fake, "%s: asked after release", dev_name(dev));
	want = pasid == IOMMU_NO_PASID ? fake->intended :
					 fake->groups[fdev->group].pasid[pasid];
	if (old != want && (old || fdev->rid))
		fake_violation(fake, "%s: PASID %u is to be on %p, the core says %p",
			       dev_name(dev), pasid, want, old);

	if (fake->refuse || fdev->refuse)
		return fake->refuse ?: fdev->refuse;
	if (fdev->lies)
		return 0;
	if (pasid == IOMMU_NO_PASID)
		return fake_refuses_rid(fdev, domain, iommu_dev_has_pasids(dev));
	if (domain == &fake->blocked.domain)
		return 0;
	return fake_refuses_pasid(fdev, domain, pasid, fake->intended, old);
}
