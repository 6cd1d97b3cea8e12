// SPDX-License-Identifier: GPL-2.0-only
/*
 * When a flush may leave a function out. A flush that does so returns although nobody has
 * invalidated the function's ATC, so the SMMU must have seen the abort STE by then: the
 * CFGI_STE of the fence and the CMD_SYNC behind it have completed.
 *
 * usage: testdev_skip [options of kselftest_harness.h] GUILTY OTHER
 *
 * What is not repeated here: a flush that begins after the fence of a guilty function
 * sends it nothing (testdev_blame, one_of_eight and sixteen_pasids), nor does one while it
 * is quarantined (testdev_reset, stays_fenced_when_its_reset_has_failed; testdev_recovery,
 * "assigned"); the flush that finds the function guilty returns after the CFGI_STE
 * (testdev_atc); the gate stays shut while somebody attaches (testdev_steps).
 */
#include <stdlib.h>
#include <string.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		3
#define TIMEOUT_S	240

/* When the root complex gives up: the other CPU has come to the queue by then. */
#define ERROR_US	200000

/* The longest hold, below the second after which the driver gives up a CMD_SYNC */
#define HOLD_US		300000

/* Transactions that a function is given to show what it reaches */
#define TRIES		100

/* In a round the second flush may come late, or the hold end early. */
#define ROUNDS		30
#define GOOD_ROUNDS	3

#define FENCED		"quarantined atc-timeout"
#define RUDE		(SMTD_FLR_KEEP_DMA | SMTD_FLR_KEEP_ATC)

enum hold { HOLD_SYNC, HOLD_CFGI_STE };

static const char *guilty_bdf, *other_bdf;

FIXTURE(skip) {
	struct iommu *iommu;
	struct smtd *guilty, *other;
	void *mem;
};

FIXTURE_SETUP(skip)
{
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->guilty = smtd_open(guilty_bdf, self->iommu);
	self->other = smtd_open(other_bdf, self->iommu);
	self->mem = smtd_alloc(PAGES);
	ASSERT_EQ(smtd_attach(self->guilty, self->iommu->ioas_id), 0);
	ASSERT_TRUE(smtd_ats_enabled(guilty_bdf));
}

FIXTURE_TEARDOWN(skip)
{
	smtd_behave(self->guilty);
	smtd_print(self->guilty, "guilty function");
	smtd_print(self->other, "other function");
	smtd_close(self->guilty);
	smtd_close(self->other);
	iommu_cleanup(self->iommu);
}

/*
 * Pages that can be unmapped at the same time. The function writes to the first two, and
 * nothing but the SMMU stops it: that ATS is switched off does not.
 */
static void begin(FIXTURE_DATA(skip) * self, struct smtd *dev, int pages)
{
	int i;

	for (i = 0; i < pages; i++)
		smtd_map(self->iommu, self->iommu->ioas_id, self->mem + i * SMTD_PAGE,
			 IOVA + i * SMTD_PAGE, SMTD_PAGE);
	smtd_stat_clear(dev);
	smtd_flr(dev, RUDE, 0);
	smtd_dma_start(dev, .iova = IOVA, .count = 2, .ats = true, .period_us = 1000);
	VFIO_ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 10));
}

/* The function reaches none of what was freed, and is well after a reset. */
static void end(struct __test_metadata *_metadata, struct smtd *dev)
{
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	smtd_dma_stop(dev);
	EXPECT_EQ(smtd_violations(dev), 0);
	ASSERT_TRUE(smtd_until(!strcmp(smtd_recovery(guilty_bdf), FENCED)));
	smtd_unmark_all(dev);
	smtd_violations_clear(dev);
	smtd_inv_answer(dev);
	smtd_flr(dev, 0, 0);
	smtd_write(dev, SMTD_ATC_ENTRIES, 0);
	ASSERT_EQ(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(guilty_bdf), SMTD_ACTIVE);
}

/* Two threads mark pages. */
static pthread_mutex_t marks = PTHREAD_MUTEX_INITIALIZER;

/* An unmap by a CPU of its own, after which the page is given away */
struct flush {
	struct smtd *dev;
	unsigned int cpu;
	u64 iova;
	bool behind;	/* it begins when the other one waits for the function */
	u32 commands;	/* that the SMMU had come to when it returned */
	bool held;	/* the CFGI_STE, at that time */
};

static int flush(void *arg)
{
	struct flush *flush = arg;
	struct smtd *dev = flush->dev;
	int ret;

	VFIO_ASSERT_TRUE(smtd_pin(flush->cpu));
	VFIO_ASSERT_TRUE(smtd_set_priority(0, 1));
	if (flush->behind)
		VFIO_ASSERT_TRUE(smtd_until(smtd_read(dev, SMTD_INV_PENDING)));
	ret = smtd_unmap(dev->iommu, dev->iommu->ioas_id, flush->iova, SMTD_PAGE);
	flush->held = smtd_is_held(dev, HOLD_CFGI_STE);
	flush->commands = smtd_read(dev, SMTD_SMMU_CMDS);
	pthread_mutex_lock(&marks);
	smtd_mark_freed(dev, flush->iova, 0);
	pthread_mutex_unlock(&marks);
	return ret;
}

/*
 * The first flush finds the function guilty. The second one has sent its invalidation of
 * the IOTLB before, and asks whether to leave the function out when that is done: the
 * CMD_SYNC behind it is held until the abort STE has been stored and reported. Next in the
 * queue are the CFGI_STE, which is held as well, and its CMD_SYNC: no flush may have
 * returned before the SMMU has come to that.
 *
 * Interrupts are off where somebody waits for the SMMU, be it the work item that fences
 * the function, so nothing is asked of this thread while the CFGI_STE is held. False: it
 * did not come to that, and nothing is known.
 */
static bool race(struct __test_metadata *_metadata, FIXTURE_DATA(skip) * self, struct smtd *dev)
{
	struct flush flushes[] = {
		{ .dev = dev, .cpu = 1, .iova = IOVA },
		{ .dev = dev, .cpu = 2, .iova = IOVA + SMTD_PAGE, .behind = true },
	};
	struct smtd_call calls[2];
	u32 commands = 0;
	bool came;
	int i;

	begin(self, dev, 2);
	smtd_inv_error(dev, ERROR_US, 0);
	smtd_hold_later(dev, HOLD_CFGI_STE, SMTD_OP_CFGI_STE, dev->sid, 0, HOLD_US);
	for (i = 0; i < 2; i++)
		smtd_call_start(&calls[i], flush, &flushes[i]);
	/* The CMD_SYNC behind the first one's ATC_INV has been looked at by then. */
	ASSERT_TRUE(smtd_until(smtd_read(dev, SMTD_INV_PENDING)));
	smtd_hold_later(dev, HOLD_SYNC, SMTD_OP_SYNC, SMTD_ANY, 0, HOLD_US);

	ASSERT_TRUE(smtd_until(smtd_read(dev, SMTD_HOLD_STAT) & SMTD_HOLD_STAT_HELD));
	came = smtd_is_held(dev, HOLD_SYNC);
	if (came) {
		ASSERT_TRUE(smtd_until(!strncmp(smtd_recovery(guilty_bdf), "broken", 6)));
		commands = smtd_read(dev, SMTD_SMMU_CMDS);
		came = smtd_is_held(dev, HOLD_SYNC);
		if (came)
			smtd_release(dev);
	}
	smtd_unhold(dev, HOLD_SYNC);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(smtd_call_join(&calls[i]), 0);
	for (i = 0; came && i < 2; i++) {
		EXPECT_FALSE(flushes[i].held || flushes[i].commands - commands < 2) {
			TH_LOG("flush %d has returned before the CFGI_STE of the fence was done",
			       i);
		}
	}
	end(_metadata, dev);
	return came;
}

TEST_F_TIMEOUT(skip, is_not_before_the_fence_is_done, TIMEOUT_S)
{
	struct smtd *dev = self->guilty;
	int round, good = 0;

	ASSERT_TRUE(smtd_pin(0));
	for (round = 0; round < ROUNDS && good < GOOD_ROUNDS; round++)
		good += race(_metadata, self, dev);
	printf("# %d rounds, in %d of them the second flush came between\n", round, good);
	fflush(stdout);
	EXPECT_EQ(good, GOOD_ROUNDS);
}

/* How many waits for a CMD_SYNC the kernel says it gave up; -1 where it does not say */
static int given_up(void)
{
	char text[32];
	FILE *file = popen("cat /sys/class/iommu/*/arm-smmu-v3/given_up_syncs 2> /dev/null", "r");
	int n = file && fgets(text, sizeof(text), file) ? atoi(text) : -1;

	if (file)
		pclose(file);
	return n;
}

/* By the test's own thread */
static int unmap(FIXTURE_DATA(skip) * self, unsigned int page)
{
	return smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA + page * SMTD_PAGE, SMTD_PAGE);
}

/*
 * The CFGI_STE is not done in time: the flush returns, which is counted, and the function
 * is not known to be fenced. A later flush gives up as well, but what it has sent must be
 * there when the queue goes on: an invalidation of its page. Then the function is fenced
 * without anybody asking for it, and left out from there on.
 */
TEST_F_TIMEOUT(skip, is_not_after_a_fence_that_was_given_up, TIMEOUT_S)
{
	struct smtd *dev = self->guilty;
	int before = given_up(), first;
	u32 sent;

	begin(self, dev, PAGES);
	smtd_hold(dev, HOLD_CFGI_STE, SMTD_OP_CFGI_STE, dev->sid);
	smtd_inv_error(dev, ERROR_US, 0);
	EXPECT_EQ(unmap(self, 0), 0);
	ASSERT_TRUE(smtd_is_held(dev, HOLD_CFGI_STE));
	EXPECT_STREQ(smtd_recovery(guilty_bdf), "broken atc-timeout");
	first = given_up();
	EXPECT_GE(first, before + 1);

	smtd_inv_answer(dev);
	sent = smtd_read(dev, SMTD_SMMU_INV_SENT);
	EXPECT_EQ(unmap(self, 1), 0);
	ASSERT_TRUE(smtd_is_held(dev, HOLD_CFGI_STE));
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_INV_SENT), sent);
	/* That of the IOTLB, and that of the ATC */
	EXPECT_GE(given_up(), first + 2);
	printf("# given up: %d, then %d, then %d\n", before, first, given_up());
	fflush(stdout);

	smtd_release(dev);
	ASSERT_TRUE(smtd_until(!strcmp(smtd_recovery(guilty_bdf), FENCED)));
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_INV_SENT), sent + 1) {
		TH_LOG("sent by a flush that found no fence: %u",
		       smtd_read(dev, SMTD_SMMU_INV_SENT) - sent);
	}
	smtd_mark_freed(dev, IOVA, 0);
	smtd_mark_freed(dev, IOVA + SMTD_PAGE, 0);

	sent = smtd_read(dev, SMTD_SMMU_INV_SENT);
	EXPECT_EQ(unmap(self, 2), 0);
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_INV_SENT), sent);
	end(_metadata, dev);
}

/*
 * A function is fenced for its reset. The flushes of a domain that it shares go on for
 * the other one, which has nothing to do with it.
 */
TEST_F_TIMEOUT(skip, concerns_the_one_inside_its_reset, TIMEOUT_S)
{
	struct smtd *dev = self->guilty;
	struct smtd_window window;
	u32 sent, received;

	ASSERT_EQ(smtd_attach(self->other, self->iommu->ioas_id), 0);
	smtd_observe(dev, self->other);
	begin(self, dev, 2);
	EXPECT_EQ(smtd_dma_run(self->other, .iova = IOVA, .ats = true), 1);
	ASSERT_TRUE(smtd_window_begin(&window, dev, RUDE));
	sent = smtd_read(dev, SMTD_SMMU_INV_SENT);
	received = smtd_stat(dev, SMTD_S_INV_RX);
	EXPECT_EQ(unmap(self, 0), 0);
	smtd_mark_freed(dev, IOVA, 0);
	smtd_mark_freed(self->other, IOVA, 0);
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_INV_SENT), sent + 1);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_INV_RX), received);
	EXPECT_EQ(smtd_dma_run(self->other, .iova = IOVA, .ats = true), 0);
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RESET_OK), 0);
	ASSERT_EQ(smtd_window_end(&window), 0);

	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_STREQ(smtd_recovery(guilty_bdf), SMTD_ACTIVE);
	sent = smtd_read(dev, SMTD_SMMU_INV_SENT);
	EXPECT_EQ(unmap(self, 1), 0);
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_INV_SENT), sent + 2);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	guilty_bdf = bdfs[0];
	other_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
