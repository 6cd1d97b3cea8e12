// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches of a group of three functions, one of which refuses.
 *
 * usage: testdev_group [options of kselftest_harness.h] MOVER OTHER REFUSING
 *
 * All are in one IOMMU group without a fourth, in an order that the caller chooses:
 * the one in which the kernel attaches them. MOVER is bound to vfio-pci, the others
 * have no driver. REFUSING can stall and has two requester IDs, so that the SMMU
 * driver refuses it a domain with faults.
 *
 * A group of several functions has no ACS between them, and then none of them gets
 * PASIDs from Linux: that a PASID is refused by one function is left to KUnit.
 */
#include <errno.h>
#include <stdlib.h>

#include <linux/kernel.h>
#include <linux/pci_regs.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define TIMEOUT_S	60

enum { MOVER, OTHER, REFUSING, FUNCTIONS };

static char **bdfs;

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

FIXTURE(group) {
	struct iommu *iommu;
	struct smtd_faults faults;
	struct smtd *dev[FUNCTIONS];
	void *mem;
	int refused, accepted;
};

/*
 * To what is refused from what was attached before: a domain of stage 1 as well, so that
 * the context descriptor is written, in more than one step; stage 2, so that it is the
 * stream table entry; or nothing, in which case no DMA can be watched.
 */
FIXTURE_VARIANT(group) {
	bool attached;
	u32 flags;
};

FIXTURE_VARIANT_ADD(group, on_stage_1) {
	.attached = true,
};

FIXTURE_VARIANT_ADD(group, on_stage_2) {
	.attached = true,
	.flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
};

FIXTURE_VARIANT_ADD(group, on_nothing) {
};

FIXTURE_SETUP(group)
{
	u16 command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	int i;

	smtd_pin(0);
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->faults = smtd_faults_alloc(self->iommu);
	self->dev[MOVER] = smtd_open(bdfs[MOVER], self->iommu);
	for (i = OTHER; i < FUNCTIONS; i++) {
		self->dev[i] = smtd_watch(bdfs[i]);
		smtd_config_write(bdfs[i], PCI_COMMAND, &command, sizeof(command));
		smtd_behave(self->dev[i]);
		smtd_stat_clear(self->dev[i]);
	}
	self->mem = smtd_alloc(FUNCTIONS);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, FUNCTIONS * SMTD_PAGE);
	self->accepted = smtd_hwpt_alloc(self->dev[MOVER], self->iommu->ioas_id, variant->flags, 0);
	ASSERT_GT(self->accepted, 0);
	self->refused = smtd_hwpt_alloc(self->dev[MOVER], smtd_ioas_alloc(self->iommu), 0,
					self->faults.id);
	ASSERT_GT(self->refused, 0);
}

FIXTURE_TEARDOWN(group)
{
	int i;

	EXPECT_EQ(smtd_violations(self->dev[MOVER]), 0);
	for (i = FUNCTIONS; i-- > 0;) {
		smtd_behave(self->dev[i]);
		smtd_close(self->dev[i]);
	}
	iommu_cleanup(self->iommu);
}

/*
 * Which functions do DMA. On stage 2 Linux sets STE.S2S for one that can stall, and such
 * an entry is illegal to QEMU.
 */
static int writers(u32 flags)
{
	return flags ? REFUSING : FUNCTIONS;
}

/*
 * What is attached translates, for each of the first @n functions a page of its own:
 * DMA that began before the attempt goes on as it did.
 */
static void go_on(struct __test_metadata *_metadata, struct smtd **dev, int n)
{
	u32 before;
	int i;

	for (i = 0; i < n; i++) {
		before = smtd_stat(dev[i], SMTD_S_OK);
		EXPECT_TRUE(smtd_wait_stat(dev[i], SMTD_S_OK, before + 10));
	}
}

static bool is_held(struct smtd *dev)
{
	return smtd_read(dev, SMTD_HOLD_STAT) & SMTD_HOLD_STAT_HELD;
}

/*
 * Scenario 20. One function of the group refuses the domain: nobody must notice. Their
 * DMA goes on all the time, and the SMMU is told nothing at all. If it is, it stops at
 * the second command that names MOVER, and the DMA is seen to be interrupted: the one
 * that withdraws the old configuration has been done then.
 *
 * The log marks are 1 before an attach, then 2 if it was refused and 3 if not.
 */
TEST_F_TIMEOUT(group, refused_by_one_function_is_not_attached_to_any, TIMEOUT_S)
{
	struct smtd **dev = self->dev, *mover = dev[MOVER];
	struct attach attach = { .dev = mover, .pt = self->refused };
	struct smtd_call call;
	bool held = false;
	u32 commands, faults;
	int i, ret, n = writers(variant->flags);

	if (variant->attached) {
		ASSERT_EQ(smtd_attach(mover, self->accepted), 0);
		for (i = 0; i < n; i++)
			smtd_dma_start(dev[i], .iova = IOVA + i * SMTD_PAGE, .period_us = 200);
		go_on(_metadata, dev, n);
		for (i = 0; i < n; i++)
			smtd_stat_clear(dev[i]);
	}

	if (variant->attached)
		smtd_hold_later(mover, 0, variant->flags ? SMTD_OP_CFGI_STE : SMTD_OP_CFGI_CD,
				mover->sid, 1, 0);
	smtd_log_mark(mover, 1);
	commands = smtd_read(mover, SMTD_SMMU_CMDS);
	smtd_call_start(&call, attach_it, &attach);
	while (!smtd_call_done(&call) && !held)
		held = is_held(mover);
	if (held) {
		EXPECT_TRUE(smtd_wait_tries(mover, 5));
		smtd_release(mover);
	}
	ret = smtd_call_join(&call);
	commands = smtd_read(mover, SMTD_SMMU_CMDS) - commands;
	smtd_log_mark(mover, 2);
	smtd_unhold(mover, 0);
	EXPECT_TRUE(ret == -EOPNOTSUPP || ret == -EINVAL) {
		TH_LOG("the attach returned %d", ret);
	}
	EXPECT_EQ(commands, 0) {
		TH_LOG("the refused attach has sent %u commands", commands);
	}
	if (held)
		TH_LOG("the configuration of the mover was written");
	EXPECT_FALSE(held);

	if (variant->attached) {
		go_on(_metadata, dev, n);
		for (i = 0; i < n; i++) {
			smtd_dma_stop(dev[i]);
			faults = smtd_stat(dev[i], SMTD_S_FAULT) + smtd_stat(dev[i], SMTD_S_STALL);
			EXPECT_EQ(faults, 0) {
				TH_LOG("%s: its DMA: %u refused", bdfs[i], faults);
			}
		}
	}

	/* One that nobody refuses is attached to all of them. */
	smtd_log_mark(mover, 1);
	EXPECT_EQ(smtd_attach(mover, self->iommu->ioas_id), 0);
	smtd_log_mark(mover, 3);
	for (i = 0; i < FUNCTIONS; i++)
		EXPECT_EQ(smtd_dma_run(dev[i], .iova = IOVA + i * SMTD_PAGE), 1);
}

int main(int argc, char *argv[])
{
	bdfs = smtd_functions(&argc, argv, FUNCTIONS);
	return test_harness_run(argc, argv);
}
