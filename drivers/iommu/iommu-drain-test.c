// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the drain of page faults: what is still done about those of a domain
 * when it is detached or replaced, and who gets those that come meanwhile.
 *
 * See iommu-drain-test.h.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/mmap_lock.h>
#include <linux/random.h>
#include <linux/sched.h>

#include "iommu-drain-test.h"

/* Who does not wait has done it by then */
#define DRAIN_A_WHILE_MS	20
#define DRAIN_STRESS		(2 * HZ)
#define DRAIN_NR_SWITCHES	5000

/* How something is left, or not even that */
struct drain_way {
	const char *name;
	ioasid_t pasid;
	bool attached;
	bool replaced;
	bool fails;
};

static const struct drain_way drain_leaves[] = {
	{ "PASID detached", 1, true },
	{ "PASID replaced", 1, true, true },
	{ "RID detached", IOMMU_NO_PASID, true },
	{ "RID replaced", IOMMU_NO_PASID, true, true },
};

static const struct drain_way drain_switches[] = {
	{ "PASID attached", 1, false, true },
	{ "PASID not attached", 1, false, true, true },
	{ "PASID detached", 1, true },
	{ "PASID replaced", 1, true, true },
	{ "PASID not replaced", 1, true, true, true },
	{ "RID attached", IOMMU_NO_PASID, false, true },
	{ "RID not attached", IOMMU_NO_PASID, false, true, true },
	{ "RID detached", IOMMU_NO_PASID, true },
	{ "RID replaced", IOMMU_NO_PASID, true, true },
	{ "RID not replaced", IOMMU_NO_PASID, true, true, true },
};

/* Tests: who handles a fault when its domain is left */

static void drain_waits(struct kunit *test, enum drain_mode mode)
{
	const struct drain_way *way = test->param_value;
	struct drain_ctx *ctx = drain_create(test);
	struct drain_handle *old = drain_handle_new(ctx, mode), *new = NULL;
	struct drain_job *report, *leave, *other;
	unsigned int calls;

	if (way->replaced)
		new = drain_handle_new(ctx, DRAIN_NOW);
	KUNIT_ASSERT_EQ(test, 0, drain_attach(old, NULL, way->pasid));
	report = drain_job(ctx, drain_report_job, way->pasid, 1);
	drain_start(report);
	KUNIT_ASSERT_TRUE(test, drain_waited(&old->entered));

	calls = fake_calls(ctx->fdev);
	leave = drain_job(ctx, drain_switch_job, way->pasid, 0);
	leave->old = old;
	leave->new = new;
	drain_start(leave);
	for (int i = 0; i < 1000 && fake_calls(ctx->fdev) == calls; i++)
		fsleep(1000);
	msleep(DRAIN_A_WHILE_MS);
	KUNIT_EXPECT_FALSE(test, completion_done(&leave->done));
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 1));

	/* Meanwhile the group is not locked, and the next fault is not of the old domain */
	other = drain_job(ctx, drain_switch_job, 7, 0);
	other->new = drain_handle_new(ctx, DRAIN_NOW);
	drain_start(other);
	KUNIT_EXPECT_TRUE(test, drain_waited(&other->done));
	KUNIT_EXPECT_EQ(test, 0, other->ret);
	drain_report(ctx, way->pasid, 2);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&old->handled));
	if (new)
		drain_expect_answer(ctx, 2, IOMMU_PAGE_RESP_SUCCESS);
	else
		drain_expect_answer(ctx, 2, IOMMU_PAGE_RESP_INVALID);

	complete_all(&old->go);
	KUNIT_ASSERT_TRUE(test, drain_waited(&leave->done));
	KUNIT_ASSERT_TRUE(test, drain_waited(&report->done));
	flush_workqueue(ctx->queue->wq);
	KUNIT_EXPECT_EQ(test, 0, leave->ret);
	drain_expect_answer(ctx, 1, IOMMU_PAGE_RESP_SUCCESS);
	KUNIT_EXPECT_TRUE(test, drain_is_untouched(old));
	KUNIT_EXPECT_EQ(test, new ? 1 : 0, new ? atomic_read(&new->handled) : 0);
}

static void leaving_waits_for_a_handler(struct kunit *test)
{
	drain_waits(test, DRAIN_BLOCK);
}

static void leaving_waits_for_work_with_a_count(struct kunit *test)
{
	drain_waits(test, DRAIN_WORK);
}

/* Whoever has taken it over answers when he likes, and does not need the handle */
static void leaving_does_not_wait_for_who_took_over(struct kunit *test)
{
	const struct drain_way *way = test->param_value;
	struct drain_ctx *ctx = drain_create(test);
	struct drain_handle *old = drain_handle_new(ctx, DRAIN_LIST);
	struct drain_job *leave = drain_job(ctx, drain_switch_job, way->pasid, 0);

	KUNIT_ASSERT_EQ(test, 0, drain_attach(old, NULL, way->pasid));
	KUNIT_EXPECT_EQ(test, 0, drain_report(ctx, way->pasid, 1));
	KUNIT_EXPECT_EQ(test, 0, drain_report(ctx, way->pasid, 2));
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 1));

	leave->old = old;
	if (way->replaced)
		leave->new = drain_handle_new(ctx, DRAIN_NOW);
	drain_start(leave);
	KUNIT_EXPECT_TRUE(test, drain_waited(&leave->done));
	drain_expect_answer(ctx, 1, IOMMU_PAGE_RESP_SUCCESS);
	drain_expect_answer(ctx, 2, IOMMU_PAGE_RESP_SUCCESS);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&old->handled));
	KUNIT_EXPECT_TRUE(test, drain_is_untouched(old));
}

static void leaving_does_not_wait_for_another_handle(struct kunit *test)
{
	const struct drain_way *way = test->param_value;
	struct drain_ctx *ctx = drain_create(test);
	struct drain_handle *stuck = drain_handle_new(ctx, DRAIN_BLOCK);
	struct drain_handle *queued = drain_handle_new(ctx, DRAIN_WORK);
	struct drain_handle *old = drain_handle_new(ctx, DRAIN_NOW);
	struct drain_job *report = drain_job(ctx, drain_report_job, 3, 1);
	struct drain_job *leave = drain_job(ctx, drain_switch_job, way->pasid, 0);

	KUNIT_ASSERT_EQ(test, 0, drain_attach(stuck, NULL, 3));
	KUNIT_ASSERT_EQ(test, 0, drain_attach(queued, NULL, 4));
	KUNIT_ASSERT_EQ(test, 0, drain_attach(old, NULL, way->pasid));
	drain_start(report);
	KUNIT_ASSERT_TRUE(test, drain_waited(&stuck->entered));
	drain_report(ctx, 4, 2);
	drain_report(ctx, way->pasid, 3);
	drain_expect_answer(ctx, 3, IOMMU_PAGE_RESP_SUCCESS);

	leave->old = old;
	if (way->replaced)
		leave->new = drain_handle_new(ctx, DRAIN_NOW);
	drain_start(leave);
	KUNIT_EXPECT_TRUE(test, drain_waited(&leave->done));
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 1));
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 2));
	complete_all(&stuck->go);
	complete_all(&queued->go);
	KUNIT_EXPECT_TRUE(test, drain_waited(&report->done));
	flush_workqueue(ctx->queue->wq);
	drain_expect_answer(ctx, 1, IOMMU_PAGE_RESP_SUCCESS);
	drain_expect_answer(ctx, 2, IOMMU_PAGE_RESP_SUCCESS);
}

/* Tests: a fault that comes while the driver switches */

static void drain_report_parts_job(struct drain_job *job)
{
	drain_report_part(job->ctx, job->pasid, job->nr + 1, false);
	drain_report(job->ctx, job->pasid, job->nr);
}

/* Before the hardware is switched, or refuses; the last of the jobs reports. */
static void drain_in_switch(struct fake_dev *fdev)
{
	struct drain_ctx *ctx = fdev->fake->priv;
	struct drain_job *report = &ctx->jobs[0];

	fdev->on_attach = NULL;
	fdev->on_pasid = NULL;
	drain_start(report);
	if (!drain_waited(&report->done))
		fake_violation(fdev->fake, "the report waits for the driver");
	fsleep(1000);
	ctx->in_switch = drain_answers(ctx, 1);
}

static void a_fault_in_the_switch_is_tried_again(struct kunit *test)
{
	const struct drain_way *way = test->param_value;
	struct drain_ctx *ctx = drain_create(test);
	struct fake_dev *fdev = ctx->fdev;
	struct drain_handle *old = NULL, *new = NULL, *who, *who_not;
	struct drain_job *leave;

	drain_job(ctx, drain_report_parts_job, way->pasid, 1);
	/* Who has it is seen by the next fault, which comes when the first is answered */
	ctx->then = drain_job(ctx, drain_report_job, way->pasid, 3);
	if (way->attached) {
		old = drain_handle_new(ctx, DRAIN_NOW);
		KUNIT_ASSERT_EQ(test, 0, drain_attach(old, NULL, way->pasid));
	}
	if (way->replaced)
		new = drain_handle_new(ctx, DRAIN_NOW);
	if (way->fails) {
		fdev->bad = new->domain;
		fdev->bad_pasid = way->pasid;
	}
	who = way->fails ? old : new;
	who_not = way->fails ? new : old;
	if (way->pasid == IOMMU_NO_PASID)
		fdev->on_attach = drain_in_switch;
	else
		fdev->on_pasid = drain_in_switch;

	leave = drain_job(ctx, drain_switch_job, way->pasid, 0);
	leave->old = old;
	leave->new = new;
	drain_start(leave);
	KUNIT_ASSERT_TRUE(test, drain_waited(&leave->done));
	KUNIT_EXPECT_EQ(test, way->fails ? -EINVAL : 0, leave->ret);
	fdev->bad = NULL;
	fdev->bad_pasid = 0;

	KUNIT_EXPECT_EQ(test, 0, ctx->in_switch);
	drain_expect_answer(ctx, 1, IOMMU_PAGE_RESP_SUCCESS);
	KUNIT_EXPECT_TRUE(test, drain_waited(&ctx->then->done));
	if (who)
		drain_expect_answer(ctx, 3, IOMMU_PAGE_RESP_SUCCESS);
	else
		drain_expect_answer(ctx, 3, IOMMU_PAGE_RESP_INVALID);
	/* Of one that is not the last nobody hears, not even together with the last */
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 2));
	drain_report(ctx, way->pasid, 2);
	KUNIT_EXPECT_EQ(test, 1, drain_answers(ctx, 2));
	if (who) {
		KUNIT_EXPECT_EQ(test, 2, atomic_read(&who->handled));
		KUNIT_EXPECT_EQ(test, 1, who->fault_count);
	}
	if (who_not)
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&who_not->handled));
	if (old && !way->fails)
		KUNIT_EXPECT_TRUE(test, drain_is_untouched(old));
}

static void drain_remove_in_switch(struct fake_dev *fdev)
{
	struct drain_ctx *ctx = fdev->fake->priv;

	drain_in_switch(fdev);
	iopf_queue_remove_device(ctx->queue, &fdev->dev);
	ctx->in_switch += 2 * drain_answers(ctx, 1);
}

/* The driver may not be able to answer any more when it has done that */
static void a_fault_in_the_switch_is_answered_with_the_queue(struct kunit *test)
{
	struct drain_ctx *ctx = drain_create(test);
	struct drain_handle *old = drain_handle_new(ctx, DRAIN_NOW);

	drain_job(ctx, drain_report_job, 1, 1);
	KUNIT_ASSERT_EQ(test, 0, drain_attach(old, NULL, 1));
	ctx->fdev->on_pasid = drain_remove_in_switch;
	drain_detach(old, 1);
	KUNIT_EXPECT_EQ(test, 2, ctx->in_switch);
	drain_expect_answer(ctx, 1, IOMMU_PAGE_RESP_SUCCESS);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&old->handled));
	KUNIT_EXPECT_EQ(test, 0, iopf_queue_add_device(ctx->queue, &ctx->fdev->dev));
}

/* Tests: faults that nobody handles */

static void drain_expect_invalid(struct kunit *test, struct drain_ctx *ctx,
				 ioasid_t pasid, unsigned int nr)
{
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EINVAL, drain_report(ctx, pasid, nr));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	drain_expect_answer(ctx, nr, IOMMU_PAGE_RESP_INVALID);
}

static void a_fault_that_nobody_handles_is_invalid(struct kunit *test)
{
	struct drain_ctx *ctx = drain_create(test);
	struct drain_handle *deaf = drain_handle_new(ctx, DRAIN_NOW);
	struct drain_handle *h = drain_handle_new(ctx, DRAIN_NOW);

	drain_expect_invalid(test, ctx, IOMMU_NO_PASID, 1);
	drain_expect_invalid(test, ctx, 1, 2);

	/* Attached, but without a handle */
	KUNIT_ASSERT_EQ(test, 0, fake_attach_pasid(ctx->fdev, 2,
						   fake_domain_new(ctx->fdev)));
	drain_expect_invalid(test, ctx, 2, 3);

	/* Without a handler */
	deaf->domain->iopf_handler = NULL;
	KUNIT_ASSERT_EQ(test, 0, drain_attach(deaf, NULL, 3));
	drain_expect_invalid(test, ctx, 3, 4);
	drain_detach(deaf, 3);
	drain_left(deaf);
	KUNIT_EXPECT_TRUE(test, drain_is_untouched(deaf));

	/* Nor is an answer given to one that is not the last */
	drain_report_part(ctx, 1, 6, false);
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 6));

	/* Without fault parameters; the handle is not held because of it */
	KUNIT_ASSERT_EQ(test, 0, drain_attach(h, NULL, 1));
	iopf_queue_remove_device(ctx->queue, &ctx->fdev->dev);
	drain_expect_invalid(test, ctx, 1, 5);
	KUNIT_EXPECT_EQ(test, 1, refcount_read(&h->handle.faults));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&h->handled));
	KUNIT_EXPECT_EQ(test, 0, iopf_queue_add_device(ctx->queue, &ctx->fdev->dev));
}

static void a_handler_that_fails_has_let_go(struct kunit *test)
{
	struct drain_ctx *ctx = drain_create(test);
	struct drain_handle *h = drain_handle_new(ctx, DRAIN_FAIL);

	KUNIT_ASSERT_EQ(test, 0, drain_attach(h, NULL, 1));
	KUNIT_EXPECT_EQ(test, 0, drain_report(ctx, 1, 1));
	drain_expect_answer(ctx, 1, IOMMU_PAGE_RESP_FAILURE);
	KUNIT_EXPECT_EQ(test, 1, refcount_read(&h->handle.faults));
	drain_report_part(ctx, 1, 2, false);
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 2));
	KUNIT_EXPECT_EQ(test, 1, refcount_read(&h->handle.faults));
}

/* What is not complete yet goes with its domain, whatever its group ID is used for next */
static void a_part_of_a_fault_goes_with_its_domain(struct kunit *test)
{
	const struct drain_way *way = test->param_value;
	struct drain_ctx *ctx = drain_create(test);
	struct drain_handle *old = drain_handle_new(ctx, DRAIN_NOW);
	struct drain_handle *new = drain_handle_new(ctx, DRAIN_NOW);

	KUNIT_ASSERT_EQ(test, 0, drain_attach(old, NULL, way->pasid));
	drain_report_part(ctx, way->pasid, 1, false);
	drain_report_part(ctx, way->pasid, 1, false);
	if (!way->replaced)
		drain_detach(old, way->pasid);
	KUNIT_ASSERT_EQ(test, 0, drain_attach(new, way->replaced ? old : NULL,
					      way->pasid));
	drain_left(old);

	drain_report_part(ctx, way->pasid, 1, false);
	drain_report(ctx, way->pasid, 1);
	drain_expect_answer(ctx, 1, IOMMU_PAGE_RESP_SUCCESS);
	KUNIT_EXPECT_EQ(test, 2, new->fault_count);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&old->handled));
}

/* Tests: the device is taken out of its queue */

static void faults_outlive_the_queue_of_the_device(struct kunit *test)
{
	struct drain_ctx *ctx = drain_create(test);
	struct device *dev = &ctx->fdev->dev;
	struct drain_handle *runs = drain_handle_new(ctx, DRAIN_BLOCK);
	struct drain_handle *queued = drain_handle_new(ctx, DRAIN_WORK);
	struct drain_handle *listed = drain_handle_new(ctx, DRAIN_LIST);
	struct drain_job *report = drain_job(ctx, drain_report_job, 1, 1);

	KUNIT_ASSERT_EQ(test, 0, drain_attach(runs, NULL, 1));
	KUNIT_ASSERT_EQ(test, 0, drain_attach(queued, NULL, 2));
	KUNIT_ASSERT_EQ(test, 0, drain_attach(listed, NULL, 3));
	drain_start(report);
	KUNIT_ASSERT_TRUE(test, drain_waited(&runs->entered));
	drain_report(ctx, 2, 2);
	drain_report_part(ctx, 3, 3, false);
	drain_report(ctx, 3, 3);
	drain_report_part(ctx, 3, 4, false);

	iopf_queue_remove_device(ctx->queue, dev);
	for (int i = 1; i <= 4; i++)
		KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, i));
	KUNIT_EXPECT_EQ(test, 0, iopf_queue_add_device(ctx->queue, dev));
	/* What came before and was not complete is forgotten */
	drain_report(ctx, 3, 4);
	KUNIT_EXPECT_EQ(test, 1, listed->fault_count);

	complete_all(&runs->go);
	complete_all(&queued->go);
	drain_detach(runs, 1);
	drain_detach(queued, 2);
	drain_detach(listed, 3);
	drain_left(runs);
	drain_left(queued);
	drain_left(listed);
	KUNIT_EXPECT_TRUE(test, drain_waited(&report->done));
	for (int i = 1; i <= 4; i++)
		drain_expect_answer(ctx, i, IOMMU_PAGE_RESP_SUCCESS);
}

/* Tests: several devices */

static struct iommu_domain *drain_alloc_sva(struct device *dev,
					    struct mm_struct *mm)
{
	struct fake_dev *fdev = container_of(dev, struct fake_dev, dev);

	return fake_domain_try_new(fdev) ?: ERR_PTR(-ENOMEM);
}

static void drain_free(struct iommu_domain *domain)
{
	struct fake_domain *fdomain = container_of(domain, struct fake_domain,
						   domain);
	struct drain_ctx *ctx = fdomain->fake->priv;

	if (domain->type == IOMMU_DOMAIN_SVA)
		atomic_inc(&ctx->freed);
	ctx->free(domain);
}

static void drain_unbind_job(struct drain_job *job)
{
	iommu_sva_unbind_device(job->bond);
}

/* They share the domain, which is the last one's to free */
static void a_domain_outlives_the_work_of_each_device(struct kunit *test)
{
	struct drain_ctx *ctx = drain_create(test);
	struct fake_dev *fdev[2] = { ctx->fdev, fake_dev_add(ctx->fake, 1) };
	struct drain_job *leave[2], *report;
	struct mm_struct *mm;
	unsigned int calls;
	ioasid_t pasid;

	if (!IS_ENABLED(CONFIG_IOMMU_SVA))
		kunit_skip(test, "no SVA");
	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	mm = current->mm;
	ctx->fake->ops.domain_alloc_sva = drain_alloc_sva;
	ctx->free = ctx->fake->paging_ops.free;
	ctx->fake->paging_ops.free = drain_free;
	for (int i = 0; i < 2; i++) {
		leave[i] = drain_job(ctx, drain_unbind_job, 0, 0);
		leave[i]->bond = iommu_sva_bind_device(&fdev[i]->dev, mm);
		KUNIT_ASSERT_FALSE(test, IS_ERR(leave[i]->bond));
	}
	pasid = iommu_sva_get_pasid(leave[0]->bond);
	report = drain_job(ctx, drain_report_job, pasid, 1);
	calls = fake_calls(fdev[0]);

	/* No assertions here: the work of the fault waits for this lock. */
	mmap_write_lock(mm);
	drain_start(report);
	KUNIT_EXPECT_TRUE(test, drain_waited(&report->done));
	drain_start(leave[0]);
	for (int i = 0; i < 1000 && fake_calls(fdev[0]) == calls; i++)
		fsleep(1000);
	msleep(DRAIN_A_WHILE_MS);
	KUNIT_EXPECT_FALSE(test, completion_done(&leave[0]->done));

	/* The other one has no faults, and does not wait. */
	drain_start(leave[1]);
	KUNIT_EXPECT_TRUE(test, drain_waited(&leave[1]->done));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&ctx->freed));
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 1));
	mmap_write_unlock(mm);

	KUNIT_EXPECT_TRUE(test, drain_waited(&leave[0]->done));
	drain_expect_answer(ctx, 1, IOMMU_PAGE_RESP_INVALID);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&ctx->freed));
}

static void drain_leave_queue(struct fake_dev *fdev)
{
	struct drain_ctx *ctx = fdev->fake->priv;

	if (fdev == ctx->fdev)
		iopf_queue_remove_device(ctx->queue, &fdev->dev);
}

/* Nothing is detached when a device leaves others on the domain */
static void a_fault_of_a_device_that_left_has_no_answer(struct kunit *test)
{
	struct drain_ctx *ctx = drain_create(test);
	struct fake_dev *sibling = fake_dev_add(ctx->fake, 0);
	struct drain_handle *h = drain_handle_new(ctx, DRAIN_LIST);
	struct device *dev = &ctx->fdev->dev;

	KUNIT_ASSERT_EQ(test, 0, drain_attach(h, NULL, IOMMU_NO_PASID));
	KUNIT_ASSERT_EQ(test, 0, drain_report(ctx, IOMMU_NO_PASID, 1));
	/* One in the queue that it has left with, and one of a time before that */
	iopf_queue_remove_device(ctx->queue, dev);
	KUNIT_ASSERT_EQ(test, 0, iopf_queue_add_device(ctx->queue, dev));
	KUNIT_ASSERT_EQ(test, 0, drain_report(ctx, IOMMU_NO_PASID, 2));
	KUNIT_ASSERT_EQ(test, 2, atomic_read(&h->handled));

	ctx->fake->on_release = drain_leave_queue;
	get_device(dev);
	fake_dev_remove(ctx->fdev);
	ctx->fdev = sibling;
	ctx->fake->on_release = NULL;
	KUNIT_EXPECT_NULL(test, dev->iommu);
	drain_answer_list(h);
	put_device(dev);
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 1));
	KUNIT_EXPECT_EQ(test, 0, drain_answers(ctx, 2));
	KUNIT_EXPECT_TRUE(test, list_empty(&h->list));
}

/* Tests: all of it at once */

static void drain_stress_report(struct drain_job *job)
{
	struct drain_ctx *ctx = job->ctx;
	unsigned int nr, parts;
	ioasid_t pasid;

	while (!READ_ONCE(ctx->stop)) {
		nr = atomic_inc_return(&ctx->next);
		if (nr >= DRAIN_NR_FAULTS)
			break;
		/* One of them is never attached */
		pasid = get_random_u32_below(6);
		for (parts = nr % 3; parts; parts--)
			drain_report_part(ctx, pasid, nr, false);
		drain_report(ctx, pasid, nr);
		if (nr % 16 == 0)
			usleep_range(20, 100);
		cond_resched();
	}
}

static void drain_stress_left(struct drain_handle *h)
{
	drain_left(h);
	/* A handler that still uses it is told by KASAN, too */
	iommu_domain_free(h->domain);
	h->domain = NULL;
}

/* Two PASIDs, or the RID and one */
static void drain_stress_switch(struct drain_job *job)
{
	struct drain_handle *on[2] = {}, *new;
	struct drain_ctx *ctx = job->ctx;
	unsigned int i;

	for (job->nr = 0; job->nr < DRAIN_NR_SWITCHES && !READ_ONCE(ctx->stop);
	     job->nr++) {
		i = get_random_u32_below(2);
		new = NULL;
		if (!on[i] || get_random_u32_below(2)) {
			new = drain_handle(ctx, DRAIN_ANY);
			if (!new || drain_attach(new, on[i], job->pasid + i)) {
				fake_violation(ctx->fake, "cannot attach");
				break;
			}
		} else {
			drain_detach(on[i], job->pasid + i);
		}
		if (on[i])
			drain_stress_left(on[i]);
		on[i] = new;
		cond_resched();
	}
	for (i = 0; i < 2; i++) {
		if (!on[i])
			continue;
		drain_detach(on[i], job->pasid + i);
		drain_stress_left(on[i]);
	}
}

static void drain_stress_queue(struct drain_job *job)
{
	struct drain_ctx *ctx = job->ctx;

	while (!READ_ONCE(ctx->stop)) {
		iopf_queue_remove_device(ctx->queue, &ctx->fdev->dev);
		job->ret = iopf_queue_add_device(ctx->queue, &ctx->fdev->dev);
		if (job->ret)
			break;
		usleep_range(500, 3000);
	}
}

static void faults_race_with_all_that_is_switched(struct kunit *test)
{
	struct drain_ctx *ctx = drain_create(test);
	struct drain_job *queue = drain_job(ctx, drain_stress_queue, 0, 0);
	unsigned int handled = 0, again = 0, wrong = 0, touched = 0, num;
	struct drain_job *switches[2];
	struct drain_handle *h;

	for (int i = 0; i < 3; i++)
		drain_start(drain_job(ctx, drain_stress_report, 0, 0));
	for (int i = 0; i < 2; i++) {
		switches[i] = drain_job(ctx, drain_stress_switch, 2 * i, 0);
		drain_start(switches[i]);
	}
	drain_start(queue);
	schedule_timeout_uninterruptible(DRAIN_STRESS);
	WRITE_ONCE(ctx->stop, true);
	for (int i = 0; i < ctx->nr_jobs; i++)
		KUNIT_ASSERT_TRUE(test, drain_waited(&ctx->jobs[i].done));
	flush_workqueue(ctx->queue->wq);
	KUNIT_EXPECT_EQ(test, 0, queue->ret);

	list_for_each_entry(h, &ctx->handles, entry) {
		handled += atomic_read(&h->handled);
		touched += !drain_is_untouched(h);
	}
	num = min_t(unsigned int, atomic_read(&ctx->next), DRAIN_NR_FAULTS - 1);
	for (unsigned int nr = 1; nr <= num; nr++) {
		wrong += drain_answers(ctx, nr) != 1;
		again += ctx->answers[nr].code == IOMMU_PAGE_RESP_SUCCESS;
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
	KUNIT_EXPECT_EQ(test, 0, touched);
	KUNIT_EXPECT_GT(test, handled, 0);
	kunit_info(test, "%u faults, %u handled, %u to be tried again, %u switches",
		   num, handled, again, switches[0]->nr + switches[1]->nr);
}

KUNIT_ARRAY_PARAM_DESC(leaves, drain_leaves, name);
KUNIT_ARRAY_PARAM_DESC(switches, drain_switches, name);

static struct kunit_case drain_cases[] = {
	KUNIT_CASE_PARAM(leaving_waits_for_a_handler, leaves_gen_params),
	KUNIT_CASE_PARAM(leaving_waits_for_work_with_a_count, leaves_gen_params),
	KUNIT_CASE_PARAM(leaving_does_not_wait_for_who_took_over, leaves_gen_params),
	KUNIT_CASE_PARAM(leaving_does_not_wait_for_another_handle, leaves_gen_params),
	KUNIT_CASE_PARAM(a_fault_in_the_switch_is_tried_again, switches_gen_params),
	KUNIT_CASE(a_fault_in_the_switch_is_answered_with_the_queue),
	KUNIT_CASE(a_fault_that_nobody_handles_is_invalid),
	KUNIT_CASE(a_handler_that_fails_has_let_go),
	KUNIT_CASE_PARAM(a_part_of_a_fault_goes_with_its_domain, leaves_gen_params),
	KUNIT_CASE(faults_outlive_the_queue_of_the_device),
	KUNIT_CASE(a_domain_outlives_the_work_of_each_device),
	KUNIT_CASE(a_fault_of_a_device_that_left_has_no_answer),
	KUNIT_CASE(faults_race_with_all_that_is_switched),
	{}
};

static struct kunit_suite drain_suite = {
	.name = "iommu_drain",
	.suite_init = fake_suite_init,
	.suite_exit = fake_suite_exit,
	.exit = drain_exit,
	.test_cases = drain_cases,
};

kunit_test_suite(drain_suite);
