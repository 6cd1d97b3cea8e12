// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of domains that are asked in advance whether a device could be attached.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h. It counts what it is asked, and
 * checks that the domain to be replaced is the one that is intended.
 */
#include <kunit/test.h>
#include <linux/slab.h>

#include "iommu-priv.h"
#include "iommu-recovery-fake.h"
#include "iommu-test-dev.h"

KUNIT_ARRAY_PARAM_DESC(variants, fake_test_dev_variants, name);
KUNIT_ARRAY_PARAM_DESC(all_variants, fake_all_variants, name);

/* Those without a gate: it is the last one that has one */
static const void *dock_variants_gen_params(struct kunit *test,
					    const void *prev, char *desc)
{
	const struct fake_variant *next = variants_gen_params(test, prev, desc);

	return next && !next->gate ? next : NULL;
}

static const int refusals[] = { -EINVAL, -EOPNOTSUPP, -EBUSY, -ENODEV, -ENOENT };

/* Three devices of a group, with domains on RID and PASIDs */
struct trio {
	struct fake_iommu *fake;
	struct fake_dev *fdev[3];
	struct fake_busy busy;
	struct iommu_domain *other;
};

static struct trio trio_create(struct kunit *test,
			       const struct fake_variant *variant)
{
	struct trio trio = {
		.fake = variant->gate ? fake_create_gate(test, variant) :
					fake_create(test, variant),
	};

	for (int i = 0; i < 3; i++)
		trio.fdev[i] = fake_dev_add(trio.fake, 0);
	trio.busy = fake_busy(trio.fdev[0]);
	trio.other = fake_domain_new(trio.fdev[0]);
	for (int i = 0; i < 3; i++)
		trio.fdev[i]->tested = 0;
	return trio;
}

static void trio_expect_running(struct kunit *test, struct trio *trio)
{
	for (int i = 0; i < 3; i++) {
		trio->busy.fdev = trio->fdev[i];
		fake_expect_running(test, &trio->busy);
	}
}

static unsigned int trio_calls(struct trio *trio)
{
	unsigned int calls = 0;

	for (int i = 0; i < 3; i++)
		calls += fake_calls(trio->fdev[i]);
	return calls;
}

static void trio_expect_tested(struct kunit *test, struct trio *trio,
			       unsigned int first, unsigned int second,
			       unsigned int third)
{
	KUNIT_EXPECT_EQ(test, first, trio->fdev[0]->tested);
	KUNIT_EXPECT_EQ(test, second, trio->fdev[1]->tested);
	KUNIT_EXPECT_EQ(test, third, trio->fdev[2]->tested);
	for (int i = 0; i < 3; i++)
		trio->fdev[i]->tested = 0;
}

/* What an answer must not change: device, domains, and what the core keeps of both */
struct image {
	struct fake_dev fdev[3];
	struct dev_iommu iommu[3];
	struct iommu_recovery recovery[3];
	struct fake_domain old;
	struct fake_domain other;
};

static struct image *image_take(struct kunit *test, struct trio *trio)
{
	struct image *image = kunit_kzalloc(test, sizeof(*image), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, image);
	for (int i = 0; i < 3; i++) {
		memcpy(&image->fdev[i], trio->fdev[i], sizeof(image->fdev[i]));
		image->fdev[i].tested = 0;
		memcpy(&image->iommu[i], trio->fdev[i]->dev.iommu,
		       sizeof(image->iommu[i]));
		memcpy(&image->recovery[i], fake_recovery(trio->fdev[i]),
		       sizeof(image->recovery[i]));
	}
	memcpy(&image->old, container_of(trio->busy.rid, struct fake_domain, domain),
	       sizeof(image->old));
	memcpy(&image->other, container_of(trio->other, struct fake_domain, domain),
	       sizeof(image->other));
	return image;
}

static void image_expect_same(struct kunit *test, struct image *before,
			      struct image *after)
{
	KUNIT_EXPECT_MEMEQ(test, before, after, sizeof(*before));
	kunit_kfree(test, after);
}

/* pure */
static void asking_changes_nothing(struct kunit *test)
{
	struct trio trio = trio_create(test, test->param_value);
	bool pasids = trio.fake->variant->pasids;
	struct device *dev = &trio.fdev[1]->dev;
	struct image *image;

	for (int i = -1; i < (int)ARRAY_SIZE(refusals); i++) {
		int answer = i < 0 ? 0 : refusals[i];

		trio.fdev[2]->refuse = answer;
		image = image_take(test, &trio);
		KUNIT_EXPECT_EQ(test, answer,
				iommu_test_attach(trio.other, dev, IOMMU_NO_PASID));
		image_expect_same(test, image, image_take(test, &trio));
		trio_expect_tested(test, &trio, 1, 1, 1);
		if (pasids) {
			KUNIT_EXPECT_EQ(test, answer,
					iommu_test_attach(trio.other, dev, 2));
			KUNIT_EXPECT_EQ(test, answer,
					iommu_test_attach(trio.other, dev, 3));
			image_expect_same(test, image, image_take(test, &trio));
			trio_expect_tested(test, &trio, 2, 2, 2);
		}

		/* So does an attach that is refused */
		if (answer) {
			KUNIT_EXPECT_EQ(test, answer,
					fake_replace(trio.fdev[0], trio.other));
			image_expect_same(test, image, image_take(test, &trio));
			trio_expect_tested(test, &trio, 1, 1, 1);
		}
		kunit_kfree(test, image);
	}

	/* What is attached already is not asked about */
	KUNIT_EXPECT_EQ(test, 0, iommu_test_attach(trio.busy.rid, dev,
						   IOMMU_NO_PASID));
	trio_expect_tested(test, &trio, 0, 0, 0);
	trio.fdev[2]->refuse = 0;
	trio_expect_running(test, &trio);
}

/* all_or_nothing, pasid_all_devices */
static void refusal_of_one_device_reaches_no_other(struct kunit *test)
{
	struct trio trio = trio_create(test, test->param_value);
	unsigned int before = trio_calls(&trio);
	bool pasids = trio.fake->variant->pasids;
	struct fake_dev *fdev = trio.fdev[0];

	for (int nth = 0; nth < 3; nth++)
		for (int i = 0; i < ARRAY_SIZE(refusals); i++) {
			trio.fdev[nth]->refuse = refusals[i];
			KUNIT_EXPECT_EQ(test, refusals[i],
					fake_replace(fdev, trio.other));
			trio_expect_tested(test, &trio, 1, nth > 0, nth > 1);
			if (pasids) {
				KUNIT_EXPECT_EQ(test, refusals[i],
						fake_attach_pasid(fdev, 2, trio.other));
				KUNIT_EXPECT_EQ(test, refusals[i],
						fake_replace_pasid(fdev, 3, trio.other));
				trio_expect_tested(test, &trio, 2, 2 * (nth > 0),
						   2 * (nth > 1));
			}
			trio.fdev[nth]->refuse = 0;
		}
	KUNIT_EXPECT_EQ(test, before, trio_calls(&trio));
	KUNIT_EXPECT_EQ(test, 0, fake_domain_users(trio.other));
	trio_expect_running(test, &trio);

	/* A first attach is refused as well */
	fake_detach(fdev);
	before = trio_calls(&trio);
	trio.fdev[1]->refuse = -EINVAL;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_attach(fdev, trio.other));
	KUNIT_EXPECT_EQ(test, before, trio_calls(&trio));
	trio.fdev[1]->refuse = 0;

	/* One that nobody refuses is none of them */
	KUNIT_EXPECT_EQ(test, 0, fake_attach(fdev, trio.other));
	if (pasids)
		KUNIT_EXPECT_EQ(test, 0, fake_replace_pasid(fdev, 3, trio.other));
	trio.busy.rid = trio.other;
	if (pasids) {
		swap(trio.busy.pasid[3], trio.other);
		iommu_domain_free(trio.other);
	}
	trio_expect_running(test, &trio);
}

/* all_or_nothing: the core refuses, whatever the driver is */
static void core_refuses_before_anything_is_attached(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct iommu_domain_ops no_attach, *ops;
	struct fake_dev *fdev[2];
	struct fake_busy busy;
	struct iommu_domain *other;
	unsigned int before;

	for (int i = 0; i < 2; i++)
		fdev[i] = fake_dev_add(fake, 0);
	before = fake_calls(fdev[0]);
	fdev[1]->dev.iommu->require_direct = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_group_claim_dma_owner(fake_group(fdev[0]), fake));
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev[0]));
	fdev[1]->dev.iommu->require_direct = 0;

	busy = fake_busy(fdev[0]);
	other = fake_domain_new(fdev[0]);
	before = fake_calls(fdev[0]);
	no_attach = *other->ops;
	no_attach.attach_dev = NULL;
	ops = (struct iommu_domain_ops *)other->ops;
	other->ops = &no_attach;
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_replace(fdev[0], other));
	other->ops = ops;
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev[0]));
	fake_expect_running(test, &busy);
}

/* A driver is asked about its own devices only */
static void domain_of_another_driver_is_not_asked(struct kunit *test)
{
	static const struct iommu_ops other_ops;
	struct trio trio = trio_create(test, test->param_value);
	struct fake_dev *fdev = trio.fdev[0];
	unsigned int before = trio_calls(&trio);
	const void *owner = trio.other->owner;

	trio.other->owner = &other_ops;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace(fdev, trio.other));
	KUNIT_EXPECT_EQ(test, -EINVAL, iommu_test_attach(trio.other, &fdev->dev,
							 IOMMU_NO_PASID));
	if (trio.fake->variant->pasids) {
		KUNIT_EXPECT_EQ(test, -EINVAL,
				fake_replace_pasid(fdev, 3, trio.other));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				iommu_test_attach(trio.other, &fdev->dev, 3));
	}
	trio.other->owner = owner;
	trio_expect_tested(test, &trio, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, before, trio_calls(&trio));
}

/* What the device is in while the matrix is gone through */
static const struct fake_window matrix_states[] = {
	{ "active", IOMMU_RECOVERY_ACTIVE },
	{ "inside of a reset", IOMMU_RECOVERY_RESETTING },
	{ "quarantined", IOMMU_RECOVERY_QUARANTINED },
};

enum matrix_kind { MATRIX_FITS, MATRIX_BAD, MATRIX_LONE, MATRIX_KINDS };

static int matrix_pasid(struct kunit *test, struct fake_dev *fdev, ioasid_t pasid,
			struct fake_busy *busy, struct iommu_domain *domain)
{
	int answer = iommu_test_attach(domain, &fdev->dev, pasid);

	if (busy->pasid[pasid]) {
		KUNIT_EXPECT_EQ(test, answer, fake_replace_pasid(fdev, pasid, domain));
		if (!answer)
			KUNIT_EXPECT_EQ(test, 0,
					fake_replace_pasid(fdev, pasid,
							   busy->pasid[pasid]));
	} else {
		KUNIT_EXPECT_EQ(test, answer, fake_attach_pasid(fdev, pasid, domain));
		if (!answer)
			fake_detach_pasid(fdev, pasid);
	}
	return answer;
}

static int matrix_rid(struct kunit *test, struct fake_dev *fdev,
		      struct iommu_domain *old, struct iommu_domain *domain)
{
	int answer = iommu_test_attach(domain, &fdev->dev, IOMMU_NO_PASID);

	KUNIT_EXPECT_EQ(test, answer, fake_replace(fdev, domain));
	if (!answer)
		KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, old));
	return answer;
}

/* contract, intended_not_shadow: every answer is what the attach does, in every state */
static void answer_is_what_the_attach_returns(struct kunit *test)
{
	struct trio trio = trio_create(test, test->param_value);
	unsigned int violations = iommu_test_dev_count_violations();
	struct fake_dev *fdev = trio.fdev[0], *bad = trio.fdev[1];
	bool pasids = trio.fake->variant->pasids;
	unsigned int count = 0;
	bool seen[3] = {};
	int answer;

	for (int s = 0; s < ARRAY_SIZE(matrix_states); s++) {
		if (matrix_states[s].state != IOMMU_RECOVERY_ACTIVE)
			KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		if (matrix_states[s].state == IOMMU_RECOVERY_QUARANTINED)
			iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
		KUNIT_EXPECT_EQ(test, (int)matrix_states[s].state,
				(int)fake_state(fdev));

		for (int kind = 0; kind < MATRIX_KINDS; kind++) {
			bad->bad = kind == MATRIX_BAD ? trio.other : NULL;
			trio.fake->lone = kind == MATRIX_LONE ? trio.other : NULL;
			answer = matrix_rid(test, fdev, trio.busy.rid, trio.other);
			KUNIT_EXPECT_EQ(test, answer,
					kind == MATRIX_BAD ? -EINVAL :
					kind == MATRIX_LONE && pasids ? -EBUSY : 0);
			seen[0] |= !answer;
			seen[1] |= answer == -EINVAL;
			seen[2] |= answer == -EBUSY;
			count++;
			if (!pasids)
				continue;

			/* A PASID with another, or none, and the RID on such a domain */
			bad->bad_pasid = kind == MATRIX_BAD ? 3 : 0;
			if (kind == MATRIX_LONE)
				trio.fake->lone = trio.busy.rid;
			answer = matrix_pasid(test, fdev, 3, &trio.busy, trio.other);
			KUNIT_EXPECT_EQ(test, answer, kind == MATRIX_FITS ? 0 : -EINVAL);
			bad->bad_pasid = kind == MATRIX_BAD ? 2 : 0;
			answer = matrix_pasid(test, fdev, 2, &trio.busy, trio.other);
			KUNIT_EXPECT_EQ(test, answer, kind == MATRIX_FITS ? 0 : -EINVAL);
			bad->bad_pasid = 0;
			count += 2;
		}
		bad->bad = NULL;
		trio.fake->lone = NULL;
		if (matrix_states[s].state == IOMMU_RECOVERY_RESETTING)
			iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	}
	fake_reset(test, fdev, IOMMU_RESET_OK);
	trio_expect_running(test, &trio);
	KUNIT_EXPECT_EQ(test, violations, iommu_test_dev_count_violations());
	KUNIT_EXPECT_TRUE(test, seen[0] && seen[1] && (seen[2] || !pasids));
	kunit_info(test, "%u combinations\n", count);
}

/* intended_not_shadow: what a driver is told while the core holds the device */
static void device_in_a_reset_is_asked_about_what_is_intended(struct kunit *test)
{
	struct trio trio = trio_create(test, test->param_value);
	struct fake_iommu *fake = trio.fake;
	struct fake_dev *fdev = trio.fdev[0];

	fake->lone = trio.other;
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	KUNIT_EXPECT_EQ(test, fake->variant->pasids ? -EBUSY : 0,
			iommu_test_attach(trio.other, &fdev->dev, IOMMU_NO_PASID));
	KUNIT_EXPECT_EQ(test, 1, fdev->tested);
	KUNIT_EXPECT_PTR_EQ(test, trio.busy.rid, fake->intended);
	/* Without PASIDs the last one to be asked was another device */
	if (fake->variant->gate || !fake->variant->pasids)
		KUNIT_EXPECT_PTR_EQ(test, trio.busy.rid, fake->actual);
	else
		KUNIT_EXPECT_TRUE(test, fake_is_blocking(fake->actual));

	/* The first one to be asked has refused, if there are PASIDs */
	KUNIT_EXPECT_EQ(test, fake->variant->pasids ? 0 : 1, trio.fdev[1]->tested);

	/* One PASID after the other goes; the last one makes the difference */
	for (int i = 0; i < FAKE_NR_PASIDS; i++) {
		if (!trio.busy.pasid[i])
			continue;
		KUNIT_EXPECT_EQ(test, -EBUSY, fake_replace(fdev, trio.other));
		fake_detach_pasid(fdev, i);
		iommu_domain_free(trio.busy.pasid[i]);
		trio.busy.pasid[i] = NULL;
	}
	KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, trio.other));
	if (fake->variant->pasids)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				fake_attach_pasid(fdev, 2, trio.busy.rid));
	iommu_domain_free(trio.busy.rid);
	trio.busy.rid = trio.other;
	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
	trio_expect_running(test, &trio);
	fake_detach(fdev);
	fake->lone = NULL;
}

/* contract: what does not keep to it is counted, where the kernel is built to */
static void broken_promises_are_counted(struct kunit *test)
{
	static const int resources[] = { -ENOMEM, -ENOSPC, -EIO };
	struct trio trio = trio_create(test, test->param_value);
	struct fake_dev *fdev = trio.fdev[1];
	unsigned int count = iommu_test_dev_count_violations();

	if (!IS_ENABLED(CONFIG_IOMMU_DEBUG_TEST_DEV))
		kunit_skip(test, "CONFIG_IOMMU_DEBUG_TEST_DEV is not set");

	fdev->lies = true;
	fdev->bad = trio.other;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace(fdev, trio.other));
	KUNIT_EXPECT_EQ(test, ++count, iommu_test_dev_count_violations());
	if (trio.fake->variant->pasids) {
		fdev->bad_pasid = 3;
		KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace_pasid(fdev, 3, trio.other));
		KUNIT_EXPECT_EQ(test, ++count, iommu_test_dev_count_violations());
		fdev->bad_pasid = 0;
	}
	for (int i = 0; i < ARRAY_SIZE(resources); i++) {
		fdev->bad_error = resources[i];
		KUNIT_EXPECT_EQ(test, resources[i], fake_replace(fdev, trio.other));
	}
	fdev->bad = NULL;
	fdev->bad_error = 0;
	fdev->lies = false;
	KUNIT_EXPECT_EQ(test, count, iommu_test_dev_count_violations());
	trio_expect_running(test, &trio);

	/* An answer that is none */
	fdev->refuse = -EPERM;
	KUNIT_EXPECT_EQ(test, -EPERM, fake_replace(fdev, trio.other));
	KUNIT_EXPECT_EQ(test, ++count, iommu_test_dev_count_violations());
	fdev->refuse = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, trio.other));
	KUNIT_EXPECT_EQ(test, count, iommu_test_dev_count_violations());
}

/* nofail */
static void what_must_succeed_is_not_asked(struct kunit *test)
{
	const struct fake_variant *variant = test->param_value;
	struct trio trio = trio_create(test, variant);
	struct fake_iommu *fake = trio.fake;
	struct fake_dev *fdev = trio.fdev[0], *late;

	fake->refuse = -EINVAL;

	/* The first attach of a device, in a group of its own and in theirs */
	late = fake_dev_add(fake, 1);
	KUNIT_EXPECT_NOT_NULL(test, late->rid);
	KUNIT_EXPECT_EQ(test, 0, late->tested);
	late = fake_dev_add(fake, 0);
	FAKE_EXPECT_ON(test, late, trio.busy.rid);
	KUNIT_EXPECT_EQ(test, 0, late->tested);

	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		if (trio.busy.pasid[i]) {
			fake_detach_pasid(fdev, i);
			FAKE_EXPECT_PASID_ON(test, fdev, i, NULL);
		}
	fake_detach(fdev);
	trio_expect_tested(test, &trio, 0, 0, 0);

	/* Who comes to own it may be refused, but not who gives it back */
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_group_claim_dma_owner(fake_group(fdev), fake));
	fake->refuse = 0;
	KUNIT_EXPECT_EQ(test, 0, iommu_group_claim_dma_owner(fake_group(fdev), fake));
	KUNIT_EXPECT_TRUE(test, fake_is_blocking(fdev->rid));
	for (int i = 0; i < 3; i++)
		trio.fdev[i]->tested = 0;
	fake->refuse = -EINVAL;
	iommu_group_release_dma_owner(fake_group(fdev));
	KUNIT_EXPECT_FALSE(test, fake_is_blocking(fdev->rid));

	/* Nor is a reset that fails, or one that succeeds */
	fake_reset(test, fdev, IOMMU_RESET_FAILED);
	KUNIT_EXPECT_TRUE(test, fake_is_fenced(fdev));
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	trio_expect_tested(test, &trio, 0, 0, 0);

	fake_dev_remove(trio.fdev[1]);
	KUNIT_EXPECT_EQ(test, 0, trio.fdev[2]->tested);
	fake->refuse = 0;
}

/* pasid_all_devices: and one that has no, or not as many PASIDs */
static void pasid_is_for_every_device_that_has_some(struct kunit *test)
{
	struct trio trio = trio_create(test, &fake_test_dev_variants[0]);
	struct fake_dev *fdev = trio.fdev[0];
	unsigned int before = trio_calls(&trio);
	u32 *max = &trio.fdev[2]->dev.iommu->max_pasids, all = *max;

	*max = 6;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_attach_pasid(fdev, 6, trio.other));
	KUNIT_EXPECT_EQ(test, -EINVAL, iommu_test_attach(trio.other, &fdev->dev, 7));
	KUNIT_EXPECT_EQ(test, before, trio_calls(&trio));
	*max = 3;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace_pasid(fdev, 3, trio.other));
	KUNIT_EXPECT_EQ(test, before, trio_calls(&trio));
	for (int i = 0; i < 3; i++)
		trio.fdev[i]->tested = 0;

	*max = 0;
	trio.fdev[2]->refuse = -EINVAL;
	KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, 6, trio.other));
	trio_expect_tested(test, &trio, 1, 1, 0);
	FAKE_EXPECT_PASID_ON(test, trio.fdev[1], 6, trio.other);
	FAKE_EXPECT_PASID_ON(test, trio.fdev[2], 6, NULL);
	fake_detach_pasid(fdev, 6);
	trio.fdev[2]->refuse = 0;
	*max = all;
	trio_expect_running(test, &trio);
}

/* deferred: what is attached inside of a reset, and kept until one succeeds */
static void attach_in_a_reset_is_carried_out_by_the_reset(struct kunit *test)
{
	struct trio trio = trio_create(test, test->param_value);
	bool pasids = trio.fake->variant->pasids;
	struct fake_dev *fdev = trio.fdev[0];
	struct fake_busy want = { .fdev = fdev, .rid = trio.other };
	struct iommu_domain *gone = fake_domain_new(fdev);
	unsigned int before;

	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	before = fake_calls(fdev);
	KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, gone));
	FAKE_EXPECT_ON(test, trio.fdev[1], gone);
	KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, trio.other));
	iommu_domain_free(gone);
	FAKE_EXPECT_ON(test, trio.fdev[1], trio.other);
	if (pasids) {
		want.pasid[1] = trio.busy.pasid[1];
		want.pasid[2] = trio.other;
		want.pasid[3] = trio.other;
		KUNIT_EXPECT_EQ(test, 0, fake_attach_pasid(fdev, 2, trio.other));
		KUNIT_EXPECT_EQ(test, 0, fake_replace_pasid(fdev, 3, trio.other));
		fake_detach_pasid(fdev, 5);
		iommu_domain_free(trio.busy.pasid[5]);
		FAKE_EXPECT_PASID_ON(test, trio.fdev[1], 2, trio.other);
	}
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));
	FAKE_EXPECT_DOCKED(test, fdev);

	iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_DOCKED(test, fdev);
	KUNIT_EXPECT_EQ(test, before, fake_calls(fdev));

	/* Refused as at any other time */
	trio.fdev[2]->refuse = -ENOENT;
	KUNIT_EXPECT_EQ(test, -ENOENT, fake_replace(fdev, trio.busy.rid));
	trio.fdev[2]->refuse = 0;
	fdev->bad = trio.busy.rid;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_replace(fdev, trio.busy.rid));
	fdev->bad = NULL;
	FAKE_EXPECT_ON(test, trio.fdev[1], trio.other);

	fake_reset(test, fdev, IOMMU_RESET_OK);
	for (int i = 0; i < 3; i++) {
		want.fdev = trio.fdev[i];
		fake_expect_running(test, &want);
	}
}

/* deferred: and the memory for it may be lacking then */
static void recorded_attach_without_memory_waits_for_another_reset(struct kunit *test)
{
	struct trio trio = trio_create(test, test->param_value);
	struct fake_dev *fdev = trio.fdev[0];
	struct iommu_domain *domain[2] = { trio.busy.rid, trio.other };
	unsigned int nth;

	for (nth = 1; nth < 20; nth++) {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		KUNIT_EXPECT_EQ(test, 0, fake_replace(fdev, domain[nth % 2]));
		fake_fail_nth(trio.fake, nth);
		fake_done_quietly(test, fdev, IOMMU_RESET_OK);
		if (!trio.fake->failed)
			break;
		FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
		FAKE_EXPECT_REASON(test, fdev, UNFENCE_FAILED);
		FAKE_EXPECT_DOCKED(test, fdev);
		fake_reset(test, fdev, IOMMU_RESET_OK);
		FAKE_EXPECT_STATE(test, fdev, ACTIVE);
		FAKE_EXPECT_ON(test, fdev, domain[nth % 2]);
	}
	fake_fail_nth(trio.fake, 0);
	/* RID and each PASID */
	KUNIT_EXPECT_EQ(test, nth, 2 + trio.busy.nr_pasids);
	trio.busy.rid = domain[nth % 2];
	trio_expect_running(test, &trio);
}

/* deferred: a first attach by DMA inside of a reset is left to the reset, unasked */
static void deferred_attach_is_left_to_the_reset(struct kunit *test)
{
	static const struct fake_variant deferred = {
		.blocked = true, .pasids = true, .deferred = true,
		.test_dev = true, .release = FAKE_RELEASE_BLOCKED,
	};
	struct fake_iommu *fake = fake_create(test, &deferred);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = iommu_get_domain_for_dev(&fdev->dev);

	KUNIT_EXPECT_NULL(test, fdev->rid);
	KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	for (int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 0, iommu_deferred_attach(&fdev->dev, core));
		FAKE_EXPECT_DOCKED(test, fdev);
		if (!i)
			iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
	}
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_ON(test, fdev, core);
	KUNIT_EXPECT_EQ(test, 0, fdev->tested);
}

static struct kunit_case iommu_recovery_test_dev_cases[] = {
	KUNIT_CASE_PARAM(asking_changes_nothing, variants_gen_params),
	KUNIT_CASE_PARAM(refusal_of_one_device_reaches_no_other,
			 variants_gen_params),
	KUNIT_CASE_PARAM(core_refuses_before_anything_is_attached,
			 all_variants_gen_params),
	KUNIT_CASE_PARAM(domain_of_another_driver_is_not_asked,
			 variants_gen_params),
	KUNIT_CASE_PARAM(answer_is_what_the_attach_returns, variants_gen_params),
	KUNIT_CASE_PARAM(device_in_a_reset_is_asked_about_what_is_intended,
			 variants_gen_params),
	KUNIT_CASE_PARAM(broken_promises_are_counted, variants_gen_params),
	KUNIT_CASE_PARAM(what_must_succeed_is_not_asked, variants_gen_params),
	KUNIT_CASE(pasid_is_for_every_device_that_has_some),
	KUNIT_CASE_PARAM(attach_in_a_reset_is_carried_out_by_the_reset,
			 dock_variants_gen_params),
	KUNIT_CASE_PARAM(recorded_attach_without_memory_waits_for_another_reset,
			 dock_variants_gen_params),
	KUNIT_CASE(deferred_attach_is_left_to_the_reset),
	{}
};

static struct kunit_suite iommu_recovery_test_dev_suite = {
	.name = "iommu_recovery_test_dev",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = iommu_recovery_test_dev_cases,
};

kunit_test_suite(iommu_recovery_test_dev_suite);
