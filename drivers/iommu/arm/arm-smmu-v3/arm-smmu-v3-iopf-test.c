// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of who gets an I/O page fault queue.
 *
 * A domain with a fault handler can be attached to a master only where its
 * faults have somewhere to go. No hardware is needed to find that out: these
 * tests call arm_smmu_enable_iopf() with a master in memory, under the mutex
 * of a real IOMMU group.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/iommu.h>

#include "arm-smmu-v3.h"

struct iopf_ctx {
	struct device *dev;
	struct iommu_group *group;
	struct iopf_queue *queue;
	struct dev_iommu dev_iommu;
	struct iommu_device iommu_dev;
	struct arm_smmu_device smmu;
	struct arm_smmu_master master;
	struct arm_smmu_master_domain master_domain;
	int ret;
};

static void iopf_page_response(struct device *dev, struct iopf_fault *evt,
			       struct iommu_page_response *msg)
{
}

static const struct iommu_ops iopf_ops = {
	.page_response = iopf_page_response,
};

static int iopf_test_init(struct kunit *test)
{
	struct iopf_ctx *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;

	ctx->dev = kunit_device_register(test, "smmu-iopf");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->dev);

	ctx->group = iommu_group_alloc();
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->group);
	KUNIT_ASSERT_EQ(test, iommu_group_add_device(ctx->group, ctx->dev), 0);

	ctx->queue = iopf_queue_alloc("kunit");
	KUNIT_ASSERT_NOT_NULL(test, ctx->queue);

	ctx->iommu_dev.ops = &iopf_ops;
	mutex_init(&ctx->dev_iommu.lock);
	ctx->dev_iommu.iommu_dev = &ctx->iommu_dev;
	ctx->dev->iommu = &ctx->dev_iommu;

	ctx->master.smmu = &ctx->smmu;
	ctx->master.dev = ctx->dev;
	ctx->master.num_streams = 1;
	ctx->master.stall_enabled = true;
	return 0;
}

static void iopf_test_exit(struct kunit *test)
{
	struct iopf_ctx *ctx = test->priv;

	if (!ctx)
		return;
	if (ctx->queue) {
		/* Frees the queue and takes every device off it */
		iopf_queue_free(ctx->queue);
		ctx->dev->iommu = NULL;
	}
	if (!IS_ERR_OR_NULL(ctx->group)) {
		if (ctx->dev->iommu_group)
			iommu_group_remove_device(ctx->dev);
		iommu_group_put(ctx->group);
	}
}

static int iopf_enable_one(struct device *dev, void *data)
{
	struct iopf_ctx *ctx = data;

	ctx->ret = arm_smmu_enable_iopf(&ctx->master, &ctx->master_domain);
	return 0;
}

/* Calls arm_smmu_enable_iopf() the way the driver does: under group->mutex */
static int iopf_enable(struct iopf_ctx *ctx)
{
	ctx->ret = 1;
	iommu_group_for_each_dev(ctx->group, ctx, iopf_enable_one);
	return ctx->ret;
}

static void iopf_without_queue_is_refused(struct kunit *test)
{
	struct iopf_ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, iopf_enable(ctx), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ctx->master.iopf_refcount, 0);
	KUNIT_EXPECT_FALSE(test, ctx->master_domain.using_iopf);
}

static void iopf_without_stall_needs_no_queue(struct kunit *test)
{
	struct iopf_ctx *ctx = test->priv;

	ctx->master.stall_enabled = false;
	KUNIT_EXPECT_EQ(test, iopf_enable(ctx), 0);
	KUNIT_EXPECT_EQ(test, ctx->master.iopf_refcount, 0);
	KUNIT_EXPECT_FALSE(test, ctx->master_domain.using_iopf);
}

static void iopf_with_two_streams_is_refused(struct kunit *test)
{
	struct iopf_ctx *ctx = test->priv;

	ctx->smmu.evtq.iopf = ctx->queue;
	ctx->master.num_streams = 2;
	KUNIT_EXPECT_EQ(test, iopf_enable(ctx), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ctx->master.iopf_refcount, 0);
	KUNIT_EXPECT_FALSE(test, ctx->master_domain.using_iopf);
}

static void iopf_with_queue_is_counted(struct kunit *test)
{
	struct iopf_ctx *ctx = test->priv;

	ctx->smmu.evtq.iopf = ctx->queue;
	KUNIT_EXPECT_EQ(test, iopf_enable(ctx), 0);
	KUNIT_EXPECT_TRUE(test, ctx->master_domain.using_iopf);
	KUNIT_EXPECT_TRUE(test,
			  rcu_access_pointer(ctx->dev_iommu.fault_param));

	KUNIT_EXPECT_EQ(test, iopf_enable(ctx), 0);
	KUNIT_EXPECT_EQ(test, ctx->master.iopf_refcount, 2);
}

static struct kunit_case iopf_test_cases[] = {
	KUNIT_CASE(iopf_without_queue_is_refused),
	KUNIT_CASE(iopf_without_stall_needs_no_queue),
	KUNIT_CASE(iopf_with_two_streams_is_refused),
	KUNIT_CASE(iopf_with_queue_is_counted),
	{},
};

static struct kunit_suite iopf_test_suite = {
	.name = "arm_smmu_v3_iopf",
	.init = iopf_test_init,
	.exit = iopf_test_exit,
	.test_cases = iopf_test_cases,
};

kunit_test_suite(iopf_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of I/O page faults in the arm-smmu-v3 driver");
MODULE_LICENSE("GPL");
