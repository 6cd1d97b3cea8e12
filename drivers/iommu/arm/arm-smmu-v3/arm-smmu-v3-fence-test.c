// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the gate.
 *
 * Attach, fence, unfence and closes of a device in memory, in every order in which
 * their steps can meet, see arm-smmu-v3-fence-paths.c. Tests have negative controls:
 * the same with a mistake must be noticed.
 */
#include <kunit/device.h>
#include <linux/io-pgtable.h>

#include "arm-smmu-v3-fence-test.h"

static const u32 gate_one[] = { 1 };
static const u32 gate_two[] = { 1, 3 };
static const u32 gate_twice[] = { 2, 2 };

static void gate_expect(struct kunit *test, const struct gate_script *script)
{
	struct gate_ctx *ctx = test->priv;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_PCI_ATS) &&
	    (script->from == GATE_S1_ATS || script->to == GATE_S1_ATS))
		return;
	if (!arm_smmu_gate_test_run(ctx, script))
		return;
	KUNIT_FAIL(test, "STE %d to %d, %u streams: wrong %#x, with these choices:",
		   script->from, script->to, script->num_streams, ctx->bad);
	for (i = 0; i < ctx->depth; i++)
		kunit_info(test, "%u of %u\n", ctx->choice[i], ctx->options[i]);
}

static void gate_expect_bad(struct kunit *test, struct gate_script script,
			    enum gate_plant plant, unsigned int bad)
{
	script.plant = plant;
	KUNIT_EXPECT_TRUE_MSG(test, arm_smmu_gate_test_run(test->priv, &script) & bad,
			      "mistake %d is not noticed", plant);
}

static void gate_attach_test(struct kunit *test)
{
	struct gate_script script = {
		.sids = gate_one, .num_streams = 1, .attach = true,
		.closers = { CLOSER_STEPS },
	};
	struct gate_ctx *ctx = test->priv;

	for (script.from = 0; script.from < GATE_KINDS; script.from++)
		for (script.to = 0; script.to < GATE_KINDS; script.to++) {
			script.hook_stores = false;
			script.closers[1] = CLOSER_WHOLE;
			gate_expect(test, &script);
			script.hook_stores = true;
			script.closers[1] = CLOSER_NONE;
			gate_expect(test, &script);
		}
	kunit_info(test, "%lu paths\n", ctx->paths);
	KUNIT_EXPECT_GT(test, ctx->closed, 0);

	script.from = GATE_S1;
	script.to = GATE_S2;
	gate_expect_bad(test, script, PLANT_CHECK_ONCE, BIT(BAD_WORD0));
	gate_expect_bad(test, script, PLANT_SHUT_NO_SYNC, BIT(BAD_OLD));
	gate_expect_bad(test, script, PLANT_SKIP_EARLY, BIT(BAD_SKIP));
	gate_expect_bad(test, script, PLANT_SKIP_FAILED, BIT(BAD_SKIP));
}

static void gate_attach_streams_test(struct kunit *test)
{
	struct gate_script script = {
		.num_streams = 2, .attach = true,
		.closers = { CLOSER_STEPS },
	};
	struct gate_ctx *ctx = test->priv;

	for (script.from = 0; script.from < GATE_KINDS; script.from++)
		for (script.to = 0; script.to < GATE_KINDS; script.to++) {
			script.sids = gate_two;
			script.closers[0] = CLOSER_WHOLE;
			gate_expect(test, &script);
			script.closers[0] = CLOSER_STEPS;
			gate_expect(test, &script);
			script.sids = gate_twice;
			gate_expect(test, &script);
		}
	kunit_info(test, "%lu paths\n", ctx->paths);
	KUNIT_EXPECT_GT(test, ctx->closed, 0);
}

/* Two closes of which each is in the middle of the other and of the attach */
static void gate_two_closes_test(struct kunit *test)
{
	struct gate_script script = {
		.from = GATE_S1, .to = GATE_S2,
		.sids = gate_one, .num_streams = 1, .attach = true,
		.closers = { CLOSER_STEPS, CLOSER_STEPS },
	};
	struct gate_ctx *ctx = test->priv;

	gate_expect(test, &script);
	kunit_info(test, "%lu paths\n", ctx->paths);
	KUNIT_EXPECT_GT(test, ctx->closed, 0);
}

static void gate_unfence_test(struct kunit *test)
{
	struct gate_script script = {
		.sids = gate_one, .num_streams = 1, .shut = true, .unfence = true,
		.closers = { CLOSER_STEPS, CLOSER_WHOLE },
	};
	struct gate_ctx *ctx = test->priv;

	for (script.from = 0; script.from < GATE_KINDS; script.from++)
		gate_expect(test, &script);

	script.num_streams = 2;
	script.sids = gate_two;
	script.closers[1] = CLOSER_NONE;
	for (script.from = 0; script.from < GATE_KINDS; script.from++)
		gate_expect(test, &script);

	script.num_streams = 1;
	script.closers[1] = CLOSER_STEPS;
	script.from = GATE_S1;
	gate_expect(test, &script);
	kunit_info(test, "%lu paths\n", ctx->paths);
	KUNIT_EXPECT_GT(test, ctx->opened, 0);
	KUNIT_EXPECT_GT(test, ctx->refused, 0);
	KUNIT_EXPECT_GT(test, ctx->closed, 0);

	gate_expect_bad(test, script, PLANT_NOT_COUNTED, BIT(BAD_OPENED));
	gate_expect_bad(test, script, PLANT_NO_GRACE, BIT(BAD_CLOSE));
}

static void gate_life_test(struct kunit *test)
{
	struct gate_script script = {
		.sids = gate_one, .num_streams = 1,
		.attach = true, .fence = true, .unfence = true,
		.closers = { CLOSER_STEPS },
	};
	struct gate_ctx *ctx = test->priv;

	for (script.from = 0; script.from < GATE_KINDS; script.from++)
		for (script.to = 0; script.to < GATE_KINDS; script.to++)
			gate_expect(test, &script);
	kunit_info(test, "%lu paths\n", ctx->paths);
	KUNIT_EXPECT_GT(test, ctx->opened, 0);
	KUNIT_EXPECT_GT(test, ctx->refused, 0);
	KUNIT_EXPECT_GT(test, ctx->closed, 0);
}

/* What is attached while the gate is shut is what it opens to */
static void gate_attach_shut_test(struct kunit *test)
{
	struct gate_script script = {
		.sids = gate_twice, .num_streams = 2, .shut = true,
		.attach = true, .unfence = true,
		.closers = { CLOSER_WHOLE },
	};
	struct gate_ctx *ctx = test->priv;

	for (script.from = 0; script.from < GATE_KINDS; script.from++)
		for (script.to = 0; script.to < GATE_KINDS; script.to++)
			gate_expect(test, &script);
	kunit_info(test, "%lu paths\n", ctx->paths);
	KUNIT_EXPECT_GT(test, ctx->opened, 0);
	KUNIT_EXPECT_GT(test, ctx->refused, 0);
}

static void gate_make_stes(struct gate_ctx *ctx)
{
	struct arm_smmu_master *master = &ctx->master;
	struct io_pgtable io_pgtable = {};
	struct arm_smmu_domain domain = {
		.pgtbl_ops = &io_pgtable.ops,
	};
	struct arm_smmu_ste *nested = &ctx->stes[GATE_NESTED];

	io_pgtable.cfg.arm_lpae_s2_cfg.vttbr = 0xdaedbeefdeadbeefULL;
	io_pgtable.cfg.arm_lpae_s2_cfg.vtcr.ps = 1;
	io_pgtable.cfg.arm_lpae_s2_cfg.vtcr.tg = 2;
	io_pgtable.cfg.arm_lpae_s2_cfg.vtcr.tsz = 4;
	master->cd_table.cdtab_dma = 0xF0F0F0F0F0C0;
	master->cd_table.s1cdmax = 0xFF;
	master->cd_table.s1fmt = STRTAB_STE_0_S1FMT_64K_L2;

	arm_smmu_make_abort_ste(&ctx->stes[GATE_ABORT]);
	arm_smmu_make_bypass_ste(&ctx->smmu, &ctx->stes[GATE_BYPASS]);
	arm_smmu_make_cdtable_ste(&ctx->stes[GATE_S1_ATS], master, true,
				  STRTAB_STE_1_S1DSS_SSID0);
	arm_smmu_make_cdtable_ste(&ctx->stes[GATE_S1], master, false,
				  STRTAB_STE_1_S1DSS_SSID0);
	arm_smmu_make_s2_domain_ste(&ctx->stes[GATE_S2], master, &domain, false);

	*nested = ctx->stes[GATE_S2];
	nested->data[0] = ctx->stes[GATE_S1].data[0] |
			  cpu_to_le64(FIELD_PREP(STRTAB_STE_0_CFG,
						 STRTAB_STE_0_CFG_NESTED));
	nested->data[1] |= ctx->stes[GATE_S1].data[1] |
			   cpu_to_le64(STRTAB_STE_1_MEV);
}

struct gate_plain_writer {
	struct arm_smmu_entry_writer writer;
	struct arm_smmu_ste ste;
	bool breaking;
};

static void gate_plain_sync(struct arm_smmu_entry_writer *writer)
{
	struct gate_plain_writer *plain =
		container_of(writer, struct gate_plain_writer, writer);

	plain->breaking |= !plain->ste.data[0];
}

static const struct arm_smmu_entry_writer_ops gate_plain_ops = {
	.sync = gate_plain_sync,
	.get_used = arm_smmu_get_ste_used,
	.get_update_safe = arm_smmu_get_ste_update_safe,
};

/* Which updates take V = 0 in between also where there is no gate? */
static void gate_find_breaking(struct gate_ctx *ctx)
{
	unsigned int from, to;

	for (from = 0; from < GATE_KINDS; from++)
		for (to = 0; to < GATE_KINDS; to++) {
			struct gate_plain_writer plain = {
				.writer.ops = &gate_plain_ops,
				.ste = ctx->stes[from],
			};

			arm_smmu_write_entry(&plain.writer, plain.ste.data,
					     ctx->stes[to].data);
			ctx->breaking[from][to] = plain.breaking;
		}
}

static int gate_config_read(struct pci_bus *bus, unsigned int devfn, int where,
			    int size, u32 *val)
{
	struct gate_ctx *ctx = bus->sysdata;

	*val = ctx->ats_ctrl;
	return PCIBIOS_SUCCESSFUL;
}

static int gate_config_write(struct pci_bus *bus, unsigned int devfn, int where,
			     int size, u32 val)
{
	struct gate_ctx *ctx = bus->sysdata;

	ctx->ats_ctrl = val;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops gate_config_ops = {
	.read = gate_config_read,
	.write = gate_config_write,
};

static int gate_test_init(struct kunit *test)
{
	struct gate_ctx *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->pdev = kunit_kzalloc(test, sizeof(*ctx->pdev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->pdev);
	ctx->bus = kunit_kzalloc(test, sizeof(*ctx->bus), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->bus);
	test->priv = ctx;
	ctx->test = test;

	ctx->dev = kunit_device_register(test, "smmu-gate");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->dev);
	ctx->group = iommu_group_alloc();
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->group);
	KUNIT_ASSERT_EQ(test, iommu_group_add_device(ctx->group, ctx->dev), 0);

	/* A function of which nothing is used but its ATS capability */
	ctx->bus->ops = &gate_config_ops;
	ctx->bus->sysdata = ctx;
	ctx->pdev->bus = ctx->bus;
	ctx->pdev->dev.iommu_group = ctx->dev->iommu_group;
	ctx->pdev->dev.iommu = &ctx->dev_iommu;
#ifdef CONFIG_PCI_ATS
	ctx->pdev->ats_cap = 0x100;
	ctx->pdev->dev.bus = &pci_bus_type;
#endif
	ctx->dev_iommu.priv = &ctx->master;

	ctx->smmu.features = ARM_SMMU_FEAT_STALLS | ARM_SMMU_FEAT_ATTR_TYPES_OVR;
	ctx->smmu.options = ARM_SMMU_OPT_SKIP_PREFETCH;
	ctx->smmu.pgsize_bitmap = SZ_4K;
	ctx->smmu.strtab_cfg.linear.table = ctx->table;
	ctx->smmu.strtab_cfg.linear.num_ents = GATE_SIDS;
	ctx->master.smmu = &ctx->smmu;
	ctx->master.dev = &ctx->pdev->dev;
	ctx->master.streams = ctx->streams;
	arm_smmu_gate_init(&ctx->master);

	gate_make_stes(ctx);
	gate_find_breaking(ctx);
	KUNIT_EXPECT_MEMEQ(test, &ctx->master.gate.ste, &ctx->stes[GATE_ABORT],
			   sizeof(ctx->master.gate.ste));

	arm_smmu_gate_test_stubs(test);
	return 0;
}

static void gate_test_exit(struct kunit *test)
{
	struct gate_ctx *ctx = test->priv;

	if (!ctx || IS_ERR_OR_NULL(ctx->group))
		return;
	if (ctx->dev->iommu_group)
		iommu_group_remove_device(ctx->dev);
	iommu_group_put(ctx->group);
}

static struct kunit_case gate_test_cases[] = {
	KUNIT_CASE_SLOW(gate_attach_test),
	KUNIT_CASE_SLOW(gate_attach_streams_test),
	KUNIT_CASE_SLOW(gate_two_closes_test),
	KUNIT_CASE(gate_unfence_test),
	KUNIT_CASE_SLOW(gate_life_test),
	KUNIT_CASE(gate_attach_shut_test),
	{},
};

static struct kunit_suite gate_test_suite = {
	.name = "arm_smmu_v3_gate",
	.init = gate_test_init,
	.exit = gate_test_exit,
	.test_cases = gate_test_cases,
};

kunit_test_suite(gate_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the gate of the arm-smmu-v3 driver");
MODULE_LICENSE("GPL");
