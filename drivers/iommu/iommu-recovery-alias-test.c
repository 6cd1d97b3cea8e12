// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery of devices that share a requester ID, which can only be
 * fenced together.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h. Who shares a requester ID is
 * said by a static stub, fake_same_rid(). It acts in the thread of the test, but not
 * in the work item, which takes each device for one by itself. Where a test calls
 * fake_use_streams(), the core looks at the fwspecs instead, as it does for devices
 * on no PCI bus.
 */
#include <kunit/test.h>

#include "iommu-recovery-fake.h"

KUNIT_ARRAY_PARAM_DESC(variants, fake_all_variants, name);

/* A group of two devices that share a requester ID, and one that has its own */
struct trio {
	struct fake_iommu *fake;
	struct iommu_domain *core;
	struct fake_dev *a, *b, *c;
	struct fake_busy busy_a, busy_b, busy_c;
	unsigned int calls_c;
};

static struct trio trio_create(struct kunit *test)
{
	struct trio trio = { .fake = fake_create(test, test->param_value) };

	trio.a = fake_dev_add_alias(trio.fake, 0, 1);
	trio.c = fake_dev_add_alias(trio.fake, 0, 0);
	trio.b = fake_dev_add_alias(trio.fake, 0, 1);
	trio.core = trio.a->rid;
	trio.busy_a = fake_busy(trio.a);
	trio.busy_b = trio.busy_a;
	trio.busy_b.fdev = trio.b;
	trio.busy_c = trio.busy_a;
	trio.busy_c.fdev = trio.c;
	trio.calls_c = trio.c->rid_calls + trio.c->pasid_calls;
	return trio;
}

static void expect_both_docked(struct kunit *test, struct trio *trio)
{
	FAKE_EXPECT_DOCKED(test, trio->a);
	FAKE_EXPECT_DOCKED(test, trio->b);
	fake_expect_running(test, &trio->busy_c);
	KUNIT_EXPECT_EQ(test, trio->calls_c,
			trio->c->rid_calls + trio->c->pasid_calls);
}

static void expect_all_running(struct kunit *test, struct trio *trio)
{
	fake_expect_running(test, &trio->busy_a);
	fake_expect_running(test, &trio->busy_b);
	fake_expect_running(test, &trio->busy_c);
	KUNIT_EXPECT_EQ(test, trio->calls_c,
			trio->c->rid_calls + trio->c->pasid_calls);
}

static void aliases_are_fenced_together(struct kunit *test)
{
	struct trio trio = trio_create(test);
	struct fake_dev *victims[] = { trio.a, trio.b };

	for (int i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&victims[i]->dev));
		expect_both_docked(test, &trio);
		FAKE_EXPECT_STATE(test, victims[!i], ACTIVE);
		iommu_dev_reset_done(&victims[i]->dev, IOMMU_RESET_FAILED);
		expect_both_docked(test, &trio);
		FAKE_EXPECT_STATE(test, victims[i], QUARANTINED);
		FAKE_EXPECT_STATE(test, victims[!i], ACTIVE);
		fake_reset(test, victims[i], IOMMU_RESET_OK);
		expect_all_running(test, &trio);
	}
}

static void last_alias_that_is_reset_unfences_both(struct kunit *test)
{
	struct trio trio = trio_create(test);

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&trio.a->dev));
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&trio.b->dev));
	iommu_dev_reset_done(&trio.a->dev, IOMMU_RESET_OK);
	expect_both_docked(test, &trio);
	FAKE_EXPECT_STATE(test, trio.a, ACTIVE);
	FAKE_EXPECT_STATE(test, trio.b, RESETTING);
	iommu_dev_reset_done(&trio.b->dev, IOMMU_RESET_OK);
	expect_all_running(test, &trio);
}

static void reset_of_one_does_not_lift_the_quarantine_of_its_alias(struct kunit *test)
{
	struct trio trio = trio_create(test);

	fake_reset(test, trio.a, IOMMU_RESET_FAILED);
	fake_reset(test, trio.b, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, trio.a, QUARANTINED);
	FAKE_EXPECT_STATE(test, trio.b, ACTIVE);
	expect_both_docked(test, &trio);

	fake_reset(test, trio.a, IOMMU_RESET_OK);
	expect_all_running(test, &trio);
}

static void alias_that_cannot_be_attached_keeps_both_fenced(struct kunit *test)
{
	struct trio trio = trio_create(test);
	struct fake_dev *victims[] = { trio.a, trio.b };

	/* The one that is reset is attached before the other, or after. */
	for (int i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&victims[i]->dev));
		trio.b->bad = trio.busy_b.rid;
		fake_done_quietly(test, victims[i], IOMMU_RESET_OK);
		FAKE_EXPECT_STATE(test, victims[i], QUARANTINED);
		FAKE_EXPECT_REASON(test, victims[i], UNFENCE_FAILED);
		FAKE_EXPECT_STATE(test, victims[!i], ACTIVE);
		expect_both_docked(test, &trio);

		trio.b->bad = NULL;
		fake_reset(test, victims[i], IOMMU_RESET_OK);
		expect_all_running(test, &trio);
	}
}

static void alias_that_cannot_be_docked_fails_the_prepare(struct kunit *test)
{
	struct trio trio = trio_create(test);

	trio.b->bad_blocking = true;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_prepare_quietly(test, trio.a));
	expect_all_running(test, &trio);
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_prepare_quietly(test, trio.b));
	expect_all_running(test, &trio);

	trio.b->bad_blocking = false;
	fake_reset(test, trio.a, IOMMU_RESET_OK);
	expect_all_running(test, &trio);
}

/* reattach_enomem: neither forward nor back */
static void failed_prepare_in_doubt_is_left_to_the_work(struct kunit *test)
{
	struct trio trio = trio_create(test);

	trio.b->bad_blocking = true;
	trio.a->bad = trio.busy_a.rid;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_prepare_quietly(test, trio.a));
	FAKE_EXPECT_REASON(test, trio.a, FENCE_FAILED);
	fake_flush_work(test, trio.a);
	FAKE_EXPECT_REASON(test, trio.a, FENCE_FAILED);
	FAKE_EXPECT_DOCKED(test, trio.a);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&trio.fake->told_quarantined));
	KUNIT_EXPECT_STREQ(test, trio.fake->told_reason, "fence-failed");

	trio.b->bad_blocking = false;
	trio.a->bad = NULL;
	fake_reset(test, trio.a, IOMMU_RESET_OK);
	expect_all_running(test, &trio);
}

/* reattach_enomem: the second one cannot be attached, the first one not docked again */
static void failed_unfence_in_doubt_is_left_to_the_work(struct kunit *test)
{
	struct trio trio = trio_create(test);

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&trio.a->dev));
	trio.b->bad = trio.busy_b.rid;
	trio.a->bad_blocking = true;
	fake_done_quietly(test, trio.a, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, trio.a, BROKEN);
	FAKE_EXPECT_REASON(test, trio.a, UNFENCE_FAILED);
	FAKE_EXPECT_ON(test, trio.a, trio.busy_a.rid);

	trio.a->bad_blocking = false;
	fake_flush_work(test, trio.a);
	expect_both_docked(test, &trio);

	trio.b->bad = NULL;
	fake_reset(test, trio.a, IOMMU_RESET_OK);
	expect_all_running(test, &trio);
}

static void removal_of_a_fenced_alias_frees_its_mate(struct kunit *test)
{
	struct trio trio = trio_create(test);

	fake_reset(test, trio.a, IOMMU_RESET_FAILED);
	expect_both_docked(test, &trio);
	fake_dev_remove(trio.a);
	fake_expect_running(test, &trio.busy_b);
	fake_expect_running(test, &trio.busy_c);

	/* But not when the mate is fenced for its own sake */
	trio.a = fake_dev_add_alias(trio.fake, 1, 1);
	trio.b = fake_dev_add_alias(trio.fake, 1, 1);
	trio.core = trio.b->rid;
	fake_reset(test, trio.a, IOMMU_RESET_FAILED);
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&trio.b->dev));
	fake_dev_remove(trio.a);
	FAKE_EXPECT_STATE(test, trio.b, RESETTING);
	FAKE_EXPECT_DOCKED(test, trio.b);
	iommu_dev_reset_done(&trio.b->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, trio.b, ACTIVE);
	FAKE_EXPECT_ON(test, trio.b, trio.core);
}

/*
 * What the driver does in its release_device() to the entry that it has for all of
 * them must not come after the attach of those that stay.
 */
static void mate_of_a_removed_device_is_attached_after_its_release(struct kunit *test)
{
	struct trio trio = trio_create(test);

	for (int i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&trio.a->dev));
		if (i)
			iommu_dev_reset_done(&trio.a->dev, IOMMU_RESET_FAILED);
		FAKE_EXPECT_DOCKED(test, trio.b);
		KUNIT_EXPECT_GT(test, trio.b->attached_at, trio.fake->released_at);

		fake_dev_remove(trio.a);
		fake_expect_running(test, &trio.busy_b);
		KUNIT_EXPECT_GT(test, trio.fake->released_at, 0);
		KUNIT_EXPECT_GT(test, trio.b->attached_at, trio.fake->released_at);
		trio.a = fake_dev_add_alias(trio.fake, 0, 1);
	}
}

static void mate_that_cannot_be_freed_by_a_removal_is_quarantined(struct kunit *test)
{
	struct trio trio = trio_create(test);

	fake_reset(test, trio.a, IOMMU_RESET_FAILED);
	trio.b->bad = trio.busy_b.rid;
	kunit_warning_suppress(test) {
		fake_dev_remove(trio.a);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	fake_flush_work(test, trio.b);
	FAKE_EXPECT_REASON(test, trio.b, UNFENCE_FAILED);
	FAKE_EXPECT_DOCKED(test, trio.b);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&trio.fake->told_quarantined));

	trio.b->bad = NULL;
	fake_reset(test, trio.b, IOMMU_RESET_OK);
	fake_expect_running(test, &trio.busy_b);
	fake_expect_running(test, &trio.busy_c);
}

static void new_alias_of_a_fenced_device_starts_fenced(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *a = fake_dev_add_alias(fake, 0, 1);
	struct iommu_domain *core = a->rid;
	struct fake_dev *b, *c;

	fake_reset(test, a, IOMMU_RESET_FAILED);
	b = fake_dev_add_alias(fake, 0, 1);
	c = fake_dev_add_alias(fake, 0, 0);
	FAKE_EXPECT_STATE(test, b, ACTIVE);
	FAKE_EXPECT_DOCKED(test, b);
	FAKE_EXPECT_ON(test, c, core);

	/* One that goes again changes nothing. */
	fake_dev_remove(b);
	FAKE_EXPECT_DOCKED(test, a);
	b = fake_dev_add_alias(fake, 0, 1);
	FAKE_EXPECT_DOCKED(test, b);

	fake_reset(test, a, IOMMU_RESET_OK);
	FAKE_EXPECT_ON(test, a, core);
	FAKE_EXPECT_ON(test, b, core);
}

static void cannot_be_docked(struct fake_dev *fdev)
{
	fdev->bad_blocking = true;
}

/* It must not have an IOMMU then: it could reach memory */
static void new_alias_that_cannot_be_fenced_fails_the_probe(struct kunit *test)
{
	/* A release domain that is refused would be a violation. */
	static const struct fake_variant no_release = {
		.blocked = true, .pasids = true,
	};
	struct fake_iommu *fake = fake_create(test, &no_release);
	struct fake_dev *a = fake_dev_add_alias(fake, 0, 1);
	struct iommu_domain *core = a->rid;
	struct fake_dev *b;

	fake_reset(test, a, IOMMU_RESET_FAILED);
	fake->on_probe = cannot_be_docked;
	b = fake_dev_add_alias(fake, 0, 1);
	KUNIT_EXPECT_NULL(test, b->dev.iommu_group);
	KUNIT_EXPECT_NULL(test, b->rid);
	FAKE_EXPECT_DOCKED(test, a);
	fake_reset(test, a, IOMMU_RESET_OK);
	FAKE_EXPECT_ON(test, a, core);
}

/* Devices on no PCI bus: what counts is how firmware has wired them */
static void devices_of_one_stream_are_fenced_together(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *a, *b, *other, *none;
	struct fake_busy busy;

	fake_use_streams(fake);
	a = fake_dev_add_alias(fake, 0, 7);
	other = fake_dev_add_alias(fake, 0, 8);
	b = fake_dev_add_alias(fake, 0, 7);
	none = fake_dev_add(fake, 0);
	fake_dev_add(fake, 0);
	busy = fake_busy(a);

	fake_reset(test, a, IOMMU_RESET_FAILED);
	FAKE_EXPECT_DOCKED(test, a);
	FAKE_EXPECT_DOCKED(test, b);
	FAKE_EXPECT_STATE(test, b, ACTIVE);
	FAKE_EXPECT_ON(test, other, busy.rid);
	FAKE_EXPECT_ON(test, none, busy.rid);
	fake_reset(test, a, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	FAKE_EXPECT_ON(test, b, busy.rid);

	/* Neither does one with another ID, or with none, take anybody along, */
	fake_reset(test, other, IOMMU_RESET_FAILED);
	fake_reset(test, none, IOMMU_RESET_FAILED);
	FAKE_EXPECT_DOCKED(test, other);
	FAKE_EXPECT_DOCKED(test, none);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, 3, fake_domain_users(busy.rid));

	/* and one that comes later belongs to those of its ID. */
	other = fake_dev_add_alias(fake, 0, 8);
	FAKE_EXPECT_DOCKED(test, other);
	b = fake_dev_add_alias(fake, 0, 7);
	FAKE_EXPECT_ON(test, b, busy.rid);
}

static void has_stream_9_too(struct fake_dev *fdev)
{
	static const u32 id = 9;

	KUNIT_EXPECT_EQ(fdev->fake->test, 0,
			iommu_fwspec_add_ids(&fdev->dev, &id, 1));
}

static void one_stream_of_several_is_enough(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *a, *b, *other;
	struct iommu_domain *core;

	fake_use_streams(fake);
	other = fake_dev_add_alias(fake, 0, 8);
	core = other->rid;
	fake->on_probe = has_stream_9_too;
	a = fake_dev_add_alias(fake, 0, 7);
	fake->on_probe = NULL;
	/* The second one of the first device, which has got 9 before */
	b = fake_dev_add_alias(fake, 0, 7);

	fake_reset(test, a, IOMMU_RESET_FAILED);
	FAKE_EXPECT_DOCKED(test, b);
	FAKE_EXPECT_ON(test, other, core);
	fake_reset(test, a, IOMMU_RESET_OK);
	fake_reset(test, b, IOMMU_RESET_FAILED);
	FAKE_EXPECT_DOCKED(test, a);
	FAKE_EXPECT_ON(test, other, core);
}

static void streams_of_different_iommus_are_different(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *here, *there, *mate;
	struct iommu_domain *core;

	fake_use_streams(fake);
	here = fake_dev_add_alias(fake, 0, 7);
	core = here->rid;
	fake_probe_unprobed(fake);
	there = fake_dev_add_late(fake, 0, 7);
	FAKE_EXPECT_ON(test, there, core);

	fake_reset(test, here, IOMMU_RESET_FAILED);
	FAKE_EXPECT_DOCKED(test, here);
	FAKE_EXPECT_ON(test, there, core);
	fake_reset(test, there, IOMMU_RESET_OK);
	FAKE_EXPECT_DOCKED(test, here);
	FAKE_EXPECT_ON(test, there, core);

	fake_reset(test, there, IOMMU_RESET_FAILED);
	fake_reset(test, here, IOMMU_RESET_OK);
	FAKE_EXPECT_ON(test, here, core);
	mate = fake_dev_add_late(fake, 0, 7);
	FAKE_EXPECT_DOCKED(test, there);
	FAKE_EXPECT_DOCKED(test, mate);
}

/* What they share is found by the work item, too: no static stub is needed for it */
static void work_fences_all_devices_of_a_stream(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *a, *b;
	struct fake_busy busy;

	fake_use_streams(fake);
	a = fake_dev_add_alias(fake, 0, 7);
	b = fake_dev_add_alias(fake, 0, 7);
	busy = fake_busy(a);

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&a->dev));
	b->bad = busy.rid;
	a->bad_blocking = true;
	fake_done_quietly(test, a, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, a, BROKEN);
	a->bad_blocking = false;
	fake_flush_work(test, a);
	FAKE_EXPECT_DOCKED(test, a);
	FAKE_EXPECT_DOCKED(test, b);

	b->bad = NULL;
	fake_reset(test, a, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	busy.fdev = b;
	fake_expect_running(test, &busy);
}

static struct kunit_case iommu_recovery_alias_cases[] = {
	KUNIT_CASE_PARAM(aliases_are_fenced_together, variants_gen_params),
	KUNIT_CASE_PARAM(last_alias_that_is_reset_unfences_both,
			 variants_gen_params),
	KUNIT_CASE_PARAM(reset_of_one_does_not_lift_the_quarantine_of_its_alias,
			 variants_gen_params),
	KUNIT_CASE_PARAM(alias_that_cannot_be_attached_keeps_both_fenced,
			 variants_gen_params),
	KUNIT_CASE_PARAM(alias_that_cannot_be_docked_fails_the_prepare,
			 variants_gen_params),
	KUNIT_CASE_PARAM(failed_prepare_in_doubt_is_left_to_the_work,
			 variants_gen_params),
	KUNIT_CASE_PARAM(failed_unfence_in_doubt_is_left_to_the_work,
			 variants_gen_params),
	KUNIT_CASE_PARAM(removal_of_a_fenced_alias_frees_its_mate,
			 variants_gen_params),
	KUNIT_CASE_PARAM(mate_of_a_removed_device_is_attached_after_its_release,
			 variants_gen_params),
	KUNIT_CASE_PARAM(mate_that_cannot_be_freed_by_a_removal_is_quarantined,
			 variants_gen_params),
	KUNIT_CASE_PARAM(new_alias_of_a_fenced_device_starts_fenced,
			 variants_gen_params),
	KUNIT_CASE(new_alias_that_cannot_be_fenced_fails_the_probe),
	KUNIT_CASE_PARAM(devices_of_one_stream_are_fenced_together,
			 variants_gen_params),
	KUNIT_CASE_PARAM(one_stream_of_several_is_enough, variants_gen_params),
	KUNIT_CASE_PARAM(streams_of_different_iommus_are_different,
			 variants_gen_params),
	KUNIT_CASE_PARAM(work_fences_all_devices_of_a_stream,
			 variants_gen_params),
	{}
};

static struct kunit_suite iommu_recovery_alias_suite = {
	.name = "iommu_recovery_alias",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = iommu_recovery_alias_cases,
};

kunit_test_suite(iommu_recovery_alias_suite);
