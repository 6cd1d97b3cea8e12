/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What guest programs need to use the smmu-testdev module: registers, one burst
 * of DMA, and a function for each ioctl. Those that make a system call return 0
 * or a negative errno.
 */
#ifndef SMTD_TEST_H
#define SMTD_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "regs.h"
#include "smmu_testdev_uapi.h"

#define PAGE	4096ull
#define IOVA	0x40000000ull
#define PASID	0x8000u
#define WRITE	0
#define NODES	"/dev/smmu_testdev-"

struct td {
	char bdf[16];
	int fd;
	__u32 *bar;
};

/* ---- helpers ---- */

static inline __u32 rd(const struct td *td, __u32 reg)
{
	return __atomic_load_n(&td->bar[reg / 4], __ATOMIC_RELAXED);
}

static inline void wr(const struct td *td, __u32 reg, __u32 value)
{
	__atomic_store_n(&td->bar[reg / 4], value, __ATOMIC_RELAXED);
}

/* First word of a page, as it is now */
static inline __u64 word(const __u64 *mem, int page)
{
	return __atomic_load_n(&mem[page * PAGE / 8], __ATOMIC_RELAXED);
}

static inline int call(const struct td *td, unsigned long cmd, void *arg)
{
	return ioctl(td->fd, cmd, arg) ? -errno : 0;
}

static inline bool wait_for(bool (*done)(const struct td *, __u64, __u64),
			    const struct td *td, __u64 a, __u64 b)
{
	for (int ms = 0; ms < 10000; ms++) {
		if (done(td, a, b))
			return true;
		usleep(1000);
	}
	return false;
}

static inline bool reg_is(const struct td *td, __u64 reg, __u64 value)
{
	return rd(td, reg) == value;
}

static inline __u32 count(const struct td *td, int n)
{
	return rd(td, SMTD_STAT(n));
}

/* Transactions that came to nothing, with and without a stall */
static inline __u32 failed(const struct td *td)
{
	return count(td, SMTD_S_FAULT) + count(td, SMTD_S_ABORT);
}

static inline void start(const struct td *td, __u64 iova, __u32 n,
			 __u32 pasid, __u32 ctrl)
{
	wr(td, SMTD_STAT_CLEAR, 0);
	wr(td, SMTD_IOVA_LO, iova);
	wr(td, SMTD_IOVA_HI, iova >> 32);
	wr(td, SMTD_COUNT, n);
	wr(td, SMTD_STRIDE, PAGE);
	wr(td, SMTD_PASID,
	   pasid == SMTD_NO_PASID ? 0 : pasid | SMTD_PASID_VALID);
	wr(td, SMTD_CTRL, ctrl | SMTD_CTRL_RUN);
}

/* Both the burst and what it left stalled have come to an end */
static inline bool ended(const struct td *td)
{
	return wait_for(reg_is, td, SMTD_CTRL, 0) &&
	       wait_for(reg_is, td, SMTD_PENDING, 0);
}

/* One burst of writes: how many reached memory, -1 if it does not end */
static inline int dma(const struct td *td, __u64 iova, __u32 n, __u32 pasid)
{
	start(td, iova, n, pasid, WRITE);
	return ended(td) ? (int)count(td, SMTD_S_OK) : -1;
}

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ret = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

static inline int driver(const char *what, const char *bdf)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/smmu_testdev/%s",
		 what);
	return write_file(path, bdf);
}

static inline int device(const char *bdf, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, what);
	return write_file(path, "1");
}

static inline int open_td(struct td *td)
{
	char path[64];

	snprintf(path, sizeof(path), NODES "%s", td->bdf);
	td->fd = open(path, O_RDWR | O_CLOEXEC);
	return td->fd < 0 ? -errno : 0;
}

static inline void *view(const struct td *td, __u64 offset,
			 __u64 bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, td->fd,
		    offset);
}

static inline void *anon(__u64 pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Memory that the kernel can read and not write */
static inline void *read_only(const void *arg, size_t bytes)
{
	void *page = anon(1);

	memcpy(page, arg, bytes);
	mprotect(page, PAGE, PROT_READ);
	return page;
}

static inline int alloc(const struct td *td, __u32 flags, __u32 *id)
{
	struct smtd_domain_alloc a = { .flags = flags };
	int ret = call(td, SMTD_IOC_DOMAIN_ALLOC, &a);

	*id = a.id;
	return ret;
}

static inline int free_domain(const struct td *td, __u32 id)
{
	struct smtd_domain_id a = { .id = id };

	return call(td, SMTD_IOC_DOMAIN_FREE, &a);
}

static inline int attach(const struct td *td, __u32 id, __u32 pasid)
{
	struct smtd_domain_attach a = { .id = id, .pasid = pasid };

	return call(td, SMTD_IOC_DOMAIN_ATTACH, &a);
}

static inline int replace(const struct td *td, __u32 id, __u32 pasid)
{
	struct smtd_domain_attach a = { .id = id, .pasid = pasid };

	return call(td, SMTD_IOC_DOMAIN_REPLACE, &a);
}

static inline int detach(const struct td *td, __u32 pasid)
{
	struct smtd_domain_detach a = { .pasid = pasid };

	return call(td, SMTD_IOC_DOMAIN_DETACH, &a);
}

static inline int map(const struct td *td, __u32 id, __u64 iova, __u64 bytes,
		      __u64 **mem)
{
	struct smtd_domain_map a = {
		.id = id, .iova = iova, .bytes = bytes,
		.flags = SMTD_MAP_READ | SMTD_MAP_WRITE,
	};
	int ret = call(td, SMTD_IOC_DOMAIN_MAP, &a);

	if (!ret && mem)
		*mem = view(td, a.mmap_offset, bytes);
	return ret;
}

static inline int unmap(const struct td *td, __u32 id, __u64 iova,
			__u64 bytes)
{
	struct smtd_domain_unmap a = { .id = id, .iova = iova, .bytes = bytes };

	return call(td, SMTD_IOC_DOMAIN_UNMAP, &a);
}

static inline int mode(const struct td *td, __u32 id, __u32 what, __u32 then,
		       __u32 hold_ms)
{
	struct smtd_fault_mode a = { .id = id, .mode = what, .then = then,
				     .hold_ms = hold_ms };

	return call(td, SMTD_IOC_FAULT_MODE, &a);
}

static inline int release(const struct td *td, __u32 id)
{
	struct smtd_domain_id a = { .id = id };

	return call(td, SMTD_IOC_FAULT_RELEASE, &a);
}

static inline struct smtd_fault_stat fault_stat(const struct td *td, __u32 id)
{
	struct smtd_fault_stat a = { .id = id };

	if (call(td, SMTD_IOC_FAULT_STAT, &a))
		a.id = 0;
	return a;
}

static inline bool held_is(const struct td *td, __u64 id, __u64 n)
{
	return fault_stat(td, id).held == n;
}

static inline bool finished_is(const struct td *td, __u64 id, __u64 n)
{
	return fault_stat(td, id).finished == n;
}

static inline int bind_process(const struct td *td, pid_t pid, __u32 *pasid)
{
	struct smtd_sva_bind a = { .pid = pid };
	int ret = call(td, SMTD_IOC_SVA_BIND, &a);

	*pasid = a.pasid;
	return ret;
}

static inline int unbind_process(const struct td *td, __u32 pasid)
{
	struct smtd_sva_unbind a = { .pasid = pasid };

	return call(td, SMTD_IOC_SVA_UNBIND, &a);
}

static inline int reset_prepare(const struct td *td)
{
	struct smtd_reset_prepare a = {};

	return call(td, SMTD_IOC_RESET_PREPARE, &a);
}

static inline int reset_done(const struct td *td, __u32 result, __u32 flags)
{
	struct smtd_reset_done a = { .result = result, .flags = flags };

	return call(td, SMTD_IOC_RESET_DONE, &a);
}

static sigjmp_buf bus_error;

static inline void on_bus_error(int sig)
{
	siglongjmp(bus_error, sig);
}

/* SMTD_ID, or 0 if the view is gone */
static inline __u32 probe_bar(const struct td *td)
{
	__u32 id = 0;

	signal(SIGBUS, on_bus_error);
	if (!sigsetjmp(bus_error, 1))
		id = rd(td, SMTD_ID);
	signal(SIGBUS, SIG_DFL);
	return id;
}

#endif
