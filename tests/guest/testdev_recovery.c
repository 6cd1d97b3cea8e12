// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recovery state of functions: what prepare and done do with it, by themselves
 * and around resets of the PCI core.
 *
 * usage: testdev_recovery [options of kselftest_harness.h] OBSERVER FUNCTION...
 *
 * The observer is bound to no driver, the others to smmu_testdev. The fixture
 * "function" needs one of them; "bus" two on one bus, the first of which has the
 * reset method "bus" only; "group" three of one group; "assigned" gives them to
 * vfio-pci, and needs two, the second with PASIDs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define TIMEOUT_S	240
#define MAX_FUNCTIONS	3

static char **bdfs;
static int nr_bdfs;

/*
 * A function that is bound to smmu_testdev, with a buffer of the DMA API, and how
 * often it had been quarantined, and uevents had come, at the beginning
 */
struct function {
	const char *bdf;
	struct smtd *dev;
	int fd;
	struct smtd_dma_map buffer;
	int quarantines;
	unsigned int uevents;
};

static int quarantines(struct function *f)
{
	return smtd_quarantines(f->bdf) - f->quarantines;
}

static unsigned int uevents(struct function *f)
{
	return smtd_uevents(f->bdf) - f->uevents;
}

static void open_function(struct function *f, const char *bdf, struct smtd *observer)
{
	f->bdf = bdf;
	f->dev = smtd_watch(bdf);
	smtd_observe(f->dev, observer);
	smtd_behave(f->dev);
	smtd_stat_clear(f->dev);
	smtd_unmark_all(f->dev);
	smtd_violations_clear(f->dev);
	f->fd = smtd_module_open(bdf);
	f->buffer = smtd_dma_map(f->fd, SMTD_PAGE);
	f->quarantines = smtd_quarantines(bdf);
	f->uevents = smtd_uevents(bdf);
}

static void close_function(struct function *f)
{
	/* It has recovered. None is to be left for the next test. */
	(void)smtd_until((int)uevents(f) == 2 * quarantines(f));
	smtd_behave(f->dev);
	smtd_print(f->dev, f->bdf);
	VFIO_ASSERT_EQ(smtd_dma_unmap(f->fd, f->buffer.handle), 0);
	close(f->fd);
	smtd_close(f->dev);
}

/* How many writes to its buffer reach memory: 1 or 0 */
static u32 reaches(struct function *f)
{
	return smtd_dma_run(f->dev, .iova = f->buffer.iova, .ats = true);
}

static int prepare(struct function *f)
{
	return smtd_reset_prepare(f->fd);
}

static int done(struct function *f, u32 result)
{
	return smtd_reset_done(f->fd, result);
}

static int quarantine(struct function *f)
{
	return prepare(f) ?: done(f, SMTD_RESET_FAILED);
}

static int recover(struct function *f)
{
	return prepare(f) ?: done(f, SMTD_RESET_OK);
}

FIXTURE(function) {
	struct smtd *observer;
	struct function f;
};

FIXTURE_SETUP(function)
{
	ASSERT_GE(nr_bdfs, 2);
	self->observer = smtd_watch(bdfs[0]);
	open_function(&self->f, bdfs[1], self->observer);
	ASSERT_STREQ(smtd_recovery(bdfs[1]), SMTD_ACTIVE);
	ASSERT_EQ(reaches(&self->f), 1);
}

FIXTURE_TEARDOWN(function)
{
	close_function(&self->f);
	smtd_close(self->observer);
}

/*
 * Scenario 2. Three levels, the innermost of them an FLR: the stream table entry
 * is changed by the first prepare and by the last done, as by a single pair. A host
 * check counts that between the log marks, which are: 1, prepare, 2, done, 3; and
 * 4, the first prepare, 5, whatever is inside, 6, the last done, 7.
 */
TEST_F_TIMEOUT(function, is_fenced_and_unfenced_once_by_nested_resets, TIMEOUT_S)
{
	struct function *f = &self->f;

	smtd_log_mark(f->dev, 1);
	ASSERT_EQ(prepare(f), 0);
	smtd_log_mark(f->dev, 2);
	EXPECT_EQ(reaches(f), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_RESETTING);
	ASSERT_EQ(done(f, SMTD_RESET_OK), 0);
	smtd_log_mark(f->dev, 3);
	EXPECT_EQ(reaches(f), 1);

	smtd_log_mark(f->dev, 4);
	ASSERT_EQ(prepare(f), 0);
	smtd_log_mark(f->dev, 5);
	ASSERT_EQ(prepare(f), 0);
	ASSERT_EQ(smtd_sysfs_reset(f->bdf), 0);
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_RESET), 1);
	EXPECT_EQ(reaches(f), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_RESETTING);
	ASSERT_EQ(done(f, SMTD_RESET_NOT_DONE), 0);
	EXPECT_EQ(reaches(f), 0);
	smtd_log_mark(f->dev, 6);
	ASSERT_EQ(done(f, SMTD_RESET_NOT_DONE), 0);
	smtd_log_mark(f->dev, 7);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
	EXPECT_EQ(reaches(f), 1);

	/* The module has none left, and says so itself. */
	EXPECT_EQ(done(f, SMTD_RESET_OK), -ENOENT);
	EXPECT_EQ(uevents(f), 0);
	EXPECT_EQ(smtd_violations(f->dev), 0);
}

/* Scenario 2: of the results of all levels the last definite one counts. */
TEST_F_TIMEOUT(function, is_what_the_last_definite_result_says, TIMEOUT_S)
{
	static const struct {
		u32 results[3];
		const char *then;
	} cases[] = {
		{ { SMTD_RESET_FAILED, SMTD_RESET_OK, SMTD_RESET_NOT_DONE }, SMTD_ACTIVE },
		{ { SMTD_RESET_OK, SMTD_RESET_FAILED, SMTD_RESET_NOT_DONE }, SMTD_QUARANTINED },
		{ { SMTD_RESET_FAILED, SMTD_RESET_NOT_DONE, SMTD_RESET_NOT_DONE },
		  SMTD_QUARANTINED },
		{ { SMTD_RESET_NOT_DONE, SMTD_RESET_FAILED, SMTD_RESET_OK }, SMTD_ACTIVE },
		{ { SMTD_RESET_OK, SMTD_RESET_OK, SMTD_RESET_FAILED }, SMTD_QUARANTINED },
		{ { SMTD_RESET_NOT_DONE, SMTD_RESET_NOT_DONE, SMTD_RESET_NOT_DONE }, SMTD_ACTIVE },
	};
	struct function *f = &self->f;
	int i, j, expected = 0;
	bool active;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (j = 0; j < 3; j++)
			ASSERT_EQ(prepare(f), 0);
		for (j = 0; j < 3; j++) {
			EXPECT_EQ(reaches(f), 0);
			ASSERT_EQ(done(f, cases[i].results[j]), 0);
		}
		active = !strcmp(cases[i].then, SMTD_ACTIVE);
		expected += !active;
		EXPECT_STREQ(smtd_recovery(f->bdf), cases[i].then) {
			TH_LOG("the last definite result of sequence %d does not count", i);
		}
		EXPECT_EQ(reaches(f), active);
		EXPECT_EQ(quarantines(f), expected);
		ASSERT_EQ(recover(f), 0);
		EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
		EXPECT_EQ(reaches(f), 1);
	}
	/* One when it is quarantined, one when it is back */
	EXPECT_TRUE(smtd_until((int)uevents(f) == 2 * expected));
	EXPECT_EQ(smtd_violations(f->dev), 0);
}

/* Scenario 4: a reset that was not carried out leaves the function as it was. */
TEST_F_TIMEOUT(function, is_as_before_after_a_reset_that_was_not_done, TIMEOUT_S)
{
	struct function *f = &self->f;

	ASSERT_EQ(prepare(f), 0);
	ASSERT_EQ(done(f, SMTD_RESET_NOT_DONE), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
	EXPECT_EQ(reaches(f), 1);
	EXPECT_EQ(quarantines(f), 0);

	ASSERT_EQ(quarantine(f), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_QUARANTINED);
	ASSERT_EQ(prepare(f), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), "resetting reset-failed");
	ASSERT_EQ(done(f, SMTD_RESET_NOT_DONE), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_QUARANTINED) {
		TH_LOG("no longer quarantined after a reset that was not done");
	}
	EXPECT_EQ(reaches(f), 0);
	/* Nothing new to count, or to tell */
	EXPECT_EQ(quarantines(f), 1);
	EXPECT_TRUE(smtd_until(uevents(f) == 1));
	EXPECT_STREQ(smtd_last_uevent(f->bdf), SMTD_QUARANTINED);

	ASSERT_EQ(recover(f), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
	EXPECT_TRUE(smtd_until(uevents(f) == 2));
	EXPECT_STREQ(smtd_last_uevent(f->bdf), SMTD_ACTIVE);
	EXPECT_EQ(reaches(f), 1);
	EXPECT_EQ(smtd_violations(f->dev), 0);
}

/*
 * Scenario 18: the end of a reset that was not begun changes nothing, nor, as a host
 * check sees between the log marks, the stream table. The kernel warns once, which
 * whoever runs this looks for.
 */
TEST_F_TIMEOUT(function, is_not_changed_by_a_done_without_a_prepare, TIMEOUT_S)
{
	static const u32 results[] = {
		SMTD_RESET_OK, SMTD_RESET_FAILED, SMTD_RESET_NOT_DONE,
	};
	struct function *f = &self->f;
	unsigned int i, round;

	for (round = 0; round < 2; round++) {
		const char *state = round ? SMTD_QUARANTINED : SMTD_ACTIVE;

		if (round)
			ASSERT_EQ(quarantine(f), 0);
		if (!round)
			smtd_log_mark(f->dev, 1);
		for (i = 0; i < ARRAY_SIZE(results); i++) {
			EXPECT_EQ(smtd_reset_done_unpaired(f->fd, results[i]), 0);
			EXPECT_STREQ(smtd_recovery(f->bdf), state) {
				TH_LOG("changed by the end of a reset that was not begun");
			}
			EXPECT_EQ(reaches(f), !round);
		}
		if (!round)
			smtd_log_mark(f->dev, 2);
		EXPECT_EQ(quarantines(f), round);
	}
	ASSERT_EQ(recover(f), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
	EXPECT_EQ(reaches(f), 1);
	EXPECT_EQ(smtd_violations(f->dev), 0);
}

/*
 * Whatever the module leaves is undone when its last file is closed, or when its
 * function is unbound: a driver that goes inside of a reset.
 */
TEST_F_TIMEOUT(function, is_not_left_in_a_reset_by_its_driver, TIMEOUT_S)
{
	struct function *f = &self->f;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(prepare(f), 0);
		ASSERT_EQ(prepare(f), 0);
		EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_RESETTING);
		if (i) {
			ASSERT_EQ(smtd_unbind(f->bdf), 0);
			EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
			ASSERT_EQ(smtd_set_driver(f->bdf, "smmu_testdev"), 0);
		}
		close(f->fd);
		EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
		f->fd = smtd_module_open(f->bdf);
		f->buffer = smtd_dma_map(f->fd, SMTD_PAGE);
		EXPECT_EQ(reaches(f), 1);
	}
	EXPECT_EQ(uevents(f), 0);
	EXPECT_EQ(smtd_violations(f->dev), 0);
}

FIXTURE(bus) {
	struct smtd *observer;
	struct function f;
};

FIXTURE_SETUP(bus)
{
	ASSERT_GE(nr_bdfs, 3);
	self->observer = smtd_watch(bdfs[0]);
	open_function(&self->f, bdfs[1], self->observer);
}

FIXTURE_TEARDOWN(bus)
{
	close_function(&self->f);
	smtd_close(self->observer);
}

/*
 * Scenario 4 with a method of the PCI core. A bus reset was possible when the
 * function was alone on its bus; now it finds another one there, and does nothing.
 */
TEST_F_TIMEOUT(bus, method_that_does_not_apply_changes_nothing, TIMEOUT_S)
{
	struct function *f = &self->f;

	ASSERT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
	EXPECT_EQ(smtd_sysfs_reset(f->bdf), -ENOTTY);
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_RESET), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
	EXPECT_EQ(reaches(f), 1);

	ASSERT_EQ(quarantine(f), 0);
	EXPECT_EQ(smtd_sysfs_reset(f->bdf), -ENOTTY);
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_RESET), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_QUARANTINED) {
		TH_LOG("no longer quarantined after a method that did not apply");
	}
	EXPECT_EQ(reaches(f), 0);
	EXPECT_EQ(quarantines(f), 1);

	/* One that does apply */
	ASSERT_EQ(smtd_sysfs_write(f->bdf, "reset_method", "flr"), 0);
	EXPECT_EQ(smtd_sysfs_reset(f->bdf), 0);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_ACTIVE);
	EXPECT_EQ(reaches(f), 1);
	EXPECT_EQ(smtd_violations(f->dev), 0);
}

FIXTURE(group) {
	struct smtd *observer;
	struct function f[MAX_FUNCTIONS];
};

FIXTURE_SETUP(group)
{
	int i;

	ASSERT_EQ(nr_bdfs, 1 + MAX_FUNCTIONS);
	self->observer = smtd_watch(bdfs[0]);
	for (i = 0; i < MAX_FUNCTIONS; i++) {
		ASSERT_EQ(sysfs_iommu_group_get(bdfs[i + 1]), sysfs_iommu_group_get(bdfs[1]));
		open_function(&self->f[i], bdfs[i + 1], self->observer);
		ASSERT_STREQ(smtd_recovery(bdfs[i + 1]), SMTD_ACTIVE);
	}
}

FIXTURE_TEARDOWN(group)
{
	int i;

	for (i = 0; i < MAX_FUNCTIONS; i++)
		close_function(&self->f[i]);
	smtd_close(self->observer);
}

/* Transactions of a function that did not do what they should */
static u32 refused(struct function *f)
{
	static const unsigned int bad[] = {
		SMTD_S_FAULT, SMTD_S_STALL, SMTD_S_ATS_NONE, SMTD_S_ATS_UR, SMTD_S_ATS_CA,
		SMTD_S_FORBIDDEN,
	};
	u32 sum = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		sum += smtd_stat(f->dev, bad[i]);
	return sum;
}

/* The DMA of the other two goes on, and none of it is refused. */
static void others_are_untouched(struct __test_metadata *_metadata, struct function *f,
				 const char *when)
{
	int i;

	for (i = 1; i < MAX_FUNCTIONS; i++) {
		EXPECT_TRUE(smtd_wait_tries(f[i].dev, 5));
		EXPECT_EQ(refused(&f[i]), 0) {
			TH_LOG("%s: DMA of a sibling refused", when);
		}
		EXPECT_STREQ(smtd_recovery(f[i].bdf), SMTD_ACTIVE);
	}
}

/*
 * Scenario 17: an FLR of one function of a group, and one that fails, are of no
 * concern to the other two. They share a domain with it, and an unmap there still
 * invalidates for them, and for them only. Between the log marks a host check looks
 * for changes of their stream table entries.
 */
TEST_F_TIMEOUT(group, of_three_is_untouched_by_a_reset_of_one, TIMEOUT_S)
{
	struct function *f = self->f;
	struct smtd_dma_map page;
	u32 asked;
	int i;

	for (i = 1; i < MAX_FUNCTIONS; i++) {
		smtd_dma_start(f[i].dev, .iova = f[i].buffer.iova, .ats = true, .period_us = 100);
		ASSERT_TRUE(smtd_wait_stat(f[i].dev, SMTD_S_OK, 1));
		smtd_stat_clear(f[i].dev);
		smtd_log_mark(f[i].dev, 1);
	}

	EXPECT_EQ(smtd_sysfs_reset(f[0].bdf), 0);
	EXPECT_EQ(smtd_stat(f[0].dev, SMTD_S_RESET), 1);
	others_are_untouched(_metadata, f, "after an FLR");
	EXPECT_EQ(reaches(&f[0]), 1);

	ASSERT_EQ(prepare(&f[0]), 0);
	EXPECT_EQ(reaches(&f[0]), 0);
	others_are_untouched(_metadata, f, "inside a reset");
	ASSERT_EQ(done(&f[0], SMTD_RESET_FAILED), 0);
	EXPECT_STREQ(smtd_recovery(f[0].bdf), SMTD_QUARANTINED);
	EXPECT_EQ(reaches(&f[0]), 0);
	others_are_untouched(_metadata, f, "after a reset that failed");

	for (i = 1; i < MAX_FUNCTIONS; i++)
		smtd_dma_stop(f[i].dev);
	page = smtd_dma_map(f[1].fd, SMTD_PAGE);
	asked = smtd_stat(f[0].dev, SMTD_S_INV_RX);
	for (i = 1; i < MAX_FUNCTIONS; i++)
		EXPECT_EQ(smtd_dma_run(f[i].dev, .iova = page.iova, .ats = true), 1);
	ASSERT_EQ(smtd_dma_unmap(f[1].fd, page.handle), 0);
	for (i = 1; i < MAX_FUNCTIONS; i++) {
		smtd_mark_freed(f[i].dev, page.iova, 0);
		EXPECT_EQ(smtd_dma_run(f[i].dev, .iova = page.iova, .ats = true), 0);
		EXPECT_EQ(smtd_dma_run(f[i].dev, .iova = page.iova), 0);
	}
	EXPECT_EQ(smtd_stat(f[0].dev, SMTD_S_INV_RX), asked);
	smtd_unmark_all(f[0].dev);

	EXPECT_EQ(smtd_sysfs_reset(f[0].bdf), 0);
	EXPECT_STREQ(smtd_recovery(f[0].bdf), SMTD_ACTIVE);
	for (i = 0; i < MAX_FUNCTIONS; i++)
		EXPECT_EQ(reaches(&f[i]), 1);
	for (i = 1; i < MAX_FUNCTIONS; i++)
		smtd_log_mark(f[i].dev, 2);
	EXPECT_EQ(smtd_violations(self->observer), 0);
}

FIXTURE(assigned) {
	struct smtd *observer, *dev;
	struct iommu *iommu;
	u32 one, two;	/* address spaces with another page each at IOVA */
	void *mem;
	u32 but;	/* violations that are another test's concern */
};

FIXTURE_SETUP(assigned)
{
	ASSERT_GE(nr_bdfs, 2);
	self->observer = smtd_watch(bdfs[0]);
	smtd_violations_clear(self->observer);
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->mem = smtd_alloc(2);
	self->one = smtd_ioas_alloc(self->iommu);
	self->two = smtd_ioas_alloc(self->iommu);
	smtd_map(self->iommu, self->one, self->mem, IOVA, SMTD_PAGE);
	smtd_map(self->iommu, self->two, self->mem + SMTD_PAGE, IOVA, SMTD_PAGE);
}

FIXTURE_TEARDOWN(assigned)
{
	EXPECT_EQ(smtd_violations_but(self->observer, self->but), 0);
	smtd_behave(self->dev);
	smtd_print(self->dev, self->dev->bdf);
	smtd_close(self->dev);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

static int give_to(const char *bdf, const char *driver)
{
	return smtd_unbind(bdf) ?: smtd_set_driver(bdf, driver);
}

/* By the module, which lets it go then. Nobody resets it for that. */
static int quarantine_and_give_away(const char *bdf)
{
	struct function f = { .bdf = bdf };
	int ret = give_to(bdf, "smmu_testdev");

	if (ret)
		return ret;
	f.fd = smtd_module_open(bdf);
	ret = quarantine(&f);
	close(f.fd);
	return ret ?: give_to(bdf, "vfio-pci");
}

static struct smtd *open_assigned(const char *bdf, struct iommu *iommu,
				  struct smtd *observer)
{
	struct smtd *dev = smtd_open(bdf, iommu);

	smtd_observe(dev, observer);
	return dev;
}

/*
 * A quarantined function can be claimed and opened, which is how user space gets to
 * reset it. VFIO itself does when it opens a function.
 */
TEST_F_TIMEOUT(assigned, function_is_reset_by_being_opened, TIMEOUT_S)
{
	ASSERT_EQ(quarantine_and_give_away(bdfs[1]), 0);
	EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_QUARANTINED);

	self->dev = open_assigned(bdfs[1], self->iommu, self->observer);
	EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_ACTIVE);
	ASSERT_EQ(smtd_attach(self->dev, self->one), 0);
	EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .ats = true), 1);
}

/*
 * One that VFIO has no way to reset stays quarantined. What it is attached to is
 * recorded, and translates from the reset on that somebody else does.
 */
TEST_F_TIMEOUT(assigned, function_is_attached_when_somebody_resets_it, TIMEOUT_S)
{
	u32 asked;

	ASSERT_EQ(quarantine_and_give_away(bdfs[1]), 0);
	ASSERT_EQ(smtd_sysfs_write(bdfs[1], "reset_method", "\n"), 0);
	self->dev = open_assigned(bdfs[1], self->iommu, self->observer);
	EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_QUARANTINED);
	asked = smtd_stat(self->dev, SMTD_S_INV_RX);

	EXPECT_EQ(smtd_attach(self->dev, self->one), 0);
	EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA), 0);
	EXPECT_EQ(smtd_attach(self->dev, self->two), 0);
	EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA), 0);
	EXPECT_EQ(smtd_unmap(self->iommu, self->one, IOVA, SMTD_PAGE), 0);
	EXPECT_EQ(smtd_stat(self->dev, SMTD_S_INV_RX), asked);
	EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_QUARANTINED);

	ASSERT_EQ(smtd_sysfs_write(bdfs[1], "reset_method", "default"), 0);
	ASSERT_EQ(smtd_sysfs_reset(bdfs[1]), 0);
	EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_ACTIVE);
	EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .ats = true), 1);
	EXPECT_EQ(smtd_word(self->mem, 0), 0);
	EXPECT_NE(smtd_word(self->mem, 1), 0);
}

/* The same with VFIO_DEVICE_RESET, after one that never ended. */
TEST_F_TIMEOUT(assigned, function_is_attached_when_its_user_resets_it, TIMEOUT_S)
{
	struct smtd *dev;

	ASSERT_EQ(give_to(bdfs[1], "vfio-pci"), 0);
	dev = open_assigned(bdfs[1], self->iommu, self->observer);
	self->dev = dev;
	ASSERT_EQ(smtd_attach(dev, self->one), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);

	smtd_flr(dev, 0, SMTD_FLR_READY_NEVER);
	ASSERT_LT(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_QUARANTINED);

	/* It is taken away and given something else while it is dead, and once more after. */
	EXPECT_EQ(smtd_detach(dev), 0);
	EXPECT_EQ(smtd_attach(dev, self->one), 0);
	EXPECT_EQ(smtd_attach(dev, self->two), 0);
	smtd_flr(dev, 0, 1);
	ASSERT_TRUE(smtd_wait_reg(dev, SMTD_IN_RESET, 0));
	EXPECT_EQ(smtd_detach(dev), 0);
	EXPECT_EQ(smtd_unmap(self->iommu, self->one, IOVA, SMTD_PAGE), 0);
	EXPECT_EQ(smtd_attach(dev, self->two), 0);
	EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_QUARANTINED);
	EXPECT_EQ(smtd_word(self->mem, 1), 0);

	ASSERT_EQ(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(bdfs[1]), SMTD_ACTIVE);
	/* The kernel has saved what the dead function's registers said then. */
	smtd_enable(dev);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);
	EXPECT_NE(smtd_word(self->mem, 1), 0);
}

#define PASIDS	3

/* How many writes of each PASID reach memory, as "101" */
static const char *pasids_that_reach(struct smtd *dev, bool ats)
{
	static char text[PASIDS + 1];
	int i;

	for (i = 0; i < PASIDS; i++)
		text[i] = '0' + smtd_dma_run(dev, .iova = IOVA, .pasid = i + 1, .ats = ats);
	return text;
}

/*
 * The same for PASIDs: one is detached while the function is quarantined, one is
 * replaced, and one attached.
 */
TEST_F_TIMEOUT(assigned, pasids_are_attached_when_their_function_is_reset, TIMEOUT_S)
{
	int one, two, i;
	struct smtd *dev;
	u64 word;

	ASSERT_GE(nr_bdfs, 3);
	ASSERT_EQ(give_to(bdfs[2], "vfio-pci"), 0);
	dev = open_assigned(bdfs[2], self->iommu, self->observer);
	self->dev = dev;
	/* Writes of PASID control while ATS is on are scenario 15's. */
	self->but = 1 << SMTD_V_PASID_ATS;
	one = smtd_hwpt_alloc(dev, self->one, SMTD_HWPT_PASID, 0);
	two = smtd_hwpt_alloc(dev, self->two, SMTD_HWPT_PASID, 0);
	ASSERT_GT(one, 0);
	ASSERT_GT(two, 0);
	ASSERT_EQ(smtd_attach(dev, one), 0);
	for (i = 1; i < PASIDS; i++)
		ASSERT_EQ(smtd_attach_pasid(dev, i, one), 0);
	EXPECT_STREQ(pasids_that_reach(dev, true), "110");

	smtd_flr(dev, 0, SMTD_FLR_READY_NEVER);
	ASSERT_LT(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(bdfs[2]), SMTD_QUARANTINED);
	EXPECT_EQ(smtd_detach_pasid(dev, 1), 0);
	EXPECT_EQ(smtd_attach_pasid(dev, 2, two), 0);
	EXPECT_EQ(smtd_attach_pasid(dev, 3, two), 0);
	smtd_flr(dev, 0, 1);
	ASSERT_TRUE(smtd_wait_reg(dev, SMTD_IN_RESET, 0));
	smtd_enable(dev);
	EXPECT_STREQ(pasids_that_reach(dev, false), "000");
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA), 0);
	EXPECT_STREQ(smtd_recovery(bdfs[2]), SMTD_QUARANTINED);
	word = smtd_word(self->mem, 0);
	EXPECT_EQ(smtd_word(self->mem, 1), 0);

	ASSERT_EQ(smtd_reset(dev), 0);
	EXPECT_STREQ(smtd_recovery(bdfs[2]), SMTD_ACTIVE);
	smtd_enable(dev);
	EXPECT_STREQ(pasids_that_reach(dev, true), "011");
	EXPECT_STREQ(pasids_that_reach(dev, false), "011");
	EXPECT_EQ(smtd_word(self->mem, 0), word);
	EXPECT_NE(smtd_word(self->mem, 1), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 1);
	EXPECT_NE(smtd_word(self->mem, 0), word);
	for (i = 2; i <= PASIDS; i++)
		EXPECT_EQ(smtd_detach_pasid(dev, i), 0);
	EXPECT_STREQ(pasids_that_reach(dev, true), "000");
}

int main(int argc, char *argv[])
{
	bdfs = vfio_selftests_get_bdfs(&argc, argv, &nr_bdfs);
	return test_harness_run(argc, argv);
}
