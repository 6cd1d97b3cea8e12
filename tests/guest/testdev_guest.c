// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidations that a guest sends for the functions it was given.
 *
 * usage: testdev_guest [options of kselftest_harness.h] GUILTY BENIGN
 *
 * Both functions are in one vIOMMU, which needs an SMMU with FWB, and use the page
 * tables of one address space of the guest. The second one always does as it is told.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
/* Where the guest's memory begins, with its page tables */
#define GUEST_IPA	0x50000000ULL
#define PAGES		4
#define TIMEOUT_S	120

/* What the guest calls them */
#define GUILTY		0x10
#define BENIGN		0x21

/* Transactions that a function is given to show that it still reaches memory */
#define TRIES		50

/* More commands than the driver takes into one run, twice */
#define MANY		200

#define ERROR_US	20000

#define FENCED		"quarantined atc-timeout"

static const char *guilty_bdf, *benign_bdf;

FIXTURE(guest) {
	struct iommu *iommu;
	struct smtd *guilty, *benign;
	u32 viommu;
	void *mem;
	u32 errors, sent;	/* before a block of commands */
};

static u64 iova_of(unsigned int page)
{
	return IOVA + page * SMTD_PAGE;
}

static void guest_map(FIXTURE_DATA(guest) * self, unsigned int page)
{
	smtd_guest_page(self->mem, iova_of(page),
			GUEST_IPA + (SMTD_GUEST_PAGES + page) * SMTD_PAGE);
}

static void give_to_guest(struct __test_metadata *_metadata, FIXTURE_DATA(guest) * self,
			  struct smtd *dev, u64 vsid)
{
	int hwpt;

	ASSERT_GT(smtd_vdevice_alloc(dev, self->viommu, vsid), 0);
	hwpt = smtd_nested_alloc(dev, self->viommu,
				 smtd_vste_ats(smtd_vste_translate(GUEST_IPA)), 0);
	ASSERT_GT(hwpt, 0);
	ASSERT_EQ(smtd_attach(dev, hwpt), 0);
	ASSERT_TRUE(smtd_ats_enabled(dev->bdf));
}

FIXTURE_SETUP(guest)
{
	int parent, viommu, i;

	/* CPU 0 has the interrupt of an error, and is to see it meanwhile. */
	ASSERT_TRUE(smtd_pin(1) || smtd_pin(0));
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->guilty = smtd_open(guilty_bdf, self->iommu);
	self->benign = smtd_open(benign_bdf, self->iommu);
	self->mem = smtd_alloc(SMTD_GUEST_PAGES + PAGES);
	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, GUEST_IPA,
		 (SMTD_GUEST_PAGES + PAGES) * SMTD_PAGE);
	smtd_guest_table(self->mem, GUEST_IPA, IOVA, GUEST_IPA + SMTD_GUEST_PAGES * SMTD_PAGE);
	for (i = 1; i < PAGES; i++)
		guest_map(self, i);

	parent = smtd_hwpt_alloc(self->benign, self->iommu->ioas_id,
				 IOMMU_HWPT_ALLOC_NEST_PARENT, 0);
	ASSERT_GT(parent, 0);
	viommu = smtd_viommu_alloc(self->benign, parent);
	ASSERT_GT(viommu, 0);
	self->viommu = viommu;
	give_to_guest(_metadata, self, self->guilty, GUILTY);
	give_to_guest(_metadata, self, self->benign, BENIGN);
}

FIXTURE_TEARDOWN(guest)
{
	smtd_behave(self->guilty);
	smtd_print(self->guilty, "guilty function");
	smtd_print(self->benign, "benign function");
	smtd_close(self->guilty);
	smtd_close(self->benign);
	iommu_cleanup(self->iommu);
}

/* The kernel is done with all of the commands, or says how many; -errno otherwise */
static int guest_sends(FIXTURE_DATA(guest) * self, const struct smtd_vcmd *cmds, u32 n)
{
	u32 done = n;
	int ret;

	self->errors = smtd_read(self->benign, SMTD_SMMU_CERROR);
	self->sent = smtd_read(self->benign, SMTD_SMMU_INV_SENT);
	ret = smtd_guest_invalidate(self->iommu, self->viommu, cmds, &done);
	if (!ret && done != n)
		return done + 1;
	return ret;
}

static u32 errors_since(FIXTURE_DATA(guest) * self)
{
	return smtd_read(self->benign, SMTD_SMMU_CERROR) - self->errors;
}

static u32 sent_since(FIXTURE_DATA(guest) * self)
{
	return smtd_read(self->benign, SMTD_SMMU_INV_SENT) - self->sent;
}

/* The guest takes a page out of its page tables; no function is to reach it any more. */
static int guest_unmap(FIXTURE_DATA(guest) * self, unsigned int page, u64 first, u64 second)
{
	const struct smtd_vcmd cmds[] = {
		smtd_vcmd_tlbi(iova_of(page)),
		smtd_vcmd_atc_inv(first, iova_of(page)),
		smtd_vcmd_atc_inv(second, iova_of(page)),
	};

	smtd_guest_page(self->mem, iova_of(page), 0);
	return guest_sends(self, cmds, second ? 3 : 2);
}

/* A kernel that has no recovery state is not waited for */
static bool is_fenced(const char *bdf)
{
	return strcmp(smtd_recovery(bdf), "?") &&
	       smtd_until(!strcmp(smtd_recovery(bdf), FENCED));
}

static bool is_active(const char *bdf)
{
	return !strcmp(smtd_recovery(bdf), "?") || !strcmp(smtd_recovery(bdf), SMTD_ACTIVE);
}

/* The function has an entry of a page in its ATC, and loses it when the guest says so. */
static void takes_invalidations(struct __test_metadata *_metadata, FIXTURE_DATA(guest) * self,
				struct smtd *dev, u64 vsid)
{
	const struct smtd_vcmd cmd = smtd_vcmd_atc_inv(vsid, iova_of(1));

	EXPECT_EQ(smtd_dma_run(dev, .iova = iova_of(1), .ats = true), 1);
	EXPECT_GE(smtd_read(dev, SMTD_ATC_ENTRIES), 1);
	EXPECT_EQ(guest_sends(self, &cmd, 1), 0);
	EXPECT_EQ(sent_since(self), 1);
	EXPECT_EQ(smtd_read(dev, SMTD_ATC_ENTRIES), 0);

	guest_map(self, 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(guest_unmap(self, 0, vsid, 0), 0);
	EXPECT_EQ(sent_since(self), 1);
	smtd_mark_freed(dev, IOVA, 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA), 0);
	EXPECT_EQ(errors_since(self), 0);
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_TRUE(is_active(dev->bdf));
	smtd_unmark_all(dev);
}

/* Commands for a fenced function do nothing; those for another one beside them do. */
static void is_left_out(struct __test_metadata *_metadata, FIXTURE_DATA(guest) * self,
			struct smtd *fenced)
{
	const struct smtd_vcmd two[] = {
		smtd_vcmd_atc_inv(GUILTY, iova_of(2)),
		smtd_vcmd_atc_inv(BENIGN, iova_of(2)),
		smtd_vcmd_atc_inv(GUILTY, iova_of(3)),
	};
	struct smtd_vcmd many[MANY];
	u32 received = smtd_stat(fenced, SMTD_S_INV_RX);
	int i;

	EXPECT_EQ(smtd_dma_run(self->benign, .iova = iova_of(2), .ats = true), 1);
	EXPECT_EQ(smtd_read(self->benign, SMTD_ATC_ENTRIES), 1);
	EXPECT_EQ(guest_sends(self, two, ARRAY_SIZE(two)), 0);
	EXPECT_EQ(smtd_read(self->benign, SMTD_ATC_ENTRIES), 0);
	EXPECT_EQ(sent_since(self), 1) {
		TH_LOG("invalidations sent for a fenced function, and one that is not: %u",
		       sent_since(self));
	}
	EXPECT_EQ(errors_since(self), 0);
	if (sent_since(self) != 1)
		return;

	/* Several runs of them, with the other's only in the last one */
	for (i = 0; i < MANY; i++)
		many[i] = smtd_vcmd_atc_inv(GUILTY, iova_of(2));
	many[MANY - 1] = two[1];
	EXPECT_EQ(smtd_dma_run(self->benign, .iova = iova_of(2), .ats = true), 1);
	EXPECT_EQ(guest_sends(self, many, MANY), 0);
	EXPECT_EQ(sent_since(self), 1);
	EXPECT_EQ(smtd_read(self->benign, SMTD_ATC_ENTRIES), 0);
	/* None at all is left */
	EXPECT_EQ(guest_sends(self, many, MANY - 1), 0);
	EXPECT_EQ(sent_since(self), 0);
	EXPECT_EQ(smtd_stat(fenced, SMTD_S_INV_RX), received);
}

TEST_F_TIMEOUT(guest, reaches_its_functions, TIMEOUT_S)
{
	takes_invalidations(_metadata, self, self->benign, BENIGN);
	takes_invalidations(_metadata, self, self->guilty, GUILTY);
}

/*
 * When the ioctl has returned the guest may use the page for something else. The fence
 * takes effect with CFGI_STE, which is delayed: who leaves it to somebody else returns
 * before it.
 */
TEST_F_TIMEOUT(guest, has_a_function_fenced_before_its_invalidation_returns, TIMEOUT_S)
{
	struct smtd *dev = self->guilty;
	void *page = self->mem + SMTD_GUEST_PAGES * SMTD_PAGE;
	u64 word;
	int ret;

	smtd_dma_start(dev, .iova = IOVA, .ats = true);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 5));
	smtd_hold_later(dev, 0, SMTD_OP_CFGI_STE, dev->sid, 0, 200000);
	smtd_inv_error(dev, ERROR_US, 0);
	ret = guest_unmap(self, 0, GUILTY, 0);
	smtd_mark_freed(dev, IOVA, 0);
	word = smtd_word(page, 0);
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	smtd_dma_stop(dev);
	printf("# the ioctl returned %d, %u ATC errors, then %llu writes to the page\n", ret,
	       errors_since(self), (unsigned long long)(smtd_word(page, 0) - word));
	fflush(stdout);

	EXPECT_EQ(ret, 0);
	EXPECT_EQ(errors_since(self), 1);
	EXPECT_EQ(smtd_violations(dev), 0);
	EXPECT_EQ(smtd_word(page, 0), word);
	ASSERT_TRUE(is_fenced(guilty_bdf));
	EXPECT_TRUE(is_active(benign_bdf));

	is_left_out(_metadata, self, dev);
	EXPECT_STREQ(smtd_recovery(guilty_bdf), FENCED);
	EXPECT_TRUE(is_active(benign_bdf));

	smtd_unmark_all(dev);
	smtd_inv_answer(dev);
	ASSERT_EQ(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(guilty_bdf), SMTD_ACTIVE);
	takes_invalidations(_metadata, self, dev, GUILTY);
	takes_invalidations(_metadata, self, self->benign, BENIGN);
}

/*
 * Of two functions in a block one does not answer, in front of the other or behind it.
 * That one is fenced, and what was meant for the other has been done.
 */
TEST_F_TIMEOUT(guest, has_the_one_fenced_that_does_not_answer, TIMEOUT_S)
{
	static const u64 order[][2] = { { GUILTY, BENIGN }, { BENIGN, GUILTY } };
	struct smtd *dev = self->guilty;
	int i;

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		guest_map(self, 0);
		EXPECT_EQ(smtd_dma_run(self->benign, .iova = IOVA, .ats = true), 1);
		smtd_dma_start(dev, .iova = IOVA, .ats = true);
		ASSERT_TRUE(smtd_wait_tries(dev, TRIES));
		smtd_inv_error(dev, ERROR_US, 0);
		EXPECT_EQ(guest_unmap(self, 0, order[i][0], order[i][1]), 0);
		smtd_mark_freed(dev, IOVA, 0);
		smtd_mark_freed(self->benign, IOVA, 0);
		EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
		smtd_dma_stop(dev);
		EXPECT_EQ(smtd_dma_run(self->benign, .iova = IOVA, .ats = true), 0);
		EXPECT_EQ(errors_since(self), 2);
		EXPECT_EQ(smtd_violations(dev), 0);
		ASSERT_TRUE(is_fenced(guilty_bdf));
		EXPECT_TRUE(is_active(benign_bdf));

		smtd_unmark_all(dev);
		smtd_unmark_all(self->benign);
		smtd_inv_answer(dev);
		ASSERT_EQ(smtd_reset(dev), 0);
		EXPECT_STREQ(smtd_recovery(guilty_bdf), SMTD_ACTIVE);
	}
	takes_invalidations(_metadata, self, dev, GUILTY);
}

/* A function inside its reset is fenced as well, and would not answer. */
TEST_F_TIMEOUT(guest, is_kept_from_a_function_inside_its_reset, TIMEOUT_S)
{
	struct smtd_window window;

	smtd_observe(self->guilty, self->benign);
	ASSERT_TRUE(smtd_window_begin(&window, self->guilty, 0));
	is_left_out(_metadata, self, self->guilty);
	ASSERT_EQ(smtd_window_end(&window), 0);
	EXPECT_EQ(smtd_violations(self->benign), 0);
	EXPECT_TRUE(is_active(guilty_bdf));
	smtd_observe(self->guilty, NULL);
	takes_invalidations(_metadata, self, self->guilty, GUILTY);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	guilty_bdf = bdfs[0];
	benign_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
