// SPDX-License-Identifier: GPL-2.0
/*
 * Guest program: each allocation of the smmu-testdev module's ioctls fails once.
 *
 * A call that fails must have done nothing, so that the same call without a
 * failure succeeds afterwards, and what it makes can be undone. Detaching is
 * left out: the core may not fail there, and an unpatched kernel warns.
 *
 * Needs FAULT_INJECTION and FAILSLAB, and debugfs at /sys/kernel/debug; without
 * FAILSLAB nothing fails and the sequence is gone through once.
 */
#include <glob.h>

#include "kselftest_harness.h"
#include "smtd_test.h"

/* What the steps made, for the next ones and to undo them */
struct state {
	struct td td;
	__u32 pasid, again, handle, one, two;
	bool prepared;
};

static int do_bind(struct state *s)
{
	return bind_process(&s->td, 0, &s->pasid);
}

static int undo_bind(struct state *s)
{
	return unbind_process(&s->td, s->pasid);
}

/* Of another process: one has one PASID, however often it is bound */
static int do_bind_again(struct state *s)
{
	return bind_process(&s->td, 1, &s->again);
}

static int undo_bind_again(struct state *s)
{
	return unbind_process(&s->td, s->again);
}

static int do_dma(struct state *s)
{
	struct smtd_dma_map m = { .bytes = 4 * PAGE };
	int ret = call(&s->td, SMTD_IOC_DMA_MAP, &m);

	s->handle = m.handle;
	return ret;
}

static int undo_dma(struct state *s)
{
	struct smtd_dma_unmap u = { .handle = s->handle };

	return call(&s->td, SMTD_IOC_DMA_UNMAP, &u);
}

static int do_traffic(struct state *s)
{
	struct smtd_traffic t = { .rounds = 2, .buffers = 3, .bytes = PAGE };

	return call(&s->td, SMTD_IOC_TRAFFIC, &t);
}

static int nothing(struct state *s)
{
	return 0;
}

static int do_one(struct state *s)
{
	return alloc(&s->td, SMTD_DOMAIN_FAULT, &s->one);
}

static int undo_one(struct state *s)
{
	return free_domain(&s->td, s->one);
}

static int do_two(struct state *s)
{
	return alloc(&s->td, SMTD_DOMAIN_FAULT, &s->two);
}

static int undo_two(struct state *s)
{
	return free_domain(&s->td, s->two);
}

static int do_map(struct state *s)
{
	return map(&s->td, s->one, IOVA, 3 * PAGE, NULL);
}

static int undo_map(struct state *s)
{
	return unmap(&s->td, s->one, IOVA, 3 * PAGE);
}

static int do_map_more(struct state *s)
{
	return map(&s->td, s->two, IOVA + 64 * PAGE, 3 * PAGE, NULL);
}

static int undo_map_more(struct state *s)
{
	return unmap(&s->td, s->two, IOVA + 64 * PAGE, 3 * PAGE);
}

static int do_attach(struct state *s)
{
	return attach(&s->td, s->one, SMTD_NO_PASID);
}

static int undo_attach(struct state *s)
{
	return detach(&s->td, SMTD_NO_PASID);
}

static int do_pasid(struct state *s)
{
	return attach(&s->td, s->one, PASID);
}

static int undo_pasid(struct state *s)
{
	return detach(&s->td, PASID);
}

static int do_replace(struct state *s)
{
	return replace(&s->td, s->two, SMTD_NO_PASID);
}

static int undo_replace(struct state *s)
{
	return replace(&s->td, s->one, SMTD_NO_PASID);
}

static int do_pasid_replace(struct state *s)
{
	return replace(&s->td, s->two, PASID);
}

static int undo_pasid_replace(struct state *s)
{
	return replace(&s->td, s->one, PASID);
}

/* Nothing to fail in a kernel without the calls */
static int do_prepare(struct state *s)
{
	int ret = reset_prepare(&s->td);

	s->prepared = !ret;
	return ret == -EOPNOTSUPP ? 0 : ret;
}

static int undo_prepare(struct state *s)
{
	return s->prepared ? reset_done(&s->td, SMTD_RESET_NOT_DONE, 0) : 0;
}

static const struct step {
	const char *name;
	int (*make)(struct state *s);
	int (*undo)(struct state *s);
} steps[] = {
	{ "SVA_BIND", do_bind, undo_bind },
	{ "DMA_MAP", do_dma, undo_dma },
	{ "TRAFFIC", do_traffic, nothing },
	{ "DOMAIN_ALLOC", do_one, undo_one },
	{ "DOMAIN_ALLOC", do_two, undo_two },
	{ "DOMAIN_MAP", do_map, undo_map },
	{ "DOMAIN_ATTACH", do_attach, undo_attach },
	{ "DOMAIN_ATTACH of a PASID", do_pasid, undo_pasid },
	{ "DOMAIN_REPLACE", do_replace, undo_replace },
	{ "DOMAIN_REPLACE of a PASID", do_pasid_replace, undo_pasid_replace },
	{ "RESET_PREPARE", do_prepare, undo_prepare },
	{ "DOMAIN_REPLACE in a reset", undo_replace, do_replace },
	{ "DOMAIN_REPLACE of a PASID in a reset",
	  undo_pasid_replace, do_pasid_replace },
	{ "SVA_BIND in a reset", do_bind_again, undo_bind_again },
	{ "DOMAIN_MAP in a reset", do_map_more, undo_map_more },
};

#define STEPS	((int)ARRAY_SIZE(steps))

/* The n-th allocation of this process from now on fails; 0: none */
static int arm(int fd, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	return pwrite(fd, text, len, 0) == len ? 0 : -errno;
}

/* Whether it has come to that */
static bool has_failed(int fd)
{
	char text[16] = {};

	return pread(fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
}

TEST(each_allocation_fails_once)
{
	struct state s = {};
	glob_t g = {};
	int fd;

	glob(NODES "*", 0, NULL, &g);
	ASSERT_LE(1, g.gl_pathc);
	snprintf(s.td.bdf, sizeof(s.td.bdf), "%s",
		 g.gl_pathv[0] + strlen(NODES));
	ASSERT_EQ(0, open_td(&s.td));
	write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/failslab/verbose", "0");
	fd = open("/proc/self/fail-nth", O_RDWR);
	ASSERT_LE(0, fd)
		TH_LOG("FAULT_INJECTION is needed");

	for (int i = 0; i < STEPS; i++) {
		int n = 0, ret;
		bool failed;

		do {
			ASSERT_GT(1000, ++n);
			ASSERT_EQ(0, arm(fd, n));
			ret = steps[i].make(&s);
			failed = has_failed(fd);
			arm(fd, 0);
			/* Some allocations can be done without */
			if (failed && !ret)
				ret = steps[i].undo(&s) ?: -ENOMEM;
			EXPECT_EQ(failed ? -ENOMEM : 0, ret);
		} while (failed);
		ASSERT_EQ(0, ret)
			TH_LOG("%s", steps[i].name);
		TH_LOG("%s: %d allocations failed", steps[i].name, n - 1);
	}
	for (int i = STEPS; i--;) {
		ASSERT_EQ(0, steps[i].undo(&s))
			TH_LOG("%s", steps[i].name);
	}
	close(s.td.fd);
}

TEST_HARNESS_MAIN
