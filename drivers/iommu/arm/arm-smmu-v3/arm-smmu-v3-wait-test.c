// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of waiting for the command queue.
 *
 * The queue is in memory. The driver waits as ever, in real time and with interrupts
 * off, so the test plays the SMMU where the waiting looks for an error.
 */
#include <kunit/static_stub.h>
#include <linux/ktime.h>

#include "arm-smmu-v3-queue-test.h"

struct wait_ctx {
	struct arm_smmu_device smmu;
	u32 prod_reg, cons_reg;
	ktime_t begin;
	void (*hw)(struct wait_ctx *ctx, s64 ms);
	s64 at;		/* for hw: when, in milliseconds */
	u32 to;		/* and how far */
	int smmu_polls, own_polls;
};

/* In place of arm_smmu_poll_cmdq_err() */
static void wait_poll_cmdq_err(struct arm_smmu_device *smmu)
{
	struct wait_ctx *ctx = container_of(smmu, struct wait_ctx, smmu);

	ctx->smmu_polls++;
	if (ctx->hw)
		ctx->hw(ctx, ktime_ms_delta(ktime_get(), ctx->begin));
}

static u32 wait_cons(struct wait_ctx *ctx)
{
	return READ_ONCE(ctx->smmu.cmdq.q.llq.cons) & QUEUE_MASK;
}

static u32 wait_prod(struct wait_ctx *ctx)
{
	return READ_ONCE(ctx->smmu.cmdq.q.llq.prod) & QUEUE_MASK;
}

static u32 *wait_word(struct wait_ctx *ctx, u32 slot)
{
	return (u32 *)Q_ENT(&ctx->smmu.cmdq.q, slot);
}

/* @n commands without a CMD_SYNC, then @run of them and one; the error */
static int wait_issue(struct wait_ctx *ctx, int n, int run, bool atc)
{
	struct arm_smmu_cmd cmds[8];
	int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		cmds[i] = arm_smmu_make_cmd_atc_inv_all(i + 1, IOMMU_NO_PASID);
	ctx->begin = ktime_get();
	if (n)
		arm_smmu_cmdq_issue_cmdlist(&ctx->smmu, &ctx->smmu.cmdq, cmds, n,
					    false);
	if (atc)
		return arm_smmu_cmdq_issue_atc_run(&ctx->smmu, &ctx->smmu.cmdq,
						   cmds, run);
	return arm_smmu_cmdq_issue_cmdlist(&ctx->smmu, &ctx->smmu.cmdq, cmds, run,
					   true);
}

static void wait_fill_one(struct kunit *test)
{
	struct arm_smmu_cmd cmd = arm_smmu_make_cmd_op(CMDQ_OP_TLBI_NH_ALL);
	struct wait_ctx *ctx = test->priv;

	KUNIT_ASSERT_EQ(test, 0,
			arm_smmu_cmdq_issue_cmdlist(&ctx->smmu, &ctx->smmu.cmdq,
						    &cmd, 1, false));
}

static s64 wait_ms(struct wait_ctx *ctx)
{
	return ktime_ms_delta(ktime_get(), ctx->begin);
}

/* One command in each interval, and the rest after the last one that it is to take */
static void wait_hw_slow(struct wait_ctx *ctx, s64 ms)
{
	u32 cons = ms / ctx->at;

	WRITE_ONCE(ctx->cons_reg, cons < ctx->to ? cons : wait_prod(ctx));
}

/* A second begins anew whenever the SMMU goes on */
static void wait_while_it_moves_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	/* It comes to ours after 800 ms, and takes 400 ms for each of them */
	ctx->hw = wait_hw_slow;
	ctx->at = 400;
	ctx->to = 8;
	KUNIT_EXPECT_EQ(test, 0, wait_issue(ctx, 2, 6, true));
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 3200);
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 9);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&ctx->smmu.given_up_syncs));
}

/* Up to a slot at once, when it is time */
static void wait_hw_to(struct wait_ctx *ctx, s64 ms)
{
	if (ms >= ctx->at)
		WRITE_ONCE(ctx->cons_reg, ctx->to);
}

/* It stands at the first invalidation, and at the CMD_SYNC */
static void wait_own_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	ctx->hw = wait_hw_to;
	ctx->to = 2;
	KUNIT_EXPECT_EQ(test, -ETIME, wait_issue(ctx, 2, 3, true));
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 1000);
	KUNIT_EXPECT_LT(test, wait_ms(ctx), 4000);
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 2);

	ctx->to = 9;
	KUNIT_EXPECT_EQ(test, -ETIME, wait_issue(ctx, 0, 3, true));
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 9);

	/* Nobody is to blame for other commands */
	ctx->to = 12;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, wait_issue(ctx, 0, 3, false));
	KUNIT_EXPECT_EQ(test, 3, atomic_long_read(&ctx->smmu.given_up_syncs));
}

/* Who has others in front does not give up after a second, and accuses nobody */
static void wait_behind_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	ctx->hw = wait_hw_to;
	ctx->to = 3;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, wait_issue(ctx, 4, 2, true));
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 5000);
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 3);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&ctx->smmu.given_up_syncs));

	/* It has not gone on since: nobody waits as long again */
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, wait_issue(ctx, 0, 1, true));
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 1000);
	KUNIT_EXPECT_LT(test, wait_ms(ctx), 4500);

	/* It has: all over again */
	ctx->to = 4;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, wait_issue(ctx, 0, 1, true));
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 5000);
	KUNIT_EXPECT_EQ(test, 3, atomic_long_read(&ctx->smmu.given_up_syncs));
}

/* The last one that finds room, and no completion is owed */
static void wait_full_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;
	int i;

	for (i = 0; i < QUEUE_ENTS - 2; i++)
		wait_fill_one(test);
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, wait_issue(ctx, 0, 1, true));
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 0);
	KUNIT_EXPECT_EQ(test, wait_prod(ctx), QUEUE_ENTS);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&ctx->smmu.given_up_syncs));
}

/* The SMMU has come to it at last: it has a second in front of everybody */
static void wait_behind_then_own_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	ctx->hw = wait_hw_to;
	ctx->at = 4700;
	ctx->to = 4;
	KUNIT_EXPECT_EQ(test, -ETIME, wait_issue(ctx, 4, 2, true));
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 5700);
}

/* Consumed, and the MSI is late: complete, and its slot is not used before it comes */
static void wait_msi_late_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;
	struct arm_smmu_cmdq *cmdq = &ctx->smmu.cmdq;

	ctx->smmu.options = ARM_SMMU_OPT_MSIPOLL;
	ctx->hw = wait_hw_to;
	ctx->to = 4;
	KUNIT_EXPECT_EQ(test, 0, wait_issue(ctx, 2, 1, true));
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&cmdq->owed), 1);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&ctx->smmu.given_up_syncs));

	/* Nor for a later one that was given up in the same way */
	ctx->to = 6;
	KUNIT_EXPECT_EQ(test, 0, wait_issue(ctx, 0, 1, true));
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&cmdq->owed), 2);

	/* The first one comes */
	*wait_word(ctx, 3) = 0;
	ctx->to = 8;
	KUNIT_EXPECT_EQ(test, 0, wait_issue(ctx, 0, 1, true));
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 5);
	KUNIT_EXPECT_EQ(test, atomic_read(&cmdq->owed), 2);
}

/* All of ours at once, and then those of others */
static void wait_hw_busy(struct wait_ctx *ctx, s64 ms)
{
	WRITE_ONCE(ctx->cons_reg, ctx->to + ms / 100);
}

/* Others do not make it longer to wait for a completion that does not come */
static void wait_msi_lost_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	ctx->smmu.options = ARM_SMMU_OPT_MSIPOLL;
	ctx->hw = wait_hw_busy;
	ctx->to = 4;
	KUNIT_EXPECT_EQ(test, 0, wait_issue(ctx, 2, 1, true));
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 1000);
	KUNIT_EXPECT_LT(test, wait_ms(ctx), 3000);
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 3);
}

static void wait_hw_msi(struct wait_ctx *ctx, s64 ms)
{
	u32 slot = (wait_prod(ctx) - 1) & QUEUE_MASK;

	WRITE_ONCE(ctx->cons_reg, wait_prod(ctx));
	WRITE_ONCE(*wait_word(ctx, slot), 0);
}

/* CMD_SYNCs complete in order */
static void wait_msi_later_one_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;
	int i;

	ctx->smmu.options = ARM_SMMU_OPT_MSIPOLL;
	ctx->hw = wait_hw_to;
	ctx->to = 4;
	KUNIT_EXPECT_EQ(test, 0, wait_issue(ctx, 2, 1, true));
	ctx->hw = wait_hw_msi;
	KUNIT_EXPECT_EQ(test, 0, wait_issue(ctx, 0, 2, true));
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 7);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->smmu.cmdq.owed), 0);
	KUNIT_EXPECT_EQ(test, find_first_bit(ctx->smmu.cmdq.owed_map, QUEUE_ENTS),
			QUEUE_ENTS);

	/* Nothing of it is left when its slot comes round again */
	for (i = 0; i < QUEUE_ENTS; i++) {
		KUNIT_ASSERT_EQ(test, 0, wait_issue(ctx, 0, 2, true));
		KUNIT_ASSERT_EQ(test, wait_cons(ctx), wait_prod(ctx));
	}
}

/* What the SMMU has not consumed is not used again when the wait is given up */
static void wait_msi_given_up_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	ctx->smmu.options = ARM_SMMU_OPT_MSIPOLL;
	ctx->hw = wait_hw_to;
	ctx->to = 1;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, wait_issue(ctx, 2, 3, false));
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), 1);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&ctx->smmu.given_up_syncs));
}

/* The queue is full but for a completion that is owed; it comes, or it does not */
static void wait_msi_fill(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	ctx->smmu.options = ARM_SMMU_OPT_MSIPOLL;
	ctx->hw = wait_hw_to;
	ctx->to = 2;
	KUNIT_ASSERT_EQ(test, 0, wait_issue(ctx, 0, 1, true));
	KUNIT_ASSERT_EQ(test, wait_cons(ctx), 1);
	ctx->hw = NULL;
	while (wait_prod(ctx) - wait_cons(ctx) < QUEUE_ENTS)
		wait_fill_one(test);
	WRITE_ONCE(ctx->cons_reg, wait_prod(ctx));

	ctx->begin = ktime_get();
}

static void wait_hw_msi_at(struct wait_ctx *ctx, s64 ms)
{
	if (ms >= ctx->at)
		WRITE_ONCE(*wait_word(ctx, 1), 0);
}

static void wait_full_msi_comes_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	wait_msi_fill(test);
	ctx->hw = wait_hw_msi_at;
	ctx->at = 300;
	wait_fill_one(test);
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 300);
	KUNIT_EXPECT_LT(test, wait_ms(ctx), 1000);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->smmu.cmdq.owed), 0);
}

static void wait_full_msi_never_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	wait_msi_fill(test);
	wait_fill_one(test);
	KUNIT_EXPECT_GE(test, wait_ms(ctx), 1000);
	KUNIT_EXPECT_EQ(test, wait_cons(ctx), ctx->cons_reg & QUEUE_MASK);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->smmu.cmdq.owed), 0);
}

/* As of a VCMDQ: what the SMMU's own registers say of errors is not its */
static void wait_poll_own_err(struct arm_smmu_cmdq *cmdq)
{
	struct wait_ctx *ctx = container_of(cmdq, struct wait_ctx, smmu.cmdq);

	ctx->own_polls++;
	if (ctx->hw)
		ctx->hw(ctx, ktime_ms_delta(ktime_get(), ctx->begin));
}

static void wait_own_err_test(struct kunit *test)
{
	struct wait_ctx *ctx = test->priv;

	ctx->smmu.cmdq.poll_err = wait_poll_own_err;
	ctx->hw = wait_hw_to;
	ctx->at = 100;
	ctx->to = 5;
	KUNIT_EXPECT_EQ(test, wait_issue(ctx, 2, 2, false), 0);
	KUNIT_EXPECT_GT(test, ctx->own_polls, 0);
	KUNIT_EXPECT_EQ(test, ctx->smmu_polls, 0);
	KUNIT_EXPECT_LT(test, wait_ms(ctx), 1000);
}

static int wait_test_init(struct kunit *test)
{
	struct wait_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	queue_init_cmdq(test, &ctx->smmu, &ctx->prod_reg, &ctx->cons_reg);
	kunit_activate_static_stub(test, arm_smmu_poll_cmdq_err,
				   wait_poll_cmdq_err);
	return 0;
}

static struct kunit_case wait_cases[] = {
	KUNIT_CASE_SLOW(wait_while_it_moves_test),
	KUNIT_CASE_SLOW(wait_own_test),
	KUNIT_CASE_SLOW(wait_behind_test),
	KUNIT_CASE_SLOW(wait_behind_then_own_test),
	KUNIT_CASE_SLOW(wait_full_test),
	KUNIT_CASE_SLOW(wait_msi_late_test),
	KUNIT_CASE_SLOW(wait_msi_lost_test),
	KUNIT_CASE_SLOW(wait_msi_later_one_test),
	KUNIT_CASE_SLOW(wait_msi_given_up_test),
	KUNIT_CASE_SLOW(wait_full_msi_comes_test),
	KUNIT_CASE_SLOW(wait_full_msi_never_test),
	KUNIT_CASE_SLOW(wait_own_err_test),
	{}
};

static struct kunit_suite wait_suite = {
	.name = "arm_smmu_v3_wait",
	.init = wait_test_init,
	.test_cases = wait_cases,
};

kunit_test_suite(wait_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of waiting for the command queue of an SMMUv3");
MODULE_LICENSE("GPL");
