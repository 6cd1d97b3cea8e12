// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery of devices: devices that come to a group, fail to, and go,
 * and devices that firmware wants mapped 1:1, which must not be blocked by their users.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h.
 */
#include <kunit/test.h>
#include <linux/sysfs.h>

#include "iommu-recovery-fake.h"

KUNIT_ARRAY_PARAM_DESC(variants, fake_all_variants, name);
KUNIT_ARRAY_PARAM_DESC(pasid_variants, fake_pasid_variants, name);

/* Devices that come to a group, and cannot be attached */

static struct fake_dev *first_device(struct fake_dev *fdev)
{
	return list_first_entry(&fdev->fake->devices, struct fake_dev, entry);
}

static void refuses_the_domain_of_the_first(struct fake_dev *fdev)
{
	fdev->bad = first_device(fdev)->rid;
}

static void has_no_memory(struct fake_dev *fdev)
{
	fake_fail_nth(fdev->fake, 1);
}

/* That is all that it takes for the core not to have it in its group */
static void has_a_file_in_place_of_its_link(struct fake_dev *fdev)
{
	KUNIT_EXPECT_EQ(fdev->fake->test, 0,
			sysfs_create_link(&fdev->dev.kobj, &fdev->dev.kobj,
					  "iommu_group"));
}

/* Neither the group nor its other device has noticed anything. */
static void expect_failed_probe(struct kunit *test, struct fake_dev *failed,
				struct fake_busy *busy, unsigned int calls)
{
	KUNIT_EXPECT_NULL(test, failed->dev.iommu_group);
	KUNIT_EXPECT_NULL(test, failed->dev.iommu);
	KUNIT_EXPECT_NULL(test, failed->rid);
	KUNIT_EXPECT_TRUE(test, failed->released);
	KUNIT_EXPECT_EQ(test, 0, failed->pasid_calls);
	KUNIT_EXPECT_EQ(test, 0, iommu_dev_reset_prepare(&failed->dev));
	iommu_dev_reset_done(&failed->dev, IOMMU_RESET_FAILED);

	fake_expect_running(test, busy);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(busy->fdev));
	KUNIT_EXPECT_EQ(test, 1, fake_domain_users(busy->rid));
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		if (busy->pasid[i])
			KUNIT_EXPECT_EQ(test, 1,
					fake_domain_users(busy->pasid[i]));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&busy->fdev->fake->nr_groups));
}

/* The driver is told when it releases it that it has not attached it to anything. */
static void device_that_cannot_be_attached_leaves_its_group_alone(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	unsigned int releases = fake->ops.release_domain ? 1 : 0;
	unsigned int calls = fake_calls(busy.fdev);
	struct fake_dev *fdev;

	fake->on_probe = refuses_the_domain_of_the_first;
	fdev = fake_dev_add(fake, 0);
	KUNIT_EXPECT_EQ(test, 1 + releases, fdev->rid_calls);
	expect_failed_probe(test, fdev, &busy, calls);

	fake->on_probe = has_no_memory;
	fdev = fake_dev_add(fake, 0);
	KUNIT_EXPECT_TRUE(test, fake->failed);
	KUNIT_EXPECT_EQ(test, 1 + releases, fdev->rid_calls);
	expect_failed_probe(test, fdev, &busy, calls);

	fake->on_probe = NULL;
	fdev = fake_dev_add(fake, 0);
	FAKE_EXPECT_ON(test, fdev, busy.rid);
	fake_reset(test, busy.fdev, IOMMU_RESET_FAILED);
	FAKE_EXPECT_ON(test, fdev, busy.rid);
}

/* Also before there is anything where the core knows that from */
static void device_that_cannot_enter_its_group_leaves_it_alone(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	unsigned int calls = fake_calls(busy.fdev);
	struct fake_dev *fdev;

	fake->on_group = has_a_file_in_place_of_its_link;
	fdev = fake_dev_add(fake, 0);
	expect_failed_probe(test, fdev, &busy, calls);

	fake->on_group = NULL;
	fdev = fake_dev_add(fake, 0);
	FAKE_EXPECT_ON(test, fdev, busy.rid);
}

static void device_that_cannot_be_attached_first_leaves_nothing(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev;

	/* The first allocation is that of the default domain. */
	fake_fail_nth(fake, 2);
	kunit_warning_suppress(test) {
		fdev = fake_dev_add(fake, 0);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_TRUE(test, fake->failed);
	KUNIT_EXPECT_NULL(test, fdev->dev.iommu_group);
	KUNIT_EXPECT_TRUE(test, fdev->released);
	KUNIT_EXPECT_NULL(test, fdev->rid);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_groups));
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->domains));

	fdev = fake_dev_add(fake, 0);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	KUNIT_EXPECT_NOT_NULL(test, fdev->rid);
}

/* Devices that come to a group which uses PASIDs: those are not attached for them */

struct pair {
	struct fake_iommu *fake;
	struct fake_busy old, new;
};

static struct pair pair_create(struct kunit *test, unsigned int alias)
{
	struct pair pair = { .fake = fake_create(test, test->param_value) };
	struct fake_dev *fdev = fake_dev_add_alias(pair.fake, 0, alias);

	pair.old = fake_busy(fdev);
	if (alias)
		fake_reset(test, fdev, IOMMU_RESET_FAILED);
	pair.new = pair.old;
	pair.new.fdev = fake_dev_add_alias(pair.fake, 0, alias);
	KUNIT_EXPECT_EQ(test, 0, pair.new.fdev->pasid_calls);
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		FAKE_EXPECT_PASID_ON(test, pair.new.fdev, i, NULL);
	return pair;
}

static void pair_detach(struct pair *pair, ioasid_t pasid)
{
	fake_detach_pasid(pair->new.fdev, pasid);
	iommu_domain_free(pair->old.pasid[pasid]);
	pair->old.pasid[pasid] = NULL;
	pair->new.pasid[pasid] = NULL;
}

static void new_device_gets_the_pasids_of_its_group_with_a_reset(struct kunit *test)
{
	struct pair pair = pair_create(test, 0);
	struct fake_dev *fdev = pair.new.fdev;
	struct iommu_domain *other;
	unsigned int calls;

	/* It has none yet, so none is detached or replaced, nor blocked by a reset. */
	pair_detach(&pair, 3);
	fake_expect_running(test, &pair.old);
	KUNIT_EXPECT_EQ(test, 0, fdev->pasid_calls);
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	FAKE_EXPECT_DOCKED(test, fdev);
	KUNIT_EXPECT_EQ(test, 0, fdev->pasid_calls);

	/* Now it has. */
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	KUNIT_EXPECT_EQ(test, 2, fdev->pasid_calls);
	fake_expect_running(test, &pair.new);

	calls = fdev->pasid_calls;
	pair_detach(&pair, 5);
	KUNIT_EXPECT_EQ(test, calls + 1, fdev->pasid_calls);
	fake_expect_running(test, &pair.new);
	fake_expect_running(test, &pair.old);

	other = fake_domain_new(fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_replace_pasid(fdev, 1, other));
	KUNIT_EXPECT_EQ(test, calls + 2, fdev->pasid_calls);
	pair.old.pasid[1] = other;
	pair.new.pasid[1] = other;
	fake_expect_running(test, &pair.new);
	fake_expect_running(test, &pair.old);
}

static void new_device_gets_what_its_group_attaches_later(struct kunit *test)
{
	struct pair pair = pair_create(test, 0);
	struct fake_dev *fdev = pair.new.fdev;
	struct iommu_domain *other = fake_domain_new(fdev);

	/* Replaced: attached for the first time here. The driver refuses it at first. */
	fdev->bad_pasid = 3;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace_pasid(fdev, 3, other));
	FAKE_EXPECT_PASID_ON(test, fdev, 3, NULL);
	fake_expect_running(test, &pair.old);
	fdev->bad_pasid = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_replace_pasid(fdev, 3, other));
	FAKE_EXPECT_PASID_ON(test, fdev, 3, other);
	FAKE_EXPECT_PASID_ON(test, pair.old.fdev, 3, other);

	/* Attached anew where one was detached */
	pair_detach(&pair, 5);
	pair.old.pasid[5] = fake_domain_new(fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, 5, pair.old.pasid[5]));
	FAKE_EXPECT_PASID_ON(test, fdev, 5, pair.old.pasid[5]);

	/* The first one is still left, and those two are not. */
	FAKE_EXPECT_PASID_ON(test, fdev, 1, NULL);
	fake_detach_pasid(fdev, 1);
	fake_detach_pasid(fdev, 3);
	fake_detach_pasid(fdev, 5);
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		FAKE_EXPECT_PASID_ON(test, fdev, i, NULL);
}

static void pasids_of_a_new_device_are_detached_in_its_first_reset(struct kunit *test)
{
	struct pair pair = pair_create(test, 0);
	struct fake_dev *fdev = pair.new.fdev;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	pair_detach(&pair, 3);
	KUNIT_EXPECT_EQ(test, 0, fdev->pasid_calls);

	/* Of those that remain the second one does not fit, and is detached. */
	fdev->bad_pasid = 5;
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_DOCKED(test, fdev);
	pair_detach(&pair, 5);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &pair.new);
	fake_expect_running(test, &pair.old);
	pair_detach(&pair, 1);
	fake_expect_running(test, &pair.new);
}

static void removal_of_a_new_device_leaves_the_pasids_alone(struct kunit *test)
{
	struct pair pair = pair_create(test, 0);
	unsigned int calls = pair.old.fdev->pasid_calls;

	fake_dev_remove(pair.new.fdev);
	fake_expect_running(test, &pair.old);
	KUNIT_EXPECT_EQ(test, calls, pair.old.fdev->pasid_calls);
}

static void new_device_that_starts_fenced_gets_the_pasids_of_its_group(struct kunit *test)
{
	struct pair pair = pair_create(test, 1);
	struct fake_dev *fdev = pair.new.fdev;

	FAKE_EXPECT_DOCKED(test, fdev);
	KUNIT_EXPECT_EQ(test, 1, fdev->rid_calls);
	pair_detach(&pair, 3);
	KUNIT_EXPECT_EQ(test, 0, fdev->pasid_calls);
	FAKE_EXPECT_DOCKED(test, fdev);

	fake_reset(test, pair.old.fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &pair.old);
	fake_expect_running(test, &pair.new);
	KUNIT_EXPECT_EQ(test, 2, fdev->pasid_calls);
	pair_detach(&pair, 5);
	KUNIT_EXPECT_EQ(test, 3, fdev->pasid_calls);
}

/* Resets of devices that the core does not know yet, or any more */

static void reset_that_does_nothing(struct fake_dev *fdev)
{
	struct kunit *test = fdev->fake->test;
	unsigned int calls = fake_calls(fdev);

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		for (int i = IOMMU_RESET_NOT_DONE; i <= IOMMU_RESET_FAILED; i++)
			iommu_dev_reset_done(&fdev->dev, i);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
}

static void reset_of_a_device_that_has_not_joined_does_nothing(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *a = fake_dev_add_unprobed(fake, 0);
	struct fake_dev *b;

	reset_that_does_nothing(a);
	fake->on_probe = reset_that_does_nothing;
	fake->on_group = reset_that_does_nothing;
	fake_probe_unprobed(fake);
	b = fake_dev_add(fake, 0);
	FAKE_EXPECT_STATE(test, a, ACTIVE);
	FAKE_EXPECT_STATE(test, b, ACTIVE);
	KUNIT_EXPECT_NOT_NULL(test, a->rid);
	KUNIT_EXPECT_FALSE(test, fake_is_blocking(a->rid));
	FAKE_EXPECT_ON(test, b, a->rid);
	KUNIT_EXPECT_EQ(test, 1, b->rid_calls);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_quarantined));
}

static void reset_of_a_device_that_was_removed_does_nothing(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *sibling = fake_dev_add(fake, 0);

	for (int resets = 0; resets <= 2; resets++) {
		struct fake_dev *fdev = fake_dev_add(fake, 0);
		unsigned int calls;

		for (int i = 0; i < resets; i++)
			KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		get_device(&fdev->dev);
		fake_dev_remove(fdev);
		KUNIT_EXPECT_TRUE(test, fdev->released);

		/* The end of what was begun before, and one that is begun now */
		calls = fake_calls(fdev);
		for (int i = 0; i < resets; i++)
			fake_done_quietly(test, fdev, IOMMU_RESET_FAILED);
		reset_that_does_nothing(fdev);
		KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
		KUNIT_EXPECT_NULL(test, fdev->rid);
		put_device(&fdev->dev);
	}
	FAKE_EXPECT_STATE(test, sibling, ACTIVE);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->nr_devices));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_quarantined));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_active));
}

/* Devices that firmware wants mapped 1:1 */

static void wants_a_mapping(struct fake_dev *fdev)
{
	fdev->direct = true;
}

static struct fake_dev *add_direct(struct fake_iommu *fake, unsigned int alias)
{
	struct fake_dev *fdev;

	fake->on_probe = wants_a_mapping;
	fdev = fake_dev_add_alias(fake, 0, alias);
	fake->on_probe = NULL;
	KUNIT_EXPECT_TRUE(fake->test, fdev->dev.iommu->require_direct);
	return fdev;
}

/* @blocking is NULL as long as nobody but the core can know it. */
static void expect_no_owner(struct kunit *test, struct fake_dev *fdev,
			    struct iommu_domain *blocking)
{
	struct iommu_domain *core = iommu_get_domain_for_dev(&fdev->dev);
	struct iommu_group *group = fake_group(fdev);
	unsigned int calls = fake_calls(fdev);

	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_device_claim_dma_owner(&fdev->dev, fdev->fake));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_group_claim_dma_owner(group, fdev->fake));
	if (blocking)
		KUNIT_EXPECT_EQ(test, -EINVAL, fake_attach(fdev, blocking));
	KUNIT_EXPECT_FALSE(test, iommu_group_dma_owner_claimed(group));
	KUNIT_EXPECT_PTR_EQ(test, core, iommu_get_domain_for_dev(&fdev->dev));
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
}

static void user_cannot_block_a_device_that_firmware_maps(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *before = fake_dev_add(fake, 0);
	struct fake_dev *fdev = add_direct(fake, 0);
	struct fake_dev *after = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;

	expect_no_owner(test, fdev, NULL);

	/* Fenced, it is no different, although it is on a blocking domain, */
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	FAKE_EXPECT_DOCKED(test, fdev);
	expect_no_owner(test, fdev, fdev->rid);
	FAKE_EXPECT_ON(test, before, core);
	FAKE_EXPECT_ON(test, after, core);
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
	FAKE_EXPECT_DOCKED(test, fdev);
	expect_no_owner(test, fdev, fdev->rid);
	FAKE_EXPECT_ON(test, before, core);
	FAKE_EXPECT_ON(test, after, core);

	/* nor when another device of the group is. */
	fake_reset(test, before, IOMMU_RESET_FAILED);
	expect_no_owner(test, fdev, fdev->rid);
	FAKE_EXPECT_DOCKED(test, before);

	/* Nothing was recorded. */
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_reset(test, before, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_ON(test, fdev, core);
	FAKE_EXPECT_ON(test, before, core);
	FAKE_EXPECT_ON(test, after, core);
	KUNIT_EXPECT_FALSE(test, fake_is_blocking(core));
}

static void reset_fences_a_device_that_firmware_maps(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = add_direct(fake, 1);
	struct fake_busy busy = fake_busy(fdev);
	struct fake_dev *mate;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	FAKE_EXPECT_STATE(test, fdev, RESETTING);
	fake_expect_docked(test, &busy);
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_quarantined));

	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, RESET_FAILED);
	fake_expect_docked(test, &busy);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));
	KUNIT_EXPECT_STREQ(test, fake->told_reason, "reset-failed");
	fake_expect_file(test, fdev, "quarantine_count", "1\n");

	/* So is one that comes later, */
	mate = add_direct(fake, 1);
	FAKE_EXPECT_DOCKED(test, mate);

	/* and one that cannot be attached again. */
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fdev->bad = busy.rid;
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
	fake_expect_docked(test, &busy);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->told_quarantined));

	fdev->bad = NULL;
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	FAKE_EXPECT_ON(test, mate, busy.rid);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_active));
	KUNIT_EXPECT_STREQ(test, fake->told_reason, "none");
}

/* Resets the first device of a group when the second one is probed */
static void reset_while_probing(struct fake_dev *fdev)
{
	struct fake_dev *first = list_first_entry(&fdev->fake->devices,
						  struct fake_dev, entry);

	if (fdev == first)
		return;
	KUNIT_EXPECT_NULL(fdev->fake->test, first->rid);
	KUNIT_EXPECT_EQ(fdev->fake->test, 0, iommu_dev_reset_prepare(&first->dev));
	iommu_dev_reset_done(&first->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_DOCKED(fdev->fake->test, first);
}

static void prepare_while_probing(struct fake_dev *fdev)
{
	struct fake_dev *first = list_first_entry(&fdev->fake->devices,
						  struct fake_dev, entry);

	if (fdev != first)
		KUNIT_EXPECT_EQ(fdev->fake->test, 0,
				iommu_dev_reset_prepare(&first->dev));
}

/* A group that has no domain yet: its device waits on the blocking domain */
static void reset_before_the_first_attach(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *a = fake_dev_add_unprobed(fake, 0);
	struct fake_dev *b = fake_dev_add_unprobed(fake, 0);

	fake->on_probe = reset_while_probing;
	fake_probe_unprobed(fake);
	FAKE_EXPECT_STATE(test, a, ACTIVE);
	KUNIT_EXPECT_NOT_NULL(test, a->rid);
	FAKE_EXPECT_ON(test, a, b->rid);
	KUNIT_EXPECT_FALSE(test, fake_is_blocking(a->rid));
}

static void reset_across_the_first_attach(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *a = fake_dev_add_unprobed(fake, 0);
	struct fake_dev *b = fake_dev_add_unprobed(fake, 0);

	fake->on_probe = prepare_while_probing;
	fake_probe_unprobed(fake);
	FAKE_EXPECT_STATE(test, a, RESETTING);
	FAKE_EXPECT_DOCKED(test, a);
	KUNIT_EXPECT_FALSE(test, fake_is_blocking(b->rid));

	iommu_dev_reset_done(&a->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, a, ACTIVE);
	FAKE_EXPECT_ON(test, a, b->rid);
}

static struct kunit_case iommu_recovery_probe_cases[] = {
	KUNIT_CASE_PARAM(device_that_cannot_be_attached_leaves_its_group_alone,
			 variants_gen_params),
	KUNIT_CASE_PARAM(device_that_cannot_enter_its_group_leaves_it_alone,
			 variants_gen_params),
	KUNIT_CASE_PARAM(device_that_cannot_be_attached_first_leaves_nothing,
			 variants_gen_params),
	KUNIT_CASE_PARAM(new_device_gets_the_pasids_of_its_group_with_a_reset,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(new_device_gets_what_its_group_attaches_later,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(pasids_of_a_new_device_are_detached_in_its_first_reset,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(removal_of_a_new_device_leaves_the_pasids_alone,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(new_device_that_starts_fenced_gets_the_pasids_of_its_group,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(reset_of_a_device_that_has_not_joined_does_nothing,
			 variants_gen_params),
	KUNIT_CASE_PARAM(reset_of_a_device_that_was_removed_does_nothing,
			 variants_gen_params),
	KUNIT_CASE_PARAM(user_cannot_block_a_device_that_firmware_maps,
			 variants_gen_params),
	KUNIT_CASE_PARAM(reset_fences_a_device_that_firmware_maps,
			 variants_gen_params),
	KUNIT_CASE_PARAM(reset_before_the_first_attach, variants_gen_params),
	KUNIT_CASE_PARAM(reset_across_the_first_attach, variants_gen_params),
	{}
};

static struct kunit_suite iommu_recovery_probe_suite = {
	.name = "iommu_recovery_probe",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = iommu_recovery_probe_cases,
};

kunit_test_suite(iommu_recovery_probe_suite);
