// SPDX-License-Identifier: GPL-2.0
/*
 * Guest program that checks the model against what Linux expects of it.
 *
 * usage: smmu-testdev-check PCI-ADDRESS CASE...
 *
 * OBSERVER=PCI-ADDRESS in the environment names a second function, through
 * whose registers a dead one is watched and brought back.
 *
 * It binds the function to vfio-pci, drives it through iommufd and a VFIO
 * character device and prints TAP. The benign cases must pass on an unpatched
 * kernel with not one violation; the cases whose name starts with "bad_" show
 * that a misbehaving function is seen by the oracle.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include "regs.h"

#define IOVA	0x40000000ull
#define PAGE	4096ull
#define BUF	(64 * PAGE)

static const char *bdf;
static int iommufd, dev;
static volatile uint32_t *bar;
static volatile uint32_t *obs;		/* BAR 0 of the observer, or NULL */
static uint64_t cfg_off;
static uint32_t devid;
static uint8_t *buf;
static int tests, failures;

static const char *const stat_name[SMTD_S_COUNT] = {
	"ok", "fault", "stall", "retry", "abort", "atc_hit", "atc_fill",
	"ats_none", "ats_ur", "ats_ca", "forbidden", "inv_rx", "inv_done",
	"reset", "busy",
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static uint32_t rd(uint32_t reg)
{
	return bar[reg / 4];
}

static void wr(uint32_t reg, uint32_t val)
{
	bar[reg / 4] = val;
}

static uint32_t stat(int n)
{
	return rd(SMTD_STAT(n));
}

static uint32_t viol(int n)
{
	return rd(SMTD_VIOL(n));
}

/* A register of the function under test, through the observer */
static uint32_t peer(uint32_t reg)
{
	return obs[SMTD_PEER(reg) / 4];
}

static void peer_wr(uint32_t reg, uint32_t val)
{
	obs[SMTD_PEER(reg) / 4] = val;
}

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void check(bool ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, what);
	fflush(stdout);
	failures += !ok;
}

/* A diagnostic line with every statistic that is not zero */
static void figures(const char *what)
{
	printf("# %s:", what);
	for (int i = 0; i < SMTD_S_COUNT; i++)
		if (stat(i))
			printf(" %s=%u", stat_name[i], stat(i));
	printf(" pending=%u atc=%u viol=%u\n", rd(SMTD_PENDING),
	       rd(SMTD_ATC_ENTRIES), rd(SMTD_VIOL_TOTAL));
	wr(SMTD_STAT_CLEAR, 0);
}

/* Waits until the register has the value: conditions, never times */
static bool wait_reg(uint32_t reg, uint32_t want, double seconds)
{
	double end = now() + seconds;

	while (rd(reg) != want) {
		if (now() > end)
			return false;
		usleep(500);
	}
	return true;
}

static bool wait_stat(int n, uint32_t at_least, double seconds)
{
	double end = now() + seconds;

	while (stat(n) < at_least) {
		if (now() > end)
			return false;
		usleep(500);
	}
	return true;
}

/* ---- set-up ---- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(fd);
}

static void open_device(void)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_region_info info = { .argsz = sizeof(info) };
	char path[256];
	glob_t g;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
		 bdf);
	write_file(path, "vfio-pci");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/vfio*",
		 bdf);
	if (glob(path, 0, NULL, &g))
		write_file("/sys/bus/pci/drivers_probe", bdf);
	if (glob(path, 0, NULL, &g))
		die("no vfio device");
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
		 strrchr(g.gl_pathv[0], '/') + 1);
	iommufd = open("/dev/iommu", O_RDWR);
	dev = open(path, O_RDWR);
	if (iommufd < 0 || dev < 0)
		die(path);
	bind.iommufd = iommufd;
	if (ioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die("bind");
	devid = bind.out_devid;
	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	if (ioctl(dev, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("config region");
	cfg_off = info.offset;
	info.index = VFIO_PCI_BAR0_REGION_INDEX;
	if (ioctl(dev, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("BAR 0");
	bar = mmap(NULL, SMTD_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dev,
		   info.offset);
	if (bar == MAP_FAILED)
		die("mmap BAR 0");
}

/* The observer is bound to no driver: its BAR is reached through sysfs */
static void open_observer(void)
{
	const char *name = getenv("OBSERVER");
	char path[256];
	int fd;

	if (!name)
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", name);
	write_file(path, "1");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", name);
	fd = open(path, O_RDWR);
	if (fd < 0)
		die(path);
	obs = mmap(NULL, SMTD_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	if (obs == MAP_FAILED)
		die("mmap observer");
	close(fd);
}

static void close_device(void)
{
	munmap((void *)bar, SMTD_BAR_SIZE);
	close(dev);
	close(iommufd);
}

static void bus_master(void)
{
	uint16_t cmd = 6;	/* Memory Space, Bus Master */

	if (pwrite(dev, &cmd, 2, cfg_off + 4) != 2)
		die("PCI_COMMAND");
}

static bool ats_enabled(void)
{
	char path[128];
	uint16_t ctrl = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, &ctrl, 2, SMTD_CFG_ATS + 6) != 2)
		die("ATS control");
	close(fd);
	return ctrl & 0x8000;
}

/* ---- iommufd ---- */

static uint32_t ioas(void)
{
	struct iommu_ioas_alloc a = { .size = sizeof(a) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &a))
		die("ioas");
	return a.out_ioas_id;
}

static void map(uint32_t id, void *va, uint64_t iova, size_t len)
{
	struct iommu_ioas_map m = {
		.size = sizeof(m), .ioas_id = id, .iova = iova, .length = len,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)va,
	};

	if (ioctl(iommufd, IOMMU_IOAS_MAP, &m))
		die("map");
}

static int unmap(uint32_t id, uint64_t iova, size_t len)
{
	struct iommu_ioas_unmap u = { .size = sizeof(u), .ioas_id = id,
				      .iova = iova, .length = len };

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &u);
}

static uint32_t hwpt(uint32_t pt, uint32_t flags, uint32_t fault)
{
	struct iommu_hwpt_alloc a = { .size = sizeof(a), .flags = flags,
				      .dev_id = devid, .pt_id = pt,
				      .fault_id = fault };

	if (ioctl(iommufd, IOMMU_HWPT_ALLOC, &a))
		die("hwpt");
	return a.out_hwpt_id;
}

static int attach(uint32_t pt, uint32_t pasid)
{
	struct vfio_device_attach_iommufd_pt a = {
		.argsz = sizeof(a), .pt_id = pt,
		.flags = pasid ? VFIO_DEVICE_ATTACH_PASID : 0, .pasid = pasid,
	};

	return ioctl(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a);
}

static int detach(uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt a = {
		.argsz = sizeof(a),
		.flags = pasid ? VFIO_DEVICE_DETACH_PASID : 0, .pasid = pasid,
	};

	return ioctl(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &a);
}

/* ---- the DMA engine ---- */

static void start(uint64_t iova, uint32_t count, uint32_t pasid, uint32_t ctrl,
		  uint32_t period_us)
{
	wr(SMTD_IOVA_LO, iova);
	wr(SMTD_IOVA_HI, iova >> 32);
	wr(SMTD_COUNT, count);
	wr(SMTD_STRIDE, PAGE);
	wr(SMTD_PASID, pasid ? pasid | SMTD_PASID_VALID : 0);
	wr(SMTD_PERIOD_US, period_us);
	wr(SMTD_CTRL, ctrl | SMTD_CTRL_RUN);
}

/* One burst, to its end */
static void burst(uint64_t iova, uint32_t count, uint32_t pasid, uint32_t ctrl)
{
	start(iova, count, pasid, ctrl, 0);
	if (!wait_reg(SMTD_CTRL, ctrl, 5))
		die("the burst does not end");
}

static void stop(void)
{
	wr(SMTD_CTRL, 0);
}

static uint64_t word(unsigned int page)
{
	return *(volatile uint64_t *)(buf + page * PAGE);
}

static void mark(uint32_t ctl, uint64_t iova, uint32_t pasid)
{
	wr(SMTD_MARK_LO, iova);
	wr(SMTD_MARK_HI, iova >> 32);
	wr(SMTD_MARK_PASID, pasid ? pasid | SMTD_PASID_VALID : 0);
	wr(SMTD_MARK_CTL, ctl);
}

/* ---- benign cases ---- */

static void case_translate(uint32_t io)
{
	unsigned int n = 0;

	map(io, buf, IOVA, 16 * PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	burst(IOVA, 16, 0, 0);
	for (int i = 0; i < 16; i++)
		n += word(i) != 0;
	check(n == 16 && stat(SMTD_S_OK) == 16, "16 pages written");
	burst(IOVA + 3 * PAGE, 1, 0, SMTD_CTRL_READ);
	check((rd(SMTD_DATA_LO) | (uint64_t)rd(SMTD_DATA_HI) << 32) == word(3),
	      "a read returns what was written");
	burst(IOVA + 16 * PAGE, 4, 0, 0);
	wait_reg(SMTD_PENDING, 0, 5);
	/* Linux lets a function that can stall do so, and then aborts it */
	check(stat(SMTD_S_FAULT) + stat(SMTD_S_ABORT) == 4,
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
	check(stat(SMTD_S_ATC_FILL) && stat(SMTD_S_OK) == 16, "fill");
	burst(IOVA, 16, 0, SMTD_CTRL_ATS);
	check(stat(SMTD_S_ATC_HIT) >= 16 && stat(SMTD_S_OK) == 32, "hit");
	burst(IOVA + 48 * PAGE, 1, 0, SMTD_CTRL_ATS);
	check(stat(SMTD_S_ATS_NONE) == 1, "unmapped page: no permission");
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
	check(!attach(h1, 0) && !attach(h2, 1000), "attach RID and PASID 1000");
	bus_master();
	burst(IOVA, 1, 0, 0);
	burst(IOVA, 1, 1000, 0);
	check(word(0) && word(1) == word(0) + 1, "one IOVA, two pages");
	burst(IOVA, 1, 1001, 0);
	check(stat(SMTD_S_FAULT) == 1, "a PASID not attached faults");
	burst(IOVA, 1, 1000, SMTD_CTRL_ATS);
	burst(IOVA, 1, 1000, SMTD_CTRL_ATS);
	check(stat(SMTD_S_ATC_FILL) == 1 && stat(SMTD_S_ATC_HIT) == 1,
	      "ATS with a PASID");
	check(!detach(1000) && !rd(SMTD_ATC_ENTRIES), "detach empties the ATC");
	mark(SMTD_MARK_IOVA, IOVA, 1000);
	burst(IOVA, 1, 1000, SMTD_CTRL_ATS);
	check(!viol(SMTD_V_ATS_MARKED) && stat(SMTD_S_ATS_CA) == 1,
	      "a Translation Request of the detached PASID: CA");
	mark(SMTD_UNMARK_ALL, 0, 0);
	figures("pasid");
}

static int fault_queue(uint32_t *id)
{
	struct iommu_fault_alloc a = { .size = sizeof(a) };

	if (ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &a))
		die("fault queue");
	*id = a.out_fault_id;
	return a.out_fault_fd;
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
	check(stat(SMTD_S_STALL) >= 64 && rd(SMTD_PENDING) == 64, "64 stalls");
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
	check(stat(SMTD_S_RESET) >= 1 && !rd(SMTD_CTRL), "DMA has stopped");
	check(ats_enabled(), "ATS is enabled again");
	bus_master();
	wr(SMTD_STAT_CLEAR, 0);
	burst(IOVA, 16, 0, SMTD_CTRL_ATS);
	check(stat(SMTD_S_OK) == 16, "DMA works after the reset");
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

/* ---- cases in which the function, and then the kernel, goes wrong ---- */

static void bad_setup(uint32_t io)
{
	map(io, buf + 32 * PAGE, IOVA, PAGE);
	check(!attach(io, 0), "attach");
	bus_master();
	start(IOVA, 1, 0, SMTD_CTRL_ATS | SMTD_CTRL_LOOP, 100);
	check(wait_stat(SMTD_S_ATC_HIT, 5, 5), "the page is hit");
}

/* The oracle sees the stale translation: the unmap has returned too early */
static void bad_never(uint32_t io)
{
	uint64_t v;
	double t;
	int rc;

	bad_setup(io);
	wr(SMTD_INV_MODE, SMTD_INV_NEVER);
	t = now();
	rc = unmap(io, IOVA, PAGE);
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
	stop();
	wr(SMTD_INV_RELEASE, SMTD_INV_RELEASE_ANSWER);
	wr(SMTD_INV_MODE, SMTD_INV_PROMPT);
	check(!rd(SMTD_INV_PENDING), "released");
	figures("never");
}

static void bad_error(uint32_t io)
{
	uint32_t cerror = rd(SMTD_SMMU_CERROR);
	uint64_t v;
	double t;
	int rc;

	bad_setup(io);
	wr(SMTD_INV_MODE, SMTD_INV_ERROR_LATE);
	wr(SMTD_INV_DELAY_US, 100000);
	wr(SMTD_INV_LATE_US, 3000000);
	wr(SMTD_INV_REPEAT, 2);
	t = now();
	rc = unmap(io, IOVA, PAGE);
	t = now() - t;
	mark(SMTD_MARK_IOVA, IOVA, 0);
	v = word(32);
	usleep(50000);
	printf("# unmap returns %d after %.3f s, the page is %s, %u violations, CERROR %u\n",
	       rc, t, v == word(32) ? "left alone" : "still written",
	       viol(SMTD_V_ATS_MARKED), rd(SMTD_SMMU_CERROR) - cerror);
	check(rd(SMTD_SMMU_CERROR) - cerror >= 3, "the error, and twice again");
	check((v != word(32)) == (viol(SMTD_V_ATS_MARKED) > 0),
	      "the oracle agrees with the memory");
	check(v == word(32), "the unmapped page is not written");
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
	       stat(SMTD_S_FAULT), stat(SMTD_S_STALL),
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
	struct iommu_hwpt_page_response resp = {};
	struct iommu_hwpt_pgfault pf;
	struct pollfd p = { .events = POLLIN };
	uint32_t fault, h;

	p.fd = fault_queue(&fault);
	h = hwpt(io, IOMMU_HWPT_FAULT_ID_VALID, fault);
	check(!attach(h, 0), "attach a fault-capable hwpt");
	bus_master();
	burst(IOVA, 1, 0, 0);
	check(poll(&p, 1, 2000) == 1 && read(p.fd, &pf, sizeof(pf)) == sizeof(pf),
	      "one fault");
	check(!ioctl(dev, VFIO_DEVICE_RESET), "FLR");
	bus_master();
	printf("# stalls after the FLR: %u\n", rd(SMTD_SMMU_STALLS));
	map(io, buf, IOVA, PAGE);
	resp.cookie = pf.cookie;
	resp.code = IOMMUFD_PAGE_RESP_SUCCESS;
	if (write(p.fd, &resp, sizeof(resp)) != sizeof(resp))
		printf("# response: %s\n", strerror(errno));
	wait_reg(SMTD_PENDING, 0, 2);
	printf("# stall-flr violations: %u\n", viol(SMTD_V_STALL_FLR));
	check(!viol(SMTD_V_STALL_FLR),
	      "what stalled before the reset does not complete after it");
	figures("stall across FLR");
	close(p.fd);
}

static const struct {
	const char *name;
	void (*run)(uint32_t io);
	uint32_t caps;
	bool pasid_ats;		/* the unpatched kernel's FLR writes PASID control */
	bool observer;
} cases[] = {
	{ "translate", case_translate, 0, false, false },
	{ "ats", case_ats, SMTD_CAPS_ATS, false, false },
	{ "pasid", case_pasid, SMTD_CAPS_PASID | SMTD_CAPS_ATS, false, false },
	{ "stall", case_stall, SMTD_CAPS_STALL, false, false },
	{ "flr", case_flr, SMTD_CAPS_ATS, true, false },
	{ "hold", case_hold, SMTD_CAPS_ATS, false, false },
	{ "vanish", case_vanish, 0, false, true },
	{ "two_functions", case_two_functions, 0, false, true },
	{ "overflow", case_overflow, 0, false, false },
	{ "bad_flr_never", bad_flr_never, 0, false, true },
	{ "bad_stall_flr", bad_stall_flr, SMTD_CAPS_STALL, true, false },
	{ "bad_never", bad_never, SMTD_CAPS_ATS, false, false },
	{ "bad_error", bad_error, SMTD_CAPS_ATS, false, false },
	{ "bad_evt_abort", bad_evt_abort, SMTD_CAPS_STALL, false, false },
};

static void run(const char *name)
{
	uint32_t viols;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(name, cases[i].name))
			continue;
		printf("# case %s\n", name);
		memset(buf, 0, BUF);
		open_device();
		bus_master();
		if (rd(SMTD_ID) != SMTD_MAGIC)
			die("not an smmu-testdev");
		if ((rd(SMTD_CAPS) & cases[i].caps) != cases[i].caps) {
			printf("ok %d - %s # SKIP capabilities 0x%x\n", ++tests,
			       name, rd(SMTD_CAPS));
			close_device();
			return;
		}
		if (cases[i].observer && !obs) {
			printf("ok %d - %s # SKIP no OBSERVER\n", ++tests, name);
			close_device();
			return;
		}
		if (obs)
			obs[SMTD_PEER_SID / 4] = rd(SMTD_SID);
		wr(SMTD_STAT_CLEAR, 0);
		mark(SMTD_UNMARK_ALL, 0, 0);
		wr(SMTD_ORACLE_CTL, SMTD_ORACLE_CLEAR);
		cases[i].run(ioas());
		if (strncmp(name, "bad_", 4)) {
			viols = rd(SMTD_VIOL_TOTAL);
			if (cases[i].pasid_ats)
				viols -= viol(SMTD_V_PASID_ATS);
			check(!viols, "no violation");
		}
		close_device();
		return;
	}
	printf("Bail out! no case %s\n", name);
	exit(1);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s PCI-ADDRESS CASE...\n", argv[0]);
		return 2;
	}
	bdf = argv[1];
	buf = mmap(NULL, BUF, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buf == MAP_FAILED)
		die("memory");
	printf("TAP version 13\n");
	open_observer();
	for (int i = 2; i < argc; i++)
		run(argv[i]);
	printf("1..%d\n", tests);
	return failures != 0;
}
