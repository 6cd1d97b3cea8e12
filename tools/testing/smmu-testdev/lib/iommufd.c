// SPDX-License-Identifier: GPL-2.0-only
/* Plain iommufd: address spaces, hardware page tables, PASIDs, fault queues. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>

#include <sys/ioctl.h>

#include <linux/vfio.h>

#include "smtd.h"

static int err_of(int ret)
{
	return ret < 0 ? -errno : ret;
}

u32 smtd_ioas_alloc(struct iommu *iommu)
{
	struct iommu_ioas_alloc args = { .size = sizeof(args) };

	ioctl_assert(iommu->iommufd, IOMMU_IOAS_ALLOC, &args);
	return args.out_ioas_id;
}

void smtd_map(struct iommu *iommu, u32 ioas, void *vaddr, u64 iova, u64 size)
{
	struct iommu_ioas_map args = {
		.size = sizeof(args),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)vaddr,
		.length = size,
		.iova = iova,
	};

	ioctl_assert(iommu->iommufd, IOMMU_IOAS_MAP, &args);
}

int smtd_unmap(struct iommu *iommu, u32 ioas, u64 iova, u64 size)
{
	struct iommu_ioas_unmap args = {
		.size = sizeof(args),
		.ioas_id = ioas,
		.iova = iova,
		.length = size,
	};

	return err_of(ioctl(iommu->iommufd, IOMMU_IOAS_UNMAP, &args));
}

int smtd_destroy(struct iommu *iommu, u32 id)
{
	struct iommu_destroy args = { .size = sizeof(args), .id = id };

	return err_of(ioctl(iommu->iommufd, IOMMU_DESTROY, &args));
}

int smtd_hwpt_alloc(struct smtd *d, u32 ioas, u32 flags, u32 fault)
{
	struct iommu_hwpt_alloc args = {
		.size = sizeof(args),
		.flags = flags | (fault ? IOMMU_HWPT_FAULT_ID_VALID : 0),
		.dev_id = d->devid,
		.pt_id = ioas,
		.fault_id = fault,
	};

	if (ioctl(d->iommu->iommufd, IOMMU_HWPT_ALLOC, &args))
		return -errno;
	return args.out_hwpt_id;
}

static int attach(struct smtd *d, u32 flags, u32 pasid, u32 pt)
{
	struct vfio_device_attach_iommufd_pt args = {
		.argsz = sizeof(args),
		.flags = flags,
		.pt_id = pt,
		.pasid = pasid,
	};

	return err_of(ioctl(d->vfio->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &args));
}

static int detach(struct smtd *d, u32 flags, u32 pasid)
{
	struct vfio_device_detach_iommufd_pt args = {
		.argsz = sizeof(args),
		.flags = flags,
		.pasid = pasid,
	};

	return err_of(ioctl(d->vfio->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &args));
}

int smtd_attach(struct smtd *d, u32 pt)
{
	return attach(d, 0, 0, pt);
}

int smtd_detach(struct smtd *d)
{
	return detach(d, 0, 0);
}

int smtd_attach_pasid(struct smtd *d, u32 pasid, u32 pt)
{
	return attach(d, VFIO_DEVICE_ATTACH_PASID, pasid, pt);
}

int smtd_detach_pasid(struct smtd *d, u32 pasid)
{
	return detach(d, VFIO_DEVICE_DETACH_PASID, pasid);
}

struct smtd_faults smtd_faults_alloc(struct iommu *iommu)
{
	struct iommu_fault_alloc args = { .size = sizeof(args) };

	ioctl_assert(iommu->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &args);
	return (struct smtd_faults){ .id = args.out_fault_id, .fd = args.out_fault_fd };
}

void smtd_faults_close(struct smtd_faults *faults)
{
	VFIO_ASSERT_EQ(close(faults->fd), 0);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 && p.revents & POLLIN;
}

bool smtd_fault_is_there(struct smtd_faults *faults)
{
	return readable(faults->fd, 0);
}

bool smtd_fault_read(struct smtd_faults *faults, struct iommu_hwpt_pgfault *fault)
{
	return readable(faults->fd, SMTD_DEADLINE_MS) &&
	       read(faults->fd, fault, sizeof(*fault)) == sizeof(*fault);
}

int smtd_fault_respond(struct smtd_faults *faults, u32 cookie, bool success)
{
	struct iommu_hwpt_page_response resp = {
		.cookie = cookie,
		.code = success ? IOMMUFD_PAGE_RESP_SUCCESS : IOMMUFD_PAGE_RESP_INVALID,
	};

	if (write(faults->fd, &resp, sizeof(resp)) != sizeof(resp))
		return -errno;
	return 0;
}
