/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * User interface of the smmu-testdev kernel module.
 *
 * Each function bound to the module has a character device
 * /dev/smmu_testdev-BDF, for example /dev/smmu_testdev-0000:01:00.0. Opening it
 * needs CAP_SYS_RAWIO: with the device's DMA engine an open file reaches
 * whatever is mapped for the device.
 *
 * The function's registers (regs.h) are not reached by ioctl but by mmap() of
 * BAR 0 at offset 0, or of sysfs' resource0.
 *
 * What an ioctl makes belongs to the function through whose file it was made,
 * not to the file: any file of that function can undo it. When the last file of
 * a function is closed, or the function is unbound or removed, whatever is left
 * is undone in this order: prepares, SVA binds, DMA mappings, attachments,
 * domains. Handlers held for its attachments are let go first.
 *
 * Domain ids are valid in the files of all functions; a domain belongs to the
 * function it was allocated for. If that one goes while another is still
 * attached, the id goes at once and the domain with the last attachment.
 *
 * Errors of all ioctls: ENODEV, the function is unbound or gone (the file
 * remains open and valid); EFAULT, the argument cannot be read or written, and
 * nothing was done or all was undone; EINVAL, a reserved field is not zero or a
 * value is out of range; ENOTTY, no such ioctl; EINTR, killed while waiting.
 */
#ifndef SMMU_TESTDEV_UAPI_H
#define SMMU_TESTDEV_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SMTD_UAPI_VERSION	1

/* Largest DMA buffer (SMTD_IOC_DMA_MAP, SMTD_IOC_TRAFFIC) and domain mapping */
#define SMTD_MAX_DMA_BYTES	(4u << 20)
#define SMTD_MAX_MAP_BYTES	(16u << 20)
/* Buffers of SMTD_IOC_TRAFFIC, and their sizes in sum */
#define SMTD_MAX_BUFFERS	256
#define SMTD_MAX_TRAFFIC_BYTES	(64u << 20)

/* Stands for "requests without PASID" wherever a PASID is asked for */
#define SMTD_NO_PASID		0xffffffffu

#define SMTD_IOC_MAGIC		0xbd

/**
 * struct smtd_info - what the module knows about the function
 * @version: SMTD_UAPI_VERSION
 * @dma_domain: type of the DMA API's domain, one of SMTD_DMA_*. With
 *	SMTD_DMA_STRICT every unmap invalidates before it returns; with
 *	SMTD_DMA_LAZY invalidations are collected and SMTD_IOC_DMA_UNMAP proves
 *	nothing about them.
 * @max_pasids: PASIDs below this can be used; 0: none can
 * @group: number of the IOMMU group, -1 without an IOMMU
 * @bar_bytes: size of BAR 0, which mmap() offers at offset 0; 0: no memory BAR
 * @page_bytes: unit of SMTD_IOC_DOMAIN_MAP
 * @reserved: 0
 */
struct smtd_info {
	__u32 version;
	__u32 dma_domain;
#define SMTD_DMA_NONE		0	/* no IOMMU */
#define SMTD_DMA_IDENTITY	1
#define SMTD_DMA_STRICT		2
#define SMTD_DMA_LAZY		3
#define SMTD_DMA_OTHER		4
	__u32 max_pasids;
	__s32 group;
	__u64 bar_bytes;
	__u32 page_bytes;
	__u32 reserved;
};

#define SMTD_IOC_INFO		_IOR(SMTD_IOC_MAGIC, 0, struct smtd_info)

/**
 * struct smtd_counts - calls of the driver's struct pci_error_handlers
 * @count: number of calls by kind (SMTD_CALL_*) since the function was bound
 * @total: number of calls of all kinds
 * @last: the last calls by kind; call number n, from 0, is at
 *	n % SMTD_CALLS_KEPT
 */
struct smtd_counts {
#define SMTD_CALL_DETECTED_NORMAL	0	/* voted CAN_RECOVER */
#define SMTD_CALL_DETECTED_FROZEN	1	/* voted NEED_RESET */
#define SMTD_CALL_DETECTED_FAILURE	2	/* voted DISCONNECT */
#define SMTD_CALL_MMIO_ENABLED		3	/* voted RECOVERED */
#define SMTD_CALL_SLOT_RESET		4	/* state restored, RECOVERED */
#define SMTD_CALL_RESUME		5
#define SMTD_CALL_RESET_PREPARE		6
#define SMTD_CALL_RESET_DONE		7
#define SMTD_CALL_KINDS			8
	__u32 count[SMTD_CALL_KINDS];
	__u32 total;
#define SMTD_CALLS_KEPT			32
	__u8 last[SMTD_CALLS_KEPT];
};

#define SMTD_IOC_COUNTS		_IOR(SMTD_IOC_MAGIC, 1, struct smtd_counts)

/**
 * struct smtd_sva_bind - bind the address space of a process
 * @pid: process in the caller's PID namespace, 0 for the caller itself. It
 *	need not be the caller's child, but then nothing keeps the number from
 *	being used again.
 * @pasid: out, the PASID with which the device reaches that address space
 *
 * Every call adds a bind; the second one of the same process gives the same
 * PASID and needs a second unbind. The bind does not keep the process or its
 * memory: when it exits the PASID reaches nothing, and still has to be unbound.
 *
 * Errors: ESRCH, no such process, it has exited or has no memory of its own;
 * EBUSY, the PASID is taken (SMTD_IOC_DOMAIN_ATTACH), or a reset is going on; what
 * iommu_sva_bind_device() returns.
 */
struct smtd_sva_bind {
	__s32 pid;
	__u32 pasid;
};

#define SMTD_IOC_SVA_BIND		_IOWR(SMTD_IOC_MAGIC, 2, struct smtd_sva_bind)

/**
 * struct smtd_sva_unbind - undo one bind
 * @pasid: as SMTD_IOC_SVA_BIND gave it
 * @reserved: 0
 *
 * Errors: ENOENT, this function has no such bind.
 */
struct smtd_sva_unbind {
	__u32 pasid;
	__u32 reserved;
};

#define SMTD_IOC_SVA_UNBIND		_IOW(SMTD_IOC_MAGIC, 3, struct smtd_sva_unbind)

/* Directions of DMA API mappings, as enum dma_data_direction has them */
#define SMTD_BIDIRECTIONAL	0
#define SMTD_TO_DEVICE		1
#define SMTD_FROM_DEVICE	2

/**
 * struct smtd_dma_map - allocate a buffer and map it by dma_map_page()
 * @bytes: size, up to SMTD_MAX_DMA_BYTES; rounded up to pages
 * @direction: SMTD_BIDIRECTIONAL, SMTD_TO_DEVICE or SMTD_FROM_DEVICE
 * @handle: out, for SMTD_IOC_DMA_UNMAP
 * @iova: out, address for the device
 * @mmap_offset: out, mmap() of this file shows the buffer there. The view
 *	stays valid after the unmap and keeps the pages from being used for
 *	anything else, so that a test can see what a device writes too late.
 * @phys: out, physical address of the buffer, for the device's oracle
 *
 * The buffer is zeroed and physically contiguous. A view of it is coherent with
 * the device only on a coherent platform, as QEMU's is.
 *
 * Errors: ENOMEM; EIO, the DMA API refused.
 */
struct smtd_dma_map {
	__u64 bytes;
	__u32 direction;
	__u32 handle;
	__u64 iova;
	__u64 mmap_offset;
	__u64 phys;
};

#define SMTD_IOC_DMA_MAP		_IOWR(SMTD_IOC_MAGIC, 4, struct smtd_dma_map)

/**
 * struct smtd_dma_unmap - dma_unmap_page() and free
 * @handle: as SMTD_IOC_DMA_MAP gave it
 * @reserved: 0
 * @ns: out, what dma_unmap_page() took. With a strict domain (struct
 *	smtd_info) this includes the invalidation and its wait.
 *
 * Errors: ENOENT, no such handle. With EFAULT the unmap was done.
 */
struct smtd_dma_unmap {
	__u32 handle;
	__u32 reserved;
	__u64 ns;
};

#define SMTD_IOC_DMA_UNMAP		_IOWR(SMTD_IOC_MAGIC, 5, struct smtd_dma_unmap)

/**
 * struct smtd_traffic - streaming map and unmap in the caller's context
 * @rounds: how often; at least 1
 * @buffers: buffers mapped, then unmapped, in each round
 * @direction: as in struct smtd_dma_map
 * @bytes: size of each; at most SMTD_MAX_DMA_BYTES each and
 *	SMTD_MAX_TRAFFIC_BYTES in sum
 * @done: out, rounds done; fewer than @rounds after a signal
 * @ns: out, time of all rounds
 * @unmap_ns: out, part of it spent in dma_unmap_page()
 * @max_unmap_ns: out, longest single dma_unmap_page()
 *
 * Errors: EINTR, a signal before the first round was done; ENOMEM; EIO; ENODEV
 * also when the function is unbound meanwhile.
 */
struct smtd_traffic {
	__u64 rounds;
	__u32 buffers;
	__u32 direction;
	__u64 bytes;
	__u64 done;
	__u64 ns;
	__u64 unmap_ns;
	__u64 max_unmap_ns;
};

#define SMTD_IOC_TRAFFIC		_IOWR(SMTD_IOC_MAGIC, 6, struct smtd_traffic)

/**
 * struct smtd_domain_alloc - allocate a paging domain for this function
 * @flags: SMTD_DOMAIN_*
 * @id: out
 *
 * Errors: what iommu_paging_domain_alloc_flags() returns.
 */
struct smtd_domain_alloc {
	__u32 flags;
#define SMTD_DOMAIN_FAULT	0x1	/* faults go to the module's handler */
#define SMTD_DOMAIN_PASID	0x2	/* IOMMU_HWPT_ALLOC_PASID */
#define SMTD_DOMAIN_PARENT	0x4	/* IOMMU_HWPT_ALLOC_NEST_PARENT */
	__u32 id;
};

#define SMTD_IOC_DOMAIN_ALLOC	_IOWR(SMTD_IOC_MAGIC, 7, struct smtd_domain_alloc)

/**
 * struct smtd_domain_id - names a domain
 * @id: as SMTD_IOC_DOMAIN_ALLOC gave it
 * @reserved: 0
 *
 * SMTD_IOC_DOMAIN_FREE undoes all mappings of the domain and frees it. EBUSY:
 * something is still attached. A handler that is still held (which the core
 * must not allow after the last detach) is let go after the free.
 *
 * SMTD_IOC_FAULT_RELEASE lets go every handler of the domain that is held now.
 *
 * Errors: ENOENT, no such domain.
 */
struct smtd_domain_id {
	__u32 id;
	__u32 reserved;
};

#define SMTD_IOC_DOMAIN_FREE	_IOW(SMTD_IOC_MAGIC, 8, struct smtd_domain_id)

/**
 * struct smtd_domain_attach - attach a domain to this function
 * @id: domain, allocated for this or another function
 * @pasid: PASID below max_pasids of struct smtd_info and not 0, or
 *	SMTD_NO_PASID for what the function sends without one
 *
 * SMTD_IOC_DOMAIN_ATTACH attaches where nothing of this module is attached;
 * without a PASID in place of the DMA API's domain, and then for the whole
 * IOMMU group, whoever its other members belong to.
 *
 * SMTD_IOC_DOMAIN_REPLACE puts the domain where another one of this module is.
 *
 * Faults of a domain with SMTD_DOMAIN_FAULT reach the module from the moment of
 * the attach. PASIDs of SVA come from a global allocator that begins at 1 and
 * takes the lowest free one: choose high numbers here.
 *
 * Errors: ENOENT, no such domain, or nothing to replace; EBUSY, something is
 * attached there, or a reset is going on; EOPNOTSUPP, no IOMMU or no PASIDs;
 * what the core's attach functions return.
 */
struct smtd_domain_attach {
	__u32 id;
	__u32 pasid;
};

#define SMTD_IOC_DOMAIN_ATTACH	_IOW(SMTD_IOC_MAGIC, 9, struct smtd_domain_attach)
#define SMTD_IOC_DOMAIN_REPLACE	_IOW(SMTD_IOC_MAGIC, 10, struct smtd_domain_attach)

/**
 * struct smtd_domain_detach - detach what is attached to this function
 * @pasid: as it was attached
 * @reserved: 0
 *
 * Without a PASID the DMA API's domain is back afterwards. A kernel that waits
 * for fault handlers in its detach makes this wait for held ones, uninterrupted;
 * release them from another thread, or give SMTD_IOC_FAULT_MODE a time.
 *
 * Errors: ENOENT, nothing is attached there.
 */
struct smtd_domain_detach {
	__u32 pasid;
	__u32 reserved;
};

#define SMTD_IOC_DOMAIN_DETACH	_IOW(SMTD_IOC_MAGIC, 11, struct smtd_domain_detach)

/**
 * struct smtd_domain_map - map zeroed memory of the module into a domain
 * @id: domain
 * @flags: SMTD_MAP_READ, SMTD_MAP_WRITE or both
 * @iova: page aligned, within the domain's aperture
 * @bytes: multiple of the page size, up to SMTD_MAX_MAP_BYTES
 * @mmap_offset: out, as in struct smtd_dma_map
 * @phys: out, physical address of the first page; the others need not follow it
 *
 * Errors: ENOENT, no such domain; EEXIST, part of the range is mapped; ENOMEM;
 * what iommu_map() returns.
 */
struct smtd_domain_map {
	__u32 id;
	__u32 flags;
#define SMTD_MAP_READ		0x1
#define SMTD_MAP_WRITE		0x2
	__u64 iova;
	__u64 bytes;
	__u64 mmap_offset;
	__u64 phys;
};

#define SMTD_IOC_DOMAIN_MAP		_IOWR(SMTD_IOC_MAGIC, 12, struct smtd_domain_map)

/**
 * struct smtd_domain_unmap - undo a mapping and free its memory
 * @id: domain
 * @reserved: 0
 * @iova: first address of a mapping
 * @bytes: its size; a page for one made by a fault
 * @ns: out, what iommu_unmap() took, invalidation included
 *
 * Errors: ENOENT, no such domain or mapping. With EFAULT the unmap was done.
 */
struct smtd_domain_unmap {
	__u32 id;
	__u32 reserved;
	__u64 iova;
	__u64 bytes;
	__u64 ns;
};

#define SMTD_IOC_DOMAIN_UNMAP	_IOWR(SMTD_IOC_MAGIC, 13, struct smtd_domain_unmap)

/**
 * struct smtd_fault_mode - what the handler of a domain does
 * @id: domain with SMTD_DOMAIN_FAULT
 * @mode: SMTD_FAULT_*, for faults from now on. INVALID at first.
 * @then: for SMTD_FAULT_HOLD, the answer when let go: SUCCESS, INVALID or FAILURE
 * @hold_ms: for SMTD_FAULT_HOLD, milliseconds after which the handler goes on
 *	by itself; 0: never. At most SMTD_MAX_HOLD_MS.
 *
 * Errors: ENOENT, no such domain; EOPNOTSUPP, it takes no faults.
 */
struct smtd_fault_mode {
	__u32 id;
	__u32 mode;
#define SMTD_FAULT_SUCCESS	0	/* maps a page where none is, "retry" */
#define SMTD_FAULT_INVALID	1	/* IOMMU_PAGE_RESP_INVALID */
#define SMTD_FAULT_FAILURE	2	/* IOMMU_PAGE_RESP_FAILURE */
#define SMTD_FAULT_HOLD		3	/* sleeps in the fault workqueue */
#define SMTD_FAULT_REFUSE	4	/* returns an error: the core answers */
	__u32 then;
	__u32 hold_ms;
#define SMTD_MAX_HOLD_MS	3600000
};

#define SMTD_IOC_FAULT_MODE		_IOW(SMTD_IOC_MAGIC, 14, struct smtd_fault_mode)
#define SMTD_IOC_FAULT_RELEASE	_IOW(SMTD_IOC_MAGIC, 15, struct smtd_domain_id)

/**
 * struct smtd_fault_stat - what the handler of a domain has seen
 * @id: domain
 * @held: out, handlers that sleep now
 * @begun: out, calls of the handler by the core
 * @finished: out, of these, the ones that have decided on their answer; they
 *	give it right after
 * @late: out, handlers that had begun and not finished when the detach or
 *	replace of their attachment returned. Must be 0: that is the core's promise.
 * @stale: out, calls of any handler of this module, for whatever domain, with an
 *	attach handle whose detach or replace had returned. Must be 0. A handle's
 *	memory is used again, so that a stale call can also look like a good one.
 * @mapped: out, pages that SMTD_FAULT_SUCCESS mapped
 * @refused: out, calls that returned an error to the core
 * @last_pasid: out, PASID of the last fault, or SMTD_NO_PASID
 * @last_perm: out, IOMMU_FAULT_PERM_* of it
 * @last_addr: out, address of it
 * @mmap_offset: out, of the page mapped last, as in struct smtd_dma_map
 *
 * Errors: ENOENT, no such domain.
 */
struct smtd_fault_stat {
	__u32 id;
	__u32 held;
	__u64 begun;
	__u64 finished;
	__u64 late;
	__u64 stale;
	__u64 mapped;
	__u64 refused;
	__u32 last_pasid;
	__u32 last_perm;
	__u64 last_addr;
	__u64 mmap_offset;
};

#define SMTD_IOC_FAULT_STAT		_IOWR(SMTD_IOC_MAGIC, 16, struct smtd_fault_stat)

/**
 * struct smtd_reset_prepare - iommu_dev_reset_prepare()
 * @flags: SMTD_RESET_LEAVE: prepares are not undone when the function is unbound, so
 *	that it can be removed inside of its reset. One that is unbound and not
 *	removed stays fenced until the next boot.
 * @reserved: 0
 *
 * The function is fenced afterwards, as for a reset, until the matching
 * SMTD_IOC_RESET_DONE. Nothing is done to the function itself. Prepares nest, also
 * with the resets of the PCI core. What is left when the last file is closed or the
 * function is unbound is undone by SMTD_RESET_NOT_DONE.
 *
 * Errors: EOPNOTSUPP, this kernel has no such call; what that returns.
 */
struct smtd_reset_prepare {
	__u32 flags;
#define SMTD_RESET_LEAVE	0x1
	__u32 reserved;
};

#define SMTD_IOC_RESET_PREPARE	_IOW(SMTD_IOC_MAGIC, 17, struct smtd_reset_prepare)

/**
 * struct smtd_reset_done - iommu_dev_reset_done()
 * @result: what has become of the reset
 * @flags: SMTD_RESET_UNPAIRED: although this module has no prepare left. That is
 *	a bug of the caller, for which the kernel warns once. Inside a reset of the
 *	PCI core it would end that one.
 *
 * Errors: ENOENT, there is no prepare left (without SMTD_RESET_UNPAIRED);
 * EOPNOTSUPP, this kernel has no such call.
 */
struct smtd_reset_done {
	__u32 result;
#define SMTD_RESET_NOT_DONE	0
#define SMTD_RESET_OK		1
#define SMTD_RESET_FAILED	2
	__u32 flags;
#define SMTD_RESET_UNPAIRED	0x1
};

#define SMTD_IOC_RESET_DONE	_IOW(SMTD_IOC_MAGIC, 18, struct smtd_reset_done)

#endif
