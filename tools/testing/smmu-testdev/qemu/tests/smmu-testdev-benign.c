// SPDX-License-Identifier: GPL-2.0
/*
 * smmu-testdev-check: cases that an unpatched kernel passes with no violation.
 */
#include "smmu-testdev-check.h"

static void case_translate(uint32_t io)
{
	unsigned int n = 0;

	map(io, buf, IOVA, 16 * PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	burst(IOVA, 16, 0, 0);
	for (int i = 0; i < 16; i++)
		n += word(i) != 0;
	check(n == 16 && stats(SMTD_S_OK) == 16, "16 pages written");
	burst(IOVA + 3 * PAGE, 1, 0, SMTD_CTRL_READ);
	check((rd(SMTD_DATA_LO) | (uint64_t)rd(SMTD_DATA_HI) << 32) == word(3),
	      "a read returns what was written");
	burst(IOVA + 16 * PAGE, 4, 0, 0);
	wait_reg(SMTD_PENDING, 0, 5);
	/* Linux lets a function that can stall do so, and then aborts it */
	check(stats(SMTD_S_FAULT) + stats(SMTD_S_ABORT) == 4,
	      "unmapped pages are not reached");
	figures("translate");
}

static void case_ats(uint32_t io)
{
	double t;
	uint64_t v;

	map(io, buf, IOVA, 16 * PAGE);
	map(io, buf + 32 * PAGE, IOVA + 32 * PAGE, PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	check(ats_enabled(), "the kernel has enabled ATS");
	burst(IOVA, 16, 0, SMTD_CTRL_ATS);
	check(stats(SMTD_S_ATC_FILL) && stats(SMTD_S_OK) == 16, "fill");
	burst(IOVA, 16, 0, SMTD_CTRL_ATS);
	check(stats(SMTD_S_ATC_HIT) >= 16 && stats(SMTD_S_OK) == 32, "hit");
	burst(IOVA + 48 * PAGE, 1, 0, SMTD_CTRL_ATS);
	check(stats(SMTD_S_ATS_NONE) == 1, "unmapped page: no permission");
	figures("ats");

	start(IOVA + 32 * PAGE, 1, 0, SMTD_CTRL_ATS | SMTD_CTRL_LOOP, 100);
	check(wait_stat(SMTD_S_ATC_HIT, 5, 5), "the page is hit");
	t = now();
	check(!unmap(io, IOVA + 32 * PAGE, PAGE), "unmap");
	t = now() - t;
	mark(SMTD_MARK_IOVA, IOVA + 32 * PAGE, 0);
	v = word(32);
	check(wait_stat(SMTD_S_ATS_NONE, 10, 5) && v == word(32),
	      "not written after the unmap");
	stop();
	mark(SMTD_UNMARK_ALL, 0, 0);
	printf("# prompt unmap %.4f s\n", t);

	map(io, buf + 32 * PAGE, IOVA + 32 * PAGE, PAGE);
	wr(SMTD_INV_MODE, SMTD_INV_DELAYED);
	wr(SMTD_INV_DELAY_US, 50000);
	t = now();
	check(!unmap(io, IOVA + 32 * PAGE, PAGE), "unmap, answer after 50 ms");
	t = now() - t;
	check(t > 0.05, "the unmap has waited for the answer");
	printf("# delayed unmap %.4f s, CERROR %u\n", t, rd(SMTD_SMMU_CERROR));
	wr(SMTD_INV_MODE, SMTD_INV_PROMPT);
	figures("ats invalidate");
}

static void case_pasid(uint32_t io)
{
	uint32_t io2 = ioas();
	uint32_t h1, h2;

	map(io, buf, IOVA, PAGE);
	map(io2, buf + PAGE, IOVA, PAGE);
	h1 = hwpt(io, IOMMU_HWPT_ALLOC_PASID, 0);
	h2 = hwpt(io2, IOMMU_HWPT_ALLOC_PASID, 0);
	check(!attach(h1, 0) && !attach(h2, 100), "attach RID and PASID 100");
	bus_master();
	burst(IOVA, 1, 0, 0);
	burst(IOVA, 1, 100, 0);
	check(word(0) && word(1) == word(0) + 1, "one IOVA, two pages");
	burst(IOVA, 1, 101, 0);
	check(stats(SMTD_S_FAULT) == 1, "a PASID not attached faults");
	burst(IOVA, 1, 100, SMTD_CTRL_ATS);
	burst(IOVA, 1, 100, SMTD_CTRL_ATS);
	check(stats(SMTD_S_ATC_FILL) == 1 && stats(SMTD_S_ATC_HIT) == 1,
	      "ATS with a PASID");
	check(!detach(100) && !rd(SMTD_ATC_ENTRIES), "detach empties the ATC");
	mark(SMTD_MARK_IOVA, IOVA, 100);
	burst(IOVA, 1, 100, SMTD_CTRL_ATS);
	check(!viol(SMTD_V_ATS_MARKED) && stats(SMTD_S_ATS_CA) == 1,
	      "a Translation Request of the detached PASID: CA");
	mark(SMTD_UNMARK_ALL, 0, 0);
	figures("pasid");
}

static void case_stall(uint32_t io)
{
	struct iommu_hwpt_page_response resp = {};
	struct iommu_hwpt_pgfault pf;
	struct pollfd p = { .events = POLLIN };
	uint32_t fault, h, cookie[64];
	unsigned int n = 0;

	p.fd = fault_queue(&fault);
	h = hwpt(io, IOMMU_HWPT_FAULT_ID_VALID, fault);
	check(!attach(h, 0), "attach a fault-capable hwpt");
	bus_master();
	burst(IOVA, 64, 0, 0);
	check(stats(SMTD_S_STALL) >= 64 && rd(SMTD_PENDING) == 64, "64 stalls");
	while (n < 64 && poll(&p, 1, 2000) == 1 &&
	       read(p.fd, &pf, sizeof(pf)) == sizeof(pf))
		cookie[n++] = pf.cookie;
	check(n == 64, "64 faults delivered");
	map(io, buf, IOVA, BUF);
	while (n) {
		resp.cookie = cookie[--n];
		resp.code = IOMMUFD_PAGE_RESP_SUCCESS;
		if (write(p.fd, &resp, sizeof(resp)) != sizeof(resp))
			die("response");
	}
	check(wait_stat(SMTD_S_OK, 64, 5) && wait_reg(SMTD_PENDING, 0, 5),
	      "all retried, all written");
	figures("stall");

	burst(IOVA + 0x800000, 256, 0, 0);
	check(rd(SMTD_SMMU_STALLS) == 256, "256 stalls, every STAG in use");
	check(!detach(0), "detach");
	check(wait_reg(SMTD_SMMU_STALLS, 0, 5), "detach ends every stall");
	wr(SMTD_ORACLE_CTL, SMTD_ORACLE_CHECK);
	figures("detach with stalls");
	close(p.fd);
}

static void case_flr(uint32_t io)
{
	map(io, buf, IOVA, 16 * PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	start(IOVA, 16, 0, SMTD_CTRL_ATS | SMTD_CTRL_LOOP, 1000);
	check(wait_stat(SMTD_S_ATC_HIT, 16, 5), "DMA runs");
	wr(SMTD_FLR_READY_MS, 120);
	check(!ioctl(dev, VFIO_DEVICE_RESET), "FLR, ready after 120 ms");
	wr(SMTD_FLR_READY_MS, 0);
	check(rd(SMTD_ID) == SMTD_MAGIC, "the function is back");
	check(stats(SMTD_S_RESET) >= 1 && !rd(SMTD_CTRL), "DMA has stopped");
	check(ats_enabled(), "ATS is enabled again");
	bus_master();
	wr(SMTD_STAT_CLEAR, 0);
	burst(IOVA, 16, 0, SMTD_CTRL_ATS);
	check(stats(SMTD_S_OK) == 16, "DMA works after the reset");
	printf("# PASID control written with ATS on: %u, invalidates inside the reset: %u\n",
	       viol(SMTD_V_PASID_ATS), viol(SMTD_V_INV_IN_RESET));
	figures("flr");
}

/* A breakpoint holds the queue; the release lets it go on */
static void case_hold(uint32_t io)
{
	double t;

	map(io, buf, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	wr(SMTD_HOLD_SEL, 1);
	wr(SMTD_HOLD_OP, 0x40);			/* CMD_ATC_INV */
	wr(SMTD_HOLD_SID, rd(SMTD_SID));
	wr(SMTD_HOLD_US, 200000);
	wr(SMTD_HOLD_CTL, SMTD_HOLD_ARM);
	t = now();
	check(!unmap(io, IOVA, PAGE), "unmap");
	t = now() - t;
	check(t > 0.2 && t < 1, "held for 200 ms before ATC_INV");
	check(!rd(SMTD_HOLD_STAT), "released");
	map(io, buf, IOVA, PAGE);
	t = now();
	unmap(io, IOVA, PAGE);
	t = now() - t;
	check(t < 0.2, "a breakpoint stops once");
	printf("# unmap with no breakpoint %.4f s\n", t);
}

/* Vanished: all ones, no DMA, and back again */
static void case_vanish(uint32_t io)
{
	uint32_t ok;

	map(io, buf, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	start(IOVA, 1, 0, SMTD_CTRL_LOOP, 100);
	check(wait_stat(SMTD_S_OK, 5, 5), "DMA runs");
	peer_wr(SMTD_VANISH, 1);
	ok = peer(SMTD_STAT(SMTD_S_OK));
	usleep(5000);
	check(rd(SMTD_ID) == 0xffffffff, "the BAR reads all ones");
	check(ok == peer(SMTD_STAT(SMTD_S_OK)), "no DMA");
	peer_wr(SMTD_VANISH, 0);
	check(rd(SMTD_ID) == SMTD_MAGIC, "back again");
	check(wait_stat(SMTD_S_OK, ok + 5, 5), "DMA goes on");
	stop();
	figures("vanish");
}

/* With a small event queue (arm-smmuv3.evtqs) the records do not fit */
static void case_overflow(uint32_t io)
{
	bool stalls = rd(SMTD_CAPS) & SMTD_CAPS_STALL;
	uint32_t lost = rd(SMTD_SMMU_EVT_LOST);
	uint32_t over = rd(SMTD_SMMU_OVERFLOW);

	check(!attach(io, 0), "attach");
	bus_master();
	burst(IOVA, 256, 0, 0);
	printf("# %u faults, %u stalls of which %u without a record, %u records lost, %u overflows\n",
	       stats(SMTD_S_FAULT), stats(SMTD_S_STALL),
	       rd(SMTD_SMMU_UNREPORTED), rd(SMTD_SMMU_EVT_LOST) - lost,
	       rd(SMTD_SMMU_OVERFLOW) - over);
	if (stalls) {
		check(rd(SMTD_SMMU_OVERFLOW) == over, "stalls do not overflow");
		check(wait_reg(SMTD_PENDING, 0, 20), "each stall got its end");
		check(!rd(SMTD_SMMU_STALLS), "no stall is left");
	} else {
		check(rd(SMTD_SMMU_OVERFLOW) == over + 1, "one overflow");
		check(rd(SMTD_SMMU_EVT_LOST) > lost, "records are lost");
	}
	figures("overflow");
}

/* Registers of the machine are the same through every function */
static void case_two_functions(uint32_t io)
{
	map(io, buf, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	check(obs[SMTD_SID / 4] != rd(SMTD_SID), "two StreamIDs");
	mark(SMTD_MARK_PA, 0x1000, 0);
	check(obs[SMTD_MARKS / 4] == 1, "a mark by PA holds for every function");
	mark(SMTD_UNMARK_ALL, 0, 0);
	wr(SMTD_INV_MODE, 77);
	check(rd(SMTD_INV_MODE) == SMTD_INV_PROMPT, "a bad mode is refused");
}

const struct smtd_case benign_cases[] = {
	{ "translate", case_translate, 0, 0 },
	{ "ats", case_ats, SMTD_CAPS_ATS, 0 },
	{ "pasid", case_pasid, SMTD_CAPS_PASID | SMTD_CAPS_ATS, 0 },
	{ "stall", case_stall, SMTD_CAPS_STALL, 0 },
	{ "flr", case_flr, SMTD_CAPS_ATS, CASE_PASID_ATS },
	{ "hold", case_hold, SMTD_CAPS_ATS, 0 },
	{ "vanish", case_vanish, 0, CASE_OBSERVER },
	{ "two_functions", case_two_functions, 0, CASE_OBSERVER },
	{ "overflow", case_overflow, 0, 0 },
	{}
};
