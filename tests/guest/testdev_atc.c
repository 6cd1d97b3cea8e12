// SPDX-License-Identifier: GPL-2.0-only
/*
 * An address translation cache (ATC) that does not do what it is told.
 *
 * usage: testdev_atc [options of kselftest_harness.h] FUNCTION OTHER-FUNCTION
 *
 * The first function misbehaves, the second never does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		16
#define TIMEOUT_S	120

/* Transactions that a function is given to show that it still reaches memory */
#define TRIES		50

static const char *guilty_bdf, *innocent_bdf;

/*
 * PASIDs in one domain: their ATC invalidations fill several batches of the
 * driver's, 64 commands each.
 */
#define PASIDS		250
#define ROUNDS		200
#define FENCED_ROUNDS	30

FIXTURE(atc) {
	struct iommu *iommu;
	struct smtd *guilty, *innocent;
	void *mem;
};

FIXTURE_SETUP(atc)
{
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->guilty = smtd_open(guilty_bdf, self->iommu);
	self->innocent = smtd_open(innocent_bdf, self->iommu);
	self->mem = smtd_alloc(PAGES);
	ASSERT_EQ(smtd_attach(self->guilty, self->iommu->ioas_id), 0);
	ASSERT_TRUE(smtd_ats_enabled(guilty_bdf));
}

FIXTURE_TEARDOWN(atc)
{
	smtd_behave(self->guilty);
	smtd_print(self->guilty, "guilty function");
	smtd_print(self->innocent, "innocent function");
	smtd_close(self->guilty);
	smtd_close(self->innocent);
	iommu_cleanup(self->iommu);
}

/*
 * The invalidation fails, and the driver is told so by the command queue. It may
 * return from the flush only when the function cannot use the stale entry any
 * more: a kernel that fences it leaves the page alone, for a translated access
 * meets an aborting stream table entry.
 */
TEST_F_TIMEOUT(atc, a_failed_invalidation_fences_before_the_unmap_returns, TIMEOUT_S)
{
	struct smtd *dev = self->guilty;
	u64 begin, end, word;
	int ret;

	ASSERT_EQ(smtd_attach(self->innocent, self->iommu->ioas_id), 0);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	smtd_dma_start(dev, .iova = IOVA, .ats = true);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 5));

	/*
	 * A fence takes effect with CFGI_STE, which is delayed: a flush that leaves
	 * it to somebody else returns before it.
	 */
	smtd_hold(dev, 0, SMTD_OP_CFGI_STE, dev->sid);
	smtd_write(dev, SMTD_HOLD_US, 200000);
	smtd_write(dev, SMTD_HOLD_CTL, SMTD_HOLD_ARM);
	smtd_inv_error(dev, 20000, 0);
	begin = smtd_now_us();
	ret = smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, SMTD_PAGE);
	end = smtd_now_us();
	smtd_mark_freed(dev, IOVA, 0);
	word = smtd_word(self->mem, 0);
	ASSERT_GE(smtd_read(dev, SMTD_SMMU_CERROR), 1);

	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	smtd_dma_stop(dev);
	printf("# unmap returned %d after %llu us, %u ATC errors, then %llu writes to the page\n",
	       ret, (unsigned long long)(end - begin), smtd_read(dev, SMTD_SMMU_CERROR),
	       (unsigned long long)(smtd_word(self->mem, 0) - word));

	EXPECT_EQ(ret, 0);
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_EQ(smtd_word(self->mem, 0), word);

	/* Only the one that failed */
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA + SMTD_PAGE, SMTD_PAGE);
	EXPECT_EQ(smtd_dma_run(self->innocent, .iova = IOVA + SMTD_PAGE, .ats = true), 1);
}

/* The other CPU: maps, uses and unmaps a page of the innocent function's own. */
struct flusher {
	struct smtd *dev;
	u32 ioas;
	void *mem;
	bool stop;
	u32 flushes;
};

static int flush(void *arg)
{
	struct flusher *flusher = arg;
	struct smtd *dev = flusher->dev;

	VFIO_ASSERT_TRUE(smtd_pin(2));
	while (!__atomic_load_n(&flusher->stop, __ATOMIC_ACQUIRE)) {
		smtd_map(dev->iommu, flusher->ioas, flusher->mem, IOVA, SMTD_PAGE);
		VFIO_ASSERT_EQ(smtd_unmap(dev->iommu, flusher->ioas, IOVA, SMTD_PAGE), 0);
		flusher->flushes++;
	}
	return 0;
}

/* One unmap with an ATC that fails; errors beyond the first met another SYNC. */
static u32 failing_round(struct __test_metadata *_metadata, FIXTURE_DATA(atc) * self)
{
	struct smtd *dev = self->guilty;
	u32 errors;

	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 1, .ats = true), 1);
	smtd_dma_start(dev, .iova = IOVA, .pasid = 1, .ats = true);
	errors = smtd_read(dev, SMTD_SMMU_CERROR);

	smtd_inv_error(dev, 1000, 0);
	EXPECT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, SMTD_PAGE), 0);
	smtd_mark_freed(dev, IOVA, 1);
	errors = smtd_read(dev, SMTD_SMMU_CERROR) - errors;
	EXPECT_GE(errors, 1);
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));

	smtd_dma_stop(dev);
	smtd_inv_answer(dev);
	smtd_unmark_all(dev);
	smtd_write(dev, SMTD_ATC_ENTRIES, 0);
	return errors ? errors - 1 : 0;
}

/*
 * The driver sends full batches of commands without a CMD_SYNC of their own, and
 * another CPU's CMD_SYNC can get behind them: the error comes there. Whoever is
 * blamed by place alone is the wrong one. Where each run of invalidations ends with
 * its own CMD_SYNC, the error is the guilty function's: it is fenced, and reset for
 * the next round, since one in which the other CPU did not come between proves
 * nothing. The innocent one works on all the time.
 */
TEST_F_TIMEOUT(atc, an_error_at_another_flush_blames_the_guilty_only, TIMEOUT_S)
{
	struct flusher flusher = { .dev = self->innocent };
	struct smtd *dev = self->guilty;
	u32 misplaced = 0, fenced = 0, round, marked;
	struct smtd_call call;
	int hwpt, i;

	hwpt = smtd_hwpt_alloc(dev, self->iommu->ioas_id, SMTD_HWPT_PASID, 0);
	ASSERT_GT(hwpt, 0);
	ASSERT_EQ(smtd_attach(dev, hwpt), 0);
	for (i = 1; i <= PASIDS; i++)
		ASSERT_EQ(smtd_attach_pasid(dev, i, hwpt), 0);

	flusher.ioas = smtd_ioas_alloc(self->iommu);
	flusher.mem = smtd_alloc(2);
	smtd_map(self->iommu, flusher.ioas, flusher.mem + SMTD_PAGE, IOVA + SMTD_PAGE,
		 SMTD_PAGE);
	ASSERT_EQ(smtd_attach(self->innocent, flusher.ioas), 0);
	/* CPU 0 has the interrupts, and must not wait with them off. */
	ASSERT_TRUE(smtd_pin(1));
	smtd_call_start(&call, flush, &flusher);
	ASSERT_TRUE(smtd_until(__atomic_load_n(&flusher.flushes, __ATOMIC_ACQUIRE)));

	for (round = 0; round < ROUNDS && !misplaced && fenced < FENCED_ROUNDS; round++) {
		marked = smtd_violation(dev, SMTD_V_ATS_MARKED);
		misplaced += failing_round(_metadata, self);
		EXPECT_EQ(smtd_dma_run(self->innocent, .iova = IOVA + SMTD_PAGE, .ats = true), 1);
		if (smtd_violation(dev, SMTD_V_ATS_MARKED) == marked) {
			fenced++;
			ASSERT_EQ(smtd_reset(dev), 0);
		}
	}
	__atomic_store_n(&flusher.stop, true, __ATOMIC_RELEASE);
	smtd_call_join(&call);

	printf("# round %u: %u ATC errors at a CMD_SYNC of another flush (%u flushes)\n",
	       round, misplaced, flusher.flushes);
	/* PASID control in a reset is scenario 15's. */
	EXPECT_EQ(smtd_violations_but(dev, 1 << SMTD_V_PASID_ATS), 0);
	EXPECT_EQ(smtd_dma_run(self->innocent, .iova = IOVA + SMTD_PAGE, .ats = true), 1);
}

static int unmap_page(void *arg)
{
	struct smtd *dev = arg;

	VFIO_ASSERT_TRUE(smtd_pin(1) || smtd_pin(0));
	return smtd_unmap(dev->iommu, dev->iommu->ioas_id, IOVA, SMTD_PAGE);
}

/* A counter of the SMMU's driver; -1 where there is none */
static int counter(const char *name)
{
	char text[128];
	FILE *file;
	int n;

	snprintf(text, sizeof(text), "cat /sys/class/iommu/*/arm-smmu-v3/%s 2> /dev/null", name);
	file = popen(text, "r");
	n = file && fgets(text, sizeof(text), file) ? atoi(text) : -1;
	if (file)
		pclose(file);
	return n;
}

/* How many waits for a CMD_SYNC the kernel says it gave up */
static int given_up(void)
{
	return counter("given_up_syncs");
}

/*
 * The invalidation is not answered, and nobody gives up on it: the command queue
 * stands still, and no kernel can fence anything by commands. The unmap returns after a
 * while, which has to be counted, with the function reported; who only waited for the
 * same queue is not. When the queue goes on, without anything having been
 * invalidated, the function has to be fenced without anybody asking for it.
 */
TEST_F_TIMEOUT(atc, who_does_not_answer_in_time_is_fenced_later, TIMEOUT_S)
{
	struct smtd *dev = self->guilty;
	struct smtd_call call;
	u32 ioas;
	int before;

	ioas = smtd_ioas_alloc(self->iommu);
	ASSERT_EQ(smtd_attach(self->innocent, ioas), 0);
	smtd_map(self->iommu, ioas, self->mem + SMTD_PAGE, IOVA, SMTD_PAGE);
	smtd_map(self->iommu, ioas, self->mem + 2 * SMTD_PAGE, IOVA + SMTD_PAGE, SMTD_PAGE);
	ASSERT_EQ(smtd_dma_run(self->innocent, .iova = IOVA, .ats = true), 1);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	smtd_dma_start(dev, .iova = IOVA, .ats = true, .period_us = 1000);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 5));
	before = given_up();

	ASSERT_TRUE(smtd_pin(0));
	smtd_inv_mode(dev, SMTD_INV_NEVER);
	smtd_call_start(&call, unmap_page, dev);
	ASSERT_TRUE(smtd_until(smtd_read(dev, SMTD_INV_PENDING)));
	EXPECT_EQ(smtd_unmap(self->iommu, ioas, IOVA, SMTD_PAGE), 0);
	EXPECT_EQ(smtd_call_join(&call), 0);
	printf("# unmap took %llu us; given up: %d, then %d; it is %s, the other one",
	       (unsigned long long)(call.end_us - call.begin_us), before, given_up(),
	       smtd_recovery(guilty_bdf));
	printf(" %s\n", smtd_recovery(innocent_bdf));
	EXPECT_STREQ(smtd_recovery(guilty_bdf), "broken atc-no-answer");
	EXPECT_STREQ(smtd_recovery(innocent_bdf), SMTD_ACTIVE);
	/* Its own, and the two of who was behind: IOTLB and ATC */
	EXPECT_GE(given_up(), before + 3);

	/* An answer that invalidates nothing */
	smtd_inv_mode(dev, SMTD_INV_PROMPT);
	smtd_write(dev, SMTD_INV_RELEASE, SMTD_INV_RELEASE_UR);
	EXPECT_TRUE(strcmp(smtd_recovery(guilty_bdf), "?") &&
		    smtd_until(!strcmp(smtd_recovery(guilty_bdf),
				       "quarantined atc-no-answer")));
	smtd_mark_freed(dev, IOVA, 0);
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	smtd_dma_stop(dev);
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_EQ(smtd_dma_run(self->innocent, .iova = IOVA + SMTD_PAGE, .ats = true), 1);

	smtd_unmark_all(dev);
	ASSERT_EQ(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(guilty_bdf), SMTD_ACTIVE);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);
}

/*
 * Each of the functions is alone below a port. Nobody can fence the one that does not
 * answer as long as the queue stands still, but the port need not forward what it
 * sends: the page is not written from the moment at which the unmap returns. When the
 * queue goes on the fence is complete, and the port forwards again, which the function
 * needs when it has been reset. The other port forwards all the time.
 */
TEST_F_TIMEOUT(atc, who_does_not_answer_is_stopped_at_its_port, TIMEOUT_S)
{
	struct smtd *dev = self->guilty;
	int before = given_up();
	u64 took, word;
	u32 ioas, sent;

	ioas = smtd_ioas_alloc(self->iommu);
	ASSERT_EQ(smtd_attach(self->innocent, ioas), 0);
	smtd_map(self->iommu, ioas, self->mem + SMTD_PAGE, IOVA, SMTD_PAGE);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	smtd_dma_start(self->innocent, .iova = IOVA, .ats = true, .period_us = 1000);
	smtd_dma_start(dev, .iova = IOVA, .ats = true, .period_us = 1000);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 5));
	ASSERT_TRUE(smtd_wait_stat(self->innocent, SMTD_S_ATC_HIT, 5));

	smtd_inv_mode(dev, SMTD_INV_NEVER);
	took = smtd_now_us();
	EXPECT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, SMTD_PAGE), 0);
	took = smtd_now_us() - took;
	smtd_mark_freed(dev, IOVA, 0);
	word = smtd_word(self->mem, 0);
	ASSERT_GE(smtd_read(dev, SMTD_INV_PENDING), 1);
	sent = smtd_stat(self->innocent, SMTD_S_OK);
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	printf("# unmap took %llu us, then %llu writes to the page; ",
	       (unsigned long long)took, (unsigned long long)(smtd_word(self->mem, 0) - word));
	printf("given up: %d, stopped: %d, it is %s\n", given_up() - before,
	       counter("isolated_syncs"), smtd_recovery(guilty_bdf));
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_EQ(smtd_word(self->mem, 0), word);
	EXPECT_GE(smtd_stat(dev, SMTD_S_PORT), TRIES);
	EXPECT_STREQ(smtd_recovery(guilty_bdf), "broken atc-no-answer");
	/* The work item waits for the queue as well, and may have given up by now */
	EXPECT_GE(given_up(), before + 1);
	EXPECT_EQ(counter("isolated_syncs"), 1);

	EXPECT_TRUE(smtd_wait_tries(self->innocent, TRIES));
	EXPECT_GE(smtd_stat(self->innocent, SMTD_S_OK), sent + TRIES);
	EXPECT_EQ(smtd_stat(self->innocent, SMTD_S_PORT), 0);

	/* An answer that invalidates nothing */
	smtd_inv_mode(dev, SMTD_INV_PROMPT);
	smtd_write(dev, SMTD_INV_RELEASE, SMTD_INV_RELEASE_UR);
	ASSERT_TRUE(strcmp(smtd_recovery(guilty_bdf), "?") &&
		    smtd_until(!strcmp(smtd_recovery(guilty_bdf),
				       "quarantined atc-no-answer")));
	sent = smtd_stat(dev, SMTD_S_PORT);
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_PORT), sent);
	EXPECT_EQ(smtd_violations(dev), 0);
	smtd_dma_stop(dev);
	smtd_dma_stop(self->innocent);

	smtd_unmark_all(dev);
	ASSERT_EQ(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(guilty_bdf), SMTD_ACTIVE);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	guilty_bdf = bdfs[0];
	innocent_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
