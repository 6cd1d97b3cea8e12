// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that does what the specifications ask of it, and the kernel with
 * it: nothing here may fail on any kernel.
 *
 * usage: testdev_benign [options of kselftest_harness.h] PASID-FUNCTION ATS-FUNCTION
 *
 * The first function can stall and has PASIDs, the second has ATS only.
 */
#include <errno.h>
#include <stdlib.h>

#include <linux/bits.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		64
#define TIMEOUT_S	120

static const char *pasid_bdf, *ats_bdf;

/* Is each of these pages written? */
static unsigned int written(void *mem, unsigned int pages)
{
	unsigned int i, n = 0;

	for (i = 0; i < pages; i++)
		n += smtd_word(mem, i) != 0;
	return n;
}

struct env {
	struct iommu *iommu;
	struct smtd *dev;
	void *mem;
};

static void env_init(struct env *env, const char *bdf)
{
	env->iommu = iommu_init(MODE_IOMMUFD);
	env->dev = smtd_open(bdf, env->iommu);
	env->mem = smtd_alloc(PAGES);
}

static void env_cleanup(struct env *env, const char *name)
{
	smtd_print(env->dev, name);
	smtd_close(env->dev);
	iommu_cleanup(env->iommu);
}

FIXTURE(pasid_function) {
	struct env env;
};

FIXTURE_SETUP(pasid_function)
{
	env_init(&self->env, pasid_bdf);
}

FIXTURE_TEARDOWN(pasid_function)
{
	env_cleanup(&self->env, _metadata->name);
}

TEST_F_TIMEOUT(pasid_function, translates_what_is_mapped_and_nothing_else, TIMEOUT_S)
{
	struct env *env = &self->env;
	struct smtd *dev = env->dev;

	smtd_map(env->iommu, env->iommu->ioas_id, env->mem, IOVA, 16 * SMTD_PAGE);
	ASSERT_EQ(smtd_attach(dev, env->iommu->ioas_id), 0);

	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 16), 16);
	EXPECT_EQ(written(env->mem, PAGES), 16);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA + 3 * SMTD_PAGE, .read = true), 1);
	EXPECT_EQ(smtd_dma_data(dev), smtd_word(env->mem, 3));

	/* Linux lets this function stall, and then terminates what nobody handles. */
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA + 16 * SMTD_PAGE, .count = 4), 0);
	EXPECT_TRUE(smtd_dma_settled(dev));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_FAULT) + smtd_stat(dev, SMTD_S_ABORT), 4);
	EXPECT_EQ(written(env->mem, PAGES), 16);

	EXPECT_EQ(smtd_violations(dev), 0);
}

TEST_F_TIMEOUT(pasid_function, pasids_have_address_spaces_of_their_own, TIMEOUT_S)
{
	struct env *env = &self->env;
	static const u32 pasids[] = { 0, 1, 42, 1000, 65535 };
	struct smtd *dev = env->dev;
	u64 seq;
	int i;

	for (i = 0; i < ARRAY_SIZE(pasids); i++) {
		u32 ioas = smtd_ioas_alloc(env->iommu);
		int hwpt;

		smtd_map(env->iommu, ioas, env->mem + i * SMTD_PAGE, IOVA, SMTD_PAGE);
		hwpt = smtd_hwpt_alloc(dev, ioas, SMTD_HWPT_PASID, 0);
		ASSERT_GT(hwpt, 0);
		ASSERT_EQ(pasids[i] ? smtd_attach_pasid(dev, pasids[i], hwpt) :
				      smtd_attach(dev, hwpt), 0);
	}

	/* The same address, each time another page */
	for (i = 0; i < ARRAY_SIZE(pasids); i++)
		EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = pasids[i]), 1);
	seq = smtd_word(env->mem, 0);
	for (i = 0; i < ARRAY_SIZE(pasids); i++)
		EXPECT_EQ(smtd_word(env->mem, i), seq + i);

	/* A PASID that is attached nowhere */
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 7), 0);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_FAULT), 1);

	/* Through the ATC: a fill, a hit, and a detach that leaves nothing behind */
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 1000, .ats = true), 1);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 1000, .ats = true), 1);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_ATC_FILL), 1);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_ATC_HIT), 1);
	EXPECT_EQ(smtd_detach_pasid(dev, 1000), 0);
	smtd_mark_freed(dev, IOVA, 1000);
	EXPECT_EQ(smtd_read(dev, SMTD_ATC_ENTRIES), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 1000, .ats = true), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 42), 1);

	EXPECT_EQ(smtd_violations(dev), 0);
}

TEST_F_TIMEOUT(pasid_function, a_replaced_domain_is_the_only_one_in_force, TIMEOUT_S)
{
	struct env *env = &self->env;
	u32 other = smtd_ioas_alloc(env->iommu);
	struct smtd *dev = env->dev;

	smtd_map(env->iommu, env->iommu->ioas_id, env->mem, IOVA, SMTD_PAGE);
	smtd_map(env->iommu, other, env->mem + SMTD_PAGE, IOVA, SMTD_PAGE);

	ASSERT_EQ(smtd_attach(dev, env->iommu->ioas_id), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(written(env->mem, 2), 1);

	ASSERT_EQ(smtd_attach(dev, other), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(smtd_word(env->mem, 1), smtd_word(env->mem, 0) + 1);

	ASSERT_EQ(smtd_detach(dev), 0);
	smtd_mark_freed(dev, IOVA, 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA), 0);

	EXPECT_EQ(smtd_violations(dev), 0);
}

/* Stalls of @count pages, each handed to user space. */
static void stall(struct __test_metadata *_metadata, struct env *env,
		  struct smtd_faults *faults, u32 *cookies, unsigned int count)
{
	struct iommu_hwpt_pgfault fault;
	unsigned int i;
	int hwpt;

	*faults = smtd_faults_alloc(env->iommu);
	hwpt = smtd_hwpt_alloc(env->dev, env->iommu->ioas_id, 0, faults->id);
	ASSERT_GT(hwpt, 0);
	ASSERT_EQ(smtd_attach(env->dev, hwpt), 0);

	EXPECT_EQ(smtd_dma_run(env->dev, .iova = IOVA, .count = count), 0);
	EXPECT_EQ(smtd_read(env->dev, SMTD_PENDING), count);
	for (i = 0; i < count; i++) {
		ASSERT_TRUE(smtd_fault_read(faults, &fault));
		EXPECT_EQ(fault.dev_id, env->dev->devid);
		EXPECT_EQ(fault.perm, IOMMU_PGFAULT_PERM_WRITE);
		cookies[i] = fault.cookie;
	}
	EXPECT_FALSE(smtd_fault_is_there(faults));
}

TEST_F_TIMEOUT(pasid_function, stalled_transactions_complete_when_they_are_resumed, TIMEOUT_S)
{
	struct env *env = &self->env;
	struct smtd *dev = env->dev;
	struct smtd_faults faults;
	u32 cookies[PAGES];
	int i;

	stall(_metadata, env, &faults, cookies, PAGES);
	EXPECT_EQ(written(env->mem, PAGES), 0);

	smtd_map(env->iommu, env->iommu->ioas_id, env->mem, IOVA, PAGES * SMTD_PAGE);
	for (i = PAGES - 1; i >= 0; i--)
		EXPECT_EQ(smtd_fault_respond(&faults, cookies[i], true), 0);
	EXPECT_TRUE(smtd_dma_settled(dev));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RETRY), PAGES);
	EXPECT_EQ(written(env->mem, PAGES), PAGES);

	smtd_check_stalls(dev);
	EXPECT_EQ(smtd_violations(dev), 0);
	smtd_faults_close(&faults);
}

TEST_F_TIMEOUT(pasid_function, stalled_transactions_end_when_they_are_aborted, TIMEOUT_S)
{
	struct env *env = &self->env;
	struct smtd *dev = env->dev;
	struct smtd_faults faults;
	u32 cookies[8];
	int i;

	stall(_metadata, env, &faults, cookies, ARRAY_SIZE(cookies));
	smtd_map(env->iommu, env->iommu->ioas_id, env->mem, IOVA, PAGES * SMTD_PAGE);
	for (i = 0; i < ARRAY_SIZE(cookies); i++)
		EXPECT_EQ(smtd_fault_respond(&faults, cookies[i], false), 0);
	EXPECT_TRUE(smtd_dma_settled(dev));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_ABORT), ARRAY_SIZE(cookies));
	EXPECT_EQ(written(env->mem, PAGES), 0);

	smtd_check_stalls(dev);
	EXPECT_EQ(smtd_violations(dev), 0);
	smtd_faults_close(&faults);
}

TEST_F_TIMEOUT(pasid_function, a_detach_ends_every_stall, TIMEOUT_S)
{
	struct smtd *dev = self->env.dev;
	struct smtd_faults faults;
	u32 cookies[4];

	stall(_metadata, &self->env, &faults, cookies, ARRAY_SIZE(cookies));
	EXPECT_EQ(smtd_detach(dev), 0);
	EXPECT_TRUE(smtd_dma_settled(dev));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_ABORT), ARRAY_SIZE(cookies));

	smtd_check_stalls(dev);
	EXPECT_EQ(smtd_violations(dev), 0);
	smtd_faults_close(&faults);
}

/*
 * The one violation that an unpatched kernel has in store for a well-behaved
 * function: it restores PASID control when ATS is enabled already.
 */
#define BUT_PASID_CONTROL	BIT(SMTD_V_PASID_ATS)

TEST_F_TIMEOUT(pasid_function, pasids_are_as_before_after_a_reset, TIMEOUT_S)
{
	struct env *env = &self->env;
	u32 ioas = smtd_ioas_alloc(env->iommu);
	struct smtd *dev = env->dev;
	int rid, pasid;

	smtd_map(env->iommu, env->iommu->ioas_id, env->mem, IOVA, SMTD_PAGE);
	smtd_map(env->iommu, ioas, env->mem + SMTD_PAGE, IOVA, SMTD_PAGE);
	rid = smtd_hwpt_alloc(dev, env->iommu->ioas_id, SMTD_HWPT_PASID, 0);
	pasid = smtd_hwpt_alloc(dev, ioas, SMTD_HWPT_PASID, 0);
	ASSERT_EQ(smtd_attach(dev, rid), 0);
	ASSERT_EQ(smtd_attach_pasid(dev, 5, pasid), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 5, .ats = true), 1);

	EXPECT_EQ(smtd_reset(dev), 0);

	EXPECT_TRUE(smtd_ats_enabled(pasid_bdf));
	EXPECT_TRUE(smtd_pasid_enabled(pasid_bdf));
	EXPECT_EQ(smtd_read(dev, SMTD_ATC_ENTRIES), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .pasid = 5, .ats = true), 1);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA), 1);
	EXPECT_EQ(written(env->mem, 2), 2);
	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
}

FIXTURE(ats_function) {
	struct env env;
};

FIXTURE_SETUP(ats_function)
{
	struct env *env = &self->env;

	env_init(env, ats_bdf);
	smtd_map(env->iommu, env->iommu->ioas_id, env->mem, IOVA, 16 * SMTD_PAGE);
	ASSERT_EQ(smtd_attach(env->dev, env->iommu->ioas_id), 0);
}

FIXTURE_TEARDOWN(ats_function)
{
	env_cleanup(&self->env, _metadata->name);
}

TEST_F_TIMEOUT(ats_function, fills_its_cache_and_hits_it, TIMEOUT_S)
{
	struct env *env = &self->env;
	struct smtd *dev = env->dev;

	EXPECT_TRUE(smtd_ats_enabled(ats_bdf));
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 16, .ats = true), 16);
	EXPECT_GT(smtd_stat(dev, SMTD_S_ATC_FILL), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 16, .ats = true), 16);
	EXPECT_GE(smtd_stat(dev, SMTD_S_ATC_HIT), 16);
	EXPECT_EQ(written(env->mem, PAGES), 16);

	/* Nothing is there: no permission, which is no fault */
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA + 48 * SMTD_PAGE, .ats = true), 0);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_ATS_NONE), 1);
	EXPECT_EQ(smtd_violations(dev), 0);
}

/* @mode: an answer at once, or after some time */
static void unmap_under_dma(struct __test_metadata *_metadata, struct env *env,
			    u32 mode)
{
	u64 other = IOVA + 32 * SMTD_PAGE;
	struct smtd *dev = env->dev;
	u64 word;

	smtd_map(env->iommu, env->iommu->ioas_id, env->mem + 32 * SMTD_PAGE, other,
		 SMTD_PAGE);
	smtd_dma_start(dev, .iova = other, .ats = true);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 5));

	smtd_inv_mode(dev, mode);
	EXPECT_EQ(smtd_unmap(env->iommu, env->iommu->ioas_id, other, SMTD_PAGE), 0);
	smtd_mark_freed(dev, other, 0);
	word = smtd_word(env->mem, 32);
	smtd_inv_mode(dev, SMTD_INV_PROMPT);

	/* It asks again, and is refused. */
	EXPECT_TRUE(smtd_wait_stat(dev, SMTD_S_ATS_NONE, 10));
	smtd_dma_stop(dev);
	EXPECT_EQ(smtd_word(env->mem, 32), word);
	EXPECT_EQ(smtd_read(dev, SMTD_SMMU_CERROR), 0);
	EXPECT_EQ(smtd_violations(dev), 0);
}

TEST_F_TIMEOUT(ats_function, an_unmap_ends_its_access, TIMEOUT_S)
{
	unmap_under_dma(_metadata, &self->env, SMTD_INV_PROMPT);
}

TEST_F_TIMEOUT(ats_function, an_unmap_waits_for_a_late_answer, TIMEOUT_S)
{
	struct env *env = &self->env;

	smtd_write(env->dev, SMTD_INV_DELAY_US, 50000);
	unmap_under_dma(_metadata, env, SMTD_INV_DELAYED);
	EXPECT_GE(smtd_stat(env->dev, SMTD_S_INV_DONE), 1);
}

static int vfio_reset(struct smtd *dev)
{
	return smtd_reset(dev);
}

static int sysfs_reset(struct smtd *dev)
{
	return smtd_sysfs_reset(dev->bdf);
}

static void reset_under_dma(struct __test_metadata *_metadata, struct env *env,
			    int (*reset)(struct smtd *dev))
{
	struct smtd *dev = env->dev;

	smtd_dma_start(dev, .iova = IOVA, .count = 16, .ats = true, .period_us = 1000);
	ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 16));
	smtd_stat_clear(dev);

	/* Not ready at once: the kernel has to look more than one time. */
	smtd_flr(dev, 0, 150);
	EXPECT_EQ(reset(dev), 0);
	smtd_flr(dev, 0, 0);

	EXPECT_EQ(smtd_read(dev, SMTD_ID), SMTD_MAGIC);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RESET), 1);
	EXPECT_EQ(smtd_read(dev, SMTD_CTRL) & SMTD_CTRL_RUN, 0);
	EXPECT_TRUE(smtd_ats_enabled(ats_bdf));

	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 16, .ats = true), 16);
	EXPECT_EQ(smtd_unmap(env->iommu, env->iommu->ioas_id, IOVA, 16 * SMTD_PAGE), 0);
	smtd_mark_freed(dev, IOVA, 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 16, .ats = true), 0);
	EXPECT_EQ(smtd_violations(dev), 0);
}

TEST_F_TIMEOUT(ats_function, works_after_a_reset_by_vfio, TIMEOUT_S)
{
	reset_under_dma(_metadata, &self->env, vfio_reset);
}

TEST_F_TIMEOUT(ats_function, works_after_a_reset_by_sysfs, TIMEOUT_S)
{
	reset_under_dma(_metadata, &self->env, sysfs_reset);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	pasid_bdf = bdfs[0];
	ats_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
