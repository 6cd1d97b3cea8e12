// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done to functions below a port, and they do what the specifications
 * ask: hot reset, errors, removal. Nothing here may fail on any kernel.
 *
 * usage: testdev_benign_bus [options of kselftest_harness.h] OBSERVER ONE TWO OTHER
 *
 * The observer is on the root bus and bound to no driver. ONE and TWO share a
 * slot, OTHER has one of its own that can be switched off.
 */
#include <errno.h>
#include <stdlib.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		16
#define TIMEOUT_S	120

static char **bdfs;

FIXTURE(two_functions) {
	struct smtd *observer, *dev[2];
	struct iommu *iommu;
	void *mem;
};

FIXTURE_SETUP(two_functions)
{
	int i;

	self->iommu = iommu_init(MODE_IOMMUFD);
	self->mem = smtd_alloc(PAGES);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, PAGES * SMTD_PAGE);
	self->observer = smtd_watch(bdfs[0]);
	for (i = 0; i < 2; i++) {
		self->dev[i] = smtd_open(bdfs[i + 1], self->iommu);
		ASSERT_EQ(smtd_attach(self->dev[i], self->iommu->ioas_id), 0);
	}
}

FIXTURE_TEARDOWN(two_functions)
{
	int i;

	for (i = 0; i < 2; i++) {
		smtd_print(self->dev[i], bdfs[i + 1]);
		smtd_close(self->dev[i]);
	}
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

TEST_F_TIMEOUT(two_functions, work_after_a_hot_reset_of_their_bus, TIMEOUT_S)
{
	int i;

	for (i = 0; i < 2; i++) {
		smtd_dma_start(self->dev[i], .iova = IOVA + i * SMTD_PAGE, .ats = true);
		ASSERT_TRUE(smtd_wait_stat(self->dev[i], SMTD_S_ATC_HIT, 5));
		smtd_stat_clear(self->dev[i]);
	}
	EXPECT_EQ(smtd_hot_reset(self->dev[0]), 0);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(smtd_read(self->dev[i], SMTD_ID), SMTD_MAGIC);
		EXPECT_EQ(smtd_stat(self->dev[i], SMTD_S_RESET), 1);
		EXPECT_EQ(smtd_stat(self->dev[i], SMTD_S_RESET_OK), 0);
		EXPECT_EQ(smtd_read(self->dev[i], SMTD_CTRL) & SMTD_CTRL_RUN, 0);
		EXPECT_TRUE(smtd_ats_enabled(bdfs[i + 1]));
		EXPECT_EQ(smtd_dma_run(self->dev[i], .iova = IOVA, .count = PAGES,
				       .ats = true), PAGES);
	}
	EXPECT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, PAGES * SMTD_PAGE), 0);
	for (i = 0; i < 2; i++) {
		smtd_mark_freed(self->dev[i], IOVA, 0);
		EXPECT_EQ(smtd_dma_run(self->dev[i], .iova = IOVA, .ats = true), 0);
	}
	EXPECT_EQ(smtd_violations(self->observer), 0);
}

FIXTURE(port) {
	struct smtd *observer, *dev;
	struct iommu *iommu;
	void *mem;
};

static void open_other(FIXTURE_DATA(port) * self)
{
	self->dev = smtd_open(bdfs[3], self->iommu);
	smtd_observe(self->dev, self->observer);
	VFIO_ASSERT_EQ(smtd_attach(self->dev, self->iommu->ioas_id), 0);
}

FIXTURE_SETUP(port)
{
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->mem = smtd_alloc(PAGES);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, PAGES * SMTD_PAGE);
	self->observer = smtd_watch(bdfs[0]);
	open_other(self);
}

FIXTURE_TEARDOWN(port)
{
	smtd_print(self->dev, bdfs[3]);
	smtd_close(self->dev);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

TEST_F_TIMEOUT(port, counts_a_correctable_error_and_disturbs_nobody, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	u32 before = smtd_aer_count(bdfs[3], "correctable");

	smtd_dma_start(dev, .iova = IOVA, .ats = true);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 5));
	smtd_stat_clear(dev);
	smtd_write(dev, SMTD_AER, SMTD_AER_COR);
	EXPECT_TRUE(smtd_until(smtd_aer_count(bdfs[3], "correctable") == before + 1));
	EXPECT_TRUE(smtd_wait_stat(dev, SMTD_S_OK, 10));
	smtd_dma_stop(dev);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RESET), 0);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_FAULT), 0);
	EXPECT_EQ(smtd_violations(dev), 0);
}

/* The user of the function is told, and gets a working one when it opens it anew. */
TEST_F_TIMEOUT(port, resets_its_link_after_a_fatal_error, TIMEOUT_S)
{
	int error = smtd_error_eventfd(self->dev);

	smtd_dma_start(self->dev, .iova = IOVA, .ats = true);
	ASSERT_TRUE(smtd_wait_stat(self->dev, SMTD_S_ATC_HIT, 5));
	smtd_stat_clear(self->dev);
	smtd_write(self->dev, SMTD_AER, SMTD_AER_FATAL);
	EXPECT_TRUE(smtd_until(smtd_eventfd_signalled(error)));
	EXPECT_TRUE(smtd_wait_stat(self->dev, SMTD_S_RESET, 1));
	EXPECT_EQ(smtd_read(self->dev, SMTD_CTRL) & SMTD_CTRL_RUN, 0);
	EXPECT_EQ(smtd_violations(self->dev), 0);
	smtd_print(self->dev, bdfs[3]);
	close(error);

	smtd_close(self->dev);
	open_other(self);
	EXPECT_TRUE(smtd_ats_enabled(bdfs[3]));
	EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(smtd_violations(self->dev), 0);
}

FIXTURE(slot) {
	struct smtd *observer, *dev;
};

/* No driver: the function is attached to the kernel's own domain, with ATS. */
FIXTURE_SETUP(slot)
{
	self->observer = smtd_watch(bdfs[0]);
	self->dev = smtd_watch(bdfs[3]);
	smtd_observe(self->dev, self->observer);
	ASSERT_TRUE(smtd_ats_enabled(bdfs[3]));
}

FIXTURE_TEARDOWN(slot)
{
	smtd_close(self->dev);
	smtd_close(self->observer);
}

/* The function is gone for good, so nothing may come after this. */
TEST_F_TIMEOUT(slot, removes_its_function_when_it_is_switched_off, TIMEOUT_S)
{
	int slot = smtd_slot(bdfs[3]);

	ASSERT_GE(slot, 0);
	EXPECT_TRUE(smtd_is_plugged(self->observer, self->dev->sid));
	EXPECT_EQ(smtd_slot_power(slot, false), 0);
	EXPECT_TRUE(smtd_until(!smtd_is_plugged(self->observer, self->dev->sid)));
	EXPECT_FALSE(smtd_exists(bdfs[3]));
	EXPECT_EQ(smtd_violations(self->observer), 0);
}

int main(int argc, char *argv[])
{
	bdfs = smtd_functions(&argc, argv, 4);
	return test_harness_run(argc, argv);
}
