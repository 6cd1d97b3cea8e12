// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery of devices: resets, failures and removal.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h; it checks every call that the
 * core makes. Its devices are on no PCI bus, so all that is tested here are the
 * generic calls, of a driver that has to be docked.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/mm_types.h>
#include <linux/slab.h>

#include "iommu-priv.h"
#include "iommu-recovery-fake.h"

KUNIT_ARRAY_PARAM_DESC(variants, fake_all_variants, name);
KUNIT_ARRAY_PARAM_DESC(pasid_variants, fake_pasid_variants, name);

/* nested_reset: one fence, one unfence, and the last definite result wins */
static void nested_resets_fence_once_and_the_last_result_wins(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;

	for (int i = 0; i < 27; i++) {
		enum iommu_reset_result result[] = { i % 3, i / 3 % 3, i / 9 };
		enum iommu_reset_result last = IOMMU_RESET_NOT_DONE;
		unsigned int rid_calls = fdev->rid_calls;
		unsigned int pasid_calls = fdev->pasid_calls;

		for (int depth = 1; depth <= 3; depth++) {
			KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
			FAKE_EXPECT_STATE(test, fdev, RESETTING);
			fake_expect_docked(test, &busy);
		}
		KUNIT_EXPECT_EQ(test, rid_calls + 1, fdev->rid_calls);
		KUNIT_EXPECT_EQ(test, pasid_calls + busy.nr_pasids,
				fdev->pasid_calls);

		for (int n = 0; n < 3; n++) {
			FAKE_EXPECT_STATE(test, fdev, RESETTING);
			fake_expect_docked(test, &busy);
			iommu_dev_reset_done(&fdev->dev, result[n]);
			if (result[n] != IOMMU_RESET_NOT_DONE)
				last = result[n];
		}

		if (last == IOMMU_RESET_FAILED) {
			FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
			FAKE_EXPECT_REASON(test, fdev, RESET_FAILED);
			fake_expect_docked(test, &busy);
			fake_reset(test, fdev, IOMMU_RESET_OK);
		}
		fake_expect_running(test, &busy);
		KUNIT_EXPECT_EQ(test, rid_calls + 2, fdev->rid_calls);
		KUNIT_EXPECT_EQ(test, pasid_calls + 2 * busy.nr_pasids,
				fdev->pasid_calls);
	}
}

/* reset_not_done */
static void reset_that_was_not_done_changes_nothing(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));

	fake_reset(test, busy.fdev, IOMMU_RESET_NOT_DONE);
	fake_expect_running(test, &busy);

	fake_reset(test, busy.fdev, IOMMU_RESET_FAILED);
	fake_reset(test, busy.fdev, IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_STATE(test, busy.fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, busy.fdev, RESET_FAILED);
	fake_expect_docked(test, &busy);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));

	fake_reset(test, busy.fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* non_pci: quarantined and lifted through the generic calls */
static void failed_reset_stays_fenced_until_one_succeeds(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));

	for (int i = 1; i <= 3; i++) {
		fake_reset(test, busy.fdev, IOMMU_RESET_FAILED);
		FAKE_EXPECT_STATE(test, busy.fdev, QUARANTINED);
		FAKE_EXPECT_REASON(test, busy.fdev, RESET_FAILED);
		fake_expect_docked(test, &busy);
		KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));
	}
	KUNIT_EXPECT_STREQ(test, fake->told_reason, "reset-failed");
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_active));

	fake_reset(test, busy.fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_STREQ(test, fake->told_reason, "none");
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_active));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));

	/* A reset of a healthy device is nothing to tell. */
	fake_reset(test, busy.fdev, IOMMU_RESET_OK);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_active));
}

static void files_tell_state_reason_and_count(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, FAKE_FULL);
	struct fake_dev *fdev = fake_dev_add(fake, 0);

	fake_expect_file(test, fdev, "state", "active\n");
	fake_expect_file(test, fdev, "reason", "none\n");
	fake_expect_file(test, fdev, "quarantine_count", "0\n");

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fake_expect_file(test, fdev, "state", "resetting\n");
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
	fake_expect_file(test, fdev, "state", "quarantined\n");
	fake_expect_file(test, fdev, "reason", "reset-failed\n");
	fake_expect_file(test, fdev, "quarantine_count", "1\n");

	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_file(test, fdev, "state", "active\n");
	fake_expect_file(test, fdev, "reason", "none\n");
	fake_expect_file(test, fdev, "quarantine_count", "1\n");
}

/* The fence was to open after this one, but the device cannot be attached */
static void reset_that_cannot_unfence(struct kunit *test, struct fake_dev *fdev)
{
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fake_fail_nth(fdev->fake, 1);
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	fake_fail_nth(fdev->fake, 0);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
}

/* @last is the result of the outer one, after the others */
static void nested_reset(struct kunit *test, struct fake_dev *fdev,
			 enum iommu_reset_result first,
			 enum iommu_reset_result second,
			 enum iommu_reset_result last)
{
	for (int depth = 1; depth <= 3; depth++)
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	iommu_dev_reset_done(&fdev->dev, first);
	iommu_dev_reset_done(&fdev->dev, second);
	fake_done_quietly(test, fdev, last);
}

static void reason_is_that_of_the_last_reset_that_was_done(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;

	/* Where nothing was done, the reason is what it was, */
	reset_that_cannot_unfence(test, fdev);
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fake_expect_file(test, fdev, "reason", "unfence-failed\n");
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	fake_expect_file(test, fdev, "reason", "unfence-failed\n");
	nested_reset(test, fdev, IOMMU_RESET_NOT_DONE, IOMMU_RESET_NOT_DONE,
		     IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);

	/* and a reset that has failed gives a new one, */
	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	FAKE_EXPECT_REASON(test, fdev, RESET_FAILED);
	fake_expect_file(test, fdev, "reason", "reset-failed\n");
	fake_reset(test, fdev, IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_REASON(test, fdev, RESET_FAILED);

	/* as does one inside of a reset that says nothing, */
	reset_that_cannot_unfence(test, fdev);
	nested_reset(test, fdev, IOMMU_RESET_NOT_DONE, IOMMU_RESET_FAILED,
		     IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, RESET_FAILED);

	/* unless one has succeeded after it. */
	fake_fail_nth(fake, 1);
	nested_reset(test, fdev, IOMMU_RESET_FAILED, IOMMU_RESET_OK,
		     IOMMU_RESET_NOT_DONE);
	fake_fail_nth(fake, 0);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
	nested_reset(test, fdev, IOMMU_RESET_FAILED, IOMMU_RESET_OK,
		     IOMMU_RESET_NOT_DONE);
	fake_expect_running(test, &busy);
	fake_expect_file(test, fdev, "reason", "none\n");
	KUNIT_EXPECT_STREQ(test, fake->told_reason, "none");

	/* The same for a device with which nothing was wrong before */
	nested_reset(test, fdev, IOMMU_RESET_FAILED, IOMMU_RESET_NOT_DONE,
		     IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, RESET_FAILED);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* However many resets fail until one succeeds, that is one quarantine. */
static void quarantine_counts_once_until_it_is_lifted(struct kunit *test)
{
	static const char * const counts[] = { "0\n", "1\n", "2\n", "3\n" };
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;

	for (int i = 1; i <= 3; i++) {
		fake_reset(test, fdev, IOMMU_RESET_OK);
		fake_reset(test, fdev, IOMMU_RESET_NOT_DONE);
		fake_expect_file(test, fdev, "quarantine_count", counts[i - 1]);

		fake_reset(test, fdev, IOMMU_RESET_FAILED);
		fake_expect_file(test, fdev, "quarantine_count", counts[i]);
		fake_reset(test, fdev, IOMMU_RESET_FAILED);
		fake_reset(test, fdev, IOMMU_RESET_NOT_DONE);
		reset_that_cannot_unfence(test, fdev);
		nested_reset(test, fdev, IOMMU_RESET_OK, IOMMU_RESET_FAILED,
			     IOMMU_RESET_NOT_DONE);
		fake_expect_file(test, fdev, "quarantine_count", counts[i]);
		/* Once for each of three reasons: failed, unfence failed, failed. */
		KUNIT_EXPECT_EQ(test, 3 * i,
				atomic_read(&fake->told_quarantined));

		fake_reset(test, fdev, IOMMU_RESET_OK);
		fake_expect_running(test, &busy);
		fake_expect_file(test, fdev, "quarantine_count", counts[i]);
		KUNIT_EXPECT_EQ(test, i, atomic_read(&fake->told_active));
	}
}

/* reattach_enomem, done: each of its allocations fails once */
static void done_without_memory_quarantines(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	unsigned int nth;

	for (nth = 1;; nth++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&busy.fdev->dev));
		fake_fail_nth(fake, nth);
		fake_done_quietly(test, busy.fdev, IOMMU_RESET_OK);
		if (!fake->failed)
			break;

		FAKE_EXPECT_STATE(test, busy.fdev, QUARANTINED);
		FAKE_EXPECT_REASON(test, busy.fdev, UNFENCE_FAILED);
		KUNIT_EXPECT_STREQ(test, fake->told_reason, "unfence-failed");
		fake_expect_docked(test, &busy);

		fake_fail_nth(fake, 0);
		fake_reset(test, busy.fdev, IOMMU_RESET_OK);
		fake_expect_running(test, &busy);
	}
	fake_fail_nth(fake, 0);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, nth, 2 + busy.nr_pasids);
}

/* reattach_enomem, prepare: each of its allocations fails once */
static void prepare_without_memory_changes_nothing(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	unsigned int nth;
	int ret;

	for (nth = 1;; nth++) {
		fake_fail_nth(fake, nth);
		ret = fake_prepare_quietly(test, busy.fdev);
		if (!fake->failed)
			break;
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		fake_expect_running(test, &busy);
	}
	fake_fail_nth(fake, 0);
	/* Allocate the blocking domain, and attach it; a static one needs neither. */
	KUNIT_EXPECT_EQ(test, nth, fake->variant->blocked ? 1 : 3);
	KUNIT_EXPECT_EQ(test, ret, 0);
	FAKE_EXPECT_STATE(test, busy.fdev, RESETTING);
	fake_expect_docked(test, &busy);
	iommu_dev_reset_done(&busy.fdev->dev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

static void prepare_that_cannot_block_changes_nothing(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));

	busy.fdev->bad_blocking = true;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_prepare_quietly(test, busy.fdev));
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_quarantined));

	busy.fdev->bad_blocking = false;
	fake_reset(test, busy.fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* A reset that nobody can refuse: the work item fences it when that is possible */
static void device_that_is_reset_unfenced_is_quarantined(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;

	fdev->bad_blocking = true;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_prepare_quietly(test, fdev));
	iommu_dev_reset_unfenced(&fdev->dev);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);
	FAKE_EXPECT_REASON(test, fdev, FENCE_FAILED);
	flush_delayed_work(&fake_recovery(fdev)->work);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);

	fdev->bad_blocking = false;
	fake_flush_work(test, fdev);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, FENCE_FAILED);
	fake_expect_docked(test, &busy);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));

	/* Once more, as the next recovery does it: nothing to add */
	iommu_dev_reset_unfenced(&fdev->dev);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);

	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* reattach_enomem, and it cannot be docked again: the work item does that */
static void failed_unfence_and_fence_are_left_to_the_work(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fdev->bad_pasid = 3;
	fdev->bad_blocking = true;
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
	FAKE_EXPECT_ON(test, fdev, busy.rid);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_quarantined));

	/* It tries, and it goes on trying. */
	flush_delayed_work(&fake_recovery(fdev)->work);
	flush_delayed_work(&fake_recovery(fdev)->work);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);
	KUNIT_EXPECT_TRUE(test, delayed_work_pending(&fake_recovery(fdev)->work));

	fdev->bad_blocking = false;
	fake_flush_work(test, fdev);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
	fake_expect_docked(test, &busy);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));
	KUNIT_EXPECT_STREQ(test, fake->told_reason, "unfence-failed");

	fdev->bad_pasid = 0;
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* A device that is BROKEN is not docked: what is attached goes to the driver */
static void broken_device_that_is_not_fenced_is_attached(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	struct iommu_domain *other = fake_domain_new(fdev);

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fdev->bad_pasid = 3;
	fdev->bad_blocking = true;
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);

	KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, other));
	FAKE_EXPECT_ON(test, fdev, other);
	iommu_domain_free(busy.rid);
	busy.rid = other;

	fdev->bad_blocking = false;
	fake_flush_work(test, fdev);
	fake_expect_docked(test, &busy);

	fdev->bad_pasid = 0;
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* group_of_three: the driver hears nothing about the other two */
static void reset_leaves_the_rest_of_the_group_alone(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev[3];
	unsigned int calls[3];
	struct fake_busy busy[3];

	for (int i = 0; i < 3; i++)
		fdev[i] = fake_dev_add(fake, 0);
	busy[0] = fake_busy(fdev[0]);
	for (int i = 1; i < 3; i++) {
		busy[i] = busy[0];
		busy[i].fdev = fdev[i];
	}

	for (int victim = 0; victim < 3; victim++) {
		for (int i = 0; i < 3; i++)
			calls[i] = fdev[i]->rid_calls + fdev[i]->pasid_calls;

		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev[victim]->dev));
		FAKE_EXPECT_DOCKED(test, fdev[victim]);
		iommu_dev_reset_done(&fdev[victim]->dev, IOMMU_RESET_FAILED);
		FAKE_EXPECT_DOCKED(test, fdev[victim]);
		for (int i = 0; i < 3; i++)
			if (i != victim)
				fake_expect_running(test, &busy[i]);
		fake_reset(test, fdev[victim], IOMMU_RESET_OK);

		for (int i = 0; i < 3; i++) {
			fake_expect_running(test, &busy[i]);
			if (i != victim)
				KUNIT_EXPECT_EQ(test, calls[i],
						fdev[i]->rid_calls +
						fdev[i]->pasid_calls);
		}
	}
}

/* caller_bug */
static void done_without_prepare_warns_once_and_changes_nothing(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, FAKE_FULL);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	unsigned int calls = busy.fdev->rid_calls + busy.fdev->pasid_calls;
	static bool warned;

	kunit_warning_suppress(test) {
		for (int i = IOMMU_RESET_NOT_DONE; i <= IOMMU_RESET_FAILED; i++)
			iommu_dev_reset_done(&busy.fdev->dev, i);
		/* Once until the next boot: a module cannot know whether it is the first. */
		if (IS_MODULE(CONFIG_IOMMU_RECOVERY_KUNIT_TEST) || warned)
			KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
		else
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
		warned = true;
	}
	fake_expect_running(test, &busy);

	/* What fences does not unfence either. */
	fake_reset(test, busy.fdev, IOMMU_RESET_FAILED);
	calls += 1 + busy.nr_pasids;
	kunit_warning_suppress(test) {
		iommu_dev_reset_done(&busy.fdev->dev, IOMMU_RESET_OK);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	FAKE_EXPECT_STATE(test, busy.fdev, QUARANTINED);
	fake_expect_docked(test, &busy);
	KUNIT_EXPECT_EQ(test, calls,
			busy.fdev->rid_calls + busy.fdev->pasid_calls);
}

/* caller_bug, too: the reset goes on until somebody says how it has ended */
static void done_with_an_unknown_result_warns_and_changes_nothing(struct kunit *test)
{
	static const unsigned int unknown[] = { IOMMU_RESET_FAILED + 1, INT_MAX, UINT_MAX };
	struct fake_iommu *fake = fake_create(test, FAKE_FULL);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	static bool warned;
	unsigned int calls;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	calls = fake_calls(fdev);
	kunit_warning_suppress(test) {
		for (int i = 0; i < ARRAY_SIZE(unknown); i++)
			iommu_dev_reset_done(&fdev->dev, unknown[i]);
		/* What is suppressed may count each time, or only the first one of a boot. */
		if (!IS_MODULE(CONFIG_IOMMU_RECOVERY_KUNIT_TEST) && !warned)
			KUNIT_EXPECT_GE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
		KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(),
				ARRAY_SIZE(unknown));
		warned = true;
	}
	FAKE_EXPECT_STATE(test, fdev, RESETTING);
	fake_expect_docked(test, &busy);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_quarantined));

	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

static void device_without_iommu_needs_nothing(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "no_iommu");
	struct fake_iommu *fake = fake_create(test, FAKE_FULL);
	struct fake_dev *unprobed = fake_dev_add_unprobed(fake, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_EXPECT_EQ(test, 0, iommu_dev_reset_prepare(dev));
	for (int i = IOMMU_RESET_NOT_DONE; i <= IOMMU_RESET_FAILED; i++)
		iommu_dev_reset_done(dev, i);

	KUNIT_EXPECT_EQ(test, 0, iommu_dev_reset_prepare(&unprobed->dev));
	iommu_dev_reset_done(&unprobed->dev, IOMMU_RESET_FAILED);

	/* Probed in between: that is no more than a done without prepare. */
	fake_probe_unprobed(fake);
	FAKE_EXPECT_STATE(test, unprobed, ACTIVE);
}

/* removal_while_fenced */
static void remove_while_fenced(struct kunit *test, bool quarantined)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct iommu_domain *other = fake_domain_new(sibling);
	int nr_devices = atomic_read(&fake->nr_devices);

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&busy.fdev->dev));
	if (quarantined)
		iommu_dev_reset_done(&busy.fdev->dev, IOMMU_RESET_FAILED);
	else
		KUNIT_EXPECT_EQ(test, -EBUSY, fake_replace(sibling, other));
	fake_dev_remove(busy.fdev);
	KUNIT_EXPECT_EQ(test, nr_devices - 1, atomic_read(&fake->nr_devices));

	/* The sibling's */
	KUNIT_EXPECT_EQ(test, 1, fake_domain_users(busy.rid));
	for (int i = 0; i < FAKE_NR_PASIDS; i++) {
		if (!busy.pasid[i])
			continue;
		KUNIT_EXPECT_EQ(test, 1, fake_domain_users(busy.pasid[i]));
		fake_detach_pasid(sibling, i);
		KUNIT_EXPECT_EQ(test, 0, fake_domain_users(busy.pasid[i]));
	}
	KUNIT_EXPECT_EQ(test, 0, fake_replace(sibling, other));
	FAKE_EXPECT_ON(test, sibling, other);
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(busy.rid));

	busy.fdev = fake_dev_add(fake, 0);
	FAKE_EXPECT_STATE(test, busy.fdev, ACTIVE);
	FAKE_EXPECT_REASON(test, busy.fdev, NONE);
	FAKE_EXPECT_ON(test, busy.fdev, other);
}

static void device_is_removed_while_resetting(struct kunit *test)
{
	remove_while_fenced(test, false);
}

static void device_is_removed_while_quarantined(struct kunit *test)
{
	remove_while_fenced(test, true);
}

/* The only device of its group: with it go the group and the domains */
static void last_device_is_removed_while_fenced(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);

	for (int i = 0; i < 4; i++) {
		struct fake_dev *fdev = fake_dev_add(fake, 0);

		FAKE_EXPECT_STATE(test, fdev, ACTIVE);
		KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->nr_groups));
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		if (i % 2)
			iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
		fake_dev_remove(fdev);
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_devices));
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_groups));
		KUNIT_EXPECT_TRUE(test, list_empty(&fake->domains));
	}
}

/* The work item still wants to fence the device */
static void broken_device_is_removed(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&busy.fdev->dev));
	busy.fdev->bad_pasid = 5;
	busy.fdev->bad_blocking = true;
	fake_done_quietly(test, busy.fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, busy.fdev, BROKEN);

	/* It has to be waiting for its next attempt, and would refuse the release domain. */
	flush_delayed_work(&fake_recovery(busy.fdev)->work);
	busy.fdev->bad_blocking = false;
	for (int i = 1; i < FAKE_NR_PASIDS; i++)
		if (busy.pasid[i])
			fake_detach_pasid(busy.fdev, i);
	fake_detach(busy.fdev);
	fake_dev_remove(busy.fdev);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_devices));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_groups));
}

static void wait_for_the_work(struct fake_dev *fdev)
{
	/* It runs when its retry is due, and then waits for group->mutex, held here. */
	while (!(work_busy(&fake_recovery(fdev)->work.work) & WORK_BUSY_RUNNING))
		fsleep(1000);
}

/* The work item gets the mutex when the device is gone: there is nothing to be done */
static void work_that_comes_after_the_removal_does_nothing(struct kunit *test)
{
	/* Without release domain: blocking goes on to fail until the end. */
	struct fake_iommu *fake = fake_create(test, &fake_pasid_variants[1]);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&busy.fdev->dev));
	busy.fdev->bad_pasid = 3;
	busy.fdev->bad_blocking = true;
	fake_done_quietly(test, busy.fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, busy.fdev, BROKEN);
	flush_delayed_work(&fake_recovery(busy.fdev)->work);

	fake->on_release = wait_for_the_work;
	fake_dev_remove(busy.fdev);
	fake->on_release = NULL;
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->nr_devices));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_quarantined));
	busy.fdev = sibling;
	fake_expect_running(test, &busy);
}

static struct kunit_case iommu_recovery_test_cases[] = {
	KUNIT_CASE_PARAM(nested_resets_fence_once_and_the_last_result_wins,
			 variants_gen_params),
	KUNIT_CASE_PARAM(reset_that_was_not_done_changes_nothing,
			 variants_gen_params),
	KUNIT_CASE_PARAM(failed_reset_stays_fenced_until_one_succeeds,
			 variants_gen_params),
	KUNIT_CASE(files_tell_state_reason_and_count),
	KUNIT_CASE_PARAM(reason_is_that_of_the_last_reset_that_was_done,
			 variants_gen_params),
	KUNIT_CASE_PARAM(quarantine_counts_once_until_it_is_lifted,
			 variants_gen_params),
	KUNIT_CASE_PARAM(done_without_memory_quarantines, variants_gen_params),
	KUNIT_CASE_PARAM(prepare_without_memory_changes_nothing,
			 variants_gen_params),
	KUNIT_CASE_PARAM(prepare_that_cannot_block_changes_nothing,
			 variants_gen_params),
	KUNIT_CASE_PARAM(device_that_is_reset_unfenced_is_quarantined,
			 variants_gen_params),
	KUNIT_CASE_PARAM(failed_unfence_and_fence_are_left_to_the_work,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(broken_device_that_is_not_fenced_is_attached,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(reset_leaves_the_rest_of_the_group_alone,
			 variants_gen_params),
	KUNIT_CASE(done_without_prepare_warns_once_and_changes_nothing),
	KUNIT_CASE(done_with_an_unknown_result_warns_and_changes_nothing),
	KUNIT_CASE(device_without_iommu_needs_nothing),
	KUNIT_CASE_PARAM(device_is_removed_while_resetting, variants_gen_params),
	KUNIT_CASE_PARAM(device_is_removed_while_quarantined,
			 variants_gen_params),
	KUNIT_CASE_PARAM(last_device_is_removed_while_fenced,
			 variants_gen_params),
	KUNIT_CASE_PARAM(broken_device_is_removed, pasid_variants_gen_params),
	KUNIT_CASE(work_that_comes_after_the_removal_does_nothing),
	{}
};

static struct kunit_suite iommu_recovery_test_suite = {
	.name = "iommu_recovery",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = iommu_recovery_test_cases,
};

kunit_test_suite(iommu_recovery_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_IMPORT_NS("IOMMUFD_INTERNAL");
MODULE_DESCRIPTION("KUnit tests of the recovery of devices");
MODULE_LICENSE("GPL");
