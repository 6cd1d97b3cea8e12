/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a device could be attached: private to the IOMMU core. See
 * iommu-test-dev.c.
 */
#ifndef __IOMMU_TEST_DEV_H
#define __IOMMU_TEST_DEV_H

#include <linux/iommu.h>

int iommu_test_dev_ask(struct iommu_domain *domain, struct device *dev,
		       ioasid_t pasid, struct iommu_domain *old);
void iommu_test_dev_broken(struct iommu_domain *domain, struct device *dev,
			   ioasid_t pasid, int err);
unsigned int iommu_test_dev_count_violations(void);

/* iommu.c */
bool domain_iommu_ops_compatible(const struct iommu_ops *ops,
				 struct iommu_domain *domain);

#endif /* __IOMMU_TEST_DEV_H */
