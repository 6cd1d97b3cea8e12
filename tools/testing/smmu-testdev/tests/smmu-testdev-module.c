// SPDX-License-Identifier: GPL-2.0
/*
 * Guest program that exercises every ioctl of the smmu-testdev module but those of
 * domains, which smmu-testdev-domains has.
 *
 * It takes the first two functions that have a /dev/smmu_testdev-* and needs
 * them with stall=on and pasid-width=16. Everything that it asks for is well
 * behaved: it must pass on an unpatched kernel, without a splat and without a
 * violation in the model's oracle.
 */
#include <sys/prctl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "smtd_test.h"
#include "smtd_test_two.h"

FIXTURE(testdev) {
	struct td a, b;
};

FIXTURE_SETUP(testdev)
{
	ASSERT_EQ(0, open_two(&self->a, &self->b))
		TH_LOG("this needs two functions bound to smmu_testdev");
}

FIXTURE_TEARDOWN(testdev)
{
	EXPECT_EQ(0, close_two(&self->a, &self->b));
}

/* ---- the device file ---- */

TEST_F(testdev, info_and_unknown_ioctl)
{
	struct smtd_info info;

	ASSERT_EQ(0, call(&self->a, SMTD_IOC_INFO, &info));
	EXPECT_EQ(SMTD_UAPI_VERSION, info.version);
	EXPECT_EQ(0x10000, info.max_pasids);
	EXPECT_LE(0, info.group);
	EXPECT_EQ(SMTD_BAR_SIZE, info.bar_bytes);
	EXPECT_EQ(PAGE, info.page_bytes);
	EXPECT_EQ(SMTD_DMA_STRICT, info.dma_domain);
	EXPECT_EQ(-ENOTTY, call(&self->a, _IO(SMTD_IOC_MAGIC, 99), NULL));
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_INFO, NULL));
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_COUNTS, NULL));
}

TEST_F(testdev, needs_a_capability)
{
	struct td td = self->a;

	char path[64];

	snprintf(path, sizeof(path), NODES "%s", td.bdf);
	ASSERT_EQ(0, chmod(path, 0666));
	ASSERT_EQ(0, setuid(1000));
	EXPECT_EQ(-EPERM, open_td(&td));
}

TEST_F(testdev, bar_views)
{
	char path[64];
	__u32 *bar;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0",
		 self->a.bdf);
	fd = open(path, O_RDWR);
	bar = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, bar);
	EXPECT_EQ(SMTD_MAGIC, bar[SMTD_ID / 4]);
	EXPECT_EQ(MAP_FAILED, view(&self->a, 0, 2 * PAGE));
	EXPECT_EQ(MAP_FAILED, view(&self->a, PAGE, PAGE));
	EXPECT_EQ(MAP_FAILED, view(&self->a, 0x7ull << 28, PAGE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE,
				   self->a.fd, 0));
}

TEST_F(testdev, reset_is_counted)
{
	struct smtd_counts before, after;
	__u32 n;

	ASSERT_EQ(0, call(&self->a, SMTD_IOC_COUNTS, &before));
	ASSERT_EQ(0, device(self->a.bdf, "reset"));
	ASSERT_EQ(0, call(&self->a, SMTD_IOC_COUNTS, &after));
	n = before.total;
	ASSERT_EQ(n + 2, after.total);
	EXPECT_EQ(before.count[SMTD_CALL_RESET_DONE] + 1,
		  after.count[SMTD_CALL_RESET_DONE]);
	EXPECT_EQ(SMTD_CALL_RESET_PREPARE, after.last[n++ % SMTD_CALLS_KEPT]);
	EXPECT_EQ(SMTD_CALL_RESET_DONE, after.last[n % SMTD_CALLS_KEPT]);
	/*
	 * An unpatched kernel restores the PASID capability with ATS enabled.
	 * That is another test's concern, so this kind alone is forgiven here.
	 */
	EXPECT_EQ(rd(&self->a, SMTD_VIOL(SMTD_V_PASID_ATS)),
		  rd(&self->a, SMTD_VIOL_TOTAL));
	wr(&self->a, SMTD_ORACLE_CTL, SMTD_ORACLE_CLEAR);
}

/* ---- what surrounds a reset ---- */

/* The first function, opened again, with a fresh buffer: how many writes reach it */
static int reopened_dma(struct td *td)
{
	struct smtd_dma_map m = { .bytes = PAGE };
	int ret = open_td(td) ?: call(td, SMTD_IOC_DMA_MAP, &m);

	return ret ?: dma(td, m.iova, 1, SMTD_NO_PASID);
}

TEST_F(testdev, prepare_and_done)
{
	struct smtd_reset_prepare bad[] = { { .flags = 2 }, { .reserved = 1 } };
	struct smtd_dma_map m = { .bytes = PAGE };
	struct td *a = &self->a;
	int ret = reset_prepare(a);

	/* A kernel without the calls has neither of them */
	if (ret == -EOPNOTSUPP) {
		EXPECT_EQ(-EOPNOTSUPP, reset_done(a, SMTD_RESET_OK, 0));
		EXPECT_EQ(-EOPNOTSUPP,
			  reset_done(a, SMTD_RESET_OK, SMTD_RESET_UNPAIRED));
		return;
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, call(a, SMTD_IOC_DMA_MAP, &m));
	EXPECT_EQ(0, dma(a, m.iova, 1, SMTD_NO_PASID));
	EXPECT_EQ(0, reset_prepare(a));
	EXPECT_EQ(0, reset_done(a, SMTD_RESET_OK, 0));
	EXPECT_EQ(0, dma(a, m.iova, 1, SMTD_NO_PASID));
	/* The other function has nothing to end */
	EXPECT_EQ(-ENOENT, reset_done(&self->b, SMTD_RESET_OK, 0));
	EXPECT_EQ(-EINVAL, reset_done(a, SMTD_RESET_FAILED + 1, 0));
	EXPECT_EQ(-EINVAL, reset_done(a, SMTD_RESET_OK, 2));
	EXPECT_EQ(-EFAULT, call(a, SMTD_IOC_RESET_DONE, NULL));
	EXPECT_EQ(-EFAULT, call(a, SMTD_IOC_RESET_PREPARE, NULL));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(-EINVAL, call(a, SMTD_IOC_RESET_PREPARE, &bad[i]));
	EXPECT_EQ(0, reset_done(a, SMTD_RESET_NOT_DONE, 0));
	EXPECT_EQ(1, dma(a, m.iova, 1, SMTD_NO_PASID));
	EXPECT_EQ(-ENOENT, reset_done(a, SMTD_RESET_OK, 0));

	/* It stays fenced until a reset succeeds, and can be detached and attached */
	EXPECT_EQ(0, reset_prepare(a));
	EXPECT_EQ(0, reset_done(a, SMTD_RESET_FAILED, 0));
	EXPECT_EQ(0, dma(a, m.iova, 1, SMTD_NO_PASID));
	EXPECT_EQ(0, reset_prepare(a));
	EXPECT_EQ(0, reset_done(a, SMTD_RESET_OK, 0));
	EXPECT_EQ(1, dma(a, m.iova, 1, SMTD_NO_PASID));
}

TEST_F(testdev, prepares_are_undone)
{
	struct td *a = &self->a;
	struct td again = *a;

	if (reset_prepare(a) == -EOPNOTSUPP)
		return;
	EXPECT_EQ(0, reset_prepare(a));
	/* The last file: a view is one as well */
	munmap(a->bar, SMTD_BAR_SIZE);
	close(a->fd);
	ASSERT_EQ(0, open_td(a));
	a->bar = view(a, 0, SMTD_BAR_SIZE);
	ASSERT_NE(MAP_FAILED, a->bar);
	again = *a;
	EXPECT_EQ(1, reopened_dma(&again));
	EXPECT_EQ(-ENOENT, reset_done(a, SMTD_RESET_OK, 0));
	close(again.fd);

	/* The driver goes */
	EXPECT_EQ(0, reset_prepare(a));
	ASSERT_EQ(0, driver("unbind", a->bdf));
	EXPECT_EQ(-ENODEV, reset_done(a, SMTD_RESET_OK, 0));
	ASSERT_EQ(0, driver("bind", a->bdf));
	ASSERT_EQ(0, open_td(&again));
	again.bar = view(&again, 0, SMTD_BAR_SIZE);
	close(again.fd);
	EXPECT_EQ(1, reopened_dma(&again));
	EXPECT_EQ(-ENOENT, reset_done(&again, SMTD_RESET_OK, 0));
	close(again.fd);
}

/* ---- SVA ---- */

TEST_F(testdev, sva_of_the_caller)
{
	__u64 *mem = anon(4);
	__u32 pasid, again;

	ASSERT_EQ(0, bind_process(&self->a, 0, &pasid));
	/* Nobody has touched these pages: every one is a fault */
	EXPECT_EQ(4, dma(&self->a, (uintptr_t)mem, 4, pasid));
	EXPECT_EQ(4, count(&self->a, SMTD_S_STALL));
	EXPECT_EQ(4, count(&self->a, SMTD_S_RETRY));
	for (int i = 0; i < 4; i++)
		EXPECT_NE(0, word(mem, i));
	EXPECT_EQ(0, dma(&self->a, 0, 1, pasid));
	EXPECT_EQ(1, failed(&self->a));

	ASSERT_EQ(0, bind_process(&self->a, getpid(), &again));
	EXPECT_EQ(pasid, again);
	EXPECT_EQ(0, unbind_process(&self->a, pasid));
	EXPECT_EQ(4, dma(&self->a, (uintptr_t)mem, 4, pasid));
	EXPECT_EQ(0, unbind_process(&self->a, pasid));
	EXPECT_EQ(-ENOENT, unbind_process(&self->a, pasid));
	EXPECT_EQ(0, dma(&self->a, (uintptr_t)mem, 4, pasid));
}

TEST_F(testdev, sva_of_a_process_that_is_killed)
{
	__u64 *mem = anon(2);
	__u32 pasid, unused;
	int ready[2];
	pid_t child;
	char c;

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	if (!child) {
		/* Ours, not the parent's: a child can see and change it only here */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!word(mem, 0))
			usleep(1000);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	ASSERT_EQ(0, bind_process(&self->a, child, &pasid));
	EXPECT_EQ(2, dma(&self->a, (uintptr_t)mem, 2, pasid));
	/* The child has seen it, and it is not our memory */
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(0, word(mem, 0));

	/* Killed while the device keeps writing */
	wr(&self->a, SMTD_PERIOD_US, 100);
	start(&self->a, (uintptr_t)mem, 2, pasid, SMTD_CTRL_LOOP);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	for (int ms = 0; ms < 10000 && !failed(&self->a); ms++)
		usleep(1000);
	EXPECT_LT(0, failed(&self->a));
	wr(&self->a, SMTD_CTRL, 0);
	EXPECT_TRUE(ended(&self->a));
	EXPECT_EQ(0, dma(&self->a, (uintptr_t)mem, 2, pasid));

	EXPECT_EQ(-ESRCH, bind_process(&self->a, child, &unused));
	EXPECT_EQ(0, unbind_process(&self->a, pasid));
	EXPECT_EQ(-ENOENT, unbind_process(&self->a, pasid));
}

TEST_F(testdev, sva_bad_arguments)
{
	struct smtd_sva_bind bind = {};
	struct smtd_sva_unbind unbind = { .reserved = 1 };
	__u32 pasid;

	EXPECT_EQ(-EINVAL, bind_process(&self->a, -1, &pasid));
	EXPECT_EQ(-ESRCH, bind_process(&self->a, 0x7fffffff, &pasid));
	/* A kernel thread has no memory of its own */
	EXPECT_EQ(-ESRCH, bind_process(&self->a, 2, &pasid));
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_SVA_BIND, NULL));
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_SVA_UNBIND, NULL));
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_SVA_UNBIND, &unbind));
	EXPECT_EQ(-ENOENT, unbind_process(&self->a, 77));

	/* What cannot be delivered has not been bound */
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_SVA_BIND,
				read_only(&bind, sizeof(bind))));
	ASSERT_EQ(0, bind_process(&self->a, 0, &pasid));
	EXPECT_EQ(0, unbind_process(&self->a, pasid));
	EXPECT_EQ(-ENOENT, unbind_process(&self->a, pasid));
}

/* ---- the DMA API ---- */

TEST_F(testdev, dma_map_and_unmap)
{
	struct smtd_dma_map m = { .bytes = 8 * PAGE,
				  .direction = SMTD_FROM_DEVICE };
	struct smtd_dma_unmap u = {};
	__u64 *mem;

	ASSERT_EQ(0, call(&self->a, SMTD_IOC_DMA_MAP, &m));
	mem = view(&self->a, m.mmap_offset, 8 * PAGE);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(MAP_FAILED, view(&self->a, m.mmap_offset, 9 * PAGE));
	EXPECT_EQ(8, dma(&self->a, m.iova, 8, SMTD_NO_PASID));
	for (int i = 0; i < 8; i++)
		EXPECT_NE(0, word(mem, i));

	u.handle = m.handle;
	/* A handle is a function's own */
	EXPECT_EQ(-ENOENT, call(&self->b, SMTD_IOC_DMA_UNMAP, &u));
	ASSERT_EQ(0, call(&self->a, SMTD_IOC_DMA_UNMAP, &u));
	EXPECT_LT(0, u.ns);
	EXPECT_EQ(-ENOENT, call(&self->a, SMTD_IOC_DMA_UNMAP, &u));
	/* The view stays, and the device does not reach it any more */
	mem[0] = 0;
	EXPECT_EQ(0, dma(&self->a, m.iova, 8, SMTD_NO_PASID));
	EXPECT_EQ(8, failed(&self->a));
	EXPECT_EQ(0, word(mem, 0));
	EXPECT_EQ(MAP_FAILED, view(&self->a, m.mmap_offset, PAGE));
}

TEST_F(testdev, dma_bad_arguments)
{
	struct smtd_dma_map m = { .bytes = PAGE };
	struct smtd_dma_unmap u = { .handle = 1, .reserved = 1 };

	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_DMA_MAP, NULL));
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_DMA_MAP,
				read_only(&m, sizeof(m))));
	m.bytes = 0;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DMA_MAP, &m));
	m.bytes = SMTD_MAX_DMA_BYTES + 1;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DMA_MAP, &m));
	m.bytes = ~0ull;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DMA_MAP, &m));
	m.bytes = PAGE;
	m.direction = 3;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DMA_MAP, &m));
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DMA_UNMAP, &u));
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_DMA_UNMAP, NULL));
}

static void on_alarm(int sig)
{
}

TEST_F(testdev, traffic)
{
	struct smtd_traffic t = { .rounds = 200, .buffers = 4,
				  .bytes = 3 * PAGE };
	struct sigaction act = { .sa_handler = on_alarm };

	ASSERT_EQ(0, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	EXPECT_EQ(200, t.done);
	EXPECT_LT(0, t.max_unmap_ns);
	EXPECT_LE(t.max_unmap_ns, t.unmap_ns);
	EXPECT_LT(t.unmap_ns, t.ns);

	/* A signal ends it, and what was done is reported */
	sigaction(SIGALRM, &act, NULL);
	t.rounds = ~0ull;
	ualarm(200000, 0);
	ASSERT_EQ(0, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	EXPECT_LT(0, t.done);

	t.rounds = 1;
	t.buffers = SMTD_MAX_BUFFERS;
	t.bytes = SMTD_MAX_TRAFFIC_BYTES / SMTD_MAX_BUFFERS;
	EXPECT_EQ(0, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	t.bytes++;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	t.bytes = ~0ull;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	t.bytes = PAGE;
	t.buffers++;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	t.buffers = 0;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	t.buffers = 1;
	t.rounds = 0;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	t.rounds = 1;
	t.direction = 3;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_TRAFFIC, &t));
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_TRAFFIC, NULL));
}

/* ---- removal ---- */

/*
 * Something of every kind, for the removal to undo; the id of a fault domain.
 * The open transaction is ended by its answer, so that no fault of it can come
 * while domains are detached (see handlers_are_held).
 */
static __u32 litter(const struct td *td)
{
	struct smtd_dma_map m = { .bytes = PAGE };
	__u32 pasid, rid, id;

	if (bind_process(td, 0, &pasid) || call(td, SMTD_IOC_DMA_MAP, &m) ||
	    alloc(td, 0, &rid) || map(td, rid, IOVA, PAGE, NULL) ||
	    attach(td, rid, SMTD_NO_PASID) ||
	    alloc(td, SMTD_DOMAIN_FAULT, &id) || attach(td, id, PASID) ||
	    mode(td, id, SMTD_FAULT_HOLD, SMTD_FAULT_INVALID, 0))
		return 0;
	start(td, IOVA, 1, PASID, WRITE);
	return wait_for(held_is, td, id, 1) ? id : 0;
}

TEST_F(testdev, unbind_while_open)
{
	struct td *a = &self->a;
	struct smtd_info info;
	struct td again = *a;
	__u32 id;

	id = litter(a);
	ASSERT_NE(0, id);
	/* Another function's attachment outlives the domain's owner */
	ASSERT_EQ(0, attach(&self->b, id, PASID));
	ASSERT_EQ(0, driver("unbind", a->bdf));
	EXPECT_EQ(-ENODEV, call(a, SMTD_IOC_INFO, &info));
	EXPECT_EQ(-ENODEV, call(a, _IO(SMTD_IOC_MAGIC, 99), NULL));
	EXPECT_EQ(-ENODEV, free_domain(a, id));
	EXPECT_EQ(0, probe_bar(a));
	EXPECT_EQ(-ENOENT, open_td(&again));
	EXPECT_EQ(-ENOENT, free_domain(&self->b, id));
	EXPECT_EQ(0, detach(&self->b, PASID));

	/* Bound again it is another one, with the old file still open */
	ASSERT_EQ(0, driver("bind", a->bdf));
	EXPECT_EQ(-ENODEV, call(a, SMTD_IOC_INFO, &info));
	EXPECT_EQ(0, probe_bar(a));
	ASSERT_EQ(0, open_td(&again));
	EXPECT_EQ(0, call(&again, SMTD_IOC_INFO, &info));
	EXPECT_EQ(-ENOENT, detach(&again, PASID));
	close(again.fd);
}

TEST_F(testdev, remove_while_open)
{
	struct td *a = &self->a;
	struct smtd_info info;
	struct td again = *a;

	ASSERT_NE(0, litter(a));
	ASSERT_EQ(0, device(a->bdf, "remove"));
	EXPECT_EQ(-ENODEV, call(a, SMTD_IOC_INFO, &info));
	EXPECT_EQ(0, probe_bar(a));
	ASSERT_EQ(0, write_file("/sys/bus/pci/rescan", "1"));
	ASSERT_EQ(0, open_td(&again));
	EXPECT_EQ(0, call(&again, SMTD_IOC_INFO, &info));
	EXPECT_EQ(-ENODEV, call(a, SMTD_IOC_INFO, &info));
}

/* Calls until the function is gone; exits with the errno */
static pid_t worker(const struct td *td, int go, int which)
{
	pid_t child = fork();
	__u32 id, pasid;
	int ret;

	if (child)
		return child;
	for (int n = 0;; n++) {
		struct smtd_traffic t = { .rounds = 1000000, .buffers = 2,
					  .bytes = PAGE };

		if (!n && write(go, "x", 1) != 1)
			_exit(1);
		if (which == 0) {
			ret = call(td, SMTD_IOC_TRAFFIC, &t);
		} else if (which == 1) {
			ret = bind_process(td, 0, &pasid);
			if (!ret)
				ret = unbind_process(td, pasid);
		} else {
			ret = alloc(td, SMTD_DOMAIN_FAULT, &id);
			if (!ret)
				ret = map(td, id, IOVA, PAGE, NULL);
			if (!ret)
				ret = attach(td, id, PASID + which);
			if (!ret)
				ret = detach(td, PASID + which);
			if (!ret)
				ret = free_domain(td, id);
		}
		if (ret)
			_exit(-ret);
	}
}

/* Seconds on an idle host; much longer under KASAN on a busy one */
TEST_F_TIMEOUT(testdev, ioctls_against_unbind, 120)
{
	int go[2], status;
	pid_t child[4];
	char c;

	ASSERT_EQ(0, pipe(go));
	for (int round = 0; round < 10; round++) {
		struct td td = self->b;

		ASSERT_EQ(0, open_td(&td));
		for (int i = 0; i < 4; i++)
			child[i] = worker(&td, go[1], i);
		for (int i = 0; i < 4; i++)
			ASSERT_EQ(1, read(go[0], &c, 1));
		usleep(round * 1000);
		ASSERT_EQ(0, driver("unbind", td.bdf));
		for (int i = 0; i < 4; i++) {
			ASSERT_EQ(child[i], waitpid(child[i], &status, 0));
			EXPECT_TRUE(WIFEXITED(status));
			EXPECT_EQ(ENODEV, WEXITSTATUS(status));
		}
		ASSERT_EQ(0, driver("bind", td.bdf));
		close(td.fd);
	}
}

TEST_HARNESS_MAIN
