// SPDX-License-Identifier: GPL-2.0
/*
 * The smmu-testdev module: the fault handler of domains.
 *
 * A fault comes in two steps, as those of SVA do. The core calls
 * smtd_iopf_handler() in the IOMMU driver's event thread; it queues work on the
 * workqueue of the fault queue. The work sleeps, if it is asked to, decides and
 * answers.
 *
 * smtd_fault_lock protects smtd_atts, smtd_running and smtd_done; the counters
 * of attachments; mode, then, hold_ms, release and stat of domains; and
 * smtd_dev::dying. Taken in process context only.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "smtd.h"

static DEFINE_SPINLOCK(smtd_fault_lock);
/* Attachments that the core may call the handler for */
static LIST_HEAD(smtd_atts);
/* Faults that are being handled */
static LIST_HEAD(smtd_running);
/* Faults whose work has done all but return */
static LIST_HEAD(smtd_done);
static u64 smtd_stale;

/* Held handlers, and module exit, wait here; all conditions under the lock */
static DECLARE_WAIT_QUEUE_HEAD(smtd_wait);

/**
 * struct smtd_fault - a group of faults in the hands of the module
 * @node: in smtd_running or smtd_done
 * @work: what answers it
 * @group: the core's; only to be handed back
 * @att: has a reference
 * @mode: SMTD_FAULT_* when it came
 * @then: likewise
 * @hold_ms: likewise
 * @release: of the domain, when it came
 * @count: number of addresses
 * @addr: faulting pages, with IOMMU_FAULT_PERM_* in the low bits
 */
struct smtd_fault {
	struct list_head node;
	struct work_struct work;
	struct iopf_group *group;
	struct smtd_att *att;
	u32 mode;
	u32 then;
	u32 hold_ms;
	u32 release;
	unsigned int count;
	u64 addr[] __counted_by(count);
};

void smtd_att_put(struct smtd_att *att)
{
	if (!refcount_dec_and_test(&att->ref))
		return;
	smtd_domain_put(att->domain);
	kfree(att);
}

/* Before the core learns of the handle: its first call must find it */
void smtd_fault_publish(struct smtd_att *att)
{
	spin_lock(&smtd_fault_lock);
	att->released = att->td->dying;
	list_add(&att->fault_node, &smtd_atts);
	spin_unlock(&smtd_fault_lock);
}

/*
 * The core has returned from the detach or replace (or from an attach that
 * failed), so that no handler of this attachment may run any more. Counts those
 * that do, and frees the handle, as the core allows from this moment on.
 */
void smtd_fault_retire(struct smtd_att *att)
{
	spin_lock(&smtd_fault_lock);
	list_del(&att->fault_node);
	att->domain->stat.late += att->begun - att->finished;
	spin_unlock(&smtd_fault_lock);
	kfree(att->handle);
	att->handle = NULL;
}

/* ---- letting go ---- */

/*
 * Before a detach at teardown. There is nobody to release handlers for which it
 * would wait; and since the last close is not where defects are to be shown,
 * those that run get a second to give their answer first.
 */
void smtd_fault_let_go(struct smtd_att *att)
{
	spin_lock(&smtd_fault_lock);
	att->released = true;
	spin_unlock(&smtd_fault_lock);
	wake_up_all(&smtd_wait);
	wait_event_timeout(smtd_wait, refcount_read(&att->ref) == 1, HZ);
}

void smtd_fault_let_all_go(struct smtd_domain *d)
{
	spin_lock(&smtd_fault_lock);
	d->release++;
	spin_unlock(&smtd_fault_lock);
	wake_up_all(&smtd_wait);
}

static void smtd_fault_release_all(struct smtd_dev *td, bool dying)
{
	struct smtd_att *att;

	spin_lock(&smtd_fault_lock);
	if (dying)
		WRITE_ONCE(td->dying, true);
	list_for_each_entry(att, &smtd_atts, fault_node)
		if (att->td == td)
			att->released = true;
	spin_unlock(&smtd_fault_lock);
	wake_up_all(&smtd_wait);
}

/*
 * All handlers of a function, before the first thing of it is undone: an SVA
 * unbind that waits for the fault queue would wait for them as well.
 */
void smtd_fault_teardown(struct smtd_dev *td)
{
	smtd_fault_release_all(td, false);
}

/* The same for good: also for attachments that are being made */
void smtd_fault_dying(struct smtd_dev *td)
{
	smtd_fault_release_all(td, true);
}

static bool smtd_fault_released(struct smtd_fault *f)
{
	bool released;

	spin_lock(&smtd_fault_lock);
	released = f->att->released ||
		   f->att->domain->release != f->release;
	spin_unlock(&smtd_fault_lock);
	return released;
}

/* ---- the handler ---- */

/* TASK_IDLE: a handler that is held for minutes is not a hung task */
static void smtd_fault_hold(struct smtd_fault *f)
{
	struct smtd_domain *d = f->att->domain;

	spin_lock(&smtd_fault_lock);
	d->stat.held++;
	spin_unlock(&smtd_fault_lock);
	if (f->hold_ms)
		wait_event_idle_timeout(smtd_wait, smtd_fault_released(f),
					msecs_to_jiffies(f->hold_ms));
	else
		wait_event_idle(smtd_wait, smtd_fault_released(f));
	spin_lock(&smtd_fault_lock);
	d->stat.held--;
	spin_unlock(&smtd_fault_lock);
}

/*
 * Maps a page under each address where there is none yet. One that is there and
 * does not allow the access would fault again for ever.
 */
static enum iommu_page_response_code smtd_fault_map(struct smtd_fault *f)
{
	struct smtd_domain *d = f->att->domain;
	unsigned int i;

	for (i = 0; i < f->count; i++) {
		u64 offset, phys;
		int ret;

		ret = smtd_domain_add(d, f->addr[i] & PAGE_MASK, PAGE_SIZE,
				      IOMMU_READ | IOMMU_WRITE, &offset, &phys);
		if (ret == -EEXIST && smtd_domain_allows(d, f->addr[i]))
			continue;
		if (ret)
			return IOMMU_PAGE_RESP_INVALID;
		spin_lock(&smtd_fault_lock);
		d->stat.mapped++;
		d->stat.mmap_offset = offset;
		spin_unlock(&smtd_fault_lock);
	}
	return IOMMU_PAGE_RESP_SUCCESS;
}

static enum iommu_page_response_code
smtd_fault_answer(struct smtd_fault *f, u32 mode)
{
	switch (mode) {
	case SMTD_FAULT_SUCCESS:
		return smtd_fault_map(f);
	case SMTD_FAULT_FAILURE:
		return IOMMU_PAGE_RESP_FAILURE;
	}
	return IOMMU_PAGE_RESP_INVALID;
}

static void smtd_fault_work(struct work_struct *work)
{
	struct smtd_fault *f = container_of(work, struct smtd_fault, work);
	enum iommu_page_response_code code;
	struct iopf_group *group = f->group;
	struct smtd_att *att = f->att;

	if (f->mode == SMTD_FAULT_HOLD) {
		smtd_fault_hold(f);
		code = smtd_fault_answer(f, f->then);
	} else {
		code = smtd_fault_answer(f, f->mode);
	}

	/*
	 * Before the answer, not after: from there on a core that waits for
	 * this handler may let the detach return, and it would count as late.
	 */
	spin_lock(&smtd_fault_lock);
	att->finished++;
	att->domain->stat.finished++;
	spin_unlock(&smtd_fault_lock);

	iopf_group_response(group, code);
	iopf_free_group(group);

	smtd_att_put(att);
	spin_lock(&smtd_fault_lock);
	list_move(&f->node, &smtd_done);
	spin_unlock(&smtd_fault_lock);
	wake_up_all(&smtd_wait);
}

/* Frees those faults whose work has returned; see smtd_fault_exit() */
static void smtd_fault_reap(void)
{
	struct smtd_fault *f, *next;

	lockdep_assert_held(&smtd_fault_lock);
	list_for_each_entry_safe(f, next, &smtd_done, node) {
		if (work_busy(&f->work))
			continue;
		list_del(&f->node);
		kfree(f);
	}
}

/*
 * The attachment of a handle, with a reference and a handler begun, or NULL.
 * The handle is not followed: it may be gone.
 */
static struct smtd_att *smtd_fault_begin(struct iopf_group *group,
					 struct smtd_fault *f)
{
	struct iommu_fault_page_request *prm = &group->last_fault.fault.prm;
	bool has_pasid = prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
	struct smtd_domain *d;
	struct smtd_att *att;

	lockdep_assert_held(&smtd_fault_lock);
	list_for_each_entry(att, &smtd_atts, fault_node)
		if (att->handle && att->handle == group->attach_handle)
			goto found;
	smtd_stale++;
	return NULL;

found:
	d = att->domain;
	d->stat.begun++;
	d->stat.last_addr = prm->addr;
	d->stat.last_perm = prm->perm;
	d->stat.last_pasid = has_pasid ? prm->pasid : SMTD_NO_PASID;
	if (!f || d->mode == SMTD_FAULT_REFUSE) {
		d->stat.finished++;
		d->stat.refused++;
		return NULL;
	}
	att->begun++;
	refcount_inc(&att->ref);
	f->mode = d->mode;
	f->then = d->then;
	f->hold_ms = d->hold_ms;
	f->release = d->release;
	list_add(&f->node, &smtd_running);
	return att;
}

/*
 * Called by the core with a handle that it has just followed. When this returns
 * 0 the group is the work's; otherwise the core answers and frees it.
 */
int smtd_iopf_handler(struct iopf_group *group)
{
	struct iopf_fault *iopf;
	struct smtd_fault *f;
	unsigned int i = 0;

	f = kzalloc_flex(*f, addr, group->fault_count, GFP_KERNEL);
	if (f) {
		f->count = group->fault_count;
		f->group = group;
		INIT_WORK(&f->work, smtd_fault_work);
		list_for_each_entry(iopf, &group->faults, list)
			f->addr[i++] = (iopf->fault.prm.addr & PAGE_MASK) |
				       (iopf->fault.prm.perm & ~PAGE_MASK);
	}

	spin_lock(&smtd_fault_lock);
	smtd_fault_reap();
	if (f)
		f->att = smtd_fault_begin(group, f);
	else
		smtd_fault_begin(group, NULL);
	spin_unlock(&smtd_fault_lock);
	if (!f || !f->att) {
		kfree(f);
		return -EINVAL;
	}
	queue_work(group->fault_param->queue->wq, &f->work);
	return 0;
}

static bool smtd_fault_all_done(void)
{
	bool done;

	spin_lock(&smtd_fault_lock);
	done = list_empty(&smtd_running);
	spin_unlock(&smtd_fault_lock);
	return done;
}

/*
 * No function is bound any more, so that nothing is held. The work that put
 * its fault on smtd_done may still be in the last instructions of its function,
 * which are in this module: that is why faults are not freed by their work.
 */
void smtd_fault_exit(void)
{
	struct smtd_fault *f, *next;

	wait_event(smtd_wait, smtd_fault_all_done());
	list_for_each_entry_safe(f, next, &smtd_done, node) {
		flush_work(&f->work);
		kfree(f);
	}
}

/* ---- ioctls ---- */

long smtd_ioctl_fault_mode(void __user *uarg)
{
	struct smtd_fault_mode arg;
	struct smtd_domain *d;
	int ret = 0;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.mode > SMTD_FAULT_REFUSE || arg.hold_ms > SMTD_MAX_HOLD_MS ||
	    arg.then > (arg.mode == SMTD_FAULT_HOLD ? SMTD_FAULT_FAILURE : 0) ||
	    (arg.hold_ms && arg.mode != SMTD_FAULT_HOLD))
		return -EINVAL;
	d = smtd_domain_get(arg.id);
	if (!d)
		return -ENOENT;
	if (d->flags & SMTD_DOMAIN_FAULT) {
		spin_lock(&smtd_fault_lock);
		d->mode = arg.mode;
		d->then = arg.then;
		d->hold_ms = arg.hold_ms;
		spin_unlock(&smtd_fault_lock);
	} else {
		ret = -EOPNOTSUPP;
	}
	smtd_domain_put(d);
	return ret;
}

long smtd_ioctl_fault_release(void __user *uarg)
{
	struct smtd_domain_id arg;
	struct smtd_domain *d;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	d = smtd_domain_get(arg.id);
	if (!d)
		return -ENOENT;
	smtd_fault_let_all_go(d);
	smtd_domain_put(d);
	return 0;
}

long smtd_ioctl_fault_stat(void __user *uarg)
{
	struct smtd_fault_stat arg;
	struct smtd_domain *d;
	u32 id;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	id = arg.id;
	d = smtd_domain_get(id);
	if (!d)
		return -ENOENT;
	spin_lock(&smtd_fault_lock);
	arg = d->stat;
	arg.stale = smtd_stale;
	spin_unlock(&smtd_fault_lock);
	arg.id = id;
	smtd_domain_put(d);
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}
