// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what the gate has to do with the queues of the SMMU.
 *
 * The queues and their registers are in memory, and the tests play the SMMU: where
 * the driver waits for a CMD_SYNC the commands are taken, or an error is reported as
 * the GERROR handler does it, or nothing happens.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/iommu.h>

#include "arm-smmu-v3-queue-test.h"

#define QUEUE_LOG	32

struct queue_ctx {
	struct device *dev;
	struct iommu_group *group;
	struct dev_iommu dev_iommu;
	struct arm_smmu_device smmu;
	struct arm_smmu_master masters[3];
	struct arm_smmu_stream streams[3];
	struct arm_smmu_ste table[4];

	/* The command queue, as the SMMU sees it */
	u32 prod_reg, cons_reg;
	u32 cons;
	struct arm_smmu_cmd log[QUEUE_LOG];
	unsigned int num;
	int errors;		/* CERROR_ATC_INV to report at a CMD_SYNC */
	int syncs_before;	/* which so many come before */
	int error_before;	/* the same, so many slots before it */
	bool silent;
	bool out_of_order;
	u64 generation_at_term;

	u32 evt_prod_reg, evt_cons_reg;
	u32 handled[2 * EVENTS_ENTS];
	unsigned int num_handled;
	u32 next_event;
	bool more;
	int ret;
};

static unsigned int queue_op(const struct arm_smmu_cmd *cmd)
{
	return FIELD_GET(CMDQ_0_OP, cmd->data[0]);
}

static u32 queue_sid(const struct arm_smmu_cmd *cmd)
{
	return FIELD_GET(CMDQ_ATC_0_SID, cmd->data[0]);
}

/* GERROR.CMDQ_ERR: an ATC invalidation has timed out at that slot */
static void queue_error(struct queue_ctx *ctx, u32 cons)
{
	ctx->cons_reg = (cons & QUEUE_MASK) |
			FIELD_PREP(CMDQ_CONS_ERR, CMDQ_ERR_CERROR_ATC_INV_IDX);
	__arm_smmu_cmdq_skip_err(&ctx->smmu, &ctx->smmu.cmdq);
}

/* Returns false if a CMD_SYNC does not complete */
static bool queue_consume(struct queue_ctx *ctx)
{
	struct arm_smmu_queue *q = &ctx->smmu.cmdq.q;

	while (ctx->cons != (ctx->prod_reg & QUEUE_MASK)) {
		struct arm_smmu_cmd cmd = {
			.data = { le64_to_cpu(Q_ENT(q, ctx->cons)[0]),
				  le64_to_cpu(Q_ENT(q, ctx->cons)[1]) },
		};

		if (queue_op(&cmd) == CMDQ_OP_CMD_SYNC) {
			if (ctx->silent) {
				ctx->cons_reg = ctx->cons;
				return false;
			}
			if (ctx->syncs_before)
				ctx->syncs_before--;
			else
				for (; ctx->errors; ctx->errors--)
					queue_error(ctx, ctx->cons -
						    ctx->error_before);
		}
		if (queue_op(&cmd) == CMDQ_OP_STALL_TERM)
			ctx->generation_at_term = ctx->masters[0].gate.generation;
		if (ctx->num < QUEUE_LOG)
			ctx->log[ctx->num++] = cmd;
		ctx->cons = (ctx->cons + 1) & QUEUE_MASK;
	}
	ctx->cons_reg = ctx->cons;
	return true;
}

/* In place of arm_smmu_cmdq_poll_until_sync() */
static int queue_poll_until_sync(struct arm_smmu_device *smmu,
				 struct arm_smmu_cmdq *cmdq,
				 struct arm_smmu_ll_queue *llq)
{
	struct queue_ctx *ctx = container_of(smmu, struct queue_ctx, smmu);
	bool done = queue_consume(ctx);

	llq->cons = ctx->cons;
	return done ? 0 : -ETIMEDOUT;
}

static int queue_atc_inv(struct queue_ctx *ctx)
{
	struct arm_smmu_cmd cmd = arm_smmu_make_cmd_atc_inv_all(1, IOMMU_NO_PASID);

	ctx->num = 0;
	return arm_smmu_cmdq_issue_atc_inv(&ctx->smmu, &cmd);
}

/* The first CMD_SYNC is for what others have left */
static int queue_atc_inv_fails(struct queue_ctx *ctx, int errors)
{
	ctx->errors = errors;
	ctx->syncs_before = 1;
	return queue_atc_inv(ctx);
}

static void queue_error_test(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, queue_atc_inv(ctx), 0);
	KUNIT_EXPECT_EQ(test, ctx->num, 3);
	KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[0]), CMDQ_OP_CMD_SYNC);
	KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[1]), CMDQ_OP_ATC_INV);
	KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[2]), CMDQ_OP_CMD_SYNC);

	KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, 1), -EIO);
	/* The retried CMD_SYNC fails again */
	KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, 2), -EIO);
	/* An illegal command has been made a CMD_SYNC of */
	ctx->error_before = 1;
	KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, 1), -EIO);
	/* Somebody else's, at the first CMD_SYNC, and in front of it or behind */
	ctx->error_before = 2;
	KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, 1), 0);
	ctx->error_before = 0;
	ctx->errors = 1;
	KUNIT_EXPECT_EQ(test, queue_atc_inv(ctx), 0);
	ctx->error_before = 3;
	KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, 1), 0);
	ctx->error_before = -1;
	KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, 1), 0);
	/* And that one was where this one is now */
	KUNIT_EXPECT_EQ(test, queue_atc_inv(ctx), 0);
}

/* Every slot, also those at the end of the queue and a run that wraps */
static void queue_wrap_test(struct kunit *test)
{
	struct iommu_fault_page_request prm = {};
	struct queue_ctx *ctx = test->priv;
	unsigned int i, odd;

	for (odd = 0; odd < 2; odd++) {
		for (i = 0; i < 3 * QUEUE_ENTS; i++) {
			bool error = i % 5 == 0;

			KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, error),
					error ? -EIO : 0);
		}
		for (i = 0; i < QUEUE_ENTS; i++)
			KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, 1), -EIO);
		/* The bits of all of them are stale now */
		for (i = 0; i < QUEUE_ENTS; i++)
			KUNIT_EXPECT_EQ(test, queue_atc_inv(ctx), 0);
		/* One command without a CMD_SYNC */
		arm_smmu_gate_resume(&ctx->masters[0], &prm,
				     CMDQ_RESUME_0_RESP_ABORT);
	}
}

static void queue_silent_test(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;

	ctx->silent = true;
	KUNIT_EXPECT_EQ(test, queue_atc_inv(ctx), -ETIMEDOUT);
	ctx->silent = false;
	KUNIT_EXPECT_EQ(test, queue_atc_inv(ctx), 0);
	KUNIT_EXPECT_EQ(test, queue_atc_inv_fails(ctx, 1), -EIO);
}

/* With the driver's own waiting */
static void queue_poll_test(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;

	kunit_deactivate_static_stub(test, arm_smmu_cmdq_poll_until_sync);
	ctx->cons_reg = 3;
	KUNIT_EXPECT_EQ(test, queue_atc_inv(ctx), 0);
	KUNIT_EXPECT_EQ(test, ctx->prod_reg, 3);
	KUNIT_EXPECT_EQ(test, queue_atc_inv(ctx), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, ctx->prod_reg, 6);
}

/* One TLBI and an ATC_INV for each of three masters, of which @skip skip it */
static void queue_flush(struct kunit *test, struct arm_smmu_invs *invs,
			unsigned int skip, size_t size)
{
	struct queue_ctx *ctx = test->priv;
	struct arm_smmu_domain domain = {};
	unsigned int i, asid, n = 2;

	for (i = 0; i < ARRAY_SIZE(ctx->masters); i++)
		ctx->masters[i].gate.skip = skip & BIT(i);
	/* Who is shut, but not for certain, is flushed */
	ctx->masters[0].gate.shut = true;
	RCU_INIT_POINTER(domain.invs, invs);
	ctx->num = 0;
	arm_smmu_domain_inv_range(&domain, 0x1000, size, SZ_4K, true);

	KUNIT_ASSERT_GE(test, ctx->num, n);
	KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[0]),
			size ? CMDQ_OP_TLBI_NH_VA : CMDQ_OP_TLBI_NH_ASID);
	asid = FIELD_GET(CMDQ_TLBI_0_ASID, ctx->log[0].data[0]);
	KUNIT_EXPECT_EQ(test, asid, 5);
	KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[1]), CMDQ_OP_CMD_SYNC);
	for (i = 0; i < ARRAY_SIZE(ctx->masters); i++) {
		if (skip & BIT(i))
			continue;
		KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[n]), CMDQ_OP_ATC_INV);
		KUNIT_EXPECT_EQ(test, queue_sid(&ctx->log[n]), i + 1);
		n++;
	}
	if (n > 2)
		KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[n++]), CMDQ_OP_CMD_SYNC);
	KUNIT_EXPECT_EQ(test, ctx->num, n);
}

static void queue_flush_test(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;
	struct arm_smmu_invs *invs;
	unsigned int i, skip;

	invs = kunit_kzalloc(test, struct_size(invs, inv, 4), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, invs);
	invs->max_invs = 4;
	invs->num_invs = 4;
	invs->has_ats = true;
	rwlock_init(&invs->rwlock);
	invs->inv[0] = (struct arm_smmu_inv){
		.smmu = &ctx->smmu, .type = INV_TYPE_S1_ASID, .id = 5,
		.size_opcode = CMDQ_OP_TLBI_NH_VA,
		.nsize_opcode = CMDQ_OP_TLBI_NH_ASID, .users = 1,
	};
	for (i = 0; i < ARRAY_SIZE(ctx->masters); i++)
		invs->inv[i + 1] = (struct arm_smmu_inv){
			.smmu = &ctx->smmu, .id = i + 1, .users = 1,
			.type = i == 2 ? INV_TYPE_ATS_FULL : INV_TYPE_ATS,
			.size_opcode = CMDQ_OP_ATC_INV,
			.nsize_opcode = CMDQ_OP_ATC_INV,
			.master = &ctx->masters[i],
		};

	for (skip = 0; skip < BIT(ARRAY_SIZE(ctx->masters)); skip++) {
		queue_flush(test, invs, skip, SZ_4K);
		queue_flush(test, invs, skip, 0);
	}
}

static void queue_expect_nothing(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;

	KUNIT_EXPECT_TRUE(test, queue_consume(ctx));
	KUNIT_EXPECT_EQ(test, ctx->num, 0);
}

/* One CMD_RESUME, and then none again */
static void queue_expect_resume(struct kunit *test, u32 sid, u32 stag, u32 resp)
{
	struct queue_ctx *ctx = test->priv;
	struct arm_smmu_cmd *cmd = &ctx->log[0];
	u32 is_stag, is_resp;

	KUNIT_EXPECT_TRUE(test, queue_consume(ctx));
	KUNIT_ASSERT_EQ(test, ctx->num, 1);
	KUNIT_EXPECT_EQ(test, queue_op(cmd), CMDQ_OP_RESUME);
	KUNIT_EXPECT_EQ(test, queue_sid(cmd), sid);
	is_resp = FIELD_GET(CMDQ_RESUME_0_RESP, cmd->data[0]);
	KUNIT_EXPECT_EQ(test, is_resp, resp);
	is_stag = FIELD_GET(CMDQ_RESUME_1_STAG, cmd->data[1]);
	KUNIT_EXPECT_EQ(test, is_stag, stag);
	ctx->num = 0;
}

static void queue_stall_test(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;
	struct arm_smmu_master *master = &ctx->masters[0];
	/* Of another of its streams than the first */
	struct iommu_fault_page_request prm = { .grpid = 0x42, .private_data[1] = 3 };

	master->gate.generation = 7;
	KUNIT_EXPECT_TRUE(test, arm_smmu_gate_admits_stall(master, &prm));
	KUNIT_EXPECT_EQ(test, prm.private_data[0], 7);

	arm_smmu_gate_resume(master, &prm, CMDQ_RESUME_0_RESP_RETRY);
	queue_expect_resume(test, 3, 0x42, CMDQ_RESUME_0_RESP_RETRY);

	master->gate.generation++;
	arm_smmu_gate_resume(master, &prm, CMDQ_RESUME_0_RESP_RETRY);
	queue_expect_nothing(test);

	master->gate.shut = true;
	KUNIT_EXPECT_TRUE(test, arm_smmu_gate_admits_stall(master, &prm));
	master->stall_enabled = true;
	KUNIT_EXPECT_FALSE(test, arm_smmu_gate_admits_stall(master, &prm));
	KUNIT_EXPECT_EQ(test, prm.private_data[0], 8);
}

/* A record of the event queue; its stream says which */
static void queue_event(struct queue_ctx *ctx)
{
	struct arm_smmu_queue *q = &ctx->smmu.evtq.q;
	u32 ovf = ctx->evt_prod_reg & Q_OVERFLOW_FLAG;
	u32 prod = ctx->evt_prod_reg & EVENTS_MASK;
	__le64 *ent = Q_ENT(q, prod);

	if (((prod - ctx->evt_cons_reg) & EVENTS_MASK) == EVENTS_ENTS) {
		/* Not again before it was acknowledged */
		if (ovf == (ctx->evt_cons_reg & Q_OVERFLOW_FLAG))
			ctx->evt_prod_reg ^= Q_OVERFLOW_FLAG;
		return;
	}
	ent[0] = cpu_to_le64(EVT_ID_TRANSLATION_FAULT |
			     FIELD_PREP(EVTQ_0_SID, ctx->next_event++));
	ent[1] = cpu_to_le64(EVTQ_1_STALL);
	ent[2] = 0;
	ent[3] = 0;
	ctx->evt_prod_reg = ovf | ((prod + 1) & EVENTS_MASK);
}

/* In place of arm_smmu_handle_event() */
static int queue_handle_event(struct arm_smmu_device *smmu, u64 *evt,
			      struct arm_smmu_event *event)
{
	struct queue_ctx *ctx = container_of(smmu, struct queue_ctx, smmu);

	if (ctx->num_handled < ARRAY_SIZE(ctx->handled))
		ctx->handled[ctx->num_handled++] = event->sid;
	if (ctx->more && ctx->num_handled < ARRAY_SIZE(ctx->handled))
		queue_event(ctx);
	return 0;
}

static void queue_expect_drained(struct kunit *test, unsigned int num, u32 left)
{
	struct queue_ctx *ctx = test->priv;
	u32 first = ctx->next_event - num;
	unsigned int i;

	ctx->num_handled = 0;
	arm_smmu_evtq_drain(&ctx->smmu);
	KUNIT_EXPECT_EQ(test, ctx->num_handled, num);
	for (i = 0; i < num; i++)
		KUNIT_EXPECT_EQ(test, ctx->handled[i], first + i);
	KUNIT_EXPECT_EQ(test, (ctx->evt_prod_reg - ctx->evt_cons_reg) & EVENTS_MASK,
			left);
	KUNIT_EXPECT_EQ(test, ctx->evt_cons_reg & Q_OVERFLOW_FLAG,
			ctx->evt_prod_reg & Q_OVERFLOW_FLAG);
}

static void queue_drain_test(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;
	unsigned int round, num, i;

	kunit_activate_static_stub(test, arm_smmu_handle_event, queue_handle_event);
	/* Wherever the queue begins, and with each number of records */
	for (round = 0; round < 3 * EVENTS_ENTS; round++)
		for (num = 0; num <= EVENTS_ENTS; num++) {
			for (i = 0; i < num; i++)
				queue_event(ctx);
			queue_expect_drained(test, num, 0);
			if (num == EVENTS_ENTS) {
				/* An overflow, and all that is not lost */
				for (i = 0; i < num + 2; i++)
					queue_event(ctx);
				queue_expect_drained(test, num, 0);
				/* Moves the beginning */
				queue_event(ctx);
				queue_expect_drained(test, 1, 0);
			}
		}

	/* One more arrives for each that is handled: not all can ever be */
	for (i = 0; i < 3; i++)
		queue_event(ctx);
	ctx->more = true;
	queue_expect_drained(test, 3, 3);
	for (i = 0; i < EVENTS_ENTS; i++)
		queue_expect_drained(test, 3, 3);
	ctx->more = false;
	queue_expect_drained(test, 3, 0);
}

/* A stall of a device whose gate is shut is not reported, and not answered */
static void queue_shut_event_test(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;
	struct arm_smmu_event event = { .id = EVT_ID_TRANSLATION_FAULT, .stall = true, .sid = 1 };
	u64 evt[EVTQ_ENT_DWORDS] = {};

	ctx->masters[0].stall_enabled = true;
	ctx->masters[0].gate.shut = true;
	KUNIT_EXPECT_EQ(test, arm_smmu_handle_event(&ctx->smmu, evt, &event), 0);
	queue_expect_nothing(test);
}

static int queue_fence_one(struct device *dev, void *data)
{
	struct queue_ctx *ctx = data;

	ctx->ret = arm_smmu_fence_dev(dev);
	return 0;
}

static int queue_fence(struct queue_ctx *ctx)
{
	ctx->num = 0;
	iommu_group_for_each_dev(ctx->group, ctx, queue_fence_one);
	return ctx->ret;
}

/* Another queue for every command, which must not take those of stalls */
static struct arm_smmu_cmdq *queue_secondary(struct arm_smmu_device *smmu,
					     struct arm_smmu_cmd *cmd)
{
	struct queue_ctx *ctx = container_of(smmu, struct queue_ctx, smmu);

	if (queue_op(cmd) == CMDQ_OP_RESUME || queue_op(cmd) == CMDQ_OP_STALL_TERM)
		ctx->out_of_order = true;
	return NULL;
}

static const struct arm_smmu_impl_ops queue_impl_ops = {
	.get_secondary_cmdq = queue_secondary,
};

static void queue_fence_test(struct kunit *test)
{
	static const unsigned int ops[] = {
		CMDQ_OP_CFGI_STE, CMDQ_OP_CMD_SYNC,
		CMDQ_OP_STALL_TERM, CMDQ_OP_CMD_SYNC,
	};
	struct queue_ctx *ctx = test->priv;
	struct arm_smmu_master *master = &ctx->masters[0];
	struct iommu_fault_page_request prm = {};
	struct arm_smmu_ste abort;
	unsigned int i;

	ctx->smmu.impl_ops = &queue_impl_ops;
	arm_smmu_make_abort_ste(&abort);
	KUNIT_EXPECT_TRUE(test, arm_smmu_gate_admits_stall(master, &prm));
	KUNIT_EXPECT_EQ(test, queue_fence(ctx), 0);
	KUNIT_EXPECT_EQ(test, ctx->num, 2);

	master->stall_enabled = true;
	kunit_activate_static_stub(test, arm_smmu_handle_event, queue_handle_event);
	queue_event(ctx);
	KUNIT_EXPECT_EQ(test, queue_fence(ctx), 0);
	KUNIT_ASSERT_EQ(test, ctx->num, ARRAY_SIZE(ops));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[i]), ops[i]);
		if (ops[i] != CMDQ_OP_CMD_SYNC)
			KUNIT_EXPECT_EQ(test, queue_sid(&ctx->log[i]), 1);
	}
	KUNIT_EXPECT_EQ(test, le64_to_cpu(ctx->table[1].data[0]),
			le64_to_cpu(abort.data[0]));
	KUNIT_EXPECT_TRUE(test, master->gate.shut && master->gate.skip);
	/* What was stalled before is not answered any more */
	KUNIT_EXPECT_EQ(test, ctx->generation_at_term, 1);
	KUNIT_EXPECT_EQ(test, ctx->num_handled, 1);
	arm_smmu_gate_resume(master, &prm, CMDQ_RESUME_0_RESP_RETRY);
	KUNIT_EXPECT_TRUE(test, queue_consume(ctx));
	KUNIT_EXPECT_EQ(test, ctx->num, ARRAY_SIZE(ops));
	prm.private_data[0] = master->gate.generation;
	arm_smmu_gate_resume(master, &prm, CMDQ_RESUME_0_RESP_RETRY);
	KUNIT_EXPECT_TRUE(test, queue_consume(ctx));
	KUNIT_EXPECT_EQ(test, ctx->num, ARRAY_SIZE(ops) + 1);

	/* The SMMU does not take commands: shut in memory, but nobody relies on it */
	master->gate.skip = false;
	ctx->silent = true;
	KUNIT_EXPECT_EQ(test, queue_fence(ctx), -ETIMEDOUT);
	KUNIT_EXPECT_TRUE(test, master->gate.shut);
	KUNIT_EXPECT_FALSE(test, master->gate.skip);
	ctx->silent = false;
	KUNIT_EXPECT_EQ(test, queue_fence(ctx), 0);
	KUNIT_EXPECT_FALSE(test, ctx->out_of_order);
}

/* A stall that cannot be reported is ended, whatever the record says */
static void queue_unknown_stall_test(struct kunit *test)
{
	static const u8 ids[] = { 0x00, 0x24, 0x7f, 0xe0, 0xff };
	struct queue_ctx *ctx = test->priv;
	u64 evt[EVTQ_ENT_DWORDS] = {};
	struct arm_smmu_event event;
	unsigned int i;
	u32 sid;

	ctx->smmu.features = ARM_SMMU_FEAT_STALLS;
	ctx->smmu.impl_ops = &queue_impl_ops;
	/* Of a device: 1 to 3; of nobody: 4 */
	for (sid = 1; sid <= 4; sid++)
		for (i = 0; i < ARRAY_SIZE(ids); i++) {
			event = (struct arm_smmu_event){
				.id = ids[i], .sid = sid, .stag = 0x40 + i,
			};
			arm_smmu_handle_event(&ctx->smmu, evt, &event);
			queue_expect_nothing(test);

			event.stall = true;
			KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
					arm_smmu_handle_event(&ctx->smmu, evt, &event));
			queue_expect_resume(test, sid, 0x40 + i,
					    CMDQ_RESUME_0_RESP_ABORT);
		}

	/* A fault that is known, of nobody */
	event = (struct arm_smmu_event){
		.id = EVT_ID_TRANSLATION_FAULT, .sid = 4, .stag = 0x42,
	};
	arm_smmu_handle_event(&ctx->smmu, evt, &event);
	queue_expect_nothing(test);
	event.stall = true;
	KUNIT_EXPECT_EQ(test, -EINVAL, arm_smmu_handle_event(&ctx->smmu, evt, &event));
	queue_expect_resume(test, 4, 0x42, CMDQ_RESUME_0_RESP_ABORT);

	/* What the fence ends is not answered: its tag may be another one's by then */
	ctx->masters[1].stall_enabled = true;
	ctx->masters[1].gate.shut = true;
	event.id = 0x7f;
	event.sid = 2;
	arm_smmu_handle_event(&ctx->smmu, evt, &event);
	queue_expect_nothing(test);
	KUNIT_EXPECT_FALSE(test, ctx->out_of_order);
}

static int queue_release_one(struct device *dev, void *data)
{
	struct queue_ctx *ctx = data;

	arm_smmu_gate_release(&ctx->masters[0]);
	return 0;
}

static void queue_release(struct queue_ctx *ctx)
{
	ctx->num = 0;
	ctx->num_handled = 0;
	iommu_group_for_each_dev(ctx->group, ctx, queue_release_one);
}

/* The stalls of a device that is removed end, and it stays where it was */
static void queue_release_test(struct kunit *test)
{
	static const unsigned int ops[] = {
		CMDQ_OP_CFGI_STE, CMDQ_OP_CMD_SYNC,
		CMDQ_OP_STALL_TERM, CMDQ_OP_CMD_SYNC,
	};
	struct queue_ctx *ctx = test->priv;
	struct arm_smmu_master *master = &ctx->masters[0];
	struct arm_smmu_gate *gate = &master->gate;
	unsigned int i;

	arm_smmu_make_bypass_ste(&ctx->smmu, &gate->ste);
	ctx->table[1] = gate->ste;
	ctx->smmu.impl_ops = &queue_impl_ops;
	kunit_activate_static_stub(test, arm_smmu_handle_event, queue_handle_event);

	/* Nothing of it can stall */
	queue_event(ctx);
	queue_release(ctx);
	KUNIT_EXPECT_EQ(test, ctx->num, 0);
	KUNIT_EXPECT_EQ(test, ctx->num_handled, 0);
	KUNIT_EXPECT_EQ(test, gate->generation, 0);

	master->stall_enabled = true;
	queue_release(ctx);
	KUNIT_ASSERT_GT(test, ctx->num, ARRAY_SIZE(ops));
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[i]), ops[i]);
	/* And the SMMU is told of the STE that is back */
	KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[i]), CMDQ_OP_CFGI_STE);
	KUNIT_EXPECT_EQ(test, ctx->generation_at_term, 1);
	KUNIT_EXPECT_EQ(test, ctx->num_handled, 1);
	KUNIT_EXPECT_MEMEQ(test, &ctx->table[1], &gate->ste, sizeof(gate->ste));
	KUNIT_EXPECT_FALSE(test, gate->shut || gate->skip);

	/* One that is fenced stays fenced */
	KUNIT_EXPECT_EQ(test, queue_fence(ctx), 0);
	queue_event(ctx);
	queue_release(ctx);
	KUNIT_ASSERT_EQ(test, ctx->num, ARRAY_SIZE(ops));
	KUNIT_EXPECT_EQ(test, queue_op(&ctx->log[2]), CMDQ_OP_STALL_TERM);
	KUNIT_EXPECT_EQ(test, ctx->num_handled, 1);
	KUNIT_EXPECT_TRUE(test, gate->shut && gate->skip);
	KUNIT_EXPECT_FALSE(test, ctx->out_of_order);
}

static int queue_test_init(struct kunit *test)
{
	struct arm_smmu_device *smmu;
	struct queue_ctx *ctx;
	unsigned int i;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	smmu = &ctx->smmu;

	ctx->dev = kunit_device_register(test, "smmu-queue");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->dev);
	ctx->group = iommu_group_alloc();
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->group);
	KUNIT_ASSERT_EQ(test, iommu_group_add_device(ctx->group, ctx->dev), 0);
	ctx->dev->iommu = &ctx->dev_iommu;
	ctx->dev_iommu.priv = &ctx->masters[0];

	smmu->dev = ctx->dev;
	mutex_init(&smmu->streams_mutex);
	smmu->strtab_cfg.linear.table = ctx->table;
	queue_init_cmdq(test, smmu, &ctx->prod_reg, &ctx->cons_reg);
	queue_init_evtq(test, smmu, &ctx->evt_prod_reg, &ctx->evt_cons_reg);

	for (i = 0; i < ARRAY_SIZE(ctx->masters); i++) {
		struct arm_smmu_master *master = &ctx->masters[i];
		struct arm_smmu_stream *stream = &ctx->streams[i];

		master->smmu = smmu;
		master->dev = ctx->dev;
		master->streams = stream;
		master->num_streams = 1;
		arm_smmu_gate_init(master);
		stream->id = i + 1;
		stream->master = master;
		/* In this order the tree is a list, but a search finds them */
		rb_link_node(&stream->node, i ? &ctx->streams[i - 1].node : NULL,
			     i ? &ctx->streams[i - 1].node.rb_right :
				 &smmu->streams.rb_node);
	}

	kunit_activate_static_stub(test, arm_smmu_cmdq_poll_until_sync,
				   queue_poll_until_sync);
	return 0;
}

static void queue_test_exit(struct kunit *test)
{
	struct queue_ctx *ctx = test->priv;

	if (!ctx || IS_ERR_OR_NULL(ctx->group))
		return;
	ctx->dev->iommu = NULL;
	if (ctx->dev->iommu_group)
		iommu_group_remove_device(ctx->dev);
	iommu_group_put(ctx->group);
}

static struct kunit_case queue_test_cases[] = {
	KUNIT_CASE(queue_error_test),
	KUNIT_CASE(queue_wrap_test),
	KUNIT_CASE(queue_silent_test),
	KUNIT_CASE(queue_poll_test),
	KUNIT_CASE(queue_flush_test),
	KUNIT_CASE(queue_stall_test),
	KUNIT_CASE(queue_drain_test),
	KUNIT_CASE(queue_shut_event_test),
	KUNIT_CASE(queue_fence_test),
	KUNIT_CASE(queue_unknown_stall_test),
	KUNIT_CASE(queue_release_test),
	{},
};

static struct kunit_suite queue_test_suite = {
	.name = "arm_smmu_v3_gate_queue",
	.init = queue_test_init,
	.exit = queue_test_exit,
	.test_cases = queue_test_cases,
};

kunit_test_suite(queue_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the arm-smmu-v3 gate and the queues");
MODULE_LICENSE("GPL");
