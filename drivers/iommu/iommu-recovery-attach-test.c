// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery of devices: what is attached and detached while a
 * device is fenced, and devices that share a requester ID.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm_types.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "iommu-priv.h"
#include "iommu-recovery-fake.h"

KUNIT_ARRAY_PARAM_DESC(variants, fake_all_variants, name);
KUNIT_ARRAY_PARAM_DESC(pasid_variants, fake_pasid_variants, name);

/* recording, RESETTING: what may fail is refused */
static void attach_in_a_reset_is_busy(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	struct iommu_domain *other = fake_domain_new(fdev);
	unsigned int before;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	before = fake_calls(fdev);
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_replace(fdev, other));
	if (fake->variant->pasids) {
		KUNIT_EXPECT_EQ(test, -EBUSY, fake_attach_pasid(fdev, 2, other));
		KUNIT_EXPECT_EQ(test, -EBUSY, fake_replace_pasid(fdev, 3, other));
	}
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	iommu_domain_free(other);

	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* recording, RESETTING: so does the attach of the whole group */
static void attach_of_a_group_in_a_reset_is_busy(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	struct iommu_domain *domain = fake_domain_new(fdev);

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_attach(fdev, domain));
	FAKE_EXPECT_DOCKED(test, fdev);
	FAKE_EXPECT_ON(test, sibling, core);
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);

	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, domain));
	FAKE_EXPECT_ON(test, fdev, domain);
	FAKE_EXPECT_ON(test, sibling, domain);
}

/* recording, RESETTING: a blocking domain is accepted, and what must succeed */
static void owner_comes_and_goes_in_a_reset(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	unsigned int before;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	before = fake_calls(fdev);
	KUNIT_EXPECT_EQ(test, 0, iommu_group_claim_dma_owner(fake_group(fdev), fake));
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_DOCKED(test, fdev);

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	iommu_group_release_dma_owner(fake_group(fdev));
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	FAKE_EXPECT_DOCKED(test, fdev);
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_ON(test, fdev, core);
}

/* recording, RESETTING: detached, freed, and never seen by the driver again */
static void detach_in_a_reset_is_recorded(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	struct fake_busy busy = fake_busy(fdev);
	unsigned int before;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	before = fake_calls(fdev);
	for (int i = 0; i < FAKE_NR_PASIDS; i++) {
		if (!busy.pasid[i])
			continue;
		fake_detach_pasid(fdev, i);
		iommu_domain_free(busy.pasid[i]);
	}
	fake_detach(fdev);
	iommu_domain_free(busy.rid);
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));

	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_ON(test, fdev, core);
	KUNIT_EXPECT_EQ(test, before + 1, fake_calls(fdev));
}

/* One PASID of several, also of a group with a device that is not reset */
static void pasid_detached_in_a_reset_stays_detached(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	unsigned int before;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&busy.fdev->dev));
	FAKE_EXPECT_PASID_ON(test, sibling, 3, busy.pasid[3]);
	before = fake_calls(busy.fdev);
	fake_detach_pasid(sibling, 3);
	FAKE_EXPECT_PASID_ON(test, sibling, 3, NULL);
	KUNIT_EXPECT_EQ(test, before, fake_calls(busy.fdev));
	iommu_domain_free(busy.pasid[3]);
	busy.pasid[3] = NULL;

	iommu_dev_reset_done(&busy.fdev->dev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, before + 3, fake_calls(busy.fdev));
}

/* recording, QUARANTINED: all is recorded, and carried out by the reset */
static void attach_in_quarantine_is_recorded(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct fake_busy want = { .fdev = fdev };
	struct iommu_domain *gone;
	unsigned int before;

	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	before = fake_calls(fdev);
	KUNIT_EXPECT_EQ(test, 0, iommu_group_claim_dma_owner(fake_group(fdev), fake));
	gone = fake_domain_new(fdev);
	want.rid = fake_domain_new(fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, gone));
	fake_detach(fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, gone));
	KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, want.rid));
	iommu_domain_free(gone);

	if (fake->variant->pasids) {
		gone = fake_domain_new(fdev);
		want.pasid[2] = fake_domain_new(fdev);
		want.pasid[7] = fake_domain_new(fdev);
		KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, 2, gone));
		KUNIT_EXPECT_EQ(test, 0, fake_replace_pasid(fdev, 2, want.pasid[2]));
		KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, 4, gone));
		fake_detach_pasid(fdev, 4);
		KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, 7, want.pasid[7]));
		KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace_pasid(fdev, 5, gone));
		iommu_domain_free(gone);
	}
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	fake_expect_docked(test, &want);

	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &want);
	KUNIT_EXPECT_EQ(test, before + 1 + (want.pasid[2] ? 2 : 0), fake_calls(fdev));
}

/* recording, QUARANTINED: the same for one device of two; the other is attached */
static void attach_in_quarantine_reaches_the_others(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct fake_busy busy;

	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	busy = fake_busy(fdev);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_DOCKED(test, fdev);
	busy.fdev = sibling;
	fake_expect_running(test, &busy);

	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	busy.fdev = fdev;
	fake_expect_running(test, &busy);
}

/* The second device refuses: the first one goes back, the fenced one hears nothing */
static void attach_that_fails_is_reverted_around_a_fenced_device(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fenced = fake_dev_add(fake, 0);
	struct fake_dev *good = fake_dev_add(fake, 0);
	struct fake_dev *bad = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fenced);
	struct iommu_domain *other = fake_domain_new(fenced);
	unsigned int before;

	fake_reset(test, fenced, IOMMU_RESET_FAILED);
	before = fake_calls(fenced);
	bad->bad = other;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace(fenced, other));
	if (fake->variant->pasids) {
		bad->bad_pasid = 3;
		KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace_pasid(fenced, 3, other));
		bad->bad_pasid = 2;
		KUNIT_EXPECT_EQ(test, -EINVAL, fake_attach_pasid(fenced, 2, other));
	}
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(other));
	KUNIT_EXPECT_EQ(test, before, fake_calls(fenced));

	fake_reset(test, fenced, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	busy.fdev = good;
	fake_expect_running(test, &busy);
	busy.fdev = bad;
	fake_expect_running(test, &busy);
}

/* recording, QUARANTINED: what was recorded turns out not to fit */
static void recorded_domain_that_does_not_fit_quarantines_again(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	struct iommu_domain *domain = fake_domain_new(fdev);

	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	fdev->bad = domain;
	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, domain));

	for (int i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		fake_done_quietly(test, fdev, IOMMU_RESET_OK);
		FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
		FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
		FAKE_EXPECT_DOCKED(test, fdev);
	}

	fake_detach(fdev);
	iommu_domain_free(domain);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_ON(test, fdev, core);
}

/* PASIDs can be attached while the RID is blocked, as it is below an owner */
static void pasids_of_a_blocked_rid_are_fenced_too(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct fake_busy busy = { .fdev = fdev, .rid = &fake->blocked.domain };
	struct iommu_domain *rid = fake_domain_new(fdev);
	unsigned int before;

	KUNIT_EXPECT_EQ(test, 0, iommu_group_claim_dma_owner(fake_group(fdev), fake));
	for (int i = 1; i < 4; i++) {
		busy.pasid[i] = fake_domain_new(fdev);
		KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, i, busy.pasid[i]));
	}
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);

	for (int nth = 1; nth <= 3; nth++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		fake_fail_nth(fake, nth);
		fake_done_quietly(test, fdev, IOMMU_RESET_OK);
		FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
		FAKE_EXPECT_DOCKED(test, fdev);
		KUNIT_EXPECT_TRUE(test, fake->failed);
	}

	/* The RID counts as fenced, too. */
	before = fake_calls(fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, rid));
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	busy.rid = rid;
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* A process exits: its page tables go away, and the driver is not asked to use them */
static void pasid_of_a_process_that_exited_stays_blocked(struct kunit *test)
{
	struct mm_struct *mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	struct iommu_domain *sva;
	unsigned int before;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	atomic_set(&mm->mm_users, 2);
	sva = fake_domain_new_sva(fdev, mm);
	KUNIT_ASSERT_EQ(test, 0, fake_attach_pasid(fdev, 2, sva));
	busy.pasid[2] = sva;

	/* It lives. */
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&mm->mm_users));

	/* It exits during a reset; later resets are no different. */
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	atomic_set(&mm->mm_users, 0);
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	busy.pasid[2] = NULL;
	fake_expect_running(test, &busy);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);

	/* Unbound: the driver has nothing to do on this device. */
	before = fake_calls(fdev);
	FAKE_EXPECT_PASID_ON(test, sibling, 2, sva);
	fake_detach_pasid(fdev, 2);
	FAKE_EXPECT_PASID_ON(test, sibling, 2, NULL);
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	iommu_domain_free(sva);

	/* Nothing of it sticks to the PASID. */
	busy.pasid[2] = fake_domain_new(fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, 2, busy.pasid[2]));
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	fake_detach_pasid(fdev, 2);
	FAKE_EXPECT_PASID_ON(test, fdev, 2, NULL);
}

/* The driver is told the truth when such a PASID is replaced, and put back */
static void pasid_of_a_process_that_exited_is_replaced(struct kunit *test)
{
	struct mm_struct *mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fdev);
	struct iommu_domain *sva, *other;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	sva = fake_domain_new_sva(fdev, mm);
	other = fake_domain_new(fdev);
	KUNIT_ASSERT_EQ(test, 0, fake_attach_pasid(fdev, 2, sva));
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	FAKE_EXPECT_PASID_ON(test, sibling, 2, sva);

	/* The first device takes it, the second one refuses. */
	sibling->bad_pasid = 2;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace_pasid(fdev, 2, other));
	FAKE_EXPECT_PASID_ON(test, fdev, 2, NULL);
	FAKE_EXPECT_PASID_ON(test, sibling, 2, sva);
	sibling->bad_pasid = 0;

	KUNIT_EXPECT_EQ(test, 0, fake_replace_pasid(fdev, 2, other));
	FAKE_EXPECT_PASID_ON(test, fdev, 2, other);
	FAKE_EXPECT_PASID_ON(test, sibling, 2, other);
	iommu_domain_free(sva);

	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_PASID_ON(test, fdev, 2, other);
}

/*
 * The table of PASIDs goes with the RID's domain: the PASIDs are blocked before the
 * RID and attached after it, as for the first time. The fake driver checks that.
 */
static void pasids_go_before_the_rid_and_come_after_it(struct kunit *test)
{
	static const struct fake_variant table = {
		.blocked = true, .pasids = true, .pasid_table = true,
		.release = FAKE_RELEASE_BLOCKED,
	};
	struct mm_struct *mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);
	struct fake_iommu *fake = fake_create(test, &table);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	atomic_set(&mm->mm_users, 2);
	busy.pasid[2] = fake_domain_new_sva(fdev, mm);
	KUNIT_ASSERT_EQ(test, 0, fake_attach_pasid(fdev, 2, busy.pasid[2]));
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	fake_expect_docked(test, &busy);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);

	/* Also where a prepare is taken back, */
	fdev->bad_blocking = true;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_prepare_quietly(test, fdev));
	fdev->bad_blocking = false;
	fake_expect_running(test, &busy);

	/* a device cannot be attached again: its RID, and each of the PASIDs, */
	for (int nth = 1; nth <= 5; nth++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		fake_fail_nth(fake, nth);
		fake_done_quietly(test, fdev, IOMMU_RESET_OK);
		KUNIT_EXPECT_TRUE(test, fake->failed);
		FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
		fake_expect_docked(test, &busy);
	}
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);

	/* and where it is left to the work item. */
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fdev->bad_pasid = 5;
	fdev->bad_blocking = true;
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);
	fdev->bad_pasid = 0;
	fdev->bad_blocking = false;
	fake_flush_work(test, fdev);
	fake_expect_docked(test, &busy);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

/* A detach fails, and the core saves what it can: that warns, it is the driver's fault */
static struct iommu_domain *park(struct kunit *test, struct fake_busy *busy,
				 struct iommu_domain *core)
{
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		if (busy->pasid[i])
			fake_detach_pasid(busy->fdev, i);
	/* Only a group that has been reset or owned has a blocking domain. */
	fake_reset(test, busy->fdev, IOMMU_RESET_OK);

	busy->fdev->bad = core;
	kunit_warning_suppress(test) {
		fake_detach(busy->fdev);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	busy->fdev->bad = NULL;
	FAKE_EXPECT_STATE(test, busy->fdev, ACTIVE);
	FAKE_EXPECT_DOCKED(test, busy->fdev);
	iommu_domain_free(busy->rid);
	return fake_domain_new(busy->fdev);
}

static void detach_that_fails_leaves_the_device_on_blocking(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	struct fake_busy busy = fake_busy(fdev);
	struct iommu_domain *other;

	/* The next attach is told so by the old domain, */
	other = park(test, &busy, core);
	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, other));
	FAKE_EXPECT_ON(test, fdev, other);

	/* and so is a reset, */
	busy.rid = other;
	memset(busy.pasid, 0, sizeof(busy.pasid));
	other = park(test, &busy, core);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_ON(test, fdev, core);

	/* and the release. */
	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, other));
	busy.rid = other;
	other = park(test, &busy, core);
	fake_dev_remove(fdev);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_devices));
	iommu_domain_free(other);
}

static void deferred_attach_after_a_reset_is_done_by_the_reset(struct kunit *test)
{
	static const struct fake_variant deferred = {
		.blocked = true, .pasids = true, .deferred = true,
		.release = FAKE_RELEASE_BLOCKED,
	};
	struct fake_iommu *fake = fake_create(test, &deferred);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = iommu_get_domain_for_dev(&fdev->dev);
	unsigned int before;

	KUNIT_EXPECT_NULL(test, fdev->rid);
	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	FAKE_EXPECT_DOCKED(test, fdev);
	before = fake_calls(fdev);
	KUNIT_EXPECT_EQ(test, 0, iommu_deferred_attach(&fdev->dev, core));
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_ON(test, fdev, core);
	before = fake_calls(fdev);
	KUNIT_EXPECT_EQ(test, 0, iommu_deferred_attach(&fdev->dev, core));
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));

	/* Removed untouched, and removed fenced */
	fake_dev_add(fake, 1);
	fdev = fake_dev_add(fake, 2);
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	FAKE_EXPECT_DOCKED(test, fdev);

	/* And without any reset */
	fdev = fake_dev_add(fake, 1);
	core = iommu_get_domain_for_dev(&fdev->dev);
	KUNIT_EXPECT_EQ(test, 0, iommu_deferred_attach(&fdev->dev, core));
	FAKE_EXPECT_ON(test, fdev, core);
}

/* A thread that attaches, but finds the group locked by prepare or done */
static struct {
	struct task_struct *task;
	struct fake_dev *fdev;
	bool started;
	struct completion done;
	int ret;
} attacher;

static int attacher_thread(void *unused)
{
	struct device *dev = &attacher.fdev->dev;
	struct iommu_domain *core = iommu_get_domain_for_dev(dev);

	WRITE_ONCE(attacher.started, true);
	attacher.ret = iommu_deferred_attach(dev, core);
	complete(&attacher.done);
	return 0;
}

static void start_attacher(struct fake_dev *fdev)
{
	fdev->on_attach = NULL;
	attacher.fdev = fdev;
	attacher.started = false;
	init_completion(&attacher.done);
	attacher.task = kthread_create(attacher_thread, NULL, "deferred_attach");
	if (IS_ERR(attacher.task)) {
		KUNIT_FAIL(fdev->fake->test, "no thread");
		complete(&attacher.done);
		return;
	}
	get_task_struct(attacher.task);
	wake_up_process(attacher.task);
	/* Until it waits for group->mutex, which is held here */
	while (!READ_ONCE(attacher.started) ||
	       READ_ONCE(attacher.task->__state) == TASK_RUNNING)
		fsleep(1000);
	put_task_struct(attacher.task);
}

static void deferred_attach_in_a_reset_is_busy(struct kunit *test)
{
	static const struct fake_variant deferred = {
		.blocked = true, .pasids = true, .deferred = true,
	};
	struct fake_iommu *fake = fake_create(test, &deferred);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = iommu_get_domain_for_dev(&fdev->dev);
	unsigned int before;

	fdev->on_attach = start_attacher;
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	before = fake_calls(fdev);
	wait_for_completion(&attacher.done);
	KUNIT_EXPECT_EQ(test, -EBUSY, attacher.ret);
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	FAKE_EXPECT_DOCKED(test, fdev);

	/* One that comes later changes nothing, either. */
	iommu_deferred_attach(&fdev->dev, core);
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	FAKE_EXPECT_DOCKED(test, fdev);
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	FAKE_EXPECT_ON(test, fdev, core);
}

static struct kunit_case iommu_recovery_attach_cases[] = {
	KUNIT_CASE_PARAM(attach_in_a_reset_is_busy, variants_gen_params),
	KUNIT_CASE_PARAM(attach_of_a_group_in_a_reset_is_busy,
			 variants_gen_params),
	KUNIT_CASE_PARAM(owner_comes_and_goes_in_a_reset, variants_gen_params),
	KUNIT_CASE_PARAM(detach_in_a_reset_is_recorded, variants_gen_params),
	KUNIT_CASE_PARAM(pasid_detached_in_a_reset_stays_detached,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(attach_in_quarantine_is_recorded, variants_gen_params),
	KUNIT_CASE_PARAM(attach_in_quarantine_reaches_the_others,
			 variants_gen_params),
	KUNIT_CASE_PARAM(attach_that_fails_is_reverted_around_a_fenced_device,
			 variants_gen_params),
	KUNIT_CASE_PARAM(recorded_domain_that_does_not_fit_quarantines_again,
			 variants_gen_params),
	KUNIT_CASE_PARAM(pasids_of_a_blocked_rid_are_fenced_too,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(pasid_of_a_process_that_exited_stays_blocked,
			 pasid_variants_gen_params),
	KUNIT_CASE_PARAM(pasid_of_a_process_that_exited_is_replaced,
			 pasid_variants_gen_params),
	KUNIT_CASE(pasids_go_before_the_rid_and_come_after_it),
	KUNIT_CASE_PARAM(detach_that_fails_leaves_the_device_on_blocking,
			 variants_gen_params),
	KUNIT_CASE(deferred_attach_after_a_reset_is_done_by_the_reset),
	KUNIT_CASE(deferred_attach_in_a_reset_is_busy),
	{}
};

static struct kunit_suite iommu_recovery_attach_suite = {
	.name = "iommu_recovery_attach",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = iommu_recovery_attach_cases,
};

kunit_test_suite(iommu_recovery_attach_suite);
