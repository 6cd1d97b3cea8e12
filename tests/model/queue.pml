/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who is to blame: the command queue, GERROR, and the submitters of ATC_INVs.
 *
 * Properties: when a submitter returns, each ATC_INV of its run is done or its device is blamed; a
 * device that answers is never blamed; no command is overwritten before the SMMU has consumed it; nobody
 * waits for ever.
 *
 *	submitter(i)	an invalidation of device GUILTY, of the innocent one, or of both in one run:
 *			arm_smmu_cmdq_issue_cmdlist() (take slots, shared lock, clear the error bits, publish, wait
 *			for the SYNC, test the bits, unlock), then each device alone when a run of both failed
 *	smmu		consumes in order; an ATC_INV of GUILTY may time out; the SYNC after it raises CMDQ_ERR,
 *			once or again, and everything since the SYNC before it is void
 *	interrupt	the GERROR handler; a waiter polls GERROR as well, under the same gerror_lock
 *
 * A queue of Q slots that wraps; all run for ever. GIVE_UP: the wait may end before the SYNC has completed
 * (the submitter then returns by the stated exception); a command that was given up may then be taken for
 * the next one of the same kind, so this configuration is about slots and waiting, not about who is
 * noticed. Left out: MSI completion, several queues, probes
 * that are cut short by the budget, the order in which two submitters publish (it is that of the slots).
 */
/*
 * What is run (the fields are explained in scripts/kit/model.py):
 *
 * config: interrupt and polling |
 * config: polling alone | -DNO_INTERRUPT
 * config: given up | -DNO_INTERRUPT -DGIVE_UP -DONE_DEVICE_RUNS
 *
 * unreached: * | smmu submitter | -end- | they run for ever
 * unreached: interrupt and polling | interrupt | -end- | it runs for ever
 *
 * caught: BUG_NO_OWN_SYNC | interrupt and polling | innocent_blamed | another run's SYNC takes the error
 * caught: BUG_BLAMES_THE_RUN | polling alone | innocent_blamed | all devices of a failed run are blamed
 * caught: BUG_ONE_LAST_ERROR | interrupt and polling | timeout_unnoticed | one "last error" for all slots
 * caught: BUG_ACKNOWLEDGED_FIRST | interrupt and polling | timeout_unnoticed | acknowledged before the bit is set
 * caught: BUG_NO_GERROR_LOCK | interrupt and polling | innocent_blamed | handler and waiter take the same error
 * caught: BUG_CLEARED_AFTER_PUBLISHING | interrupt and polling | timeout_unnoticed | the bits are cleared too late
 * caught: BUG_TESTED_AFTER_UNLOCK | interrupt and polling | innocent_blamed | the slot has another owner by then
 * caught: BUG_GIVEN_UP_IS_CONSUMED | given up | command_overwritten | a wait given up frees its slots, as in 7.3
 * caught: BUG_SPACE_NOT_POLLED | given up | invalid end state | nobody looks at GERROR while the queue is full
 */
#include "rcu.inc"

#define Q		4
#define WRAP		(2 * Q - 1)
#define GUILTY		0
#define INNOCENT	1
#define SYNC		7
#define ATC_INV(i, d)	(2 * (i) + (d))
#define BOTH		3

byte slot[Q];
byte prod;		/* positions, modulo 2 * Q: the next free slot */
byte published;
byte cons;		/* the SMMU's */
byte seen_cons;		/* the driver's copy, which says what is free */
byte holders;		/* of the queue's shared lock */
byte error_bits;	/* one for each slot */
bit gerror;		/* GERROR.CMDQ_ERR is active: the SMMU has stopped at slot cons */
bit gerror_lock;

byte undone;		/* bit ATC_INV(i, d): sent or to be sent, and not known to be done */
byte pending;		/* those that the next SYNC completes */
bit timed_out;

bit command_overwritten;
bit innocent_blamed;
bit timeout_unnoticed;

#define AHEAD(a, b)	(((a) - (b)) & WRAP)
#define ONES(n)		((1 << (n)) - 1)
#define AT(position)	((position) & (Q - 1))
#define MASK(start, n)	((ONES(n) << AT(start) | ONES(n) >> (Q - AT(start))) & ONES(Q))	/* n slots, wrapping */

active proctype smmu()
{
	byte command;

end:	do
	:: atomic { !gerror && cons != published -> command = slot[cons & (Q - 1)] }
		if
		:: command == SYNC ->
			if
			:: timed_out -> atomic { gerror = 1; pending = 0 }
				if
				:: timed_out = 0
				:: true			/* the error repeats */
				fi
			:: else -> atomic { undone = undone & ~pending; pending = 0; cons = (cons + 1) & WRAP }
			fi
		:: else ->
			if
			:: (command & 1) == GUILTY -> timed_out = 1
			:: true
			fi;
			atomic { pending = pending | (1 << command); cons = (cons + 1) & WRAP }
		fi;
		command = 0
	od
}

/* Under gerror_lock: the bit of the failing slot first, then the acknowledgement lets the SMMU go on. */
inline handle_gerror() {
#ifndef BUG_NO_GERROR_LOCK
	mutex_lock(gerror_lock);
#endif
	if
	:: gerror ->
#ifdef BUG_ACKNOWLEDGED_FIRST
		gerror = 0;
		error_bits = error_bits | (1 << (cons & (Q - 1)))
#else
#ifdef BUG_ONE_LAST_ERROR
		error_bits = 1 << (cons & (Q - 1));
#else
		error_bits = error_bits | (1 << (cons & (Q - 1)));
#endif
		gerror = 0
#endif
	:: else
	fi;
#ifndef BUG_NO_GERROR_LOCK
	mutex_unlock(gerror_lock)
#endif
}

inline clear_bits(start, n) {
	atomic { error_bits = error_bits & ~MASK(start, n) }
}

inline test_bits(start, n, failed) {
	atomic { failed = (error_bits & MASK(start, n)) != 0 }
}

/* A contiguous run: the ATC_INVs of `devices`, and a SYNC of its own. */
inline issue_cmdlist(i, devices, sync, failed, gave_up) {
	n = (devices & 1) + (devices >> 1) + sync;
	do
	:: atomic { AHEAD(prod, seen_cons) + n <= Q ->
			start = prod;
			prod = (prod + n) & WRAP;
			holders = holders + sync }
		break
	:: atomic { AHEAD(prod, seen_cons) + n > Q && !holders && seen_cons != cons -> seen_cons = cons }
#ifndef BUG_SPACE_NOT_POLLED
	:: AHEAD(prod, seen_cons) + n > Q && gerror -> handle_gerror()
#endif
	od;
#ifndef BUG_CLEARED_AFTER_PUBLISHING
	clear_bits(start, n);
#endif
	/* Published in the order of the slots. */
	atomic { published == start ->
		command_overwritten = AHEAD(start + n, cons) > Q;
		assert(!command_overwritten);
		at = start;
		if
		:: devices & 1 -> slot[at & (Q - 1)] = ATC_INV(i, 0); at++
		:: else
		fi;
		if
		:: devices & 2 -> slot[at & (Q - 1)] = ATC_INV(i, 1); at++
		:: else
		fi;
		if
		:: sync -> slot[at & (Q - 1)] = SYNC
		:: else
		fi;
		at = 0;
		published = (start + n) & WRAP
	}
#ifdef BUG_CLEARED_AFTER_PUBLISHING
	clear_bits(start, n);
#endif
	if
	:: sync ->
		do
		:: AHEAD(cons, start) >= n && AHEAD(cons, start) <= Q -> break
		:: gerror -> handle_gerror()
#ifdef GIVE_UP
		:: true -> gave_up = 1; break
#endif
		od;
#ifdef BUG_TESTED_AFTER_UNLOCK
		atomic { holders--; seen_cons = (holders -> seen_cons : cons) }
		test_bits(start, n, failed)
#else
		test_bits(start, n, failed);
#ifdef BUG_GIVEN_UP_IS_CONSUMED
		/* As 7.3 does it: whatever was waited for is taken as consumed. */
		atomic { holders--; seen_cons = (holders -> seen_cons : (gave_up -> (start + n) & WRAP : cons)) }
#else
		atomic { holders--; seen_cons = (holders -> seen_cons : cons) }
#endif
#endif
	:: else
	fi;
	start = 0;
	n = 0
}

proctype submitter(byte i)
{
	byte devices, alone, blamed, start, n, at;
	bit failed, gave_up;

	do
	::	if
		:: devices = 1 << GUILTY
		:: devices = 1 << INNOCENT
#ifndef ONE_DEVICE_RUNS
		:: devices = BOTH
#endif
		fi;
		atomic { undone = undone | (devices << (2 * i)) }
#ifdef BUG_NO_OWN_SYNC
		if
		:: devices == BOTH ->
			issue_cmdlist(i, 1 << GUILTY, 0, failed, gave_up);
			issue_cmdlist(i, 1 << INNOCENT, 1, failed, gave_up)
		:: else -> issue_cmdlist(i, devices, 1, failed, gave_up)
		fi;
#else
		issue_cmdlist(i, devices, 1, failed, gave_up);
#endif
		if
		:: !failed || gave_up
		:: failed && !gave_up && devices != BOTH -> blamed = devices
#ifndef ONE_DEVICE_RUNS
		:: failed && !gave_up && devices == BOTH ->
			/* The failure voids the innocent's as well: everything again, each alone. */
#ifdef BUG_BLAMES_THE_RUN
			blamed = BOTH;
#else
			alone = 1;
			do
			:: alone < BOTH && !gave_up ->
				issue_cmdlist(i, alone, 1, failed, gave_up);
				blamed = blamed | (failed -> alone : 0);
				alone++
			:: else -> break
			od
#endif
#endif
		fi;
		atomic {
			innocent_blamed = !gave_up && (blamed & (1 << INNOCENT));
			assert(!innocent_blamed);
			timeout_unnoticed = !gave_up && ((undone >> (2 * i)) & BOTH & ~blamed);
			assert(!timeout_unnoticed);
			/* Given up: its commands are nobody's business any more. */
			undone = undone & ~(BOTH << (2 * i));
			devices = 0; alone = 0; blamed = 0; failed = 0; gave_up = 0
		}
	od
}

#ifndef NO_INTERRUPT
active proctype interrupt()
{
end:	do
	:: gerror -> handle_gerror()
	od
}
#endif

init {
	atomic {
		run submitter(0);
		run submitter(1)
	}
}
