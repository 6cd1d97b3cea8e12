// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches that are stopped at each of their steps, before and behind a fence.
 *
 * usage: testdev_steps [options of kselftest_harness.h] OBSERVER FUNCTION
 *
 * The observer is bound to no driver, the function to smmu_testdev. Two CPUs: one
 * waits for a CMD_SYNC, with interrupts off, when the queue stands.
 */
#include <errno.h>
#include <stdlib.h>

#include <linux/bits.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define TIMEOUT_S	240
#define RUDE		(SMTD_FLR_KEEP_DMA | SMTD_FLR_KEEP_ATC)

/* The queue goes on by itself in time for the kernel not to give up waiting. */
#define HOLD_US		400000
#define MAX_STEPS	64

/* An unpatched kernel writes PASID control while ATS is on: scenario 15's. */
#define BUT_PASID_CONTROL	BIT(SMTD_V_PASID_ATS)

static const char *observer_bdf, *bdf;

/*
 * Two domains of stage 1 and one of stage 2, with another page each at IOVA: from one
 * to the next all kinds of changes of a stream table entry occur.
 */
FIXTURE(steps) {
	struct smtd *observer, *dev;
	int fd;
	u32 domain[3];
	void *page[3];
};

FIXTURE_SETUP(steps)
{
	int i;

	ASSERT_TRUE(smtd_pin(0));
	self->observer = smtd_watch(observer_bdf);
	self->dev = smtd_watch(bdf);
	smtd_observe(self->dev, self->observer);
	smtd_behave(self->dev);
	smtd_stat_clear(self->dev);
	smtd_violations_clear(self->dev);
	self->fd = smtd_module_open(bdf);
	for (i = 0; i < 3; i++) {
		self->domain[i] = smtd_domain_alloc(self->fd, i == 1 ? SMTD_DOMAIN_PARENT : 0);
		self->page[i] = smtd_domain_map(self->fd, self->domain[i], IOVA, SMTD_PAGE);
	}
	ASSERT_EQ(smtd_domain_attach(self->fd, self->domain[0]), 0);
	smtd_dma_start(self->dev, .iova = IOVA);
	ASSERT_TRUE(smtd_wait_stat(self->dev, SMTD_S_OK, 1));
}

FIXTURE_TEARDOWN(steps)
{
	EXPECT_EQ(smtd_violations_but(self->dev, BUT_PASID_CONTROL), 0);
	smtd_behave(self->dev);
	smtd_print(self->dev, bdf);
	close(self->fd);
	smtd_close(self->dev);
	smtd_close(self->observer);
}

struct replace {
	int fd;
	u32 id;
};

static int replace_it(void *arg)
{
	struct replace *r = arg;

	VFIO_ASSERT_TRUE(smtd_pin(1));
	return smtd_domain_replace(r->fd, r->id);
}

/* Whether the replace is held at its SYNC number @step; else it has none such, and is over. */
static bool stop_at(struct smtd *dev, struct smtd_call *call, struct replace *r, u32 step)
{
	smtd_hold_later(dev, 0, SMTD_OP_SYNC, SMTD_ANY, step, HOLD_US);
	smtd_call_start(call, replace_it, r);
	VFIO_ASSERT_TRUE(smtd_until(smtd_is_held(dev, 0) || smtd_call_done(call)));
	if (smtd_is_held(dev, 0))
		return true;
	smtd_unhold(dev, 0);
	return false;
}

/* Inside its reset the function is fenced, by the entry that is cached and by the one in memory. */
static void stays_shut(struct __test_metadata *_metadata, struct smtd *dev, const char *when,
		       u32 step)
{
	u32 refused = smtd_stat(dev, SMTD_S_RESET_FAULT);
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(smtd_wait_tries(dev, 3));
		smtd_write(dev, SMTD_CFG_FORGET, 0);
	}
	EXPECT_TRUE(smtd_wait_tries(dev, 3));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RESET_OK), 0) {
		TH_LOG("the gate is open %s, step %u", when, step);
	}
	EXPECT_GT(smtd_stat(dev, SMTD_S_RESET_FAULT), refused);
}

/* The function reaches that domain's page, as its endless DMA does. */
static void is_on(struct __test_metadata *_metadata, struct smtd *dev, void *page)
{
	u64 word = smtd_word(page, 0);

	EXPECT_TRUE(smtd_until(smtd_word(page, 0) != word)) {
		TH_LOG("after the reset the domain attached last is not reached");
	}
}

/*
 * Scenario 31. An attach has begun when a fence is requested, and is stopped at each of
 * its steps in turn: from the return of prepare on nothing gets through, and after the
 * reset the attach has its effect.
 */
TEST_F_TIMEOUT(steps, of_an_attach_before_a_fence_do_not_open_it, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	struct smtd_window window;
	struct smtd_call call;
	u32 step;
	int i;

	for (i = 0; i < 3; i++) {
		struct replace to = { self->fd, self->domain[(i + 1) % 3] };

		for (step = 0; step < MAX_STEPS; step++) {
			bool held = stop_at(dev, &call, &to, step);

			if (held) {
				smtd_window_start(&window, dev, RUDE);
				EXPECT_TRUE(smtd_until(smtd_call_sleeps(&window.reset) ||
						       !smtd_is_held(dev, 0)));
				smtd_release(dev);
				ASSERT_TRUE(smtd_window_wait(&window));
				stays_shut(_metadata, dev, "after an attach", step);
				ASSERT_EQ(smtd_window_end(&window), 0);
			}
			ASSERT_EQ(smtd_call_join(&call), 0);
			is_on(_metadata, dev, self->page[(i + 1) % 3]);
			if (!held)
				break;
			ASSERT_EQ(smtd_domain_replace(self->fd, self->domain[i]), 0);
			smtd_stat_clear(dev);
		}
		printf("# domain %d in place of %d: stopped at %u steps\n", (i + 1) % 3, i, step);
		EXPECT_GT(step, 0);
		EXPECT_LT(step, MAX_STEPS);
	}
}

/* The same for an attach that begins behind the fence. */
TEST_F_TIMEOUT(steps, of_an_attach_behind_a_fence_do_not_open_it, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	struct smtd_window window;
	struct smtd_call call;
	int i, ret;
	u32 step;

	ASSERT_TRUE(smtd_window_begin(&window, dev, RUDE));
	for (i = 0; i < 3; i++) {
		struct replace to = { self->fd, self->domain[(i + 1) % 3] };

		for (step = 0; step < MAX_STEPS; step++) {
			bool held = stop_at(dev, &call, &to, step);

			if (held) {
				stays_shut(_metadata, dev, "inside an attach", step);
				smtd_release(dev);
			}
			ret = smtd_call_join(&call);
			if (ret)
				break;
			stays_shut(_metadata, dev, "after an attach", step);
			if (!held)
				break;
			ASSERT_EQ(smtd_domain_replace(self->fd, self->domain[i]), 0);
			stays_shut(_metadata, dev, "after an attach back", step);
		}
		printf("# domain %d in place of %d inside the reset: %d, stopped at %u steps\n",
		       (i + 1) % 3, i, ret, step);
		fflush(stdout);
		EXPECT_EQ(ret, 0);
		EXPECT_GT(step, 0);
		EXPECT_LT(step, MAX_STEPS);
	}
	ASSERT_EQ(smtd_window_end(&window), 0);
	is_on(_metadata, dev, self->page[0]);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	observer_bdf = bdfs[0];
	bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
