// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches of a group of three functions.
 *
 * usage: testdev_group [options of kselftest_harness.h] FIRST REFUSING
 *
 * Both are in one IOMMU group with a third function; FIRST, bound to vfio-pci, is
 * the group's first, REFUSING its second. REFUSING can stall and has two
 * requester IDs, so that the SMMU driver refuses it a domain with faults.
 */
#include <errno.h>
#include <stdlib.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL

static const char *first_bdf, *refusing_bdf;

struct attach {
	struct smtd *dev;
	u32 pt;
};

static int attach_it(void *arg)
{
	struct attach *attach = arg;

	smtd_pin(1);
	return smtd_attach(attach->dev, attach->pt);
}

/*
 * Scenario 20. The second function of the group refuses the domain: the first one
 * must not notice. Its DMA goes on all the time. Both domains are of stage 1, so that
 * a switch writes the context descriptor, in more than one step: the command queue
 * is stopped before the second one, and the DMA is seen to be interrupted.
 */
TEST(refused_attach_does_not_touch_the_first_function)
{
	struct iommu *iommu = iommu_init(MODE_IOMMUFD);
	struct smtd *dev = smtd_open(first_bdf, iommu);
	struct smtd_faults faults = smtd_faults_alloc(iommu);
	struct attach attach = { .dev = dev };
	void *mem = smtd_alloc(1);
	struct smtd_call call;
	bool held = false;
	int hwpt, ret;

	smtd_pin(0);
	smtd_map(iommu, iommu->ioas_id, mem, IOVA, SMTD_PAGE);
	ASSERT_EQ(smtd_attach(dev, iommu->ioas_id), 0);
	hwpt = smtd_hwpt_alloc(dev, smtd_ioas_alloc(iommu), 0, faults.id);
	ASSERT_GT(hwpt, 0);
	attach.pt = hwpt;

	smtd_dma_start(dev, .iova = IOVA, .count = 1, .period_us = 200);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_OK, 10));
	smtd_stat_clear(dev);

	smtd_hold(dev, 0, SMTD_OP_CFGI_CD, dev->sid);
	smtd_write(dev, SMTD_HOLD_SKIP, 1);
	smtd_write(dev, SMTD_HOLD_CTL, SMTD_HOLD_ARM);
	smtd_call_start(&call, attach_it, &attach);
	while (!smtd_call_done(&call) && !held)
		held = smtd_read(dev, SMTD_HOLD_STAT) & SMTD_HOLD_STAT_HELD;
	if (held) {
		EXPECT_TRUE(smtd_wait_tries(dev, 5));
		smtd_release(dev);
	}
	ret = smtd_call_join(&call);
	EXPECT_TRUE(ret == -EOPNOTSUPP || ret == -EINVAL) {
		TH_LOG("the attach returned %d", ret);
	}
	smtd_write(dev, SMTD_HOLD_CTL, SMTD_HOLD_DISARM);

	TH_LOG("context descriptor of the first function was%s written", held ? "" : " not");
	TH_LOG("its DMA: %u refused", smtd_stat(dev, SMTD_S_FAULT));
	EXPECT_FALSE(held);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_FAULT), 0);

	/* What was attached still is. */
	smtd_stat_clear(dev);
	EXPECT_TRUE(smtd_wait_stat(dev, SMTD_S_OK, 10));
	smtd_dma_stop(dev);
	EXPECT_EQ(smtd_violations(dev), 0);
	smtd_close(dev);
	iommu_cleanup(iommu);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	first_bdf = bdfs[0];
	refusing_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
