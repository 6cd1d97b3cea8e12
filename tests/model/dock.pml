/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The recovery state above a driver without a gate: the core docks the device on the blocking domain.
 *
 * Properties: no report is lost; a late report does not quarantine a device that has recovered; with
 * group->mutex free RESETTING and QUARANTINED mean docked and ACTIVE means attached; the driver is
 * always told the domain that the hardware was really on as `old`; the hardware is never on a domain
 * that its user has got back and may free.
 *
 *	reporter(i)	samples the epoch, sends an invalidation, reports its failure some time later; no RCU
 *			section and no gate sequence protects it
 *	attacher	replaces the domain: by the driver, or recorded while docked; the driver may refuse
 *	resetter	iommu_dev_reset_prepare() and iommu_dev_reset_done(), nested up to DEPTH; moving to
 *			the blocking domain may fail, and so may the way back
 *	worker		the work item of the device
 *	monitor		looks at the properties in every state
 *
 * All of them run for ever. One device, its RID only: PASIDs and groups are for KUnit.
 */
/*
 * What is run (the fields are explained in scripts/kit/model.py):
 *
 * config: two reporters | -DREPORTERS=2
 *
 * unreached: * | reporter attacher resetter worker monitor | -end- | they run for ever
 *
 * caught: BUG_EPOCH_AT_REPORT | two reporters | late_report_believed | the epoch is sampled when the report is made
 * caught: BUG_EPOCH_ON_NOT_DONE | two reporters | report_lost | the epoch moves though nothing was reset
 * caught: BUG_EPOCH_AFTER_UNFENCE | two reporters | late_report_believed | the epoch moves after the unfence
 * caught: BUG_NOT_DONE_RESTORES | two reporters | report_lost | NOT_DONE out of BROKEN goes back to ACTIVE
 * caught: BUG_STATE_BEFORE_FENCE | two reporters | report_lost | prepare remembers the state from before the fence
 * caught: BUG_REPORT_FORGOTTEN | two reporters | report_lost | done does not look for a report
 * caught: BUG_RECORDS_BY_STATE | two reporters | hardware_on_freed_domain | BROKEN is not docked yet: recording is wrong
 * caught: BUG_FAILED_UNDOCK_FORGOTTEN | two reporters | wrong_old_domain | blocked = false, as 7.3 does it
 */
#ifndef REPORTERS
#define REPORTERS 2
#endif
#ifndef DEPTH
#define DEPTH	  2
#endif
#define EPOCH_SAMPLERS	REPORTERS
#define BLOCKING	2

byte hw;		/* the domain that the hardware is on: 0, 1 or BLOCKING */
byte intended;		/* group->domain: 0 or 1 */
bit docked;
byte unused = 2;	/* bit: the user may free the domain */

bit docked_and_active_at_rest;
bit not_fenced;
bit wrong_old_domain;
bit hardware_on_freed_domain;

/* The attach op of the driver; new == old is possible after a failure. */
inline driver_attach(new, old, err) {
	atomic {
		wrong_old_domain = old != hw;
		assert(!wrong_old_domain);
		if
		:: hw = new; err = 0
		:: err = 1
		fi
	}
}

inline dock(err) {
	err = 0;
	if
	:: docked
	:: else ->
		driver_attach(BLOCKING, intended, err);
		if
		:: !err -> docked = 1
		:: else
		fi
	fi
}

inline undock(err) {
	driver_attach(intended, BLOCKING, err);
#ifdef BUG_FAILED_UNDOCK_FORGOTTEN
	docked = 0;
	err = 0
#else
	if
	:: !err -> docked = 0
	:: else
	fi
#endif
}

#define FENCE(err)	dock(err)
#define UNFENCE(err)	undock(err)
#define REFENCE(err)	err = 0		/* it is still docked */

#include "rcu.inc"
#include "core.inc"

proctype reporter(byte i)
{
	do
	::	atomic { sample_epoch(i) }
		/* The invalidation is sent and fails. */
		atomic { iommu_report_device_broken(i) }
	od
}

proctype attacher()
{
	byte old;
	bit err;

	do
	::	mutex_lock(mutex);
		old = intended;
		unused = 0;
#ifdef BUG_RECORDS_BY_STATE
		if
		:: st != ACTIVE ->
#else
		if
		:: docked ->
#endif
			intended = 1 - old;
			err = 0
		:: else ->
			driver_attach(1 - old, old, err);
			if
			:: !err -> intended = 1 - old
			:: else
			fi
		fi;
		mutex_unlock(mutex);
		atomic { unused = 1 << (1 - intended); old = 0; err = 0 }
	od
}

proctype resetter()
{
	bit err, unfenced, failed;
	byte inside;
	mtype result;

	do
	:: inside < DEPTH ->
		iommu_dev_reset_prepare(err);
		if
		:: !err -> inside++
		:: else -> err = 0
		fi
	:: inside > 0 ->
		if
		:: result = OK
		:: result = FAILED
		:: result = NOT_DONE
		fi;
		inside--;
		iommu_dev_reset_done(result, err, unfenced, failed);
		atomic { err = 0; unfenced = 0 }
	od
}

proctype worker()
{
	bit err;

end:	do
	:: recovery_work(err); err = 0
	od
}

proctype monitor()
{
end:	do
	:: d_step {
		docked_and_active_at_rest = !mutex && st == ACTIVE && docked;
		assert(!docked_and_active_at_rest);
		not_fenced = !mutex && (st == RESETTING || st == QUARANTINED) && hw != BLOCKING;
		assert(!not_fenced);
		report_lost = !mutex && owed && (st == ACTIVE || (st == BROKEN && !work && !working));
		assert(!report_lost);
		hardware_on_freed_domain = (unused >> hw) & 1;
		assert(!hardware_on_freed_domain)
	}
	od
}

init {
	atomic {
		run reporter(0);
#if REPORTERS > 1
		run reporter(1);
#endif
		run attacher();
		run resetter();
		run worker();
		run monitor()
	}
}
