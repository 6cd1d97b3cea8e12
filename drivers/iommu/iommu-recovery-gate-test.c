// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery of devices whose driver fences them by itself.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h. The core is told by fwspecs which
 * of its devices share a requester ID, so that the work item knows as well.
 */
#include <kunit/test.h>
#include <linux/mm_types.h>

#include "iommu-priv.h"
#include "iommu-recovery-fake.h"

KUNIT_ARRAY_PARAM_DESC(variants, fake_gate_variants, name);

KUNIT_ARRAY_PARAM_DESC(windows, fake_windows, name);

static const int driver_errors[] = { -EINVAL, -EBUSY, -ENOMEM };

static void expect_attached(struct kunit *test, struct fake_busy *busy)
{
	FAKE_EXPECT_ON(test, busy->fdev, busy->rid);
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		FAKE_EXPECT_PASID_ON(test, busy->fdev, i, busy->pasid[i]);
}

static unsigned int nr_domains(struct fake_iommu *fake)
{
	return list_count_nodes(&fake->domains);
}

/* What a reset does */

static void reset_shuts_and_opens_the_gate_once(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	unsigned int domains = nr_domains(fake);
	unsigned int calls = fake_calls(fdev);

	/* No allocation, no attach, however many PASIDs it has */
	fake_fail_nth(fake, 1);
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	FAKE_EXPECT_STATE(test, fdev, RESETTING);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	expect_attached(test, &busy);

	/* One reset inside of the other */
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
	FAKE_EXPECT_STATE(test, fdev, RESETTING);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	KUNIT_EXPECT_EQ(test, 1, fdev->fence_calls);
	KUNIT_EXPECT_EQ(test, 0, fdev->unfence_calls);

	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	KUNIT_EXPECT_EQ(test, 1, fdev->fence_calls);
	KUNIT_EXPECT_EQ(test, 1, fdev->unfence_calls);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_FALSE(test, fake->failed);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
	KUNIT_EXPECT_EQ(test, domains, nr_domains(fake));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_active));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->told_quarantined));
}

static void result_of_the_reset_decides_about_the_gate(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	unsigned int calls = fake_calls(fdev);

	fake_reset(test, fdev, IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, 1, fdev->unfence_calls);

	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, RESET_FAILED);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	expect_attached(test, &busy);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));

	/* What is fenced is fenced again, in full, and not opened for nothing. */
	fake_reset(test, fdev, IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, RESET_FAILED);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	KUNIT_EXPECT_EQ(test, 3, fdev->fence_calls);
	KUNIT_EXPECT_EQ(test, 1, fdev->unfence_calls);

	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, 4, fdev->fence_calls);
	KUNIT_EXPECT_EQ(test, 2, fdev->unfence_calls);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_active));
}

/* Attach and detach behind a gate that is shut */

static void domain_for_the_rid_goes_to_the_driver(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	struct fake_busy busy = fake_busy(fdev);
	struct iommu_domain *other = fake_domain_new(fdev);
	unsigned int calls = fdev->rid_calls;

	fake_enter_window(test, fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, other));
	FAKE_EXPECT_ON(test, fdev, other);
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(busy.rid));
	fake_detach(fdev);
	FAKE_EXPECT_ON(test, fdev, core);
	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, other));
	FAKE_EXPECT_ON(test, fdev, other);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(&fdev->dev), other);
	KUNIT_EXPECT_EQ(test, calls + 3, fdev->rid_calls);

	fake_leave_window(test, fdev);
	KUNIT_EXPECT_EQ(test, calls + 3, fdev->rid_calls);
	busy.rid = other;
	fake_expect_running(test, &busy);
}

static void error_for_the_rid_is_that_of_the_driver(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	struct fake_busy busy = fake_busy(fdev);
	struct iommu_domain *other = fake_domain_new(fdev);

	fake_enter_window(test, fdev);
	fdev->bad = other;
	for (int i = 0; i < ARRAY_SIZE(driver_errors); i++) {
		fdev->bad_error = driver_errors[i];
		KUNIT_EXPECT_EQ(test, driver_errors[i], fake_replace(fdev, other));
		FAKE_EXPECT_ON(test, fdev, busy.rid);
		KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(&fdev->dev),
				    busy.rid);
		fake_detach(fdev);
		KUNIT_EXPECT_EQ(test, driver_errors[i], fake_attach(fdev, other));
		FAKE_EXPECT_ON(test, fdev, core);
		KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(&fdev->dev),
				    core);
		KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, busy.rid));
	}
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(other));
	fake_leave_window(test, fdev);
	fake_expect_running(test, &busy);
}

static void domain_for_a_pasid_goes_to_the_driver(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	struct iommu_domain *other = fake_domain_new(fdev);
	unsigned int calls = fdev->pasid_calls;

	fake_enter_window(test, fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, 2, other));
	FAKE_EXPECT_PASID_ON(test, fdev, 2, other);
	KUNIT_EXPECT_EQ(test, 0, fake_replace_pasid(fdev, 1, other));
	FAKE_EXPECT_PASID_ON(test, fdev, 1, other);
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(busy.pasid[1]));
	fake_detach_pasid(fdev, 3);
	FAKE_EXPECT_PASID_ON(test, fdev, 3, NULL);
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(busy.pasid[3]));
	KUNIT_EXPECT_EQ(test, calls + 3, fdev->pasid_calls);

	fake_leave_window(test, fdev);
	KUNIT_EXPECT_EQ(test, calls + 3, fdev->pasid_calls);
	busy.pasid[1] = other;
	busy.pasid[2] = other;
	busy.pasid[3] = NULL;
	fake_expect_running(test, &busy);
}

static void error_for_a_pasid_is_that_of_the_driver(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	struct iommu_domain *other = fake_domain_new(fdev);

	fake_enter_window(test, fdev);
	for (int i = 0; i < ARRAY_SIZE(driver_errors); i++) {
		fdev->bad_error = driver_errors[i];
		fdev->bad_pasid = 4;
		KUNIT_EXPECT_EQ(test, driver_errors[i],
				fake_attach_pasid(fdev, 4, other));
		fdev->bad_pasid = 5;
		KUNIT_EXPECT_EQ(test, driver_errors[i],
				fake_replace_pasid(fdev, 5, other));
		expect_attached(test, &busy);
	}
	fdev->bad_pasid = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(other));
	fake_leave_window(test, fdev);
	fake_expect_running(test, &busy);
}

static struct iommu_domain *told_domain;

static void ask_for_domain(struct fake_dev *fdev)
{
	told_domain = iommu_driver_get_domain_for_dev(&fdev->dev);
}

static void driver_is_told_the_domain_of_the_group(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	struct iommu_domain *other = fake_domain_new(fdev);

	/* Once the gate is shut, and while it is shut again */
	for (int i = 0; i < 2; i++) {
		fdev->on_fence = ask_for_domain;
		told_domain = NULL;
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		KUNIT_EXPECT_PTR_EQ(test, told_domain, busy.rid);
		if (!i)
			iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
	}
	fdev->on_attach = ask_for_domain;
	told_domain = NULL;
	KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, other));
	KUNIT_EXPECT_PTR_EQ(test, told_domain, busy.rid);
	fdev->on_unfence = ask_for_domain;
	told_domain = NULL;
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	KUNIT_EXPECT_PTR_EQ(test, told_domain, other);
}

static void deferred_attach_is_done_behind_the_gate(struct kunit *test)
{
	static const struct fake_variant deferred = {
		.gate = true, .blocked = true, .pasids = true, .deferred = true,
		.release = FAKE_RELEASE_BLOCKED,
	};
	struct fake_iommu *fake = fake_create_gate(test, &deferred);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = iommu_get_domain_for_dev(&fdev->dev);

	fake_enter_window(test, fdev);
	KUNIT_EXPECT_NULL(test, fdev->rid);
	KUNIT_EXPECT_EQ(test, 0, iommu_deferred_attach(&fdev->dev, core));
	FAKE_EXPECT_ON(test, fdev, core);
	KUNIT_EXPECT_EQ(test, 1, fake_calls(fdev));
	fake_leave_window(test, fdev);
	FAKE_EXPECT_ON(test, fdev, core);
	KUNIT_EXPECT_EQ(test, 1, fake_calls(fdev));

	/* Without one it is still deferred afterwards. */
	fdev = fake_dev_add(fake, 1);
	fake_enter_window(test, fdev);
	fake_leave_window(test, fdev);
	KUNIT_EXPECT_NULL(test, fdev->rid);
	KUNIT_EXPECT_EQ(test, 0, fake_calls(fdev));
}

/* Its page tables stay attached until it is unbound, as without a reset. */
static void process_that_exits_is_nothing_special(struct kunit *test)
{
	struct mm_struct *mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	unsigned int calls;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	atomic_set(&mm->mm_users, 1);
	busy.pasid[2] = fake_domain_new_sva(fdev, mm);
	KUNIT_ASSERT_EQ(test, 0, fake_attach_pasid(fdev, 2, busy.pasid[2]));
	calls = fdev->pasid_calls;

	fake_enter_window(test, fdev);
	atomic_set(&mm->mm_users, 0);
	fake_leave_window(test, fdev);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, calls, fdev->pasid_calls);

	fake_detach_pasid(fdev, 2);
	FAKE_EXPECT_PASID_ON(test, fdev, 2, NULL);
	KUNIT_EXPECT_EQ(test, calls + 1, fdev->pasid_calls);
	iommu_domain_free(busy.pasid[2]);
}

static void gate_of_one_device_does_not_bother_its_group(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_busy busy2 = { .fdev = sibling };
	struct iommu_domain *other = fake_domain_new(sibling);

	fake_replace(sibling, busy.rid);
	fake_enter_window(test, busy.fdev);
	KUNIT_EXPECT_EQ(test, 0, sibling->fence_calls);
	FAKE_EXPECT_STATE(test, sibling, ACTIVE);

	/* The one of both that refuses takes neither along. */
	busy.fdev->bad = other;
	busy.fdev->bad_pasid = 2;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace(sibling, other));
	FAKE_EXPECT_ON(test, sibling, busy.rid);
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_attach_pasid(sibling, 2, other));
	FAKE_EXPECT_PASID_ON(test, sibling, 2, NULL);
	busy.fdev->bad_pasid = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace_pasid(sibling, 1, other));
	expect_attached(test, &busy);
	busy.fdev->bad = NULL;
	busy.fdev->bad_pasid = 0;

	KUNIT_EXPECT_EQ(test, 0, fake_replace(sibling, other));
	KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(sibling, 2, other));
	KUNIT_EXPECT_EQ(test, 0, fake_replace_pasid(sibling, 1, other));
	fake_detach_pasid(sibling, 3);
	busy.rid = other;
	busy.pasid[1] = other;
	busy.pasid[2] = other;
	busy.pasid[3] = NULL;
	busy2 = busy;
	busy2.fdev = sibling;
	expect_attached(test, &busy);
	fake_expect_running(test, &busy2);

	fake_leave_window(test, busy.fdev);
	fake_expect_running(test, &busy);
	fake_expect_running(test, &busy2);
	KUNIT_EXPECT_EQ(test, 0, sibling->fence_calls);
	KUNIT_EXPECT_EQ(test, 0, sibling->unfence_calls);
}

/* A gate that fails */

static void gate_that_does_not_open_is_shut_again(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	unsigned int calls = fake_calls(fdev);

	for (int i = IOMMU_RESET_NOT_DONE; i <= IOMMU_RESET_OK; i++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		fdev->fence_calls = 0;
		fdev->unfence_calls = 0;
		fake_fail_gate(fake, 1, 1);
		fake_done_quietly(test, fdev, i);
		KUNIT_EXPECT_EQ(test, 1, fdev->unfence_calls);
		KUNIT_EXPECT_EQ(test, 1, fdev->fence_calls);
		FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
		FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
		FAKE_EXPECT_GATE(test, fdev, SHUT);
		KUNIT_EXPECT_STREQ(test, fake->told_reason, "unfence-failed");
		fake_reset(test, fdev, IOMMU_RESET_OK);
		FAKE_EXPECT_GATE(test, fdev, OPEN);
		fake_expect_running(test, &busy);
	}
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->told_quarantined));
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->told_active));

	/* Nor shut */
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fdev->gate_stuck = true;
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
	fdev->fence_calls = 0;
	flush_delayed_work(&fake_recovery(fdev)->work);
	flush_delayed_work(&fake_recovery(fdev)->work);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);
	KUNIT_EXPECT_TRUE(test, delayed_work_pending(&fake_recovery(fdev)->work));
	KUNIT_EXPECT_GE(test, fdev->fence_calls, 1);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->told_quarantined));

	fdev->gate_stuck = false;
	fake_flush_work(test, fdev);
	FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	KUNIT_EXPECT_EQ(test, 3, atomic_read(&fake->told_quarantined));
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
}

static void gate_that_does_not_shut_fails_the_prepare(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, test->param_value);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;
	unsigned int calls = fake_calls(fdev);

	/* First ACTIVE before, then QUARANTINED */
	for (int i = 0; i < 2; i++) {
		fdev->gate_stuck = true;
		KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_prepare_quietly(test, fdev));
		FAKE_EXPECT_STATE(test, fdev, BROKEN);
		FAKE_EXPECT_REASON(test, fdev, FENCE_FAILED);
		flush_delayed_work(&fake_recovery(fdev)->work);
		FAKE_EXPECT_STATE(test, fdev, BROKEN);
		KUNIT_EXPECT_TRUE(test, delayed_work_pending(&fake_recovery(fdev)->work));

		fdev->gate_stuck = false;
		fake_flush_work(test, fdev);
		FAKE_EXPECT_REASON(test, fdev, FENCE_FAILED);
		FAKE_EXPECT_GATE(test, fdev, SHUT);
		KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->told_quarantined));
		KUNIT_EXPECT_STREQ(test, fake->told_reason, "fence-failed");
		KUNIT_EXPECT_EQ(test, 0, fdev->unfence_calls);
	}

	/* A reset that can fence it need not wait for the work item. */
	fdev->gate_stuck = true;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_prepare_quietly(test, fdev));
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_prepare_quietly(test, fdev));
	fdev->gate_stuck = false;
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev));
}

/* Reports that come in the worst moment */

static void report_in_prepare_counts(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;

	/* Nothing was done about it. */
	fdev->on_fence = fake_report;
	fake_reset(test, fdev, IOMMU_RESET_NOT_DONE);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	KUNIT_EXPECT_EQ(test, 0, fdev->unfence_calls);

	/* A reset is the answer, */
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	fake_expect_running(test, &busy);

	/* if there is one. */
	fake_fail_gate(fake, 1, 1);
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_prepare_quietly(test, fdev));
	fake_flush_work(test, fdev);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);
}

static void report_in_done_counts(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_busy busy = fake_busy(fake_dev_add(fake, 0));
	struct fake_dev *fdev = busy.fdev;

	/* It ignores the first that it is sent after the reset, */
	fdev->on_unfence = fake_report;
	for (int i = IOMMU_RESET_NOT_DONE; i <= IOMMU_RESET_OK; i++) {
		fake_reset(test, fdev, i);
		KUNIT_EXPECT_NE(test, (int)fake_state(fdev),
				(int)IOMMU_RECOVERY_ACTIVE);
		fake_flush_work(test, fdev);
		FAKE_EXPECT_GATE(test, fdev, SHUT);
		/* Only the second reset is answered properly. */
		fdev->on_unfence = NULL;
		fake_reset(test, fdev, IOMMU_RESET_OK);
		fake_expect_running(test, &busy);
		fdev->on_unfence = fake_report;
	}

	/* or the gate does not even open, or shut, */
	for (int fails = 1; fails <= 2; fails++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		fdev->on_fence = fake_report;
		fake_fail_gate(fake, 1, fails);
		fake_done_quietly(test, fdev, IOMMU_RESET_OK);
		fake_flush_work(test, fdev);
		FAKE_EXPECT_GATE(test, fdev, SHUT);
		fdev->on_fence = NULL;
		fdev->on_unfence = NULL;
		fake_reset(test, fdev, IOMMU_RESET_OK);
		fake_expect_running(test, &busy);
		fdev->on_unfence = fake_report;
	}

	/* or it is the work item that fences it. */
	fdev->on_unfence = NULL;
	fdev->on_fence = fake_report;
	fake_report(fdev);
	fake_flush_work(test, fdev);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	fake_expect_running(test, &busy);
}

static struct kunit_case iommu_recovery_gate_cases[] = {
	KUNIT_CASE_PARAM(reset_shuts_and_opens_the_gate_once, variants_gen_params),
	KUNIT_CASE_PARAM(result_of_the_reset_decides_about_the_gate,
			 variants_gen_params),
	KUNIT_CASE_PARAM(domain_for_the_rid_goes_to_the_driver, windows_gen_params),
	KUNIT_CASE_PARAM(error_for_the_rid_is_that_of_the_driver,
			 windows_gen_params),
	KUNIT_CASE_PARAM(domain_for_a_pasid_goes_to_the_driver, windows_gen_params),
	KUNIT_CASE_PARAM(error_for_a_pasid_is_that_of_the_driver,
			 windows_gen_params),
	KUNIT_CASE(driver_is_told_the_domain_of_the_group),
	KUNIT_CASE_PARAM(deferred_attach_is_done_behind_the_gate,
			 windows_gen_params),
	KUNIT_CASE_PARAM(process_that_exits_is_nothing_special, windows_gen_params),
	KUNIT_CASE_PARAM(gate_of_one_device_does_not_bother_its_group,
			 windows_gen_params),
	KUNIT_CASE_PARAM(gate_that_does_not_open_is_shut_again, variants_gen_params),
	KUNIT_CASE_PARAM(gate_that_does_not_shut_fails_the_prepare,
			 variants_gen_params),
	KUNIT_CASE(report_in_prepare_counts),
	KUNIT_CASE(report_in_done_counts),
	{}
};

static struct kunit_suite iommu_recovery_gate_suite = {
	.name = "iommu_recovery_gate",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = iommu_recovery_gate_cases,
};

kunit_test_suite(iommu_recovery_gate_suite);
