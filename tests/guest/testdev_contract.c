// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contract of test_dev, as user space sees it: whatever is attached to a function,
 * and wherever in its life the function is, an attach has the same result, and one
 * that is refused has not touched anything.
 *
 * usage: testdev_contract [options of kselftest_harness.h]
 *			   OBSERVER PLAIN STALLING TWO_IDS DRIVEN
 *
 * All have PASIDs but the observer, which is bound to no driver. PLAIN, STALLING (its
 * transactions can stall) and TWO_IDS (they can, and it has two requester IDs) are
 * bound to vfio-pci, DRIVEN to smmu_testdev. The SMMU has FWB, which nested
 * translation needs.
 *
 * The matrix is generated: each state of attachments (what the RID is on, what a PASID
 * is on, with and without a vDEVICE) that can be reached, times each page table, times
 * RID, that PASID and a free one, times active, inside a reset and quarantined by a
 * reset that has failed. An attach to what has something attached replaces it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/kernel.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
/* Where the parent of nested page tables has the guest's own */
#define GUEST_IPA	0x50000000ULL
/* Of the guest's time: a reset that fails takes a minute. */
#define TIMEOUT_S	36000
#define MAX_TARGETS	12
#define NOTHING		(-1)
#define MAX_ERRNO	133
/* Differences that are told; more look the same. */
#define MAX_TOLD	20

#define VIOLATIONS	"/sys/kernel/debug/iommu_test_dev/violations"

/* An unpatched kernel writes PASID control while ATS is on: scenario 15's. */
#define BUT_PASID_CONTROL	BIT(SMTD_V_PASID_ATS)

enum place { RID, PASID, FREE_PASID, SLOTS };

/* SVA takes the lowest PASIDs. */
static const u32 pasid_of[SLOTS] = { 0, 0x100, 0x101 };
static const char * const slot_name[SLOTS] = { "the RID", "a PASID", "a free PASID" };

enum lives { ACTIVE, RESETTING, QUARANTINED, LIVES };

static const char * const life_name[LIVES] = { "active", "inside a reset", "quarantined" };

/*
 * Something to attach. A write to IOVA reaches @page, or nothing. It is @made by the
 * attach itself, and unmade when that is refused; or it is SVA, which is only tried.
 */
struct target {
	const char *name;
	u32 id;
	void *page;
	bool made;
	bool sva;
};

/* A function, and what is attached to it: indices into targets[], or NOTHING */
struct env {
	const struct interface *is;
	struct smtd *observer, *dev;
	struct iommu *iommu;
	int fd;
	struct target targets[MAX_TARGETS];
	int nr_targets;
	int now[SLOTS];
	int viommu;
	int vdevice;
	u32 sva_pasid;
	struct smtd_window window;
	u32 states, attempts, refused, told;
	u32 seen[MAX_ERRNO + 1];
};

/* By whose hands it is attached. attach() replaces what is there. */
struct interface {
	int (*attach)(struct env *e, enum place slot, const struct target *target);
	int (*detach)(struct env *e, enum place slot);
	void (*quarantine)(struct env *e);
	void (*recover)(struct env *e);
};

/* ---- by iommufd, through VFIO ---- */

static int vfio_attach(struct env *e, enum place slot, const struct target *target)
{
	return slot == RID ? smtd_attach(e->dev, target->id) :
			     smtd_attach_pasid(e->dev, pasid_of[slot], target->id);
}

static int vfio_detach(struct env *e, enum place slot)
{
	return slot == RID ? smtd_detach(e->dev) : smtd_detach_pasid(e->dev, pasid_of[slot]);
}

static void vfio_quarantine(struct env *e)
{
	smtd_flr(e->dev, 0, SMTD_FLR_READY_NEVER);
	VFIO_ASSERT_LT(smtd_reset(e->dev), 0);
}

static void vfio_recover(struct env *e)
{
	smtd_flr(e->dev, 0, 1);
	VFIO_ASSERT_TRUE(smtd_wait_reg(e->dev, SMTD_IN_RESET, 0));
	VFIO_ASSERT_EQ(smtd_reset(e->dev), 0);
	/* The kernel has saved what the dead function's registers said. */
	smtd_enable(e->dev);
}

static const struct interface by_vfio = {
	.attach = vfio_attach,
	.detach = vfio_detach,
	.quarantine = vfio_quarantine,
	.recover = vfio_recover,
};

/* ---- by a kernel driver ---- */

static u32 module_pasid(enum place slot)
{
	return slot == RID ? SMTD_NO_PASID : pasid_of[slot];
}

static int module_attach(struct env *e, enum place slot, const struct target *target)
{
	struct smtd_sva_bind bind = {};
	int ret;

	if (target->sva) {
		ret = smtd_module_call(e->fd, SMTD_IOC_SVA_BIND, &bind);
		e->sva_pasid = bind.pasid;
		return ret;
	}
	if (e->now[slot] == NOTHING)
		return smtd_pasid_attach(e->fd, target->id, module_pasid(slot));
	return smtd_pasid_replace(e->fd, target->id, module_pasid(slot));
}

static int module_detach(struct env *e, enum place slot)
{
	if (e->targets[e->now[slot]].sva)
		return smtd_sva_unbind(e->fd, e->sva_pasid);
	return smtd_pasid_detach(e->fd, module_pasid(slot));
}

static void module_quarantine(struct env *e)
{
	VFIO_ASSERT_EQ(smtd_reset_prepare(e->fd), 0);
	VFIO_ASSERT_EQ(smtd_reset_done(e->fd, SMTD_RESET_FAILED), 0);
}

static void module_recover(struct env *e)
{
	VFIO_ASSERT_EQ(smtd_reset_prepare(e->fd), 0);
	VFIO_ASSERT_EQ(smtd_reset_done(e->fd, SMTD_RESET_OK), 0);
}

static const struct interface by_module = {
	.attach = module_attach,
	.detach = module_detach,
	.quarantine = module_quarantine,
	.recover = module_recover,
};

/* ---- one attach ---- */

static bool applies(struct env *e, enum place slot, int t)
{
	/* With nothing on the one PASID they are alike. */
	if (slot == FREE_PASID && e->now[PASID] == NOTHING)
		return false;
	/* It chooses a free PASID itself. */
	return !e->targets[t].sva || (slot != RID && e->now[slot] == NOTHING);
}

static void is_attached(struct env *e, enum place slot, int t)
{
	if (t == NOTHING)
		VFIO_ASSERT_EQ(e->is->detach(e, slot), 0);
	else
		VFIO_ASSERT_EQ(e->is->attach(e, slot, &e->targets[t]), 0);
	e->now[slot] = t;
}

/*
 * Try it, and undo it. The log marks are 1 before it, and then 2 if it was refused and
 * 3 if not: for a host check of what the SMMU was told between.
 */
static int attempt(struct __test_metadata *_metadata, struct env *e, enum place slot, int t)
{
	struct target *target = &e->targets[t];
	int ret, was = e->now[slot];
	u32 commands;

	smtd_log_mark(e->dev, 1);
	commands = smtd_read(e->dev, SMTD_SMMU_CMDS);
	ret = e->is->attach(e, slot, target);
	commands = smtd_read(e->dev, SMTD_SMMU_CMDS) - commands;
	smtd_log_mark(e->dev, ret ? 2 : 3);

	e->attempts++;
	VFIO_ASSERT_LE(-ret, MAX_ERRNO);
	e->seen[-ret]++;
	if (ret) {
		e->refused++;
		if (!target->made)
			EXPECT_EQ(commands, 0);
		return ret;
	}
	e->now[slot] = t;
	is_attached(e, slot, was);
	return 0;
}

static const char *name(struct env *e, int t)
{
	return t == NOTHING ? "nothing" : e->targets[t].name;
}

/* What is attached is what translates. */
static void translates(struct __test_metadata *_metadata, struct env *e)
{
	enum place slot;
	void *page;
	u64 before;
	u32 n;

	for (slot = RID; slot <= PASID; slot++) {
		if (slot == PASID && e->now[slot] == NOTHING)
			continue;
		page = e->now[slot] == NOTHING ? NULL : e->targets[e->now[slot]].page;
		before = page ? smtd_word(page, 0) : 0;
		n = smtd_dma_run(e->dev, .iova = IOVA, .pasid = pasid_of[slot]);
		EXPECT_EQ(n, !!page) {
			TH_LOG("%s on %s reaches memory: %u", slot_name[slot],
			       name(e, e->now[slot]), n);
		}
		if (page && n) {
			EXPECT_NE(smtd_word(page, 0), before) {
				TH_LOG("%s on %s reaches other memory", slot_name[slot],
				       name(e, e->now[slot]));
			}
		}
	}
}

/* ---- all of them ---- */

/* The next one to be tried; in front of the first are RID and target -1. */
static bool next_attempt(struct env *e, enum place *slot, int *t)
{
	do {
		if (++*t >= e->nr_targets) {
			*t = 0;
			if (++*slot >= SLOTS)
				return false;
		}
	} while (!applies(e, *slot, *t));
	return true;
}

static void try_all(struct __test_metadata *_metadata, struct env *e, enum lives life, int *ret)
{
	enum place slot = RID;
	int t = -1, n = 0;

	while (next_attempt(e, &slot, &t)) {
		ret[n] = attempt(_metadata, e, slot, t);
		/* While it is fenced, it translates nothing. */
		if (ret[n++] && life == ACTIVE)
			translates(_metadata, e);
	}
}

static void compare(struct __test_metadata *_metadata, struct env *e, enum lives life,
		    const int *active, const int *ret)
{
	enum place slot = RID;
	int t = -1, n = 0;

	while (next_attempt(e, &slot, &t)) {
		if (ret[n] != active[n] && e->told++ < MAX_TOLD) {
			printf("# RID on %s, PASID on %s, %s vDEVICE: ",
			       name(e, e->now[RID]), name(e, e->now[PASID]),
			       e->vdevice > 0 ? "a" : "no");
			printf("%s to %s: %d active, %d %s\n", e->targets[t].name,
			       slot_name[slot], active[n], ret[n], life_name[life]);
			fflush(stdout);
		}
		n++;
	}
}

/* False if the function cannot be attached like that. */
static bool go_to(struct env *e, int rid, int pasid)
{
	const int want[] = { rid, pasid };
	enum place slot;

	for (slot = PASID + 1; slot-- > RID;)
		if (e->now[slot] != NOTHING)
			is_attached(e, slot, NOTHING);
	for (slot = RID; slot <= PASID; slot++) {
		if (want[slot] == NOTHING)
			continue;
		if (e->targets[want[slot]].sva ||
		    e->is->attach(e, slot, &e->targets[want[slot]]))
			return false;
		e->now[slot] = want[slot];
	}
	return true;
}

static void all_lives(struct __test_metadata *_metadata, struct env *e)
{
	int ret[LIVES][SLOTS * MAX_TARGETS];

	e->states++;
	translates(_metadata, e);
	try_all(_metadata, e, ACTIVE, ret[ACTIVE]);
	translates(_metadata, e);

	ASSERT_TRUE(smtd_window_begin(&e->window, e->dev, 0));
	try_all(_metadata, e, RESETTING, ret[RESETTING]);
	ASSERT_EQ(smtd_window_end(&e->window), 0);
	translates(_metadata, e);
	compare(_metadata, e, RESETTING, ret[ACTIVE], ret[RESETTING]);

	/* There is no such thing in an unpatched kernel. */
	if (smtd_quarantines(e->dev->bdf) < 0)
		return;
	e->is->quarantine(e);
	EXPECT_STREQ(smtd_recovery(e->dev->bdf), SMTD_QUARANTINED);
	try_all(_metadata, e, QUARANTINED, ret[QUARANTINED]);
	e->is->recover(e);
	EXPECT_STREQ(smtd_recovery(e->dev->bdf), SMTD_ACTIVE);
	translates(_metadata, e);
	compare(_metadata, e, QUARANTINED, ret[ACTIVE], ret[QUARANTINED]);
}

static void all_states(struct __test_metadata *_metadata, struct env *e)
{
	int rid, pasid;

	for (rid = NOTHING; rid < e->nr_targets; rid++)
		for (pasid = NOTHING; pasid < e->nr_targets; pasid++)
			if (go_to(e, rid, pasid))
				all_lives(_metadata, e);
	go_to(e, NOTHING, NOTHING);
}

/* ---- functions and their page tables ---- */

static struct target *new_target(struct env *e, const char *name, int id)
{
	struct target *target = &e->targets[e->nr_targets++];

	VFIO_ASSERT_LE(e->nr_targets, MAX_TARGETS);
	VFIO_ASSERT_GT(id, 0, "%s: %d\n", name, id);
	target->name = name;
	target->id = id;
	return target;
}

/* Each address space has a page of its own at IOVA. */
static u32 new_ioas(struct env *e, void **page)
{
	u32 ioas = smtd_ioas_alloc(e->iommu);

	*page = smtd_alloc(1);
	smtd_map(e->iommu, ioas, *page, IOVA, SMTD_PAGE);
	return ioas;
}

static struct target *new_hwpt(struct env *e, const char *name, u32 flags, u32 fault)
{
	void *page;
	u32 ioas = new_ioas(e, &page);
	struct target *target;

	target = new_target(e, name, smtd_hwpt_alloc(e->dev, ioas, flags, fault));
	target->page = page;
	return target;
}

/*
 * Nested page tables: the guest's memory is in the parent. Where stage 2 takes part, Linux
 * sets STE.S2S for a function that @stalls, and such an entry is illegal to QEMU.
 */
static void new_nested(struct env *e, u32 fault, bool stalls)
{
	void *guest = smtd_alloc(SMTD_GUEST_PAGES + 1), *page;
	u32 ioas = new_ioas(e, &page);
	int parent, first = e->nr_targets;

	smtd_map(e->iommu, ioas, guest, GUEST_IPA, (SMTD_GUEST_PAGES + 1) * SMTD_PAGE);
	smtd_guest_table(guest, GUEST_IPA, IOVA, GUEST_IPA + SMTD_GUEST_PAGES * SMTD_PAGE);
	parent = smtd_hwpt_alloc(e->dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0);
	new_target(e, "stage 2", parent)->page = page;
	e->viommu = smtd_viommu_alloc(e->dev, parent);
	VFIO_ASSERT_GT(e->viommu, 0, "vIOMMU: %d\n", e->viommu);

	new_target(e, "nested abort",
		   smtd_nested_alloc(e->dev, e->viommu, smtd_vste_abort(), 0));
	new_target(e, "nested bypass",
		   smtd_nested_alloc(e->dev, e->viommu, smtd_vste_bypass(), 0))->page = page;
	new_target(e, "nested bypass with faults",
		   smtd_nested_alloc(e->dev, e->viommu, smtd_vste_bypass(), fault))->page = page;
	new_target(e, "nested stage 1",
		   smtd_nested_alloc(e->dev, e->viommu, smtd_vste_translate(GUEST_IPA), 0))
		->page = guest + SMTD_GUEST_PAGES * SMTD_PAGE;
	for (; stalls && first < e->nr_targets; first++)
		e->targets[first].page = NULL;
}

static void open_by_vfio(struct env *e, const char *bdf, bool stalls)
{
	struct target *target;
	u32 fault, ioas;
	void *page;

	e->is = &by_vfio;
	e->iommu = iommu_init(MODE_IOMMUFD);
	e->dev = smtd_open(bdf, e->iommu);
	fault = smtd_faults_alloc(e->iommu).id;
	ioas = new_ioas(e, &page);
	target = new_target(e, "an address space", ioas);
	target->page = page;
	target->made = true;
	new_hwpt(e, "stage 1", 0, 0);
	new_hwpt(e, "stage 1 for PASIDs", SMTD_HWPT_PASID, 0);
	new_hwpt(e, "stage 1 with faults", 0, fault);
	new_hwpt(e, "stage 1 for PASIDs with faults", SMTD_HWPT_PASID, fault);
	new_nested(e, fault, stalls);
}

static void open_by_module(struct env *e, const char *bdf)
{
	static const struct {
		const char *name;
		u32 flags;
	} domains[] = {
		{ "stage 1", 0 },
		{ "stage 1 for PASIDs", SMTD_DOMAIN_PASID },
		{ "stage 1 with faults", SMTD_DOMAIN_PASID | SMTD_DOMAIN_FAULT },
		{ "stage 2", SMTD_DOMAIN_PARENT },
	};
	struct target *target;
	int i;

	e->is = &by_module;
	e->dev = smtd_watch(bdf);
	e->fd = smtd_module_open(bdf);
	for (i = 0; i < ARRAY_SIZE(domains); i++) {
		target = new_target(e, domains[i].name,
				    smtd_domain_alloc(e->fd, domains[i].flags));
		target->page = smtd_domain_map(e->fd, target->id, IOVA, SMTD_PAGE);
	}
	new_target(e, "the address space of a process", 1)->sva = true;
}

/* ---- the tests ---- */

static char **bdfs;

FIXTURE(contract) {
	struct env env;
};

/*
 * @errnos: what attaches of the function return, all of it and nothing else. Together they
 * are what the contract has: ENODEV is for domains that user space cannot attach.
 */
FIXTURE_VARIANT(contract) {
	int function;
	bool stalls;
	bool module;
	int errnos[5];
};

FIXTURE_VARIANT_ADD(contract, plain) {
	.function = 1,
	.errnos = { 0, EINVAL, ENOENT, -1 },
};

FIXTURE_VARIANT_ADD(contract, stalling) {
	.function = 2,
	.stalls = true,
	.errnos = { 0, EINVAL, ENOENT, -1 },
};

FIXTURE_VARIANT_ADD(contract, two_ids) {
	.function = 3,
	.stalls = true,
	.errnos = { 0, EINVAL, ENOENT, EOPNOTSUPP, -1 },
};

FIXTURE_VARIANT_ADD(contract, driven) {
	.function = 4,
	.module = true,
	.errnos = { 0, EINVAL, EBUSY, -1 },
};

FIXTURE_SETUP(contract)
{
	struct env *e = &self->env;
	enum place slot;

	for (slot = RID; slot < SLOTS; slot++)
		e->now[slot] = NOTHING;
	e->observer = smtd_watch(bdfs[0]);
	if (variant->module)
		open_by_module(e, bdfs[variant->function]);
	else
		open_by_vfio(e, bdfs[variant->function], variant->stalls);
	smtd_observe(e->dev, e->observer);
	smtd_behave(e->dev);
	smtd_violations_clear(e->dev);
}

FIXTURE_TEARDOWN(contract)
{
	struct env *e = &self->env;

	smtd_behave(e->dev);
	smtd_print(e->dev, e->dev->bdf);
	EXPECT_EQ(smtd_violations_but(e->dev, BUT_PASID_CONTROL), 0);
	if (variant->module)
		close(e->fd);
	smtd_close(e->dev);
	smtd_close(e->observer);
	if (e->iommu)
		iommu_cleanup(e->iommu);
}

/* How often a driver has refused what its test_dev had not; -1 if nobody counts that */
static int violations(void)
{
	FILE *file = fopen(VIOLATIONS, "r");
	int n = -1, got;

	if (!file)
		return n;
	got = fscanf(file, "%d", &n);
	fclose(file);
	VFIO_ASSERT_EQ(got, 1);
	return n;
}

static bool is_expected(const int *errnos, int err)
{
	for (; *errnos >= 0; errnos++)
		if (*errnos == err)
			return true;
	return false;
}

/* Scenarios 21 and 24 */
TEST_F_TIMEOUT(contract, holds_in_all_states_and_lives, TIMEOUT_S)
{
	struct env *e = &self->env;
	int err;

	all_states(_metadata, e);
	if (!variant->module) {
		e->vdevice = smtd_vdevice_alloc(e->dev, e->viommu, 1);
		if (e->vdevice > 0) {
			all_states(_metadata, e);
			EXPECT_EQ(smtd_destroy(e->iommu, e->vdevice), 0);
		} else {
			printf("# vDEVICE: %d\n", e->vdevice);
		}
	}

	printf("# %s: %u states, %u attaches tried, %u refused:", e->dev->bdf, e->states,
	       e->attempts, e->refused);
	for (err = 0; err <= MAX_ERRNO; err++)
		if (e->seen[err])
			printf(" %d (%u)", -err, e->seen[err]);
	printf("\n# violations of the contract: %d\n", violations());
	fflush(stdout);

	EXPECT_EQ(e->told, 0) {
		TH_LOG("results that differ: %u", e->told);
	}
	for (err = 0; err <= MAX_ERRNO; err++) {
		EXPECT_EQ(!!e->seen[err], is_expected(variant->errnos, err)) {
			TH_LOG("errno %d was seen %u times", err, e->seen[err]);
		}
	}
	/* A kernel with the series is built to count them. */
	EXPECT_EQ(violations(), smtd_quarantines(e->dev->bdf) < 0 ? -1 : 0);
}

int main(int argc, char *argv[])
{
	bdfs = smtd_functions(&argc, argv, 5);
	return test_harness_run(argc, argv);
}
