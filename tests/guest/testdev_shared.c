// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions that share a domain, or a group. What happens to one of them
 * is of no concern to the other.
 *
 * usage: testdev_shared [options of kselftest_harness.h] OBSERVER VICTIM SIBLING
 *
 * The observer is bound to no driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		16
#define TIMEOUT_S	240

/* More allocations than any of the calls makes */
#define MAX_NTH		200

static const char *observer_bdf, *victim_bdf, *sibling_bdf;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	VFIO_ASSERT_GE(fd, 0, "open(%s) failed\n", path);
	VFIO_ASSERT_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/*
 * Let the n-th allocation of this thread fail; 0: none. The file stays open, or
 * the failing allocation might be that of an open().
 */
static void fail_nth(int fd, unsigned int n)
{
	char text[16];

	snprintf_assert(text, sizeof(text), "%u", n);
	VFIO_ASSERT_EQ(pwrite(fd, text, strlen(text), 0), strlen(text));
}

/* Whether the allocation that should fail has come. */
static bool has_failed(int fd)
{
	char text[16] = {};

	VFIO_ASSERT_GT(pread(fd, text, sizeof(text) - 1, 0), 0);
	fail_nth(fd, 0);
	return atoi(text) == 0;
}

FIXTURE(domain) {
	struct iommu *iommu;
	struct smtd *victim, *sibling;
	void *mem;
};

FIXTURE_SETUP(domain)
{
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->victim = smtd_open(victim_bdf, self->iommu);
	self->sibling = smtd_open(sibling_bdf, self->iommu);
	self->mem = smtd_alloc(PAGES);
}

FIXTURE_TEARDOWN(domain)
{
	smtd_print(self->victim, victim_bdf);
	smtd_print(self->sibling, sibling_bdf);
	smtd_close(self->victim);
	smtd_close(self->sibling);
	iommu_cleanup(self->iommu);
}

/*
 * The victim is reset while memory is short, at each allocation of the call in
 * turn, and detached afterwards. The domain that both are attached to must go on
 * invalidating for the sibling, whatever became of the victim: the sibling's
 * access to a page ends when the unmap returns. With a re-attach that cannot fail
 * for want of memory, or one whose failure is accounted for, nothing is dropped
 * twice.
 */
TEST_F_TIMEOUT(domain, is_invalidated_for_a_sibling_of_a_failed_reattach, TIMEOUT_S)
{
	u32 ioas = self->iommu->ioas_id;
	bool reached = true;
	unsigned int n;
	int hwpt, ret, fd;

	fd = open("/proc/thread-self/fail-nth", O_RDWR);
	ASSERT_GE(fd, 0);
	write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/failslab/verbose", "0");

	hwpt = smtd_hwpt_alloc(self->sibling, ioas, 0, 0);
	ASSERT_GT(hwpt, 0);
	ASSERT_EQ(smtd_attach(self->sibling, hwpt), 0);

	/* Allocations do fail. A reset that makes none is a good one. */
	fail_nth(fd, 1);
	ret = smtd_hwpt_alloc(self->sibling, ioas, 0, 0);
	ASSERT_TRUE(has_failed(fd));
	ASSERT_LT(ret, 0);

	for (n = 1; reached && n < MAX_NTH; n++) {
		smtd_map(self->iommu, ioas, self->mem, IOVA, SMTD_PAGE);
		ASSERT_EQ(smtd_attach(self->victim, hwpt), 0) {
			TH_LOG("The victim cannot be attached before allocation %u", n);
		}

		fail_nth(fd, n);
		ret = smtd_reset(self->victim);
		reached = has_failed(fd);
		ASSERT_EQ(smtd_detach(self->victim), 0);

		/* What the sibling's accesses leave in the caches is to be invalidated. */
		ASSERT_EQ(smtd_dma_run(self->sibling, .iova = IOVA), 1);
		ASSERT_EQ(smtd_dma_run(self->sibling, .iova = IOVA, .ats = true), 1);
		ASSERT_EQ(smtd_unmap(self->iommu, ioas, IOVA, SMTD_PAGE), 0);
		smtd_mark_freed(self->sibling, IOVA, 0);
		smtd_dma_run(self->sibling, .iova = IOVA);
		smtd_dma_run(self->sibling, .iova = IOVA, .ats = true);
		printf("# reset with allocation %u %s: %d\n", n,
		       reached ? "failing" : "(there is none)", ret);
		ASSERT_EQ(smtd_violations(self->sibling), 0) {
			TH_LOG("The sibling reaches a page that was unmapped");
		}
		smtd_unmark_all(self->sibling);
	}
	EXPECT_FALSE(reached);
	close(fd);
}

FIXTURE(group) {
	struct smtd *observer, *victim;
};

/* The victim has no driver; both functions are in one group. */
FIXTURE_SETUP(group)
{
	ASSERT_EQ(sysfs_iommu_group_get(victim_bdf), sysfs_iommu_group_get(sibling_bdf));
	self->observer = smtd_watch(observer_bdf);
	self->victim = smtd_watch(victim_bdf);
	smtd_observe(self->victim, self->observer);
}

FIXTURE_TEARDOWN(group)
{
	smtd_behave(self->victim);
	smtd_print(self->victim, victim_bdf);
	smtd_close(self->victim);
	smtd_close(self->observer);
}

static int reset_victim(void *arg)
{
	return smtd_sysfs_reset(victim_bdf);
}

static int remove_victim(void *arg)
{
	return smtd_sysfs_write(victim_bdf, "remove", "1");
}

/* The sibling is opened, attached, and its DMA works: nothing holds its group. */
static void use_sibling(struct __test_metadata *_metadata)
{
	struct iommu *iommu = iommu_init(MODE_IOMMUFD);
	struct smtd *sibling = smtd_open(sibling_bdf, iommu);
	void *mem = smtd_alloc(1);

	smtd_map(iommu, iommu->ioas_id, mem, IOVA, SMTD_PAGE);
	EXPECT_EQ(smtd_attach(sibling, iommu->ioas_id), 0);
	EXPECT_EQ(smtd_dma_run(sibling, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(smtd_violations(sibling), 0);
	smtd_close(sibling);
	iommu_cleanup(iommu);
}

/*
 * A function is removed while it is inside its reset. What its fence held in the
 * group goes with it.
 */
TEST_F_TIMEOUT(group, is_free_when_a_function_is_removed_inside_its_reset, TIMEOUT_S)
{
	struct smtd_call reset, removal;

	smtd_flr(self->victim, SMTD_FLR_KEEP_DMA, 1500);
	smtd_call_start(&reset, reset_victim, NULL);
	ASSERT_TRUE(smtd_until(smtd_read(self->victim, SMTD_IN_RESET)));
	smtd_call_start(&removal, remove_victim, NULL);
	printf("# the reset returned %d, the removal %d\n", smtd_call_join(&reset),
	       smtd_call_join(&removal));
	EXPECT_FALSE(smtd_exists(victim_bdf));
	use_sibling(_metadata);
}

/* The same for one that stays fenced because its reset has failed. */
TEST_F_TIMEOUT(group, is_free_when_a_function_is_removed_after_a_failed_reset, TIMEOUT_S)
{
	smtd_flr(self->victim, SMTD_FLR_KEEP_DMA, SMTD_FLR_READY_NEVER);
	ASSERT_LT(smtd_sysfs_reset(victim_bdf), 0);
	ASSERT_EQ(smtd_read(self->victim, SMTD_IN_RESET), 1);
	ASSERT_EQ(remove_victim(NULL), 0);
	EXPECT_FALSE(smtd_exists(victim_bdf));
	use_sibling(_metadata);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 3);

	observer_bdf = bdfs[0];
	victim_bdf = bdfs[1];
	sibling_bdf = bdfs[2];
	return test_harness_run(argc, argv);
}
