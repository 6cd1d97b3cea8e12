// SPDX-License-Identifier: GPL-2.0-only
/* The function itself: opening, registers, DMA, oracle, misbehaviour. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/compiler.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/vfio.h>

#include "smtd.h"

#include "../../../kselftest.h"

static const char * const stat_name[SMTD_S_COUNT] = {
	[SMTD_S_OK] = "ok",
	[SMTD_S_FAULT] = "fault",
	[SMTD_S_STALL] = "stall",
	[SMTD_S_RETRY] = "retry",
	[SMTD_S_ABORT] = "abort",
	[SMTD_S_ATC_HIT] = "atc-hit",
	[SMTD_S_ATC_FILL] = "atc-fill",
	[SMTD_S_ATS_NONE] = "ats-none",
	[SMTD_S_ATS_UR] = "ats-ur",
	[SMTD_S_ATS_CA] = "ats-ca",
	[SMTD_S_FORBIDDEN] = "forbidden",
	[SMTD_S_INV_RX] = "inv-rx",
	[SMTD_S_INV_DONE] = "inv-done",
	[SMTD_S_RESET] = "reset",
	[SMTD_S_BUSY] = "busy",
	[SMTD_S_RESET_OK] = "reset-ok",
	[SMTD_S_RESET_FAULT] = "reset-fault",
	[SMTD_S_PORT] = "port",
};

static const char * const viol_name[SMTD_V_KINDS] = {
	[SMTD_V_ATS_MARKED] = "ats-marked",
	[SMTD_V_DMA_MARKED] = "dma-marked",
	[SMTD_V_RESUME_UNKNOWN] = "resume-unknown",
	[SMTD_V_STALL_OPEN] = "stall-open",
	[SMTD_V_INV_IN_RESET] = "inv-in-reset",
	[SMTD_V_PASID_ATS] = "pasid-ats",
	[SMTD_V_STALL_FLR] = "stall-flr",
	[SMTD_V_TERM_LIVE] = "term-live",
};

/* ---- registers ---- */

/* The place of a register, in the function or in its observer's window. */
static void *smtd_select(struct smtd *d, u32 reg)
{
	struct smtd *observer = d->observer;

	if (!observer)
		return d->bar + reg;

	/* The peer window ends there */
	VFIO_ASSERT_LT(reg, 0x200);
	if (observer->peer_sid != d->sid) {
		writel(d->sid, observer->bar + SMTD_PEER_SID);
		observer->peer_sid = d->sid;
	}
	return observer->bar + SMTD_PEER(reg);
}

u32 smtd_read(struct smtd *d, u32 reg)
{
	struct smtd *via = d->observer ?: d;
	u32 value;

	pthread_mutex_lock(&via->lock);
	value = readl(smtd_select(d, reg));
	pthread_mutex_unlock(&via->lock);
	return value;
}

void smtd_write(struct smtd *d, u32 reg, u32 value)
{
	struct smtd *via = d->observer ?: d;

	pthread_mutex_lock(&via->lock);
	writel(value, smtd_select(d, reg));
	pthread_mutex_unlock(&via->lock);
}

static void smtd_write64(struct smtd *d, u32 reg, u64 value)
{
	smtd_write(d, reg, value);
	smtd_write(d, reg + 4, value >> 32);
}

void smtd_log_mark(struct smtd *d, u32 nr)
{
	smtd_write(d, SMTD_LOG_MARK, nr);
}

/* ---- opening and closing ---- */

static struct smtd *smtd_alloc_dev(const char *bdf)
{
	struct smtd *d = calloc_assert(1, sizeof(*d));

	d->bdf = bdf;
	d->peer_sid = SMTD_ANY;
	VFIO_ASSERT_EQ(pthread_mutex_init(&d->lock, NULL), 0);
	return d;
}

static void smtd_identify(struct smtd *d)
{
	u32 id = readl(d->bar + SMTD_ID);

	/*
	 * Seen twice in hours of random runs, while other functions were reset: all ones of a
	 * function that nobody resets. By QEMU's trace its memory was enabled, and it alive.
	 * Taken for QEMU's, which is not proven: said in the output, and tried once more.
	 */
	if (id == ~0U && smtd_config_read(d->bdf, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) {
		id = readl(d->bar + SMTD_ID);
		printf("# %s: all ones with its memory enabled, then %#x\n", d->bdf, id);
	}
	VFIO_ASSERT_EQ(id, SMTD_MAGIC, "%s is not a smmu-testdev that answers\n", d->bdf);
	VFIO_ASSERT_EQ(readl(d->bar + SMTD_VERSION), SMTD_VERSION_CUR,
		       "QEMU has another register map\n");
	d->sid = readl(d->bar + SMTD_SID);
}

/* vfio_pci_device_init() keeps the device id of the bind for itself. */
static void smtd_bind(struct smtd *d)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = d->iommu->iommufd,
	};

	u64 end = smtd_now_us() + SMTD_DEADLINE_MS * 1000ULL;
	int ret;

	vfio_pci_cdev_open(d->vfio, d->bdf);
	/* The bind resets: -EAGAIN while somebody else has the function's lock. */
	for (;;) {
		ret = ioctl(d->vfio->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
		if (!ret || errno != EAGAIN || smtd_now_us() > end)
			break;
		usleep(1000);
	}
	VFIO_ASSERT_EQ(ret, 0, "%s cannot be bound to iommufd\n", d->bdf);
	d->devid = bind.out_devid;
}

static void smtd_region(struct smtd *d, int index, struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	ioctl_assert(d->vfio->fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

void smtd_enable(struct smtd *d)
{
	vfio_pci_config_writew(d->vfio, PCI_COMMAND,
			       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

struct smtd *smtd_open(const char *bdf, struct iommu *iommu)
{
	struct smtd *d = smtd_alloc_dev(bdf);
	struct vfio_pci_bar *bar;
	int i;

	d->iommu = iommu;
	d->vfio = vfio_pci_device_alloc(bdf, iommu);
	for (i = 0; i < ARRAY_SIZE(d->vfio->msi_eventfds); i++)
		d->vfio->msi_eventfds[i] = -1;
	smtd_bind(d);

	smtd_region(d, VFIO_PCI_CONFIG_REGION_INDEX, &d->vfio->config_space);
	bar = &d->vfio->bars[0];
	smtd_region(d, VFIO_PCI_BAR0_REGION_INDEX, &bar->info);
	bar->vaddr = mmap(NULL, bar->info.size, PROT_READ | PROT_WRITE,
			  MAP_SHARED, d->vfio->fd, bar->info.offset);
	VFIO_ASSERT_NE(bar->vaddr, MAP_FAILED);
	d->bar = bar->vaddr;

	smtd_enable(d);
	smtd_identify(d);
	smtd_behave(d);
	smtd_unmark_all(d);
	smtd_violations_clear(d);
	smtd_stat_clear(d);
	return d;
}

char **smtd_functions(int *argc, char *argv[], int want)
{
	int n;
	char **bdfs = vfio_selftests_get_bdfs(argc, argv, &n);

	if (n != want)
		ksft_exit_fail_msg("%d functions are needed, not %d\n", want, n);
	return bdfs;
}

struct smtd *smtd_watch(const char *bdf)
{
	struct smtd *d = smtd_alloc_dev(bdf);
	char path[PATH_MAX];
	int fd;

	/* Refused where a driver has it, which has enabled it then. */
	smtd_sysfs_write(bdf, "enable", "1");

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s/resource0", bdf);
	fd = open(path, O_RDWR);
	VFIO_ASSERT_GE(fd, 0, "open(%s) failed\n", path);
	d->bar = mmap(NULL, SMTD_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	VFIO_ASSERT_NE(d->bar, MAP_FAILED);
	close(fd);
	smtd_identify(d);
	return d;
}

struct smtd *smtd_watch_anew(const char *bdf, struct smtd *observer)
{
	struct smtd *d = smtd_watch(bdf);

	smtd_observe(d, observer);
	smtd_behave(d);
	smtd_stat_clear(d);
	smtd_unmark_all(d);
	smtd_violations_clear(d);
	return d;
}

void smtd_close(struct smtd *d)
{
	if (d->vfio)
		vfio_pci_device_cleanup(d->vfio);
	else
		munmap(d->bar, SMTD_BAR_SIZE);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void smtd_observe(struct smtd *d, struct smtd *observer)
{
	d->observer = observer;
	VFIO_ASSERT_EQ(smtd_read(d, SMTD_SID), d->sid, "%s is not seen through %s\n",
		       d->bdf, observer ? observer->bdf : "itself");
}

bool smtd_is_plugged(struct smtd *observer, u32 sid)
{
	u32 present;

	pthread_mutex_lock(&observer->lock);
	writel(sid, observer->bar + SMTD_PEER_SID);
	observer->peer_sid = sid;
	present = readl(observer->bar + SMTD_PEER_PRESENT);
	pthread_mutex_unlock(&observer->lock);
	return present;
}

void smtd_behave(struct smtd *d)
{
	int i;

	smtd_dma_stop(d);
	for (i = 0; i < SMTD_HOLDS; i++) {
		smtd_write(d, SMTD_HOLD_SEL, i);
		smtd_write(d, SMTD_HOLD_CTL, SMTD_HOLD_DISARM);
	}
	smtd_release(d);
	smtd_inv_answer(d);
	smtd_write(d, SMTD_INV_REPEAT, 0);
	smtd_write(d, SMTD_FLR_INV_MODE, SMTD_INV_ERROR);
	smtd_flr(d, 0, 0);
	smtd_write(d, SMTD_VANISH, 0);
	smtd_write(d, SMTD_TRPND, 0);
	smtd_write(d, SMTD_EVT_ABORT, 0);
}

/* ---- DMA ---- */

void smtd_dma_aim(struct smtd *d, u64 iova, u32 pasid)
{
	smtd_write64(d, SMTD_IOVA_LO, iova);
	smtd_write(d, SMTD_PASID, pasid ? pasid | SMTD_PASID_VALID : 0);
}

void __smtd_dma_start(struct smtd *d, const struct smtd_dma *dma)
{
	u32 ctrl = SMTD_CTRL_RUN;

	if (dma->read)
		ctrl |= SMTD_CTRL_READ;
	if (dma->ats)
		ctrl |= SMTD_CTRL_ATS;
	if (dma->loop)
		ctrl |= SMTD_CTRL_LOOP;

	smtd_dma_aim(d, dma->iova, dma->pasid);
	smtd_write(d, SMTD_COUNT, dma->count ?: 1);
	smtd_write(d, SMTD_STRIDE, dma->stride ?: SMTD_PAGE);
	smtd_write(d, SMTD_PERIOD_US, dma->period_us ?: 100);
	smtd_write(d, SMTD_CTRL, ctrl);
}

u32 __smtd_dma_run(struct smtd *d, const struct smtd_dma *dma)
{
	u32 before = smtd_stat(d, SMTD_S_OK);

	__smtd_dma_start(d, dma);
	VFIO_ASSERT_TRUE(smtd_until(!(smtd_read(d, SMTD_CTRL) & SMTD_CTRL_RUN)),
			 "The burst does not end\n");
	return smtd_stat(d, SMTD_S_OK) - before;
}

void smtd_dma_stop(struct smtd *d)
{
	smtd_write(d, SMTD_CTRL, 0);
}

bool smtd_dma_settled(struct smtd *d)
{
	return smtd_wait_reg(d, SMTD_PENDING, 0);
}

/* A stall is counted once: retried, it ends as one of these or stalls again. */
static u32 smtd_tries(struct smtd *d)
{
	static const unsigned int ends[] = {
		SMTD_S_OK, SMTD_S_FAULT, SMTD_S_STALL, SMTD_S_ATS_NONE, SMTD_S_ATS_UR,
		SMTD_S_ATS_CA, SMTD_S_FORBIDDEN, SMTD_S_PORT,
	};
	u32 sum = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(ends); i++)
		sum += smtd_stat(d, ends[i]);
	return sum;
}

bool smtd_wait_tries(struct smtd *d, u32 n)
{
	u32 before = smtd_tries(d);

	return smtd_until(smtd_tries(d) - before >= n);
}

u64 smtd_dma_data(struct smtd *d)
{
	return smtd_read(d, SMTD_DATA_LO) | (u64)smtd_read(d, SMTD_DATA_HI) << 32;
}

void *smtd_alloc(unsigned int pages)
{
	void *mem = mmap(NULL, pages * SMTD_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	VFIO_ASSERT_NE(mem, MAP_FAILED);
	/* Translations and ATC entries are to be those of pages. */
	madvise(mem, pages * SMTD_PAGE, MADV_NOHUGEPAGE);
	return mem;
}

u64 smtd_word(void *mem, unsigned int page)
{
	return READ_ONCE(*(u64 *)(mem + page * SMTD_PAGE));
}

/* ---- statistics and the oracle ---- */

u32 smtd_stat(struct smtd *d, unsigned int stat)
{
	return smtd_read(d, SMTD_STAT(stat));
}

void smtd_stat_clear(struct smtd *d)
{
	smtd_write(d, SMTD_STAT_CLEAR, 0);
}

u32 smtd_violation(struct smtd *d, unsigned int kind)
{
	return smtd_read(d, SMTD_VIOL(kind));
}

void smtd_print(struct smtd *d, const char *what)
{
	char line[512];
	int i, len;
	u32 n;

	len = snprintf(line, sizeof(line), "%s:", what);
	for (i = 0; i < SMTD_S_COUNT; i++) {
		n = smtd_stat(d, i);
		if (n)
			len += snprintf(line + len, sizeof(line) - len, " %s=%u",
					stat_name[i] ?: "?", n);
	}
	for (i = 0; i < SMTD_V_KINDS; i++) {
		n = smtd_violation(d, i);
		if (n)
			len += snprintf(line + len, sizeof(line) - len,
					" violation:%s=%u", viol_name[i] ?: "?", n);
	}
	printf("# %s\n", line);
	fflush(stdout);
}

static void smtd_mark(struct smtd *d, u32 ctl, u64 iova, u32 pasid)
{
	smtd_write64(d, SMTD_MARK_LO, iova);
	smtd_write(d, SMTD_MARK_PASID, pasid ? pasid | SMTD_PASID_VALID : 0);
	smtd_write(d, SMTD_MARK_CTL, ctl);
}

void smtd_mark_freed(struct smtd *d, u64 iova, u32 pasid)
{
	u32 marks = smtd_read(d, SMTD_MARKS);

	VFIO_ASSERT_LT(marks, SMTD_MARKS_MAX, "No room for another mark\n");
	smtd_mark(d, SMTD_MARK_IOVA, iova, pasid);
}

void smtd_unmark_all(struct smtd *d)
{
	smtd_mark(d, SMTD_UNMARK_ALL, 0, 0);
}

u32 smtd_violations_but(struct smtd *d, u32 but)
{
	u32 n, sum = 0;
	int i;

	for (i = 0; i < SMTD_V_KINDS; i++) {
		n = smtd_violation(d, i);
		if (!n || but & 1U << i)
			continue;
		printf("# violation %s: %u\n", viol_name[i] ?: "?", n);
		sum += n;
	}
	fflush(stdout);
	return sum;
}

void smtd_violations_clear(struct smtd *d)
{
	smtd_write(d, SMTD_ORACLE_CTL, SMTD_ORACLE_CLEAR);
}

void smtd_check_stalls(struct smtd *d)
{
	smtd_write(d, SMTD_ORACLE_CTL, SMTD_ORACLE_CHECK);
}

/* ---- misbehaviour ---- */

void smtd_inv_mode(struct smtd *d, u32 mode)
{
	smtd_write(d, SMTD_INV_MODE, mode);
}

void smtd_inv_error(struct smtd *d, u32 delay_us, u32 repeat)
{
	smtd_write(d, SMTD_INV_DELAY_US, delay_us);
	smtd_write(d, SMTD_INV_REPEAT, repeat);
	smtd_inv_mode(d, SMTD_INV_ERROR);
}

void smtd_inv_answer(struct smtd *d)
{
	smtd_inv_mode(d, SMTD_INV_PROMPT);
	smtd_write(d, SMTD_INV_RELEASE, SMTD_INV_RELEASE_ANSWER);
}

void smtd_flr(struct smtd *d, u32 flags, u32 ready_ms)
{
	smtd_write(d, SMTD_FLR_FLAGS, flags);
	smtd_write(d, SMTD_FLR_READY_MS, ready_ms);
}

void smtd_hold_later(struct smtd *d, u32 nr, u32 opcode, u32 sid, u32 skip, u32 us)
{
	smtd_write(d, SMTD_HOLD_SEL, nr);
	smtd_write(d, SMTD_HOLD_OP,
		   opcode | (sid == SMTD_ANY ? SMTD_HOLD_ANY_SID : 0));
	smtd_write(d, SMTD_HOLD_SID, sid == SMTD_ANY ? 0 : sid);
	smtd_write(d, SMTD_HOLD_SKIP, skip);
	smtd_write(d, SMTD_HOLD_US, us);
	smtd_write(d, SMTD_HOLD_CTL, SMTD_HOLD_ARM);
}

void smtd_hold(struct smtd *d, u32 nr, u32 opcode, u32 sid)
{
	smtd_hold_later(d, nr, opcode, sid, 0, 0);
}

void smtd_unhold(struct smtd *d, u32 nr)
{
	smtd_write(d, SMTD_HOLD_SEL, nr);
	smtd_write(d, SMTD_HOLD_CTL, SMTD_HOLD_DISARM);
}

bool smtd_is_held(struct smtd *d, u32 nr)
{
	u32 stat = smtd_read(d, SMTD_HOLD_STAT);

	return stat & SMTD_HOLD_STAT_HELD && SMTD_HOLD_STAT_SLOT(stat) == nr;
}

bool smtd_wait_held(struct smtd *d, u32 nr)
{
	return smtd_until(smtd_is_held(d, nr));
}

void smtd_release(struct smtd *d)
{
	smtd_write(d, SMTD_HOLD_CTL, SMTD_HOLD_RELEASE);
}
