// SPDX-License-Identifier: GPL-2.0
/*
 * smmu-testdev-check: registers, set-up, iommufd and the DMA engine.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <time.h>
#include "smmu-testdev-check.h"

const char *bdf;
int iommufd, dev;
volatile uint32_t *bar;
volatile uint32_t *obs;
uint64_t cfg_off;
uint8_t *buf;
int tests, failures;
static uint32_t devid;
static int pf = -1;

static const char *const stat_name[SMTD_S_COUNT] = {
	"ok", "fault", "stall", "retry", "abort", "atc_hit", "atc_fill",
	"ats_none", "ats_ur", "ats_ca", "forbidden", "inv_rx", "inv_done",
	"reset", "busy", "reset_ok", "reset_fault", "port",
};

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

uint32_t rd(uint32_t reg)
{
	return bar[reg / 4];
}

void wr(uint32_t reg, uint32_t val)
{
	bar[reg / 4] = val;
}

uint32_t stats(int n)
{
	return rd(SMTD_STAT(n));
}

uint32_t viol(int n)
{
	return rd(SMTD_VIOL(n));
}

/* A register of the function under test, through the observer */
uint32_t peer(uint32_t reg)
{
	return obs[SMTD_PEER(reg) / 4];
}

void peer_wr(uint32_t reg, uint32_t val)
{
	obs[SMTD_PEER(reg) / 4] = val;
}

void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

void check(bool ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, what);
	fflush(stdout);
	failures += !ok;
}

/* A diagnostic line with every statistic that is not zero */
void figures(const char *what)
{
	printf("# %s:", what);
	for (int i = 0; i < SMTD_S_COUNT; i++)
		if (stats(i))
			printf(" %s=%u", stat_name[i], stats(i));
	printf(" pending=%u atc=%u viol=%u\n", rd(SMTD_PENDING),
	       rd(SMTD_ATC_ENTRIES), rd(SMTD_VIOL_TOTAL));
	wr(SMTD_STAT_CLEAR, 0);
}

/* Waits until the register has the value: conditions, never times */
bool wait_reg(uint32_t reg, uint32_t want, double seconds)
{
	double end = now() + seconds;

	while (rd(reg) != want) {
		if (now() > end)
			return false;
		usleep(500);
	}
	return true;
}

bool wait_stat(int n, uint32_t at_least, double seconds)
{
	double end = now() + seconds;

	while (stats(n) < at_least) {
		if (now() > end)
			return false;
		usleep(500);
	}
	return true;
}

/* ---- set-up ---- */

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(fd);
}

/* A function, bound to vfio-pci */
static int open_vfio(const char *name)
{
	char path[256];
	glob_t g;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
		 name);
	write_file(path, "vfio-pci");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/vfio*",
		 name);
	if (glob(path, 0, NULL, &g))
		write_file("/sys/bus/pci/drivers_probe", name);
	if (glob(path, 0, NULL, &g))
		die("no vfio device");
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
		 strrchr(g.gl_pathv[0], '/') + 1);
	fd = open(path, O_RDWR);
	if (fd < 0)
		die(path);
	return fd;
}

/* The physical function of a virtual one, so that both have the same token */
static void open_pf(const char *name, uint8_t token[16])
{
	uint64_t space[(sizeof(struct vfio_device_feature) + 16) / 8 + 1] = {};
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_feature *f = (void *)space;

	if (pf >= 0)
		return;
	pf = open_vfio(name);
	bind.iommufd = open("/dev/iommu", O_RDWR);
	if (ioctl(pf, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die("bind the physical function");
	f->argsz = sizeof(*f) + 16;
	f->flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
	memcpy(f->data, token, 16);
	if (ioctl(pf, VFIO_DEVICE_FEATURE, f))
		die("token");
}

void open_device(void)
{
	static uint8_t token[16] = "smmu-testdev-vf";
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_region_info info = { .argsz = sizeof(info) };

	if (getenv("PF")) {
		open_pf(getenv("PF"), token);
		bind.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
		bind.token_uuid_ptr = (uintptr_t)token;
	}
	dev = open_vfio(bdf);
	iommufd = open("/dev/iommu", O_RDWR);
	if (iommufd < 0)
		die("/dev/iommu");
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
void open_observer(void)
{
	const char *name = getenv("OBSERVER");
	char path[256];
	int fd;

	if (!name || !strcmp(name, bdf))
		return;		/* nobody watches himself */
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

void close_device(void)
{
	munmap((void *)bar, SMTD_BAR_SIZE);
	close(dev);
	close(iommufd);
}

void bus_master(void)
{
	uint16_t cmd = 6;	/* Memory Space, Bus Master */

	if (pwrite(dev, &cmd, 2, cfg_off + 4) != 2)
		die("PCI_COMMAND");
}

bool ats_enabled(void)
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

uint32_t ioas(void)
{
	struct iommu_ioas_alloc a = { .size = sizeof(a) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &a))
		die("ioas");
	return a.out_ioas_id;
}

void map(uint32_t id, void *va, uint64_t iova, size_t len)
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

int unmap(uint32_t id, uint64_t iova, size_t len)
{
	struct iommu_ioas_unmap u = { .size = sizeof(u), .ioas_id = id,
				      .iova = iova, .length = len };

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &u);
}

uint32_t hwpt(uint32_t pt, uint32_t flags, uint32_t fault)
{
	struct iommu_hwpt_alloc a = { .size = sizeof(a), .flags = flags,
				      .dev_id = devid, .pt_id = pt,
				      .fault_id = fault };

	if (ioctl(iommufd, IOMMU_HWPT_ALLOC, &a))
		die("hwpt");
	return a.out_hwpt_id;
}

int fault_queue(uint32_t *id)
{
	struct iommu_fault_alloc a = { .size = sizeof(a) };

	if (ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &a))
		die("fault queue");
	*id = a.out_fault_id;
	return a.out_fault_fd;
}

int attach(uint32_t pt, uint32_t pasid)
{
	struct vfio_device_attach_iommufd_pt a = {
		.argsz = sizeof(a), .pt_id = pt,
		.flags = pasid ? VFIO_DEVICE_ATTACH_PASID : 0, .pasid = pasid,
	};

	return ioctl(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a);
}

/* Attach a new domain with a fault queue, and let one access stall: returns the queue */
int one_fault(uint32_t io, struct iommu_hwpt_pgfault *pf)
{
	struct pollfd p = { .events = POLLIN };
	uint32_t fault, h;

	p.fd = fault_queue(&fault);
	h = hwpt(io, IOMMU_HWPT_FAULT_ID_VALID, fault);
	check(!attach(h, 0), "attach a fault-capable hwpt");
	bus_master();
	burst(IOVA, 1, 0, 0);
	check(poll(&p, 1, 2000) == 1 && read(p.fd, pf, sizeof(*pf)) == sizeof(*pf),
	      "one fault");
	return p.fd;
}

/* The kernel may have answered it already, which is for the test to judge. */
void answer_fault(int fd, const struct iommu_hwpt_pgfault *pf)
{
	struct iommu_hwpt_page_response resp = {
		.cookie = pf->cookie, .code = IOMMUFD_PAGE_RESP_SUCCESS,
	};

	if (write(fd, &resp, sizeof(resp)) != sizeof(resp))
		printf("# response: %s\n", strerror(errno));
}

int detach(uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt a = {
		.argsz = sizeof(a),
		.flags = pasid ? VFIO_DEVICE_DETACH_PASID : 0, .pasid = pasid,
	};

	return ioctl(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &a);
}

/* ---- the DMA engine ---- */

void start(uint64_t iova, uint32_t count, uint32_t pasid, uint32_t ctrl,
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
void burst(uint64_t iova, uint32_t count, uint32_t pasid, uint32_t ctrl)
{
	start(iova, count, pasid, ctrl, 0);
	if (!wait_reg(SMTD_CTRL, ctrl, 5))
		die("the burst does not end");
}

void stop(void)
{
	wr(SMTD_CTRL, 0);
}

uint64_t word(unsigned int page)
{
	return *(volatile uint64_t *)(buf + page * PAGE);
}

void mark(uint32_t ctl, uint64_t iova, uint32_t pasid)
{
	wr(SMTD_MARK_LO, iova);
	wr(SMTD_MARK_HI, iova >> 32);
	wr(SMTD_MARK_PASID, pasid ? pasid | SMTD_PASID_VALID : 0);
	wr(SMTD_MARK_CTL, ctl);
}
