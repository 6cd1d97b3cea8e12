// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of a function: what it costs, what it lets pass, and what it takes to
 * open it again.
 *
 * usage: testdev_gate [options of kselftest_harness.h] OBSERVER FUNCTION
 *
 * The observer is bound to no driver, the function, which has PASIDs, to
 * smmu_testdev. It goes on with its DMA inside its resets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/kernel.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
/* SVA takes the lowest PASIDs */
#define PASID		0x100
#define MAX_PASIDS	256
#define TIMEOUT_S	240
#define TRIES		20
#define RUDE		(SMTD_FLR_KEEP_DMA | SMTD_FLR_KEEP_ATC)

#define UNFENCE_FAILED	"quarantined unfence-failed"

/* An unpatched kernel writes PASID control while ATS is on: scenario 15's. */
#define BUT_PASID_CONTROL	BIT(SMTD_V_PASID_ATS)

static const char *observer_bdf, *bdf;

/* The function, with a buffer of the DMA API that it reaches through its ATC */
struct env {
	struct smtd *observer, *dev;
	int fd;
	struct smtd_dma_map buffer;
};

static void env_init(struct env *env)
{
	env->observer = smtd_watch(observer_bdf);
	env->dev = smtd_watch_anew(bdf, env->observer);
	env->fd = smtd_module_open(bdf);
	env->buffer = smtd_dma_map(env->fd, SMTD_PAGE);
}

static void env_cleanup(struct env *env)
{
	smtd_behave(env->dev);
	smtd_print(env->dev, bdf);
	close(env->fd);
	smtd_close(env->dev);
	smtd_close(env->observer);
}

FIXTURE(gate) {
	struct env env;
	struct smtd *dev;
	int fd;
	u64 iova;
};

FIXTURE_SETUP(gate)
{
	env_init(&self->env);
	self->dev = self->env.dev;
	self->fd = self->env.fd;
	self->iova = self->env.buffer.iova;
	ASSERT_EQ(smtd_dma_run(self->dev, .iova = self->iova, .ats = true), 1);
}

FIXTURE_TEARDOWN(gate)
{
	EXPECT_EQ(smtd_violations_but(self->dev, BUT_PASID_CONTROL), 0);
	env_cleanup(&self->env);
}

/* Whether this kernel has the calls of a reset without a reset. */
static bool has_calls(int fd)
{
	int ret = smtd_reset_done(fd, SMTD_RESET_NOT_DONE);

	if (ret == -EOPNOTSUPP)
		printf("# this kernel has resets of the PCI core only\n");
	return ret != -EOPNOTSUPP;
}

/* ---- what it costs ---- */

struct cost {
	u32 prepare, done, invs;
};

/* A reset by FLR: the commands until it has come, and those from there to its end. */
static struct cost cost_of_reset(struct smtd *dev)
{
	struct smtd_window window;
	struct cost cost;
	u32 begin, inside;

	begin = smtd_read(dev, SMTD_SMMU_CMDS);
	cost.invs = smtd_read(dev, SMTD_SMMU_INV_SENT);
	VFIO_ASSERT_TRUE(smtd_window_begin(&window, dev, 0));
	inside = smtd_read(dev, SMTD_SMMU_CMDS);
	VFIO_ASSERT_EQ(smtd_window_end(&window), 0);
	cost.prepare = inside - begin;
	cost.done = smtd_read(dev, SMTD_SMMU_CMDS) - inside;
	cost.invs = smtd_read(dev, SMTD_SMMU_INV_SENT) - cost.invs;
	return cost;
}

/* The calls alone */
static struct cost cost_of_calls(struct smtd *dev, int fd)
{
	struct cost cost;
	u32 begin, inside;

	begin = smtd_read(dev, SMTD_SMMU_CMDS);
	cost.invs = smtd_read(dev, SMTD_SMMU_INV_SENT);
	VFIO_ASSERT_EQ(smtd_reset_prepare(fd), 0);
	inside = smtd_read(dev, SMTD_SMMU_CMDS);
	VFIO_ASSERT_EQ(smtd_reset_done(fd, SMTD_RESET_OK), 0);
	cost.prepare = inside - begin;
	cost.done = smtd_read(dev, SMTD_SMMU_CMDS) - inside;
	cost.invs = smtd_read(dev, SMTD_SMMU_INV_SENT) - cost.invs;
	return cost;
}

static void attach_pasids(struct __test_metadata *_metadata, int fd, u32 n, u32 domains, u32 *ids)
{
	u32 i;

	for (i = 0; i < domains; i++) {
		ids[i] = smtd_domain_alloc(fd, SMTD_DOMAIN_PASID);
		smtd_domain_map(fd, ids[i], IOVA, SMTD_PAGE);
	}
	for (i = 0; i < n; i++)
		ASSERT_EQ(smtd_pasid_attach(fd, ids[i % domains], PASID + i), 0);
}

static void detach_pasids(struct __test_metadata *_metadata, int fd, u32 n, u32 domains, u32 *ids)
{
	u32 i;

	for (i = 0; i < n; i++)
		ASSERT_EQ(smtd_pasid_detach(fd, PASID + i), 0);
	for (i = 0; i < domains; i++)
		ASSERT_EQ(smtd_domain_free(fd, ids[i]), 0);
}

/*
 * Scenario 16. The commands that the SMMU gets for prepare and done do not depend on
 * the number of PASIDs, nor of domains. Nobody else sends it any meanwhile: the
 * functions are idle, and the observer's registers are reached without DMA.
 */
TEST_F_TIMEOUT(gate, costs_the_same_for_any_number_of_pasids, TIMEOUT_S)
{
	static const struct {
		u32 pasids, domains;
	} rows[] = { { 0, 0 }, { 16, 1 }, { 16, 16 }, { 256, 1 }, { 256, 256 } };
	struct cost flr[ARRAY_SIZE(rows)], call[ARRAY_SIZE(rows)] = {};
	bool calls = has_calls(self->fd);
	u32 ids[MAX_PASIDS];
	int i;

	ASSERT_TRUE(smtd_ats_enabled(bdf));
	printf("# commands           of an FLR                 of the calls alone\n");
	printf("# PASIDs  domains  prepare   done  ATC_INV  prepare   done  ATC_INV\n");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		attach_pasids(_metadata, self->fd, rows[i].pasids, rows[i].domains, ids);
		flr[i] = cost_of_reset(self->dev);
		printf("# %6u  %7u  %7u %6u  %7u", rows[i].pasids, rows[i].domains, flr[i].prepare,
		       flr[i].done, flr[i].invs);
		if (calls) {
			call[i] = cost_of_calls(self->dev, self->fd);
			printf("  %7u %6u  %7u", call[i].prepare, call[i].done, call[i].invs);
		}
		printf("\n");
		fflush(stdout);
		/* It was a reset with all of them, which are there after it. */
		if (rows[i].pasids) {
			EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .pasid = PASID), 1);
			EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .ats = true,
					       .pasid = PASID + rows[i].pasids - 1), 1);
		}
		EXPECT_EQ(smtd_dma_run(self->dev, .iova = self->iova, .ats = true), 1);
		detach_pasids(_metadata, self->fd, rows[i].pasids, rows[i].domains, ids);
	}

	for (i = 1; i < ARRAY_SIZE(rows); i++) {
		EXPECT_EQ(flr[i].prepare, flr[0].prepare) {
			TH_LOG("prepare sends %u commands without PASIDs and %u with %u",
			       flr[0].prepare, flr[i].prepare, rows[i].pasids);
		}
		EXPECT_EQ(flr[i].done, flr[0].done) {
			TH_LOG("done sends %u commands without PASIDs and %u with %u", flr[0].done,
			       flr[i].done, rows[i].pasids);
		}
		EXPECT_EQ(flr[i].invs, flr[0].invs);
		EXPECT_EQ(call[i].prepare, call[0].prepare);
		EXPECT_EQ(call[i].done, call[0].done);
		EXPECT_EQ(call[i].invs, call[0].invs);
	}
}

/* ---- what it lets pass ---- */

/* What the attaches to be tried are made with; each leaves things as it found them. */
struct kit {
	int fd;
	u32 one, two, nested, fault;
};

static int try_rid(struct kit *k, u32 id)
{
	return smtd_domain_attach(k->fd, id) ?: smtd_domain_detach(k->fd);
}

static int rid_plain(struct kit *k)
{
	return try_rid(k, k->one);
}

static int rid_nested(struct kit *k)
{
	return try_rid(k, k->nested);
}

static int rid_fault(struct kit *k)
{
	return try_rid(k, k->fault);
}

static int rid_replace(struct kit *k)
{
	return smtd_domain_replace(k->fd, k->one) ?: smtd_domain_replace(k->fd, k->nested);
}

static int pasid_plain(struct kit *k)
{
	return smtd_pasid_attach(k->fd, k->one, PASID + 1) ?: smtd_pasid_detach(k->fd, PASID + 1);
}

static int pasid_nested(struct kit *k)
{
	return smtd_pasid_attach(k->fd, k->nested, PASID + 1) ?:
	       smtd_pasid_detach(k->fd, PASID + 1);
}

static int pasid_replace(struct kit *k)
{
	return smtd_pasid_replace(k->fd, k->one, PASID) ?: smtd_pasid_replace(k->fd, k->two, PASID);
}

static int pasid_replace_nested(struct kit *k)
{
	return smtd_pasid_replace(k->fd, k->nested, PASID);
}

static int sva(struct kit *k)
{
	struct smtd_sva_bind bind = {};
	int ret = smtd_module_call(k->fd, SMTD_IOC_SVA_BIND, &bind);

	return ret ?: smtd_sva_unbind(k->fd, bind.pasid);
}

struct attempt {
	const char *what;
	int (*try)(struct kit *k);
};

/* With PASIDs, on the first of which there is a domain */
static const struct attempt with_pasids[] = {
	{ "stage 1 while a PASID is attached", rid_plain },
	{ "stage 2 while a PASID is attached", rid_nested },
	{ "stage 1 to another PASID", pasid_plain },
	{ "stage 2 to another PASID", pasid_nested },
	{ "stage 1 in place of that of a PASID", pasid_replace },
	{ "stage 2 in place of that of a PASID", pasid_replace_nested },
	{ "the address space of a process", sva },
};

/* On a domain of stage 2 */
static const struct attempt on_stage_2[] = {
	{ "stage 1 to a PASID while on stage 2", pasid_plain },
	{ "a process while on stage 2", sva },
	{ "stage 1 in place of stage 2", rid_replace },
};

/* With two StreamIDs and transactions that stall */
static const struct attempt with_two_ids[] = {
	{ "a domain that takes faults, two StreamIDs", rid_fault },
	{ "a domain that takes none, two StreamIDs", rid_plain },
};

/* Inside a reset, and once more where a reset has failed, the errno is what it always is. */
static void errno_is_the_same(struct __test_metadata *_metadata, struct smtd *dev, struct kit *k,
			      const struct attempt *attempts, int n)
{
	int before[8], inside[8], after, i;
	struct smtd_window window;
	bool calls = has_calls(k->fd);

	ASSERT_LE(n, ARRAY_SIZE(before));
	for (i = 0; i < n; i++)
		before[i] = attempts[i].try(k);
	ASSERT_TRUE(smtd_window_begin(&window, dev, 0));
	for (i = 0; i < n; i++)
		inside[i] = attempts[i].try(k);
	ASSERT_EQ(smtd_window_end(&window), 0);
	for (i = 0; i < n; i++)
		printf("# %-44s %4d, inside %4d\n", attempts[i].what, before[i], inside[i]);
	fflush(stdout);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(inside[i], before[i]) {
			TH_LOG("%s: %d outside, %d inside a reset", attempts[i].what, before[i],
			       inside[i]);
		}
	}
	for (i = 0; i < n; i++)
		EXPECT_EQ(attempts[i].try(k), before[i]);
	if (!calls)
		return;

	ASSERT_EQ(smtd_reset_prepare(k->fd), 0);
	ASSERT_EQ(smtd_reset_done(k->fd, SMTD_RESET_FAILED), 0);
	EXPECT_STREQ(smtd_recovery(bdf), SMTD_QUARANTINED);
	for (i = 0; i < n; i++) {
		after = attempts[i].try(k);
		EXPECT_EQ(after, before[i]) {
			TH_LOG("%s: %d, and %d while quarantined", attempts[i].what, before[i],
			       after);
		}
	}
	ASSERT_EQ(smtd_reset_prepare(k->fd), 0);
	ASSERT_EQ(smtd_reset_done(k->fd, SMTD_RESET_OK), 0);
	EXPECT_STREQ(smtd_recovery(bdf), SMTD_ACTIVE);
}

/*
 * Scenarios 10 and 24. Each attach is refused for the reason that it has itself, and
 * not for the reset; one that would work does.
 */
TEST_F_TIMEOUT(gate, refuses_what_is_refused_without_a_reset, TIMEOUT_S)
{
	struct kit k = {
		.fd = self->fd,
		.one = smtd_domain_alloc(self->fd, SMTD_DOMAIN_PASID),
		.two = smtd_domain_alloc(self->fd, SMTD_DOMAIN_PASID),
		.nested = smtd_domain_alloc(self->fd, SMTD_DOMAIN_PARENT),
	};

	ASSERT_EQ(smtd_pasid_attach(k.fd, k.two, PASID), 0);
	/* The list says something: of these there are both kinds. */
	ASSERT_EQ(rid_nested(&k), -EBUSY);
	ASSERT_EQ(pasid_nested(&k), -EINVAL);
	ASSERT_EQ(pasid_plain(&k), 0);
	errno_is_the_same(_metadata, self->dev, &k, with_pasids, ARRAY_SIZE(with_pasids));
	EXPECT_EQ(smtd_pasid_detach(k.fd, PASID), 0);

	ASSERT_EQ(smtd_domain_attach(k.fd, k.nested), 0);
	ASSERT_EQ(pasid_plain(&k), -EINVAL);
	errno_is_the_same(_metadata, self->dev, &k, on_stage_2, ARRAY_SIZE(on_stage_2));
	EXPECT_EQ(smtd_domain_detach(k.fd), 0);
	EXPECT_EQ(smtd_domain_free(k.fd, k.one), 0);
	EXPECT_EQ(smtd_domain_free(k.fd, k.two), 0);
	EXPECT_EQ(smtd_domain_free(k.fd, k.nested), 0);
	EXPECT_EQ(smtd_dma_run(self->dev, .iova = self->iova, .ats = true), 1);
}

TEST_F_TIMEOUT(gate, refuses_faults_of_a_function_with_two_ids, TIMEOUT_S)
{
	struct kit k = {
		.fd = self->fd,
		.one = smtd_domain_alloc(self->fd, 0),
		.fault = smtd_domain_alloc(self->fd, SMTD_DOMAIN_FAULT),
	};

	ASSERT_EQ(rid_fault(&k), -EOPNOTSUPP);
	errno_is_the_same(_metadata, self->dev, &k, with_two_ids, ARRAY_SIZE(with_two_ids));
	EXPECT_EQ(smtd_domain_free(k.fd, k.one), 0);
	EXPECT_EQ(smtd_domain_free(k.fd, k.fault), 0);
}

/* ---- what it takes to open it ---- */

FIXTURE(answer) {
	struct env env;
	struct smtd *dev;
	u64 iova;
	int quarantines;
	unsigned int uevents;
};

FIXTURE_VARIANT(answer) {
	u32 mode;
};

FIXTURE_VARIANT_ADD(answer, error) {
	.mode = SMTD_INV_ERROR,
};

FIXTURE_VARIANT_ADD(answer, never) {
	.mode = SMTD_INV_NEVER,
};

FIXTURE_SETUP(answer)
{
	env_init(&self->env);
	self->dev = self->env.dev;
	self->iova = self->env.buffer.iova;
	self->quarantines = smtd_quarantines(bdf);
	self->uevents = smtd_uevents(bdf);
}

FIXTURE_TEARDOWN(answer)
{
	env_cleanup(&self->env);
}

/* The function tries. How much of it reaches memory? */
static u32 reached(struct __test_metadata *_metadata, struct smtd *dev)
{
	smtd_stat_clear(dev);
	EXPECT_TRUE(smtd_wait_tries(dev, TRIES));
	return smtd_stat(dev, SMTD_S_OK);
}

/*
 * Scenario 39. The function is back, as far as its configuration space says, and
 * does not answer the invalidation that stands before its gate: it stays fenced, and
 * a reset after which it does answer recovers it.
 */
TEST_F_TIMEOUT(answer, that_does_not_come_keeps_the_function_fenced, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	struct smtd_window window;
	const char *state;
	int ret, round;
	u32 n;

	for (round = 1; round <= 2; round++) {
		smtd_dma_start(dev, .iova = self->iova);
		ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_OK, 1));
		ASSERT_TRUE(smtd_window_begin(&window, dev, RUDE));
		if (variant->mode == SMTD_INV_ERROR)
			smtd_inv_error(dev, 20000, 0);
		else
			smtd_inv_mode(dev, variant->mode);
		ret = smtd_window_end(&window);
		n = reached(_metadata, dev);
		printf("# reset: %d; its invalidation has no answer; DMA reached memory: %u\n", ret,
		       n);
		fflush(stdout);
		EXPECT_EQ(n, 0);
		/*
		 * Behind an invalidation that is open not even a fence is done: the
		 * function is called broken, as long as that is tried again.
		 */
		state = smtd_recovery(bdf);
		ASSERT_TRUE(!strcmp(state, UNFENCE_FAILED) ||
			    (variant->mode == SMTD_INV_NEVER &&
			     !strcmp(state, "broken unfence-failed"))) {
			TH_LOG("state after a reset without an answer: %s", state);
		}

		/* An answer that comes too late lifts nothing. */
		smtd_inv_answer(dev);
		EXPECT_TRUE(smtd_until(!strcmp(smtd_recovery(bdf), UNFENCE_FAILED)));
		EXPECT_EQ(reached(_metadata, dev), 0);
		EXPECT_STREQ(smtd_recovery(bdf), UNFENCE_FAILED);
		EXPECT_EQ(smtd_quarantines(bdf), self->quarantines + round);
		EXPECT_TRUE(smtd_until(smtd_uevents(bdf) == self->uevents + 2 * round - 1));
		EXPECT_STREQ(smtd_last_uevent(bdf), UNFENCE_FAILED);
		EXPECT_FALSE(smtd_ats_enabled(bdf));

		/* With an answer */
		smtd_flr(dev, 0, 0);
		ASSERT_EQ(smtd_sysfs_reset(bdf), 0);
		EXPECT_STREQ(smtd_recovery(bdf), SMTD_ACTIVE);
		EXPECT_TRUE(smtd_until(smtd_uevents(bdf) == self->uevents + 2 * round));
		EXPECT_TRUE(smtd_ats_enabled(bdf));
		EXPECT_EQ(smtd_dma_run(dev, .iova = self->iova), 1);
		EXPECT_EQ(smtd_dma_run(dev, .iova = self->iova, .ats = true), 1);
	}
	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
}

/*
 * Scenario 30b. The root complex answers for a function that is not there: an
 * Unsupported Request, which the SMMU takes for an answer. Its configuration space
 * says what has happened.
 */
TEST_F_TIMEOUT(gate, stays_shut_for_a_function_that_has_vanished, TIMEOUT_S)
{
	struct smtd *dev = self->dev;

	if (!has_calls(self->fd))
		return;
	ASSERT_EQ(smtd_reset_prepare(self->fd), 0);
	smtd_write(dev, SMTD_VANISH, 1);
	smtd_inv_mode(dev, SMTD_INV_UR);
	ASSERT_EQ(smtd_reset_done(self->fd, SMTD_RESET_OK), 0);
	EXPECT_STREQ(smtd_recovery(bdf), UNFENCE_FAILED);
	smtd_write(dev, SMTD_VANISH, 0);
	smtd_inv_answer(dev);
	EXPECT_EQ(smtd_dma_run(dev, .iova = self->iova), 0);

	ASSERT_EQ(smtd_reset_prepare(self->fd), 0);
	ASSERT_EQ(smtd_reset_done(self->fd, SMTD_RESET_OK), 0);
	EXPECT_STREQ(smtd_recovery(bdf), SMTD_ACTIVE);
	EXPECT_EQ(smtd_dma_run(dev, .iova = self->iova, .ats = true), 1);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	observer_bdf = bdfs[0];
	bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
