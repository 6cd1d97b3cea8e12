/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recovery of devices that are reset, or that are broken: private to the IOMMU core.
 *
 * A driver can have a gate: with ops->fence_dev() it stops all of the device at one
 * place, whatever is attached, and attach operations go on as ever. For all others
 * the core fences a device by docking it: it moves RID and PASIDs to blocking
 * domains, while group->domain and group->pasid_array keep what is to be attached
 * again. What is attached meanwhile is refused or recorded.
 *
 * Locks. group->mutex covers everything that fences, unfences and attaches, and all
 * of struct iommu_recovery but what @lock covers. @lock is raw and a leaf. A state
 * is changed under both, only a report comes with @lock alone: whoever has the
 * mutex sees nothing change but ACTIVE to BROKEN, and a report being remembered.
 *
 * Lifetime. From iommu_recovery_join(), as the device enters the list of its group,
 * until it is released: iommu_recovery_kill() under group->mutex, the driver's
 * release_device(), unlock, then iommu_recovery_free(), which waits for the work
 * item. That takes the mutex, and dev->iommu_group is gone by then, so the state has
 * a reference to the group of its own. dev->iommu is gone as well: the work item
 * must not touch it without the mutex.
 */
#ifndef __IOMMU_RECOVERY_H
#define __IOMMU_RECOVERY_H

#include <linux/iommu.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "iommu-recovery-fsm.h"

/**
 * struct iommu_recovery - recovery state of a device
 * @dev: the device
 * @group: its group, with a reference
 * @work: fences the device when it is BROKEN, or @fence_again is set
 * @lock: protects @fsm, @reason, @reported, @count and @fence_again
 * @fsm: the state machine
 * @reason: why it is not ACTIVE
 * @reported: reason of the report that @fsm remembers
 * @count: how often it was quarantined
 * @fence_again: it is to be fenced and let back
 * @told: what user space was told last, ACTIVE or QUARANTINED
 * @told_reason: and why
 * @complained: the log says already that it cannot be fenced
 * @dead: the device has been removed
 * @attached: the driver has attached the RID to something
 * @gated: the driver's gate is shut, or may be
 * @docked: the fence holds it: all PASIDs are with the blocking domain, and so is
 *	the RID where @on_blocking says so
 * @on_blocking: the RID is on group->blocking_domain, whatever group->domain is.
 *	Also set where an attach that must succeed could not, and the device was
 *	parked there
 * @left: PASIDs of group->pasid_array to which the driver has attached nothing:
 *	their process exited before the end of a reset, or they are older than the
 *	device
 */
struct iommu_recovery {
	struct device *dev;
	struct iommu_group *group;
	struct delayed_work work;

	raw_spinlock_t lock;
	struct iommu_recovery_fsm fsm;
	enum iommu_broken_reason reason;
	enum iommu_broken_reason reported;
	unsigned int count;
	bool fence_again;

	enum iommu_recovery_state told;
	enum iommu_broken_reason told_reason;
	bool complained;
	bool dead;
	bool attached;
	bool gated;
	bool docked;
	bool on_blocking;
	struct xarray left;
};

/* What iommu.c tells about a group and does to a device; group->mutex is held */
struct mutex *iommu_group_mutex(struct iommu_group *group);
struct device *iommu_group_next_dev(struct iommu_group *group,
				    struct device *dev);
struct iommu_domain *iommu_group_domain(struct iommu_group *group);
struct iommu_domain *iommu_group_blocking_domain(struct iommu_group *group);
struct iommu_domain *iommu_group_next_pasid(struct iommu_group *group,
					    unsigned long *pasid);
int iommu_group_alloc_blocking_domain(struct iommu_group *group);
int __iommu_attach_device(struct iommu_domain *domain, struct device *dev,
			  struct iommu_domain *old);
void iommu_remove_dev_pasid(struct device *dev, ioasid_t pasid,
			    struct iommu_domain *domain);

#define iommu_group_for_each(group, dev)				\
	for (dev = iommu_group_next_dev(group, NULL); dev;		\
	     dev = iommu_group_next_dev(group, dev))

static inline struct iommu_recovery *dev_iommu_recovery(struct device *dev)
{
	/* Pairs with iommu_recovery_join(): with the pointer comes the group. */
	return dev->iommu ? smp_load_acquire(&dev->iommu->recovery) : NULL;
}

static inline void iommu_recovery_assert_locked(struct iommu_recovery *recovery)
{
	lockdep_assert_held(iommu_group_mutex(recovery->group));
}

/*
 * What user space was not told yet. Found under group->mutex, told without: a
 * uevent allocates. All of it is taken along, for once the mutex is released the
 * device may be removed under the work item, and dev->iommu is gone.
 */
struct iommu_recovery_news {
	bool any;
	bool require_direct;
	enum iommu_recovery_state state;
	enum iommu_broken_reason reason;
};

/* iommu-recovery-user.c; news are found with group->mutex held */
extern const char * const iommu_recovery_state_names[];
extern const char * const iommu_broken_reason_names[];

struct iommu_recovery_news
iommu_recovery_news(struct iommu_recovery *recovery);
void iommu_recovery_tell(struct iommu_recovery *recovery,
			 struct iommu_recovery_news *news);

/* iommu-recovery.c to iommu-recovery-dock.c, and back */
enum iommu_recovery_state iommu_recovery_state(struct iommu_recovery *recovery);
bool iommu_recovery_needs_fence(struct iommu_recovery *recovery);
enum iommu_recovery_event iommu_recovery_fence(struct iommu_recovery *recovery,
					       int *err);
enum iommu_recovery_event iommu_recovery_unfence(struct iommu_recovery *recovery);
bool iommu_recovery_same_rid(struct device *a, struct device *b);
bool iommu_recovery_is_wanted(struct device *dev, struct iommu_recovery *except);
bool iommu_recovery_is_held(struct iommu_recovery *recovery);
int iommu_recovery_let_go(struct iommu_recovery *recovery);

/* For the life of a device in iommu.c */
struct iommu_recovery *iommu_recovery_alloc(struct device *dev,
					    struct iommu_group *group);
void iommu_recovery_join(struct iommu_recovery *recovery);
void iommu_recovery_kill(struct iommu_recovery *recovery);
void iommu_recovery_release_others(struct iommu_recovery *recovery);
void iommu_recovery_free(struct iommu_recovery *recovery);
void iommu_recovery_create_files(struct device *dev);
void iommu_recovery_remove_files(struct device *dev);

/* For attach and detach in iommu.c; group->mutex is held */
bool iommu_recovery_group_is_resetting(struct iommu_group *group);
bool iommu_recovery_holds_rid(struct device *dev);
bool iommu_recovery_holds_pasids(struct device *dev);
struct iommu_domain *iommu_recovery_old_domain(struct device *dev,
					       struct iommu_domain *domain);
void iommu_recovery_attached(struct device *dev);
void iommu_recovery_park(struct device *dev, bool on_blocking);
bool iommu_recovery_pasid_is_left(struct device *dev, ioasid_t pasid);
void iommu_recovery_forget_pasid(struct device *dev, ioasid_t pasid);
int iommu_recovery_leave_pasids(struct device *dev);
void iommu_recovery_detach_pasids(struct device *dev);
bool iommu_recovery_must_fence(struct device *dev);
int iommu_recovery_fence_unattached(struct device *dev);

#endif /* __IOMMU_RECOVERY_H */
