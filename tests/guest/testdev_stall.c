// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stalled transactions: each of them must have one answer, and in time.
 *
 * usage: testdev_stall [options of kselftest_harness.h] OBSERVER FUNCTION
 *
 * The observer is bound to no driver. The function can stall.
 */
#include <errno.h>
#include <stdlib.h>

#include <linux/bits.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		16
#define TIMEOUT_S	120

/* An unpatched kernel restores PASID control after ATS: another test's business. */
#define BUT_PASID_CONTROL	BIT(SMTD_V_PASID_ATS)

static const char *observer_bdf, *dev_bdf;

FIXTURE(stalls) {
	struct smtd *observer, *dev;
	struct iommu *iommu;
	struct smtd_faults faults;
	struct iommu_hwpt_pgfault fault;
	void *mem;
};

/* One write has stalled, user space has read the fault and not answered yet. */
FIXTURE_SETUP(stalls)
{
	int hwpt;

	self->iommu = iommu_init(MODE_IOMMUFD);
	self->observer = smtd_watch(observer_bdf);
	self->dev = smtd_open(dev_bdf, self->iommu);
	ASSERT_TRUE(smtd_read(self->dev, SMTD_CAPS) & SMTD_CAPS_STALL);
	self->mem = smtd_alloc(PAGES);
	self->faults = smtd_faults_alloc(self->iommu);
	hwpt = smtd_hwpt_alloc(self->dev, self->iommu->ioas_id, 0, self->faults.id);
	ASSERT_GT(hwpt, 0);
	ASSERT_EQ(smtd_attach(self->dev, hwpt), 0);

	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA), 0);
	ASSERT_TRUE(smtd_fault_read(&self->faults, &self->fault));
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), 1);
}

FIXTURE_TEARDOWN(stalls)
{
	if (self->dev) {
		smtd_print(self->dev, dev_bdf);
		smtd_close(self->dev);
	}
	smtd_faults_close(&self->faults);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

/*
 * The transaction was issued before the reset. Nobody expects it after it: the
 * memory that it was meant for may have another use. A kernel that fences a
 * stalling function terminates what is stalled, so that nothing is left that the
 * late answer could bring to life.
 */
TEST_F_TIMEOUT(stalls, of_the_time_before_a_reset_do_not_complete_after_it, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	int ret;

	ASSERT_EQ(smtd_reset(dev), 0);
	printf("# after the reset %u transactions are stalled\n",
	       smtd_read(dev, SMTD_STALLED));

	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	ret = smtd_fault_respond(&self->faults, self->fault.cookie, true);
	printf("# the answer is taken: %d\n", ret);
	EXPECT_TRUE(smtd_dma_settled(dev));

	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
	EXPECT_EQ(smtd_word(self->mem, 0), 0);
}

static int close_device(void *arg)
{
	smtd_close(arg);
	return 0;
}

/*
 * Closing the file resets the function. Its stall has no handler any more from
 * then on, so it must have its answer before that: not one moment inside the
 * reset with a transaction that waits.
 */
TEST_F_TIMEOUT(stalls, are_answered_before_the_reset_of_a_close, TIMEOUT_S)
{
	struct smtd *watch = smtd_watch(dev_bdf);
	struct smtd_call close;
	u32 stalled;

	smtd_observe(watch, self->observer);
	smtd_flr(watch, 0, 300);
	smtd_call_start(&close, close_device, self->dev);
	self->dev = NULL;
	ASSERT_TRUE(smtd_until(smtd_read(watch, SMTD_IN_RESET)));
	stalled = smtd_read(watch, SMTD_STALLED);
	ASSERT_EQ(smtd_read(watch, SMTD_IN_RESET), 1);
	smtd_call_join(&close);

	printf("# inside the reset of the close %u transactions were stalled, after it %u\n",
	       stalled, smtd_read(watch, SMTD_STALLED));
	EXPECT_EQ(stalled, 0);
	EXPECT_EQ(smtd_read(watch, SMTD_STALLED), 0);
	smtd_flr(watch, 0, 0);
	smtd_check_stalls(watch);
	EXPECT_EQ(smtd_violations_but(watch, BUT_PASID_CONTROL), 0);
	smtd_print(watch, dev_bdf);
	smtd_close(watch);
}

int main(int argc, char *argv[])
{
	char **bdfs;
	int n;

	bdfs = vfio_selftests_get_bdfs(&argc, argv, &n);
	if (n != 2)
		ksft_exit_fail_msg("two functions are needed, not %d\n", n);
	observer_bdf = bdfs[0];
	dev_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
