/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The gate and the pages behind it.
 *
 * Properties: when an invalidation has returned, its stated exception aside, no translated access to
 * the freed page is possible; after fence_dev() (and after an unfence_dev() that failed) no ATC_INV
 * is sent; a timeout that is not reported can only be one that a sign of life follows.
 *
 *	flusher(i)	unmaps page i: __arm_smmu_domain_inv_range() with TLBI, load of skip, ATC_INV and
 *			SYNC, blame(); under rcu_read_lock(). Its load of skip is hoisted before
 *			the TLBI or is not.
 *	attacher	replaces the domain of page OLD under group->mutex: the steps of
 *			arm_smmu_write_entry() and the ATC_INV of attach_commit
 *	resetter	prepare and done as far as the driver sees them: fence_dev, a window in which
 *			attach runs, then unfence_dev (reset OK) or nothing (FAILED); a fence without an
 *			unfence is also what the worker does
 *
 * All of them run for ever; nothing is bounded but their number.
 *
 * The device caches whatever it can as soon as it can and never drops anything by itself, ATS.E or
 * not, resets included: this is the worst device, so it needs no process and no choice.
 *
 * Left out: which device of a run is guilty (one device here), stalls, the words 1-7 of an entry
 * (they do not matter behind abort), ATS.E.
 */
/*
 * What is run (the fields are explained in scripts/kit/model.py):
 *
 * config: two flushers | -DFLUSHERS=2
 * config: flusher and attacher | -DFLUSHERS=1 -DATTACHERS=1
 * long: all of them | -DFLUSHERS=2 -DATTACHERS=1
 *
 * unreached: * | flusher resetter | -end- | they run for ever
 * unreached: flusher and attacher | attacher | -end- | it runs for ever
 * unreached: all of them | attacher | -end- | it runs for ever
 *
 * caught: BUG_SKIP_BEFORE_SYNC | two flushers | translated_access_to_freed_page | skip set with the stores
 * caught: BUG_SKIP_AFTER_FAILED_SYNC | two flushers | translated_access_to_freed_page | skip set whatever the SYNC says
 * caught: BUG_NO_GRACE | two flushers | sent_while_fenced | fence_dev() without a grace period
 * caught: BUG_NO_GRACE_UNFENCE | two flushers | translated_access_to_freed_page | unfence_dev() without one: a stale skip = 1
 * caught: BUG_NO_GRACE_UNFENCE ALT_GATE_SEQ ALT_SIGN_OF_LIFE_LAST | two flushers | timeout_not_reported | the same with gate_seq
 * caught: BUG_NO_SIGN_OF_LIFE | two flushers | translated_access_to_freed_page | opened without an ATC_INV
 * caught: BUG_NO_CLOSE_SEQ | two flushers | translated_access_to_freed_page | unfence_dev() opens over a close
 * caught: BUG_SHUT_NOT_COUNTED | two flushers | translated_access_to_freed_page | a close of a shut gate does not count
 * caught: BUG_ONE_SEQ ALT_GATE_SEQ | two flushers | translated_access_to_freed_page | one counter for close_seq and gate_seq
 * caught: BUG_GATE_SEQ_AT_OPEN ALT_GATE_SEQ ALT_SIGN_OF_LIFE_LAST | two flushers | timeout_not_reported | gate_seq counts openings, not unfences
 * caught: BUG_FENCE_BELIEVES_SHUT | two flushers | translated_access_to_freed_page | fence_dev() takes shut for synced
 * caught: BUG_UNFENCE_FAILS_UNSKIPPED | two flushers | sent_while_fenced | a failed unfence leaves skip clear
 * caught: BUG_ISOLATION_ENDS_FIRST | two flushers | translated_access_to_freed_page | port let go before the SYNC
 * caught: BUG_WRITER_CHECKS_ONCE | flusher and attacher | translated_access_to_freed_page | one check for all steps
 * caught: BUG_ATTACH_BELIEVES_SHUT | flusher and attacher | translated_access_to_freed_page | shut is not synced
 *
 * holds: ALT_SIGN_OF_LIFE_LAST | two flushers | the ATC_INV goes after skip was cleared
 * holds: ALT_GATE_SEQ | two flushers | blame looks whether the gate was opened since; the RCU section is enough
 * holds: ALT_GATE_SEQ ALT_SIGN_OF_LIFE_LAST | two flushers | the order of the design
 */
#ifndef FLUSHERS
#define FLUSHERS 2
#endif
#ifndef ATTACHERS
#define ATTACHERS 0
#endif
#define OLD	FLUSHERS
#define SAMPLERS (FLUSHERS + ATTACHERS)
#define ALL	((1 << SAMPLERS) - 1)

byte walk = ALL;	/* bit: the SMMU can still translate the page, by tables or TLB */
byte atc = ALL;		/* bit: the device holds its translation */
byte freed;		/* bit: the invalidation has returned and the page has another owner */
bit mutex;		/* group->mutex */
bit translated_access_to_freed_page;

#define REPORT(i)	true
inline opened() {
	atc = atc | (cfg && !isolated -> walk : 0);
	translated_access_to_freed_page = cfg && !isolated && (atc & freed);
	assert(!translated_access_to_freed_page)
}
inline atc_inv_all() {
	atc = 0;
	opened()
}

#include "rcu.inc"
#include "gate.inc"

inline free_page(i) {
	atomic { freed = freed | (1 << i); opened() }
}

inline tlbi(i) {
	walk = walk & ~(1 << i)
}

/* ATC_INV and SYNC of one run, and what follows a failure. */
inline atc_inv(i, pages, ok) {
	atomic { sent_while_fenced = fenced; assert(!sent_while_fenced) }
	if
	:: atomic { atc = atc & ~(pages); opened(); ok = 1 }
	:: true -> blame(i, ok)
	:: true -> soft_timeout(i, ok)
	fi
}

proctype flusher(byte i)
{
	bit s, ok;

	do
	::	/* The page is allocated and mapped. */
		atomic {
			freed = freed & ~(1 << i);
			walk = walk | (1 << i);
			opened();
			rcu_read_lock(i)
		}
		/* The CPU may load skip (and gate_seq) earlier than the program says. */
		if
#ifdef ALT_GATE_SEQ
		:: tlbi(i); s = skip; sample_gate_seq(i)
		:: s = skip; tlbi(i); sample_gate_seq(i)
		:: sample_gate_seq(i); tlbi(i); s = skip
		:: s = skip; sample_gate_seq(i); tlbi(i)
		:: sample_gate_seq(i); s = skip; tlbi(i)
#else
		:: tlbi(i); s = skip
		:: s = skip; tlbi(i)
#endif
		fi;
		if
		:: s -> ok = 1
		:: else -> atc_inv(i, 1 << i, ok)
		fi;
		atomic { rcu_read_unlock(i); sample_gate_seq(i); s = 0 }
		/* The flush has returned. */
		if
		:: ok -> free_page(i); ok = 0
		:: else		/* by the stated exception, and counted */
		fi
	od
}

#if ATTACHERS
proctype attacher()
{
	bit s, ok;

	do
	::	/* The old domain's page is allocated, mapped and attached in the meantime. */
		mutex_lock(mutex);
		atomic { freed = freed & ~(1 << OLD); walk = walk | (1 << OLD); opened() }
#ifdef BUG_WRITER_CHECKS_ONCE
		s = shut;
		if
		:: s
		:: else -> atomic { ste = OPEN; cfg = OPEN; opened() }
		fi;
#else
		/* arm_smmu_write_entry(): each compare-and-store looks at the flag under the gate lock. */
		atomic {
			if
			:: !shut -> ste = OPEN; cfg = OPEN; opened()
			:: else
			fi
		}
#endif
		cfgi_sync(ok);
		if
		:: ok ->
			/* What is cached is the new entry or abort: the old domain cannot be walked. */
			tlbi(OLD);
			sample_gate_seq(OLD);
#ifdef BUG_ATTACH_BELIEVES_SHUT
			s = shut;
#else
			s = skip;
#endif
			if
			:: s
			:: else -> atc_inv(OLD, ALL, ok)
			fi
		:: else
		fi;
		atomic { mutex_unlock(mutex); sample_gate_seq(OLD); s = 0 }
		if
		:: ok -> free_page(OLD); ok = 0
		:: else
		fi
	od
}
#endif

proctype resetter()
{
	bit ok, err;

	do
	::	mutex_lock(mutex);
		fence_dev(ok, err);
		mutex_unlock(mutex);
		mutex_lock(mutex);
		if
		:: !err ->
			unfence_dev(err);
			if
			:: err -> refence(ok, err)
			:: else
			fi
		:: true		/* the reset failed, or the fence did */
		fi;
		atomic { mutex_unlock(mutex); ok = 0; err = 0 }
	od
}

init {
	atomic {
		run flusher(0);
#if FLUSHERS > 1
		run flusher(1);
#endif
#if ATTACHERS
		run attacher();
#endif
		run resetter()
	}
}
