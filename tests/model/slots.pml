/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which slots of the command queue are used again, when CMD_SYNCs are completed by MSIs and waits are given
 * up.
 *
 * Properties: no command is overwritten before the SMMU has consumed it; no MSI is written to a slot that
 * has another command by then; nobody waits for ever.
 *
 *	submitter	arm_smmu_cmdq_issue_run(): takes slots, holds the lock shared, publishes, waits for the
 *			MSI in the slot of its CMD_SYNC, or gives up (arm_smmu_cmdq_give_up_sync()); the last
 *			holder moves the copy of CONS (arm_smmu_cmdq_reusable())
 *	filler		commands without a CMD_SYNC; where the queue is full and nobody holds the lock it moves
 *			the copy (arm_smmu_cmdq_consumed())
 *	smmu		consumes in order
 *	msi		writes the completions in the order of the CMD_SYNCs, as late as it likes
 *
 * A queue of Q slots that wraps; all run for ever. A slot that is used again while its MSI is outstanding is the
 * defect. Left out: the second after which an MSI that was lost is not waited for any more; what happens between
 * taking slots and publishing them, which queue.pml has; and memory order (an acquire follows the trylock and the
 * last tryunlock).
 */
/*
 * config: late completions |
 *
 * unreached: * | smmu submitter filler msi | -end- | they run for ever
 *
 * caught: BUG_NOT_OWED | late completions | late_msi | CONS alone says what is free
 * caught: BUG_OWED_AFTER_UNLOCK | late completions | late_msi | the last holder does not know of the slot
 * caught: BUG_SYNCED_WITHOUT_MSI | late completions | late_msi | a CMD_SYNC that is consumed counts as a later one that has completed
 * caught: BUG_GIVEN_UP_IS_CONSUMED | late completions | command_overwritten | a wait given up frees its slots, as in 7.3
 * caught: BUG_NEVER_FREED | late completions | invalid end state | a slot that is owed an MSI stays so when it has come
 */
#define Q		4
#define WRAP		(2 * Q - 1)
#define AHEAD(a, b)	(((a) - (b)) & WRAP)
#define AT(position)	((position) & (Q - 1))
#ifdef BUG_NEVER_FREED
#define BLOCKED(position)	owed[AT(position)]
#else
#define BLOCKED(position)	(owed[AT(position)] && word[AT(position)])
#endif

byte prod;		/* positions, modulo 2 * Q: the next free slot */
byte cons;		/* the SMMU's */
byte seen_cons;		/* the driver's copy */
byte holders;		/* of the lock, shared */
bit is_sync[Q];
bit word[Q];		/* what an MSI clears */
bit owed[Q];
bit outstanding[Q];	/* an MSI will be written there */

chan msis = [Q] of { byte };

bit command_overwritten;
bit late_msi;

active proctype smmu()
{
end:	do
	:: atomic { cons != prod && (!is_sync[AT(cons)] || nfull(msis)) ->
			if
			:: is_sync[AT(cons)] ->
				msis!AT(cons);
				outstanding[AT(cons)] = 1;
				is_sync[AT(cons)] = 0
			:: else
			fi;
			cons = (cons + 1) & WRAP }
	od
}

active proctype msi()
{
	byte slot;

end:	do
	:: atomic { msis?slot -> word[slot] = 0; outstanding[slot] = 0; slot = 0 }
	od
}

/* Where the copy of CONS may go, up to @to; the caller is the only one who moves it. */
inline reusable(to, synced, at) {
	at = seen_cons;
	do
	:: at == to || (!synced && BLOCKED(at)) -> break
	:: else -> owed[AT(at)] = 0; at = (at + 1) & WRAP
	od;
	seen_cons = at
}

/* A CMD_SYNC, or another command; inside of atomic */
inline insert(start, completes) {
	start = prod;
	command_overwritten = AHEAD(start + 1, cons) > Q;
	assert(!command_overwritten);
	late_msi = outstanding[AT(start)];
	assert(!late_msi);
	is_sync[AT(start)] = completes;
	word[AT(start)] = completes;
	prod = (start + 1) & WRAP
}

proctype submitter()
{
	byte sync, to, at;
	bit synced;

	do
	::	atomic { AHEAD(prod, seen_cons) < Q ->
			insert(sync, 1);
			holders++ }
		if
		:: !word[AT(sync)] -> synced = 1; to = (sync + 1) & WRAP
		:: true ->			/* given up */
#ifndef BUG_NOT_OWED
#ifndef BUG_OWED_AFTER_UNLOCK
			owed[AT(sync)] = 1;
#endif
#endif
			atomic {
				if
				:: AHEAD(cons, sync) >= 1 && AHEAD(cons, sync) <= Q -> to = (sync + 1) & WRAP;
#ifdef BUG_SYNCED_WITHOUT_MSI
					synced = 1
#endif
				:: else ->
#ifdef BUG_GIVEN_UP_IS_CONSUMED
					to = sync
#else
					to = cons
#endif
				fi
			}
		fi;
		if
		:: holders > 1 -> atomic { holders--; at = 0 }
		:: holders == 1 ->
			reusable(to, synced, at);
			holders--
		fi;
#ifdef BUG_OWED_AFTER_UNLOCK
		if
		:: !synced -> owed[AT(sync)] = 1
		:: else
		fi;
#endif
		atomic { sync = 0; to = 0; at = 0; synced = 0 }
	od
}

active proctype filler()
{
	byte start, at;

	do
	:: atomic { AHEAD(prod, seen_cons) < Q -> insert(start, 0); start = 0 }
	:: atomic { AHEAD(prod, seen_cons) == Q && !holders && seen_cons != cons && !BLOCKED(seen_cons) ->
			reusable(cons, 0, at);
			at = 0 }
	od
}

init {
	atomic {
		run submitter();
		run submitter()
	}
}
