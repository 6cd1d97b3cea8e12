// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of iommu_recovery_next(): it is compared with a table of literal rows, and
 * with statements about what someone sees who knows events and actions only.
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/limits.h>

#include "iommu-recovery-fsm.h"

#define LENGTH		7	/* of the event sequences of fsm_exhaustive */
#define MAX_NESTING	3	/* of the resets in all other walks */
#define MAX_NODES	512
#define NR_EVENTS	IOMMU_RECOVERY_NR_EVENTS

/* Sets of events. */
#define E(event)	BIT(IOMMU_RECOVERY_##event)
#define E_PREPARE	(E(PREPARE) | E(PREPARE_COUNT))
#define E_DONE		(E(DONE_OK) | E(DONE_FAILED) | E(DONE_NOT_DONE))
#define E_ANSWER	(E(IS_FENCED) | E(IS_OPEN) | E(IS_UNSURE))
#define E_UNTIMELY	(E_PREPARE | E_DONE | E(WORK))	/* while an action is under way */

/* What is so: a row applies when all its facts are. */
#define INNER		BIT(0)	/* depth > 1: a done is not the outermost one */
#define FENCED		BIT(1)	/* depth == 1, fenced */
#define COUNTED		BIT(2)	/* depth == 1, not fenced */
#define WAS_OK		BIT(3)	/* before is ACTIVE */
#define WAS_BAD		BIT(4)	/* before is BROKEN or QUARANTINED */
#define HAD_OK		BIT(5)	/* the result so far is OK */
#define HAD_FAILED	BIT(6)	/* ... is FAILED */
#define HAD_NONE	BIT(7)	/* ... is NOT_DONE */
#define HAD_NO_OK	BIT(8)	/* ... is FAILED or NOT_DONE */
#define BAD		BIT(9)	/* reported */
#define CLEAN		BIT(10)	/* not reported */

/* What changes besides the state and what is pending; all else stays. */
#define BEGIN		BIT(0)	/* depth = 1, before = the state that is left, fenced */
#define BEGIN_COUNTED	BIT(1)	/* the same, but not fenced */
#define DEEPER		BIT(2)	/* depth + 1 */
#define BACK		BIT(3)	/* depth - 1 */
#define NOTE_OK		BIT(4)	/* result = OK */
#define NOTE_FAILED	BIT(5)	/* result = FAILED */
#define REMEMBER	BIT(6)	/* reported */
#define EPOCH		BIT(7)	/* epoch + 1; not reported: that was in an earlier one */
#define END		BIT(8)	/* before, result, depth, fenced, reported = 0 */

#define S(state)	IOMMU_RECOVERY_##state
#define P(pending)	IOMMU_RECOVERY_PENDING_##pending
#define A(action)	IOMMU_RECOVERY_ACT_##action
#define ROW(from, pending, facts, events, to, to_pending, action, effects) \
	{ S(from), P(pending), facts, events, S(to), P(to_pending), A(action), effects }
#define ROW_DONE(facts, result, ...) ROW(RESETTING, NONE, facts, E(DONE_##result), __VA_ARGS__)

static const struct row {
	enum iommu_recovery_state state;
	enum iommu_recovery_pending pending;
	unsigned int facts, events;
	enum iommu_recovery_state next;
	enum iommu_recovery_pending next_pending;
	enum iommu_recovery_action action;
	unsigned int effects;
} rows[] = {
	/* Nothing is wrong. A counted reset begins at once, a fenced one when the fence is up. */
	ROW(ACTIVE, NONE, 0, E(PREPARE),		ACTIVE, PREPARE, FENCE, 0),
	ROW(ACTIVE, NONE, 0, E(PREPARE_COUNT),		RESETTING, NONE, NONE, BEGIN_COUNTED),
	ROW(ACTIVE, NONE, 0, E_DONE | E_ANSWER,		ACTIVE, NONE, WARN, 0),
	ROW(ACTIVE, NONE, 0, E(REPORT),			BROKEN, NONE, QUEUE_WORK, 0),
	ROW(ACTIVE, NONE, 0, E(WORK),			ACTIVE, NONE, NONE, 0),
	/* A reset begins. A report may come; a fence that is in doubt has to be seen to. */
	ROW(ACTIVE, PREPARE, 0, E_UNTIMELY,		ACTIVE, PREPARE, WARN, 0),
	ROW(ACTIVE, PREPARE, 0, E(REPORT),		BROKEN, PREPARE, QUEUE_WORK, 0),
	ROW(ACTIVE, PREPARE, 0, E(IS_FENCED),		RESETTING, NONE, NONE, BEGIN),
	ROW(ACTIVE, PREPARE, 0, E(IS_OPEN),		ACTIVE, NONE, NONE, 0),
	ROW(ACTIVE, PREPARE, 0, E(IS_UNSURE),		BROKEN, NONE, QUEUE_WORK, 0),
	/* Has to be fenced: by the work item, or by a reset that is faster. */
	ROW(BROKEN, NONE, 0, E_PREPARE,			BROKEN, PREPARE, FENCE, 0),
	ROW(BROKEN, NONE, 0, E_DONE | E_ANSWER,		BROKEN, NONE, WARN, 0),
	ROW(BROKEN, NONE, 0, E(REPORT),			BROKEN, NONE, NONE, 0),
	ROW(BROKEN, NONE, 0, E(WORK),			BROKEN, WORK, FENCE, 0),
	/* After IS_OPEN the work is queued already: it has not run since the device is BROKEN. */
	ROW(BROKEN, PREPARE, 0, E_UNTIMELY,		BROKEN, PREPARE, WARN, 0),
	ROW(BROKEN, PREPARE, 0, E(REPORT),		BROKEN, PREPARE, NONE, 0),
	ROW(BROKEN, PREPARE, 0, E(IS_FENCED),		RESETTING, NONE, NONE, BEGIN),
	ROW(BROKEN, PREPARE, 0, E(IS_OPEN),		BROKEN, NONE, NONE, 0),
	ROW(BROKEN, PREPARE, 0, E(IS_UNSURE),		BROKEN, NONE, QUEUE_WORK, 0),
	/* The work item tries until it is certain. */
	ROW(BROKEN, WORK, 0, E_UNTIMELY,		BROKEN, WORK, WARN, 0),
	ROW(BROKEN, WORK, 0, E(REPORT),			BROKEN, WORK, NONE, 0),
	ROW(BROKEN, WORK, 0, E(IS_FENCED),		QUARANTINED, NONE, NONE, 0),
	ROW(BROKEN, WORK, 0, E(IS_OPEN) | E(IS_UNSURE),	BROKEN, NONE, QUEUE_WORK, 0),
	/* Fenced, until a reset succeeds. */
	ROW(QUARANTINED, NONE, 0, E_PREPARE,		QUARANTINED, PREPARE, FENCE, 0),
	ROW(QUARANTINED, NONE, 0, E_DONE | E_ANSWER,	QUARANTINED, NONE, WARN, 0),
	ROW(QUARANTINED, NONE, 0, E(REPORT) | E(WORK),	QUARANTINED, NONE, NONE, 0),
	ROW(QUARANTINED, PREPARE, 0, E_UNTIMELY,	QUARANTINED, PREPARE, WARN, 0),
	ROW(QUARANTINED, PREPARE, 0, E(REPORT),		QUARANTINED, PREPARE, NONE, 0),
	ROW(QUARANTINED, PREPARE, 0, E(IS_FENCED),	RESETTING, NONE, NONE, BEGIN),
	ROW(QUARANTINED, PREPARE, 0, E(IS_OPEN),	QUARANTINED, NONE, NONE, 0),
	ROW(QUARANTINED, PREPARE, 0, E(IS_UNSURE),	BROKEN, NONE, QUEUE_WORK, 0),
	/* Inside a reset, fenced or counted. An inner done notes its result if that is definite. */
	ROW(RESETTING, NONE, 0, E_PREPARE,		RESETTING, NONE, NONE, DEEPER),
	ROW(RESETTING, NONE, 0, E(REPORT),		RESETTING, NONE, NONE, REMEMBER),
	ROW(RESETTING, NONE, 0, E(WORK),		RESETTING, NONE, NONE, 0),
	ROW(RESETTING, NONE, 0, E_ANSWER,		RESETTING, NONE, WARN, 0),
	ROW_DONE(INNER, OK,				RESETTING, NONE, NONE, BACK | NOTE_OK),
	ROW_DONE(INNER, FAILED,				RESETTING, NONE, NONE, BACK | NOTE_FAILED),
	ROW_DONE(INNER, NOT_DONE,			RESETTING, NONE, NONE, BACK),
	/* The outermost done of a fenced reset: it succeeded; failed; or never began. */
	ROW_DONE(FENCED, OK,				RESETTING, DONE, UNFENCE, EPOCH | NOTE_OK),
	ROW_DONE(FENCED | HAD_OK, NOT_DONE,		RESETTING, DONE, UNFENCE, EPOCH),
	ROW_DONE(FENCED, FAILED,			QUARANTINED, NONE, NONE, END),
	ROW_DONE(FENCED | HAD_FAILED, NOT_DONE,		QUARANTINED, NONE, NONE, END),
	ROW_DONE(FENCED | HAD_NONE | WAS_OK | CLEAN, NOT_DONE,	RESETTING, DONE, UNFENCE, 0),
	ROW_DONE(FENCED | HAD_NONE | WAS_OK | BAD, NOT_DONE,	QUARANTINED, NONE, NONE, END),
	ROW_DONE(FENCED | HAD_NONE | WAS_BAD, NOT_DONE,	QUARANTINED, NONE, NONE, END),
	/* It unfences. IS_FENCED: that has failed, and the device was fenced again. */
	ROW(RESETTING, DONE, 0, E_UNTIMELY,		RESETTING, DONE, WARN, 0),
	ROW(RESETTING, DONE, 0, E(REPORT),		RESETTING, DONE, NONE, REMEMBER),
	ROW(RESETTING, DONE, 0, E(IS_FENCED),		QUARANTINED, NONE, NONE, END),
	ROW(RESETTING, DONE, CLEAN, E(IS_OPEN),		ACTIVE, NONE, NONE, END),
	ROW(RESETTING, DONE, BAD, E(IS_OPEN),		BROKEN, NONE, QUEUE_WORK, END),
	ROW(RESETTING, DONE, 0, E(IS_UNSURE),		BROKEN, NONE, QUEUE_WORK, END),
	/* The outermost done of a counted reset: only a report of this epoch can do harm. */
	ROW_DONE(COUNTED, OK,				ACTIVE, NONE, NONE, EPOCH | END),
	ROW_DONE(COUNTED | HAD_OK, NOT_DONE,		ACTIVE, NONE, NONE, EPOCH | END),
	ROW_DONE(COUNTED | CLEAN, FAILED,		ACTIVE, NONE, NONE, END),
	ROW_DONE(COUNTED | BAD, FAILED,			BROKEN, NONE, QUEUE_WORK, END),
	ROW_DONE(COUNTED | HAD_NO_OK | CLEAN, NOT_DONE,	ACTIVE, NONE, NONE, END),
	ROW_DONE(COUNTED | HAD_NO_OK | BAD, NOT_DONE,	BROKEN, NONE, QUEUE_WORK, END),
};

/*
 * What someone knows who sees events and actions only. An event that is answered by
 * a warning has not happened. @asked and @hw are sets of one event or none.
 */
struct witness {
	u32 asked;	/* what has led to FENCE or UNFENCE, until that is answered */
	u32 hw;		/* the last answer that has told something new of the hardware */
	u32 depth;	/* number of prepares whose done has not come */
	u32 last;	/* the last definite result since the outermost prepare */
	u32 owed;	/* bool: something has happened that only a reset makes good */
	u32 queued;	/* bool: the work is still to come */
};

struct node {
	struct iommu_recovery_fsm fsm;
	struct witness seen;
	u64 sequences, longer;	/* that end here, of this length and of the next */
};

struct walk {
	unsigned int nr_nodes;
	bool row_used[ARRAY_SIZE(rows)];
	struct node node[MAX_NODES];
};

struct hop {
	const struct node *from, *to;
	unsigned int event;
	struct iommu_recovery_step step;
};

static bool same(const struct iommu_recovery_fsm *a, const struct iommu_recovery_fsm *b)
{
	return a->state == b->state && a->pending == b->pending && a->before == b->before &&
	       a->result == b->result && a->depth == b->depth && a->fenced == b->fenced &&
	       a->reported == b->reported && a->epoch == b->epoch;
}

static unsigned int facts_of(const struct iommu_recovery_fsm *fsm)
{
	return (fsm->depth > 1 ? INNER : 0) | (fsm->reported ? BAD : CLEAN) |
	       (fsm->depth == 1 ? (fsm->fenced ? FENCED : COUNTED) : 0) |
	       (fsm->before == S(ACTIVE) ? WAS_OK : WAS_BAD) |
	       (fsm->result == IOMMU_RESET_OK ? HAD_OK : HAD_NO_OK) |
	       (fsm->result == IOMMU_RESET_FAILED ? HAD_FAILED : 0) |
	       (fsm->result == IOMMU_RESET_NOT_DONE ? HAD_NONE : 0);
}

static struct iommu_recovery_fsm apply_row(struct iommu_recovery_fsm fsm, const struct row *row)
{
	if (row->effects & (BEGIN | BEGIN_COUNTED)) {
		fsm.before = fsm.state;
		fsm.depth = 1;
		fsm.fenced = row->effects & BEGIN;
	}
	if (row->effects & (DEEPER | BACK))
		fsm.depth += row->effects & DEEPER ? 1 : -1;
	if (row->effects & (NOTE_OK | NOTE_FAILED))
		fsm.result = row->effects & NOTE_OK ? IOMMU_RESET_OK : IOMMU_RESET_FAILED;
	if (row->effects & (REMEMBER | EPOCH))
		fsm.reported = row->effects & REMEMBER;
	if (row->effects & EPOCH)
		fsm.epoch++;
	if (row->effects & END)
		fsm = (struct iommu_recovery_fsm){ .epoch = fsm.epoch };
	fsm.state = row->next;
	fsm.pending = row->next_pending;
	return fsm;
}

static void expect(struct kunit *test, bool condition, const char *what, unsigned int nr,
		   const struct hop *h)
{
	const struct iommu_recovery_fsm *a = &h->from->fsm, *b = &h->step.fsm;

	KUNIT_ASSERT_TRUE_MSG(test, condition,
			      "%s %u: {%d %d %d %d %u %d %d %u} and event %u lead to {%d %d %d %d %u %d %d %u} and action %d",
			      what, nr, a->state, a->pending, a->before, a->result, a->depth,
			      a->fenced, a->reported, a->epoch, h->event, b->state, b->pending,
			      b->before, b->result, b->depth, b->fenced, b->reported, b->epoch,
			      h->step.action);
}

/* Exactly one row must cover the pair, and say what the function says. */
static void expect_row(struct kunit *test, const struct hop *h)
{
	const struct iommu_recovery_fsm *fsm = &h->from->fsm;
	unsigned int facts = facts_of(fsm), found = 0, i, r = 0;
	struct walk *walk = test->priv;
	struct iommu_recovery_fsm want;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].state != fsm->state || rows[i].pending != fsm->pending ||
		    (rows[i].facts & facts) != rows[i].facts || !(rows[i].events & BIT(h->event)))
			continue;
		r = i;
		found++;
	}
	expect(test, found == 1, "rows that cover this:", found, h);
	want = apply_row(*fsm, &rows[r]);
	expect(test, same(&want, &h->step.fsm) && h->step.action == rows[r].action, "row", r, h);
	walk->row_used[r] = true;
}

static struct node *visit(struct kunit *test, struct iommu_recovery_fsm fsm, struct witness seen)
{
	struct walk *walk = test->priv;
	struct node *node;

	for (node = walk->node; node < walk->node + walk->nr_nodes; node++)
		if (same(&node->fsm, &fsm) && !memcmp(&node->seen, &seen, sizeof(seen)))
			return node;
	KUNIT_ASSERT_LT_MSG(test, walk->nr_nodes, MAX_NODES, "there is no end of states");
	walk->nr_nodes++;
	*node = (struct node){ .fsm = fsm, .seen = seen };
	return node;
}

static const struct witness nothing_seen = { .hw = E(IS_OPEN) };

static int fsm_test_init(struct kunit *test)
{
	struct walk *walk = kunit_kzalloc(test, sizeof(*walk), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, walk);
	test->priv = walk;
	visit(test, (struct iommu_recovery_fsm){}, nothing_seen)->sequences = 1;
	return 0;
}

/*
 * The function is pure: what follows the first n events of a sequence depends on the
 * state to which these lead, and on nothing else. So all sequences are covered when, for
 * each n, each event is tried once in each of these states. They are counted on the way.
 */
static void fsm_exhaustive(struct kunit *test)
{
	struct walk *walk = test->priv;
	unsigned int length, nr, i;
	struct node *node;
	struct hop h;
	u64 total;

	for (length = 1; length <= LENGTH; length++) {
		nr = walk->nr_nodes * NR_EVENTS;
		for (i = 0; i < nr; i++) {
			node = &walk->node[i / NR_EVENTS];
			h.from = node;
			h.event = i % NR_EVENTS;
			h.step = iommu_recovery_next(&node->fsm, h.event);
			expect_row(test, &h);
			visit(test, h.step.fsm, nothing_seen)->longer += node->sequences;
		}
		total = 0;
		for (node = walk->node; node < walk->node + walk->nr_nodes; node++) {
			total += node->longer;
			node->sequences = node->longer;
			node->longer = 0;
		}
	}
	KUNIT_EXPECT_EQ(test, total, 10000000);	/* NR_EVENTS to the power of LENGTH */
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		KUNIT_EXPECT_TRUE_MSG(test, walk->row_used[i], "row %u is never used", i);
	kunit_info(test, "%u states stand for %llu sequences of %u events\n",
		   walk->nr_nodes, total, LENGTH);
}

/* Any state, reachable or not: nothing breaks, and the value of the epoch is ignored. */
static void fsm_is_total(struct kunit *test)
{
	static const unsigned int depths[] = { 0, 1, 2, UINT_MAX };
	unsigned int i, v, event;

	/* Each member is a digit of i, and so is the event: one more than there are. */
	for (i = 0; i < 4 * 4 * 4 * 3 * 4 * 2 * 2 * (NR_EVENTS + 1); i++) {
		struct iommu_recovery_step step, again, late;
		struct iommu_recovery_fsm fsm, copy;

		event = i % (NR_EVENTS + 1);
		v = i / (NR_EVENTS + 1);
		fsm = (struct iommu_recovery_fsm){
			.state = v % 4, .pending = v / 4 % 4, .before = v / 16 % 4,
			.result = v / 64 % 3, .depth = depths[v / 192 % 4],
			.fenced = v / 768 % 2, .reported = v / 1536 % 2,
		};
		copy = fsm;
		step = iommu_recovery_next(&fsm, event);
		again = iommu_recovery_next(&fsm, event);
		KUNIT_ASSERT_TRUE(test, same(&fsm, &copy) && same(&step.fsm, &again.fsm) &&
				  step.action == again.action);
		KUNIT_ASSERT_TRUE(test, step.action < IOMMU_RECOVERY_NR_ACTIONS &&
				  step.fsm.state < IOMMU_RECOVERY_NR_STATES &&
				  step.fsm.pending < IOMMU_RECOVERY_NR_PENDING &&
				  step.fsm.before < IOMMU_RECOVERY_NR_STATES &&
				  step.fsm.result <= IOMMU_RESET_FAILED && step.fsm.epoch <= 1);
		KUNIT_ASSERT_TRUE(test, step.action != A(WARN) || same(&step.fsm, &fsm));
		if (event == NR_EVENTS || (fsm.state == S(RESETTING) &&
					   fsm.depth == UINT_MAX && BIT(event) & E_PREPARE))
			KUNIT_ASSERT_EQ(test, step.action, A(WARN));
		fsm.epoch = U32_MAX;
		late = iommu_recovery_next(&fsm, event);
		late.fsm.epoch -= U32_MAX;
		KUNIT_ASSERT_TRUE(test, same(&step.fsm, &late.fsm) && step.action == late.action);
	}
}

static struct witness witness(struct witness seen, u32 is, enum iommu_recovery_action action)
{
	bool outermost = is & E_DONE && seen.depth == 1;

	if (action == A(WARN))
		return seen;
	if (is & E_PREPARE ? action != A(FENCE) : is & E(IS_FENCED) && seen.asked & E_PREPARE)
		seen.last = seen.depth++ ? seen.last : IOMMU_RESET_NOT_DONE;
	if (is & (E(DONE_OK) | E(DONE_FAILED)))
		seen.last = is & E(DONE_OK) ? IOMMU_RESET_OK : IOMMU_RESET_FAILED;
	if (is & E_DONE && seen.depth)
		seen.depth--;
	if ((outermost && seen.last == IOMMU_RESET_FAILED && seen.hw == E(IS_FENCED)) ||
	    (is & E(IS_FENCED) && seen.asked & E_DONE) || is & (E(REPORT) | E(IS_UNSURE)))
		seen.owed = true;
	if (outermost && seen.last == IOMMU_RESET_OK)
		seen.owed = false;
	if (is & E_ANSWER && (seen.asked & E_DONE || !(is & E(IS_OPEN))))
		seen.hw = is;	/* else a fence has failed, and all is as before */
	if (is & E_ANSWER || action == A(FENCE) || action == A(UNFENCE))
		seen.asked = is & ~E_ANSWER;
	if (is & E(WORK) || action == A(QUEUE_WORK))
		seen.queued = action == A(QUEUE_WORK);
	return seen;
}

static bool nested(const struct hop *h)
{
	return !h->from->seen.depth || !h->to->seen.depth ||
	       (h->to->fsm.state == S(RESETTING) && !h->to->seen.asked);
}

static bool last_definite(const struct hop *h)
{
	return !h->from->seen.depth || h->to->seen.depth || h->from->seen.hw != E(IS_FENCED) ||
	       h->to->seen.last == IOMMU_RESET_NOT_DONE ||
	       (h->step.action == A(UNFENCE)) == (h->to->seen.last == IOMMU_RESET_OK);
}

static bool failed(const struct hop *h)
{
	return h->step.action != A(UNFENCE) ||
	       (!h->to->seen.owed && h->to->seen.last != IOMMU_RESET_FAILED);
}

static bool epoch(const struct hop *h)
{
	return h->step.fsm.epoch == (h->from->seen.depth && !h->to->seen.depth &&
				     h->to->seen.last == IOMMU_RESET_OK);
}

static bool not_lost(const struct hop *h)
{
	return h->to->seen.depth || h->to->seen.asked || !h->to->seen.owed ||
	       h->to->fsm.state == S(BROKEN) || h->to->fsm.state == S(QUARANTINED);
}

static bool not_stale(const struct hop *h)
{
	return h->to->seen.depth || h->to->seen.asked || h->to->seen.owed ||
	       (h->to->fsm.state == S(ACTIVE) && h->to->seen.hw == E(IS_OPEN));
}

static bool quarantine(const struct hop *h)
{
	return h->from->fsm.state != S(QUARANTINED) ||
	       (h->from->seen.hw == E(IS_FENCED) && (h->to->fsm.state == S(QUARANTINED) ||
						     h->from->seen.asked & E_PREPARE));
}

static bool answered(const struct hop *h)
{
	return !h->to->seen.asked == (h->to->fsm.pending == P(NONE)) &&
	       (h->step.action == A(WARN) || BIT(h->event) & E(REPORT) ||
		!h->from->seen.asked == !(BIT(h->event) & E_ANSWER));
}

static bool queued(const struct hop *h)
{
	return h->to->fsm.state != S(BROKEN) || h->to->seen.queued || h->to->seen.asked & E(WORK);
}

static bool counted(const struct hop *h)
{
	return !h->from->seen.depth || h->from->seen.hw != E(IS_OPEN) ||
	       (!h->to->seen.asked && (h->to->seen.depth || h->to->fsm.state ==
				       (h->to->seen.owed ? S(BROKEN) : S(ACTIVE))));
}

static bool unprepared(const struct hop *h)
{
	return !(BIT(h->event) & E_DONE) || h->from->seen.depth ||
	       (h->step.action == A(WARN) && h->from == h->to);
}

static const struct invariant {
	const char *name;
	bool (*holds)(const struct hop *h);
} invariants[] = {
	{ "the table holds for sequences of any length" },
	{ "nothing is fenced or unfenced inside a nested reset", nested },
	{ "the last definite result wins, also over NOT_DONE", last_definite },
	{ "a reset that failed or was reported never unfences", failed },
	{ "only OK moves the epoch, and does so before the unfence", epoch },
	{ "a report is never lost", not_lost },
	{ "a report of an earlier epoch harms nobody", not_stale },
	{ "QUARANTINED means fenced, and is left by a prepare only", quarantine },
	{ "every FENCE and UNFENCE is answered, and pending until then", answered },
	{ "work is queued whenever a device is BROKEN", queued },
	{ "a counted reset asks for no fence, and only a report breaks it", counted },
	{ "a done without a prepare warns and changes nothing", unprepared },
};

KUNIT_ARRAY_PARAM_DESC(invariant, invariants, name);

/* For any length; but the nesting is limited, and the epoch starts anew each time. */
static void fsm_invariant(struct kunit *test)
{
	const struct invariant *invariant = test->param_value;
	struct walk *walk = test->priv;
	struct iommu_recovery_fsm fsm;
	struct witness seen;
	struct hop h;
	unsigned int i;

	for (i = 0; i < walk->nr_nodes * NR_EVENTS; i++) {
		h.from = &walk->node[i / NR_EVENTS];
		h.event = i % NR_EVENTS;
		h.step = iommu_recovery_next(&h.from->fsm, h.event);
		seen = witness(h.from->seen, BIT(h.event), h.step.action);
		if (seen.depth > MAX_NESTING)
			continue;
		fsm = h.step.fsm;
		fsm.epoch = 0;
		h.to = visit(test, fsm, seen);
		if (invariant->holds)
			expect(test, invariant->holds(&h), invariant->name, 0, &h);
		else
			expect_row(test, &h);
	}
}

static struct kunit_case iommu_recovery_fsm_cases[] = {
	KUNIT_CASE(fsm_exhaustive),
	KUNIT_CASE(fsm_is_total),
	KUNIT_CASE_PARAM(fsm_invariant, invariant_gen_params),
	{}
};

static struct kunit_suite iommu_recovery_fsm_suite = {
	.name = "iommu_recovery_fsm",
	.init = fsm_test_init,
	.test_cases = iommu_recovery_fsm_cases,
};

kunit_test_suite(iommu_recovery_fsm_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the recovery state machine of the IOMMU core");
MODULE_LICENSE("GPL");
