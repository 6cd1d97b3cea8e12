// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state machine of a device that is reset, or that is broken.
 *
 *	ACTIVE -----> RESETTING	prepare, fenced (or needs no fence)
 *	RESETTING --> ACTIVE	the reset succeeded, or nothing was done to a
 *				device that was ACTIVE; unfenced
 *	RESETTING --> QUARANTINED  it failed, or nothing was done to a device that
 *				was not ACTIVE or was reported; or the unfence failed
 *	ACTIVE -----> BROKEN	report
 *	RESETTING --> BROKEN	reported since it was reset
 *	BROKEN -----> QUARANTINED  the work item has fenced it
 *	BROKEN -----> RESETTING	prepare, fenced
 *	QUARANTINED -> RESETTING  prepare, fenced
 *
 * Whatever leaves the fence in doubt leads to BROKEN. Resets nest: the outermost
 * prepare fences, the outermost done unfences, and the last definite result of
 * them all decides.
 */
#include <kunit/visibility.h>
#include <linux/limits.h>

#include "iommu-recovery-fsm.h"

static enum iommu_recovery_action settle(struct iommu_recovery_fsm *fsm,
					 enum iommu_recovery_state state)
{
	*fsm = (struct iommu_recovery_fsm) {
		.state = state,
		.epoch = fsm->epoch,
	};
	return state == IOMMU_RECOVERY_BROKEN ? IOMMU_RECOVERY_ACT_QUEUE_WORK :
						IOMMU_RECOVERY_ACT_NONE;
}

static enum iommu_recovery_action begin_reset(struct iommu_recovery_fsm *fsm,
					      bool fenced)
{
	/*
	 * What a failed reset leads back to is the state after the fence: a
	 * report may have come while it was being closed.
	 */
	*fsm = (struct iommu_recovery_fsm) {
		.state = IOMMU_RECOVERY_RESETTING,
		.before = fsm->state,
		.result = IOMMU_RESET_NOT_DONE,
		.depth = 1,
		.fenced = fenced,
		.epoch = fsm->epoch,
	};
	return IOMMU_RECOVERY_ACT_NONE;
}

static enum iommu_recovery_action start(struct iommu_recovery_fsm *fsm,
					enum iommu_recovery_pending who,
					enum iommu_recovery_action action)
{
	fsm->pending = who;
	return action;
}

static enum iommu_recovery_action prepare(struct iommu_recovery_fsm *fsm,
					  bool fence)
{
	if (fsm->pending != IOMMU_RECOVERY_PENDING_NONE)
		return IOMMU_RECOVERY_ACT_WARN;

	if (fsm->state == IOMMU_RECOVERY_RESETTING) {
		if (fsm->depth == UINT_MAX)
			return IOMMU_RECOVERY_ACT_WARN;
		fsm->depth++;
		return IOMMU_RECOVERY_ACT_NONE;
	}

	if (!fence && fsm->state == IOMMU_RECOVERY_ACTIVE)
		return begin_reset(fsm, false);
	return start(fsm, IOMMU_RECOVERY_PENDING_PREPARE,
		     IOMMU_RECOVERY_ACT_FENCE);
}

static enum iommu_recovery_action done(struct iommu_recovery_fsm *fsm,
				       enum iommu_reset_result result)
{
	if (fsm->pending != IOMMU_RECOVERY_PENDING_NONE ||
	    fsm->state != IOMMU_RECOVERY_RESETTING)
		return IOMMU_RECOVERY_ACT_WARN;

	if (result != IOMMU_RESET_NOT_DONE)
		fsm->result = result;
	if (fsm->depth > 1) {
		fsm->depth--;
		return IOMMU_RECOVERY_ACT_NONE;
	}

	if (fsm->result == IOMMU_RESET_OK) {
		/*
		 * Before the device is let back: what it ignores from here on
		 * is of the new epoch, and is not answered by this reset.
		 */
		fsm->epoch++;
		fsm->reported = false;
	} else if (fsm->before != IOMMU_RECOVERY_ACTIVE || fsm->reported ||
		   (fsm->result == IOMMU_RESET_FAILED && fsm->fenced)) {
		return settle(fsm, fsm->fenced ? IOMMU_RECOVERY_QUARANTINED :
						 IOMMU_RECOVERY_BROKEN);
	}

	if (!fsm->fenced)
		return settle(fsm, IOMMU_RECOVERY_ACTIVE);
	return start(fsm, IOMMU_RECOVERY_PENDING_DONE,
		     IOMMU_RECOVERY_ACT_UNFENCE);
}

static enum iommu_recovery_action report(struct iommu_recovery_fsm *fsm)
{
	switch (fsm->state) {
	case IOMMU_RECOVERY_ACTIVE:
		/* Not settle(): a prepare may be closing the fence. */
		fsm->state = IOMMU_RECOVERY_BROKEN;
		return IOMMU_RECOVERY_ACT_QUEUE_WORK;
	case IOMMU_RECOVERY_RESETTING:
		fsm->reported = true;
		return IOMMU_RECOVERY_ACT_NONE;
	default:
		return IOMMU_RECOVERY_ACT_NONE;
	}
}

static enum iommu_recovery_action work(struct iommu_recovery_fsm *fsm)
{
	if (fsm->pending != IOMMU_RECOVERY_PENDING_NONE)
		return IOMMU_RECOVERY_ACT_WARN;
	if (fsm->state != IOMMU_RECOVERY_BROKEN)
		return IOMMU_RECOVERY_ACT_NONE;
	return start(fsm, IOMMU_RECOVERY_PENDING_WORK, IOMMU_RECOVERY_ACT_FENCE);
}

static enum iommu_recovery_action is_fenced(struct iommu_recovery_fsm *fsm)
{
	switch (fsm->pending) {
	case IOMMU_RECOVERY_PENDING_PREPARE:
		return begin_reset(fsm, true);
	case IOMMU_RECOVERY_PENDING_DONE:
	case IOMMU_RECOVERY_PENDING_WORK:
		return settle(fsm, IOMMU_RECOVERY_QUARANTINED);
	default:
		return IOMMU_RECOVERY_ACT_WARN;
	}
}

static enum iommu_recovery_action is_open(struct iommu_recovery_fsm *fsm)
{
	switch (fsm->pending) {
	case IOMMU_RECOVERY_PENDING_PREPARE:
		/* There is no reset, and no done will follow. */
		fsm->pending = IOMMU_RECOVERY_PENDING_NONE;
		return IOMMU_RECOVERY_ACT_NONE;
	case IOMMU_RECOVERY_PENDING_DONE:
		return settle(fsm, fsm->reported ? IOMMU_RECOVERY_BROKEN :
						   IOMMU_RECOVERY_ACTIVE);
	case IOMMU_RECOVERY_PENDING_WORK:
		return settle(fsm, IOMMU_RECOVERY_BROKEN);
	default:
		return IOMMU_RECOVERY_ACT_WARN;
	}
}

static enum iommu_recovery_action is_unsure(struct iommu_recovery_fsm *fsm)
{
	if (fsm->pending == IOMMU_RECOVERY_PENDING_NONE)
		return IOMMU_RECOVERY_ACT_WARN;
	return settle(fsm, IOMMU_RECOVERY_BROKEN);
}

/**
 * iommu_recovery_next() - what an event does to a device
 * @fsm: the state machine of the device
 * @event: what has happened
 *
 * A pure function: no other memory is read or written, and every pair of a state
 * and an event has an answer. An event that cannot come in this state, because its
 * sender broke the rules, gives %IOMMU_RECOVERY_ACT_WARN and an unchanged state.
 *
 * Context: any.
 * Return: the state machine after the event, and what has to be done next.
 */
struct iommu_recovery_step
iommu_recovery_next(const struct iommu_recovery_fsm *fsm,
		    enum iommu_recovery_event event)
{
	struct iommu_recovery_step step = {
		.fsm = *fsm,
		.action = IOMMU_RECOVERY_ACT_WARN,
	};

	switch (event) {
	case IOMMU_RECOVERY_PREPARE:
	case IOMMU_RECOVERY_PREPARE_COUNT:
		step.action = prepare(&step.fsm, event == IOMMU_RECOVERY_PREPARE);
		break;
	case IOMMU_RECOVERY_DONE_OK:
		step.action = done(&step.fsm, IOMMU_RESET_OK);
		break;
	case IOMMU_RECOVERY_DONE_FAILED:
		step.action = done(&step.fsm, IOMMU_RESET_FAILED);
		break;
	case IOMMU_RECOVERY_DONE_NOT_DONE:
		step.action = done(&step.fsm, IOMMU_RESET_NOT_DONE);
		break;
	case IOMMU_RECOVERY_REPORT:
		step.action = report(&step.fsm);
		break;
	case IOMMU_RECOVERY_WORK:
		step.action = work(&step.fsm);
		break;
	case IOMMU_RECOVERY_IS_FENCED:
		step.action = is_fenced(&step.fsm);
		break;
	case IOMMU_RECOVERY_IS_OPEN:
		step.action = is_open(&step.fsm);
		break;
	case IOMMU_RECOVERY_IS_UNSURE:
		step.action = is_unsure(&step.fsm);
		break;
	case IOMMU_RECOVERY_NR_EVENTS:
		break;
	}
	return step;
}
EXPORT_SYMBOL_IF_KUNIT(iommu_recovery_next);
