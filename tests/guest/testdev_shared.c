// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions that share a domain, or a group. What happens to one of them
 * is of no concern to the other.
 *
 * usage: testdev_shared [options of kselftest_harness.h] OBSERVER VICTIM SIBLING
 *
 * The observer is bound to no driver. The fixture "domain" wants the others with
 * vfio-pci; "group" wants them in one group, the victim without a driver and the
 * sibling with vfio-pci; "dma_group" wants both with smmu_testdev.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "module.h"
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

/* The sibling's access to a page ends when the unmap has returned. */
static void sibling_is_invalidated(struct __test_metadata *_metadata, struct iommu *iommu,
				   struct smtd *sibling, u64 iova)
{
	ASSERT_EQ(smtd_dma_run(sibling, .iova = iova), 1);
	ASSERT_EQ(smtd_dma_run(sibling, .iova = iova, .ats = true), 1);
	ASSERT_EQ(smtd_unmap(iommu, iommu->ioas_id, iova, SMTD_PAGE), 0);
	smtd_mark_freed(sibling, iova, 0);
	smtd_dma_run(sibling, .iova = iova);
	smtd_dma_run(sibling, .iova = iova, .ats = true);
	ASSERT_EQ(smtd_violations(sibling), 0) {
		TH_LOG("The sibling reaches a page that was unmapped");
	}
	smtd_unmark_all(sibling);
}

/*
 * The victim is reset while memory is short, at each allocation of the call in
 * turn. The domain that both are attached to must go on invalidating for the
 * sibling, whatever became of the victim, while that is quarantined, when it is
 * detached then, and when a reset with enough memory has recovered it. With a
 * re-attach that cannot fail for want of memory, or one whose failure is accounted
 * for, nothing is dropped twice.
 */
TEST_F_TIMEOUT(domain, is_invalidated_for_a_sibling_of_a_failed_reattach, TIMEOUT_S)
{
	unsigned int n, quarantined = 0;
	u32 ioas = self->iommu->ioas_id;
	bool reached = true, detach;
	const char *state;
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

	/* Each allocation twice: the victim is detached before it recovers, or after. */
	for (n = 2; reached && n < 2 * MAX_NTH; n++) {
		detach = n & 1;
		smtd_map(self->iommu, ioas, self->mem, IOVA, SMTD_PAGE);
		smtd_map(self->iommu, ioas, self->mem + SMTD_PAGE, IOVA + SMTD_PAGE,
			 SMTD_PAGE);
		ASSERT_EQ(smtd_attach(self->victim, hwpt), 0) {
			TH_LOG("The victim cannot be attached before allocation %u", n / 2);
		}

		fail_nth(fd, n / 2);
		ret = smtd_reset(self->victim);
		reached = has_failed(fd);
		state = smtd_recovery(victim_bdf);
		printf("# reset with allocation %u %s: %d, %s\n", n / 2,
		       reached ? "failing" : "(there is none)", ret, state);
		if (detach)
			ASSERT_EQ(smtd_detach(self->victim), 0);
		sibling_is_invalidated(_metadata, self->iommu, self->sibling, IOVA);

		if (strcmp(state, "?") && strcmp(state, SMTD_ACTIVE)) {
			quarantined++;
			EXPECT_STREQ(state, "quarantined unfence-failed");
			EXPECT_EQ(smtd_dma_run(self->victim, .iova = IOVA + SMTD_PAGE), 0);
			ASSERT_EQ(smtd_reset(self->victim), 0);
			EXPECT_STREQ(smtd_recovery(victim_bdf), SMTD_ACTIVE);
		}
		if (!detach) {
			EXPECT_EQ(smtd_dma_run(self->victim, .iova = IOVA + SMTD_PAGE), 1);
			ASSERT_EQ(smtd_detach(self->victim), 0);
		}
		sibling_is_invalidated(_metadata, self->iommu, self->sibling, IOVA + SMTD_PAGE);
	}
	printf("# quarantined for want of memory: %u times\n", quarantined);
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
 * Found again, the victim is a new device, of which nothing is known. A kernel that
 * keeps no such state has nothing to forget.
 */
static void victim_starts_anew(struct __test_metadata *_metadata)
{
	smtd_rescan();
	ASSERT_TRUE(smtd_exists(victim_bdf));
	if (smtd_quarantines(victim_bdf) < 0)
		return;
	EXPECT_STREQ(smtd_recovery(victim_bdf), SMTD_ACTIVE);
	EXPECT_EQ(smtd_quarantines(victim_bdf), 0);
}

/* A reset that never ends; the function is dead after it. */
static void fail_reset(struct __test_metadata *_metadata, struct smtd *victim)
{
	smtd_flr(victim, SMTD_FLR_KEEP_DMA, SMTD_FLR_READY_NEVER);
	ASSERT_LT(smtd_sysfs_reset(victim_bdf), 0);
	ASSERT_EQ(smtd_read(victim, SMTD_IN_RESET), 1);
	if (smtd_quarantines(victim_bdf) >= 0)
		EXPECT_STREQ(smtd_recovery(victim_bdf), SMTD_QUARANTINED);
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
	smtd_behave(self->victim);
	victim_starts_anew(_metadata);
}

/* The same for one that stays fenced because its reset has failed. */
TEST_F_TIMEOUT(group, is_free_when_a_function_is_removed_after_a_failed_reset, TIMEOUT_S)
{
	fail_reset(_metadata, self->victim);
	ASSERT_EQ(remove_victim(NULL), 0);
	EXPECT_FALSE(smtd_exists(victim_bdf));
	use_sibling(_metadata);
	smtd_behave(self->victim);
	victim_starts_anew(_metadata);
}

FIXTURE(dma_group) {
	struct smtd *observer, *victim, *sibling;
	int fd;
};

FIXTURE_SETUP(dma_group)
{
	ASSERT_EQ(sysfs_iommu_group_get(victim_bdf), sysfs_iommu_group_get(sibling_bdf));
	self->observer = smtd_watch(observer_bdf);
	self->victim = smtd_watch(victim_bdf);
	smtd_observe(self->victim, self->observer);
	self->sibling = smtd_watch(sibling_bdf);
	self->fd = smtd_module_open(sibling_bdf);
	smtd_violations_clear(self->observer);
}

FIXTURE_TEARDOWN(dma_group)
{
	smtd_behave(self->victim);
	smtd_print(self->victim, victim_bdf);
	smtd_print(self->sibling, sibling_bdf);
	close(self->fd);
	smtd_close(self->victim);
	smtd_close(self->sibling);
	smtd_close(self->observer);
}

/*
 * What the sibling has in the caches since the victim is gone is invalidated by an
 * unmap of the DMA API. What is sent to a dead victim is another test's concern.
 */
static void unmap_of_sibling(struct __test_metadata *_metadata, int fd, struct smtd *sibling,
			     struct smtd_dma_map *freed)
{
	EXPECT_EQ(smtd_dma_run(sibling, .iova = freed->iova), 1);
	EXPECT_EQ(smtd_dma_run(sibling, .iova = freed->iova, .ats = true), 1);
	ASSERT_EQ(smtd_dma_unmap(fd, freed->handle), 0);
	smtd_mark_freed(sibling, freed->iova, 0);
	smtd_dma_run(sibling, .iova = freed->iova);
	smtd_dma_run(sibling, .iova = freed->iova, .ats = true);
	EXPECT_EQ(smtd_violations_but(sibling, 1 << SMTD_V_INV_IN_RESET), 0);
	smtd_unmark_all(sibling);
}

/*
 * Both are in the domain of the DMA API. When the victim is removed while it is
 * fenced, and released, the driver must not be told that it leaves that domain,
 * which it has left already: what it would drop is the sibling's.
 */
TEST_F_TIMEOUT(dma_group, is_invalidated_when_a_fenced_function_is_removed, TIMEOUT_S)
{
	struct smtd_dma_map kept = smtd_dma_map(self->fd, SMTD_PAGE);
	struct smtd_dma_map freed = smtd_dma_map(self->fd, SMTD_PAGE);
	struct smtd *sibling = self->sibling;

	fail_reset(_metadata, self->victim);
	ASSERT_EQ(remove_victim(NULL), 0);
	EXPECT_FALSE(smtd_exists(victim_bdf));
	unmap_of_sibling(_metadata, self->fd, sibling, &freed);
	EXPECT_EQ(smtd_dma_run(sibling, .iova = kept.iova, .ats = true), 1);
	EXPECT_EQ(smtd_dma_unmap(self->fd, kept.handle), 0);
	smtd_behave(self->victim);
	victim_starts_anew(_metadata);
}

/*
 * The victim is removed inside of a reset that nobody ends, as those of a PF that
 * prepares its VFs could be. Nothing of it keeps its sibling from being attached.
 */
TEST_F_TIMEOUT(dma_group, is_free_when_a_function_is_removed_before_its_done, TIMEOUT_S)
{
	struct smtd_dma_map freed = smtd_dma_map(self->fd, SMTD_PAGE);
	int victim = smtd_module_open(victim_bdf);
	struct smtd *sibling = self->sibling;
	u32 id = smtd_domain_alloc(self->fd, 0);
	int ret = smtd_reset_prepare_left(victim);

	if (ret == -EOPNOTSUPP) {
		printf("# this kernel has resets of the PCI core only\n");
		return;
	}
	ASSERT_EQ(ret, 0);
	EXPECT_STREQ(smtd_recovery(victim_bdf), SMTD_RESETTING);
	/* Both of them: the victim is only kept from using it. */
	EXPECT_EQ(smtd_domain_attach(self->fd, id), 0);
	EXPECT_EQ(smtd_domain_detach(self->fd), 0);
	ASSERT_EQ(remove_victim(NULL), 0);
	close(victim);
	unmap_of_sibling(_metadata, self->fd, sibling, &freed);
	EXPECT_EQ(smtd_domain_attach(self->fd, id), 0);
	EXPECT_EQ(smtd_domain_detach(self->fd), 0);
	victim_starts_anew(_metadata);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 3);

	observer_bdf = bdfs[0];
	victim_bdf = bdfs[1];
	sibling_bdf = bdfs[2];
	return test_harness_run(argc, argv);
}
