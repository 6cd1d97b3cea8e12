// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that are reset along with something else: with the link of the port
 * above, when errors are recovered from, or with their PF.
 *
 * usage: testdev_links [options of kselftest_harness.h] OBSERVER FUNCTION [PF]
 *
 * The observer is bound to no driver, the function to smmu_testdev. The fixture
 * "link" wants it below a root port; "pf" wants it to be a VF of PF, which is bound
 * to whatever has enabled it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define TIMEOUT_S	240

static char **bdfs;
static int nr_bdfs;

/*
 * A function with a buffer of the DMA API and an engine that goes on writing to it,
 * every millisecond, also inside a reset, which lasts for @ready_ms
 */
struct function {
	const char *bdf;
	struct smtd *observer, *dev;
	int fd;
	struct smtd_dma_map buffer;
};

static void open_function(struct function *f)
{
	f->observer = smtd_watch(bdfs[0]);
	f->bdf = bdfs[1];
	f->dev = smtd_watch(f->bdf);
	smtd_observe(f->dev, f->observer);
	smtd_behave(f->dev);
	smtd_stat_clear(f->dev);
	smtd_violations_clear(f->dev);
	f->fd = smtd_module_open(f->bdf);
	f->buffer = smtd_dma_map(f->fd, SMTD_PAGE);
}

static void close_function(struct function *f)
{
	smtd_behave(f->dev);
	smtd_print(f->dev, f->bdf);
	close(f->fd);
	smtd_close(f->dev);
	smtd_close(f->observer);
}

static void write_on(struct function *f, u32 ready_ms)
{
	smtd_dma_start(f->dev, .iova = f->buffer.iova, .period_us = 1000);
	VFIO_ASSERT_TRUE(smtd_wait_stat(f->dev, SMTD_S_OK, 5));
	smtd_flr(f->dev, SMTD_FLR_KEEP_DMA, ready_ms);
	smtd_stat_clear(f->dev);
}

static bool is_active(struct function *f)
{
	return !strcmp(smtd_recovery(f->bdf), SMTD_ACTIVE);
}

static u32 calls(struct function *f, int kind)
{
	struct smtd_counts counts;

	VFIO_ASSERT_EQ(smtd_module_call(f->fd, SMTD_IOC_COUNTS, &counts), 0);
	return counts.count[kind];
}

/* Of the writes inside of the reset none has reached memory, and there were some. */
static void was_fenced(struct __test_metadata *_metadata, struct function *f,
		       const char *what)
{
	printf("# inside the reset %s reached memory: %u, refused: %u\n", what,
	       smtd_stat(f->dev, SMTD_S_RESET_OK), smtd_stat(f->dev, SMTD_S_RESET_FAULT));
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_RESET_OK), 0);
	EXPECT_GT(smtd_stat(f->dev, SMTD_S_RESET_FAULT), 0);
	EXPECT_EQ(smtd_violations(f->dev), 0);
}

/* Memory Space or Bus Master Enable, which nobody else sets */
#define MEMORY		2
#define MASTER		4

static void enable(const char *bdf, u16 command)
{
	smtd_config_write(bdf, 4, &command, sizeof(command));
}

static void works(struct __test_metadata *_metadata, struct function *f)
{
	smtd_behave(f->dev);
	EXPECT_TRUE(smtd_ats_enabled(f->bdf));
	EXPECT_EQ(smtd_dma_run(f->dev, .iova = f->buffer.iova, .ats = true), 1);
	EXPECT_EQ(smtd_violations(f->dev), 0);
}

FIXTURE(link) {
	struct function f;
};

FIXTURE_SETUP(link)
{
	ASSERT_GE(nr_bdfs, 2);
	open_function(&self->f);
}

FIXTURE_TEARDOWN(link)
{
	close_function(&self->f);
}

/*
 * Scenario 7a. A fatal error makes the kernel reset the link. The function goes on
 * with its DMA, and is let back before its driver may start some.
 */
TEST_F_TIMEOUT(link, is_fenced_while_it_is_reset_for_a_fatal_error, TIMEOUT_S)
{
	struct function *f = &self->f;

	write_on(f, 50);
	smtd_write(f->dev, SMTD_AER, SMTD_AER_FATAL);
	ASSERT_TRUE(smtd_until(calls(f, SMTD_CALL_RESUME) == 1));
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_RESET), 1);
	EXPECT_EQ(calls(f, SMTD_CALL_SLOT_RESET), 1);
	was_fenced(_metadata, f, "of the link");
	EXPECT_TRUE(is_active(f));
	works(_metadata, f);
}

/* No reset, no fence: its driver mends it, and its DMA goes on. */
TEST_F_TIMEOUT(link, is_not_fenced_for_an_error_without_a_reset, TIMEOUT_S)
{
	struct function *f = &self->f;

	write_on(f, 50);
	smtd_write(f->dev, SMTD_AER, SMTD_AER_NONFATAL);
	ASSERT_TRUE(smtd_until(calls(f, SMTD_CALL_RESUME) == 1));
	EXPECT_EQ(calls(f, SMTD_CALL_DETECTED_NORMAL), 1);
	EXPECT_TRUE(smtd_wait_stat(f->dev, SMTD_S_OK, 5));
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_RESET), 0);
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_FAULT), 0);
	EXPECT_TRUE(is_active(f));
	works(_metadata, f);
}

/*
 * It does not come back, which a reset of the link need not see, nor the recovery.
 * It stays fenced until it is reset.
 */
TEST_F_TIMEOUT(link, stays_fenced_when_it_does_not_come_back, TIMEOUT_S)
{
	struct function *f = &self->f;
	u32 inside;

	write_on(f, SMTD_FLR_READY_NEVER);
	smtd_write(f->dev, SMTD_AER, SMTD_AER_FATAL);
	ASSERT_TRUE(smtd_until(calls(f, SMTD_CALL_RESUME) + calls(f, SMTD_CALL_DETECTED_FAILURE)));
	was_fenced(_metadata, f, "that has failed");
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_QUARANTINED);
	inside = smtd_stat(f->dev, SMTD_S_OK);
	smtd_flr(f->dev, SMTD_FLR_KEEP_DMA, 1);
	ASSERT_TRUE(smtd_wait_reg(f->dev, SMTD_IN_RESET, 0));
	ASSERT_TRUE(smtd_wait_tries(f->dev, 20));
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_OK), inside);
	EXPECT_EQ(smtd_violations(f->dev), 0);

	EXPECT_EQ(smtd_sysfs_reset(f->bdf), 0);
	EXPECT_TRUE(is_active(f));
	enable(f->bdf, MASTER);
	works(_metadata, f);
}

static int remove_it(void *bdf)
{
	return smtd_sysfs_write(bdf, "remove", "1");
}

/*
 * It is removed while its link is reset. The recovery must leave it alone then, and
 * a rescan finds a function that works.
 */
TEST_F_TIMEOUT(link, can_be_removed_inside_of_the_reset, TIMEOUT_S)
{
	struct function *f = &self->f;
	struct smtd_call remove;

	write_on(f, 700);
	smtd_write(f->dev, SMTD_AER, SMTD_AER_FATAL);
	ASSERT_TRUE(smtd_wait_reg(f->dev, SMTD_IN_RESET, 1));
	smtd_call_start(&remove, remove_it, (void *)f->bdf);
	EXPECT_EQ(smtd_call_join(&remove), 0);
	EXPECT_FALSE(smtd_exists(f->bdf));
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_RESET_OK), 0);
	ASSERT_TRUE(smtd_wait_reg(f->dev, SMTD_IN_RESET, 0));
	EXPECT_EQ(smtd_violations(f->dev), 0);
	close(f->fd);
	smtd_close(f->dev);
	smtd_close(f->observer);

	smtd_rescan();
	ASSERT_TRUE(smtd_until(smtd_exists(f->bdf)));
	ASSERT_EQ(smtd_set_driver(f->bdf, "smmu_testdev"), 0);
	open_function(f);
	EXPECT_TRUE(is_active(f));
	works(_metadata, f);
}

FIXTURE(pf) {
	struct function f;
	const char *bdf;
};

FIXTURE_SETUP(pf)
{
	ASSERT_EQ(nr_bdfs, 3);
	self->bdf = bdfs[2];
	open_function(&self->f);
	ASSERT_TRUE(smtd_ats_enabled(self->f.bdf));
}

FIXTURE_TEARDOWN(pf)
{
	close_function(&self->f);
}

/*
 * Scenario 7b. A reset of the PF is one of the VF too. That has ATS in the end, for
 * it is let back when VF Enable has been. When the PF fails the VF stays fenced with
 * it, until both come back.
 */
TEST_F_TIMEOUT(pf, vf_is_fenced_while_its_pf_is_reset, TIMEOUT_S)
{
	struct function *f = &self->f;
	struct smtd *pf;

	write_on(f, 50);
	EXPECT_EQ(smtd_sysfs_reset(self->bdf), 0);
	EXPECT_GT(smtd_stat(f->dev, SMTD_S_RESET), 0);
	was_fenced(_metadata, f, "of the PF");
	EXPECT_TRUE(is_active(f));
	EXPECT_STREQ(smtd_recovery(self->bdf), SMTD_ACTIVE);
	/* The configuration of a VF is nobody's concern but its driver's. */
	enable(f->bdf, MASTER);
	works(_metadata, f);

	enable(self->bdf, MEMORY);
	pf = smtd_watch(self->bdf);
	smtd_observe(pf, f->observer);
	write_on(f, 50);
	smtd_flr(pf, 0, SMTD_FLR_READY_NEVER);
	EXPECT_LT(smtd_sysfs_reset(self->bdf), 0);
	EXPECT_STREQ(smtd_recovery(self->bdf), SMTD_QUARANTINED);
	EXPECT_STREQ(smtd_recovery(f->bdf), SMTD_QUARANTINED);
	/* It is not even there, for VF Enable is off. */
	EXPECT_EQ(smtd_stat(f->dev, SMTD_S_RESET_OK), 0);
	EXPECT_EQ(smtd_violations(f->dev), 0);

	smtd_flr(pf, 0, 1);
	ASSERT_TRUE(smtd_wait_reg(pf, SMTD_IN_RESET, 0));
	EXPECT_EQ(smtd_sysfs_reset(self->bdf), 0);
	EXPECT_STREQ(smtd_recovery(self->bdf), SMTD_ACTIVE);
	EXPECT_TRUE(is_active(f));
	enable(f->bdf, MASTER);
	works(_metadata, f);
	smtd_close(pf);
}

int main(int argc, char *argv[])
{
	bdfs = vfio_selftests_get_bdfs(&argc, argv, &nr_bdfs);
	return test_harness_run(argc, argv);
}
