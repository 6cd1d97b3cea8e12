/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The recovery state above a driver with a gate.
 *
 * Properties: no report is lost (one that no successful reset answers ends in QUARANTINED, and no
 * unfence lets the device back before); a late report does not quarantine a device that has
 * recovered; with group->mutex free the gate is shut exactly when the state is not ACTIVE; RESETTING
 * and QUARANTINED mean fenced; after a failed reset nothing is opened.
 *
 *	flusher(i)	a flush with an ATC_INV: skip, blame(), iommu_report_device_broken()
 *			under the gate lock
 *	resetter	iommu_dev_reset_prepare() and iommu_dev_reset_done(), nested up to DEPTH, with any
 *			results in any order
 *	worker		the work item of the device
 *	monitor		looks at the properties in every state
 *
 * All of them run for ever; nothing is bounded but their number and DEPTH. Pages are gate.pml's.
 * Callers of prepare and done exclude each other by device_lock, so there is one resetter.
 */
/*
 * What is run (the fields are explained in scripts/kit/model.py):
 *
 * config: two flushers | -DFLUSHERS=2 -DDEPTH=2
 * config: three deep | -DFLUSHERS=1 -DDEPTH=3
 *
 * unreached: * | flusher resetter worker monitor | -end- | they run for ever
 *
 * caught: BUG_EPOCH_AFTER_UNFENCE | three deep | shut_and_active_at_rest | a report during the unfence is dropped
 * caught: BUG_REPORT_FORGOTTEN | three deep | shut_and_active_at_rest | done does not look for a report
 * caught: BUG_NOT_DONE_RESTORES | three deep | report_lost | NOT_DONE out of BROKEN goes back to ACTIVE
 * caught: BUG_STATE_BEFORE_FENCE | three deep | report_lost | prepare remembers the state from before the fence
 * caught: BUG_FENCE_FAILS_AS_BEFORE | three deep | shut_and_active_at_rest | a failed fence leaves the state as it was
 * caught: BUG_REPORT_AFTER_RCU | three deep | late_report_believed | reported after rcu_read_unlock()
 * caught: BUG_INNER_DONE_OPENS | three deep | open_inside_a_reset | the inner done unfences
 * caught: BUG_LAST_RESULT_WINS | three deep | opened_after_failure | NOT_DONE wins over FAILED
 * caught: BUG_NO_CLOSE_SEQ | three deep | open_and_not_active | unfence_dev() opens over a close
 * caught: BUG_GATE_SEQ_AT_OPEN ALT_GATE_SEQ ALT_SIGN_OF_LIFE_LAST | three deep | timeout_not_reported | gate_seq counts openings, not unfences
 * caught: BUG_NO_GRACE | three deep | sent_while_fenced | fence_dev() without a grace period
 * caught: BUG_UNFENCE_FAILS_UNSKIPPED | three deep | sent_while_fenced | a failed unfence leaves skip clear
 *
 * holds: ALT_SIGN_OF_LIFE_LAST | three deep | the ATC_INV goes after skip was cleared
 * holds: ALT_GATE_SEQ ALT_SIGN_OF_LIFE_LAST | three deep | the order of the design
 */
#ifndef FLUSHERS
#define FLUSHERS 2
#endif
#ifndef DEPTH
#define DEPTH	 2
#endif
#define GATE
#define SAMPLERS	FLUSHERS
#define EPOCH_SAMPLERS	FLUSHERS

bit shut_and_active_at_rest;
bit open_and_not_active;
bit not_fenced;
bit open_inside_a_reset;
bit closing;		/* a close that is not reported yet; only where the two are not one step */
byte inside;	/* prepares that await their done */

#define REPORT(i)	iommu_report_device_broken(i)
#define FENCE(err)	fence_dev(ok, err)
#define UNFENCE(err)	unfence_dev(err)
#define REFENCE(err)	refence(ok, err)
inline opened() {
	true
}
inline atc_inv_all() {
	true
}
#include "rcu.inc"
#include "core.inc"
#include "gate.inc"

proctype flusher(byte i)
{
	bit s, ok;

	do
	::	rcu_read_lock(i);
		if
		:: s = skip; sample_gate_seq(i)
		:: sample_gate_seq(i); s = skip
		fi;
		if
		:: s
		:: else ->
			atomic { sample_epoch(i); sent_while_fenced = fenced; assert(!sent_while_fenced) }
#ifdef BUG_REPORT_AFTER_RCU
			if
			:: true
			:: true ->
				atomic { close_stores(); closing = 1 }
				cfgi_sync(ok);
				skip_if_still_shut(ok);
				rcu_read_unlock(i);
				atomic { REPORT(i); closing = 0 }
			fi
#else
			if
			:: true		/* answered */
			:: true -> blame(i, ok)
			:: true -> soft_timeout(i, ok)
			fi
#endif
		fi;
		atomic { rcu_read_unlock(i); sample_gate_seq(i); sample_epoch(i); s = 0; ok = 0 }
	od
}

proctype resetter()
{
	bit ok, err, unfenced, failed;
	mtype result;

	do
	:: inside < DEPTH ->
		iommu_dev_reset_prepare(err);
		if
		:: !err -> inside++
		:: else -> err = 0	/* whoever cannot refuse the reset calls no done */
		fi
	:: inside > 0 ->
		if
		:: result = OK
		:: result = FAILED
		:: result = NOT_DONE
		fi;
		inside--;
		iommu_dev_reset_done(result, err, unfenced, failed);
		atomic { err = 0; ok = 0; unfenced = 0 }
	od
}

proctype worker()
{
	bit ok, err;

end:	do
	:: recovery_work(err); err = 0; ok = 0
	od
}

proctype monitor()
{
end:	do
	:: d_step {
		shut_and_active_at_rest = !mutex && st == ACTIVE && shut && !closing;
		assert(!shut_and_active_at_rest);
		open_and_not_active = !mutex && st != ACTIVE && !shut;
		assert(!open_and_not_active);
		report_lost = !mutex && owed && (st == ACTIVE || (st == BROKEN && !work && !working));
		assert(!report_lost);
		not_fenced = !mutex && (st == RESETTING || st == QUARANTINED) && !fenced;
		assert(!not_fenced);
		open_inside_a_reset = inside && !shut;
		assert(!open_inside_a_reset)
	}
	od
}

init {
	atomic {
		run flusher(0);
#if FLUSHERS > 1
		run flusher(1);
#endif
		run resetter();
		run worker();
		run monitor()
	}
}
