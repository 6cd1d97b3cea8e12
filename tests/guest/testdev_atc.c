// SPDX-License-Identifier: GPL-2.0-only
/*
 * An address translation cache (ATC) that does not do what it is told.
 *
 * usage: testdev_atc [options of kselftest_harness.h] FUNCTION OTHER-FUNCTION
 *
 * The first function misbehaves, the second never does.
 */
#include <errno.h>
#include <stdlib.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		16
#define TIMEOUT_S	120

/* Transactions that a function is given to show that it still reaches memory */
#define TRIES		50

static const char *guilty_bdf, *innocent_bdf;

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

	smtd_inv_error(dev, 20000, 0);
	begin = smtd_now_us();
	ret = smtd_unmap(self->iommu, self->iommu->ioas_id, IOVA, SMTD_PAGE);
	end = smtd_now_us();
	smtd_mark_freed(dev, IOVA, 0);
	word = smtd_word(self->mem, 0);
	ASSERT_GE(smtd_read(dev, SMTD_SMMU_CERROR), 1);

	smtd_wait_tries(dev, TRIES);
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

int main(int argc, char *argv[])
{
	char **bdfs;
	int n;

	bdfs = vfio_selftests_get_bdfs(&argc, argv, &n);
	if (n != 2)
		ksft_exit_fail_msg("two functions are needed, not %d\n", n);
	guilty_bdf = bdfs[0];
	innocent_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
