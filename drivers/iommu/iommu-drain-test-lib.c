// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the KUnit tests of the drain of page faults have in common. See
 * iommu-drain-test.h.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "iommu-drain-test.h"
#include "iommu-priv.h"

#define DRAIN_POISON		0x6b
/* Who has not done it by then does not do it */
#define DRAIN_TIMEOUT		(5 * HZ)

static struct drain_ctx *to_drain_ctx(struct device *dev)
{
	return container_of(dev, struct fake_dev, dev)->fake->priv;
}

/* Jobs */

static void drain_job_work(struct work_struct *work)
{
	struct drain_job *job = container_of(work, struct drain_job, work);

	job->fn(job);
	complete_all(&job->done);
}

struct drain_job *drain_job(struct drain_ctx *ctx,
			    void (*fn)(struct drain_job *job),
			    ioasid_t pasid, unsigned int nr)
{
	struct drain_job *job = &ctx->jobs[ctx->nr_jobs++];

	INIT_WORK(&job->work, drain_job_work);
	init_completion(&job->done);
	job->ctx = ctx;
	job->fn = fn;
	job->pasid = pasid;
	job->nr = nr;
	return job;
}

void drain_start(struct drain_job *job)
{
	queue_work(system_dfl_wq, &job->work);
}

bool drain_waited(struct completion *done)
{
	return wait_for_completion_timeout(done, DRAIN_TIMEOUT);
}

/* Faults and their answers */

static void drain_page_response(struct device *dev, struct iopf_fault *evt,
				struct iommu_page_response *msg)
{
	struct drain_ctx *ctx = to_drain_ctx(dev);
	struct drain_answer *answer = &ctx->answers[msg->grpid];

	WRITE_ONCE(answer->code, msg->code);
	atomic_inc(&answer->num);
	if (msg->grpid != 1 || !ctx->then)
		return;
	/* Not here: fault_param->lock may be held if all is not as it should be */
	drain_start(ctx->then);
	wait_for_completion_timeout(&ctx->then->done, HZ / 2);
}

int drain_report_part(struct drain_ctx *ctx, ioasid_t pasid,
		      unsigned int nr, bool last)
{
	struct iopf_fault evt = {
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = { .grpid = nr, .perm = IOMMU_FAULT_PERM_READ },
		},
	};

	if (last)
		evt.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE;
	if (pasid != IOMMU_NO_PASID) {
		evt.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
		evt.fault.prm.pasid = pasid;
	}
	return iommu_report_device_fault(&ctx->fdev->dev, &evt);
}

int drain_report(struct drain_ctx *ctx, ioasid_t pasid, unsigned int nr)
{
	return drain_report_part(ctx, pasid, nr, true);
}

void drain_report_job(struct drain_job *job)
{
	job->ret = drain_report(job->ctx, job->pasid, job->nr);
}

int drain_answers(struct drain_ctx *ctx, unsigned int nr)
{
	return atomic_read(&ctx->answers[nr].num);
}

void drain_expect_answer(struct drain_ctx *ctx, unsigned int nr,
			 enum iommu_page_response_code code)
{
	KUNIT_EXPECT_EQ_MSG(ctx->fake->test, 1, drain_answers(ctx, nr),
			    "fault %u", nr);
	KUNIT_EXPECT_EQ_MSG(ctx->fake->test, (int)code,
			    (int)ctx->answers[nr].code, "fault %u", nr);
}

/* Handlers */

static void drain_answer(struct iopf_group *group)
{
	iopf_group_response(group, IOMMU_PAGE_RESP_SUCCESS);
	iopf_free_group(group);
}

static void drain_check(struct drain_handle *h, const char *who)
{
	if (READ_ONCE(h->left))
		fake_violation(h->ctx->fake, "%s of a handle that was left", who);
}

static void drain_work(struct work_struct *work)
{
	struct iopf_group *group = container_of(work, struct iopf_group, work);
	struct drain_handle *h = container_of(group->attach_handle,
					      struct drain_handle, handle);

	wait_for_completion(&h->go);
	drain_check(h, "work");
	drain_answer(group);
}

static int drain_handler(struct iopf_group *group)
{
	struct drain_handle *h = container_of(group->attach_handle,
					      struct drain_handle, handle);
	enum drain_mode mode = h->mode;

	drain_check(h, "handler");
	atomic_inc(&h->handled);
	h->fault_count = group->fault_count;
	complete(&h->entered);
	if (mode == DRAIN_ANY)
		mode = get_random_u32_below(DRAIN_NR_MODES);

	switch (mode) {
	case DRAIN_FAIL:
		return -EIO;
	case DRAIN_LIST:
		iopf_group_dequeue(group);
		scoped_guard(spinlock, &h->lock)
			list_add_tail(&group->node, &h->list);
		return 0;
	case DRAIN_WORK:
		INIT_WORK(&group->work, drain_work);
		queue_work(group->fault_param->queue->wq, &group->work);
		return 0;
	case DRAIN_BLOCK:
		wait_for_completion(&h->go);
		break;
	default:
		break;
	}
	drain_check(h, "the rest of a handler");
	drain_answer(group);
	return 0;
}

/* What is attached */

struct drain_handle *drain_handle(struct drain_ctx *ctx,
				  enum drain_mode mode)
{
	struct drain_handle *h = kzalloc_obj(*h);
	struct iommu_domain *domain = fake_domain_try_new(ctx->fdev);

	if (!h || !domain) {
		kfree(h);
		return NULL;
	}
	h->ctx = ctx;
	h->mode = mode;
	h->domain = domain;
	domain->iopf_handler = drain_handler;
	init_completion(&h->entered);
	init_completion(&h->go);
	if (mode == DRAIN_ANY)
		complete_all(&h->go);
	spin_lock_init(&h->lock);
	INIT_LIST_HEAD(&h->list);
	scoped_guard(spinlock, &ctx->lock)
		list_add_tail(&h->entry, &ctx->handles);
	return h;
}

static struct iommu_domain **drain_attached(struct drain_ctx *ctx, ioasid_t pasid)
{
	return &ctx->fake->groups[0].pasid[pasid];
}

/* In place of @old, or of nothing */
int drain_attach(struct drain_handle *h, struct drain_handle *old,
		 ioasid_t pasid)
{
	struct device *dev = &h->ctx->fdev->dev;
	struct iommu_group *group = dev->iommu_group;
	int ret;

	if (pasid == IOMMU_NO_PASID)
		return old ? iommu_replace_group_handle(group, h->domain, &h->handle) :
			     iommu_attach_group_handle(h->domain, group, &h->handle);
	ret = old ? iommu_replace_device_pasid(h->domain, dev, pasid, &h->handle) :
		    iommu_attach_device_pasid(h->domain, dev, pasid, &h->handle);
	if (!ret)
		*drain_attached(h->ctx, pasid) = h->domain;
	return ret;
}

void drain_detach(struct drain_handle *h, ioasid_t pasid)
{
	if (pasid == IOMMU_NO_PASID)
		iommu_detach_group_handle(h->domain, fake_group(h->ctx->fdev));
	else
		fake_detach_pasid(h->ctx->fdev, pasid);
}

/* Who has taken faults over answers them */
void drain_answer_list(struct drain_handle *h)
{
	struct iopf_group *group, *next;
	LIST_HEAD(list);

	scoped_guard(spinlock, &h->lock)
		list_splice_init(&h->list, &list);
	list_for_each_entry_safe(group, next, &list, node)
		drain_answer(group);
}

/* Its owner may free it, and ends what was taken over of it */
void drain_left(struct drain_handle *h)
{
	WRITE_ONCE(h->left, true);
	memset(&h->handle, DRAIN_POISON, sizeof(h->handle));
	drain_answer_list(h);
}

/* Attach, replace or detach, of which a test has one */
void drain_switch_job(struct drain_job *job)
{
	if (job->new)
		job->ret = drain_attach(job->new, job->old, job->pasid);
	else
		drain_detach(job->old, job->pasid);
	if (job->old && !job->ret)
		drain_left(job->old);
}

bool drain_is_untouched(struct drain_handle *h)
{
	return h->left && !memchr_inv(&h->handle, DRAIN_POISON, sizeof(h->handle));
}

/* Life */

static void drain_vfree(void *mem)
{
	vfree(mem);
}

struct drain_ctx *drain_create(struct kunit *test)
{
	struct fake_iommu *fake = fake_create(test, FAKE_FULL);
	struct drain_ctx *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->answers = vcalloc(DRAIN_NR_FAULTS, sizeof(*ctx->answers));
	KUNIT_ASSERT_NOT_NULL(test, ctx->answers);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, drain_vfree,
							   ctx->answers));
	ctx->fake = fake;
	spin_lock_init(&ctx->lock);
	INIT_LIST_HEAD(&ctx->handles);
	fake->ops.page_response = drain_page_response;

	ctx->queue = iopf_queue_alloc("drain_test");
	KUNIT_ASSERT_NOT_NULL(test, ctx->queue);
	fake->priv = ctx;
	ctx->fdev = fake_dev_add(fake, 0);
	KUNIT_ASSERT_EQ(test, 0, iopf_queue_add_device(ctx->queue, &ctx->fdev->dev));
	return ctx;
}

/* Also after a test that was aborted, with all sorts of things left */
void drain_exit(struct kunit *test)
{
	struct fake_iommu *fake = test->priv;
	struct drain_ctx *ctx = fake ? fake->priv : NULL;
	struct drain_handle *h, *next;

	if (!ctx)
		goto out;
	WRITE_ONCE(ctx->stop, true);
	list_for_each_entry(h, &ctx->handles, entry) {
		complete_all(&h->go);
		drain_answer_list(h);
	}
	for (int i = 0; i < ctx->nr_jobs; i++)
		flush_work(&ctx->jobs[i].work);
	if (ctx->fdev) {
		ctx->fdev->bad = NULL;
		fake_detach_all(ctx->fdev);
	}
	list_for_each_entry(h, &ctx->handles, entry)
		drain_left(h);
	flush_workqueue(ctx->queue->wq);
	iopf_queue_free(ctx->queue);
out:
	fake_exit(test);
	if (ctx)
		list_for_each_entry_safe(h, next, &ctx->handles, entry)
			kfree(h);
}

struct drain_handle *drain_handle_new(struct drain_ctx *ctx,
				      enum drain_mode mode)
{
	struct drain_handle *h = drain_handle(ctx, mode);

	KUNIT_ASSERT_NOT_NULL(ctx->fake->test, h);
	return h;
}
