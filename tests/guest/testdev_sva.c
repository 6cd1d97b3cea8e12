// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared virtual addressing and fault handlers of the kernel, which user space
 * reaches through the module smmu_testdev only.
 *
 * usage: testdev_sva [options of kselftest_harness.h] FUNCTION OBSERVER [VFIO]
 *
 * FUNCTION can stall and is bound to smmu_testdev; OBSERVER is another
 * smmu-testdev, through which FUNCTION's registers are read when it is inside a
 * reset. The fixture "good" must pass on every kernel; each test of the fixture
 * "bad" shows a defect of 7.3. The fixture "others" needs OBSERVER to be like
 * FUNCTION, and a third function that can stall, bound to vfio-pci.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define PAGES		16
#define IOVA		0x40000000ULL
#define TIMEOUT_S	120

/* Long enough for the kernel to hand an event to the fault workqueue */
#define HANDED_OVER_US	50000
/* A detach that waits for a handler has not returned after so long. */
#define DETACH_WAITS_US	400000

static const char *bdf, *observer_bdf, *vfio_bdf;

struct env {
	struct smtd *dev, *observer;
	int fd;
	void *mem;	/* shared with children, present in neither at first */
};

static void env_init(struct env *env)
{
	env->observer = smtd_watch(observer_bdf);
	env->dev = smtd_watch_anew(bdf, env->observer);
	env->fd = smtd_module_open(bdf);
	env->mem = mmap(NULL, PAGES * SMTD_PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	VFIO_ASSERT_NE(env->mem, MAP_FAILED);
}

static void env_cleanup(struct env *env, const char *name)
{
	smtd_print(env->dev, name);
	smtd_violations_clear(env->dev);
	munmap(env->mem, PAGES * SMTD_PAGE);
	close(env->fd);
	smtd_close(env->dev);
	smtd_close(env->observer);
}

static u64 va(void *mem, unsigned int page)
{
	return (uintptr_t)mem + page * SMTD_PAGE;
}

/* Every stall had its end, and nothing happened that the oracle forbids. */
static bool clean(struct env *env)
{
	bool settled = smtd_dma_settled(env->dev);

	smtd_check_stalls(env->dev);
	return settled && !smtd_violations(env->dev);
}

FIXTURE(good) {
	struct env env;
};

FIXTURE_SETUP(good)
{
	env_init(&self->env);
}

FIXTURE_TEARDOWN(good)
{
	env_cleanup(&self->env, _metadata->name);
}

TEST_F_TIMEOUT(good, faults_are_served_from_our_own_address_space, TIMEOUT_S)
{
	struct env *env = &self->env;
	u32 pasid = smtd_sva_bind(env->fd, 0);

	/* Pages that nobody has touched: each access stalls, is served and retried. */
	smtd_dma_run(env->dev, .iova = va(env->mem, 0), .count = 4, .pasid = pasid);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_OK, 4));
	EXPECT_EQ(smtd_stat(env->dev, SMTD_S_STALL), 4);
	EXPECT_EQ(smtd_stat(env->dev, SMTD_S_RETRY), 4);
	EXPECT_NE(smtd_word(env->mem, 3), 0);

	/* They are there now. */
	smtd_dma_run(env->dev, .iova = va(env->mem, 0), .count = 4, .pasid = pasid);
	EXPECT_EQ(smtd_stat(env->dev, SMTD_S_OK), 8);
	EXPECT_EQ(smtd_stat(env->dev, SMTD_S_STALL), 4);

	/* An address that is not ours is aborted. */
	smtd_dma_run(env->dev, .iova = SMTD_PAGE, .pasid = pasid);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_ABORT, 1));

	EXPECT_EQ(smtd_sva_unbind(env->fd, pasid), 0);
	EXPECT_TRUE(clean(env));
}

TEST_F_TIMEOUT(good, memory_that_a_process_gives_back_is_not_written, TIMEOUT_S)
{
	struct env *env = &self->env;
	u32 pasid = smtd_sva_bind(env->fd, 0);
	void *mem = mmap(NULL, SMTD_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(mem, MAP_FAILED);
	smtd_dma_run(env->dev, .iova = va(mem, 0), .pasid = pasid);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_OK, 1));
	ASSERT_EQ(munmap(mem, SMTD_PAGE), 0);
	smtd_mark_freed(env->dev, va(mem, 0), pasid);
	smtd_dma_run(env->dev, .iova = va(mem, 0), .pasid = pasid);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_ABORT, 1));
	EXPECT_EQ(smtd_stat(env->dev, SMTD_S_OK), 1);

	EXPECT_EQ(smtd_sva_unbind(env->fd, pasid), 0);
	EXPECT_TRUE(clean(env));
}

TEST_F_TIMEOUT(good, a_process_that_was_killed_is_not_reached, TIMEOUT_S)
{
	struct env *env = &self->env;
	pid_t worker = smtd_worker_start();
	u32 pasid = smtd_sva_bind(env->fd, worker);

	smtd_dma_run(env->dev, .iova = va(env->mem, 1), .pasid = pasid);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_OK, 1));
	EXPECT_NE(smtd_word(env->mem, 1), 0);
	smtd_worker_kill(worker);
	smtd_dma_run(env->dev, .iova = va(env->mem, 2), .pasid = pasid);
	EXPECT_TRUE(smtd_until(smtd_stat(env->dev, SMTD_S_ABORT) +
			       smtd_stat(env->dev, SMTD_S_FAULT) == 1));
	EXPECT_EQ(smtd_word(env->mem, 2), 0);

	EXPECT_EQ(smtd_sva_unbind(env->fd, pasid), 0);
	EXPECT_TRUE(clean(env));
}

TEST_F_TIMEOUT(good, a_reset_leaves_the_bind_in_force, TIMEOUT_S)
{
	struct env *env = &self->env;
	u32 pasid = smtd_sva_bind(env->fd, 0);

	smtd_dma_run(env->dev, .iova = va(env->mem, 0), .pasid = pasid);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_OK, 1));
	EXPECT_EQ(smtd_sysfs_reset(bdf), 0);
	smtd_dma_run(env->dev, .iova = va(env->mem, 1), .pasid = pasid);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_OK, 2));

	EXPECT_EQ(smtd_sva_unbind(env->fd, pasid), 0);
	/* Writes of PASID control while ATS is on are scenario 15's. */
	smtd_check_stalls(env->dev);
	EXPECT_EQ(smtd_violations_but(env->dev, 1 << SMTD_V_PASID_ATS), 0);
}

FIXTURE(bad) {
	struct env env;
};

FIXTURE_SETUP(bad)
{
	env_init(&self->env);
}

FIXTURE_TEARDOWN(bad)
{
	env_cleanup(&self->env, _metadata->name);
}

static int reset_it(void *arg)
{
	return smtd_sysfs_reset(arg);
}

/*
 * Scenario 11. Its process exits while the function is inside its reset: the end of
 * the reset must not try to put back what is gone, nor miss a reference that was
 * dropped already. What others have attached is as it was, and the PASID of the
 * process reaches nothing until it is unbound and used for something else.
 */
TEST_F_TIMEOUT(bad, process_exits_during_reset, TIMEOUT_S)
{
	struct env *env = &self->env;
	pid_t worker = smtd_worker_start();
	u32 pasid = smtd_sva_bind(env->fd, worker);
	u32 own = smtd_sva_bind(env->fd, 0);
	struct smtd_dma_map buffer = smtd_dma_map(env->fd, SMTD_PAGE);
	struct smtd_domain_map map = {
		.flags = SMTD_MAP_READ | SMTD_MAP_WRITE,
		.iova = IOVA,
		.bytes = SMTD_PAGE,
	};
	struct smtd_domain_attach attach;
	struct smtd_domain_detach detach = {};
	struct smtd_call reset;

	smtd_dma_run(env->dev, .iova = va(env->mem, 0), .pasid = pasid);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_OK, 1));

	smtd_flr(env->dev, 0, 500);
	smtd_call_start(&reset, reset_it, (void *)bdf);
	ASSERT_TRUE(smtd_wait_reg(env->dev, SMTD_IN_RESET, 1));
	smtd_worker_kill(worker);
	ASSERT_FALSE(smtd_call_done(&reset));
	EXPECT_EQ(smtd_call_join(&reset), 0);

	/* Without PASID all is as it was. */
	smtd_stat_clear(env->dev);
	EXPECT_EQ(smtd_dma_run(env->dev, .iova = buffer.iova, .count = 1), 1);
	smtd_dma_run(env->dev, .iova = va(env->mem, 1), .pasid = own);
	EXPECT_TRUE(smtd_wait_stat(env->dev, SMTD_S_OK, 2));
	EXPECT_NE(smtd_word(env->mem, 1), 0);
	smtd_dma_run(env->dev, .iova = va(env->mem, 2), .pasid = pasid);
	EXPECT_TRUE(smtd_dma_settled(env->dev));
	EXPECT_EQ(smtd_stat(env->dev, SMTD_S_OK), 2);
	EXPECT_EQ(smtd_sva_unbind(env->fd, pasid), 0);
	EXPECT_EQ(smtd_dma_run(env->dev, .iova = buffer.iova, .count = 1), 1);

	/* The PASID can be used for something else. */
	map.id = smtd_domain_alloc(env->fd, SMTD_DOMAIN_PASID);
	attach = (struct smtd_domain_attach){ .id = map.id, .pasid = pasid };
	detach.pasid = pasid;
	ASSERT_EQ(smtd_module_call(env->fd, SMTD_IOC_DOMAIN_MAP, &map), 0);
	EXPECT_EQ(smtd_module_call(env->fd, SMTD_IOC_DOMAIN_ATTACH, &attach), 0);
	EXPECT_EQ(smtd_dma_run(env->dev, .iova = IOVA, .pasid = pasid), 1);
	EXPECT_EQ(smtd_module_call(env->fd, SMTD_IOC_DOMAIN_DETACH, &detach), 0);
	EXPECT_EQ(smtd_dma_run(env->dev, .iova = IOVA, .pasid = pasid), 0);
	EXPECT_EQ(smtd_domain_free(env->fd, map.id), 0);
	EXPECT_EQ(smtd_sva_unbind(env->fd, own), 0);
	EXPECT_EQ(smtd_dma_unmap(env->fd, buffer.handle), 0);
	smtd_check_stalls(env->dev);
	EXPECT_EQ(smtd_violations_but(env->dev, 1 << SMTD_V_PASID_ATS), 0);
}

static int detach_it(void *arg)
{
	struct env *env = arg;

	return smtd_domain_detach(env->fd);
}

/*
 * Scenario 42. The handler of a fault sleeps while its domain is detached: the detach
 * must wait for it, since its caller frees the domain next.
 */
TEST_F_TIMEOUT(bad, detach_waits_for_a_running_handler, TIMEOUT_S)
{
	struct env *env = &self->env;
	u32 domain = smtd_domain_alloc(env->fd, SMTD_DOMAIN_FAULT);
	struct smtd_fault_stat stat;
	struct smtd_call detach;
	bool waited;

	ASSERT_EQ(smtd_domain_attach(env->fd, domain), 0);
	smtd_fault_mode(env->fd, domain, SMTD_FAULT_HOLD);
	smtd_dma_run(env->dev, .iova = IOVA);
	ASSERT_TRUE(smtd_until(smtd_fault_stat(env->fd, domain).held == 1));

	smtd_call_start(&detach, detach_it, env);
	ASSERT_TRUE(smtd_until(smtd_call_done(&detach) || smtd_call_sleeps(&detach)));
	usleep(DETACH_WAITS_US);
	waited = !smtd_call_done(&detach);
	/* Now, for the machine may not survive a handler that works on what was freed. */
	TH_LOG("handlers that outlived the detach: %llu", smtd_fault_stat(env->fd, domain).late);
	smtd_fault_release(env->fd, domain);
	EXPECT_EQ(smtd_call_join(&detach), 0);
	EXPECT_TRUE(smtd_dma_settled(env->dev));

	stat = smtd_fault_stat(env->fd, domain);
	EXPECT_TRUE(waited);
	EXPECT_EQ(stat.late, 0);
	EXPECT_EQ(stat.stale, 0);
	EXPECT_EQ(smtd_domain_free(env->fd, domain), 0);
	EXPECT_TRUE(clean(env));
}

/* ---- a fault that is queued and whose handler cannot run ---- */

static bool spin;

static void *spinner(void *arg)
{
	smtd_pin((uintptr_t)arg);
	while (__atomic_load_n(&spin, __ATOMIC_RELAXED))
		;
	return NULL;
}

static void realtime(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	VFIO_ASSERT_EQ(sched_setscheduler(0, SCHED_FIFO, &param), 0);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		VFIO_ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text), "%s\n", path);
		close(fd);
	}
}

static int unbind_it(void *arg)
{
	u32 *args = arg;

	realtime(20);
	return smtd_sva_unbind(args[0], args[1]);
}

/*
 * Scenario 42 for SVA. Real-time threads on every CPU keep the fault workqueue from
 * running, not the interrupt thread (priority 50), which hands the fault over, and
 * not us. The unbind must not free what the queued work is going to use.
 */
TEST_F_TIMEOUT(bad, unbind_waits_for_a_queued_fault, TIMEOUT_S)
{
	long cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct env *env = &self->env;
	u32 pasid = smtd_sva_bind(env->fd, 0);
	u32 args[] = { env->fd, pasid };
	pthread_t threads[cpus];
	struct smtd_call unbind;
	long handled, unbound;
	u64 end;

	write_text("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	realtime(30);
	__atomic_store_n(&spin, true, __ATOMIC_RELAXED);
	for (cpu = 0; cpu < cpus; cpu++) {
		pthread_attr_t attr;
		struct sched_param param = { .sched_priority = 10 };

		pthread_attr_init(&attr);
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
		pthread_attr_setschedparam(&attr, &param);
		VFIO_ASSERT_EQ(pthread_create(&threads[cpu], &attr, spinner,
					      (void *)(uintptr_t)cpu), 0);
	}

	smtd_dma_run(env->dev, .iova = va(env->mem, 0), .pasid = pasid);
	ASSERT_TRUE(smtd_until(smtd_trace_find("iommu_report_device_fault_ret") >= 0));
	EXPECT_EQ(smtd_stat(env->dev, SMTD_S_RETRY), 0);
	smtd_call_start(&unbind, unbind_it, args);
	end = smtd_now_us() + DETACH_WAITS_US;
	while (!smtd_call_done(&unbind) && smtd_now_us() < end)
		usleep(1000);
	TH_LOG("unbind %s for the fault", smtd_call_done(&unbind) ? "does not wait" : "waits");
	__atomic_store_n(&spin, false, __ATOMIC_RELAXED);
	for (cpu = 0; cpu < cpus; cpu++)
		pthread_join(threads[cpu], NULL);
	EXPECT_EQ(smtd_call_join(&unbind), 0);
	/* The answer was given by then; the unbind may go on before that returns. */
	ASSERT_TRUE(smtd_until((handled = smtd_trace_find("iopf_free_group")) >= 0));
	unbound = smtd_trace_find("iommu_sva_unbind_device_ret");
	ASSERT_GE(unbound, 0);
	EXPECT_LT(handled, unbound) {
		TH_LOG("the unbind returned before the fault was handled");
	}
	EXPECT_TRUE(clean(env));
}

static int unbind_plain(void *arg)
{
	u32 *args = arg;

	return smtd_sva_unbind(args[0], args[1]);
}

/*
 * Nobody has read of the stalls when the address space is unbound, for the thread
 * that reads the event queue does not get to run.
 */
TEST_F_TIMEOUT(bad, unbind_ends_what_nobody_has_read, TIMEOUT_S)
{
	struct env *env = &self->env;
	u32 pasid = smtd_sva_bind(env->fd, 0), open;
	u32 args[] = { env->fd, pasid };
	struct smtd_call unbind;
	struct smtd_hog hog;

	ASSERT_GT(smtd_move_irqs(SMTD_SMMU_IRQS, 1, 1), 0);
	ASSERT_TRUE(smtd_pin(0));
	/* A fault that is handled as usual: the thread has moved then. */
	smtd_dma_run(env->dev, .iova = va(env->mem, 0), .pasid = pasid);
	ASSERT_TRUE(smtd_wait_stat(env->dev, SMTD_S_OK, 1));
	smtd_hog_start(&hog, 1);
	smtd_dma_run(env->dev, .iova = va(env->mem, 1), .count = 8, .pasid = pasid);
	ASSERT_EQ(smtd_read(env->dev, SMTD_STALLED), 8);
	smtd_call_start(&unbind, unbind_plain, args);
	smtd_until(smtd_call_done(&unbind));
	EXPECT_TRUE(smtd_call_done(&unbind));
	open = smtd_read(env->dev, SMTD_STALLED);
	smtd_hog_stop(&hog);
	EXPECT_EQ(smtd_call_join(&unbind), 0);
	printf("# of 8 stalls %u are open when the unbind has returned\n", open);
	EXPECT_EQ(open, 0);
	EXPECT_TRUE(clean(env));
}

/* ---- processes that die with faults in flight ---- */

#define BURST		8
#define ROUNDS		30

/*
 * One process, whose fresh pages the function writes to while it is killed, before
 * the unbind, after it, or at the same time. Returns the stalls that were open when
 * the unbind had returned.
 */
static u32 die_at_random(struct __test_metadata *_metadata, struct env *env)
{
	void *mem = mmap(NULL, BURST * SMTD_PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int order = rand() % 3, i;
	u32 pasid, open;
	pid_t worker;

	ASSERT_NE(mem, MAP_FAILED);
	worker = smtd_worker_start();
	pasid = smtd_sva_bind(env->fd, worker);
	smtd_dma_run(env->dev, .iova = va(mem, 0), .count = BURST, .pasid = pasid);
	usleep(rand() % 2000);
	if (order == 0) {
		smtd_worker_kill(worker);
		usleep(rand() % 2000);
	} else if (order == 1) {
		kill(worker, SIGKILL);
	}
	EXPECT_EQ(smtd_sva_unbind(env->fd, pasid), 0);
	open = smtd_read(env->dev, SMTD_STALLED);
	for (i = 0; i < BURST; i++)
		smtd_mark_freed(env->dev, va(mem, i), pasid);
	if (order == 2)
		usleep(rand() % 2000);
	if (order != 0)
		smtd_worker_kill(worker);
	smtd_dma_run(env->dev, .iova = va(mem, 0), .count = BURST, .pasid = pasid);
	EXPECT_TRUE(smtd_dma_settled(env->dev));
	smtd_unmark_all(env->dev);
	munmap(mem, BURST * SMTD_PAGE);
	return open;
}

TEST_F_TIMEOUT(bad, processes_are_killed_with_faults_in_flight, 3600)
{
	unsigned int rounds = smtd_number("SMTD_ROUNDS", ROUNDS), i, late = 0;
	unsigned int seed = smtd_number("SMTD_SEED", smtd_now_us());
	struct env *env = &self->env;
	u64 begin = smtd_now_us();

	printf("# SMTD_SEED=%u SMTD_ROUNDS=%u\n", seed, rounds);
	srand(seed);
	for (i = 0; i < rounds; i++) {
		late += die_at_random(_metadata, env) > 0;
		smtd_check_stalls(env->dev);
		ASSERT_EQ(smtd_violations(env->dev), 0) {
			TH_LOG("in round %u", i);
		}
	}
	printf("# in %u of %u rounds stalls were open when the unbind had returned; %lu ms\n",
	       late, rounds, (smtd_now_us() - begin) / 1000);
	EXPECT_EQ(late, 0);
	EXPECT_TRUE(clean(env));
}

FIXTURE(others) {
	struct env env;
	struct iommu *iommu;
	struct smtd *vfio;
	int fd;			/* the observer's */
};

FIXTURE_SETUP(others)
{
	struct smtd_faults faults;
	int hwpt;

	if (!vfio_bdf)
		SKIP(return, "no function for VFIO");
	env_init(&self->env);
	self->fd = smtd_module_open(observer_bdf);

	/* A fault queue, so that the function takes part in the handling of faults. */
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->vfio = smtd_open(vfio_bdf, self->iommu);
	faults = smtd_faults_alloc(self->iommu);
	hwpt = smtd_hwpt_alloc(self->vfio, self->iommu->ioas_id, 0, faults.id);
	ASSERT_GT(hwpt, 0);
	ASSERT_EQ(smtd_attach(self->vfio, hwpt), 0);
}

FIXTURE_TEARDOWN(others)
{
	close(self->fd);
	env_cleanup(&self->env, _metadata->name);
}

static int reset_vfio(void *arg)
{
	return smtd_reset(arg);
}

/*
 * Scenario 42a. The fault of one function is on memory that the reset of another one
 * has locked: a reset that waited for faults with the group's lock held would wait
 * for itself. A third function's fault that nobody ever answers must not hold up
 * either of them.
 */
TEST_F_TIMEOUT(others, fault_on_a_bar_against_its_reset, TIMEOUT_S)
{
	struct smtd *dev = self->env.dev, *vfio = self->vfio;
	u32 domain = smtd_domain_alloc(self->fd, SMTD_DOMAIN_FAULT);
	u32 pasid = smtd_sva_bind(self->env.fd, 0);
	u32 args[] = { self->env.fd, pasid };
	struct smtd_call reset, unbind;

	ASSERT_EQ(smtd_domain_attach(self->fd, domain), 0);
	smtd_fault_mode(self->fd, domain, SMTD_FAULT_HOLD);
	smtd_dma_run(self->env.observer, .iova = IOVA);
	ASSERT_TRUE(smtd_until(smtd_fault_stat(self->fd, domain).held == 1));

	/*
	 * With transactions pending the kernel waits 0.7 s, with the BAR unmapped and
	 * VFIO's lock held, before it prepares the IOMMU and resets the function.
	 */
	smtd_observe(vfio, self->env.observer);
	smtd_write(vfio, SMTD_TRPND, 1);
	smtd_call_start(&reset, reset_vfio, vfio);
	ASSERT_TRUE(smtd_until(smtd_trace_find("pcie_flr: (") >= 0));
	smtd_dma_run(dev, .iova = (uintptr_t)vfio->bar, .read = true, .pasid = pasid);
	ASSERT_TRUE(smtd_until(smtd_stat(dev, SMTD_S_STALL) == 1));
	usleep(HANDED_OVER_US);
	EXPECT_EQ(smtd_read(dev, SMTD_STALLED), 1);
	EXPECT_FALSE(smtd_call_done(&reset));

	ASSERT_TRUE(smtd_until(smtd_call_done(&reset))) {
		TH_LOG("the reset waits for a fault that waits for the reset");
	}
	EXPECT_EQ(smtd_call_join(&reset), 0);
	EXPECT_TRUE(smtd_dma_settled(dev));
	smtd_call_start(&unbind, unbind_plain, args);
	ASSERT_TRUE(smtd_until(smtd_call_done(&unbind))) {
		TH_LOG("the unbind waits for a fault of somebody else");
	}
	EXPECT_EQ(smtd_call_join(&unbind), 0);
	EXPECT_EQ(smtd_fault_stat(self->fd, domain).held, 1);

	/* A detach before the handler's answer is scenario 42's. */
	smtd_fault_release(self->fd, domain);
	EXPECT_TRUE(smtd_dma_settled(self->env.observer));
	EXPECT_EQ(smtd_domain_detach(self->fd), 0);
	EXPECT_EQ(smtd_domain_free(self->fd, domain), 0);
	EXPECT_TRUE(clean(&self->env));
}

int main(int argc, char *argv[])
{
	char **bdfs;
	int n;

	bdfs = vfio_selftests_get_bdfs(&argc, argv, &n);
	if (n != 2 && n != 3)
		ksft_exit_fail_msg("two or three functions are needed, not %d\n", n);
	bdf = bdfs[0];
	observer_bdf = bdfs[1];
	vfio_bdf = n == 3 ? bdfs[2] : NULL;
	return test_harness_run(argc, argv);
}
