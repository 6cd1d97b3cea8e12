// SPDX-License-Identifier: GPL-2.0
/*
 * smmu-testdev-check: the knobs that change what a reset leaves behind, how
 * requests are answered and how completion is signalled. An unpatched kernel
 * passes these cases too; they show that each knob does what regs.h says.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include "smmu-testdev-check.h"

static uint16_t cfg_word(uint32_t off)
{
	uint16_t v = 0;

	if (pread(dev, &v, 2, cfg_off + off) != 2)
		die("configuration space");
	return v;
}

/* The engine goes on inside the reset; the kernel's fence is what stops it */
static void case_keep_dma(uint32_t io)
{
	uint32_t ok;

	map(io, buf, IOVA, 16 * PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	wr(SMTD_FLR_FLAGS, SMTD_FLR_KEEP_DMA);
	wr(SMTD_FLR_READY_MS, 150);
	start(IOVA, 1, 0, SMTD_CTRL_LOOP, 500);
	check(wait_stat(SMTD_S_OK, 5, 5), "DMA runs");
	check(!stats(SMTD_S_RESET_OK) && !stats(SMTD_S_RESET_FAULT),
	      "nothing is counted outside a reset");
	check(!ioctl(dev, VFIO_DEVICE_RESET), "FLR, ready after 150 ms");
	wr(SMTD_FLR_READY_MS, 0);
	check(stats(SMTD_S_RESET_FAULT) + stats(SMTD_S_RESET_OK) > 50,
	      "the engine went on inside the reset");
	check(!stats(SMTD_S_RESET_OK), "and reached no memory");
	check(rd(SMTD_CTRL) & SMTD_CTRL_RUN, "it runs after the reset");
	ok = stats(SMTD_S_OK);
	check(wait_stat(SMTD_S_OK, ok + 5, 5), "and reaches memory again");
	wr(SMTD_FLR_FLAGS, 0);
	stop();
	figures("keep_dma");
}

/* Unsupported Request is a completion, and invalidates nothing */
static void case_keep_atc(uint32_t io)
{
	uint32_t cerror = rd(SMTD_SMMU_CERROR);
	uint64_t v;

	map(io, buf, IOVA, 16 * PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	burst(IOVA, 16, 0, SMTD_CTRL_ATS);
	check(rd(SMTD_ATC_ENTRIES) == 16, "16 entries");
	wr(SMTD_INV_MODE, SMTD_INV_UR);
	wr(SMTD_FLR_INV_MODE, SMTD_INV_UR);
	check(!unmap(io, IOVA, 16 * PAGE), "unmap");
	check(rd(SMTD_SMMU_CERROR) == cerror && rd(SMTD_ATC_ENTRIES) == 16,
	      "UR: no error, entries stay");
	mark(SMTD_MARK_IOVA, IOVA, 0);
	v = word(0);
	burst(IOVA, 1, 0, SMTD_CTRL_ATS);
	check(viol(SMTD_V_ATS_MARKED) == 1 && word(0) != v,
	      "the stale entry is used, and seen");
	mark(SMTD_UNMARK_ALL, 0, 0);
	wr(SMTD_ORACLE_CTL, SMTD_ORACLE_CLEAR);

	wr(SMTD_FLR_FLAGS, SMTD_FLR_KEEP_ATC);
	check(!ioctl(dev, VFIO_DEVICE_RESET), "FLR");
	check(rd(SMTD_ATC_ENTRIES) == 16, "the entries outlive the reset");
	wr(SMTD_FLR_FLAGS, 0);
	check(!ioctl(dev, VFIO_DEVICE_RESET), "FLR");
	check(!rd(SMTD_ATC_ENTRIES), "without KEEP_ATC they do not");
	wr(SMTD_INV_MODE, SMTD_INV_PROMPT);
	wr(SMTD_FLR_INV_MODE, SMTD_INV_ERROR);
	figures("keep_atc");
}

/* One stall, and how it was answered */
static void one_stall(uint32_t io, uint32_t flags)
{
	struct iommu_hwpt_pgfault pf;
	int fd = one_fault(io, &pf);

	wr(SMTD_FLR_FLAGS, flags);
	check(!ioctl(dev, VFIO_DEVICE_RESET), "FLR");
	wr(SMTD_FLR_FLAGS, 0);
	map(io, buf, IOVA, PAGE);
	answer_fault(fd, &pf);
	check(wait_reg(SMTD_PENDING, 0, 5), "the stall has an end");
	close(fd);
}

static void case_drop_stalled(uint32_t io)
{
	one_stall(io, SMTD_FLR_DROP_STALLED);
	check(stats(SMTD_S_ABORT) == 1 && !stats(SMTD_S_OK) && !word(0),
	      "which is no access to memory");
	figures("drop_stalled");
}

static void case_trpnd(uint32_t io)
{
	double t;

	(void)io;
	wr(SMTD_TRPND, 1);
	check(cfg_word(SMTD_CFG_PCIE + 10) & 0x20, "Transactions Pending");
	t = now();
	check(!ioctl(dev, VFIO_DEVICE_RESET), "FLR");
	t = now() - t;
	printf("# FLR with transactions pending: %.3f s\n", t);
	check(t > 0.5, "the kernel has waited for them");
	wr(SMTD_TRPND, 0);
	check(!(cfg_word(SMTD_CFG_PCIE + 10) & 0x20), "none pending");
}

/* The MSI write of a CMD_SYNC comes later than its consumption */
static void case_sync_msi(uint32_t io)
{
	uint32_t cerror = rd(SMTD_SMMU_CERROR);
	double t;

	map(io, buf, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	wr(SMTD_SYNC_MSI_US, 100000);
	t = now();
	check(!unmap(io, IOVA, PAGE), "unmap, MSI after 100 ms");
	t = now() - t;
	wr(SMTD_SYNC_MSI_US, 0);
	printf("# unmap %.4f s\n", t);
	check(t > 0.1 && t < 0.9, "the unmap has waited for the MSI");
	map(io, buf, IOVA, PAGE);
	t = now();
	check(!unmap(io, IOVA, PAGE), "unmap, MSI at once");
	check(now() - t < 0.1, "it has not waited");
	check(rd(SMTD_SMMU_CERROR) == cerror, "no error");
}

static void case_engine_msi(uint32_t io)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = {
		.set = {
			.argsz = sizeof(irq), .index = VFIO_PCI_MSI_IRQ_INDEX,
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.count = 1,
		},
	};
	struct pollfd p = { .fd = eventfd(0, 0), .events = POLLIN };
	uint64_t n;

	map(io, buf, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	irq.fd = p.fd;
	check(!ioctl(dev, VFIO_DEVICE_SET_IRQS, &irq), "MSI");
	burst(IOVA, 1, 0, 0);
	check(!poll(&p, 1, 200), "no interrupt without CTRL.IRQ");
	burst(IOVA, 1, 0, SMTD_CTRL_IRQ);
	check(poll(&p, 1, 2000) == 1 && read(p.fd, &n, 8) == 8 && n == 1,
	      "one interrupt at the end of the burst");
	close(p.fd);
}

/* A request nobody answers, ended from another CPU before the timeout */
static void release(uint32_t io, uint32_t how, const char *name)
{
	uint32_t cerror = rd(SMTD_SMMU_CERROR);
	double t;
	pid_t pid;

	map(io, buf, IOVA, PAGE);
	burst(IOVA, 1, 0, SMTD_CTRL_ATS);
	wr(SMTD_INV_MODE, SMTD_INV_NEVER);
	pid = fork();
	if (!pid) {
		if (!wait_reg(SMTD_INV_PENDING, 1, 5))
			_exit(1);
		usleep(100000);
		wr(SMTD_INV_MODE, SMTD_INV_PROMPT);
		wr(SMTD_INV_RELEASE, how);
		_exit(0);
	}
	t = now();
	check(!unmap(io, IOVA, PAGE), name);
	t = now() - t;
	waitpid(pid, NULL, 0);
	printf("# unmap %.3f s, CERROR %u, %u entries\n", t,
	       rd(SMTD_SMMU_CERROR) - cerror, rd(SMTD_ATC_ENTRIES));
	/* GERROR may be routed to the waiting CPU, which then sees its timeout */
	check(t > 0.1 && t < (how == SMTD_INV_RELEASE_ERROR ? 1.5 : 0.9),
	      "it has waited for the release, and no longer");
	check(rd(SMTD_SMMU_CERROR) - cerror == (how == SMTD_INV_RELEASE_ERROR),
	      "an error if the root complex gave up");
	/* A kernel that fences the function after an error empties its ATC: ATS is off. */
	check(how == SMTD_INV_RELEASE_ERROR ||
	      !rd(SMTD_ATC_ENTRIES) == (how == SMTD_INV_RELEASE_ANSWER),
	      "entries are dropped by an answer alone");
	wr(SMTD_ATC_ENTRIES, 0);
}

static void case_release(uint32_t io)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("ok %d - release # SKIP one CPU\n", ++tests);
		return;
	}
	check(!attach(io, 0), "attach");
	bus_master();
	release(io, SMTD_INV_RELEASE_ANSWER, "released by an answer");
	release(io, SMTD_INV_RELEASE_UR, "released by UR");
	release(io, SMTD_INV_RELEASE_ERROR, "released by an error");
	figures("release");
}

/* Two requester IDs: both translate, and a fault-capable attach is refused */
static void case_two_ids(uint32_t io)
{
	uint32_t fault, h;
	int fd;

	map(io, buf, IOVA, 2 * PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	check(rd(SMTD_ALIAS_SID) == (rd(SMTD_SID) | 1), "function 1 of the slot");
	burst(IOVA, 1, 0, 0);
	wr(SMTD_REQUESTER, 1);
	burst(IOVA + PAGE, 1, 0, 0);
	check(word(0) && word(1) == word(0) + 1, "both reach memory");
	burst(IOVA, 2, 0, SMTD_CTRL_ATS);
	wr(SMTD_REQUESTER, 0);
	burst(IOVA, 2, 0, SMTD_CTRL_ATS);
	check(rd(SMTD_ATC_ENTRIES) == 4, "an ATC entry is of one requester");
	check(!unmap(io, IOVA, 2 * PAGE) && !rd(SMTD_ATC_ENTRIES),
	      "the unmap invalidates both");
	wr(SMTD_REQUESTER, 2);
	check(!rd(SMTD_REQUESTER), "a third one is refused");
	fd = fault_queue(&fault);
	h = hwpt(io, IOMMU_HWPT_FAULT_ID_VALID, fault);
	check(attach(h, 0) && errno == EOPNOTSUPP,
	      "a fault-capable attach: EOPNOTSUPP");
	close(fd);
	figures("two_ids");
}

/* How many errors of a class the AER driver has seen from the function */
static unsigned int aer_count(const char *class)
{
	char path[128], word[64];
	unsigned int n = 0, total = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/aer_dev_%s", bdf,
		 class);
	f = fopen(path, "r");
	if (!f)
		die(path);
	while (fscanf(f, "%63s %u", word, &n) == 2)
		if (!strncmp(word, "TOTAL", 5))
			total = n;
	fclose(f);
	return total;
}

static bool wait_aer(const char *class, unsigned int want)
{
	double end = now() + 10;

	while (aer_count(class) != want) {
		if (now() > end)
			return false;
		usleep(10000);
	}
	return true;
}

/* Behind a root port: each kind is reported, and fatal means a link reset */
static void case_aer(uint32_t io)
{
	unsigned int cor = aer_count("correctable");
	unsigned int nonfatal = aer_count("nonfatal");
	unsigned int fatal = aer_count("fatal");

	map(io, buf, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	wr(SMTD_AER, SMTD_AER_COR);
	check(wait_aer("correctable", cor + 1), "correctable");
	wr(SMTD_AER, SMTD_AER_NONFATAL);
	check(wait_aer("nonfatal", nonfatal + 1), "non-fatal");
	check(!stats(SMTD_S_RESET), "no reset so far");
	wr(SMTD_AER, SMTD_AER_FATAL);
	check(wait_aer("fatal", fatal + 1), "fatal");
	usleep(500000);
	/* vfio-pci leaves Memory Space off, and puts the BAR back with it */
	check(rd(SMTD_ID) == 0xffffffff, "the link was reset");
	bus_master();
	check(rd(SMTD_ID) == SMTD_MAGIC && stats(SMTD_S_RESET) == 1,
	      "the function is back");
	burst(IOVA, 1, 0, 0);
	check(word(0) && stats(SMTD_S_OK) == 1, "and reaches memory");
	figures("aer");
}

const struct smtd_case knob_cases[] = {
	{ "keep_dma", case_keep_dma, SMTD_CAPS_ATS, CASE_PASID_ATS },
	{ "keep_atc", case_keep_atc, SMTD_CAPS_ATS, CASE_PASID_ATS },
	{ "drop_stalled", case_drop_stalled, SMTD_CAPS_STALL, CASE_PASID_ATS },
	{ "trpnd", case_trpnd, 0, CASE_PASID_ATS },
	{ "sync_msi", case_sync_msi, SMTD_CAPS_MSI_SYNC, 0 },
	{ "engine_msi", case_engine_msi, 0, 0 },
	{ "release", case_release, SMTD_CAPS_ATS, 0 },
	{ "two_ids", case_two_ids,
	  SMTD_CAPS_ALIAS | SMTD_CAPS_STALL | SMTD_CAPS_ATS, 0 },
	{ "aer", case_aer, 0, CASE_PASID_ATS },
	{}
};
