// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that go on with their DMA when they are reset.
 *
 * usage: testdev_reset [options of kselftest_harness.h] OBSERVER FUNCTION...
 *
 * The observer is bound to no driver. The others are reset, and watched through it;
 * for PASIDs the first one must have them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		16
/* A page that is mapped by itself, to be freed */
#define FREED		(IOVA + PAGES * SMTD_PAGE)
#define TIMEOUT_S	240
#define TRIES		50
/* An unpatched kernel interrupts DMA for so short that not each write meets it. */
#define METHOD_WRITES	100

static char **bdfs;
static int nr_bdfs;

FIXTURE(one_function) {
	struct smtd *observer, *dev;
	struct iommu *iommu;
	void *mem;
};

FIXTURE_SETUP(one_function)
{
	ASSERT_GE(nr_bdfs, 2);
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->observer = smtd_watch(bdfs[0]);
	self->dev = smtd_open(bdfs[1], self->iommu);
	smtd_observe(self->dev, self->observer);
	self->mem = smtd_alloc(PAGES);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, PAGES * SMTD_PAGE);
	ASSERT_EQ(smtd_attach(self->dev, self->iommu->ioas_id), 0);
}

FIXTURE_TEARDOWN(one_function)
{
	/* Makes the function ready again, or closing it would take as long as a reset. */
	smtd_behave(self->dev);
	smtd_print(self->dev, bdfs[1]);
	smtd_close(self->dev);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

/*
 * FLR that never ends: the kernel gives up after more than a minute and reports
 * an error. What the function is doing then is anybody's guess, so it must be
 * left behind the fence that was shut for the reset: no access to memory, and no
 * invalidation, which it would not answer, until a reset succeeds. Between the log
 * marks a host check looks for writes that enable ATS, which the function, dead as
 * it is, does not take.
 */
TEST_F_TIMEOUT(one_function, stays_fenced_when_its_reset_has_failed, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	u32 inside, after, asked;
	u64 begin, end;
	int ret;

	smtd_dma_start(dev, .iova = IOVA, .period_us = 10000);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_OK, 5));
	smtd_flr(dev, SMTD_FLR_KEEP_DMA, SMTD_FLR_READY_NEVER);

	smtd_log_mark(dev, 1);
	begin = smtd_now_us();
	smtd_stat_clear(dev);
	ret = smtd_reset(dev);
	end = smtd_now_us();
	inside = smtd_stat(dev, SMTD_S_OK);
	ASSERT_LT(ret, 0);
	ASSERT_EQ(smtd_read(dev, SMTD_IN_RESET), 1);
	ASSERT_TRUE(smtd_wait_tries(dev, TRIES));
	after = smtd_stat(dev, SMTD_S_OK) - inside;
	smtd_log_mark(dev, 2);

	printf("# reset returned %d after %llu s; ", ret,
	       (unsigned long long)(end - begin) / 1000000);
	printf("DMA that reached memory: %u before that, %u after it\n", inside, after);
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_EQ(after, 0);
	EXPECT_STREQ(smtd_recovery(dev->bdf), SMTD_QUARANTINED);
	EXPECT_EQ(smtd_quarantines(dev->bdf), 1);
	EXPECT_TRUE(smtd_until(smtd_uevents(dev->bdf) == 1));
	EXPECT_STREQ(smtd_last_uevent(dev->bdf), SMTD_QUARANTINED);

	/* Nor does it come back by itself when the function does. */
	asked = smtd_read(dev, SMTD_SMMU_INV_SENT);
	smtd_flr(dev, SMTD_FLR_KEEP_DMA, 1);
	ASSERT_TRUE(smtd_wait_reg(dev, SMTD_IN_RESET, 0));
	EXPECT_FALSE(smtd_ats_enabled(dev->bdf));
	smtd_stat_clear(dev);
	ASSERT_TRUE(smtd_wait_tries(dev, TRIES));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_OK), 0);
	EXPECT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, PAGES * SMTD_PAGE), 0);
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_INV_SENT), asked);
	EXPECT_STREQ(smtd_recovery(dev->bdf), SMTD_QUARANTINED);

	/* A reset that succeeds lifts it. */
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, PAGES * SMTD_PAGE);
	smtd_flr(dev, 0, 1);
	EXPECT_EQ(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(dev->bdf), SMTD_ACTIVE);
	EXPECT_EQ(smtd_quarantines(dev->bdf), 1);
	EXPECT_TRUE(smtd_until(smtd_uevents(dev->bdf) == 2));
	EXPECT_STREQ(smtd_last_uevent(dev->bdf), SMTD_ACTIVE);
	/* The kernel has saved what the dead function's registers said then. */
	smtd_enable(dev);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 4, .ats = true), 4);
	EXPECT_TRUE(smtd_ats_enabled(dev->bdf));
	EXPECT_EQ(smtd_violations_but(dev, 1 << SMTD_V_INV_IN_RESET), 0);
}

/* Mend the function when the reset of its bus has come, so that this one succeeds. */
static int mend_in_second_reset(void *arg)
{
	struct smtd *dev = arg;

	while (smtd_stat(dev, SMTD_S_RESET) < 2)
		usleep(20000);
	smtd_flr(dev, SMTD_FLR_KEEP_DMA, 1);
	return 0;
}

/*
 * Scenario 5. The FLR never ends, and the kernel falls back to a reset of the bus.
 * In between the function stays fenced; after the second one it is well.
 */
TEST_F_TIMEOUT(one_function, works_when_a_second_method_has_reset_it, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	struct smtd_call mend;

	ASSERT_EQ(smtd_sysfs_write(dev->bdf, "reset_method", "flr bus"), 0);
	smtd_dma_start(dev, .iova = IOVA, .period_us = 10000);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_OK, 5));
	smtd_flr(dev, SMTD_FLR_KEEP_DMA, SMTD_FLR_READY_NEVER);
	smtd_stat_clear(dev);
	smtd_call_start(&mend, mend_in_second_reset, dev);

	EXPECT_EQ(smtd_reset(dev), 0);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RESET), 2);
	printf("# inside the resets reached memory: %u, refused: %u\n",
	       smtd_stat(dev, SMTD_S_RESET_OK), smtd_stat(dev, SMTD_S_RESET_FAULT));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RESET_OK), 0);
	EXPECT_GT(smtd_stat(dev, SMTD_S_RESET_FAULT), 0);
	EXPECT_EQ(smtd_call_join(&mend), 0);
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_STREQ(smtd_recovery(dev->bdf), SMTD_ACTIVE);
	/* It was never quarantined, and nobody was told that. */
	EXPECT_EQ(smtd_quarantines(dev->bdf), 0);
	EXPECT_EQ(smtd_uevents(dev->bdf), 0);

	smtd_behave(dev);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 4, .ats = true), 4);
	EXPECT_NE(smtd_word(self->mem, 3), 0);
	EXPECT_EQ(smtd_sysfs_write(dev->bdf, "reset_method", "default"), 0);
}

/*
 * A write to reset_method asks whether the methods exist, no more. The log marks
 * are for a host check, which sees every command between them.
 */
TEST_F_TIMEOUT(one_function, is_not_fenced_when_reset_methods_are_chosen, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	int i;

	smtd_dma_start(dev, .iova = IOVA, .period_us = 5);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_OK, 5));

	smtd_log_mark(dev, 1);
	for (i = 0; i < METHOD_WRITES; i++)
		EXPECT_EQ(smtd_sysfs_write(dev->bdf, "reset_method", "bus"), 0);
	smtd_log_mark(dev, 2);
	smtd_dma_stop(dev);

	printf("# %u writes to reset_method, DMA meanwhile: %u done, %u refused\n",
	       METHOD_WRITES, smtd_stat(dev, SMTD_S_OK), smtd_stat(dev, SMTD_S_FAULT));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_FAULT), 0);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RESET), 0);
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_EQ(smtd_sysfs_write(dev->bdf, "reset_method", "default"), 0);
}

FIXTURE(bus) {
	struct smtd *observer, *dev[2];
	struct iommu *iommu;
	void *mem, *freed;
	int quarantines;	/* of the second function, before */
};

FIXTURE_SETUP(bus)
{
	int i;

	ASSERT_GE(nr_bdfs, 3);
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->mem = smtd_alloc(PAGES);
	self->freed = smtd_alloc(1);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, PAGES * SMTD_PAGE);
	self->observer = smtd_watch(bdfs[0]);
	self->quarantines = smtd_quarantines(bdfs[2]);
	for (i = 0; i < 2; i++) {
		self->dev[i] = smtd_open(bdfs[i + 1], self->iommu);
		smtd_observe(self->dev[i], self->observer);
		ASSERT_EQ(smtd_attach(self->dev[i], self->iommu->ioas_id), 0);
	}
}

FIXTURE_TEARDOWN(bus)
{
	int i;

	for (i = 0; i < 2; i++) {
		smtd_behave(self->dev[i]);
		smtd_print(self->dev[i], bdfs[i + 1]);
	}
	for (i = 0; i < 2; i++)
		smtd_close(self->dev[i]);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

/*
 * A hot reset of the bus is a reset of each of its functions, and must be fenced
 * as one. The functions go on with their DMA inside; none of it reaches memory
 * when the fence is shut before the reset of the bus begins and opened only when
 * they are ready again.
 */
TEST_F_TIMEOUT(bus, functions_are_fenced_inside_a_hot_reset, TIMEOUT_S)
{
	u32 ok[2], refused[2], resets = 0;
	int i;

	for (i = 0; i < 2; i++) {
		smtd_dma_start(self->dev[i], .iova = IOVA + i * SMTD_PAGE, .period_us = 20);
		ASSERT_TRUE(smtd_wait_stat(self->dev[i], SMTD_S_OK, 5));
		/*
		 * Ready before the kernel looks, which does not wait for a
		 * function without a power management capability.
		 */
		smtd_flr(self->dev[i], SMTD_FLR_KEEP_DMA, 1);
		smtd_stat_clear(self->dev[i]);
	}

	/* On a busy host the time inside may pass without a transaction. */
	do {
		ASSERT_EQ(smtd_hot_reset(self->dev[0]), 0);
		resets++;
		for (i = 0; i < 2; i++) {
			ok[i] = smtd_stat(self->dev[i], SMTD_S_RESET_OK);
			refused[i] = smtd_stat(self->dev[i], SMTD_S_RESET_FAULT);
			ASSERT_EQ(smtd_stat(self->dev[i], SMTD_S_RESET), resets);
		}
	} while (resets < 20 && (!(ok[0] + refused[0]) || !(ok[1] + refused[1])));
	ASSERT_GT(ok[0] + refused[0], 0);
	ASSERT_GT(ok[1] + refused[1], 0);

	printf("# inside the hot reset reached memory: %u writes of %s, %u of %s\n",
	       ok[0], bdfs[1], ok[1], bdfs[2]);
	printf("# refused: %u, %u\n", refused[0], refused[1]);
	EXPECT_EQ(ok[0], 0);
	EXPECT_EQ(ok[1], 0);

	/* And they work again. */
	for (i = 0; i < 2; i++) {
		smtd_behave(self->dev[i]);
		EXPECT_EQ(smtd_dma_run(self->dev[i], .iova = IOVA, .ats = true), 1);
	}
	EXPECT_EQ(smtd_violations(self->observer), 0);
}

/*
 * One of the functions does not come back, which a hot reset that looks at the
 * first one only calls a success. That one stays fenced, and the other works; a hot
 * reset from which it comes back lets it in again.
 */
TEST_F_TIMEOUT(bus, function_that_does_not_come_back_stays_fenced, TIMEOUT_S)
{
	struct smtd *good = self->dev[0], *bad = self->dev[1];
	u32 asked;

	smtd_dma_start(bad, .iova = IOVA, .period_us = 1000);
	ASSERT_TRUE(smtd_wait_stat(bad, SMTD_S_OK, 5));
	smtd_flr(good, 0, 1);
	smtd_flr(bad, SMTD_FLR_KEEP_DMA, SMTD_FLR_READY_NEVER);
	smtd_stat_clear(bad);

	EXPECT_EQ(smtd_hot_reset(good), 0);
	EXPECT_EQ(smtd_read(bad, SMTD_IN_RESET), 1);
	ASSERT_TRUE(smtd_wait_tries(bad, TRIES));
	printf("# of a function that has not come back reached memory: %u\n",
	       smtd_stat(bad, SMTD_S_RESET_OK));
	EXPECT_EQ(smtd_stat(bad, SMTD_S_RESET_OK), 0);
	EXPECT_STREQ(smtd_recovery(bad->bdf), SMTD_QUARANTINED);
	EXPECT_STREQ(smtd_recovery(good->bdf), SMTD_ACTIVE);
	EXPECT_EQ(smtd_dma_run(good, .iova = IOVA, .ats = true), 1);

	/* It is asked nothing, also when it could answer. */
	smtd_flr(bad, SMTD_FLR_KEEP_DMA, 1);
	ASSERT_TRUE(smtd_wait_reg(bad, SMTD_IN_RESET, 0));
	asked = smtd_stat(bad, SMTD_S_INV_RX);
	EXPECT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, PAGES * SMTD_PAGE), 0);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, PAGES * SMTD_PAGE);
	EXPECT_EQ(smtd_stat(bad, SMTD_S_INV_RX), asked);
	EXPECT_STREQ(smtd_recovery(bad->bdf), SMTD_QUARANTINED);

	EXPECT_EQ(smtd_hot_reset(good), 0);
	EXPECT_STREQ(smtd_recovery(bad->bdf), SMTD_ACTIVE);
	EXPECT_STREQ(smtd_recovery(good->bdf), SMTD_ACTIVE);
	smtd_behave(bad);
	/* The kernel has saved what the dead function's registers said then. */
	smtd_enable(bad);
	EXPECT_EQ(smtd_dma_run(bad, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(smtd_dma_run(good, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(smtd_violations(self->observer), 0);
}

static int reset_alone(void *arg)
{
	return smtd_reset(arg);
}

static int reset_with_bus(void *arg)
{
	return smtd_hot_reset(arg);
}

/* The page is unmapped, and the function keeps what it has of it, and writes on. */
static void ignore_an_unmap(struct __test_metadata *_metadata, FIXTURE_DATA(bus) * self,
			    struct smtd *dev)
{
	smtd_map(self->iommu, self->iommu->ioas_id, self->freed, FREED, SMTD_PAGE);
	smtd_dma_start(dev, .iova = FREED, .ats = true, .period_us = 10000);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 5));
	smtd_flr(dev, SMTD_FLR_KEEP_DMA | SMTD_FLR_KEEP_ATC, SMTD_FLR_READY_NEVER);
	smtd_inv_error(dev, 20000, 0);
	ASSERT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, FREED, SMTD_PAGE), 0);
	smtd_mark_freed(dev, FREED, 0);
	if (smtd_quarantines(dev->bdf) >= 0)
		ASSERT_TRUE(smtd_until(!strcmp(smtd_recovery(dev->bdf),
					       "quarantined atc-timeout")));
}

/*
 * Once more, and the function is there, but still answers with Unsupported Requests.
 * No more is asked of it than that the SMMU takes this for an answer and that its
 * configuration space can be read. That will do: a reset that has succeeded has
 * emptied the ATC itself, and the invalidation only shows that the function can be
 * reached.
 */
static void comes_back(struct __test_metadata *_metadata, FIXTURE_DATA(bus) * self,
		       int (*reset)(void *dev), struct smtd *arg)
{
	struct smtd *dev = self->dev[1];
	u32 asked;

	smtd_flr(dev, 0, 1);
	asked = smtd_stat(dev, SMTD_S_INV_RX);
	EXPECT_EQ(reset(arg), 0);
	EXPECT_EQ(smtd_read(dev, SMTD_ATC_ENTRIES), 0);
	EXPECT_GT(smtd_stat(dev, SMTD_S_INV_RX), asked);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_INV_DONE), 0);
	EXPECT_STREQ(smtd_recovery(dev->bdf), SMTD_ACTIVE);
	EXPECT_EQ(smtd_quarantines(dev->bdf), self->quarantines + 1);
	EXPECT_TRUE(smtd_ats_enabled(dev->bdf));
	smtd_behave(dev);
	/* The kernel has saved what the function's registers said after its reset. */
	smtd_enable(dev);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(smtd_dma_run(dev, .iova = FREED, .ats = true), 0);
	EXPECT_EQ(smtd_violations(dev), 0);
}

/*
 * Scenario 30b. A function that is quarantined for its ATC is gone by the end of its
 * reset. Then the root complex answers for it: configuration space is all ones, and
 * invalidations are Unsupported Requests, answers to the SMMU, which have not
 * invalidated anything. Back without having been reset to the end, the function goes
 * on with the entry that it has kept, and must find its gate shut.
 */
static void away_in_a_reset(struct __test_metadata *_metadata, FIXTURE_DATA(bus) * self,
			    int (*reset)(void *dev), struct smtd *arg)
{
	struct smtd *dev = self->dev[1];
	struct smtd_call call;
	u32 reached;
	int ret;

	ignore_an_unmap(_metadata, self, dev);

	/* It goes when the reset has come to it, and is not ready before. */
	smtd_inv_mode(dev, SMTD_INV_UR);
	smtd_write(dev, SMTD_FLR_INV_MODE, SMTD_INV_UR);
	smtd_call_start(&call, reset, arg);
	ASSERT_TRUE(smtd_wait_reg(dev, SMTD_IN_RESET, 1));
	smtd_write(dev, SMTD_VANISH, 1);
	smtd_flr(dev, SMTD_FLR_KEEP_DMA | SMTD_FLR_KEEP_ATC, 1);
	ret = smtd_call_join(&call);
	ASSERT_TRUE(smtd_wait_reg(dev, SMTD_IN_RESET, 0));
	ASSERT_EQ(smtd_read(dev, SMTD_ATC_ENTRIES), 1);

	/* What it has done until here is others' concern: scenarios 3, 7 and 26. */
	smtd_violations_clear(dev);
	smtd_stat_clear(dev);
	smtd_write(dev, SMTD_VANISH, 0);
	ASSERT_TRUE(smtd_wait_tries(dev, TRIES));
	reached = smtd_stat(dev, SMTD_S_OK);
	printf("# reset: %d; of a function that was away in it reached a freed page: %u\n", ret,
	       reached);
	fflush(stdout);
	EXPECT_EQ(reached, 0);
	EXPECT_GE(smtd_stat(dev, SMTD_S_FORBIDDEN), TRIES);
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_FALSE(smtd_ats_enabled(dev->bdf));
	/* Quarantined for this reset by then, and still the first time */
	ASSERT_STREQ(smtd_recovery(dev->bdf), SMTD_QUARANTINED);
	EXPECT_EQ(smtd_quarantines(dev->bdf), self->quarantines + 1);

	comes_back(_metadata, self, reset, arg);
}

TEST_F_TIMEOUT(bus, function_that_is_away_in_its_flr_stays_fenced, TIMEOUT_S)
{
	away_in_a_reset(_metadata, self, reset_alone, self->dev[1]);
}

/* This one is a success for the kernel, which asks the first function of the bus only. */
TEST_F_TIMEOUT(bus, function_that_is_away_in_a_hot_reset_stays_fenced, TIMEOUT_S)
{
	smtd_flr(self->dev[0], 0, 1);
	away_in_a_reset(_metadata, self, reset_with_bus, self->dev[0]);
	EXPECT_STREQ(smtd_recovery(self->dev[0]->bdf), SMTD_ACTIVE);
	EXPECT_EQ(smtd_dma_run(self->dev[0], .iova = IOVA, .ats = true), 1);
}

static int hot_reset(struct smtd *dev)
{
	return smtd_hot_reset(dev);
}

static int attribute_reset(struct smtd *dev)
{
	return smtd_sysfs_reset(dev->bdf);
}

/*
 * Scenario 15. The PASID enables must not change while ATS is enabled, and a reset
 * loses both. The oracle sees each write. The last reset is that of the close.
 */
TEST_F_TIMEOUT(one_function, has_its_pasids_back_before_ats, TIMEOUT_S)
{
	static const struct {
		const char *name;
		int (*reset)(struct smtd *dev);
	} ways[] = {
		{ "VFIO_DEVICE_RESET", smtd_reset },
		{ "the attribute reset", attribute_reset },
		{ "a hot reset", hot_reset },
		{ "a close", NULL },
	};
	struct smtd *dev = self->dev;
	int hwpt, violations = 0;
	unsigned int i;

	hwpt = smtd_hwpt_alloc(dev, self->iommu->ioas_id, SMTD_HWPT_PASID, 0);
	ASSERT_GT(hwpt, 0);
	ASSERT_EQ(smtd_attach(dev, hwpt), 0);
	ASSERT_EQ(smtd_attach_pasid(dev, 1, hwpt), 0);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		ASSERT_TRUE(smtd_pasid_enabled(dev->bdf));
		ASSERT_TRUE(smtd_ats_enabled(dev->bdf));
		smtd_violations_clear(self->observer);
		smtd_flr(dev, 0, 1);
		if (ways[i].reset) {
			EXPECT_EQ(ways[i].reset(dev), 0);
		} else {
			smtd_close(dev);
			dev = smtd_watch(bdfs[1]);
			self->dev = dev;
			smtd_observe(dev, self->observer);
		}
		printf("# writes of PASID control while ATS was enabled, in %s: %u\n",
		       ways[i].name, smtd_violation(self->observer, SMTD_V_PASID_ATS));
		violations += smtd_violations(self->observer);
		EXPECT_TRUE(smtd_pasid_enabled(dev->bdf));
		if (!ways[i].reset)
			continue;
		EXPECT_TRUE(smtd_ats_enabled(dev->bdf));
		EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 1, .ats = true), 1);
	}
	EXPECT_EQ(violations, 0);
}

int main(int argc, char *argv[])
{
	bdfs = vfio_selftests_get_bdfs(&argc, argv, &nr_bdfs);
	return test_harness_run(argc, argv);
}
