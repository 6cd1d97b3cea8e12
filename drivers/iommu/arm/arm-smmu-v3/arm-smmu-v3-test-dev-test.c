// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what can be attached: test_dev() and the attach.
 *
 * Each kind of domain is tried at the RID and at PASIDs of a device, in every state
 * that the device can be in, and three must agree: what test_dev() says, what the
 * attach does in the same hold of group->mutex, and what the rules say, which were
 * written down without a look at either, see td_rules(). Besides, test_dev() and an
 * attach that is refused must leave all memory as it was. The device and its states
 * are in arm-smmu-v3-test-dev-states.c.
 */
#include "arm-smmu-v3-test-dev-test.h"

static const unsigned int td_flags[TD_NR_TYPES] = {
	[TD_S1] = TD_HANDLER | TD_COHERENT | TD_OTHER,
	[TD_S2] = TD_HANDLER | TD_COHERENT | TD_OTHER,
	[TD_VSTE_ABORT] = TD_HANDLER | TD_COHERENT | TD_OTHER | TD_GONE,
	[TD_VSTE_BYPASS] = TD_HANDLER | TD_COHERENT | TD_OTHER | TD_GONE,
	[TD_VSTE_S1] = TD_HANDLER | TD_COHERENT | TD_OTHER | TD_GONE,
	[TD_SVA] = TD_HANDLER | TD_OTHER | TD_GONE | TD_NO_SVA,
};

static const int td_errors[] = {
	0, -EINVAL, -EOPNOTSUPP, -EBUSY, -ENODEV, -ENOENT,
};

static unsigned int td_error_bit(int err)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(td_errors); i++)
		if (td_errors[i] == err)
			return BIT(i);
	return BIT(31);
}

/*
 * Which answers are right? Where several rules are broken it says nothing about the
 * order in which they are to be looked at.
 */
static unsigned int td_rules(enum td_type rid, unsigned int props,
			     enum td_type type, unsigned int flags, bool pasid)
{
	unsigned int no = 0;

	/* There is no process at a RID, and neither identity nor a vSTE at a PASID */
	if (!pasid && type == TD_SVA)
		return td_error_bit(-ENODEV);
	if (pasid && (type == TD_IDENTITY || td_is_nested(type)))
		return td_error_bit(-EOPNOTSUPP);

	/* A domain belongs to an SMMU, a nested one to that of its vSMMU */
	if (flags & TD_OTHER)
		no |= td_error_bit(-EINVAL);
	/* Stage 2 and nested only if no PASID is attached */
	if (!pasid && (type == TD_S2 || td_is_nested(type)) && (props & TD_PASID))
		no |= td_error_bit(-EBUSY);
	/* PASIDs have stage 1 or SVA, with RID on identity, blocked or stage 1 */
	if (pasid && type == TD_S2)
		no |= td_error_bit(-EINVAL);
	if (pasid && type != TD_BLOCKED && (rid == TD_S2 || td_is_nested(rid)))
		no |= td_error_bit(-EINVAL);
	/* SVA where it is supported, and for a process that lives */
	if (flags & TD_NO_SVA)
		no |= td_error_bit(-EOPNOTSUPP);
	if (type == TD_SVA && (flags & TD_GONE))
		no |= td_error_bit(-EINVAL);
	/* Who can stall has faults handled from one stream, with an IOPF queue */
	if ((flags & TD_HANDLER) && (props & TD_CAN_STALL) &&
	    ((props & TD_TWO_STREAMS) || !(props & TD_IOPF_QUEUE)))
		no |= td_error_bit(-EOPNOTSUPP);
	/* Cache coherency is enforced for those only for whom it can be */
	if ((flags & TD_COHERENT) && !(props & TD_CANWBS))
		no |= td_error_bit(-EINVAL);
	/* A guest's stage 1 needs a vDEVICE */
	if (type == TD_VSTE_S1 && (flags & TD_GONE))
		no |= td_error_bit(-ENOENT);
	return no ?: td_error_bit(0);
}

/* One attempt */

__printf(2, 3)
static void td_fail(struct td_ctx *ctx, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (ctx->fails++ >= TD_MAX_FAILS)
		return;
	va_start(args, fmt);
	vaf.va = &args;
	KUNIT_FAIL(ctx->test,
		   "RID on %u, device %#x; domain %u, %#x for %s %d: %pV",
		   ctx->rid, ctx->props, ctx->type, ctx->flags,
		   ctx->pasid == IOMMU_NO_PASID ? "RID" : "PASID",
		   (int)ctx->pasid, &vaf);
	va_end(args);
}

static int td_attach(struct td_ctx *ctx, struct iommu_domain *domain,
		     struct iommu_domain *old)
{
	if (ctx->pasid == IOMMU_NO_PASID)
		return domain->ops->attach_dev(domain, ctx->master.dev, old);
	return domain->ops->set_dev_pasid(domain, ctx->master.dev, ctx->pasid,
					  old);
}

static void td_take_back(struct td_ctx *ctx, struct iommu_domain *domain,
			 struct iommu_domain *old)
{
	if (!old)
		old = ctx->ops.blocked_domain;
	/* At a PASID that is to be where there is nothing */
	if (ctx->pasid != IOMMU_NO_PASID && domain == ctx->ops.blocked_domain)
		domain = NULL;
	if (old != domain && td_attach(ctx, old, domain))
		td_fail(ctx, "cannot go back");
}

static void td_compare(struct td_ctx *ctx, int ret)
{
	unsigned int right;
	const char *changed;

	if (ret) {
		ctx->refused++;
		changed = td_changed(ctx, TD_REFUSED);
		if (changed)
			td_fail(ctx, "the attach has failed, and changed %s",
				changed);
	} else {
		ctx->attached++;
	}
	if (!ctx->withdraw) {
		if (ret != ctx->answer)
			td_fail(ctx, "test_dev() says %d, the attach %d",
				ctx->answer, ret);
		return;
	}
	ctx->withdrawn++;
	right = td_rules(ctx->rid, ctx->props, ctx->type,
			 ctx->flags | ctx->withdraw,
			 ctx->pasid != IOMMU_NO_PASID);
	if (right != td_error_bit(ret))
		td_fail(ctx, "without %#x the attach gives %d", ctx->withdraw,
			ret);
}

static bool td_can_attach(struct iommu_domain *domain, ioasid_t pasid)
{
	if (pasid == IOMMU_NO_PASID)
		return domain->ops->attach_dev;
	return domain->ops->set_dev_pasid;
}

/* Under group->mutex */
static int td_ask_and_attach(struct device *dev, void *data)
{
	struct td_ctx *ctx = data;
	struct iommu_domain *domain = td_domain(ctx, &ctx->tried, ctx->type);
	struct iommu_domain *old = NULL;
	const char *changed;
	unsigned int right, bit;
	bool had_cds;
	int ret;

	if (ctx->pasid == IOMMU_NO_PASID)
		old = td_domain(ctx, &ctx->has, ctx->rid);
	else if (ctx->pasid == TD_OLD_PASID)
		old = ctx->on_pasid;
	right = td_rules(ctx->rid, ctx->props, ctx->type, ctx->flags,
			 ctx->pasid != IOMMU_NO_PASID);

	td_see_all(ctx);
	ctx->answer = domain->ops->test_dev(domain, ctx->master.dev, ctx->pasid,
					    old);
	changed = td_changed(ctx, TD_ASKED);
	if (changed)
		td_fail(ctx, "test_dev() has changed %s", changed);
	ctx->asked++;
	bit = td_error_bit(ctx->answer);
	if (!(right & bit)) {
		/* The attach may go by the same, and do harm */
		td_fail(ctx, "test_dev() says %d, the rules %#x", ctx->answer,
			right);
		return 0;
	}
	ctx->returned[__ffs(bit)] = true;

	if (!td_can_attach(domain, ctx->pasid))
		return 0;
	if (ctx->withdraw) {
		if (ctx->answer)
			return 0;
		td_make(ctx, &ctx->tried, ctx->type, ctx->flags | ctx->withdraw);
		td_see_all(ctx);
	}
	had_cds = arm_smmu_cdtab_allocated(&ctx->master.cd_table);
	ret = td_attach(ctx, domain, old);
	td_compare(ctx, ret);
	if (!ret)
		td_take_back(ctx, domain, old);
	if (!had_cds)
		td_free_cds(ctx);
	changed = td_changed(ctx, TD_BACK);
	if (changed)
		td_fail(ctx, "after the attach and back %s is another", changed);
	return 0;
}

/* There is no operation: the core knows that, but not test_dev() */
static int td_ask_core(struct td_ctx *ctx, struct iommu_domain *domain)
{
	struct iommu_attach_handle *handle = &ctx->tried.handle;

	if (ctx->pasid == IOMMU_NO_PASID)
		return iommu_replace_group_handle(ctx->group, domain, handle);
	if (ctx->pasid == TD_NEW_PASID)
		return iommu_attach_device_pasid(domain, ctx->dev, ctx->pasid,
						 NULL);
	return iommu_replace_device_pasid(domain, ctx->dev, ctx->pasid, handle);
}

static void td_try(struct td_ctx *ctx, ioasid_t pasid)
{
	struct iommu_domain *domain;

	ctx->pasid = pasid;
	domain = td_make(ctx, &ctx->tried, ctx->type, ctx->flags);
	iommu_group_for_each_dev(ctx->group, ctx, td_ask_and_attach);
	if (!td_can_attach(domain, pasid) && !ctx->withdraw)
		td_compare(ctx, td_ask_core(ctx, domain));
}

static void td_try_all(struct td_ctx *ctx)
{
	for (ctx->type = 0; ctx->type < TD_NR_TYPES; ctx->type++) {
		if (!td_has_type(ctx->type))
			continue;
		for (ctx->flags = 0; ctx->flags < BIT(TD_NR_FLAGS); ctx->flags++) {
			/* Which rule comes first is seen with two of them */
			if ((ctx->flags & ~td_flags[ctx->type]) ||
			    hweight32(ctx->flags) > 2)
				continue;
			if (ctx->withdraw &&
			    ((ctx->flags & ~TD_HANDLER) ||
			     (ctx->withdraw & ~td_flags[ctx->type])))
				continue;
			td_try(ctx, IOMMU_NO_PASID);
			td_try(ctx, TD_NEW_PASID);
			if (ctx->props & TD_PASID)
				td_try(ctx, TD_OLD_PASID);
		}
	}
}

static void td_in_all_states(struct td_ctx *ctx)
{
	for (ctx->rid = 0; ctx->rid < TD_SVA; ctx->rid++) {
		if (!td_has_type(ctx->rid))
			continue;
		for (ctx->props = 0; ctx->props < BIT(TD_NR_PROPS); ctx->props++) {
			if (!IS_ENABLED(CONFIG_PCI_ATS) && (ctx->props & TD_ATS))
				continue;
			if (ctx->fails >= TD_MAX_FAILS)
				return;
			if (td_enter(ctx))
				td_try_all(ctx);
			td_leave(ctx);
			cond_resched();
		}
	}
}

static void test_dev_contract(struct kunit *test)
{
	struct td_ctx *ctx = test->priv;
	unsigned int i;

	td_in_all_states(ctx);
	for (i = 0; i < ARRAY_SIZE(td_errors); i++) {
		if (td_errors[i] == -ENOENT &&
		    !IS_ENABLED(CONFIG_ARM_SMMU_V3_IOMMUFD))
			continue;
		KUNIT_EXPECT_TRUE_MSG(test, ctx->returned[i],
				      "nothing was answered with %d",
				      td_errors[i]);
	}
	KUNIT_EXPECT_EQ(test, ctx->attached + ctx->refused, ctx->asked);
	kunit_info(test, "%lu combinations in %lu states: %lu attached, %lu not\n",
		   ctx->asked, ctx->states, ctx->attached, ctx->refused);
}

/* A third party takes away what the answer has counted on */
static void test_dev_withdrawn(struct kunit *test)
{
	static const unsigned int withdraw[] = { TD_COHERENT, TD_GONE };
	struct td_ctx *ctx = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(withdraw); i++) {
		ctx->withdraw = withdraw[i];
		ctx->attached = 0;
		ctx->refused = 0;
		td_in_all_states(ctx);
		KUNIT_EXPECT_GT(test, ctx->attached, 0);
		KUNIT_EXPECT_GT(test, ctx->refused, 0);
	}
	kunit_info(test, "%lu combinations\n", ctx->withdrawn);
}

/* A comparison of memory that never finds anything would prove nothing */
static void test_dev_memory(struct kunit *test)
{
	struct td_ctx *ctx = test->priv;
	unsigned int i;

	ctx->rid = IS_ENABLED(CONFIG_ARM_SMMU_V3_IOMMUFD) ? TD_VSTE_S1 : TD_S2;
	KUNIT_ASSERT_TRUE(test, td_enter(ctx));
	td_see_all(ctx);
	KUNIT_EXPECT_PTR_EQ(test, td_changed(ctx, ~0), NULL);
	for (i = 0; i < ctx->num_seen; i++) {
		struct td_seen *seen = &ctx->seen[i];
		u8 *last = seen->ptr + seen->size - 1;

		*last ^= 0x80;
		KUNIT_EXPECT_PTR_NE(test, td_changed(ctx, seen->when), NULL);
		*last ^= 0x80;
		KUNIT_EXPECT_PTR_EQ(test, td_changed(ctx, ~0), NULL);
	}
	KUNIT_EXPECT_GT(test, i, 30);
	td_leave(ctx);
}

static struct kunit_case td_cases[] = {
	KUNIT_CASE_SLOW(test_dev_contract),
	KUNIT_CASE_SLOW(test_dev_withdrawn),
	KUNIT_CASE(test_dev_memory),
	{},
};

static struct kunit_suite td_suite = {
	.name = "arm_smmu_v3_test_dev",
	.suite_init = td_suite_init,
	.suite_exit = td_suite_exit,
	.init = td_init,
	.exit = td_exit,
	.test_cases = td_cases,
};

kunit_test_suite(td_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_IMPORT_NS("IOMMUFD_INTERNAL");
MODULE_DESCRIPTION("KUnit tests of what can be attached by the arm-smmu-v3 driver");
MODULE_LICENSE("GPL");
