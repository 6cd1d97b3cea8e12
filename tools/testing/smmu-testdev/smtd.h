/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The smmu-testdev module: what its files share.
 *
 *	smtd_main.c	PCI driver, character device, BAR 0
 *	smtd_mem.c	memory that user space can see, DMA API, SVA
 *	smtd_domain.c	domains and attachments
 *	smtd_fault.c	the fault handler of domains
 *	smtd_reset.c	what surrounds a reset
 *
 * The module never touches a register of the function, so that it can be bound
 * to one that is dead.
 *
 * Who guarantees what
 * ===================
 * The module is there to show defects of the IOMMU core, so it must have none of
 * its own where the two meet. The core promises that after detach or replace has
 * returned no fault handler of the old attachment runs or will be called; then
 * the caller may free the attach handle and the domain. The module takes the
 * core at its word and frees both at once. What it uses itself when that promise
 * is broken stays allocated: struct smtd_att, smtd_domain and smtd_fault
 * are counted, and a running handler holds them. A use after free is therefore
 * always one of the core's objects (the attach handle, the iommu_domain, the
 * iopf group), and the first to touch it is a function of the core:
 *
 *  - the handler compares the pointer to the attach handle, but does not follow
 *    it; the core did, before it called the handler
 *  - what the handler needs of the faults is copied before it returns to the
 *    core; afterwards the group only goes to iopf_group_response() and
 *    iopf_free_group()
 *  - the iommu_domain is used under smtd_domain::lock, if it is still there
 *
 * The module also counts broken promises, so that a kernel without KASAN shows
 * them (late and stale of struct smtd_fault_stat).
 *
 * The module's text is the one thing it cannot keep for a core that calls the
 * handler with a stale handle: module exit waits for handlers that have begun.
 *
 * Locks, in the order in which they are taken
 * ===========================================
 *  smtd_dev::life	  ioctls hold it for reading and find pdev valid while dead
 *			  is not set. Removal and the last close hold it for
 *			  writing: no ioctl of that function runs then.
 *  smtd_dev::attach_lock the list atts, and that attach, replace and detach of the
 *			  function come one after another. Held while the core
 *			  detaches, thus perhaps while it waits for a handler: a
 *			  handler must not need it, nor what releases handlers.
 *  smtd_dev::reset_lock  prepares, and the calls to the core for them
 *  smtd_dev::lock	  the lists bufs and binds. Not held over calls to the core.
 *  smtd_domain_lock	  ids, smtd_domain::atts and ::orphan
 *  smtd_domain::lock	  smtd_domain::domain and ::maps. Handlers take it.
 *  smtd_dev::map_lock	  BAR 0 can be mapped, or no more. Taken by page faults, so
 *			  nothing under it may touch user memory.
 *  smtd_fault_lock	  (spinlock) the handler's side: see smtd_fault.c
 *  smtd_dev::open_lock	  (spinlock) opens and inode
 *  smtd_dev::count_lock  (spinlock) counts
 */
#ifndef SMTD_H
#define SMTD_H

#include <linux/iommu.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/maple_tree.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>

#include "regs.h"
#include "smmu_testdev_uapi.h"

/**
 * struct smtd_dev - a bound function
 * @ref: one for the driver's binding, one for each open file
 * @pdev: the function; valid under @life while @dead is not set
 * @misc: the character device
 * @name: its name
 * @group: the IOMMU group or NULL; as @pdev
 * @dma_domain: SMTD_DMA_*
 * @bar_start: physical address of BAR 0
 * @bar_bytes: its size, 0 if there is nothing to map
 * @life: see above
 * @dead: set when the function is unbound, under @life
 * @dying: removal has begun: loops shall end, handlers not be held. Set under
 *	smtd_fault_lock, read anywhere.
 * @map_lock: see above
 * @unmapped: no more views of BAR 0; under @map_lock
 * @lock: see above
 * @bufs: of struct smtd_buf
 * @binds: of struct smtd_bind
 * @attach_lock: see above
 * @atts: of struct smtd_att
 * @reset_lock: see above
 * @prepares: that await their done
 * @leave: they are not undone when the function is unbound
 * @open_lock: see above
 * @opens: open files
 * @inode: while there are open files, the one whose mapping they all share, so
 *	that removal finds every view of BAR 0
 * @count_lock: see above
 * @counts: calls of smtd_error_handlers
 */
struct smtd_dev {
	struct kref ref;
	struct pci_dev *pdev;
	struct miscdevice misc;
	char name[40];
	struct iommu_group *group;
	u32 dma_domain;
	phys_addr_t bar_start;
	u64 bar_bytes;

	struct rw_semaphore life;
	bool dead;
	bool dying;

	struct rw_semaphore map_lock;
	bool unmapped;

	struct mutex lock; /* bufs, binds */
	struct list_head bufs;
	struct list_head binds;

	struct mutex attach_lock; /* atts, and calls to the core for them */
	struct list_head atts;

	struct mutex reset_lock; /* prepares, leave */
	unsigned int prepares;
	bool leave;

	spinlock_t open_lock; /* opens, inode */
	unsigned int opens;
	struct inode *inode;

	spinlock_t count_lock; /* counts */
	struct smtd_counts counts;
};

/**
 * struct smtd_mem - pages that user space can map
 * @ref: one for the owner (buffer or mapping), one for a lookup
 * @id: in the array by which mmap() finds it
 * @count: number of pages
 * @pages: each with a reference of its own; a view in user space has another
 */
struct smtd_mem {
	refcount_t ref;
	u32 id;
	unsigned int count;
	struct page *pages[] __counted_by(count);
};

/**
 * struct smtd_domain - a domain of the module
 * @ref: one while @domain is set, one for each attachment, running handler and
 *	ioctl; keeps this structure, not @domain
 * @id: its number
 * @flags: SMTD_DOMAIN_*
 * @owner: function it was allocated for; only compared
 * @atts: attachments, begun ones included; while there are any, @domain is set
 * @orphan: the id is gone, the last attachment frees the domain
 * @lock: see above
 * @domain: the core's; NULL once it has been freed
 * @maps: of struct smtd_map, by IOVA
 * @mode: SMTD_FAULT_*; this and all that follows is under smtd_fault_lock
 * @then: answer after a hold
 * @hold_ms: longest hold, 0: no limit
 * @release: counts releases; a handler is held while it is what it was
 * @stat: counters for user space
 */
struct smtd_domain {
	refcount_t ref;
	u32 id;
	u32 flags;
	const struct smtd_dev *owner;
	unsigned int atts;
	bool orphan;

	struct mutex lock; /* domain, maps */
	struct iommu_domain *domain;
	struct maple_tree maps;

	u32 mode;
	u32 then;
	u32 hold_ms;
	u32 release;
	struct smtd_fault_stat stat;
};

/**
 * struct smtd_att - a domain attached to a function or to a PASID of it
 * @ref: one while attached, one for each running handler
 * @node: in smtd_dev::atts
 * @fault_node: in the list in which handlers look for @handle
 * @td: the function; only compared, once it is not attached any more
 * @domain: has a reference
 * @pasid: or IOMMU_NO_PASID
 * @handle: what the core got, or NULL if it got none. An allocation of its own,
 *	which is freed as soon as the core has returned from the detach.
 * @released: its handlers are not held (any more); under smtd_fault_lock
 * @begun: handlers that were called; under smtd_fault_lock
 * @finished: handlers that have decided; under smtd_fault_lock
 */
struct smtd_att {
	refcount_t ref;
	struct list_head node;
	struct list_head fault_node;
	struct smtd_dev *td;
	struct smtd_domain *domain;
	ioasid_t pasid;
	struct iommu_attach_handle *handle;
	bool released;
	u64 begun;
	u64 finished;
};

/*
 * From drivers/iommu/iommu-priv.h, which installed kernel headers do not have.
 * Exported in the namespace IOMMUFD_INTERNAL; the same in 7.2 and 7.3.
 */
int iommu_attach_group_handle(struct iommu_domain *domain,
			      struct iommu_group *group,
			      struct iommu_attach_handle *handle);
void iommu_detach_group_handle(struct iommu_domain *domain,
			       struct iommu_group *group);
int iommu_replace_group_handle(struct iommu_group *group,
			       struct iommu_domain *new_domain,
			       struct iommu_attach_handle *handle);
int iommu_replace_device_pasid(struct iommu_domain *domain,
			       struct device *dev, ioasid_t pasid,
			       struct iommu_attach_handle *handle);

/* smtd_mem.c */
struct smtd_mem *smtd_mem_alloc(u64 bytes, bool contiguous);
void smtd_mem_free(struct smtd_mem *mem);
u64 smtd_mem_offset(const struct smtd_mem *mem);
int smtd_mem_mmap(struct vm_area_struct *vma);
long smtd_ioctl_sva_bind(struct smtd_dev *td, void __user *uarg);
long smtd_ioctl_sva_unbind(struct smtd_dev *td, void __user *uarg);
long smtd_ioctl_dma_map(struct smtd_dev *td, void __user *uarg);
long smtd_ioctl_dma_unmap(struct smtd_dev *td, void __user *uarg);
long smtd_ioctl_traffic(struct smtd_dev *td, void __user *uarg);
void smtd_mem_teardown(struct smtd_dev *td);

/* smtd_domain.c */
long smtd_ioctl_domain_alloc(struct smtd_dev *td, void __user *uarg);
long smtd_ioctl_domain_free(void __user *uarg);
long smtd_ioctl_domain_attach(struct smtd_dev *td, void __user *uarg,
			      bool replace);
long smtd_ioctl_domain_detach(struct smtd_dev *td, void __user *uarg);
long smtd_ioctl_domain_map(void __user *uarg);
long smtd_ioctl_domain_unmap(void __user *uarg);
struct smtd_domain *smtd_domain_get(u32 id);
void smtd_domain_put(struct smtd_domain *d);
bool smtd_domain_allows(struct smtd_domain *d, u64 fault);
int smtd_domain_add(struct smtd_domain *d, unsigned long iova, size_t bytes,
		    int prot, u64 *offset, u64 *phys);
void smtd_domain_teardown(struct smtd_dev *td);

/* smtd_fault.c */
long smtd_ioctl_fault_mode(void __user *uarg);
long smtd_ioctl_fault_release(void __user *uarg);
long smtd_ioctl_fault_stat(void __user *uarg);
int smtd_iopf_handler(struct iopf_group *group);
void smtd_fault_publish(struct smtd_att *att);
void smtd_fault_retire(struct smtd_att *att);
void smtd_fault_let_go(struct smtd_att *att);
void smtd_fault_let_all_go(struct smtd_domain *d);
void smtd_fault_teardown(struct smtd_dev *td);
void smtd_fault_dying(struct smtd_dev *td);
void smtd_att_put(struct smtd_att *att);
void smtd_fault_exit(void);

/* smtd_reset.c */
long smtd_ioctl_reset_prepare(struct smtd_dev *td, void __user *uarg);
long smtd_ioctl_reset_done(struct smtd_dev *td, void __user *uarg);
void smtd_reset_teardown(struct smtd_dev *td, bool unbind);

#endif
