// SPDX-License-Identifier: GPL-2.0
/*
 * smmu-testdev-check: cases in which the function, and then the kernel, goes
 * wrong.
 */
#include "smmu-testdev-check.h"

static void bad_setup(uint32_t io)
{
	map(io, buf + 32 * PAGE, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	start(IOVA, 1, 0, SMTD_CTRL_ATS | SMTD_CTRL_LOOP, 100);
	check(wait_stat(SMTD_S_ATC_HIT, 5, 5), "the page is hit");
}

/* The page is unmapped while its invalidation is not answered. */
static void bad_unmap(uint32_t io)
{
	double t = now();
	int rc = unmap(io, IOVA, PAGE);
	uint64_t v;

	t = now() - t;
	mark(SMTD_MARK_IOVA, IOVA, 0);
	v = word(32);
	usleep(50000);
	printf("# unmap returns %d after %.3f s, the page is %s, %u violations\n",
	       rc, t, v == word(32) ? "left alone" : "still written",
	       viol(SMTD_V_ATS_MARKED));
	check((v != word(32)) == (viol(SMTD_V_ATS_MARKED) > 0),
	      "the oracle agrees with the memory");
	check(v == word(32), "the unmapped page is not written");
}

/* The oracle sees the stale translation: the unmap has returned too early */
static void bad_never(uint32_t io)
{
	bad_setup(io);
	wr(SMTD_INV_MODE, SMTD_INV_NEVER);
	bad_unmap(io);
	stop();
	wr(SMTD_INV_RELEASE, SMTD_INV_RELEASE_ANSWER);
	wr(SMTD_INV_MODE, SMTD_INV_PROMPT);
	check(!rd(SMTD_INV_PENDING), "released");
	figures("never");
}

static void bad_error(uint32_t io)
{
	uint32_t cerror = rd(SMTD_SMMU_CERROR);

	bad_setup(io);
	wr(SMTD_INV_MODE, SMTD_INV_ERROR_LATE);
	wr(SMTD_INV_DELAY_US, 100000);
	wr(SMTD_INV_LATE_US, 3000000);
	wr(SMTD_INV_REPEAT, 2);
	bad_unmap(io);
	printf("# CERROR %u\n", rd(SMTD_SMMU_CERROR) - cerror);
	check(rd(SMTD_SMMU_CERROR) - cerror >= 3, "the error, and twice again");
	check(wait_reg(SMTD_ATC_ENTRIES, 0, 5), "the late answer drops the entry");
	stop();
	wr(SMTD_INV_MODE, SMTD_INV_PROMPT);
	wr(SMTD_INV_REPEAT, 0);
	figures("error");
}

/* Ends of stalls: an aborted event record leaves a stall that nobody answers */
static void bad_evt_abort(uint32_t io)
{
	uint32_t fault, h;
	int fd = fault_queue(&fault);

	h = hwpt(io, IOMMU_HWPT_FAULT_ID_VALID, fault);
	check(!attach(h, 0), "attach a fault-capable hwpt");
	bus_master();
	wr(SMTD_EVT_ABORT, 1);
	burst(IOVA, 4, 0, 0);
	check(!rd(SMTD_EVT_ABORT) && rd(SMTD_SMMU_EVT_LOST), "one record lost");
	detach(0);
	wait_reg(SMTD_SMMU_STALLS, 0, 1);
	printf("# stalls open after detach: %u\n", rd(SMTD_SMMU_STALLS));
	wr(SMTD_ORACLE_CTL, SMTD_ORACLE_CHECK);
	check(!viol(SMTD_V_STALL_OPEN), "no stall is left open");
	figures("event abort");
	close(fd);
}

/* A reset that never ends: what the kernel sends into it is counted */
static void bad_flr_never(uint32_t io)
{
	double t = now();
	int rc;

	map(io, buf, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	wr(SMTD_FLR_READY_MS, SMTD_FLR_READY_NEVER);
	rc = ioctl(dev, VFIO_DEVICE_RESET);
	printf("# FLR returns %d (errno %d) after %.1f s\n", rc, rc ? errno : 0,
	       now() - t);
	check(rc, "the reset has failed");
	check(peer(SMTD_IN_RESET), "the function is inside its reset");
	printf("# invalidates into the reset: %u, CERROR %u\n",
	       peer(SMTD_VIOL(SMTD_V_INV_IN_RESET)), peer(SMTD_SMMU_CERROR));
	check(!peer(SMTD_VIOL(SMTD_V_INV_IN_RESET)),
	      "nothing is sent into the reset");
	peer_wr(SMTD_FLR_READY_MS, 0);
	check(!peer(SMTD_IN_RESET), "brought back from outside");
}

/* A stall that outlives a reset of its function */
static void bad_stall_flr(uint32_t io)
{
	struct iommu_hwpt_pgfault pf;
	int fd = one_fault(io, &pf);

	check(!ioctl(dev, VFIO_DEVICE_RESET), "FLR");
	bus_master();
	printf("# stalls after the FLR: %u\n", rd(SMTD_SMMU_STALLS));
	map(io, buf, IOVA, PAGE);
	answer_fault(fd, &pf);
	wait_reg(SMTD_PENDING, 0, 2);
	printf("# stall-flr violations: %u\n", viol(SMTD_V_STALL_FLR));
	check(!viol(SMTD_V_STALL_FLR),
	      "what stalled before the reset does not complete after it");
	figures("stall across FLR");
	close(fd);
}

const struct smtd_case bad_cases[] = {
	{ "bad_flr_never", bad_flr_never, 0, CASE_OBSERVER },
	{ "bad_stall_flr", bad_stall_flr, SMTD_CAPS_STALL, CASE_PASID_ATS },
	{ "bad_never", bad_never, SMTD_CAPS_ATS, 0 },
	{ "bad_error", bad_error, SMTD_CAPS_ATS, 0 },
	{ "bad_evt_abort", bad_evt_abort, SMTD_CAPS_STALL, 0 },
	{}
};
