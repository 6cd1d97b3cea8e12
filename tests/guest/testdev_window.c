// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space does to the attachments of a function while that is inside its
 * reset: the reset must not undo it, refuse it, or let it wait for nothing.
 *
 * usage: testdev_window [options of kselftest_harness.h] OBSERVER FUNCTION [SIBLING]
 *
 * The observer is bound to no driver, the others to vfio-pci. FUNCTION has PASIDs
 * and goes on with its DMA inside its reset, through an ATC that keeps its entries.
 * The fixtures "closed" and "slot" need SIBLING; for "slot" FUNCTION is what OBSERVER
 * plugs in (property "plug").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/kernel.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define DOMAINS		3
#define PASID		5
#define TIMEOUT_S	120
#define TRIES		20
#define RUDE		(SMTD_FLR_KEEP_DMA | SMTD_FLR_KEEP_ATC)

/* An unpatched kernel writes PASID control while ATS is on: scenario 15's. */
#define BUT_PASID_CONTROL	BIT(SMTD_V_PASID_ATS)

static char **bdfs;
static int nr_bdfs;

/*
 * Each of the domains has another page at IOVA, and at an address of its own where
 * the others have none. The last one is what the function has without PASID while
 * the test is about a PASID.
 */
FIXTURE(window) {
	struct smtd *observer, *dev;
	struct iommu *iommu;
	struct smtd_window window;
	void *mem;
	u32 ioas[DOMAINS];
	int hwpt[DOMAINS];
};

FIXTURE_VARIANT(window) {
	u32 pasid;
};

FIXTURE_VARIANT_ADD(window, rid) {
	.pasid = 0,
};

FIXTURE_VARIANT_ADD(window, pasid) {
	.pasid = PASID,
};

static u64 own_iova(unsigned int i)
{
	return IOVA + (i + 1) * 0x10000000ULL;
}

static int new_domain(struct iommu *iommu, struct smtd *dev, void *page, u64 own, u32 *ioas)
{
	*ioas = smtd_ioas_alloc(iommu);
	smtd_map(iommu, *ioas, page, IOVA, SMTD_PAGE);
	smtd_map(iommu, *ioas, page, own, SMTD_PAGE);
	return smtd_hwpt_alloc(dev, *ioas, SMTD_HWPT_PASID, 0);
}

FIXTURE_SETUP(window)
{
	int i;

	ASSERT_GE(nr_bdfs, 2);
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->observer = smtd_watch(bdfs[0]);
	self->dev = smtd_open(bdfs[1], self->iommu);
	smtd_observe(self->dev, self->observer);
	self->mem = smtd_alloc(DOMAINS + 1);
	for (i = 0; i < DOMAINS; i++) {
		self->hwpt[i] = new_domain(self->iommu, self->dev, self->mem + i * SMTD_PAGE,
					   own_iova(i), &self->ioas[i]);
		ASSERT_GT(self->hwpt[i], 0);
	}
	if (variant->pasid)
		ASSERT_EQ(smtd_attach(self->dev, self->hwpt[DOMAINS - 1]), 0);
}

FIXTURE_TEARDOWN(window)
{
	smtd_behave(self->dev);
	smtd_print(self->dev, bdfs[1]);
	EXPECT_EQ(smtd_violations_but(self->dev, BUT_PASID_CONTROL), 0);
	smtd_close(self->dev);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

static int attach(struct smtd *dev, u32 pasid, u32 hwpt)
{
	return pasid ? smtd_attach_pasid(dev, pasid, hwpt) : smtd_attach(dev, hwpt);
}

static int detach(struct smtd *dev, u32 pasid)
{
	return pasid ? smtd_detach_pasid(dev, pasid) : smtd_detach(dev);
}

/* What the call returned is said in words, for whoever reads why a kernel fails. */
static int say(const char *what, int ret)
{
	printf("# %s inside the reset: %d\n", what, ret);
	fflush(stdout);
	return ret;
}

/* How the function writes at the moment */
static bool by_atc;

/* Writes without an end, as the ATC's entries allow or as the SMMU translates */
static void keep_writing(struct __test_metadata *_metadata, struct smtd *dev, u32 pasid, bool ats)
{
	by_atc = ats;
	smtd_dma_start(dev, .iova = IOVA, .pasid = pasid, .ats = ats);
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	EXPECT_GE(smtd_stat(dev, SMTD_S_OK), 1);
	smtd_stat_clear(dev);
}

/* Without ATS, stale entries of its ATC are all that a function can try. */
static bool can_try(struct smtd *dev)
{
	return !by_atc || smtd_read(dev, SMTD_ATC_ENTRIES) ||
	       (!smtd_read(dev, SMTD_IN_RESET) && smtd_ats_enabled(bdfs[1]));
}

static bool tries(struct smtd *dev)
{
	return !can_try(dev) || smtd_wait_tries(dev, TRIES);
}

/* The function tries, inside its reset, and nothing of it reaches memory. */
static void is_fenced(struct __test_metadata *_metadata, struct smtd *dev)
{
	EXPECT_TRUE(tries(dev));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RESET_OK), 0);
	if (!by_atc)
		EXPECT_GT(smtd_stat(dev, SMTD_S_RESET_FAULT), 0);
}

/* Whether a write to that address reaches memory, by the ATC and without: 0 to 2 */
static u32 reaches(struct smtd *dev, u64 iova, u32 pasid)
{
	smtd_dma_stop(dev);
	return smtd_dma_run(dev, .iova = iova, .pasid = pasid) +
	       smtd_dma_run(dev, .iova = iova, .pasid = pasid, .ats = true);
}

/*
 * Of the domains, @now is what a write to IOVA reaches, and no other; -1: none. The
 * words that the others had @before are still theirs.
 */
static void translates(struct __test_metadata *_metadata, struct smtd *dev, void *mem, u32 pasid,
		       int now, const u64 *before)
{
	u64 word = now >= 0 ? smtd_word(mem, now) : 0;
	int i;

	EXPECT_EQ(reaches(dev, IOVA, pasid), now >= 0 ? 2 : 0);
	for (i = 0; i < DOMAINS; i++) {
		if (i == now) {
			EXPECT_NE(smtd_word(mem, i), word);
		} else {
			EXPECT_EQ(smtd_word(mem, i), before[i]) {
				TH_LOG("after the reset domain %d is still written to", i);
			}
		}
		EXPECT_EQ(reaches(dev, own_iova(i), pasid), i == now ? 2 : 0);
	}
}

/* As they are now: after the last attach or detach, while the function is fenced */
static void words(void *mem, u64 *word)
{
	int i;

	for (i = 0; i < DOMAINS; i++)
		word[i] = smtd_word(mem, i);
}

/* Scenario 8. The attachment that is there after the reset is the one that was made last. */
TEST_F_TIMEOUT(window, replace_inside_a_reset_holds_after_it, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	u64 before[DOMAINS];
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(attach(dev, variant->pasid, self->hwpt[0]), 0);
		keep_writing(_metadata, dev, variant->pasid, i);
		ASSERT_TRUE(smtd_window_begin(&self->window, dev, RUDE));
		is_fenced(_metadata, dev);
		EXPECT_EQ(say("replace", attach(dev, variant->pasid, self->hwpt[1])), 0);
		is_fenced(_metadata, dev);
		words(self->mem, before);
		ASSERT_EQ(smtd_window_end(&self->window), 0);
		EXPECT_TRUE(tries(dev));
		translates(_metadata, dev, self->mem, variant->pasid, 1, before);
		if (variant->pasid)
			EXPECT_EQ(reaches(dev, own_iova(DOMAINS - 1), 0), 2);
	}
	EXPECT_TRUE(smtd_ats_enabled(bdfs[1]));
}

TEST_F_TIMEOUT(window, attach_inside_a_reset_holds_after_it, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	u64 before[DOMAINS];
	int i;

	/* Nothing was attached when the reset began; then it was, and is no more. */
	for (i = 0; i < 2; i++) {
		if (i)
			ASSERT_EQ(attach(dev, variant->pasid, self->hwpt[0]), 0);
		by_atc = false;
		smtd_dma_start(dev, .iova = IOVA, .pasid = variant->pasid);
		EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
		smtd_stat_clear(dev);
		ASSERT_TRUE(smtd_window_begin(&self->window, dev, RUDE));
		if (i)
			EXPECT_EQ(say("detach", detach(dev, variant->pasid)), 0);
		EXPECT_EQ(say("attach", attach(dev, variant->pasid, self->hwpt[1])), 0);
		is_fenced(_metadata, dev);
		words(self->mem, before);
		ASSERT_EQ(smtd_window_end(&self->window), 0);
		translates(_metadata, dev, self->mem, variant->pasid, 1, before);
		EXPECT_EQ(detach(dev, variant->pasid), 0);
	}
}

TEST_F_TIMEOUT(window, detach_inside_a_reset_holds_after_it, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	u64 before[DOMAINS];

	ASSERT_EQ(attach(dev, variant->pasid, self->hwpt[0]), 0);
	keep_writing(_metadata, dev, variant->pasid, true);
	ASSERT_TRUE(smtd_window_begin(&self->window, dev, RUDE));
	EXPECT_EQ(say("detach", detach(dev, variant->pasid)), 0);
	is_fenced(_metadata, dev);
	words(self->mem, before);
	ASSERT_EQ(smtd_window_end(&self->window), 0);
	EXPECT_TRUE(tries(dev));
	translates(_metadata, dev, self->mem, variant->pasid, -1, before);
	ASSERT_EQ(attach(dev, variant->pasid, self->hwpt[1]), 0);
	words(self->mem, before);
	translates(_metadata, dev, self->mem, variant->pasid, 1, before);
}

/* There and back: what was attached when the reset began is attached again. */
TEST_F_TIMEOUT(window, replace_and_back_inside_a_reset_changes_nothing, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	u64 before[DOMAINS];

	ASSERT_EQ(attach(dev, variant->pasid, self->hwpt[0]), 0);
	keep_writing(_metadata, dev, variant->pasid, true);
	ASSERT_TRUE(smtd_window_begin(&self->window, dev, RUDE));
	EXPECT_EQ(say("replace", attach(dev, variant->pasid, self->hwpt[1])), 0);
	is_fenced(_metadata, dev);
	EXPECT_EQ(say("replace", attach(dev, variant->pasid, self->hwpt[0])), 0);
	is_fenced(_metadata, dev);
	words(self->mem, before);
	ASSERT_EQ(smtd_window_end(&self->window), 0);
	translates(_metadata, dev, self->mem, variant->pasid, 0, before);
}

/* Domain @i is freed, with its address space; whatever is written to it is a violation. */
static void free_domain(struct __test_metadata *_metadata, struct iommu *iommu, struct smtd *dev,
			u32 ioas, u32 hwpt, int i, u32 pasid)
{
	EXPECT_EQ(smtd_destroy(iommu, hwpt), 0);
	EXPECT_EQ(smtd_unmap(iommu, ioas, IOVA, SMTD_PAGE), 0);
	EXPECT_EQ(smtd_unmap(iommu, ioas, own_iova(i), SMTD_PAGE), 0);
	EXPECT_EQ(smtd_destroy(iommu, ioas), 0);
	smtd_mark_freed(dev, own_iova(i), pasid);
}

/*
 * Scenario 9. The domain that was attached when the reset began is gone before it
 * ends, and a new one has its memory, its ASID and its place.
 */
TEST_F_TIMEOUT(window, domain_is_freed_inside_a_reset, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	u64 before[DOMAINS];

	ASSERT_EQ(attach(dev, variant->pasid, self->hwpt[0]), 0);
	keep_writing(_metadata, dev, variant->pasid, true);
	ASSERT_EQ(reaches(dev, own_iova(0), variant->pasid), 2);
	keep_writing(_metadata, dev, variant->pasid, true);
	smtd_dma_aim(dev, own_iova(0), variant->pasid);

	ASSERT_TRUE(smtd_window_begin(&self->window, dev, RUDE));
	ASSERT_EQ(say("replace", attach(dev, variant->pasid, self->hwpt[1])), 0);
	free_domain(_metadata, self->iommu, dev, self->ioas[0], self->hwpt[0], 0,
		    variant->pasid);
	is_fenced(_metadata, dev);
	smtd_stat_clear(dev);
	words(self->mem, before);
	ASSERT_EQ(smtd_window_end(&self->window), 0);
	EXPECT_TRUE(tries(dev));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_OK), 0);
	translates(_metadata, dev, self->mem, variant->pasid, 1, before);

	/* Detached and freed, and one in its place that did not exist before */
	keep_writing(_metadata, dev, variant->pasid, true);
	ASSERT_TRUE(smtd_window_begin(&self->window, dev, RUDE));
	EXPECT_EQ(say("detach", detach(dev, variant->pasid)), 0);
	free_domain(_metadata, self->iommu, dev, self->ioas[1], self->hwpt[1], 1,
		    variant->pasid);
	smtd_unmark_all(dev);
	self->hwpt[0] = new_domain(self->iommu, dev, self->mem, own_iova(0), &self->ioas[0]);
	ASSERT_GT(self->hwpt[0], 0);
	EXPECT_EQ(say("attach", attach(dev, variant->pasid, self->hwpt[0])), 0);
	is_fenced(_metadata, dev);
	words(self->mem, before);
	ASSERT_EQ(smtd_window_end(&self->window), 0);
	translates(_metadata, dev, self->mem, variant->pasid, 0, before);

	/* Detached and freed, and nothing in its place */
	keep_writing(_metadata, dev, variant->pasid, true);
	ASSERT_TRUE(smtd_window_begin(&self->window, dev, RUDE));
	EXPECT_EQ(say("detach", detach(dev, variant->pasid)), 0);
	free_domain(_metadata, self->iommu, dev, self->ioas[0], self->hwpt[0], 0,
		    variant->pasid);
	is_fenced(_metadata, dev);
	words(self->mem, before);
	ASSERT_EQ(smtd_window_end(&self->window), 0);
	translates(_metadata, dev, self->mem, variant->pasid, -1, before);
}

FIXTURE(closed) {
	struct smtd *observer, *dev, *sibling, *watch;
	struct iommu *iommu;
	void *mem;
};

/* Both are in one domain. What concerns the reset of the function goes by @watch. */
FIXTURE_SETUP(closed)
{
	ASSERT_EQ(nr_bdfs, 3);
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->observer = smtd_watch(bdfs[0]);
	self->dev = smtd_open(bdfs[1], self->iommu);
	self->sibling = smtd_open(bdfs[2], self->iommu);
	self->watch = smtd_watch(bdfs[1]);
	smtd_observe(self->watch, self->observer);
	self->mem = smtd_alloc(4);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem + SMTD_PAGE, IOVA + SMTD_PAGE,
		 SMTD_PAGE);
	ASSERT_EQ(smtd_attach(self->dev, self->iommu->ioas_id), 0);
	ASSERT_EQ(smtd_attach(self->sibling, self->iommu->ioas_id), 0);
	ASSERT_EQ(reaches(self->sibling, IOVA, 0), 2);
}

FIXTURE_TEARDOWN(closed)
{
	smtd_behave(self->watch);
	smtd_print(self->watch, bdfs[1]);
	EXPECT_EQ(smtd_violations_but(self->observer, BUT_PASID_CONTROL), 0);
	smtd_close(self->watch);
	smtd_close(self->sibling);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

/* The sibling works, and what is unmapped is invalidated for it. */
static void sibling_is_well(struct __test_metadata *_metadata, struct iommu *iommu,
			    struct smtd *sibling)
{
	ASSERT_EQ(reaches(sibling, IOVA, 0), 2);
	ASSERT_EQ(smtd_unmap(iommu, iommu->ioas_id, IOVA, SMTD_PAGE), 0);
	smtd_mark_freed(sibling, IOVA, 0);
	EXPECT_EQ(reaches(sibling, IOVA, 0), 0);
	EXPECT_EQ(reaches(sibling, IOVA + SMTD_PAGE, 0), 2);
	smtd_unmark_all(sibling);
}

/*
 * The owner goes while somebody else resets the function: with its file go the
 * attachment and the address space. What the function still tries after the reset
 * reaches nothing, and whoever opens it next finds it as new.
 */
TEST_F_TIMEOUT(closed, file_inside_a_reset_leaves_nothing_behind, TIMEOUT_S)
{
	struct smtd_window window;
	u64 word;
	int i;

	for (i = 0; i < 2; i++) {
		keep_writing(_metadata, self->dev, 0, i);
		ASSERT_TRUE(smtd_window_begin(&window, self->watch, RUDE));
		smtd_close(self->dev);
		is_fenced(_metadata, self->watch);
		word = smtd_word(self->mem, 0);
		EXPECT_EQ(smtd_window_end(&window), 0);
		smtd_stat_clear(self->watch);
		EXPECT_TRUE(tries(self->watch));
		EXPECT_EQ(smtd_stat(self->watch, SMTD_S_OK), 0);
		EXPECT_EQ(smtd_word(self->mem, 0), word);

		self->dev = smtd_open(bdfs[1], self->iommu);
		ASSERT_EQ(smtd_attach(self->dev, self->iommu->ioas_id), 0);
		EXPECT_EQ(reaches(self->dev, IOVA, 0), 2);
	}
	sibling_is_well(_metadata, self->iommu, self->sibling);
	EXPECT_EQ(reaches(self->dev, IOVA, 0), 0);
	EXPECT_EQ(reaches(self->dev, IOVA + SMTD_PAGE, 0), 2);
	smtd_close(self->dev);
}

FIXTURE(slot) {
	struct smtd *observer, *sibling, *watch;
	struct iommu *iommu;
	void *mem;
};

/* The function is plugged in by the observer. Nobody has opened it. */
FIXTURE_SETUP(slot)
{
	struct smtd *dev;

	ASSERT_EQ(nr_bdfs, 3);
	self->observer = smtd_watch(bdfs[0]);
	ASSERT_TRUE(smtd_plug_in(self->observer));
	ASSERT_TRUE(smtd_vfio_comes_up(bdfs[1]));
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->mem = smtd_alloc(2);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, 2 * SMTD_PAGE);
	self->sibling = smtd_open(bdfs[2], self->iommu);
	ASSERT_EQ(smtd_attach(self->sibling, self->iommu->ioas_id), 0);
	/* VFIO enables a function that is open. */
	dev = smtd_open(bdfs[1], self->iommu);
	self->watch = smtd_watch(bdfs[1]);
	smtd_observe(self->watch, self->observer);
	smtd_close(dev);
}

FIXTURE_TEARDOWN(slot)
{
	EXPECT_EQ(smtd_violations_but(self->observer, BUT_PASID_CONTROL), 0);
	smtd_close(self->watch);
	smtd_close(self->sibling);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

static int power_off(void *arg)
{
	return smtd_slot_power(*(int *)arg, false);
}

/* Attach it, let it write, detach it: the first user of a new function. */
static void use(struct __test_metadata *_metadata, struct iommu *iommu)
{
	struct smtd *dev = smtd_open(bdfs[1], iommu);

	ASSERT_EQ(smtd_attach(dev, iommu->ioas_id), 0);
	EXPECT_EQ(reaches(dev, IOVA + SMTD_PAGE, 0), 2);
	smtd_close(dev);
}

/*
 * The slot of the function is switched off inside its reset: by hand, for the button
 * takes five seconds. The sibling, which was in one domain with it, goes on, and
 * what comes when the slot has a function again is a new one.
 */
TEST_F_TIMEOUT(slot, that_is_switched_off_inside_a_reset_leaves_nothing_behind, TIMEOUT_S)
{
	int slot = smtd_slot(bdfs[1]), ret;
	struct smtd_window window;
	struct smtd_call off;

	ASSERT_GE(slot, 0);
	use(_metadata, self->iommu);
	ASSERT_TRUE(smtd_window_begin(&window, self->watch, RUDE));
	smtd_call_start(&off, power_off, &slot);
	ASSERT_TRUE(smtd_until(smtd_call_sleeps(&off) || smtd_call_done(&off)));
	ret = smtd_window_end(&window);
	EXPECT_EQ(smtd_call_join(&off), 0);
	printf("# the reset that the removal has met returned %d\n", ret);
	EXPECT_FALSE(smtd_exists(bdfs[1]));
	EXPECT_EQ(reaches(self->sibling, IOVA, 0), 2);

	ASSERT_TRUE(smtd_plug_in(self->observer));
	ASSERT_TRUE(smtd_vfio_comes_up(bdfs[1]));
	if (smtd_quarantines(bdfs[1]) >= 0) {
		EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_ACTIVE);
		EXPECT_EQ(smtd_quarantines(bdfs[1]), 0);
	}
	use(_metadata, self->iommu);
	ASSERT_EQ(smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, 2 * SMTD_PAGE), 0);
	smtd_mark_freed(self->sibling, IOVA, 0);
	EXPECT_EQ(reaches(self->sibling, IOVA, 0), 0);
}

int main(int argc, char *argv[])
{
	bdfs = vfio_selftests_get_bdfs(&argc, argv, &nr_bdfs);
	return test_harness_run(argc, argv);
}
