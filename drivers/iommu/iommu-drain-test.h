/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the KUnit tests of the drain of page faults have in common: a fake IOMMU, see
 * iommu-recovery-fake.h, whose device has a queue for page faults. The handlers do what
 * the test wants, and the answers are counted. A fault is known by its group ID.
 */
#ifndef __IOMMU_DRAIN_TEST_H
#define __IOMMU_DRAIN_TEST_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/iommu.h>
#include <linux/workqueue.h>

#include "iommu-recovery-fake.h"

#define DRAIN_NR_FAULTS		BIT(16)
#define DRAIN_NR_JOBS		8

enum drain_mode {
	DRAIN_NOW,	/* answers at once */
	DRAIN_BLOCK,	/* the same, but not before it is told to */
	DRAIN_WORK,	/* queues work with a count of its own, as SVA: it waits to be told */
	DRAIN_LIST,	/* hands over to somebody else, as iommufd */
	DRAIN_FAIL,
	DRAIN_NR_MODES,
	DRAIN_ANY = DRAIN_NR_MODES,
};

/**
 * struct drain_handle - something attached, and its domain
 * @handle: for the core, and poisoned when it was left
 * @ctx: the test
 * @domain: its domain, whose handler is drain_handler()
 * @mode: what that does
 * @entered: completed for each fault
 * @go: who waits to be told
 * @handled: number of faults
 * @fault_count: of the last one
 * @lock: protects @list
 * @list: for %DRAIN_LIST
 * @left: detach or replace has returned
 * @entry: in &drain_ctx.handles
 */
struct drain_handle {
	struct iommu_attach_handle handle;
	struct drain_ctx *ctx;
	struct iommu_domain *domain;
	enum drain_mode mode;
	struct completion entered;
	struct completion go;
	atomic_t handled;
	size_t fault_count;
	spinlock_t lock; /* see above */
	struct list_head list;
	bool left;
	struct list_head entry;
};

/* Somebody else who does something */
struct drain_job {
	struct work_struct work;
	struct drain_ctx *ctx;
	struct completion done;
	void (*fn)(struct drain_job *job);
	ioasid_t pasid;
	unsigned int nr;
	struct drain_handle *old, *new;
	struct iommu_sva *bond;
	int ret;
};

struct drain_answer {
	atomic_t num;
	enum iommu_page_response_code code;
};

/**
 * struct drain_ctx - a test
 * @fake: the IOMMU
 * @fdev: its only device
 * @queue: of the device
 * @lock: protects @handles
 * @handles: all of the test
 * @jobs: the same
 * @nr_jobs: how many of them
 * @answers: to faults, by their group IDs
 * @then: to be done inside of the answer to fault 1
 * @in_switch: answers to fault 1 while the driver was at work
 * @free: what frees a domain of the fake IOMMU
 * @freed: how many of address spaces were
 * @next: for stress, the next fault
 * @stop: the end of that
 */
struct drain_ctx {
	struct fake_iommu *fake;
	struct fake_dev *fdev;
	struct iopf_queue *queue;
	spinlock_t lock; /* see above */
	struct list_head handles;
	struct drain_job jobs[DRAIN_NR_JOBS];
	unsigned int nr_jobs;
	struct drain_answer *answers;
	struct drain_job *then;
	int in_switch;
	void (*free)(struct iommu_domain *domain);
	atomic_t freed;
	atomic_t next;
	bool stop;
};

struct drain_job *drain_job(struct drain_ctx *ctx,
			    void (*fn)(struct drain_job *job),
			    ioasid_t pasid, unsigned int nr);
void drain_start(struct drain_job *job);
bool drain_waited(struct completion *done);
int drain_report_part(struct drain_ctx *ctx, ioasid_t pasid,
		      unsigned int nr, bool last);
int drain_report(struct drain_ctx *ctx, ioasid_t pasid, unsigned int nr);
void drain_report_job(struct drain_job *job);
int drain_answers(struct drain_ctx *ctx, unsigned int nr);
void drain_expect_answer(struct drain_ctx *ctx, unsigned int nr,
			 enum iommu_page_response_code code);
struct drain_handle *drain_handle(struct drain_ctx *ctx,
				  enum drain_mode mode);
int drain_attach(struct drain_handle *h, struct drain_handle *old,
		 ioasid_t pasid);
void drain_detach(struct drain_handle *h, ioasid_t pasid);
void drain_answer_list(struct drain_handle *h);
void drain_left(struct drain_handle *h);
void drain_switch_job(struct drain_job *job);
bool drain_is_untouched(struct drain_handle *h);
struct drain_ctx *drain_create(struct kunit *test);
void drain_exit(struct kunit *test);
struct drain_handle *drain_handle_new(struct drain_ctx *ctx,
				      enum drain_mode mode);

#endif /* __IOMMU_DRAIN_TEST_H */
