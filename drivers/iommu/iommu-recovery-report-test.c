// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of reports of broken devices: how many, from where, how late, and about
 * a device that goes.
 *
 * The IOMMU is a fake one, see iommu-recovery-fake.h.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>

#include "iommu-recovery-fake.h"

#define REPORT_STORM		1000000
#define REPORT_BURST		1000
#define REPORT_RETRY_MS		1000	/* of the work item */
#define REPORT_PARTS		10	/* a case must not take minutes */

static unsigned int removals = 1000;
module_param(removals, uint, 0444);
MODULE_PARM_DESC(removals, "how many devices are removed while they are reported");

/* The work item of a device, counted and held */
struct held_work {
	struct fake_dev *fdev;
	work_func_t func;
	struct completion go;
	atomic_t runs;
};

/* That of one device at a time: a work function is given nothing but the work */
static struct held_work *held_work;

static void held_work_func(struct work_struct *work)
{
	struct held_work *held = held_work;

	atomic_inc(&held->runs);
	wait_for_completion(&held->go);
	held->func(work);
}

static void hold_work(struct held_work *held, struct fake_dev *fdev)
{
	struct work_struct *work = &fake_recovery(fdev)->work.work;

	*held = (struct held_work) { .fdev = fdev, .func = work->func };
	init_completion(&held->go);
	held_work = held;
	work->func = held_work_func;
}

static void let_work_run(struct held_work *held)
{
	complete_all(&held->go);
	flush_delayed_work(&fake_recovery(held->fdev)->work);
}

static void report(struct fake_dev *fdev)
{
	iommu_report_device_broken(&fdev->dev, IOMMU_BROKEN_ATC_TIMEOUT);
}

static void expect_told(struct kunit *test, struct fake_iommu *fake,
			int quarantined, int active)
{
	KUNIT_EXPECT_EQ(test, quarantined, atomic_read(&fake->told_quarantined));
	KUNIT_EXPECT_EQ(test, active, atomic_read(&fake->told_active));
}

struct storm {
	struct hrtimer timer;
	struct fake_dev *fdev;
	unsigned int left;
	unsigned int elsewhere;	/* reports that did not come from an interrupt */
	struct completion over;
};

static enum hrtimer_restart storm_burst(struct hrtimer *timer)
{
	struct storm *storm = container_of(timer, struct storm, timer);

	for (int i = 0; i < REPORT_BURST; i++) {
		storm->elsewhere += !in_hardirq();
		report(storm->fdev);
	}
	storm->left -= REPORT_BURST;
	if (!storm->left) {
		complete(&storm->over);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, us_to_ktime(100));
	return HRTIMER_RESTART;
}

/* The work item is held over the first half, and has fenced the device in the second */
static void a_million_reports_are_one(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct storm storm = { .fdev = fdev };
	struct held_work held;

	hold_work(&held, fdev);
	hrtimer_setup_on_stack(&storm.timer, storm_burst, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL_HARD);
	for (int half = 0; half < 2; half++) {
		init_completion(&storm.over);
		storm.left = REPORT_STORM / 2;
		hrtimer_start(&storm.timer, 0, HRTIMER_MODE_REL_HARD);
		wait_for_completion(&storm.over);
		hrtimer_cancel(&storm.timer);
		KUNIT_EXPECT_EQ(test, half, (int)fdev->fence_calls);
		let_work_run(&held);
	}
	destroy_hrtimer_on_stack(&storm.timer);

	KUNIT_EXPECT_EQ(test, 0, storm.elsewhere);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&held.runs));
	KUNIT_EXPECT_EQ(test, 1, fdev->fence_calls);
	FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
	FAKE_EXPECT_REASON(test, fdev, ATC_TIMEOUT);
	fake_expect_file(test, fdev, "quarantine_count", "1\n");
	expect_told(test, fake, 1, 0);
}

/* Reported, and reset before the work item comes to it: there is nothing left to do */
static void a_report_that_a_reset_has_answered_is_over(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, test->param_value);
	struct fake_dev *fdev = fake_dev_add(fake, 0);
	struct fake_busy busy = fake_busy(fdev);
	struct held_work held;
	unsigned int calls;

	hold_work(&held, fdev);
	report(fdev);
	FAKE_EXPECT_STATE(test, fdev, BROKEN);
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_expect_running(test, &busy);

	calls = fake_calls(fdev) + fdev->fence_calls;
	let_work_run(&held);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&held.runs));
	fake_expect_running(test, &busy);
	KUNIT_EXPECT_EQ(test, calls, fake_calls(fdev) + fdev->fence_calls);
	fake_expect_file(test, fdev, "quarantine_count", "0\n");
	expect_told(test, fake, 0, 0);
}

/* The same with a reset that fails, or that was none: it is quarantined once */
static void a_report_that_a_reset_has_not_answered_stays(struct kunit *test)
{
	static const enum iommu_reset_result results[] = {
		IOMMU_RESET_FAILED, IOMMU_RESET_NOT_DONE,
	};
	struct fake_iommu *fake = fake_create(test, test->param_value);

	for (int i = 0; i < ARRAY_SIZE(results); i++) {
		struct fake_dev *fdev = fake_dev_add(fake, 0);
		struct held_work held;

		hold_work(&held, fdev);
		report(fdev);
		fake_reset(test, fdev, results[i]);
		FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
		let_work_run(&held);
		FAKE_EXPECT_STATE(test, fdev, QUARANTINED);
		KUNIT_EXPECT_TRUE(test, fake_is_fenced(fdev));
		fake_expect_file(test, fdev, "quarantine_count", "1\n");
		expect_told(test, fake, i + 1, 0);
		fake_dev_remove(fdev);
	}
}

static void report_once(struct fake_dev *fdev)
{
	fdev->on_unfence = NULL;
	report(fdev);
}

/* It is about what the reset has let back, whatever that reset says of itself */
static void a_report_while_the_gate_opens_is_not_lost(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *fdev = fake_dev_add(fake, 0);

	fdev->on_unfence = report_once;
	fake_reset(test, fdev, IOMMU_RESET_OK);
	fake_flush_work(test, fdev);
	FAKE_EXPECT_REASON(test, fdev, ATC_TIMEOUT);
	FAKE_EXPECT_GATE(test, fdev, SHUT);
	expect_told(test, fake, 1, 0);

	fake_reset(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
	expect_told(test, fake, 1, 1);
	fake_expect_file(test, fdev, "quarantine_count", "1\n");
}

/* Who reports the device that is there, as a driver that finds it by its stream */
struct reporter {
	raw_spinlock_t lock;	/* protects @fdev and its being reported */
	struct fake_dev *fdev;
	unsigned int reports;
	struct hrtimer timer;
	struct task_struct *task;
};

static void report_who_is_there(struct reporter *reporter)
{
	guard(raw_spinlock_irqsave)(&reporter->lock);

	if (!reporter->fdev)
		return;
	report(reporter->fdev);
	reporter->reports++;
}

static enum hrtimer_restart reporter_timer(struct hrtimer *timer)
{
	report_who_is_there(container_of(timer, struct reporter, timer));
	hrtimer_forward_now(timer, us_to_ktime(150));
	return HRTIMER_RESTART;
}

static int reporter_thread(void *data)
{
	while (!kthread_should_stop()) {
		report_who_is_there(data);
		usleep_range(10, 100);
	}
	return 0;
}

static void report_no_more(struct fake_dev *fdev)
{
	struct reporter *reporter = fdev->fake->priv;

	guard(raw_spinlock_irqsave)(&reporter->lock);
	if (reporter->fdev == fdev)
		reporter->fdev = NULL;
}

/* Until release_device(), from a thread and from an interrupt */
static void reports_race_with_removals(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	struct fake_dev *sibling = fake_dev_add(fake, 0);
	unsigned int reported = 0, rounds = removals / REPORT_PARTS;
	struct reporter *reporter;

	reporter = kunit_kzalloc(test, sizeof(*reporter), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, reporter);
	raw_spin_lock_init(&reporter->lock);
	fake->priv = reporter;
	fake->on_release = report_no_more;
	reporter->task = kthread_run(reporter_thread, reporter, "reporter");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, reporter->task);
	hrtimer_setup(&reporter->timer, reporter_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
	hrtimer_start(&reporter->timer, us_to_ktime(50), HRTIMER_MODE_REL_HARD);

	for (int i = 0; i < rounds; i++) {
		struct fake_dev *fdev = fake_dev_add(fake, 0);
		unsigned int before;

		/* Some are stuck, so that the work item comes again and again */
		fdev->gate_stuck = i % 5 == 0;
		scoped_guard(raw_spinlock_irqsave, &reporter->lock) {
			before = reporter->reports;
			reporter->fdev = fdev;
		}
		if (i % 3 == 1)
			udelay(i % 500);
		else if (i % 3 == 2)
			usleep_range(200, 400);
		fake_dev_remove(fdev);
		reported += reporter->reports != before;
		/* Whoever had a reference has put it */
		if (atomic_read(&fake->nr_devices) != 1) {
			KUNIT_FAIL(test, "after round %d there are %d devices", i,
				   atomic_read(&fake->nr_devices));
			break;
		}
	}
	hrtimer_cancel(&reporter->timer);
	kthread_stop(reporter->task);

	kunit_info(test, "%u of %u devices were reported\n", reported, rounds);
	KUNIT_EXPECT_GE(test, reported, rounds / 4);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->nr_groups));
	FAKE_EXPECT_STATE(test, sibling, ACTIVE);
	FAKE_EXPECT_GATE(test, sibling, OPEN);
}

static void on_fence_slowly(struct fake_dev *fdev)
{
	complete(fdev->fake->priv);
	msleep(50);
}

/*
 * A driver that is unloaded removes its devices. The work item of one waits, that of
 * another is fencing it, a third cannot be fenced and is tried again after a second,
 * and that of the last is queued and about to run.
 */
static void work_does_not_outlive_its_driver(struct kunit *test)
{
	struct fake_iommu *fake = fake_create_gate(test, FAKE_GATED);
	DECLARE_COMPLETION_ONSTACK(fencing);
	struct fake_dev *fdevs[4];
	unsigned int calls[4];

	fake->priv = &fencing;
	for (int i = 0; i < ARRAY_SIZE(fdevs); i++)
		fdevs[i] = fake_dev_add(fake, i % FAKE_NR_GROUPS);
	fdevs[0]->gate_stuck = true;
	report(fdevs[0]);
	flush_delayed_work(&fake_recovery(fdevs[0])->work);
	KUNIT_EXPECT_EQ(test, 1, fdevs[0]->fence_calls);
	FAKE_EXPECT_STATE(test, fdevs[0], BROKEN);

	fdevs[1]->on_fence = on_fence_slowly;
	report(fdevs[1]);
	wait_for_completion(&fencing);
	/* In the group of the first */
	report(fdevs[3]);
	report(fdevs[2]);
	for (int i = 0; i < ARRAY_SIZE(fdevs); i++) {
		/* Only to look at it: what the core has on it is freed */
		get_device(&fdevs[i]->dev);
		fake_dev_remove(fdevs[i]);
	}
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_groups));

	for (int i = 0; i < ARRAY_SIZE(fdevs); i++)
		calls[i] = fdevs[i]->fence_calls;
	msleep(REPORT_RETRY_MS + 200);
	for (int i = 0; i < ARRAY_SIZE(fdevs); i++) {
		KUNIT_EXPECT_EQ(test, calls[i], fdevs[i]->fence_calls);
		put_device(&fdevs[i]->dev);
	}
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_devices));
}

static const void *parts_gen_params(struct kunit *test, const void *prev,
				    char *desc)
{
	uintptr_t part = (uintptr_t)prev + 1;

	if (part > REPORT_PARTS)
		return NULL;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "part %lu", part);
	return (void *)part;
}

KUNIT_ARRAY_PARAM_DESC(variants, fake_all_variants, name);

static struct kunit_case report_cases[] = {
	KUNIT_CASE_SLOW(a_million_reports_are_one),
	KUNIT_CASE_PARAM(a_report_that_a_reset_has_answered_is_over,
			 variants_gen_params),
	KUNIT_CASE_PARAM(a_report_that_a_reset_has_not_answered_stays,
			 variants_gen_params),
	KUNIT_CASE(a_report_while_the_gate_opens_is_not_lost),
	KUNIT_CASE_PARAM_ATTR(reports_race_with_removals, parts_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_SLOW(work_does_not_outlive_its_driver),
	{}
};

static struct kunit_suite report_suite = {
	.name = "iommu_report",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = fake_exit,
	.test_cases = report_cases,
};

kunit_test_suite(report_suite);
