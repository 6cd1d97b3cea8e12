// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything together, at random: attaches, unmaps, resets, ATCs that do not answer,
 * processes that die with faults in flight, and functions that are removed.
 *
 * usage: testdev_stress [options of kselftest_harness.h] OBSERVER VFIO VFIO SVA GUEST
 *
 * OBSERVER has no driver. The two VFIO are bound to vfio-pci and have PASIDs; SVA can
 * stall and is bound to smmu_testdev, as is GUEST, which comes and goes.
 *
 * Each function has a thread that does one thing after the other with it. What they
 * share is the SMMU, its queues, and one of the address spaces. A thread's choices
 * follow from the seed and its number alone: with the seed that was printed it does
 * the same again, and on a machine that runs on counted time so does all of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include <linux/kernel.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define STRIDE		0x1000000ULL	/* between the addresses of two threads */
#define PAGES		4
#define PASIDS		3
#define BURST		8
#define TRIES		5
#define TIMEOUT_S	3600

#define QUARANTINED	"quarantined atc-timeout"

static char **bdfs;

enum deed {
	ATTACH, DETACH, ATTACH_PASID, DETACH_PASID, UNMAP, TIMEOUT, VFIO_RESET,
	SYSFS_RESET, UNBIND_FIRST, KILL_FIRST, AT_ONCE, RESET_WITH_FAULTS,
	REMOVE, REMOVE_FENCED, REMOVE_QUARANTINED, NR_DEEDS,
};

static const char * const names[NR_DEEDS] = {
	"attach", "detach", "attach of a PASID", "detach of a PASID", "unmap",
	"timeout", "reset by VFIO", "reset by sysfs", "unbind, then death",
	"death, then unbind", "unbind and death", "reset with faults in flight",
	"removal", "removal in a reset", "removal in quarantine",
};

struct actor {
	struct smtd *dev, *observer;
	const char *bdf;
	unsigned int nr;
	u64 random;
	enum deed first, last;	/* what it does */
	unsigned int done[NR_DEEDS];
	struct smtd_call thread;

	/* VFIO */
	struct iommu *iommu;
	u32 ioas[2];		/* the one that is shared, and its own */
	int pt[2];
	int on;			/* which of them; -1: none */
	bool pasid[PASIDS + 1];
	void *mem;

	/* SVA */
	int fd;
};

static u64 end_us;
static unsigned int rounds;

/* splitmix64: a stream for each seed */
static u32 pick(struct actor *a, u32 below)
{
	u64 z = (a->random += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return ((z ^ (z >> 31)) >> 32) % below;
}

/* For the time that was asked for, and until each thing was done: some machines are slow. */
static bool goes_on(struct actor *a, unsigned int round)
{
	enum deed deed;

	if (rounds)
		return round < rounds;
	if (smtd_now_us() < end_us)
		return true;
	for (deed = a->first; deed <= a->last; deed++)
		if (!a->done[deed])
			return true;
	return false;
}

/* A kernel that does not say it is not to fail for that, but for what it does. */
static bool is(struct actor *a, const char *state)
{
	const char *now = smtd_recovery(a->bdf);

	return !strcmp(now, state) || !strcmp(now, "?");
}

/* Whatever its state was: a reset that succeeds lifts it before it returns. */
static void lift(struct actor *a, enum deed deed)
{
	VFIO_ASSERT_EQ(deed == VFIO_RESET ? smtd_reset(a->dev) :
					    smtd_sysfs_reset(a->bdf), 0);
	VFIO_ASSERT_TRUE(is(a, SMTD_ACTIVE), "%s is %s after a reset\n", a->bdf,
			 smtd_recovery(a->bdf));
	a->done[deed]++;
}

/* ---- functions of vfio-pci ---- */

static void attach(struct actor *a, int on)
{
	VFIO_ASSERT_EQ(smtd_attach(a->dev, a->pt[on]), 0);
	a->on = on;
	a->done[ATTACH]++;
}

static void toggle_pasid(struct actor *a, u32 pasid)
{
	if (a->pasid[pasid])
		VFIO_ASSERT_EQ(smtd_detach_pasid(a->dev, pasid), 0);
	else
		VFIO_ASSERT_EQ(smtd_attach_pasid(a->dev, pasid, a->pt[1]), 0);
	a->pasid[pasid] = !a->pasid[pasid];
	a->done[a->pasid[pasid] ? ATTACH_PASID : DETACH_PASID]++;
}

static void detach(struct actor *a)
{
	u32 pasid;

	for (pasid = 1; pasid <= PASIDS; pasid++)
		if (a->pasid[pasid])
			toggle_pasid(a, pasid);
	if (a->on >= 0) {
		VFIO_ASSERT_EQ(smtd_detach(a->dev), 0);
		a->done[DETACH]++;
	}
	a->on = -1;
}

/* A page is written through the ATC, by the RID or a PASID, until it has been unmapped. */
static void unmap(struct actor *a, bool timeout)
{
	u32 pasid = pick(a, PASIDS + 1), page = pick(a, PAGES), ioas;
	u64 iova = IOVA + a->nr * STRIDE + page * SMTD_PAGE;
	struct smtd *dev = a->dev;

	if (!a->pasid[pasid])
		pasid = 0;
	ioas = a->ioas[pasid ? 1 : a->on];
	smtd_map(a->iommu, ioas, a->mem + page * SMTD_PAGE, iova, SMTD_PAGE);
	VFIO_ASSERT_TRUE(is(a, SMTD_ACTIVE));
	smtd_dma_start(dev, .iova = iova, .pasid = pasid, .ats = true);
	VFIO_ASSERT_TRUE(smtd_until(smtd_read(dev, SMTD_ATC_ENTRIES)));
	if (timeout)
		smtd_inv_error(dev, 500 + pick(a, 3000), 0);
	else
		usleep(pick(a, 1000));
	VFIO_ASSERT_EQ(smtd_unmap(a->iommu, ioas, iova, SMTD_PAGE), 0);
	smtd_mark_freed(dev, iova, pasid);
	VFIO_ASSERT_TRUE(smtd_wait_tries(dev, TRIES));
	smtd_dma_stop(dev);
	smtd_inv_answer(dev);
	smtd_unmark_all(dev);
	a->done[timeout ? TIMEOUT : UNMAP]++;
}

static void timeout(struct actor *a)
{
	unmap(a, true);
	VFIO_ASSERT_TRUE(smtd_until(is(a, QUARANTINED)), "%s is %s\n", a->bdf,
			 smtd_recovery(a->bdf));
	/* A device that is fenced is attached as any other. */
	if (pick(a, 2))
		attach(a, pick(a, 2));
	if (pick(a, 2))
		toggle_pasid(a, 1 + pick(a, PASIDS));
	VFIO_ASSERT_TRUE(is(a, QUARANTINED));
	lift(a, pick(a, 2) ? VFIO_RESET : SYSFS_RESET);
}

static int assigned(void *arg)
{
	struct actor *a = arg;
	unsigned int round;

	for (round = 0; goes_on(a, round); round++) {
		u32 what = pick(a, 16);

		if (a->on < 0)
			attach(a, pick(a, 2));
		if (what < 2)
			attach(a, pick(a, 2));
		else if (what < 3)
			detach(a);
		else if (what < 6)
			toggle_pasid(a, 1 + pick(a, PASIDS));
		else if (what < 12)
			unmap(a, false);
		else if (what < 13)
			lift(a, VFIO_RESET);
		else if (what < 14)
			lift(a, SYSFS_RESET);
		else
			timeout(a);
	}
	detach(a);
	return 0;
}

/* ---- a function of processes that die ---- */

static int dying(void *arg)
{
	static const enum deed deeds[] = {
		UNBIND_FIRST, KILL_FIRST, AT_ONCE, RESET_WITH_FAULTS,
	};
	struct actor *a = arg;
	unsigned int round, i;

	for (round = 0; goes_on(a, round); round++) {
		enum deed deed = deeds[pick(a, ARRAY_SIZE(deeds))];
		void *mem = mmap(NULL, BURST * SMTD_PAGE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		u64 iova = (uintptr_t)mem;
		pid_t worker;
		u32 pasid;

		VFIO_ASSERT_NE(mem, MAP_FAILED);
		worker = smtd_worker_start();
		pasid = smtd_sva_bind(a->fd, worker);
		smtd_dma_run(a->dev, .iova = iova, .count = BURST, .pasid = pasid);
		usleep(pick(a, 2000));
		if (deed == KILL_FIRST)
			smtd_worker_kill(worker);
		else if (deed == AT_ONCE)
			kill(worker, SIGKILL);
		else if (deed == RESET_WITH_FAULTS)
			lift(a, SYSFS_RESET);
		VFIO_ASSERT_EQ(smtd_sva_unbind(a->fd, pasid), 0);
		/* Answers may still be in the queue, behind the ATC of another function. */
		VFIO_ASSERT_TRUE(smtd_until(!smtd_read(a->dev, SMTD_STALLED)),
				 "Stalls are open after %s\n", names[deed]);
		for (i = 0; i < BURST; i++)
			smtd_mark_freed(a->dev, iova + i * SMTD_PAGE, pasid);
		if (deed != KILL_FIRST)
			smtd_worker_kill(worker);
		smtd_dma_run(a->dev, .iova = iova, .count = BURST, .pasid = pasid);
		VFIO_ASSERT_TRUE(smtd_dma_settled(a->dev));
		smtd_unmark_all(a->dev);
		munmap(mem, BURST * SMTD_PAGE);
		a->done[deed]++;
	}
	return 0;
}

/* ---- a function that comes and goes ---- */

static int removed(void *arg)
{
	static const enum deed deeds[] = {
		REMOVE, REMOVE, REMOVE_FENCED, REMOVE_QUARANTINED,
	};
	struct actor *a = arg;
	unsigned int round;

	for (round = 0; goes_on(a, round); round++) {
		enum deed deed = deeds[pick(a, ARRAY_SIZE(deeds))];
		int fd = smtd_module_open(a->bdf);
		struct smtd_dma_map buffer;

		a->dev = smtd_watch(a->bdf);
		smtd_observe(a->dev, a->observer);
		smtd_behave(a->dev);
		VFIO_ASSERT_TRUE(is(a, SMTD_ACTIVE));
		buffer = smtd_dma_map(fd, SMTD_PAGE);
		VFIO_ASSERT_EQ(smtd_dma_run(a->dev, .iova = buffer.iova, .ats = true), 1);
		if (deed == REMOVE_QUARANTINED)
			smtd_inv_error(a->dev, 500 + pick(a, 3000), 0);
		else if (deed == REMOVE_FENCED)
			VFIO_ASSERT_TRUE(!smtd_reset_prepare_left(fd) || is(a, "?"));
		VFIO_ASSERT_EQ(smtd_dma_unmap(fd, buffer.handle), 0);
		VFIO_ASSERT_EQ(smtd_dma_run(a->dev, .iova = buffer.iova, .ats = true), 0,
			       "%s reaches memory after its unmap\n", a->bdf);
		smtd_mark_freed(a->dev, buffer.iova, 0);
		if (deed == REMOVE_QUARANTINED && pick(a, 2))
			VFIO_ASSERT_TRUE(smtd_until(is(a, QUARANTINED)));
		smtd_behave(a->dev);
		smtd_unmark_all(a->dev);
		smtd_close(a->dev);
		close(fd);
		usleep(pick(a, 3000));
		VFIO_ASSERT_EQ(smtd_sysfs_write(a->bdf, "remove", "1"), 0);
		VFIO_ASSERT_FALSE(smtd_exists(a->bdf));
		usleep(pick(a, 3000));
		smtd_rescan();
		VFIO_ASSERT_TRUE(smtd_until(smtd_exists(a->bdf)));
		VFIO_ASSERT_EQ(smtd_set_driver(a->bdf, "smmu_testdev"), 0);
		a->done[deed]++;
	}
	return 0;
}

/* ---- all of them ---- */

FIXTURE(all) {
	struct smtd *observer;
	struct iommu *iommu;
	struct actor actors[4];
};

FIXTURE_SETUP(all)
{
	unsigned int seed = smtd_number("SMTD_SEED", smtd_now_us()), i;
	u32 shared;

	rounds = smtd_number("SMTD_ROUNDS", 0);
	printf("# SMTD_SEED=%u SMTD_ROUNDS=%u SMTD_SECONDS=%u\n", seed, rounds,
	       smtd_number("SMTD_SECONDS", 0));
	self->observer = smtd_watch(bdfs[0]);
	smtd_violations_clear(self->observer);
	/*
	 * sysfs fills in the memory of its readers below a lock that Linux 7.3 takes below
	 * group->mutex, a reset by VFIO takes that below memory_lock, and a fault in a BAR
	 * memory_lock below mmap_lock. A fault of ours in the first of these would close the
	 * circle for lockdep, which then sees nothing else. Children do not inherit it.
	 */
	ASSERT_EQ(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
	self->iommu = iommu_init(MODE_IOMMUFD);
	shared = self->iommu->ioas_id;
	memset(self->actors, 0, sizeof(self->actors));
	for (i = 0; i < ARRAY_SIZE(self->actors); i++) {
		struct actor *a = &self->actors[i];

		a->nr = i;
		a->bdf = bdfs[1 + i];
		a->random = ((u64)seed << 8) + i;
		a->observer = self->observer;
		if (i == 3)
			continue;
		if (i == 2) {
			a->dev = smtd_watch(a->bdf);
			smtd_observe(a->dev, self->observer);
			smtd_behave(a->dev);
			a->fd = smtd_module_open(a->bdf);
			continue;
		}
		a->iommu = self->iommu;
		a->dev = smtd_open(a->bdf, a->iommu);
		smtd_observe(a->dev, self->observer);
		a->mem = smtd_alloc(PAGES);
		a->ioas[0] = shared;
		a->ioas[1] = smtd_ioas_alloc(a->iommu);
		a->pt[0] = smtd_hwpt_alloc(a->dev, shared, SMTD_HWPT_PASID, 0);
		a->pt[1] = smtd_hwpt_alloc(a->dev, a->ioas[1], SMTD_HWPT_PASID, 0);
		ASSERT_GT(a->pt[0], 0);
		ASSERT_GT(a->pt[1], 0);
		a->on = -1;
	}
	end_us = smtd_now_us() + smtd_number("SMTD_SECONDS", 20) * 1000000ULL;
}

FIXTURE_TEARDOWN(all)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		smtd_print(self->actors[i].dev, self->actors[i].bdf);
		smtd_close(self->actors[i].dev);
	}
	close(self->actors[2].fd);
	iommu_cleanup(self->iommu);
	smtd_close(self->observer);
}

TEST_F_TIMEOUT(all, at_random, TIMEOUT_S)
{
	static const struct {
		int (*fn)(void *arg);
		enum deed first, last;
	} kinds[] = {
		{ assigned, ATTACH, SYSFS_RESET },
		{ assigned, ATTACH, SYSFS_RESET },
		{ dying, UNBIND_FIRST, RESET_WITH_FAULTS },
		{ removed, REMOVE, REMOVE_QUARANTINED },
	};
	unsigned int done[NR_DEEDS] = {}, i, d;
	struct actor *actors = self->actors;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		actors[i].first = kinds[i].first;
		actors[i].last = kinds[i].last;
		smtd_call_start(&actors[i].thread, kinds[i].fn, &actors[i]);
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		EXPECT_EQ(smtd_call_join(&actors[i].thread), 0);
		for (d = 0; d < NR_DEEDS; d++)
			done[d] += actors[i].done[d];
	}
	for (d = 0; d < NR_DEEDS; d++) {
		printf("# %6u times: %s\n", done[d], names[d]);
		EXPECT_GT(done[d], 0);
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		EXPECT_TRUE(is(&actors[i], SMTD_ACTIVE));
	for (i = 0; i < 3; i++)
		smtd_check_stalls(actors[i].dev);
	EXPECT_EQ(smtd_violations(self->observer), 0);
}

int main(int argc, char *argv[])
{
	bdfs = smtd_functions(&argc, argv, 5);
	return test_harness_run(argc, argv);
}
