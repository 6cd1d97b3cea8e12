// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of devices that are fenced and let back at once, because their driver has
 * lost track of what they have outstanding.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h.
 */
#include <kunit/test.h>

#include "iommu-recovery-fake.h"

#define REFENCE_ROUNDS	200

static void refence_now(struct fake_dev *fdev)
{
	iommu_refence_device(&fdev->dev);
	flush_delayed_work(&fake_recovery(fdev)->work);
}

/* Since the device was added */
static void refence_expect(struct kunit *test, struct fake_dev *fdev,
			   unsigned int fences, unsigned int unfences)
{
	KUNIT_EXPECT_EQ(test, fences, fdev->fence_calls);
	KUNIT_EXPECT_EQ(test, unfences, fdev->unfence_calls);
}

static void refence_expect_told(struct kunit *test, struct fake_iommu *fake,
				int quarantined, int active)
{
	KUNIT_EXPECT_EQ(test, quarantined, atomic_read(&fake->told_quarantined));
	KUNIT_EXPECT_EQ(test, active, atomic_read(&fake->told_active));
}

static void refence_expect_active(struct fake_dev *fdev)
{
	if (fake_state(fdev) != IOMMU_RECOVERY_ACTIVE)
		fake_violation(fdev->fake, "fenced while it is not ACTIVE");
}

static void a_device_is_fenced_and_let_back(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fdev);
	unsigned int calls = fake_calls(fdev);

	fdev->on_fence = refence_expect_active;
	refence_now(fdev);
	refence_expect(test, fdev, 1, 1);
	KUNIT_EXPECT_LT(test, fdev->fenced_at, fdev->unfenced_at);
	refence_expect(test, sibling, 0, 0);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
	refence_expect_told(test, fake, 0, 0);
	fake_expect_file(test, fdev, "quarantine_count", "0\n");

	/* Every time that it is asked for */
	refence_now(fdev);
	refence_expect(test, fdev, 2, 2);
	refence_expect_told(test, fake, 0, 0);
}

/* Without a gate: RID and PASIDs are blocked, and attached again */
static void a_device_is_docked_and_let_back(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fdev);
	unsigned int calls = fake_calls(fdev);
	int begun = atomic_read(&fake->clock);

	refence_now(fdev);
	fake_expect_running(test, &busy);
	/* Twice each: to the blocking domain and back */
	KUNIT_EXPECT_EQ(test, calls + 2 * (1 + busy.nr_pasids), fake_calls(fdev));
	KUNIT_EXPECT_GT(test, (int)fdev->attached_at, begun);
	refence_expect_told(test, fake, 0, 0);
}

/* It is fenced already, and has nothing outstanding */
static void nothing_is_done_to_a_device_that_is_fenced(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	refence_now(fdev);
	FAKE_EXPECT_STATE(test, fdev, RESETTING);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	refence_expect(test, fdev, 1, 0);
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);

	refence_now(fdev);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	refence_expect(test, fdev, 1, 0);

	/* And it is not made up for */
	fake_reset(test, fdev, IOMMU_RESET_OK);
	flush_delayed_work(&fake_recovery(fdev)->work);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	refence_expect(test, fdev, 2, 1);
	refence_expect_told(test, fake, 1, 1);
}

/* As of a PCI function that can neither do ATS nor stall, as far as PCI knows */
static void a_reset_that_does_not_fence_is_waited_for(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_recovery *recovery = fake_recovery(fdev);

	scoped_guard(raw_spinlock_irqsave, &recovery->lock)
		recovery->fsm = iommu_recovery_next(&recovery->fsm,
						    IOMMU_RECOVERY_PREPARE_COUNT).fsm;
	FAKE_EXPECT_STATE(test, fdev, RESETTING);
	refence_now(fdev);
	refence_expect(test, fdev, 0, 0);
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	flush_delayed_work(&recovery->work);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	refence_expect(test, fdev, 1, 1);
	refence_expect_told(test, fake, 0, 0);
}

/* Both use the same work item */
static void a_broken_device_is_quarantined_all_the_same(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);

	iommu_report_device_broken(&fdev->dev, IOMMU_BROKEN_ATC_TIMEOUT);
	iommu_refence_device(&fdev->dev);
	fake_flush_work(test, fdev);
	FAKE_EXPECT_REASON(test, fdev, ATC_TIMEOUT);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	KUNIT_EXPECT_EQ(test, fdev->fence_calls, fdev->unfence_calls + 1);
	refence_expect_told(test, fake, 1, 0);
}

static void refence_report(struct fake_dev *fdev)
{
	fdev->on_fence = NULL;
	iommu_report_device_broken(&fdev->dev, IOMMU_BROKEN_ATC_TIMEOUT);
}

static void a_device_that_is_reported_meanwhile_stays_fenced(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);

	fdev->on_fence = refence_report;
	refence_now(fdev);
	fake_flush_work(test, fdev);
	FAKE_EXPECT_REASON(test, fdev, ATC_TIMEOUT);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	KUNIT_EXPECT_EQ(test, 0, fdev->unfence_calls);
	refence_expect_told(test, fake, 1, 0);
}

static void a_device_that_cannot_be_let_back_is_quarantined(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);

	fake_fail_gate(fake, 2, 1);
	refence_now(fdev);
	fake_flush_work(test, fdev);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	refence_expect_told(test, fake, 1, 0);
}

/* The work item waits for group->mutex, is about to, or has just been queued */
static void removal_races_with_the_refence(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *sibling = fake_dev_add(fake, 0);

	for (int i = 0; i < REFENCE_ROUNDS; i++) {
		struct fake_dev *fdev = fake_dev_add(fake, 0);

		iommu_refence_device(&fdev->dev);
		if (i & 1)
			cond_resched();
		fake_dev_remove(fdev);
		KUNIT_ASSERT_EQ(test, 1, atomic_read(&fake->nr_devices));
	}
	FAKE_EXPECT_STATE(test, sibling, ACTIVE);
	refence_expect(test, sibling, 0, 0);
	refence_expect_told(test, fake, 0, 0);
}

KUNIT_ARRAY_PARAM_DESC(gate_variants, fake_gate_variants, name);
KUNIT_ARRAY_PARAM_DESC(variants, fake_all_variants, name);

static struct kunit_case refence_cases[] = {
	KUNIT_CASE_PARAM(a_device_is_fenced_and_let_back, gate_variants_gen_params),
	KUNIT_CASE_PARAM(a_device_is_docked_and_let_back, variants_gen_params),
	KUNIT_CASE(nothing_is_done_to_a_device_that_is_fenced),
	KUNIT_CASE(a_reset_that_does_not_fence_is_waited_for),
	KUNIT_CASE(a_broken_device_is_quarantined_all_the_same),
	KUNIT_CASE(a_device_that_is_reported_meanwhile_stays_fenced),
	KUNIT_CASE(a_device_that_cannot_be_let_back_is_quarantined),
	KUNIT_CASE(removal_races_with_the_refence),
	{}
};

static struct kunit_suite refence_suite = {
	.name = "iommu_drain_refence",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = refence_cases,
};

kunit_test_suite(refence_suite);
