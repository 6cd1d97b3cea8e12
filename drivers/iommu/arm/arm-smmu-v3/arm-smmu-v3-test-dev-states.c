// SPDX-License-Identifier: GPL-2.0
/*
 * The device that the KUnit tests of test_dev() attach, and all that it can be on.
 *
 * The driver's own operations run, and those of the core bring the device into a
 * state. Stand-ins are the tables and queues of the SMMU, the process of an SVA
 * domain, of which only the number of users matters, the vIOMMU and its vDEVICEs, and
 * a PCI function that has nothing but ATS.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <linux/dma-mapping.h>

#include "arm-smmu-v3-queue-test.h"
#include "arm-smmu-v3-test-dev-test.h"

/* Memory */

static void td_see(struct td_ctx *ctx, const char *name, void *ptr, size_t size,
		   unsigned int when)
{
	struct td_seen *seen = &ctx->seen[ctx->num_seen];

	if (!ptr || !size)
		return;
	if (ctx->num_seen == TD_MAX_SEEN || ctx->num_bytes + size > TD_MAX_BYTES) {
		if (ctx->fails++ < TD_MAX_FAILS)
			KUNIT_FAIL(ctx->test, "no room for %s", name);
		return;
	}
	*seen = (struct td_seen){
		.name = name, .ptr = ptr, .size = size, .pos = ctx->num_bytes,
		.when = when,
	};
	memcpy(ctx->bytes + seen->pos, ptr, size);
	ctx->num_seen++;
	ctx->num_bytes += size;
}

#define TD_SEE(ctx, obj, when) td_see(ctx, #obj, &(obj), sizeof(obj), when)

/* Several members of an object */
static void td_see_to(struct td_ctx *ctx, const char *name, void *from, void *end,
		      unsigned int when)
{
	td_see(ctx, name, from, end - from, when);
}

static void td_see_domain(struct td_ctx *ctx, struct arm_smmu_domain *domain)
{
	struct arm_smmu_invs *invs = rcu_dereference_protected(domain->invs, true);
	struct arm_smmu_master_domain *entry;
	size_t after = offsetofend(typeof(*domain), devices_lock);

	/* The lock has been taken by an attach that is refused later */
	td_see(ctx, "domain", domain, offsetof(typeof(*domain), devices_lock),
	       TD_ASKED | TD_REFUSED);
	td_see(ctx, "domain", (void *)domain + after, sizeof(*domain) - after,
	       TD_ASKED | TD_REFUSED);
	td_see(ctx, "invs", invs, struct_size(invs, inv, invs->max_invs),
	       TD_ASKED | TD_REFUSED);
	list_for_each_entry(entry, &domain->devices, devices_elm)
		TD_SEE(ctx, *entry, TD_ASKED | TD_REFUSED);
}

static void td_see_set(struct td_ctx *ctx, struct td_set *set)
{
	td_see_domain(ctx, set->s1);
	td_see_domain(ctx, set->s2);
	td_see_domain(ctx, set->sva);
	TD_SEE(ctx, set->nested, TD_ASKED | TD_REFUSED);
	TD_SEE(ctx, set->vsmmu.core.vdevs.xa_head, TD_ASKED | TD_REFUSED);
	td_see_to(ctx, "vSMMU", &set->vsmmu.smmu, &set->vsmmu + 1,
		  TD_ASKED | TD_REFUSED);
	TD_SEE(ctx, set->vdevs, TD_ASKED | TD_REFUSED);
	TD_SEE(ctx, set->mm->mm_users, TD_ASKED | TD_REFUSED);
}

void td_see_all(struct td_ctx *ctx)
{
	const unsigned int unchanged = TD_ASKED | TD_REFUSED;
	struct arm_smmu_master *master = &ctx->master;
	struct arm_smmu_ctx_desc_cfg *cds = &master->cd_table;
	bool has_cds = arm_smmu_cdtab_allocated(cds);
	struct arm_smmu_queue *cmdq = &ctx->smmu.cmdq.q;
	struct arm_smmu_queue *evtq = &ctx->smmu.evtq.q;
	struct arm_smmu_invs *build = master->build_invs;
	struct dev_iommu *param = ctx->dev->iommu;

	ctx->num_seen = 0;
	ctx->num_bytes = 0;

	td_see_to(ctx, "master", master, cds, unchanged);
	/* An attach that is refused may leave an empty table behind */
	TD_SEE(ctx, *cds, has_cds ? unchanged | TD_BACK : TD_ASKED | TD_BACK);
	td_see_to(ctx, "master", cds + 1, &master->gate, unchanged | TD_BACK);
	TD_SEE(ctx, master->gate, unchanged);
	td_see_to(ctx, "gate", &master->gate.shut, &master->gate.stall_lock,
		  TD_BACK);
	td_see(ctx, "build_invs", build,
	       struct_size(build, inv, build->max_invs), TD_ASKED);
	if (master->vmaster)
		TD_SEE(ctx, *master->vmaster, unchanged);
	TD_SEE(ctx, ctx->streams, unchanged | TD_BACK);
	TD_SEE(ctx, ctx->table, unchanged | TD_BACK);
	if (has_cds)
		td_see(ctx, "CDs", cds->linear.table,
		       cds->linear.num_ents * sizeof(*cds->linear.table),
		       unchanged | TD_BACK);

	TD_SEE(ctx, ctx->smmu, unchanged);
	TD_SEE(ctx, ctx->other, unchanged);
	td_see(ctx, "command queue", cmdq->base,
	       QUEUE_ENTS * cmdq->ent_dwords * sizeof(u64), unchanged);
	td_see(ctx, "event queue", evtq->base,
	       EVENTS_ENTS * evtq->ent_dwords * sizeof(u64), unchanged);
	TD_SEE(ctx, ctx->regs, unchanged);

	td_see_to(ctx, "dev_iommu", &param->fault_param, param + 1,
		  unchanged | TD_BACK);
	td_see(ctx, "fwspec", param->fwspec,
	       struct_size(param->fwspec, ids, param->fwspec->num_ids),
	       unchanged | TD_BACK);
	TD_SEE(ctx, *ctx->pdev, unchanged);
	TD_SEE(ctx, ctx->ats_ctrl, unchanged);
	TD_SEE(ctx, *ctx->ops.identity_domain, unchanged | TD_BACK);
	TD_SEE(ctx, *ctx->ops.blocked_domain, unchanged | TD_BACK);
	td_see_set(ctx, &ctx->has);
	td_see_set(ctx, &ctx->tried);
}

const char *td_changed(struct td_ctx *ctx, unsigned int when)
{
	unsigned int i;

	for (i = 0; i < ctx->num_seen; i++) {
		struct td_seen *seen = &ctx->seen[i];

		if ((seen->when & when) &&
		    memcmp(ctx->bytes + seen->pos, seen->ptr, seen->size))
			return seen->name;
	}
	return NULL;
}

/* Domains */

static int td_iopf_handler(struct iopf_group *group)
{
	return -ENODEV;
}

struct iommu_domain *td_domain(struct td_ctx *ctx, struct td_set *set,
			       enum td_type type)
{
	switch (type) {
	case TD_IDENTITY:
		return ctx->ops.identity_domain;
	case TD_BLOCKED:
		return ctx->ops.blocked_domain;
	case TD_S1:
		return &set->s1->domain;
	case TD_S2:
		return &set->s2->domain;
	case TD_SVA:
		return &set->sva->domain;
	default:
		return &set->nested.domain;
	}
}

static void td_set_vdevs(struct td_set *set, bool there)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(set->vdevs); i++) {
		if (there)
			xa_store(&set->vsmmu.core.vdevs, i, &set->vdevs[i],
				 GFP_KERNEL);
		else
			xa_erase(&set->vsmmu.core.vdevs, i);
	}
}

struct iommu_domain *td_make(struct td_ctx *ctx, struct td_set *set,
			     enum td_type type, unsigned int flags)
{
	static const unsigned int cfgs[TD_NR_TYPES] = {
		[TD_VSTE_ABORT] = STRTAB_STE_0_CFG_ABORT,
		[TD_VSTE_BYPASS] = STRTAB_STE_0_CFG_BYPASS,
		[TD_VSTE_S1] = STRTAB_STE_0_CFG_S1_TRANS,
	};
	struct iommu_domain *domain = td_domain(ctx, set, type);
	struct arm_smmu_device *smmu = &ctx->smmu;
	struct arm_smmu_domain *paging = NULL;
	struct iommu_domain *target;
	u64 ste;

	if (flags & TD_OTHER)
		smmu = &ctx->other;
	if (flags & TD_NO_SVA)
		ctx->smmu.features &= ~ARM_SMMU_FEAT_SVA;
	else
		ctx->smmu.features |= ARM_SMMU_FEAT_SVA;
	/* The others are static */
	if (type >= TD_S1)
		domain->iopf_handler =
			flags & TD_HANDLER ? td_iopf_handler : NULL;

	if (td_is_nested(type)) {
		set->vsmmu.smmu = smmu;
		ste = STRTAB_STE_0_V | FIELD_PREP(STRTAB_STE_0_CFG, cfgs[type]);
		set->nested.ste[0] = cpu_to_le64(ste);
		td_set_vdevs(set, !(flags & TD_GONE));
		paging = set->s2;
		paging->smmu = smmu;
	} else if (type == TD_SVA) {
		set->sva->smmu = smmu;
		atomic_set(&set->mm->mm_users, !(flags & TD_GONE));
	} else if (type == TD_S1 || type == TD_S2) {
		paging = to_smmu_domain(domain);
		paging->smmu = smmu;
	}
	if (!paging)
		return domain;
	target = &paging->domain;
	if (!(flags & TD_COHERENT))
		paging->enforce_cache_coherency = false;
	else if (!target->ops->enforce_cache_coherency(target))
		KUNIT_FAIL(ctx->test, "coherency cannot be enforced");
	return domain;
}

/* States */

void td_free_cds(struct td_ctx *ctx)
{
	struct arm_smmu_ctx_desc_cfg *cds = &ctx->master.cd_table;

	if (cds->linear.table)
		dma_free_coherent(ctx->smmu.dev, cds->linear.num_ents *
				  sizeof(*cds->linear.table), cds->linear.table,
				  cds->cdtab_dma);
	memset(cds, 0, sizeof(*cds));
}

static int td_attach_identity(struct device *dev, void *data)
{
	struct td_ctx *ctx = data;
	struct iommu_domain *identity = ctx->ops.identity_domain;

	ctx->answer = identity->ops->attach_dev(identity, dev, identity);
	return 0;
}

static int td_fence(struct device *dev, void *data)
{
	struct td_ctx *ctx = data;

	ctx->answer = arm_smmu_fence_dev(ctx->master.dev);
	return 0;
}

static int td_unfence(struct device *dev, void *data)
{
	struct td_ctx *ctx = data;

	ctx->answer = arm_smmu_unfence_dev(ctx->master.dev);
	return 0;
}

static void td_under_mutex(struct td_ctx *ctx, int (*fn)(struct device *, void *))
{
	ctx->answer = -ESRCH;
	iommu_group_for_each_dev(ctx->group, ctx, fn);
	KUNIT_EXPECT_EQ(ctx->test, ctx->answer, 0);
}

void td_leave(struct td_ctx *ctx)
{
	if (ctx->master.gate.shut)
		td_under_mutex(ctx, td_unfence);
	if (ctx->on_pasid)
		iommu_detach_device_pasid(ctx->on_pasid, ctx->dev, TD_OLD_PASID);
	ctx->on_pasid = NULL;
	iommu_detach_group_handle(NULL, ctx->group);
	td_free_cds(ctx);
}

/* From identity, without a table of CDs and with the gate open */
bool td_enter(struct td_ctx *ctx)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(ctx->dev);
	struct arm_smmu_master *master = &ctx->master;
	unsigned int props = ctx->props;
	struct iommu_domain *domain;
	int ret, want = 0;

	master->stall_enabled = props & TD_CAN_STALL;
	master->num_streams = props & TD_TWO_STREAMS ? 2 : 1;
	master->dev = props & TD_ATS ? &ctx->pdev->dev : ctx->dev;
	ctx->smmu.evtq.iopf = props & TD_IOPF_QUEUE ? ctx->iopf : NULL;
	fwspec->flags = (props & TD_CANWBS ? IOMMU_FWSPEC_PCI_RC_CANWBS : 0) |
			(props & TD_ATS ? IOMMU_FWSPEC_PCI_RC_ATS : 0);
	/* For the STE of the second stream */
	td_under_mutex(ctx, td_attach_identity);

	domain = td_make(ctx, &ctx->has, ctx->rid, 0);
	ret = iommu_replace_group_handle(ctx->group, domain, &ctx->has.handle);
	KUNIT_EXPECT_EQ(ctx->test, ret, 0);

	if (props & TD_PASID) {
		domain = td_make(ctx, &ctx->has, TD_S1, 0);
		if (ctx->rid == TD_S2 || td_is_nested(ctx->rid))
			want = -EINVAL;
		ret = iommu_attach_device_pasid(domain, ctx->dev, TD_OLD_PASID,
						NULL);
		KUNIT_EXPECT_EQ(ctx->test, ret, want);
		if (ret)
			return false;
		ctx->on_pasid = domain;
	}
	if (props & TD_SHUT)
		td_under_mutex(ctx, td_fence);
	ctx->states++;
	return true;
}

/* Life */

static const struct bus_type td_bus = {
	.name = "arm_smmu_v3_test_dev",
};

int td_suite_init(struct kunit_suite *suite)
{
	return bus_register(&td_bus);
}

void td_suite_exit(struct kunit_suite *suite)
{
	bus_unregister(&td_bus);
}

/* In place of arm_smmu_cmdq_poll_until_sync(): the SMMU has taken all commands */
static int td_poll_until_sync(struct arm_smmu_device *smmu,
			      struct arm_smmu_cmdq *cmdq,
			      struct arm_smmu_ll_queue *llq)
{
	struct td_ctx *ctx = container_of(smmu, struct td_ctx, smmu);

	ctx->regs[1] = ctx->regs[0] & QUEUE_MASK;
	llq->cons = ctx->regs[1];
	return 0;
}

static void td_wait_flushes(struct arm_smmu_master *master)
{
}

static struct iommu_device *td_probe_device(struct device *dev)
{
	static const u32 ids[] = { 1, 3 };
	struct td_ctx *ctx = dev_get_drvdata(dev);
	struct arm_smmu_master *master = &ctx->master;
	unsigned int i;

	if (iommu_fwspec_add_ids(dev, ids, ARRAY_SIZE(ids)))
		return ERR_PTR(-ENOMEM);

	master->smmu = &ctx->smmu;
	master->dev = dev;
	master->streams = ctx->streams;
	master->num_streams = ARRAY_SIZE(ids);
	master->ssid_bits = TD_PASID_BITS;
	master->build_invs = arm_smmu_invs_alloc(2 + ARRAY_SIZE(ids));
	if (!master->build_invs)
		return ERR_PTR(-ENOMEM);
	arm_smmu_gate_init(master);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		ctx->streams[i].id = ids[i];
		ctx->streams[i].master = master;
	}
	dev_iommu_priv_set(dev, master);
	return &ctx->smmu.iommu;
}

static void td_release_device(struct device *dev)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);

	kfree(master->build_invs);
}

static int td_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static int td_config_read(struct pci_bus *bus, unsigned int devfn, int where,
			  int size, u32 *val)
{
	struct td_ctx *ctx = bus->sysdata;

	*val = ctx->ats_ctrl;
	return PCIBIOS_SUCCESSFUL;
}

static int td_config_write(struct pci_bus *bus, unsigned int devfn, int where,
			   int size, u32 val)
{
	struct td_ctx *ctx = bus->sysdata;

	ctx->ats_ctrl = val;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops td_config_ops = {
	.read = td_config_read,
	.write = td_config_write,
};

static void *td_alloc(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

static struct arm_smmu_domain *td_alloc_paging(struct td_ctx *ctx, u32 flags)
{
	struct iommu_domain *domain;

	domain = ctx->ops.domain_alloc_paging_flags(ctx->dev, flags, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(ctx->test, domain);
	domain->owner = &ctx->ops;
	return to_smmu_domain(domain);
}

static void td_init_set(struct td_ctx *ctx, struct td_set *set, u16 asid)
{
	struct arm_smmu_domain *sva = td_alloc(ctx->test, sizeof(*sva));
	struct arm_smmu_invs *invs;
	unsigned int i;

	set->s1 = td_alloc_paging(ctx, 0);
	set->s2 = td_alloc_paging(ctx, IOMMU_HWPT_ALLOC_NEST_PARENT);

	set->mm = td_alloc(ctx->test, sizeof(*set->mm));
	set->mm->pgd = td_alloc(ctx->test, PAGE_SIZE);
	invs = arm_smmu_invs_alloc(0);
	KUNIT_ASSERT_NOT_NULL(ctx->test, invs);
	RCU_INIT_POINTER(sva->invs, invs);
	INIT_LIST_HEAD(&sva->devices);
	spin_lock_init(&sva->devices_lock);
	sva->stage = ARM_SMMU_DOMAIN_SVA;
	sva->cd.asid = asid;
	sva->domain.type = IOMMU_DOMAIN_SVA;
	sva->domain.ops = &arm_smmu_sva_domain_ops;
	sva->domain.owner = &ctx->ops;
	sva->domain.mm = set->mm;
	set->sva = sva;

	set->nested.domain.type = IOMMU_DOMAIN_NESTED;
	if (IS_ENABLED(CONFIG_ARM_SMMU_V3_IOMMUFD))
		set->nested.domain.ops = &arm_smmu_nested_ops;
	set->nested.domain.owner = &ctx->ops;
	set->nested.vsmmu = &set->vsmmu;
	set->vsmmu.s2_parent = set->s2;
	set->vsmmu.vmid = set->s2->s2_cfg.vmid;
	xa_init(&set->vsmmu.core.vdevs);
	for (i = 0; i < ARRAY_SIZE(set->vdevs); i++) {
		set->vdevs[i].viommu = &set->vsmmu.core;
		set->vdevs[i].idev = &ctx->idevs[i];
		set->vdevs[i].virt_id = i;
	}
}

static void td_exit_set(struct td_ctx *ctx, struct td_set *set)
{
	if (set->sva)
		kfree(rcu_dereference_protected(set->sva->invs, true));
	xa_destroy(&set->vsmmu.core.vdevs);
	if (set->s2) {
		set->s2->smmu = &ctx->smmu;
		set->s2->domain.ops->free(&set->s2->domain);
	}
	if (set->s1) {
		set->s1->smmu = &ctx->smmu;
		set->s1->domain.ops->free(&set->s1->domain);
	}
}

static void td_init_smmu(struct td_ctx *ctx)
{
	struct arm_smmu_device *smmu = &ctx->smmu;

	smmu->dev = kunit_device_register(ctx->test, "smmu-test-dev");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(ctx->test, smmu->dev);
	smmu->dev->coherent_dma_mask = DMA_BIT_MASK(64);
	smmu->features = ARM_SMMU_FEAT_TRANS_S1 | ARM_SMMU_FEAT_TRANS_S2 |
			 ARM_SMMU_FEAT_NESTING | ARM_SMMU_FEAT_STALLS |
			 ARM_SMMU_FEAT_COHERENCY | ARM_SMMU_FEAT_SVA |
			 ARM_SMMU_FEAT_ATTR_TYPES_OVR | ARM_SMMU_FEAT_ATS;
	smmu->options = ARM_SMMU_OPT_SKIP_PREFETCH;
	smmu->pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G;
	smmu->oas = 48;
	smmu->asid_bits = 8;
	smmu->vmid_bits = 8;
	ida_init(&smmu->vmid_map);
	smmu->ssid_bits = TD_PASID_BITS;
	smmu->iommu.max_pasids = BIT(TD_PASID_BITS);
	mutex_init(&smmu->streams_mutex);
	smmu->strtab_cfg.linear.table = ctx->table;
	smmu->strtab_cfg.linear.num_ents = ARRAY_SIZE(ctx->table);
	queue_init_cmdq(ctx->test, smmu, &ctx->regs[0], &ctx->regs[1]);
	queue_init_evtq(ctx->test, smmu, &ctx->regs[2], &ctx->regs[3]);
	ctx->iopf = iopf_queue_alloc("test-dev");
	KUNIT_ASSERT_NOT_NULL(ctx->test, ctx->iopf);
}

static void td_dev_release(struct device *dev)
{
	kfree(dev);
}

static void td_init_dev(struct td_ctx *ctx)
{
	struct iommu_device *iommu = &ctx->smmu.iommu;
	struct kunit *test = ctx->test;
	struct device *dev;
	int ret;

	ret = iommu_device_sysfs_add(iommu, NULL, NULL, "smmu_test_dev");
	KUNIT_ASSERT_EQ(test, ret, 0);
	ret = iommu_device_register_bus(iommu, &ctx->ops, &td_bus, &ctx->nb);
	if (ret)
		iommu_device_sysfs_remove(iommu);
	KUNIT_ASSERT_EQ(test, ret, 0);
	ctx->registered = true;

	dev = kzalloc_obj(*dev);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	device_initialize(dev);
	dev->bus = &td_bus;
	dev->release = td_dev_release;
	dev_set_drvdata(dev, ctx);
	ret = dev_set_name(dev, "test-dev");
	if (!ret)
		ret = iommu_mock_device_add(dev, iommu);
	if (ret)
		put_device(dev);
	KUNIT_ASSERT_EQ(test, ret, 0);
	ctx->dev = dev;
	ctx->group = iommu_group_get(dev);
	KUNIT_ASSERT_NOT_NULL(test, ctx->group);
	dev->iommu->max_pasids = BIT(TD_PASID_BITS);

	/* The same device for the driver, where it is to look like a function */
	ctx->pdev->bus = ctx->bus;
	ctx->pdev->dev.iommu_group = dev->iommu_group;
	ctx->pdev->dev.iommu = dev->iommu;
#ifdef CONFIG_PCI_ATS
	ctx->pdev->ats_cap = 0x100;
	ctx->pdev->dev.bus = &pci_bus_type;
#endif
	ctx->idevs[0].dev = dev;
	ctx->idevs[1].dev = &ctx->pdev->dev;
}

int td_init(struct kunit *test)
{
	struct td_ctx *ctx = td_alloc(test, sizeof(*ctx));

	test->priv = ctx;
	ctx->test = test;
	ctx->bytes = td_alloc(test, TD_MAX_BYTES);
	ctx->pdev = td_alloc(test, sizeof(*ctx->pdev));
	ctx->bus = td_alloc(test, sizeof(*ctx->bus));
	ctx->bus->ops = &td_config_ops;
	ctx->bus->sysdata = ctx;

	ctx->ops = arm_smmu_ops;
	ctx->ops.owner = THIS_MODULE;
	ctx->ops.probe_device = td_probe_device;
	ctx->ops.release_device = td_release_device;
	ctx->ops.device_group = generic_device_group;
	ctx->ops.def_domain_type = td_def_domain_type;
	ctx->ops.get_resv_regions = NULL;

	kunit_activate_static_stub(test, arm_smmu_cmdq_poll_until_sync,
				   td_poll_until_sync);
	kunit_activate_static_stub(test, arm_smmu_gate_wait_flushes,
				   td_wait_flushes);
	td_init_smmu(ctx);
	td_init_dev(ctx);
	td_init_set(ctx, &ctx->has, 0xf1);
	td_init_set(ctx, &ctx->tried, 0xf2);
	return 0;
}

void td_exit(struct kunit *test)
{
	struct td_ctx *ctx = test->priv;

	if (!ctx)
		return;
	if (ctx->dev) {
		ctx->master.dev = ctx->dev;
		td_leave(ctx);
		iommu_group_put(ctx->group);
		device_unregister(ctx->dev);
	}
	if (ctx->registered) {
		iommu_device_unregister_bus(&ctx->smmu.iommu, &td_bus, &ctx->nb);
		iommu_device_sysfs_remove(&ctx->smmu.iommu);
	}
	td_exit_set(ctx, &ctx->tried);
	td_exit_set(ctx, &ctx->has);
	if (ctx->iopf)
		iopf_queue_free(ctx->iopf);
}
