/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine of a device that is reset, or that is broken: private to the IOMMU core.
 *
 * A device is *fenced* when nothing that it sends can reach memory through the
 * IOMMU, no invalidation to it is outstanding, and none will be sent. Whether it
 * has to be, and until when, is decided here, by one pure function that can be
 * tested without any hardware. iommu-recovery.c carries out what it says.
 */
#ifndef __IOMMU_RECOVERY_FSM_H
#define __IOMMU_RECOVERY_FSM_H

#include <linux/iommu.h>
#include <linux/types.h>

/**
 * enum iommu_recovery_state - what is known about a device
 * @IOMMU_RECOVERY_ACTIVE: nothing is wrong with it
 * @IOMMU_RECOVERY_RESETTING: between a prepare and the done that belongs to it
 * @IOMMU_RECOVERY_BROKEN: it has to be fenced, which is not confirmed yet; the
 *	work item does that
 * @IOMMU_RECOVERY_QUARANTINED: fenced until a reset succeeds
 * @IOMMU_RECOVERY_NR_STATES: how many there are
 */
enum iommu_recovery_state {
	IOMMU_RECOVERY_ACTIVE,
	IOMMU_RECOVERY_RESETTING,
	IOMMU_RECOVERY_BROKEN,
	IOMMU_RECOVERY_QUARANTINED,
	IOMMU_RECOVERY_NR_STATES,
};

/**
 * enum iommu_recovery_event - what can happen to a device
 * @IOMMU_RECOVERY_PREPARE: a reset begins, and the device must be fenced for it
 * @IOMMU_RECOVERY_PREPARE_COUNT: a reset begins that needs no fence, since
 *	nothing is cached outside of the IOMMU. The same as
 *	@IOMMU_RECOVERY_PREPARE where the device is BROKEN or QUARANTINED. Inside of
 *	another reset both only count: the outermost one has decided
 * @IOMMU_RECOVERY_DONE_OK: a reset has ended, and the device was reset
 * @IOMMU_RECOVERY_DONE_FAILED: a reset has ended, and the device is in no known
 *	state
 * @IOMMU_RECOVERY_DONE_NOT_DONE: a reset has ended that never began; the device
 *	is as it was
 * @IOMMU_RECOVERY_REPORT: the device has ignored an invalidation that was sent
 *	in this epoch
 * @IOMMU_RECOVERY_WORK: the work item runs
 * @IOMMU_RECOVERY_IS_FENCED: the action has ended; the device is fenced
 * @IOMMU_RECOVERY_IS_OPEN: the action has ended; the device is as it was before
 *	%IOMMU_RECOVERY_ACT_FENCE, which has failed; or it is unfenced, as
 *	%IOMMU_RECOVERY_ACT_UNFENCE wanted
 * @IOMMU_RECOVERY_IS_UNSURE: the action has failed, and neither is certain
 * @IOMMU_RECOVERY_NR_EVENTS: how many there are
 */
enum iommu_recovery_event {
	IOMMU_RECOVERY_PREPARE,
	IOMMU_RECOVERY_PREPARE_COUNT,
	IOMMU_RECOVERY_DONE_OK,
	IOMMU_RECOVERY_DONE_FAILED,
	IOMMU_RECOVERY_DONE_NOT_DONE,
	IOMMU_RECOVERY_REPORT,
	IOMMU_RECOVERY_WORK,
	IOMMU_RECOVERY_IS_FENCED,
	IOMMU_RECOVERY_IS_OPEN,
	IOMMU_RECOVERY_IS_UNSURE,
	IOMMU_RECOVERY_NR_EVENTS,
};

/**
 * enum iommu_recovery_action - what has to be done next
 * @IOMMU_RECOVERY_ACT_NONE: nothing
 * @IOMMU_RECOVERY_ACT_FENCE: fence the device; one of the IS events tells how it
 *	went, and nothing but a report may come in between
 * @IOMMU_RECOVERY_ACT_UNFENCE: let the device back to what is attached; likewise
 * @IOMMU_RECOVERY_ACT_QUEUE_WORK: have %IOMMU_RECOVERY_WORK follow
 * @IOMMU_RECOVERY_ACT_WARN: a bug of whoever sent the event; nothing has changed
 * @IOMMU_RECOVERY_NR_ACTIONS: how many there are
 */
enum iommu_recovery_action {
	IOMMU_RECOVERY_ACT_NONE,
	IOMMU_RECOVERY_ACT_FENCE,
	IOMMU_RECOVERY_ACT_UNFENCE,
	IOMMU_RECOVERY_ACT_QUEUE_WORK,
	IOMMU_RECOVERY_ACT_WARN,
	IOMMU_RECOVERY_NR_ACTIONS,
};

/**
 * enum iommu_recovery_pending - whose action is under way
 * @IOMMU_RECOVERY_PENDING_NONE: none is
 * @IOMMU_RECOVERY_PENDING_PREPARE: the outermost prepare fences
 * @IOMMU_RECOVERY_PENDING_DONE: the outermost done unfences
 * @IOMMU_RECOVERY_PENDING_WORK: the work item fences
 * @IOMMU_RECOVERY_NR_PENDING: how many there are
 */
enum iommu_recovery_pending {
	IOMMU_RECOVERY_PENDING_NONE,
	IOMMU_RECOVERY_PENDING_PREPARE,
	IOMMU_RECOVERY_PENDING_DONE,
	IOMMU_RECOVERY_PENDING_WORK,
	IOMMU_RECOVERY_NR_PENDING,
};

/**
 * struct iommu_recovery_fsm - the state machine of one device; all zero is ACTIVE
 * @state: see &enum iommu_recovery_state
 * @pending: see &enum iommu_recovery_pending
 * @before: the state in which the outermost prepare found the device when it had
 *	fenced it. This field and the next four mean something while RESETTING
 *	only, and are zero otherwise
 * @result: the last definite result, OK or FAILED, of this reset; else NOT_DONE
 * @depth: number of prepares that await their done
 * @fenced: the outermost prepare has fenced the device
 * @reported: a report of the current epoch has come since
 * @epoch: number of resets that have succeeded, modulo 2^32. A report belongs to
 *	the epoch in which its invalidation was sent, and means nothing in another
 */
struct iommu_recovery_fsm {
	enum iommu_recovery_state state;
	enum iommu_recovery_pending pending;
	enum iommu_recovery_state before;
	enum iommu_reset_result result;
	unsigned int depth;
	bool fenced;
	bool reported;
	u32 epoch;
};

/**
 * struct iommu_recovery_step - what an event does
 * @fsm: the state machine after it
 * @action: what has to be done now
 */
struct iommu_recovery_step {
	struct iommu_recovery_fsm fsm;
	enum iommu_recovery_action action;
};

struct iommu_recovery_step
iommu_recovery_next(const struct iommu_recovery_fsm *fsm,
		    enum iommu_recovery_event event);

#endif /* __IOMMU_RECOVERY_FSM_H */
