// SPDX-License-Identifier: GPL-2.0
/*
 * The scheduler of the KUnit tests of the gate: every order in which its steps can
 * meet.
 *
 * Whoever holds the group mutex, an attach, a fence or an unfence, runs for real.
 * Between its steps, at every CMD_SYNC and wherever it waits, closes are advanced by
 * none, one or more of theirs: the stores, the CFGI_STE and CMD_SYNC of each stream,
 * which succeed or fail, and skip. Which of them is a choice; choices are replayed
 * until all have been made. Nothing depends on time or on another thread.
 *
 * The SMMU is the worst that it may be: a translation that was in memory at any time
 * since the CFGI_STE of the last completed CMD_SYNC is one that it may still use.
 */
#include <kunit/static_stub.h>

#include "arm-smmu-v3-fence-test.h"

static void gate_bad(struct gate_ctx *ctx, enum gate_bad what)
{
	ctx->bad |= BIT(what);
}

static bool gate_translates(const struct arm_smmu_ste *ste)
{
	u64 word0 = le64_to_cpu(READ_ONCE(ste->data[0]));

	return (word0 & STRTAB_STE_0_V) &&
	       FIELD_GET(STRTAB_STE_0_CFG, word0) != STRTAB_STE_0_CFG_ABORT;
}

static bool gate_ats(const struct arm_smmu_ste *ste)
{
	return FIELD_GET(STRTAB_STE_1_EATS, le64_to_cpu(ste->data[1])) ==
	       STRTAB_STE_1_EATS_TRANS;
}

static unsigned int gate_choose(struct gate_ctx *ctx, unsigned int options)
{
	if (options == 1)
		return 0;
	if (ctx->pos == ctx->depth) {
		if (ctx->depth == GATE_CHOICES) {
			gate_bad(ctx, BAD_REPLAY);
			return 0;
		}
		ctx->choice[ctx->depth] = 0;
		ctx->options[ctx->depth++] = options;
	}
	if (ctx->options[ctx->pos] != options)
		gate_bad(ctx, BAD_REPLAY);
	return ctx->choice[ctx->pos++];
}

static bool gate_next_path(struct gate_ctx *ctx)
{
	while (ctx->depth && ctx->choice[ctx->depth - 1] + 1 ==
				     ctx->options[ctx->depth - 1])
		ctx->depth--;
	if (!ctx->depth)
		return false;
	ctx->choice[ctx->depth - 1]++;
	return true;
}

/* Is what can be seen now as it must be? */
static void gate_look(struct gate_ctx *ctx)
{
	const struct arm_smmu_gate *gate = &ctx->master.gate;
	unsigned int i;

	if (ctx->shut && !gate->shut) {
		if (!ctx->unfencing || !ctx->sampled || ctx->closed_since)
			gate_bad(ctx, BAD_OPENED);
		ctx->shut = false;
		ctx->synced = false;
	}
	for (i = 0; i < ctx->master.num_streams; i++) {
		u32 sid = ctx->streams[i].id;

		if (gate_translates(&ctx->table[sid])) {
			ctx->may_translate[sid] = true;
			ctx->seen[sid] = true;
		}
		if (ctx->shut && ctx->table[sid].data[0] !=
				 ctx->stes[GATE_ABORT].data[0])
			gate_bad(ctx, BAD_WORD0);
		if (ctx->synced && ctx->may_translate[sid])
			gate_bad(ctx, BAD_HW);
		if (gate->skip && ctx->may_translate[sid])
			gate_bad(ctx, BAD_SKIP);
	}
	if (gate->skip && !ctx->shut)
		gate_bad(ctx, BAD_SKIP);
}

/* CFGI_STE */
static void gate_sync_begin(struct gate_ctx *ctx, u32 sid)
{
	ctx->seen[sid] = gate_translates(&ctx->table[sid]);
}

/* CMD_SYNC has completed */
static void gate_sync_end(struct gate_ctx *ctx, u32 sid)
{
	ctx->may_translate[sid] = ctx->seen[sid];
	if (memcmp(&ctx->table[sid], ctx->init, sizeof(*ctx->init)))
		ctx->may_be_old[sid] = false;
}

static void gate_closed(struct gate_ctx *ctx)
{
	ctx->shut = true;
	ctx->closed_since = true;
}

static void gate_close_ends(struct gate_ctx *ctx, bool failed)
{
	if (failed)
		return;
	ctx->closed++;
	if (!ctx->shut || !ctx->master.gate.shut || !ctx->master.gate.skip)
		gate_bad(ctx, BAD_CLOSE);
	else
		ctx->synced = true;
}

/* The next step of a close; with @fail the CMD_SYNC does not complete */
static void gate_advance(struct gate_ctx *ctx, struct gate_closer *closer,
			 bool fail)
{
	struct arm_smmu_gate *gate = &ctx->master.gate;
	enum gate_plant plant = ctx->script->plant;
	unsigned int pc = closer->pc++;
	int ret;

	if (closer->kind == CLOSER_WHOLE) {
		ctx->whole = true;
		ret = arm_smmu_gate_close(&ctx->master);
		ctx->whole = false;
		closer->done = true;
		gate_close_ends(ctx, ret);
		return;
	}

	if (pc == 0) {
		bool was_shut = gate->shut;

		arm_smmu_gate_close_stores(&ctx->master);
		if (plant == PLANT_NOT_COUNTED && was_shut)
			gate->close_seq--;
		if (plant == PLANT_SKIP_EARLY)
			arm_smmu_gate_close_synced(&ctx->master);
		gate_closed(ctx);
	} else if (pc <= ctx->master.num_streams) {
		u32 sid = ctx->streams[pc - 1].id;

		if (!fail) {
			gate_sync_begin(ctx, sid);
			gate_sync_end(ctx, sid);
		} else if (plant != PLANT_SKIP_FAILED) {
			closer->done = true;
		}
	} else {
		arm_smmu_gate_close_synced(&ctx->master);
		closer->done = true;
		gate_close_ends(ctx, false);
	}
}

/*
 * Here the others may do something. With @wait, not before the closes that have
 * begun are through: they are in a rcu_read_lock() section.
 */
static void gate_hook(struct gate_ctx *ctx, bool wait)
{
	struct gate_closer *who[5];
	bool fail[5];

	for (;;) {
		unsigned int i, pick, n = 0;
		bool busy = false;

		gate_look(ctx);
		for (i = 0; i < ARRAY_SIZE(ctx->closers); i++) {
			struct gate_closer *closer = &ctx->closers[i];

			if (closer->kind == CLOSER_NONE || closer->done)
				continue;
			/* The second is like the first, so it is not earlier */
			if (i && !closer->pc && !ctx->closers[0].pc &&
			    closer->kind == ctx->closers[0].kind)
				continue;
			busy |= closer->pc;
			fail[n] = false;
			who[n++] = closer;
			if (closer->pc &&
			    closer->pc <= ctx->master.num_streams) {
				fail[n] = true;
				who[n++] = closer;
			}
		}
		if (!wait || !busy)
			who[n++] = NULL;
		pick = gate_choose(ctx, n);
		if (!who[pick])
			return;
		gate_advance(ctx, who[pick], fail[pick]);
	}
}

/* The STE of that stream, in the middle of an update: would the SMMU misread it? */
static void gate_check_entry(struct gate_ctx *ctx, u32 sid)
{
	const struct arm_smmu_ste *like[] = { ctx->init, ctx->target };
	const __le64 *entry = ctx->table[sid].data;
	__le64 used[GATE_QWORDS] = {};
	unsigned int i, j, differs = 0;

	if (entry[0] == ctx->stes[GATE_ABORT].data[0])
		return;
	if (!entry[0]) {
		unsigned int from = ctx->init - ctx->stes;
		unsigned int to = ctx->target - ctx->stes;

		if (!ctx->breaking[from][to])
			gate_bad(ctx, BAD_ENTRY);
		return;
	}

	arm_smmu_get_ste_used(entry, used);
	for (i = 0; i < ARRAY_SIZE(like); i++) {
		__le64 safe[GATE_QWORDS] = {};

		arm_smmu_get_ste_update_safe(entry, like[i]->data, safe);
		for (j = 0; j < GATE_QWORDS; j++) {
			__le64 bits = used[j] & ~safe[j];

			if ((entry[j] & bits) != (like[i]->data[j] & bits)) {
				differs++;
				break;
			}
		}
	}
	if (differs == ARRAY_SIZE(like))
		gate_bad(ctx, BAD_ENTRY);
}

static struct gate_ctx *gate_ctx_of(struct arm_smmu_master *master)
{
	return container_of(master, struct gate_ctx, master);
}

/* In place of arm_smmu_sync_ste(), the writer's */
static void gate_writer_syncs(struct arm_smmu_master *master, u32 sid)
{
	struct gate_ctx *ctx = gate_ctx_of(master);

	gate_check_entry(ctx, sid);
	gate_look(ctx);
	gate_sync_begin(ctx, sid);
	gate_hook(ctx, false);
	gate_sync_end(ctx, sid);
	gate_hook(ctx, false);
}

/* In place of arm_smmu_gate_sync_ste() */
static int gate_close_syncs(struct arm_smmu_master *master, u32 sid)
{
	struct gate_ctx *ctx = gate_ctx_of(master);

	gate_closed(ctx);
	gate_look(ctx);
	if (!ctx->whole)
		gate_hook(ctx, false);
	if (gate_choose(ctx, 2))
		return -ETIMEDOUT;
	gate_sync_begin(ctx, sid);
	gate_sync_end(ctx, sid);
	if (!ctx->whole)
		gate_hook(ctx, false);
	return 0;
}

/* In place of arm_smmu_gate_sign_of_life() */
static int gate_lives(struct arm_smmu_master *master)
{
	struct gate_ctx *ctx = gate_ctx_of(master);

	gate_hook(ctx, false);
	ctx->dead = gate_choose(ctx, 2);
	gate_hook(ctx, false);
	ctx->closed_since = false;
	return ctx->dead ? -EIO : 0;
}

/* In place of arm_smmu_gate_wait_flushes() */
static void gate_waits(struct arm_smmu_master *master)
{
	struct gate_ctx *ctx = gate_ctx_of(master);

	ctx->sampled = ctx->unfencing;
	ctx->waited = true;
	gate_hook(ctx, ctx->script->plant != PLANT_NO_GRACE);
}

struct gate_writer {
	struct arm_smmu_entry_writer writer;
	u32 sid;
};

static void gate_op_sync(struct arm_smmu_entry_writer *writer)
{
	gate_writer_syncs(writer->master,
			  container_of(writer, struct gate_writer, writer)->sid);
}

static bool gate_op_store(struct arm_smmu_entry_writer *writer, __le64 *entry,
			  const __le64 *target, unsigned int start,
			  unsigned int len)
{
	struct gate_ctx *ctx = gate_ctx_of(writer->master);

	gate_hook(ctx, false);
	if (ctx->script->plant == PLANT_CHECK_ONCE && !ctx->shut_at_entry)
		return arm_smmu_entry_store(entry, target, start, len);
	if (ctx->script->plant == PLANT_SHUT_NO_SYNC && writer->master->gate.shut)
		return false;
	return arm_smmu_gate_store(writer, entry, target, start, len);
}

static const struct arm_smmu_entry_writer_ops gate_ops = {
	.sync = gate_op_sync,
	.store = gate_op_store,
	.get_used = arm_smmu_get_ste_used,
	.get_update_safe = arm_smmu_get_ste_update_safe,
};

static void gate_attach(struct gate_ctx *ctx)
{
	struct arm_smmu_master *master = &ctx->master;
	unsigned int i;
	u32 sid;

	ctx->init = &ctx->stes[ctx->script->from];
	ctx->target = &ctx->stes[ctx->script->to];
	gate_hook(ctx, false);
	ctx->shut_at_entry = master->gate.shut;
	if (!ctx->script->hook_stores) {
		arm_smmu_install_ste_for_dev(master, ctx->target);
	} else {
		master->gate.ste = *ctx->target;
		for (i = 0; i < master->num_streams; i++) {
			struct gate_writer writer = {
				.writer = { .ops = &gate_ops, .master = master },
				.sid = ctx->streams[i].id,
			};

			arm_smmu_write_entry(&writer.writer,
					     ctx->table[writer.sid].data,
					     ctx->target->data);
		}
	}
	gate_look(ctx);
	for (i = 0; i < master->num_streams; i++) {
		sid = ctx->streams[i].id;
		if (ctx->may_be_old[sid] && gate_translates(ctx->init) &&
		    ctx->script->from != ctx->script->to)
			gate_bad(ctx, BAD_OLD);
	}
	master->ats_enabled = gate_ats(ctx->target);
	gate_hook(ctx, false);
}

static void gate_unfence(struct gate_ctx *ctx)
{
	bool ats = ctx->master.ats_enabled;
	int ret;

	ctx->init = &ctx->stes[GATE_ABORT];
	gate_hook(ctx, false);
	ctx->unfencing = true;
	ctx->closed_since = false;
	ctx->dead = false;
	ret = arm_smmu_unfence_dev(ctx->master.dev);
	gate_look(ctx);
	ctx->unfencing = false;
	ctx->sampled = false;

	if (ret)
		ctx->refused++;
	else
		ctx->opened++;
	if (!ret == ctx->master.gate.shut)
		gate_bad(ctx, BAD_RESULT);
	if (!ret && ats != ctx->pdev->ats_enabled)
		gate_bad(ctx, BAD_RESULT);
	/* A device that is dead gets no invalidations to ignore */
	if (ctx->dead && (!ret || !ctx->master.gate.skip))
		gate_bad(ctx, BAD_RESULT);
}

static int gate_fence(struct gate_ctx *ctx)
{
	int ret;

	ctx->waited = false;
	ret = arm_smmu_fence_dev(ctx->master.dev);
	gate_close_ends(ctx, ret);
	if (ctx->pdev->ats_enabled || (!ret && !ctx->waited))
		gate_bad(ctx, BAD_RESULT);
	gate_hook(ctx, false);
	return ret;
}

static void gate_begin(struct gate_ctx *ctx)
{
	const struct gate_script *script = ctx->script;
	struct arm_smmu_gate *gate = &ctx->master.gate;
	const struct arm_smmu_ste *from = &ctx->stes[script->from];
	unsigned int i;

	ctx->pos = 0;
	ctx->init = from;
	ctx->target = from;
	ctx->master.num_streams = script->num_streams;
	ctx->master.ats_enabled = gate_ats(from);
	ctx->pdev->ats_enabled = !script->shut && gate_ats(from);
	gate->ste = *from;
	gate->shut = script->shut;
	gate->skip = script->shut;
	ctx->shut = script->shut;
	ctx->synced = script->shut;
	ctx->closed_since = false;
	for (i = 0; i < script->num_streams; i++) {
		u32 sid = script->sids[i];

		ctx->streams[i].id = sid;
		ctx->table[sid] = *from;
		if (script->shut)
			ctx->table[sid].data[0] = ctx->stes[GATE_ABORT].data[0];
		ctx->may_translate[sid] = gate_translates(&ctx->table[sid]);
		ctx->may_be_old[sid] = !script->shut;
	}
	for (i = 0; i < ARRAY_SIZE(ctx->closers); i++)
		ctx->closers[i] = (struct gate_closer){
			.kind = script->closers[i],
		};
}

static void gate_path(struct gate_ctx *ctx)
{
	const struct gate_script *script = ctx->script;
	const struct arm_smmu_gate *gate = &ctx->master.gate;
	const struct arm_smmu_ste *abort = &ctx->stes[GATE_ABORT];
	unsigned int i;
	int ret = 0;

	gate_begin(ctx);
	if (script->attach)
		gate_attach(ctx);
	if (script->fence)
		ret = gate_fence(ctx);
	if (script->unfence && !ret)
		gate_unfence(ctx);
	gate_hook(ctx, true);

	for (i = 0; i < script->num_streams; i++) {
		const struct arm_smmu_ste *ste = &ctx->table[script->sids[i]];

		if (gate->shut ? ste->data[0] != abort->data[0] :
		    gate->skip || memcmp(ste, ctx->target, sizeof(*ste)))
			gate_bad(ctx, BAD_END);
	}
}

static int gate_all_paths(struct device *dev, void *data)
{
	struct gate_ctx *ctx = data;

	ctx->depth = 0;
	do {
		gate_path(ctx);
		if (!(++ctx->paths % 64))
			cond_resched();
	} while (!ctx->bad && gate_next_path(ctx));
	return 0;
}

unsigned int arm_smmu_gate_test_run(struct gate_ctx *ctx,
				    const struct gate_script *script)
{
	ctx->script = script;
	ctx->bad = 0;
	/* Under group->mutex, as it is in the driver */
	iommu_group_for_each_dev(ctx->group, ctx, gate_all_paths);
	return ctx->bad;
}

void arm_smmu_gate_test_stubs(struct kunit *test)
{
	kunit_activate_static_stub(test, arm_smmu_sync_ste, gate_writer_syncs);
	kunit_activate_static_stub(test, arm_smmu_gate_sync_ste, gate_close_syncs);
	kunit_activate_static_stub(test, arm_smmu_gate_sign_of_life, gate_lives);
	kunit_activate_static_stub(test, arm_smmu_gate_wait_flushes, gate_waits);
}
