// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a device could be attached to a domain: &iommu_domain_ops.test_dev.
 *
 * The gate keeps what the driver knows about attached domains exact while a device is
 * fenced, so the answers come from there, by the same rules as the attach goes by:
 *
 *   domain          RID                             PASID
 *   -------------   -----------------------------   -------------------------------
 *   stage 1         same SMMU                       same SMMU; the RID has a table
 *                                                   of context descriptors, or can
 *                                                   get one
 *   stage 2         same SMMU; no PASID attached    never
 *   nested          the vSMMU's SMMU; no PASID      there is no such operation
 *                   attached; a vDEVICE, if it is
 *                   to translate
 *   SVA             there is no such operation      SVA supported; the process lives;
 *                                                   RID as for stage 1
 *   identity        always                          there is no such operation
 *   blocked         always                          always
 *
 * And where translations of the domain end in memory, all the same:
 *
 *   fault handler   a device that can stall has one StreamID, and the SMMU has a
 *                   queue for I/O page faults; for any other device it is not asked
 *   coherency       a device whose accesses cannot be forced to be coherent has no
 *                   domain that enforces it
 *
 * The table of context descriptors holds stage 1 only, and with STE.S1DSS = 0b10 its
 * entry for PASID 0 stands for the RID (Arm IHI 0070 sections 3.3.2 and 5.2). With the
 * RID on stage 2 only, or on a nested domain whose table belongs to the guest, there
 * is none. That a PASID is refused as incompatible then, and not as in conflict, is
 * what users have always seen.
 */
#include <linux/mm_types.h>

#include "arm-smmu-v3.h"

/**
 * arm_smmu_test_iopf() - can a device have a domain with a fault handler?
 * @master: the device
 *
 * Context: any.
 * Return: 0 or -EOPNOTSUPP.
 */
int arm_smmu_test_iopf(struct arm_smmu_master *master)
{
	if (!IS_ENABLED(CONFIG_ARM_SMMU_V3_SVA))
		return -EOPNOTSUPP;

	/* No fault of it reaches the handler through the SMMU: nothing to refuse */
	if (!master->stall_enabled)
		return 0;

	/* A queue comes with support of SVA and stalls together */
	if (!master->smmu->evtq.iopf)
		return -EOPNOTSUPP;

	/* A fault is answered for the first StreamID, whichever it came from */
	if (master->num_streams != 1)
		return -EOPNOTSUPP;
	return 0;
}

/**
 * arm_smmu_test_pasids() - can PASIDs be attached beside what the RID is on?
 * @master: the device
 *
 * Context: group->mutex is held.
 * Return: 0 or -EINVAL.
 */
int arm_smmu_test_pasids(struct arm_smmu_master *master)
{
	struct iommu_domain *rid;

	if (master->cd_table.in_ste)
		return 0;

	rid = iommu_driver_get_domain_for_dev(master->dev);
	if (!rid || (rid->type != IOMMU_DOMAIN_IDENTITY &&
		     rid->type != IOMMU_DOMAIN_BLOCKED))
		return -EINVAL;
	return 0;
}

/**
 * arm_smmu_test_devices() - can a device be among those of a domain?
 * @master: the device
 * @domain: what is attached
 * @smmu_domain: whose page tables that translates with, last
 *
 * Context: group->mutex is held.
 * Return: 0, -EOPNOTSUPP or -EINVAL.
 */
int arm_smmu_test_devices(struct arm_smmu_master *master,
			  struct iommu_domain *domain,
			  struct arm_smmu_domain *smmu_domain)
{
	int ret;

	if (domain->iopf_handler) {
		ret = arm_smmu_test_iopf(master);
		if (ret)
			return ret;
	}

	/*
	 * Without devices_lock: who enforces it while the device is not in the
	 * list yet may come after any answer. The attach looks again.
	 */
	if (READ_ONCE(smmu_domain->enforce_cache_coherency) &&
	    !arm_smmu_master_canwbs(master))
		return -EINVAL;
	return 0;
}

static int arm_smmu_test_dev_sva(struct arm_smmu_master *master,
				 struct iommu_domain *domain)
{
	if (!(master->smmu->features & ARM_SMMU_FEAT_SVA))
		return -EOPNOTSUPP;
	/* The domain has a reference to the structure; the process may exit */
	if (!atomic_read(&domain->mm->mm_users))
		return -EINVAL;
	return 0;
}

/**
 * arm_smmu_test_dev() - &iommu_domain_ops.test_dev of domains with page tables
 * @domain: of stage 1, stage 2 or SVA
 * @dev: the device
 * @pasid: the PASID, or %IOMMU_NO_PASID
 * @old: not used
 *
 * Context: group->mutex is held.
 * Return: see the table above, and &iommu_domain_ops.test_dev.
 */
int arm_smmu_test_dev(struct iommu_domain *domain, struct device *dev,
		      ioasid_t pasid, struct iommu_domain *old)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);
	bool sva = domain->type == IOMMU_DOMAIN_SVA;
	int ret;

	iommu_group_mutex_assert(dev);

	if (sva) {
		if (pasid == IOMMU_NO_PASID)
			return -ENODEV;
		ret = arm_smmu_test_dev_sva(master, domain);
		if (ret)
			return ret;
	}

	if (smmu_domain->smmu != master->smmu)
		return -EINVAL;

	if (pasid != IOMMU_NO_PASID) {
		if (!sva && smmu_domain->stage != ARM_SMMU_DOMAIN_S1)
			return -EINVAL;
		ret = arm_smmu_test_pasids(master);
		if (ret)
			return ret;
	} else if (smmu_domain->stage != ARM_SMMU_DOMAIN_S1 &&
		   arm_smmu_ssids_in_use(&master->cd_table)) {
		return -EBUSY;
	}

	return arm_smmu_test_devices(master, domain, smmu_domain);
}

/**
 * arm_smmu_test_dev_static() - &iommu_domain_ops.test_dev of identity and blocked
 * @domain: one of the two
 * @dev: the device
 * @pasid: the PASID, or %IOMMU_NO_PASID
 * @old: not used
 *
 * Context: group->mutex is held.
 * Return: 0; -EOPNOTSUPP for identity and a PASID.
 */
int arm_smmu_test_dev_static(struct iommu_domain *domain, struct device *dev,
			     ioasid_t pasid, struct iommu_domain *old)
{
	if (pasid != IOMMU_NO_PASID && !domain->ops->set_dev_pasid)
		return -EOPNOTSUPP;
	return 0;
}
