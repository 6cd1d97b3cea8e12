// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery of devices whose driver fences them by itself: devices
 * that share a requester ID, that come to their group, and that are removed.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h.
 */
#include <kunit/test.h>
#include <linux/delay.h>

#include "iommu-recovery-fake.h"

KUNIT_ARRAY_PARAM_DESC(windows, fake_windows, name);

/* A group of two devices that share a requester ID, and one that has its own */
struct unit {
	struct fake_iommu *fake;
	struct fake_dev *mates[2];
	struct fake_dev *other;
	struct fake_busy busy;
	unsigned int calls;
};

static unsigned int unit_calls(struct unit *u)
{
	return fake_calls(u->mates[0]) + fake_calls(u->mates[1]) +
	       fake_calls(u->other);
}

static struct unit unit_create(struct kunit *test)
{
	struct unit u = { .fake = fake_create_gate(test, FAKE_GATED) };

	u.mates[0] = fake_dev_add_alias(u.fake, 0, 1);
	u.other = fake_dev_add_alias(u.fake, 0, 2);
	u.mates[1] = fake_dev_add_alias(u.fake, 0, 1);
	u.busy = fake_busy(u.mates[0]);
	u.calls = unit_calls(&u);
	return u;
}

/* All are attached as ever, and the gate of the third device was never touched. */
static void expect_gates(struct kunit *test, struct unit *u, enum fake_gate gate)
{
	struct fake_busy busy = u->busy;

	KUNIT_EXPECT_EQ(test, (int)gate, (int)u->mates[0]->gate);
	KUNIT_EXPECT_EQ(test, (int)gate, (int)u->mates[1]->gate);
	busy.fdev = u->other;
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, 0, u->other->fence_calls);
	KUNIT_EXPECT_EQ(test, u->calls, unit_calls(u));
	if (gate != FAKE_GATE_OPEN)
		return;
	for (int i = 0; i < 2; i++) {
		busy.fdev = u->mates[i];
		fake_expect_running(test, &busy);
	}
}

static void gates_of_aliases_move_together(struct kunit *test)
{
	struct unit u = unit_create(test);

	for (int i = 0; i < 2; i++) {
		struct fake_dev *victim = u.mates[i], *mate = u.mates[!i];

		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&victim->dev));
		FAKE_EXPECT_STATE(test, victim, RESETTING);
		FAKE_EXPECT_STATE(test, mate, ACTIVE);
		expect_gates(test, &u, FAKE_GATE_SHUT);
		iommu_dev_reset_done(&victim->dev, IOMMU_RESET_FAILED);
		FAKE_EXPECT_STATE(test, victim, QUARANTINED);
		FAKE_EXPECT_STATE(test, mate, ACTIVE);
		expect_gates(test, &u, FAKE_GATE_SHUT);
		fake_reset(test, victim, IOMMU_RESET_OK);
		expect_gates(test, &u, FAKE_GATE_OPEN);
		KUNIT_EXPECT_EQ(test, i + 1, victim->unfence_calls);
		KUNIT_EXPECT_EQ(test, i + 1, mate->unfence_calls);
	}
}

static void last_alias_to_be_lifted_opens_both_gates(struct kunit *test)
{
	struct unit u = unit_create(test);
	struct fake_dev *a = u.mates[0], *b = u.mates[1];

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&a->dev));
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&b->dev));
	iommu_dev_reset_done(&a->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, a, ACTIVE);
	FAKE_EXPECT_STATE(test, b, RESETTING);
	expect_gates(test, &u, FAKE_GATE_SHUT);
	iommu_dev_reset_done(&b->dev, IOMMU_RESET_FAILED);
	fake_reset(test, a, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, a, ACTIVE);
	expect_gates(test, &u, FAKE_GATE_SHUT);
	KUNIT_EXPECT_EQ(test, 0, a->unfence_calls);
	KUNIT_EXPECT_EQ(test, 0, b->unfence_calls);
	fake_reset(test, b, IOMMU_RESET_OK);
	expect_gates(test, &u, FAKE_GATE_OPEN);
	KUNIT_EXPECT_EQ(test, 1, a->unfence_calls);
	KUNIT_EXPECT_EQ(test, 1, b->unfence_calls);
}

/* The work item shuts both gates */
static void expect_quarantine(struct kunit *test, struct unit *u,
			      struct fake_dev *victim,
			      enum iommu_broken_reason reason)
{
	fake_flush_work(test, victim);
	KUNIT_EXPECT_EQ(test, (int)reason, (int)fake_recovery(victim)->reason);
	expect_gates(test, u, FAKE_GATE_SHUT);
	fake_reset(test, victim, IOMMU_RESET_OK);
	expect_gates(test, u, FAKE_GATE_OPEN);
}

/* The first of two or the second one fails, whichever of them is to be reset. */
static void gate_of_an_alias_that_does_not_shut(struct kunit *test)
{
	struct unit u = unit_create(test);

	for (int i = 0; i < 4; i++) {
		struct fake_dev *victim = u.mates[i / 2], *mate = u.mates[!(i / 2)];
		struct fake_dev *stuck = u.mates[i % 2], *fine = u.mates[!(i % 2)];
		unsigned int unfences = victim->unfence_calls + mate->unfence_calls;

		stuck->gate_stuck = true;
		KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
				fake_prepare_quietly(test, victim));
		FAKE_EXPECT_STATE(test, victim, BROKEN);
		FAKE_EXPECT_REASON(test, victim, FENCE_FAILED);
		FAKE_EXPECT_STATE(test, mate, ACTIVE);
		/* The other one is fenced all the same, and is not let go. */
		FAKE_EXPECT_GATE(test, fine, SHUT);
		KUNIT_EXPECT_EQ(test, unfences, victim->unfence_calls +
						mate->unfence_calls);
		stuck->gate_stuck = false;
		expect_quarantine(test, &u, victim, IOMMU_BROKEN_FENCE_FAILED);
	}
}

static void gate_of_an_alias_that_does_not_open(struct kunit *test)
{
	struct unit u = unit_create(test);

	for (int i = 0; i < 4; i++) {
		struct fake_dev *victim = u.mates[i / 2], *mate = u.mates[!(i / 2)];
		struct fake_dev *stuck = u.mates[i % 2], *fine = u.mates[!(i % 2)];

		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&victim->dev));
		fake_fail_gate(u.fake, 1 + i % 2, 1);
		fake_done_quietly(test, victim, IOMMU_RESET_OK);
		FAKE_EXPECT_STATE(test, victim, QUARANTINED);
		FAKE_EXPECT_STATE(test, mate, ACTIVE);
		expect_quarantine(test, &u, victim, IOMMU_BROKEN_UNFENCE_FAILED);

		/* And it cannot be fenced again. */
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&victim->dev));
		stuck->gate_stuck = true;
		fake_done_quietly(test, victim, IOMMU_RESET_OK);
		FAKE_EXPECT_STATE(test, victim, BROKEN);
		FAKE_EXPECT_STATE(test, mate, ACTIVE);
		FAKE_EXPECT_GATE(test, fine, SHUT);
		stuck->gate_stuck = false;
		expect_quarantine(test, &u, victim, IOMMU_BROKEN_UNFENCE_FAILED);
	}
}

/* Devices that come */

static void new_alias_is_fenced_and_then_attached(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_busy busy = fake_busy(fake_dev_add_alias(fake, 0, 1));
	struct fake_dev *a = busy.fdev, *b, *c;

	fake_enter_window(test, a);
	b = fake_dev_add_alias(fake, 0, 1);
	c = fake_dev_add_alias(fake, 0, 2);
	/* Once, and once more by the work item of a BROKEN device, perhaps */
	KUNIT_EXPECT_GE(test, b->fence_calls, 1);
	FAKE_EXPECT_GATE(test, b, SHUT);
	FAKE_EXPECT_ON(test, b, busy.rid);
	KUNIT_EXPECT_LT(test, b->fenced_at, b->attached_at);
	KUNIT_EXPECT_EQ(test, 1, b->rid_calls);
	FAKE_EXPECT_STATE(test, b, ACTIVE);
	KUNIT_EXPECT_EQ(test, 0, c->fence_calls);
	FAKE_EXPECT_ON(test, c, busy.rid);

	fake_leave_window(test, a);
	FAKE_EXPECT_GATE(test, b, OPEN);
	KUNIT_EXPECT_EQ(test, 1, b->unfence_calls);
	FAKE_EXPECT_ON(test, b, busy.rid);
	KUNIT_EXPECT_EQ(test, 1, b->rid_calls);
	KUNIT_EXPECT_EQ(test, 0, b->pasid_calls);
	fake_expect_running(test, &busy);
}

static void new_alias_that_cannot_be_fenced_is_not_attached(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_busy busy = fake_busy(fake_dev_add_alias(fake, 0, 1));
	struct fake_dev *a = busy.fdev, *b;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&a->dev));
	fake_fail_gate(fake, 1, 1);
	b = fake_dev_add_alias(fake, 0, 1);
	KUNIT_EXPECT_NULL(test, b->dev.iommu);
	KUNIT_EXPECT_TRUE(test, b->released);
	/* The release domain */
	KUNIT_EXPECT_EQ(test, 1, b->rid_calls);
	KUNIT_EXPECT_EQ(test, 0, b->unfence_calls);
	KUNIT_EXPECT_EQ(test, 1, fake_domain_users(busy.rid));
	FAKE_EXPECT_GATE(test, a, SHUT);
	KUNIT_EXPECT_EQ(test, 0, a->unfence_calls);

	iommu_dev_reset_done(&a->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_GATE(test, a, OPEN);
	fake_expect_running(test, &busy);
}

static struct fake_dev *first_to_come;

static void first_is_reset_before_the_second_comes(struct fake_dev *fdev)
{
	if (fdev != first_to_come)
		KUNIT_EXPECT_EQ(fdev->fake->test, 0,
				iommu_dev_reset_prepare(&first_to_come->dev));
}

/* All devices of a bus are probed before their groups are attached. */
static void alias_comes_before_the_first_attach(struct kunit *test,
						const struct fake_variant *variant)
{
	struct fake_iommu *fake = fake_create_gate(test, variant);
	struct fake_dev *a = fake_dev_add_unprobed(fake, 0);
	struct fake_dev *b = fake_dev_add_unprobed(fake, 0);

	a->alias = 1;
	b->alias = 1;
	first_to_come = a;
	fake->on_probe = first_is_reset_before_the_second_comes;
	fake_probe_unprobed(fake);
	FAKE_EXPECT_STATE(test, a, RESETTING);
	FAKE_EXPECT_STATE(test, b, ACTIVE);
	KUNIT_EXPECT_TRUE(test, fake_is_fenced(a));
	KUNIT_EXPECT_TRUE(test, fake_is_fenced(b));

	iommu_dev_reset_done(&a->dev, IOMMU_RESET_OK);
	KUNIT_EXPECT_FALSE(test, fake_is_fenced(a));
	KUNIT_EXPECT_FALSE(test, fake_is_fenced(b));
	FAKE_EXPECT_ON(test, a, iommu_get_domain_for_dev(&a->dev));
	FAKE_EXPECT_ON(test, b, a->rid);
}

static void alias_that_comes_before_the_first_attach_is_fenced(struct kunit *test)
{
	alias_comes_before_the_first_attach(test, FAKE_GATED);
}

static void alias_that_comes_before_the_first_attach_is_docked(struct kunit *test)
{
	alias_comes_before_the_first_attach(test, FAKE_FULL);
}

/* Devices that go */

static void removal_lets_the_aliases_go(struct kunit *test)
{
	struct unit u = unit_create(test);
	struct fake_dev *a = u.mates[0], *b = u.mates[1];
	struct iommu_domain *other = fake_domain_new(b);
	unsigned int calls;

	fake_enter_window(test, a);
	/* The driver sees in the end that this is the old domain. */
	KUNIT_EXPECT_EQ(test, 0, fake_replace(a, other));
	/* Its PASIDs are detached, and the RID goes to the release domain. */
	calls = fake_calls(a) + 1;
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		calls += !!a->pasid[i];
	get_device(&a->dev);
	fake_dev_remove(a);
	KUNIT_EXPECT_TRUE(test, a->released);
	KUNIT_EXPECT_EQ(test, 0, a->unfence_calls);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(a));
	FAKE_EXPECT_STATE(test, b, ACTIVE);
	FAKE_EXPECT_GATE(test, b, OPEN);
	KUNIT_EXPECT_EQ(test, 1, b->unfence_calls);
	KUNIT_EXPECT_GT(test, b->unfenced_at, u.fake->released_at);
	FAKE_EXPECT_ON(test, b, other);
	KUNIT_EXPECT_EQ(test, 0, u.other->unfence_calls);

	/* No count is left behind. */
	KUNIT_EXPECT_EQ(test, 0, fake_replace(b, u.busy.rid));
	put_device(&a->dev);
	a = fake_dev_add_alias(u.fake, 0, 1);
	FAKE_EXPECT_STATE(test, a, ACTIVE);
	FAKE_EXPECT_REASON(test, a, NONE);
	KUNIT_EXPECT_EQ(test, 0, a->fence_calls);
	FAKE_EXPECT_ON(test, a, u.busy.rid);
	fake_reset(test, b, IOMMU_RESET_OK);
	FAKE_EXPECT_GATE(test, a, OPEN);
	FAKE_EXPECT_GATE(test, b, OPEN);
}

static void removal_of_an_alias_lifts_nothing_else(struct kunit *test)
{
	struct unit u = unit_create(test);
	struct fake_dev *a = u.mates[0], *b = u.mates[1];

	fake_enter_window(test, b);
	fake_dev_remove(a);
	KUNIT_EXPECT_EQ(test, 0, b->unfence_calls);
	fake_leave_window(test, b);
	FAKE_EXPECT_ON(test, b, u.busy.rid);
}

/* It is quarantined, though it is not at fault: a reset has it back. */
static void alias_that_cannot_be_let_go_is_quarantined(struct kunit *test)
{
	struct unit u = unit_create(test);
	struct fake_dev *b = u.mates[1];

	fake_reset(test, u.mates[0], IOMMU_RESET_FAILED);
	fake_fail_gate(u.fake, 1, 1);
	fake_dev_remove(u.mates[0]);
	fake_flush_work(test, b);
	FAKE_EXPECT_REASON(test, b, UNFENCE_FAILED);
	FAKE_EXPECT_GATE(test, b, SHUT);
	fake_reset(test, b, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, b, ACTIVE);
	FAKE_EXPECT_GATE(test, b, OPEN);
	FAKE_EXPECT_ON(test, b, u.busy.rid);
}

static unsigned int fences_at_release;

static void wait_for_the_work(struct fake_dev *fdev)
{
	/* It runs when its retry is due, and then waits for group->mutex, held here. */
	while (!(work_busy(&fake_recovery(fdev)->work.work) & WORK_BUSY_RUNNING))
		fsleep(1000);
	fences_at_release = fdev->fence_calls;
}

static void work_leaves_a_removed_device_alone(struct kunit *test)
{
	struct unit u = unit_create(test);
	struct fake_dev *a = u.mates[0];

	a->gate_stuck = true;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_prepare_quietly(test, a));
	flush_delayed_work(&fake_recovery(a)->work);
	FAKE_EXPECT_STATE(test, a, BROKEN);

	u.fake->on_release = wait_for_the_work;
	get_device(&a->dev);
	fake_dev_remove(a);
	u.fake->on_release = NULL;
	KUNIT_EXPECT_EQ(test, fences_at_release, a->fence_calls);
	KUNIT_EXPECT_EQ(test, 0, a->unfence_calls);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&u.fake->told_quarantined));
	FAKE_EXPECT_GATE(test, u.mates[1], OPEN);
	put_device(&a->dev);
}

static struct kunit_case iommu_recovery_gate_alias_cases[] = {
	KUNIT_CASE(gates_of_aliases_move_together),
	KUNIT_CASE(last_alias_to_be_lifted_opens_both_gates),
	KUNIT_CASE(gate_of_an_alias_that_does_not_shut),
	KUNIT_CASE(gate_of_an_alias_that_does_not_open),
	KUNIT_CASE_PARAM(new_alias_is_fenced_and_then_attached, windows_gen_params),
	KUNIT_CASE(new_alias_that_cannot_be_fenced_is_not_attached),
	KUNIT_CASE(alias_that_comes_before_the_first_attach_is_fenced),
	KUNIT_CASE(alias_that_comes_before_the_first_attach_is_docked),
	KUNIT_CASE_PARAM(removal_lets_the_aliases_go, windows_gen_params),
	KUNIT_CASE_PARAM(removal_of_an_alias_lifts_nothing_else, windows_gen_params),
	KUNIT_CASE(alias_that_cannot_be_let_go_is_quarantined),
	KUNIT_CASE(work_leaves_a_removed_device_alone),
	{}
};

static struct kunit_suite iommu_recovery_gate_alias_suite = {
	.name = "iommu_recovery_gate_alias",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = iommu_recovery_gate_alias_cases,
};

kunit_test_suite(iommu_recovery_gate_alias_suite);
