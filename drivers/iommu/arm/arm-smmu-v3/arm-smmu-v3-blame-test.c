// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of who is to blame for an ATC invalidation that times out.
 *
 * The command queue is in memory, and the tests play the SMMU at it: a CMD_SYNC fails
 * when one of the invalidations since the last one was for a device that is guilty,
 * and nobody is told which.
 */
#include <kunit/static_stub.h>
#include <linux/iommu.h>

#include "../../iommu-recovery.h"
#include "arm-smmu-v3-queue-test.h"

#define BLAME_DEVS	8
#define BLAME_LOG	512

struct blame_ctx {
	struct arm_smmu_device smmu;
	struct device dev[BLAME_DEVS];
	struct dev_iommu iommu[BLAME_DEVS];
	struct iommu_recovery recovery[BLAME_DEVS];
	struct arm_smmu_master master[BLAME_DEVS];
	struct arm_smmu_stream stream[BLAME_DEVS];
	struct arm_smmu_ste table[BLAME_DEVS + 1];

	u32 prod_reg, cons_reg, cons;
	unsigned long guilty;		/* bit: number of the device */
	unsigned long mute;		/* whose invalidation is never answered */
	unsigned long mute_alone;	/* in a run of its own */
	bool silent;
	bool void_run;			/* an invalidation since the last CMD_SYNC fails */
	unsigned int run;		/* commands since then */
	unsigned int longest;
	unsigned int timeouts;
	unsigned int asked[BLAME_DEVS];	/* invalidations */
	unsigned int alone[BLAME_DEVS];	/* in a run without another device */
	unsigned long in_run;
	u8 log[BLAME_LOG];
	unsigned int num;
};

static void blame_sync(struct blame_ctx *ctx, u32 cons)
{
	if (ctx->void_run) {
		ctx->timeouts++;
		ctx->cons_reg = cons | FIELD_PREP(CMDQ_CONS_ERR,
						  CMDQ_ERR_CERROR_ATC_INV_IDX);
		__arm_smmu_cmdq_skip_err(&ctx->smmu, &ctx->smmu.cmdq);
	}
	if (hweight_long(ctx->in_run) == 1)
		ctx->alone[__ffs(ctx->in_run)]++;
	ctx->longest = max(ctx->longest, ctx->run);
	ctx->void_run = false;
	ctx->in_run = 0;
	ctx->run = 0;
}

/* In place of arm_smmu_cmdq_poll_until_sync() */
static int blame_poll_until_sync(struct arm_smmu_device *smmu,
				 struct arm_smmu_cmdq *cmdq,
				 struct arm_smmu_ll_queue *llq)
{
	struct blame_ctx *ctx = container_of(smmu, struct blame_ctx, smmu);

	bool stuck = ctx->silent;

	while (!stuck && ctx->cons != (ctx->prod_reg & QUEUE_MASK)) {
		u64 cmd = le64_to_cpu(Q_ENT(&cmdq->q, ctx->cons)[0]);
		unsigned int op = FIELD_GET(CMDQ_0_OP, cmd);
		u32 nr = FIELD_GET(CMDQ_ATC_0_SID, cmd) - 1;

		ctx->run++;
		if (ctx->num < BLAME_LOG)
			ctx->log[ctx->num++] = op;
		if (op == CMDQ_OP_ATC_INV) {
			ctx->asked[nr]++;
			ctx->in_run |= BIT(nr);
			ctx->void_run |= ctx->guilty & BIT(nr);
		} else if (op == CMDQ_OP_CMD_SYNC) {
			stuck = (ctx->in_run & ctx->mute) ||
				(ctx->in_run && ctx->in_run == ctx->mute_alone);
			if (stuck)
				break;
			blame_sync(ctx, ctx->cons);
		}
		ctx->cons = (ctx->cons + 1) & QUEUE_MASK;
	}
	ctx->cons_reg = ctx->cons;
	llq->cons = ctx->cons;
	/* As if it had stood still for a second, wherever it is */
	return stuck ? -ETIME : 0;
}

/* Entries of an array: @pasids of them for each device that is in @devs */
static struct arm_smmu_invs *blame_invs(struct kunit *test, unsigned long devs,
					unsigned int pasids)
{
	unsigned int nr, ssid, n = hweight_long(devs) * pasids + 1;
	struct blame_ctx *ctx = test->priv;
	struct arm_smmu_invs *invs;
	struct arm_smmu_inv *inv;

	invs = kunit_kzalloc(test, struct_size(invs, inv, n), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, invs);
	invs->max_invs = n;
	invs->num_invs = n;
	invs->has_ats = true;
	rwlock_init(&invs->rwlock);
	inv = invs->inv;
	*inv++ = (struct arm_smmu_inv){
		.smmu = &ctx->smmu, .type = INV_TYPE_S1_ASID, .id = 5,
		.size_opcode = CMDQ_OP_TLBI_NH_VA,
		.nsize_opcode = CMDQ_OP_TLBI_NH_ASID, .users = 1,
	};
	for_each_set_bit(nr, &devs, BLAME_DEVS)
		for (ssid = 0; ssid < pasids; ssid++)
			*inv++ = (struct arm_smmu_inv){
				.smmu = &ctx->smmu, .id = nr + 1, .ssid = ssid,
				.type = INV_TYPE_ATS, .users = 1,
				.size_opcode = CMDQ_OP_ATC_INV,
				.nsize_opcode = CMDQ_OP_ATC_INV,
				.master = &ctx->master[nr],
			};
	return invs;
}

static void blame_flush(struct blame_ctx *ctx, struct arm_smmu_invs *invs)
{
	struct arm_smmu_domain domain = {};

	memset(ctx->asked, 0, sizeof(ctx->asked));
	memset(ctx->alone, 0, sizeof(ctx->alone));
	ctx->timeouts = 0;
	ctx->longest = 0;
	ctx->num = 0;
	RCU_INIT_POINTER(domain.invs, invs);
	arm_smmu_domain_inv_range(&domain, 0x1000, SZ_4K, SZ_4K, true);
}

static void blame_expect(struct kunit *test, unsigned long timeout,
			 unsigned long unproven)
{
	struct blame_ctx *ctx = test->priv;
	struct arm_smmu_ste abort;
	unsigned int nr;

	arm_smmu_make_abort_ste(&abort);
	for (nr = 0; nr < BLAME_DEVS; nr++) {
		bool fenced = (timeout | unproven) & BIT(nr);
		struct iommu_recovery *recovery = &ctx->recovery[nr];
		enum iommu_broken_reason reason = IOMMU_BROKEN_NONE;

		if (timeout & BIT(nr))
			reason = IOMMU_BROKEN_ATC_TIMEOUT;
		else if (unproven & BIT(nr))
			reason = IOMMU_BROKEN_ATC_UNPROVEN;
		KUNIT_EXPECT_EQ(test, (int)recovery->reason, (int)reason);
		KUNIT_EXPECT_EQ(test, (int)recovery->fsm.state,
				fenced ? (int)IOMMU_RECOVERY_BROKEN :
					 (int)IOMMU_RECOVERY_ACTIVE);
		KUNIT_EXPECT_EQ(test, ctx->master[nr].gate.shut, fenced);
		KUNIT_EXPECT_EQ(test, ctx->master[nr].gate.skip, fenced);
		KUNIT_EXPECT_EQ(test, fenced,
				ctx->table[nr + 1].data[0] == abort.data[0]);
	}
}

/* Nothing is wrong: one run, one CMD_SYNC behind the invalidations */
static void blame_nobody_test(struct kunit *test)
{
	static const u8 ops[] = {
		CMDQ_OP_TLBI_NH_VA, CMDQ_OP_CMD_SYNC,
		CMDQ_OP_ATC_INV, CMDQ_OP_ATC_INV, CMDQ_OP_CMD_SYNC,
	};
	struct blame_ctx *ctx = test->priv;

	blame_flush(ctx, blame_invs(test, BIT(0) | BIT(3), 1));
	KUNIT_EXPECT_EQ(test, ctx->num, ARRAY_SIZE(ops));
	KUNIT_EXPECT_MEMEQ(test, ctx->log, ops, sizeof(ops));
	blame_expect(test, 0, 0);
}

/* sixteen_pasids: it is alone in its run, so it need not be asked again */
static void blame_sole_test(struct kunit *test)
{
	struct arm_smmu_invs *invs = blame_invs(test, BIT(2), 16);
	struct blame_ctx *ctx = test->priv;

	ctx->guilty = BIT(2);
	blame_flush(ctx, invs);
	KUNIT_EXPECT_EQ(test, ctx->timeouts, 1);
	KUNIT_EXPECT_EQ(test, ctx->asked[2], 16);
	/* CFGI_STE and CMD_SYNC, before the flush returns */
	KUNIT_EXPECT_EQ(test, ctx->log[ctx->num - 2], CMDQ_OP_CFGI_STE);
	KUNIT_EXPECT_EQ(test, ctx->log[ctx->num - 1], CMDQ_OP_CMD_SYNC);
	blame_expect(test, BIT(2), 0);

	/* Later ones leave it out */
	blame_flush(ctx, invs);
	KUNIT_EXPECT_EQ(test, ctx->timeouts, 0);
	KUNIT_EXPECT_EQ(test, ctx->asked[2], 0);
	blame_expect(test, BIT(2), 0);
}

/* atc_one_of_eight: each of them in turn */
static void blame_one_of_eight_test(struct kunit *test)
{
	struct arm_smmu_invs *invs = blame_invs(test, GENMASK(BLAME_DEVS - 1, 0), 2);
	struct blame_ctx *ctx = test->priv;
	unsigned int guilty, nr;

	for (guilty = 0; guilty < BLAME_DEVS; guilty++) {
		ctx->guilty = BIT(guilty);
		blame_flush(ctx, invs);
		KUNIT_EXPECT_EQ(test, ctx->timeouts, 2);
		blame_expect(test, BIT(guilty), 0);
		/* What the run was to do for the innocent is done again, alone */
		for (nr = 0; nr < BLAME_DEVS; nr++) {
			KUNIT_EXPECT_EQ(test, ctx->asked[nr], 4);
			KUNIT_EXPECT_EQ(test, ctx->alone[nr], 1);
		}
		blame_flush(ctx, invs);
		KUNIT_EXPECT_EQ(test, ctx->timeouts, 0);
		KUNIT_EXPECT_EQ(test, ctx->asked[guilty], 0);
		KUNIT_EXPECT_EQ(test, ctx->asked[!guilty], 2);

		ctx->master[guilty].gate.shut = false;
		ctx->master[guilty].gate.skip = false;
		ctx->table[guilty + 1].data[0] = 0;
		ctx->recovery[guilty].reason = IOMMU_BROKEN_NONE;
		ctx->recovery[guilty].fsm.state = IOMMU_RECOVERY_ACTIVE;
	}
}

/* k_of_n_guilty: who was not asked before the second failure is unproven */
static void blame_budget_test(struct kunit *test)
{
	struct arm_smmu_invs *invs = blame_invs(test, GENMASK(BLAME_DEVS - 1, 0), 1);
	struct blame_ctx *ctx = test->priv;

	ctx->guilty = BIT(1) | BIT(4) | BIT(5);
	blame_flush(ctx, invs);
	KUNIT_EXPECT_EQ(test, ctx->timeouts, 3);
	KUNIT_EXPECT_EQ(test, ctx->asked[4], 2);
	KUNIT_EXPECT_EQ(test, ctx->asked[5], 1);
	blame_expect(test, BIT(1) | BIT(4), BIT(5) | BIT(6) | BIT(7));
}

/* A batch that is full has a CMD_SYNC of its own, and the next run is another one */
static void blame_batches_test(struct kunit *test)
{
	struct arm_smmu_invs *invs = blame_invs(test, BIT(0) | BIT(6), 100);
	struct blame_ctx *ctx = test->priv;

	blame_flush(ctx, invs);
	KUNIT_EXPECT_EQ(test, ctx->longest, CMDQ_BATCH_ENTRIES);
	KUNIT_EXPECT_EQ(test, ctx->asked[0] + ctx->asked[6], 200);

	/* Its invalidations begin in the second run of four, and end it */
	ctx->guilty = BIT(6);
	blame_flush(ctx, invs);
	KUNIT_EXPECT_EQ(test, ctx->timeouts, 2);
	KUNIT_EXPECT_EQ(test, ctx->asked[0], 100 + 37);
	KUNIT_EXPECT_EQ(test, ctx->asked[6], 26 + 26);
	blame_expect(test, BIT(6), 0);
}

/* The SMMU does not take CFGI_STE any more: reported, shut, but nobody may skip it */
static int blame_stuck_sync(struct arm_smmu_master *master, u32 sid)
{
	return -ETIMEDOUT;
}

static void blame_stuck_test(struct kunit *test)
{
	struct arm_smmu_invs *invs = blame_invs(test, BIT(3), 1);
	struct blame_ctx *ctx = test->priv;

	kunit_activate_static_stub(test, arm_smmu_gate_sync_ste,
				   blame_stuck_sync);
	ctx->guilty = BIT(3);
	blame_flush(ctx, invs);
	KUNIT_EXPECT_EQ(test, (int)ctx->recovery[3].reason,
			(int)IOMMU_BROKEN_ATC_TIMEOUT);
	KUNIT_EXPECT_TRUE(test, ctx->master[3].gate.shut);
	KUNIT_EXPECT_FALSE(test, ctx->master[3].gate.skip);
	/* The next one closes it again, in full */
	kunit_deactivate_static_stub(test, arm_smmu_gate_sync_ste);
	blame_flush(ctx, invs);
	KUNIT_EXPECT_EQ(test, ctx->timeouts, 1);
	KUNIT_EXPECT_TRUE(test, ctx->master[3].gate.skip);
}

/* Their abort STE is in memory, they are reported, and nobody may skip them yet */
static void blame_expect_suspects(struct kunit *test, unsigned long no_answer,
				  unsigned long unproven)
{
	struct blame_ctx *ctx = test->priv;
	struct arm_smmu_ste abort;
	unsigned int nr;

	arm_smmu_make_abort_ste(&abort);
	for (nr = 0; nr < BLAME_DEVS; nr++) {
		bool shut = (no_answer | unproven) & BIT(nr);

		KUNIT_EXPECT_EQ(test, (int)ctx->recovery[nr].reason,
				no_answer & BIT(nr) ?
					(int)IOMMU_BROKEN_ATC_NO_ANSWER :
				unproven & BIT(nr) ?
					(int)IOMMU_BROKEN_ATC_UNPROVEN :
					(int)IOMMU_BROKEN_NONE);
		KUNIT_EXPECT_EQ(test, ctx->master[nr].gate.shut, shut);
		KUNIT_EXPECT_FALSE(test, ctx->master[nr].gate.skip);
		KUNIT_EXPECT_EQ(test, shut,
				ctx->table[nr + 1].data[0] == abort.data[0]);
	}
}

/* atc_soft_timeout: those of the run at which the SMMU stands, and of no other */
static void blame_no_answer_test(struct kunit *test)
{
	struct blame_ctx *ctx = test->priv;

	ctx->mute = BIT(1);
	blame_flush(ctx, blame_invs(test, BIT(0) | BIT(1), 4));
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&ctx->smmu.given_up_syncs));
	blame_expect_suspects(test, BIT(0) | BIT(1), 0);
	/* Once each, however many invalidations there were */
	KUNIT_EXPECT_EQ(test, ctx->master[0].gate.close_seq, 1);

	/* Both runs of this one are behind it */
	blame_flush(ctx, blame_invs(test, BIT(2) | BIT(3), 1));
	KUNIT_EXPECT_EQ(test, 3, atomic_long_read(&ctx->smmu.given_up_syncs));
	blame_expect_suspects(test, BIT(0) | BIT(1), 0);

	/* It has answered: now they can be fenced */
	ctx->mute = 0;
	KUNIT_EXPECT_EQ(test, 0, arm_smmu_gate_close(&ctx->master[0]));
	KUNIT_EXPECT_TRUE(test, ctx->master[0].gate.skip);
	KUNIT_EXPECT_EQ(test, ctx->cons, ctx->prod_reg & QUEUE_MASK);
}

/* Who was still to be asked is unproven */
static void blame_no_answer_alone_test(struct kunit *test)
{
	struct blame_ctx *ctx = test->priv;

	ctx->guilty = BIT(1);
	ctx->mute_alone = BIT(1);
	blame_flush(ctx, blame_invs(test, GENMASK(3, 0), 2));
	KUNIT_EXPECT_EQ(test, ctx->timeouts, 1);
	KUNIT_EXPECT_EQ(test, ctx->alone[0], 1);
	blame_expect_suspects(test, BIT(1), BIT(2) | BIT(3));
}

/* Nothing is known about anybody */
static void blame_silent_test(struct kunit *test)
{
	struct blame_ctx *ctx = test->priv;

	ctx->silent = true;
	ctx->guilty = BIT(0);
	blame_flush(ctx, blame_invs(test, BIT(0) | BIT(1), 1));
	blame_expect(test, 0, 0);
}

static struct arm_smmu_master *blame_find(void *arg, u32 sid)
{
	struct blame_ctx *ctx = arg;

	/* A guest has taken it away meanwhile */
	return sid == 8 ? NULL : &ctx->master[sid - 1];
}

/* guest_atc_inv: other commands between them, and in any order */
static void blame_guest_test(struct kunit *test)
{
	struct blame_ctx *ctx = test->priv;
	struct arm_smmu_cmd cmds[] = {
		arm_smmu_make_cmd_atc_inv_all(2, IOMMU_NO_PASID),
		arm_smmu_make_cmd_op(CMDQ_OP_TLBI_NH_ALL),
		arm_smmu_make_cmd_atc_inv_all(4, IOMMU_NO_PASID),
		arm_smmu_make_cmd_atc_inv_all(8, IOMMU_NO_PASID),
		arm_smmu_make_cmd_atc_inv_all(2, IOMMU_NO_PASID),
	};

	ctx->guilty = BIT(1);
	KUNIT_EXPECT_EQ(test, 0, arm_smmu_issue_atc_inv(&ctx->smmu,
							&ctx->smmu.cmdq, cmds,
							ARRAY_SIZE(cmds),
							blame_find, ctx));
	/* The second one of its finds it fenced */
	KUNIT_EXPECT_EQ(test, ctx->asked[1], 3);
	KUNIT_EXPECT_EQ(test, ctx->asked[3], 2);
	KUNIT_EXPECT_EQ(test, ctx->asked[7], 1);
	blame_expect(test, BIT(1), 0);

	ctx->silent = true;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
			arm_smmu_issue_atc_inv(&ctx->smmu, &ctx->smmu.cmdq,
					       &cmds[1], ARRAY_SIZE(cmds) - 1,
					       blame_find, ctx));
	/* It stands at another command of the guest */
	blame_expect(test, BIT(1), 0);
}

static int blame_test_init(struct kunit *test)
{
	struct blame_ctx *ctx;
	unsigned int nr;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	queue_init_cmdq(test, &ctx->smmu, &ctx->prod_reg, &ctx->cons_reg);
	ctx->smmu.strtab_cfg.linear.table = ctx->table;
	for (nr = 0; nr < BLAME_DEVS; nr++) {
		struct arm_smmu_master *master = &ctx->master[nr];

		arm_smmu_gate_init(master);
		master->smmu = &ctx->smmu;
		master->dev = &ctx->dev[nr];
		master->streams = &ctx->stream[nr];
		master->num_streams = 1;
		ctx->stream[nr].id = nr + 1;

		/* What a report changes, without a work item that acts on it */
		ctx->dev[nr].init_name = "blamed";
		ctx->dev[nr].iommu = &ctx->iommu[nr];
		ctx->iommu[nr].recovery = &ctx->recovery[nr];
		ctx->recovery[nr].dev = &ctx->dev[nr];
		ctx->recovery[nr].dead = true;
		raw_spin_lock_init(&ctx->recovery[nr].lock);
	}
	kunit_activate_static_stub(test, arm_smmu_cmdq_poll_until_sync,
				   blame_poll_until_sync);
	return 0;
}

static struct kunit_case blame_cases[] = {
	KUNIT_CASE(blame_nobody_test),
	KUNIT_CASE(blame_sole_test),
	KUNIT_CASE(blame_one_of_eight_test),
	KUNIT_CASE(blame_budget_test),
	KUNIT_CASE(blame_batches_test),
	KUNIT_CASE(blame_stuck_test),
	KUNIT_CASE(blame_no_answer_test),
	KUNIT_CASE(blame_no_answer_alone_test),
	KUNIT_CASE(blame_silent_test),
	KUNIT_CASE(blame_guest_test),
	{}
};

static struct kunit_suite blame_suite = {
	.name = "arm_smmu_v3_blame",
	.init = blame_test_init,
	.test_cases = blame_cases,
};

kunit_test_suite(blame_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of who is to blame for an ATC invalidation");
MODULE_LICENSE("GPL");
