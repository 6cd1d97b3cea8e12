// SPDX-License-Identifier: GPL-2.0-only
/* The kernel module's character device. */
#include <errno.h>
#include <fcntl.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/limits.h>

#include "module.h"
#include "smtd.h"

int smtd_module_open(const char *bdf)
{
	char path[PATH_MAX];
	int fd;

	snprintf_assert(path, PATH_MAX, "/dev/smmu_testdev-%s", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	VFIO_ASSERT_GE(fd, 0, "%s: is the function bound to smmu_testdev?\n", path);
	return fd;
}

int smtd_module_call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

u32 smtd_sva_bind(int fd, pid_t pid)
{
	struct smtd_sva_bind args = { .pid = pid };

	VFIO_ASSERT_EQ(smtd_module_call(fd, SMTD_IOC_SVA_BIND, &args), 0);
	return args.pasid;
}

int smtd_sva_unbind(int fd, u32 pasid)
{
	struct smtd_sva_unbind args = { .pasid = pasid };

	return smtd_module_call(fd, SMTD_IOC_SVA_UNBIND, &args);
}

u32 smtd_domain_alloc(int fd, u32 flags)
{
	struct smtd_domain_alloc args = { .flags = flags };

	VFIO_ASSERT_EQ(smtd_module_call(fd, SMTD_IOC_DOMAIN_ALLOC, &args), 0);
	return args.id;
}

int smtd_pasid_attach(int fd, u32 id, u32 pasid)
{
	struct smtd_domain_attach args = { .id = id, .pasid = pasid };

	return smtd_module_call(fd, SMTD_IOC_DOMAIN_ATTACH, &args);
}

int smtd_pasid_replace(int fd, u32 id, u32 pasid)
{
	struct smtd_domain_attach args = { .id = id, .pasid = pasid };

	return smtd_module_call(fd, SMTD_IOC_DOMAIN_REPLACE, &args);
}

int smtd_pasid_detach(int fd, u32 pasid)
{
	struct smtd_domain_detach args = { .pasid = pasid };

	return smtd_module_call(fd, SMTD_IOC_DOMAIN_DETACH, &args);
}

int smtd_domain_attach(int fd, u32 id)
{
	return smtd_pasid_attach(fd, id, SMTD_NO_PASID);
}

int smtd_domain_replace(int fd, u32 id)
{
	return smtd_pasid_replace(fd, id, SMTD_NO_PASID);
}

int smtd_domain_detach(int fd)
{
	return smtd_pasid_detach(fd, SMTD_NO_PASID);
}

void *smtd_domain_map(int fd, u32 id, u64 iova, u64 bytes)
{
	struct smtd_domain_map args = {
		.id = id,
		.flags = SMTD_MAP_READ | SMTD_MAP_WRITE,
		.iova = iova,
		.bytes = bytes,
	};
	void *view;

	VFIO_ASSERT_EQ(smtd_module_call(fd, SMTD_IOC_DOMAIN_MAP, &args), 0);
	view = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, args.mmap_offset);
	VFIO_ASSERT_NE(view, MAP_FAILED);
	return view;
}

int smtd_domain_free(int fd, u32 id)
{
	struct smtd_domain_id args = { .id = id };

	return smtd_module_call(fd, SMTD_IOC_DOMAIN_FREE, &args);
}

void smtd_fault_mode(int fd, u32 id, u32 mode)
{
	struct smtd_fault_mode args = {
		.id = id,
		.mode = mode,
		.then = mode == SMTD_FAULT_HOLD ? SMTD_FAULT_INVALID : 0,
	};

	VFIO_ASSERT_EQ(smtd_module_call(fd, SMTD_IOC_FAULT_MODE, &args), 0);
}

void smtd_fault_release(int fd, u32 id)
{
	struct smtd_domain_id args = { .id = id };

	VFIO_ASSERT_EQ(smtd_module_call(fd, SMTD_IOC_FAULT_RELEASE, &args), 0);
}

struct smtd_fault_stat smtd_fault_stat(int fd, u32 id)
{
	struct smtd_fault_stat args = { .id = id };

	VFIO_ASSERT_EQ(smtd_module_call(fd, SMTD_IOC_FAULT_STAT, &args), 0);
	return args;
}

static int reset_prepare(int fd, u32 flags)
{
	struct smtd_reset_prepare args = { .flags = flags };

	return smtd_module_call(fd, SMTD_IOC_RESET_PREPARE, &args);
}

int smtd_reset_prepare(int fd)
{
	return reset_prepare(fd, 0);
}

int smtd_reset_prepare_left(int fd)
{
	return reset_prepare(fd, SMTD_RESET_LEAVE);
}

static int reset_done(int fd, u32 result, u32 flags)
{
	struct smtd_reset_done args = { .result = result, .flags = flags };

	return smtd_module_call(fd, SMTD_IOC_RESET_DONE, &args);
}

int smtd_reset_done(int fd, u32 result)
{
	return reset_done(fd, result, 0);
}

int smtd_reset_done_unpaired(int fd, u32 result)
{
	return reset_done(fd, result, SMTD_RESET_UNPAIRED);
}

struct smtd_dma_map smtd_dma_map(int fd, u64 bytes)
{
	struct smtd_dma_map args = { .bytes = bytes, .direction = SMTD_BIDIRECTIONAL };

	VFIO_ASSERT_EQ(smtd_module_call(fd, SMTD_IOC_DMA_MAP, &args), 0);
	return args;
}

int smtd_dma_unmap(int fd, u32 handle)
{
	struct smtd_dma_unmap args = { .handle = handle };

	return smtd_module_call(fd, SMTD_IOC_DMA_UNMAP, &args);
}
