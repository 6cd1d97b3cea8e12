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

#include <linux/kernel.h>

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
 * One letter for each function: active, fenced because its time ran out (t), fenced
 * because nobody could ask it any more (u), or something else
 */
static const char *states(void)
{
	static const struct {
		const char *state;
		char letter;
	} known[] = {
		{ SMTD_ACTIVE, 'a' },
		{ "quarantined atc-timeout", 't' },
		{ "quarantined atc-unproven", 'u' },
	};
	static char text[FUNCTIONS + 1];
	unsigned int i, k;

	for (i = 0; i < FUNCTIONS; i++) {
		const char *state = smtd_recovery(bdfs[i]);

		text[i] = '?';
		for (k = 0; k < ARRAY_SIZE(known); k++)
			if (!strcmp(state, known[k].state))
				text[i] = known[k].letter;
	}
	return text;
}

/* A kernel that has no recovery state is not waited for */
static bool states_become(const char *expected)
{
	return strcmp(smtd_recovery(bdfs[0]), "?") && smtd_until(!strcmp(states(), expected));
}

/* All eight write to the page through their ATCs, and those that are guilty (g) go deaf */
static void begin_all(FIXTURE_DATA(blame) * self, const char *guilty)
{
	unsigned int i;

	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	for (i = 0; i < FUNCTIONS; i++) {
		smtd_stat_clear(self->dev[i]);
		smtd_dma_start(self->dev[i], .iova = IOVA, .ats = true, .period_us = 1000);
	}
	for (i = 0; i < FUNCTIONS; i++) {
		VFIO_ASSERT_TRUE(smtd_wait_stat(self->dev[i], SMTD_S_ATC_HIT, 5));
		if (guilty[i] == 'g')
			smtd_inv_error(self->dev[i], ERROR_US, 0);
	}
}

/* None of the eight reaches the page, the guilty no more than the others */
static void end_all(struct __test_metadata *_metadata, FIXTURE_DATA(blame) * self)
{
	unsigned int i;

	for (i = 0; i < FUNCTIONS; i++)
		EXPECT_TRUE(smtd_wait_tries(self->dev[i], TRIES));
	for (i = 0; i < FUNCTIONS; i++)
		smtd_dma_stop(self->dev[i]);
	EXPECT_EQ(smtd_violations(self->dev[0]), 0);
	for (i = 0; i < FUNCTIONS; i++)
		smtd_unmark_all(self->dev[i]);
	smtd_violations_clear(self->dev[0]);
}

/* Those that are active go on, alone: an unmap asks nobody else, and costs no error. */
static void active_ones_go_on(struct __test_metadata *_metadata, FIXTURE_DATA(blame) * self,
			      const char *then)
{
	u64 iova = IOVA + SMTD_PAGE;
	u32 errors, sent, active = 0;
	unsigned int i;

	smtd_map(self->iommu, self->iommu->ioas_id, self->mem + SMTD_PAGE, iova, SMTD_PAGE);
	for (i = 0; i < FUNCTIONS; i++) {
		u32 writes = then[i] == 'a';

		EXPECT_EQ(smtd_dma_run(self->dev[i], .iova = iova, .ats = true), writes);
		active += writes;
	}
	errors = smtd_read(self->dev[0], SMTD_SMMU_CERROR);
	sent = smtd_read(self->dev[0], SMTD_SMMU_INV_SENT);
	ASSERT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, iova, SMTD_PAGE), 0);
	EXPECT_EQ(smtd_read(self->dev[0], SMTD_SMMU_CERROR), errors);
	EXPECT_EQ(smtd_read(self->dev[0], SMTD_SMMU_INV_SENT) - sent, active);
	EXPECT_STREQ(states(), then);
}

/* A reset lifts each fence, which was counted once, and nobody else's count has moved. */
static void all_recover(struct __test_metadata *_metadata, FIXTURE_DATA(blame) * self,
			const char *then, const int *quarantines)
{
	unsigned int i;

	for (i = 0; i < FUNCTIONS; i++) {
		bool fenced = then[i] != 'a';

		EXPECT_EQ(smtd_quarantines(bdfs[i]) - quarantines[i], fenced);
		smtd_inv_answer(self->dev[i]);
		if (!fenced)
			continue;
		ASSERT_EQ(smtd_reset(self->dev[i]), 0);
		EXPECT_STREQ(smtd_recovery(bdfs[i]), SMTD_ACTIVE);
	}
}

/*
 * Scenario 30c. Several do not answer. The run of eight fails for one error, then
 * each is asked alone in the order of their StreamIDs, until two have failed: that is
 * the budget. Who comes after the second one is fenced unasked, guilty or not, so it
 * is three errors however many are guilty, and who has answered before stays active.
 */
TEST_F_TIMEOUT(blame, k_of_n_guilty, TIMEOUT_S)
{
	static const struct {
		const char *guilty, *then;
	} rounds[] = {
		{ "gg......", "ttuuuuuu" },	/* nobody innocent is asked */
		{ "g......g", "taaaaaat" },	/* everybody innocent is */
		{ "...g..g.", "aaataatu" },
		{ ".g..g..g", "ataatuuu" },	/* one guilty among the unasked */
		{ ".....ggg", "aaaaattu" },
		{ "gggggggg", "ttuuuuuu" },
	};
	unsigned int r, i;

	/* The order of the addresses is that of the StreamIDs, and so that of the run. */
	for (i = 1; i < FUNCTIONS; i++)
		ASSERT_LT(self->dev[i - 1]->sid, self->dev[i]->sid);

	for (r = 0; r < ARRAY_SIZE(rounds); r++) {
		const char *guilty = rounds[r].guilty, *then = rounds[r].then;
		u32 asked = strrchr(then, 't') - then + 1;
		int quarantines[FUNCTIONS];
		u32 errors, sent;
		u64 us;

		for (i = 0; i < FUNCTIONS; i++)
			quarantines[i] = smtd_quarantines(bdfs[i]);
		begin_all(self, guilty);
		us = unmap(self, self->dev[0], 0);
		for (i = 1; i < FUNCTIONS; i++)
			smtd_mark_freed(self->dev[i], IOVA, 0);
		errors = smtd_read(self->dev[0], SMTD_SMMU_CERROR) - self->errors;
		sent = smtd_read(self->dev[0], SMTD_SMMU_INV_SENT) - self->sent;
		end_all(_metadata, self);
		printf("# guilty %s: %u errors, %u asked alone, unmap took %llu us\n", guilty,
		       errors, sent - FUNCTIONS, (unsigned long long)us);
		fflush(stdout);
		EXPECT_EQ(errors, 3);
		EXPECT_EQ(sent, FUNCTIONS + asked);
		ASSERT_TRUE(states_become(then)) {
			TH_LOG("guilty %s makes them %s, not %s", guilty, states(), then);
		}
		active_ones_go_on(_metadata, self, then);
		all_recover(_metadata, self, then, quarantines);
		ASSERT_STREQ(states(), "aaaaaaaa");
	}
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
