// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is fenced for an ATC invalidation that fails, and what it costs everybody.
 *
 * usage: testdev_blame [options of kselftest_harness.h] FUNCTION...
 *
 * Eight functions. All of them are attached to one address space, so that their
 * invalidations go to the SMMU in one run.
 */
#include <stdlib.h>
#include <string.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define FUNCTIONS	8
#define IOVA		0x40000000ULL
#define PAGES		4
#define PASIDS		16
#define TIMEOUT_S	120

/* When the root complex gives up, and how much later the unmap may return at most */
#define ERROR_US	20000
#define LATENCY_US	100000

/* Transactions that a function is given to show that it still reaches memory */
#define TRIES		20

static char **bdfs;

FIXTURE(blame) {
	struct iommu *iommu;
	struct smtd *dev[FUNCTIONS];
	unsigned int n;
	void *mem;
	u32 errors, sent;	/* before the unmap */
};

FIXTURE_SETUP(blame)
{
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->mem = smtd_alloc(PAGES);
	for (; self->n < FUNCTIONS; self->n++) {
		self->dev[self->n] = smtd_open(bdfs[self->n], self->iommu);
		ASSERT_EQ(smtd_attach(self->dev[self->n], self->iommu->ioas_id), 0);
	}
}

FIXTURE_TEARDOWN(blame)
{
	while (self->n--) {
		smtd_behave(self->dev[self->n]);
		smtd_print(self->dev[self->n], self->dev[self->n]->bdf);
		smtd_close(self->dev[self->n]);
	}
	iommu_cleanup(self->iommu);
}

/* Map a page, and let a function write to it without an end */
static void begin(FIXTURE_DATA(blame) * self, struct smtd *dev, u32 pasid)
{
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	smtd_dma_start(dev, .iova = IOVA, .pasid = pasid, .ats = true, .period_us = 500);
	VFIO_ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 5));
}

/* Unmap it. How long that took; what was counted before is in @self */
static u64 unmap(FIXTURE_DATA(blame) * self, struct smtd *dev, u32 pasid)
{
	u64 from, to;

	self->errors = smtd_read(dev, SMTD_SMMU_CERROR);
	self->sent = smtd_read(dev, SMTD_SMMU_INV_SENT);
	from = smtd_now_us();
	VFIO_ASSERT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, SMTD_PAGE), 0);
	to = smtd_now_us();
	smtd_mark_freed(dev, IOVA, pasid);
	return to - from;
}

/* The function does not reach the page any more. Errors that the unmap waited for */
static u32 end(struct __test_metadata *_metadata, FIXTURE_DATA(blame) * self,
	       struct smtd *dev)
{
	u32 errors = smtd_read(dev, SMTD_SMMU_CERROR) - self->errors;

	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	smtd_dma_stop(dev);
	EXPECT_EQ(smtd_violations(dev), 0);
	smtd_unmark_all(dev);
	smtd_violations_clear(dev);
	smtd_inv_answer(dev);
	smtd_write(dev, SMTD_ATC_ENTRIES, 0);
	return errors;
}

/* A kernel that has no recovery state is not waited for */
static bool is_quarantined(const char *bdf)
{
	return strcmp(smtd_recovery(bdf), "?") &&
	       smtd_until(!strcmp(smtd_recovery(bdf), "quarantined atc-timeout"));
}

/* Whose recovery state is what, and the others work on */
static void expect_one(struct __test_metadata *_metadata, FIXTURE_DATA(blame) * self,
		       unsigned int guilty)
{
	unsigned int i;

	ASSERT_TRUE(is_quarantined(bdfs[guilty]));
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem + SMTD_PAGE,
		 IOVA + SMTD_PAGE, SMTD_PAGE);
	for (i = 0; i < FUNCTIONS; i++) {
		if (i == guilty)
			continue;
		EXPECT_STREQ(smtd_recovery(bdfs[i]), SMTD_ACTIVE);
		EXPECT_EQ(smtd_dma_run(self->dev[i], .iova = IOVA + SMTD_PAGE, .ats = true), 1);
	}
	ASSERT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA + SMTD_PAGE, SMTD_PAGE), 0);
}

/*
 * Each in turn is the one that does not answer. Its error is nobody's in the run of
 * eight, and one more when it is asked alone; after that nobody asks it.
 */
TEST_F_TIMEOUT(blame, one_of_eight, TIMEOUT_S)
{
	u32 errors, sent;
	unsigned int i;
	u64 us;

	for (i = 0; i < FUNCTIONS; i++) {
		struct smtd *dev = self->dev[i];

		begin(self, dev, 0);
		smtd_inv_error(dev, ERROR_US, 0);
		us = unmap(self, dev, 0);
		errors = end(_metadata, self, dev);
		printf("# %s: %u errors, unmap took %llu us\n", bdfs[i], errors,
		       (unsigned long long)us);
		EXPECT_EQ(errors, 2);
		expect_one(_metadata, self, i);

		smtd_inv_error(dev, ERROR_US, 0);
		smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
		unmap(self, dev, 0);
		sent = smtd_read(dev, SMTD_SMMU_INV_SENT) - self->sent;
		EXPECT_EQ(smtd_read(dev, SMTD_SMMU_CERROR), self->errors);
		EXPECT_EQ(sent, FUNCTIONS - 1);

		smtd_unmark_all(dev);
		smtd_inv_answer(dev);
		ASSERT_EQ(smtd_reset(dev), 0);
		EXPECT_STREQ(smtd_recovery(bdfs[i]), SMTD_ACTIVE);
	}
}

/* All PASIDs of a function in one domain are one suspect */
TEST_F_TIMEOUT(blame, sixteen_pasids, TIMEOUT_S)
{
	struct smtd *dev = self->dev[0];
	u32 errors;
	int hwpt, i;
	u64 us;

	/* Alone in a domain of the same address space */
	hwpt = smtd_hwpt_alloc(dev, self->iommu->ioas_id, SMTD_HWPT_PASID, 0);
	ASSERT_GT(hwpt, 0);
	for (i = 1; i < FUNCTIONS; i++)
		ASSERT_EQ(smtd_detach(self->dev[i]), 0);
	ASSERT_EQ(smtd_attach(dev, hwpt), 0);
	for (i = 1; i <= PASIDS; i++)
		ASSERT_EQ(smtd_attach_pasid(dev, i, hwpt), 0);

	begin(self, dev, 1);
	smtd_inv_error(dev, ERROR_US, 0);
	us = unmap(self, dev, 1);
	errors = end(_metadata, self, dev);
	printf("# %u PASIDs: %u errors, unmap took %llu us\n", PASIDS, errors,
	       (unsigned long long)us);
	EXPECT_EQ(errors, 1);
	ASSERT_TRUE(is_quarantined(bdfs[0]));

	smtd_inv_error(dev, ERROR_US, 0);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	unmap(self, dev, 1);
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_CERROR), self->errors);
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_INV_SENT), self->sent);
	smtd_unmark_all(dev);
	smtd_inv_answer(dev);
	ASSERT_EQ(smtd_reset(dev), 0);
}

/* The CMD_SYNC that is repeated after an error fails again, several times */
TEST_F_TIMEOUT(blame, an_error_that_repeats, TIMEOUT_S)
{
	struct smtd *dev = self->dev[3];
	u32 errors;

	begin(self, dev, 0);
	smtd_inv_error(dev, ERROR_US, 3);
	unmap(self, dev, 0);
	errors = end(_metadata, self, dev);
	printf("# repeated: %u errors\n", errors);
	EXPECT_EQ(errors, 8);
	expect_one(_metadata, self, 3);
	ASSERT_EQ(smtd_reset(dev), 0);
}

/*
 * There is one CPU, which waits with interrupts off, so nobody else sees that the
 * queue has an error: the wait does. Twice, for two errors.
 */
TEST_F_TIMEOUT(blame, an_error_does_not_wait_for_its_interrupt, TIMEOUT_S)
{
	struct smtd *dev = self->dev[5];
	u32 errors;
	u64 us;

	begin(self, dev, 0);
	smtd_inv_error(dev, ERROR_US, 0);
	us = unmap(self, dev, 0);
	errors = end(_metadata, self, dev);
	printf("# one CPU: %u errors, unmap took %llu us\n", errors, (unsigned long long)us);
	EXPECT_LT(us, (u64)errors * (ERROR_US + LATENCY_US));
	ASSERT_EQ(smtd_reset(dev), 0);
}

int main(int argc, char *argv[])
{
	bdfs = smtd_functions(&argc, argv, FUNCTIONS);
	return test_harness_run(argc, argv);
}
