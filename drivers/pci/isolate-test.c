// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of isolate.c: a port and up to two functions below it, which are
 * configuration space in memory behind a host bridge of their own.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/pci.h>

/* Domains of host bridges that are emulated: no other one has more than 16 bits */
#define ISO_DOMAINS	0x10000
#define ISO_CAP		0x40	/* PCI Express capability, of all of them */
#define ISO_PORT_BUS	0
#define ISO_BUS		1

enum { ISO_PORT, ISO_FN0, ISO_FN1, ISO_NR };

struct iso_ctx {
	struct pci_host_bridge *host;
	u8 cfg[ISO_NR][256];
	bool present[ISO_NR];
	bool master_stuck;		/* Bus Master Enable of the port stays set */
	unsigned int pme_enabled;	/* from clear to set */
};

static struct iso_ctx *iso_of(struct pci_bus *bus)
{
	return *(struct iso_ctx **)bus->sysdata;
}

static u8 *iso_cfg(struct pci_bus *bus, unsigned int devfn)
{
	struct iso_ctx *ctx = iso_of(bus);
	int nr;

	if (bus->number == ISO_PORT_BUS)
		nr = devfn ? ISO_NR : ISO_PORT;
	else
		nr = bus->number == ISO_BUS && devfn < 2 ? ISO_FN0 + devfn : ISO_NR;
	return nr < ISO_NR && ctx->present[nr] ? ctx->cfg[nr] : NULL;
}

static int iso_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
		    u32 *val)
{
	u8 *cfg = iso_cfg(bus, devfn);

	if (!cfg || where + size > 256)
		return PCIBIOS_DEVICE_NOT_FOUND;
	*val = 0;
	while (size--)
		*val = *val << 8 | cfg[where + size];
	return PCIBIOS_SUCCESSFUL;
}

static bool iso_writable(const u8 *cfg, int where)
{
	bool bridge = cfg[PCI_HEADER_TYPE] == PCI_HEADER_TYPE_BRIDGE;

	return where == PCI_COMMAND || where == PCI_COMMAND + 1 ||
	       (bridge && where >= PCI_PRIMARY_BUS && where < PCI_SEC_LATENCY_TIMER) ||
	       (bridge && where == ISO_CAP + PCI_EXP_RTCTL);
}

static int iso_write(struct pci_bus *bus, unsigned int devfn, int where, int size,
		     u32 val)
{
	struct iso_ctx *ctx = iso_of(bus);
	u8 *cfg = iso_cfg(bus, devfn);

	if (!cfg || where + size > 256)
		return PCIBIOS_DEVICE_NOT_FOUND;
	for (; size--; where++, val >>= 8) {
		if (!iso_writable(cfg, where))
			continue;
		if (where == ISO_CAP + PCI_EXP_RTCTL && val & ~cfg[where] & PCI_EXP_RTCTL_PMEIE)
			ctx->pme_enabled++;
		cfg[where] = val;
		if (ctx->master_stuck && cfg == ctx->cfg[ISO_PORT] && where == PCI_COMMAND)
			cfg[where] |= PCI_COMMAND_MASTER;
	}
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops iso_ops = {
	.read = iso_read,
	.write = iso_write,
};

static void iso_fill(u8 *cfg, u16 class, u8 header, u8 type)
{
	memset(cfg, 0, 256);
	cfg[PCI_VENDOR_ID] = 0x36;
	cfg[PCI_VENDOR_ID + 1] = 0x1b;
	cfg[PCI_DEVICE_ID] = 0xfe;
	cfg[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	cfg[PCI_CLASS_DEVICE] = class;
	cfg[PCI_CLASS_DEVICE + 1] = class >> 8;
	cfg[PCI_HEADER_TYPE] = header;
	cfg[PCI_CAPABILITY_LIST] = ISO_CAP;
	cfg[ISO_CAP] = PCI_CAP_ID_EXP;
	cfg[ISO_CAP + PCI_EXP_FLAGS] = 2 | type << 4;
}

static struct pci_dev *iso_dev(struct iso_ctx *ctx, int nr)
{
	/* The reference of the bus is the one that counts */
	struct pci_dev *pdev = pci_get_domain_bus_and_slot(ctx->host->domain_nr,
			nr == ISO_PORT ? ISO_PORT_BUS : ISO_BUS,
			nr == ISO_PORT ? 0 : nr - ISO_FN0);

	pci_dev_put(pdev);
	return pdev;
}

static struct pci_dev *iso_add(struct iso_ctx *ctx, int nr)
{
	struct pci_bus *bus = iso_dev(ctx, ISO_PORT)->subordinate;
	struct pci_dev *pdev;

	ctx->present[nr] = true;
	pci_lock_rescan_remove();
	pdev = pci_scan_single_device(bus, nr - ISO_FN0);
	pci_unlock_rescan_remove();
	return pdev;
}

static void iso_remove(struct pci_dev *pdev)
{
	pci_lock_rescan_remove();
	pci_stop_and_remove_bus_device(pdev);
	pci_unlock_rescan_remove();
}

static bool iso_forwards(struct iso_ctx *ctx)
{
	return ctx->cfg[ISO_PORT][PCI_COMMAND] & PCI_COMMAND_MASTER;
}

static void iso_stops_one_that_is_alone(struct kunit *test)
{
	struct iso_ctx *ctx = test->priv;
	struct pci_dev *fn = iso_dev(ctx, ISO_FN0);

	pci_set_master(fn);
	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));
	KUNIT_EXPECT_TRUE(test, pci_isolate_dma(fn));
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	/* What it says of itself does not matter, and is left alone */
	KUNIT_EXPECT_TRUE(test, ctx->cfg[ISO_FN0][PCI_COMMAND] & PCI_COMMAND_MASTER);

	pci_unisolate_dma(fn);
	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));
	/* Once is enough */
	pci_clear_master(iso_dev(ctx, ISO_PORT));
	pci_unisolate_dma(fn);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
}

static void iso_refuses(struct kunit *test)
{
	struct iso_ctx *ctx = test->priv;
	struct pci_dev *port = iso_dev(ctx, ISO_PORT);
	struct pci_dev *fn = iso_dev(ctx, ISO_FN0);

	/* A slot whose interrupts would be lost */
	port->is_hotplug_bridge = 1;
	KUNIT_EXPECT_FALSE(test, pci_isolate_dma(fn));
	port->is_hotplug_bridge = 0;

	/* No port above */
	KUNIT_EXPECT_FALSE(test, pci_isolate_dma(port));

	/* The port is not there any more */
	ctx->present[ISO_PORT] = false;
	KUNIT_EXPECT_FALSE(test, pci_isolate_dma(fn));
	ctx->present[ISO_PORT] = true;

	ctx->master_stuck = true;
	KUNIT_EXPECT_FALSE(test, pci_isolate_dma(fn));
	ctx->master_stuck = false;

	KUNIT_ASSERT_NOT_NULL(test, iso_add(ctx, ISO_FN1));
	KUNIT_EXPECT_FALSE(test, pci_isolate_dma(fn));

	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));
	iso_remove(iso_dev(ctx, ISO_FN1));
	KUNIT_EXPECT_TRUE(test, pci_isolate_dma(fn));
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
}

static void iso_outlasts_other_changes(struct kunit *test)
{
	struct iso_ctx *ctx = test->priv;
	struct pci_dev *port = iso_dev(ctx, ISO_PORT);
	struct pci_dev *fn = iso_dev(ctx, ISO_FN0);

	KUNIT_ASSERT_TRUE(test, pci_isolate_dma(fn));
	pci_set_master(port);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	pci_intx(port, 0);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	KUNIT_EXPECT_EQ(test, pci_enable_device(fn), 0);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	pci_disable_device(fn);

	/* Saved inside of it, and restored inside and after */
	KUNIT_EXPECT_EQ(test, pci_save_state(port), 0);
	pci_restore_state(port);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	pci_unisolate_dma(fn);
	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));
	ctx->cfg[ISO_PORT][PCI_COMMAND] = 0;
	pci_restore_state(port);
	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));

	/* What was asked for meanwhile is what comes after it */
	KUNIT_ASSERT_TRUE(test, pci_isolate_dma(fn));
	pci_clear_master(port);
	pci_unisolate_dma(fn);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	KUNIT_ASSERT_TRUE(test, pci_isolate_dma(fn));
	pci_set_master(port);
	pci_unisolate_dma(fn);
	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));
}

/* The same function as far as anybody can tell, and it may be broken still */
static void iso_outlasts_a_removal(struct kunit *test)
{
	struct iso_ctx *ctx = test->priv;
	struct pci_dev *fn = iso_dev(ctx, ISO_FN0);

	KUNIT_ASSERT_TRUE(test, pci_isolate_dma(fn));
	iso_remove(fn);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));

	fn = iso_add(ctx, ISO_FN0);
	KUNIT_ASSERT_NOT_NULL(test, fn);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	KUNIT_EXPECT_EQ(test, pci_enable_device(fn), 0);
	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));

	KUNIT_EXPECT_TRUE(test, pci_isolate_dma(fn));
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	pci_disable_device(fn);
}

/* One appears beside it, and is not to be stopped for ever */
static void iso_ends_with_the_one_it_is_for(struct kunit *test)
{
	struct iso_ctx *ctx = test->priv;
	struct pci_dev *fn = iso_dev(ctx, ISO_FN0);
	struct pci_dev *other;

	KUNIT_ASSERT_TRUE(test, pci_isolate_dma(fn));
	other = iso_add(ctx, ISO_FN1);
	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_EXPECT_EQ(test, pci_enable_device(other), 0);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));

	/* That one cannot end it */
	pci_unisolate_dma(other);
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	iso_remove(fn);
	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));

	/* Alone, whatever its number is */
	KUNIT_EXPECT_TRUE(test, pci_isolate_dma(other));
	KUNIT_EXPECT_FALSE(test, iso_forwards(ctx));
	pci_unisolate_dma(other);
	KUNIT_EXPECT_TRUE(test, iso_forwards(ctx));
	pci_disable_device(other);
}

/* What came while the port could not send interrupts raises one afterwards */
static void iso_raises_interrupts_again(struct kunit *test)
{
	struct iso_ctx *ctx = test->priv;
	struct pci_dev *fn = iso_dev(ctx, ISO_FN0);

	KUNIT_ASSERT_TRUE(test, pci_isolate_dma(fn));
	pci_unisolate_dma(fn);
	KUNIT_EXPECT_EQ(test, ctx->pme_enabled, 0);

	ctx->cfg[ISO_PORT][ISO_CAP + PCI_EXP_RTCTL] = PCI_EXP_RTCTL_PMEIE;
	KUNIT_ASSERT_TRUE(test, pci_isolate_dma(fn));
	KUNIT_EXPECT_EQ(test, ctx->pme_enabled, 0);
	pci_unisolate_dma(fn);
	KUNIT_EXPECT_EQ(test, ctx->pme_enabled, 1);
	KUNIT_EXPECT_EQ(test, ctx->cfg[ISO_PORT][ISO_CAP + PCI_EXP_RTCTL],
			PCI_EXP_RTCTL_PMEIE);
}

static int iso_init(struct kunit *test)
{
	struct iso_ctx *ctx;
	int ret, domain;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	iso_fill(ctx->cfg[ISO_PORT], PCI_CLASS_BRIDGE_PCI, PCI_HEADER_TYPE_BRIDGE,
		 PCI_EXP_TYPE_ROOT_PORT);
	iso_fill(ctx->cfg[ISO_FN0], PCI_CLASS_OTHERS << 8, PCI_HEADER_TYPE_NORMAL | 0x80,
		 PCI_EXP_TYPE_ENDPOINT);
	memcpy(ctx->cfg[ISO_FN1], ctx->cfg[ISO_FN0], 256);
	ctx->present[ISO_PORT] = true;
	ctx->present[ISO_FN0] = true;

	domain = pci_bus_find_emul_domain_nr(0, ISO_DOMAINS, INT_MAX);
	KUNIT_ASSERT_GE(test, domain, 0);
	ctx->host = pci_alloc_host_bridge(sizeof(ctx));
	if (!ctx->host) {
		pci_bus_release_emul_domain_nr(domain);
		return -ENOMEM;
	}
	*(struct iso_ctx **)pci_host_bridge_priv(ctx->host) = ctx;
	ctx->host->sysdata = pci_host_bridge_priv(ctx->host);
	ctx->host->ops = &iso_ops;
	ctx->host->domain_nr = domain;

	pci_lock_rescan_remove();
	ret = pci_scan_root_bus_bridge(ctx->host);
	pci_unlock_rescan_remove();
	if (ret) {
		pci_free_host_bridge(ctx->host);
		return ret;
	}
	test->priv = ctx;

	KUNIT_ASSERT_NOT_NULL(test, iso_dev(ctx, ISO_PORT));
	KUNIT_ASSERT_NOT_NULL(test, iso_dev(ctx, ISO_FN0));
	KUNIT_ASSERT_NULL(test, iso_dev(ctx, ISO_FN1));
	pci_set_master(iso_dev(ctx, ISO_PORT));
	return 0;
}

static void iso_exit(struct kunit *test)
{
	struct iso_ctx *ctx = test->priv;

	if (!ctx)
		return;
	ctx->present[ISO_PORT] = true;
	pci_lock_rescan_remove();
	pci_stop_root_bus(ctx->host->bus);
	pci_remove_root_bus(ctx->host->bus);
	pci_unlock_rescan_remove();
	pci_free_host_bridge(ctx->host);
}

static struct kunit_case iso_cases[] = {
	KUNIT_CASE(iso_stops_one_that_is_alone),
	KUNIT_CASE(iso_refuses),
	KUNIT_CASE(iso_outlasts_other_changes),
	KUNIT_CASE(iso_outlasts_a_removal),
	KUNIT_CASE(iso_ends_with_the_one_it_is_for),
	KUNIT_CASE(iso_raises_interrupts_again),
	{}
};

static struct kunit_suite iso_suite = {
	.name = "pci_isolate",
	.init = iso_init,
	.exit = iso_exit,
	.test_cases = iso_cases,
};

kunit_test_suite(iso_suite);

MODULE_DESCRIPTION("KUnit tests of stopping functions at their ports");
MODULE_LICENSE("GPL");
