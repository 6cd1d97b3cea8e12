/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Removal of a device: how long the master, the recovery state and the group live.
 *
 * Properties: no command is sent for, and nothing is read of, a master that was freed; nobody uses the
 * recovery state, dev->iommu or the group after they were freed; nobody waits for ever.
 *
 *	flusher(0)	__arm_smmu_domain_inv_range(): loads the invalidation array, and with it the master
 *	flusher(1)	arm_vsmmu_cache_invalidate(): finds the master by the guest's stream ID
 *	worker		the work item; it sends its uevent after it has unlocked group->mutex
 *	resetter	a reset under device_lock: prepare, then done
 *	remover		iommu_release_device(): marks the recovery state dead, release_device() of the
 *			driver, cancel_work_sync(), the last references
 *
 * One removal; the others run until they see that the device is gone. The gate is reduced to what it
 * touches, and the state to ACTIVE, BROKEN and QUARANTINED: recovery.pml has the rest.
 */
/*
 * What is run (the fields are explained in scripts/kit/model.py):
 *
 * config: one removal |
 *
 * unreached: * | worker | -end- | it runs for ever
 *
 * caught: BUG_FREE_WITHOUT_RCU | one removal | command_to_freed_master | release_device() without synchronize_rcu()
 * caught: BUG_GUEST_OUTSIDE_RCU | one removal | command_to_freed_master | the guest's block is issued outside RCU
 * caught: BUG_BLAME_OUTSIDE_RCU | one removal | command_to_freed_master | blame() after rcu_read_unlock()
 * caught: BUG_WORKER_IGNORES_DEAD | one removal | command_to_freed_master | the worker fences a removed device
 * caught: BUG_CANCEL_UNDER_MUTEX | one removal | invalid end state | cancel_work_sync() under group->mutex
 * caught: BUG_CANCEL_FORGOTTEN | one removal | use_of_freed_group | no cancel_work_sync()
 * caught: BUG_GROUP_PUT_FIRST | one removal | use_of_freed_group | the group is put before the work is cancelled
 * caught: BUG_RECOVERY_FREED_BEFORE_RELEASE | one removal | use_of_freed_recovery | reporters outlive the state
 * caught: BUG_TELLS_FROM_DEV_IOMMU | one removal | use_of_freed_dev_iommu | the work item looks into dev->iommu for its uevent
 * caught: BUG_RESET_WITHOUT_DEVICE_LOCK | one removal | command_to_freed_master | a reset runs into the removal
 * caught: BUG_RESET_OF_GONE_DEVICE | one removal | command_to_freed_master | device_lock alone does not keep a device
 */
#define FLUSHERS 2
#define skip	gate_skip	/* the design's name is a keyword of Promela */

bit mutex;		/* group->mutex */
bit device_lock;
bit gone;		/* device_del() has begun: no driver and no reset finds the device any more */
byte linked = 3;	/* bit i: flusher i finds the master (array, table of vdevices) */
bit dead;		/* in the recovery state */
bit broken;
bit skip;
bit work;
bit working;

bit master_freed;
bit recovery_freed;
bit dev_iommu_freed;	/* dev->iommu, which has the pointer to the recovery state */
byte group_refs = 2;	/* the device's and the recovery state's */

bit command_to_freed_master;
bit use_of_freed_recovery;
bit use_of_freed_dev_iommu;
bit use_of_freed_group;

#include "rcu.inc"

inline use_master() {
	d_step { command_to_freed_master = master_freed; assert(!command_to_freed_master) }
}
inline use_recovery() {
	d_step { use_of_freed_recovery = recovery_freed; assert(!use_of_freed_recovery) }
}
inline use_dev_iommu() {
	d_step { use_of_freed_dev_iommu = dev_iommu_freed; assert(!use_of_freed_dev_iommu) }
}
inline group_lock() {
	atomic { mutex == 0 -> mutex = 1; use_of_freed_group = !group_refs; assert(!use_of_freed_group) }
}
inline group_unlock() {
	atomic { use_of_freed_group = !group_refs; assert(!use_of_freed_group); mutex = 0 }
}

/* As recovery.pml, without the lock of the state: removal does not lean on it. */
inline iommu_report_device_broken() {
	use_recovery();
	if
	:: dead
	:: else ->
		use_recovery();
		broken = 1;
		atomic { use_recovery(); work = 1 }
	fi
}

inline fence_dev() {
	use_master();	/* stores, CFGI_STE and SYNC */
	use_master();
	skip = 1
}

proctype flusher(byte i)
{
	bit found;

	do
	::
#ifdef BUG_GUEST_OUTSIDE_RCU
		if
		:: i == 0 -> rcu_read_lock(i)
		:: else
		fi;
#else
		rcu_read_lock(i);
#endif
		found = (linked >> i) & 1;
		if
		:: !found -> rcu_read_unlock(i); break
		:: else
		fi;
		use_master();
		if
		:: skip
		:: else ->
			use_master();		/* ATC_INV and SYNC */
			if
			:: true			/* answered */
			:: true ->
#ifdef BUG_BLAME_OUTSIDE_RCU
				rcu_read_unlock(i);
#endif
				use_master();	/* blame(): the stores of the close */
				iommu_report_device_broken();
				use_master();	/* CFGI_STE and SYNC, skip */
				skip = 1
			fi
		fi;
		atomic { rcu_read_unlock(i); found = 0 }
	od
}

proctype worker()
{
end:	do
	:: atomic { work -> work = 0; working = 1 }
		use_recovery();		/* its group pointer */
		group_lock();
		use_recovery();
		if
#ifndef BUG_WORKER_IGNORES_DEAD
		:: dead
#endif
		:: else ->
			if
			:: broken ->
				fence_dev();
				use_dev_iommu();	/* number of PASIDs, require_direct */
				if
				:: broken = 0
				:: work = 1	/* the fence failed: again later */
				fi
			:: else
			fi
		fi;
		group_unlock();
#ifdef BUG_TELLS_FROM_DEV_IOMMU
		use_dev_iommu();
#endif
		use_recovery();		/* uevent, log */
		working = 0
	od
}

proctype resetter()
{
	do
	::
#ifdef BUG_RESET_WITHOUT_DEVICE_LOCK
		if
		:: gone -> break
		:: else
		fi;
#else
		mutex_lock(device_lock);
#ifndef BUG_RESET_OF_GONE_DEVICE
		if
		:: gone -> mutex_unlock(device_lock); break
		:: else
		fi;
#endif
#endif
		use_recovery();
		group_lock();
		fence_dev();
		use_dev_iommu();
		group_unlock();
		/* The reset. */
		use_recovery();
		group_lock();
		if
		:: true -> use_master(); skip = 0; broken = 0	/* unfence_dev() */
		:: true
		fi;
		group_unlock();
#ifndef BUG_RESET_WITHOUT_DEVICE_LOCK
		mutex_unlock(device_lock)
#endif
	od
}

/* The driver's: the master leaves every array and table, then nobody reports it any more, then it goes. */
inline release_device() {
	atomic { linked = linked & ~1 }
	linked = 0;
	use_master();		/* its stream table entries go to abort, CFGI_STE and SYNC */
#ifndef BUG_FREE_WITHOUT_RCU
	synchronize_rcu();
#endif
	master_freed = 1
}

inline cancel_work_sync() {
	work = 0;
	(!working)
}

inline put_group() {
	group_refs--
}

inline free_recovery() {
#ifdef BUG_GROUP_PUT_FIRST
	put_group();
	cancel_work_sync();
#else
#ifndef BUG_CANCEL_FORGOTTEN
	cancel_work_sync();
#endif
	put_group();
#endif
	recovery_freed = 1
}

proctype remover()
{
	mutex_lock(device_lock);
	gone = 1;
	mutex_unlock(device_lock);
	group_lock();
	dead = 1;
#ifdef BUG_RECOVERY_FREED_BEFORE_RELEASE
	group_unlock();
	free_recovery();
	group_lock();
	release_device();
	group_unlock();
	put_group()
#else
	release_device();
#ifdef BUG_CANCEL_UNDER_MUTEX
	cancel_work_sync();
#endif
	dev_iommu_freed = 1;
	group_unlock();
	put_group();		/* dev->iommu_group */
	free_recovery()
#endif
}

init {
	atomic {
		run flusher(0);
		run flusher(1);
		run worker();
		run resetter();
		run remover()
	}
}
