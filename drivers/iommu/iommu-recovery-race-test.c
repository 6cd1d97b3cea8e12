// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery of devices: resets, attaches, the work item and removal
 * at the same time.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h. It is its checks that these tests
 * are about: whatever comes in between, the driver is told where the hardware is, and
 * no domain is freed that the hardware is on.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/slab.h>

#include "iommu-priv.h"
#include "iommu-recovery-fake.h"

/* With KASAN or KCSAN each of them takes ten times as long */
#define RACE_ROUNDS \
	(IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_KCSAN) ? 500 : 2000)

struct racer {
	struct kunit *test;
	struct fake_dev *fdev;
	struct completion done;
	unsigned int busy;
	void (*fn)(struct racer *racer);
};

static int racer_thread(void *data)
{
	struct racer *racer = data;

	/* So that static stubs act here, too */
	current->kunit_test = racer->test;
	racer->fn(racer);
	current->kunit_test = NULL;
	complete(&racer->done);
	return 0;
}

static void run_racers(struct kunit *test, struct racer *racers, int nr)
{
	struct task_struct *task;
	int started;

	for (started = 0; started < nr; started++) {
		racers[started].test = test;
		init_completion(&racers[started].done);
		task = kthread_run(racer_thread, &racers[started],
				   "recovery_race%d", started);
		if (IS_ERR(task)) {
			KUNIT_FAIL(test, "no thread");
			break;
		}
	}
	for (int i = 0; i < started; i++)
		wait_for_completion(&racers[i].done);
}

static void reset_often(struct racer *racer)
{
	struct device *dev = &racer->fdev->dev;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		if (iommu_dev_reset_prepare(dev)) {
			KUNIT_FAIL(racer->test, "prepare fails in round %d", i);
			return;
		}
		if (!fake_is_fenced(racer->fdev))
			KUNIT_FAIL(racer->test, "not fenced in round %d", i);
		if (i % 7 == 0) {
			iommu_dev_reset_prepare(dev);
			iommu_dev_reset_done(dev, IOMMU_RESET_FAILED);
		}
		if (!fake_is_fenced(racer->fdev))
			KUNIT_FAIL(racer->test, "not fenced in round %d", i);
		iommu_dev_reset_done(dev, i % 3);
		if (i % 16 == 0)
			cond_resched();
	}
	if (iommu_dev_reset_prepare(dev))
		KUNIT_FAIL(racer->test, "prepare fails");
	iommu_dev_reset_done(dev, IOMMU_RESET_OK);
}

static void race_expect(struct racer *racer, int ret)
{
	if (ret == -EBUSY)
		racer->busy++;
	else if (ret)
		KUNIT_FAIL(racer->test, "attach fails: %d", ret);
}

/*
 * The RID goes from one domain to the next, and back to the core's sometimes. Each is
 * freed when it is detached, so one that is used too long is noticed.
 */
static void attach_often(struct racer *racer)
{
	struct iommu_domain *domain, *old = NULL;
	int ret;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		domain = fake_domain_try_new(racer->fdev);
		if (!domain)
			break;
		if (old && i % 5 == 0) {
			fake_detach(racer->fdev);
			iommu_domain_free(old);
			old = NULL;
		}
		ret = old ? fake_replace(racer->fdev, domain) :
			    fake_attach(racer->fdev, domain);
		race_expect(racer, ret);
		if (ret) {
			iommu_domain_free(domain);
		} else {
			if (old)
				iommu_domain_free(old);
			old = domain;
		}
		if (i % 16 == 0)
			cond_resched();
	}
	if (old) {
		fake_detach(racer->fdev);
		iommu_domain_free(old);
	}
}

static void attach_pasids_often(struct racer *racer)
{
	struct device *dev = &racer->fdev->dev;
	struct iommu_domain *domain, *now[FAKE_NR_PASIDS] = {};
	ioasid_t pasid;
	int ret;

	if (!racer->fdev->fake->variant->pasids)
		return;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		pasid = 1 + i % 4;
		if (now[pasid]) {
			iommu_detach_device_pasid(now[pasid], dev, pasid);
			iommu_domain_free(now[pasid]);
			now[pasid] = NULL;
		}
		domain = fake_domain_try_new(racer->fdev);
		if (!domain)
			break;
		ret = iommu_attach_device_pasid(domain, dev, pasid, NULL);
		race_expect(racer, ret);
		if (ret)
			iommu_domain_free(domain);
		else
			now[pasid] = domain;
		if (i % 16 == 0)
			cond_resched();
	}
	for (pasid = 1; pasid < FAKE_NR_PASIDS; pasid++) {
		if (!now[pasid])
			continue;
		iommu_detach_device_pasid(now[pasid], dev, pasid);
		iommu_domain_free(now[pasid]);
	}
}

KUNIT_ARRAY_PARAM_DESC(variants, fake_all_variants, name);

static void resets_race_with_attaches(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	struct racer racers[] = {
		{ .fdev = fdev, .fn = reset_often },
		{ .fdev = fdev, .fn = attach_often },
		{ .fdev = fdev, .fn = attach_pasids_often },
	};

	run_racers(test, racers, ARRAY_SIZE(racers));
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_ON(test, fdev, core);
	kunit_info(test, "attaches refused: %u, of PASIDs %u", racers[1].busy,
		   racers[2].busy);
}

/* Two devices of a group, each with a thread that resets it */
static void resets_of_a_group_race(struct kunit *test, unsigned int alias)
{
	struct fake_iommu *fake = fake_create(test, FAKE_FULL);
	struct fake_dev *a = fake_dev_add_alias(fake, 0, alias);
	struct fake_dev *b = fake_dev_add_alias(fake, 0, alias);
	struct fake_busy busy = fake_busy(a);
	struct racer racers[] = {
		{ .fdev = a, .fn = reset_often },
		{ .fdev = b, .fn = reset_often },
	};

	run_racers(test, racers, ARRAY_SIZE(racers));
	/* The last one to be lifted has lifted them both. */
	fake_expect_running(test, &busy);
	busy.fdev = b;
	fake_expect_running(test, &busy);
}

static void resets_of_two_devices_race(struct kunit *test)
{
	resets_of_a_group_race(test, 0);
}

static void resets_of_two_aliases_race(struct kunit *test)
{
	resets_of_a_group_race(test, 1);
}

/* The work item waits for group->mutex, is about to, or has just been queued */
static void removal_races_with_the_work(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, FAKE_FULL);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	struct iommu_domain *domain = fake_domain_new(sibling);

	for (int i = 0; i < RACE_ROUNDS / 10; i++) {
		struct fake_dev *fdev = fake_dev_add(fake, 0);

		KUNIT_ASSERT_EQ(test, 0, fake_attach_pasid(fdev, 1, domain));
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
		fdev->bad_pasid = 1;
		fdev->bad_blocking = true;
		iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_OK);
		/* The work item runs on from here: it fences, or it does not. */
		fdev->bad_blocking = false;
		fake_detach_pasid(fdev, 1);
		fake_dev_remove(fdev);
		KUNIT_ASSERT_EQ(test, 1, atomic_read(&fake->nr_devices));
	}
	FAKE_EXPECT_STATE(test, sibling, ACTIVE);
	KUNIT_EXPECT_FALSE(test, fake_is_blocking(sibling->rid));
}

/* What is shut stays shut, and nothing is shut for nothing; group->mutex is held. */
static void gate_is_where_it_has_to_be(struct fake_dev *fdev)
{
	enum fake_gate gate = READ_ONCE(fdev->gate);
	/* A report may come in between; then nothing is expected. */
	enum iommu_recovery_state state = fake_state(fdev);

	if ((state == IOMMU_RECOVERY_RESETTING ||
	     state == IOMMU_RECOVERY_QUARANTINED) && gate != FAKE_GATE_SHUT)
		fake_violation(fdev->fake, "the gate is open in state %d", state);
	if (state == IOMMU_RECOVERY_ACTIVE && gate != FAKE_GATE_OPEN)
		fake_violation(fdev->fake, "the gate is shut, and nobody asks for it");
}

static void report_often(struct racer *racer)
{
	for (int i = 0; i < RACE_ROUNDS / 10; i++) {
		fake_report(racer->fdev);
		usleep_range(20, 200);
	}
}

static void resets_race_with_attaches_and_reports(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct iommu_domain *core = fdev->rid;
	struct racer racers[] = {
		{ .fdev = fdev, .fn = reset_often },
		{ .fdev = fdev, .fn = attach_often },
		{ .fdev = fdev, .fn = attach_pasids_often },
		{ .fdev = fdev, .fn = report_often },
	};

	fdev->on_attach = gate_is_where_it_has_to_be;
	run_racers(test, racers, ARRAY_SIZE(racers));
	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	FAKE_EXPECT_ON(test, fdev, core);
	/* No attach is refused. */
	KUNIT_EXPECT_EQ(test, 0, racers[1].busy);
	KUNIT_EXPECT_EQ(test, 0, racers[2].busy);
}

/* One requester ID: each has its own reasons, and the gates of both move together */
static void gates_of_two_aliases_race(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *a = fake_dev_add_alias(fake, 0, 1);
	struct fake_dev *b = fake_dev_add_alias(fake, 0, 1);
	struct racer racers[] = {
		{ .fdev = a, .fn = reset_often },
		{ .fdev = b, .fn = reset_often },
		{ .fdev = a, .fn = attach_often },
		{ .fdev = b, .fn = report_often },
	};

	run_racers(test, racers, ARRAY_SIZE(racers));
	fake_reset(test, a, IOMMU_RESET_OK);
	fake_reset(test, b, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, a, ACTIVE);
	FAKE_EXPECT_STATE(test, b, ACTIVE);
	FAKE_EXPECT_GATE(test, a, OPEN);
	FAKE_EXPECT_GATE(test, b, OPEN);
	KUNIT_EXPECT_EQ(test, 0, racers[2].busy);
}

/* As removal_races_with_the_work() */
static void removal_races_with_the_work_at_the_gate(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *mate = fake_dev_add_alias(fake, 0, 1);

	for (int i = 0; i < RACE_ROUNDS / 10; i++) {
		struct fake_dev *fdev = fake_dev_add_alias(fake, 0, 1);

		fdev->gate_stuck = true;
		KUNIT_ASSERT_EQ(test, -ETIMEDOUT,
				iommu_dev_reset_prepare(&fdev->dev));
		fdev->gate_stuck = false;
		fake_dev_remove(fdev);
		KUNIT_ASSERT_EQ(test, 1, atomic_read(&fake->nr_devices));
		FAKE_EXPECT_GATE(test, mate, OPEN);
	}
	FAKE_EXPECT_STATE(test, mate, ACTIVE);
}

KUNIT_ARRAY_PARAM_DESC(gate_variants, fake_gate_variants, name);

static struct kunit_case iommu_recovery_race_cases[] = {
	KUNIT_CASE_PARAM(resets_race_with_attaches, variants_gen_params),
	KUNIT_CASE(resets_of_two_devices_race),
	KUNIT_CASE(resets_of_two_aliases_race),
	KUNIT_CASE(removal_races_with_the_work),
	KUNIT_CASE_PARAM(resets_race_with_attaches_and_reports,
			 gate_variants_gen_params),
	KUNIT_CASE(gates_of_two_aliases_race),
	KUNIT_CASE(removal_races_with_the_work_at_the_gate),
	{}
};

static struct kunit_suite iommu_recovery_race_suite = {
	.name = "iommu_recovery_race",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = iommu_recovery_race_cases,
};

kunit_test_suite(iommu_recovery_race_suite);
