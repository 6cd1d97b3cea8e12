// SPDX-License-Identifier: GPL-2.0-only
/*
 * The drain: no fault of a device outlives what it is about.
 *
 * A transaction that stalls waits in the SMMU for CMD_RESUME, and its record waits in
 * the event queue for the interrupt thread. When a domain is left the records are
 * read that are still of it, so that the core knows of all of its faults, and can wait
 * for their handlers. A stall that nobody can answer is ended here: it is a transaction
 * that is stuck in hardware otherwise, for ever.
 */
#include <trace/events/iommu.h>

#include "arm-smmu-v3.h"

/*
 * After an error in writing the event queue a record may have been lost (IHI 0070
 * section 7.2.2), of which nobody knows the tag. The fence of a device ends its stalls
 * without knowing them, at the price of what it sends meanwhile.
 */
static void arm_smmu_lost_stalls_work(struct work_struct *work)
{
	struct arm_smmu_device *smmu =
		container_of(work, struct arm_smmu_device, evtq.lost_work);
	struct rb_node *node;

	/* A device that is found here is not released meanwhile */
	guard(mutex)(&smmu->streams_mutex);

	for (node = rb_first(&smmu->streams); node; node = rb_next(node)) {
		struct arm_smmu_master *master =
			rb_entry(node, struct arm_smmu_stream, node)->master;

		if (master->stall_enabled)
			iommu_refence_device(master->dev);
	}
}

/**
 * arm_smmu_lost_stalls_init() - what is queued when records of stalls may be lost
 * @smmu: the SMMU
 */
void arm_smmu_lost_stalls_init(struct arm_smmu_device *smmu)
{
	INIT_WORK(&smmu->evtq.lost_work, arm_smmu_lost_stalls_work);
}

/**
 * arm_smmu_leave_master_domain() - the end of an attachment to a domain
 * @master: the device
 * @master_domain: the attachment, which is freed; NULL is allowed
 *
 * The hardware has been switched, and the CMD_SYNC of that has completed. On return
 * every fault of the device that came before it has been reported to the core, which
 * puts it off or aborts it. No event of the old configuration appears after that
 * CMD_SYNC (IHI 0070 section 4.7.3). It costs one read of a register when the queue is
 * empty, and at most two passes over the queue when others flood it.
 *
 * Context: may sleep; the group mutex is held. Not arm_smmu_asid_lock, which is for all
 * devices.
 */
void arm_smmu_leave_master_domain(struct arm_smmu_master *master,
				  struct arm_smmu_master_domain *master_domain)
{
	iommu_group_mutex_assert(master->dev);

	if (!master_domain)
		return;
	/* Also where nobody handled them: a successor must not be handed one */
	if (master->stall_enabled) {
		u32 records = arm_smmu_evtq_drain(master->smmu);

		trace_fault_records_drained(master->dev, records);
	}
	arm_smmu_disable_iopf(master, master_domain);
	kfree(master_domain);
}

/**
 * arm_smmu_abort_unknown_stall() - end a stall that is no device's
 * @smmu: the SMMU
 * @event: its record
 *
 * For a StreamID that nobody has. A device that was released is not it: its stalls were
 * ended before that.
 *
 * Context: inside of the handling of an event.
 */
void arm_smmu_abort_unknown_stall(struct arm_smmu_device *smmu,
				  const struct arm_smmu_event *event)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_resume(event->sid, event->stag,
					 CMDQ_RESUME_0_RESP_ABORT);

	arm_smmu_cmdq_issue_cmdlist(smmu, &smmu->cmdq, &cmd, 1, false);
}

/**
 * arm_smmu_abort_stall() - end a stall that cannot be reported
 * @smmu: the SMMU
 * @event: its record
 *
 * Context: inside of the handling of an event; takes streams_mutex.
 */
void arm_smmu_abort_stall(struct arm_smmu_device *smmu,
			  const struct arm_smmu_event *event)
{
	struct iommu_fault_page_request prm = {
		.grpid = event->stag,
		.private_data[1] = event->sid,
	};
	struct arm_smmu_master *master;

	guard(mutex)(&smmu->streams_mutex);

	master = arm_smmu_find_master(smmu, event->sid);
	if (!master)
		arm_smmu_abort_unknown_stall(smmu, event);
	else if (arm_smmu_gate_admits_stall(master, &prm))
		arm_smmu_gate_resume(master, &prm, CMDQ_RESUME_0_RESP_ABORT);
	/* Else the fence ends it */
}
