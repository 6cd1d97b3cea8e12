// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate: how all of a device is stopped at once, whatever is attached.
 *
 * Word 0 of a stream table entry holds V and Config. With Config = abort the SMMU
 * aborts untranslated transactions and translation requests without an event, and
 * translated transactions as well where CR0.ATSCHK is set, which the driver does
 * wherever it uses ATS (Arm IHI 0070 sections 3.9.1 and 5.2). So one store of 64 bits
 * for each stream, CFGI_STE and CMD_SYNC stop the device with all its PASIDs. It takes
 * no memory, the number of commands does not depend on what is attached, and all that
 * is kept about domains, ASIDs and context descriptors goes on as ever behind it.
 * Requests over CXL.cache may bypass the check of EATS (section 3.9.3) and then are
 * not stopped.
 *
 * There are two levels. After arm_smmu_gate_close(), which can be called in atomic
 * context, nothing of the device reaches memory, and no flush that begins later
 * invalidates its ATC. After arm_smmu_fence_dev(), which sleeps, nothing is
 * outstanding any more either: no invalidation, no stalled transaction, no report of
 * one.
 *
 * Why CMD_SYNC is enough: it completes when every invalidation before it has, and that
 * of a configuration has when no transaction uses the old one any more (sections
 * 4.3 and 4.7.3). Whoever detaches a domain and frees its page tables relies on the
 * same.
 *
 * Nothing in here sends an ATC invalidation to close the gate. Behind an abort STE the
 * ATC is of no use to the device, and a reset is for devices that hang: they would not
 * answer, and that is the very timeout that the fence is to avoid. It is sent before the
 * gate is opened.
 *
 * The names and the order of steps are those of tests/model/gate.inc, which was
 * searched for what can go wrong.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>

#include "arm-smmu-v3.h"

/* Bridged PCI devices may end up with duplicated IDs; they are sorted */
static bool arm_smmu_stream_is_duplicate(struct arm_smmu_master *master,
					 unsigned int i)
{
	return i && master->streams[i].id == master->streams[i - 1].id;
}

/* All of them, also after an error, which is returned: the first */
static int arm_smmu_on_each_sid(struct arm_smmu_master *master,
				int (*fn)(struct arm_smmu_master *m, u32 sid))
{
	int err, ret = 0;
	unsigned int i;

	for (i = 0; i < master->num_streams; i++) {
		if (arm_smmu_stream_is_duplicate(master, i))
			continue;
		err = fn(master, master->streams[i].id);
		ret = ret ?: err;
	}
	return ret;
}

VISIBLE_IF_KUNIT
int arm_smmu_gate_sync_ste(struct arm_smmu_master *master, u32 sid)
{
	struct arm_smmu_cmd cmd;

	KUNIT_STATIC_STUB_REDIRECT(arm_smmu_gate_sync_ste, master, sid);

	cmd = arm_smmu_make_cmd_cfgi_ste(sid, true);
	return arm_smmu_cmdq_issue_cmd_p(master->smmu, &cmd, true);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_sync_ste);

/**
 * arm_smmu_gate_store() - one step of an update of an STE
 * @writer: of an STE of a master
 * @entry: the STE
 * @target: what the step makes of it
 * @start: first word to be stored
 * @len: number of words
 *
 * A close in the middle of an update makes the rest of its steps void: it must not
 * happen that a later one stores a word 0 that was calculated before. What was stored
 * in words 1 to 7 is ignored by the SMMU while word 0 is abort.
 *
 * Context: any; the update as a whole holds the group mutex, so the gate is not
 * opened in the middle of it.
 * Return: true: the SMMU has to be told, CFGI_STE and CMD_SYNC. So it has when nothing
 * was stored but the close has not come that far yet: the caller counts on the old
 * entry being gone.
 */
bool arm_smmu_gate_store(struct arm_smmu_entry_writer *writer, __le64 *entry,
			 const __le64 *target, unsigned int start,
			 unsigned int len)
{
	struct arm_smmu_gate *gate = &writer->master->gate;

	guard(raw_spinlock_irqsave)(&gate->lock);

	if (gate->shut)
		return !gate->skip;
	return arm_smmu_entry_store(entry, target, start, len);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_store);

/* The port above is not needed any more: the STE does it, or the gate is opened */
static void arm_smmu_gate_end_isolation(struct arm_smmu_master *master)
{
	lockdep_assert_held(&master->gate.lock);

	if (master->gate.isolated)
		pci_unisolate_dma(to_pci_dev(master->dev));
	master->gate.isolated = false;
}

/*
 * Stores only, and with @isolate an access to the port above. Counts also when the gate
 * is shut: unfence must not open over it. With a reason the device is reported, before
 * anybody can open the gate again.
 *
 * Return: true if nothing of the device reaches memory, without any commands.
 */
static bool arm_smmu_gate_shut(struct arm_smmu_master *master,
			       enum iommu_broken_reason reason, bool isolate)
{
	struct arm_smmu_gate *gate = &master->gate;
	struct arm_smmu_ste abort, *step;
	unsigned int i;

	arm_smmu_make_abort_ste(&abort);

	guard(raw_spinlock_irqsave)(&gate->lock);

	gate->close_seq++;
	WRITE_ONCE(gate->shut, true);
	for (i = 0; i < master->num_streams; i++) {
		step = arm_smmu_get_step_for_sid(master->smmu,
						 master->streams[i].id);
		WRITE_ONCE(step->data[0], abort.data[0]);
	}
	/* With skip the SMMU has seen the abort STE meanwhile */
	if (isolate && !gate->skip && !gate->isolated && dev_is_pci(master->dev))
		gate->isolated = pci_isolate_dma(to_pci_dev(master->dev));
	if (reason != IOMMU_BROKEN_NONE)
		iommu_report_device_broken(master->dev, reason);
	return gate->skip || gate->isolated;
}

VISIBLE_IF_KUNIT
void arm_smmu_gate_close_stores(struct arm_smmu_master *master)
{
	arm_smmu_gate_shut(master, IOMMU_BROKEN_NONE, false);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_close_stores);

/*
 * Who reads skip and then gives a page away is ordered after the abort STE: the
 * store depends on the completion of the CMD_SYNC.
 */
VISIBLE_IF_KUNIT
void arm_smmu_gate_close_synced(struct arm_smmu_master *master)
{
	struct arm_smmu_gate *gate = &master->gate;

	guard(raw_spinlock_irqsave)(&gate->lock);

	if (!gate->shut)
		return;
	WRITE_ONCE(gate->skip, true);
	arm_smmu_gate_end_isolation(master);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_close_synced);

/* CFGI_STE and CMD_SYNC for all streams, and skip if that went well */
static int arm_smmu_gate_sync(struct arm_smmu_master *master)
{
	int ret;

	/* One by one: a batch takes 1 KiB of stack, and this may run in a flush */
	ret = arm_smmu_on_each_sid(master, arm_smmu_gate_sync_ste);
	if (ret)
		return ret;

	arm_smmu_gate_close_synced(master);
	return 0;
}

/**
 * arm_smmu_gate_close() - stop all of a device
 * @master: the device
 *
 * After success nothing of the device reaches memory, and no flush that begins later
 * sends it an ATC invalidation. Flushes that have begun may still do so.
 *
 * Flushes that skip the device because of this return without anybody having
 * invalidated its ATC. So skip is set only when the SMMU has seen the abort STE, and by
 * nobody else than who has seen to that: shut is not enough. A gate that is shut is
 * closed again in full.
 *
 * Context: any, but not inside of the submission of commands, nor in the GERROR handler
 * before it has acknowledged: it submits commands itself. The caller holds the group
 * mutex, or is in a rcu_read_lock() section and the device can do ATS:
 * arm_smmu_unfence_dev() is kept out by the one and waits for the other, so the gate
 * that skip is set for below is the one that was shut above.
 * Return: 0; -ETIMEDOUT: word 0 is abort in memory, but the SMMU may still use what it
 * has cached.
 */
int arm_smmu_gate_close(struct arm_smmu_master *master)
{
	arm_smmu_gate_close_stores(master);
	return arm_smmu_gate_sync(master);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_close);

/**
 * arm_smmu_gate_blame() - stop a device that has ignored an invalidation
 * @master: the device
 * @reason: what it is reported for
 *
 * As arm_smmu_gate_close(), and the core is told, so that it knows of every gate that
 * is not open. Without success the device is reported all the same, and the work item
 * of the core tries again.
 *
 * Context: as arm_smmu_gate_close(), in the same rcu_read_lock() section or hold of the
 * group mutex as the invalidation: so the report is not older than a reset.
 * Return: as arm_smmu_gate_close().
 */
int arm_smmu_gate_blame(struct arm_smmu_master *master,
			enum iommu_broken_reason reason)
{
	arm_smmu_gate_shut(master, reason, false);
	return arm_smmu_gate_sync(master);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_blame);

/**
 * arm_smmu_gate_suspect() - stop a device while the SMMU executes no commands
 * @master: the device
 * @reason: what it is reported for
 *
 * As arm_smmu_gate_blame(), without the commands: the abort STE is in memory, which the
 * SMMU reads when it has not cached another one. Where pci_isolate_dma() can do it the
 * device is stopped at the port above, until the gate has been closed in full. The work
 * item of the core does that.
 *
 * Context: as arm_smmu_gate_blame().
 * Return: true if nothing of the device reaches memory.
 */
bool arm_smmu_gate_suspect(struct arm_smmu_master *master,
			   enum iommu_broken_reason reason)
{
	return arm_smmu_gate_shut(master, reason, true);
}

static bool arm_smmu_gate_has_ats(struct arm_smmu_master *master)
{
	return dev_is_pci(master->dev) &&
	       pci_ats_supported(to_pci_dev(master->dev));
}

/*
 * Wait for the flushes that have read skip already. They read it and send inside of
 * rcu_read_lock(), and wait there for the completion. Expedited, for it takes some
 * milliseconds instead of some ten, under a mutex, and resets are rare.
 */
VISIBLE_IF_KUNIT
void arm_smmu_gate_wait_flushes(struct arm_smmu_master *master)
{
	KUNIT_STATIC_STUB_REDIRECT(arm_smmu_gate_wait_flushes, master);

	if (arm_smmu_gate_has_ats(master))
		synchronize_rcu_expedited();
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_wait_flushes);

/* 0 where there is none, or no function to read it from */
static int arm_smmu_gate_ats_ctrl(struct pci_dev *pdev, u16 *ctrl)
{
	int pos = 0;

#ifdef CONFIG_PCI_ATS
	pos = pdev->ats_cap;
#endif
	if (!pos || pci_read_config_word(pdev, pos + PCI_ATS_CTRL, ctrl) ||
	    PCI_POSSIBLE_ERROR(*ctrl))
		return 0;
	return pos + PCI_ATS_CTRL;
}

/*
 * Before the gate is closed: a translation request that meets an abort STE is
 * answered with Unsupported Request, which shows up as an error in AER.
 */
static void arm_smmu_gate_stop_ats(struct arm_smmu_master *master)
{
	struct pci_dev *pdev;
	u16 ctrl;

	if (!arm_smmu_gate_has_ats(master))
		return;
	pdev = to_pci_dev(master->dev);
	if (!pdev->ats_enabled)
		return;

	pci_disable_ats(pdev);
	/* What the device sent before the write took effect comes before this. */
	if (!pci_dev_is_disconnected(pdev))
		arm_smmu_gate_ats_ctrl(pdev, &ctrl);
}

/* For a device that is to use its ATC: empties it, whatever skip says */
VISIBLE_IF_KUNIT
int arm_smmu_gate_sign_of_life(struct arm_smmu_master *master)
{
	struct pci_dev *pdev = to_pci_dev(master->dev);
	struct arm_smmu_cmd cmd;
	unsigned int i;
	int ctrl_reg;
	u16 ctrl;
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(arm_smmu_gate_sign_of_life, master);

	/*
	 * A bridge answers an invalidation with Unsupported Request for a function
	 * that is not there, and to the SMMU that is an answer. The vendor ID will
	 * not do, for that of a VF is always ones.
	 */
	ctrl_reg = arm_smmu_gate_ats_ctrl(pdev, &ctrl);
	if (!ctrl_reg)
		return -EIO;
	/*
	 * After a reset a function learns its bus number from the next write to its
	 * configuration space (PCIe Base 2.2.6.2), and needs it to answer.
	 */
	pci_write_config_word(pdev, ctrl_reg, ctrl & ~PCI_ATS_CTRL_ENABLE);

	for (i = 0; i < master->num_streams; i++) {
		if (arm_smmu_stream_is_duplicate(master, i))
			continue;
		cmd = arm_smmu_make_cmd_atc_inv_all(master->streams[i].id,
						    IOMMU_NO_PASID);
		ret = arm_smmu_cmdq_issue_atc_inv(master->smmu, &cmd);
		if (ret)
			return ret;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_sign_of_life);

static int arm_smmu_gate_enable_ats(struct arm_smmu_master *master)
{
	/* Smallest Translation Unit: log2 of the smallest supported granule */
	return pci_enable_ats(to_pci_dev(master->dev),
			      __ffs(master->smmu->pgsize_bitmap));
}

/**
 * arm_smmu_gate_start_ats() - switch ATS on at the device
 * @master: a device whose gate is open and whose ATS is wanted
 *
 * What the ATC still has from before is invalidated first; without a PASID that
 * empties all of it. A function in D3cold has nothing, and nobody who would answer; the
 * way back to D0 restores ATS.
 *
 * Context: may sleep; the group mutex is held.
 * Return: 0; or an error, if the device does not answer, and ATS stays off.
 */
int arm_smmu_gate_start_ats(struct arm_smmu_master *master)
{
	int ret;

	iommu_group_mutex_assert(master->dev);

	if (to_pci_dev(master->dev)->current_state != PCI_D3cold) {
		ret = arm_smmu_gate_sign_of_life(master);
		if (ret)
			return ret;
	}
	return arm_smmu_gate_enable_ats(master);
}

/*
 * On the SMMU's own queue, where they stay in order: with several, as tegra241 has
 * them, each CPU uses its own, and CMD_RESUME is not followed by a CMD_SYNC.
 */
static int arm_smmu_gate_issue_in_order(struct arm_smmu_master *master,
					struct arm_smmu_cmd *cmd, bool sync)
{
	struct arm_smmu_device *smmu = master->smmu;

	return arm_smmu_cmdq_issue_cmdlist(smmu, &smmu->cmdq, cmd, 1, sync);
}

static int arm_smmu_gate_stall_term(struct arm_smmu_master *master, u32 sid)
{
	struct arm_smmu_cmd cmd = arm_smmu_make_cmd_stall_term(sid);

	return arm_smmu_gate_issue_in_order(master, &cmd, true);
}

/*
 * Stalled transactions survive an invalidation of the configuration: they would be
 * answered, and done, after the reset. CMD_STALL_TERM ends them; the STE has to be
 * abort by then, so that there are no new ones (IHI 0070 section 4.7.2). Their records
 * may still be in the event queue, and their handlers may still run.
 */
static int arm_smmu_gate_end_stalls(struct arm_smmu_master *master)
{
	struct arm_smmu_gate *gate = &master->gate;
	int ret;

	if (!master->stall_enabled)
		return 0;

	/*
	 * No answer is sent from here on to a stall of before: its tag will be
	 * used again. Answers that were sent come before the CMD_STALL_TERM.
	 */
	scoped_guard(mutex, &gate->stall_lock) {
		/* Pairs with arm_smmu_gate_admits_stall(): shut comes with it */
		smp_store_release(&gate->generation, gate->generation + 1);
	}

	ret = arm_smmu_on_each_sid(master, arm_smmu_gate_stall_term);
	if (ret)
		return ret;

	/* What is read now finds the gate shut and is dropped. */
	arm_smmu_evtq_drain(master->smmu);
	return 0;
}

/**
 * arm_smmu_gate_admits_stall() - is a stalled transaction to be reported?
 * @master: the device it comes from
 * @prm: the report, which gets the generation of the stall
 *
 * Context: process context, inside of the handling of an event.
 * Return: false: the fence has ended it, or is about to.
 */
bool arm_smmu_gate_admits_stall(struct arm_smmu_master *master,
				struct iommu_fault_page_request *prm)
{
	/*
	 * Pairs with arm_smmu_gate_end_stalls(): with the generation that follows a
	 * fence comes the gate that was shut for it. That is not opened before
	 * the records of all stalls that were ended have been read.
	 */
	prm->private_data[0] = smp_load_acquire(&master->gate.generation);
	/* A guest can let one stall that should not: the fence does not end it */
	return !master->stall_enabled || !arm_smmu_gate_is_shut(master);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_admits_stall);

/**
 * arm_smmu_gate_resume() - answer a stalled transaction, if it is still stalled
 * @master: the device it comes from
 * @prm: the report, as arm_smmu_gate_admits_stall() has left it; private_data[1] is the
 *	StreamID of the transaction
 * @resp: what becomes of it, CMDQ_RESUME_0_RESP_*
 *
 * Context: may sleep.
 */
void arm_smmu_gate_resume(struct arm_smmu_master *master,
			  const struct iommu_fault_page_request *prm, u8 resp)
{
	struct arm_smmu_cmd cmd;

	guard(mutex)(&master->gate.stall_lock);

	if (prm->private_data[0] != master->gate.generation)
		return;
	cmd = arm_smmu_make_cmd_resume(prm->private_data[1], prm->grpid, resp);
	arm_smmu_gate_issue_in_order(master, &cmd, false);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_resume);

/**
 * arm_smmu_fence_dev() - &iommu_ops.fence_dev
 * @dev: the device
 *
 * On return the device is fenced: nothing that it sends reaches memory, nothing is
 * outstanding, neither an invalidation of its ATC nor a stalled transaction nor the
 * report of one, and none will be sent or appear. What a guest sends through a virtual
 * command queue of its own (tegra241) does not pass here, and is not kept from the
 * device.
 *
 * It takes the same commands whatever is attached: CFGI_STE and CMD_SYNC for each
 * stream, and CMD_STALL_TERM and CMD_SYNC if it can stall.
 *
 * PCIe Base 10.3.1 recommends that ATS is disabled before a function is reset.
 *
 * Context: may sleep; the group mutex is held.
 * Return: 0; -ETIMEDOUT: the SMMU did not take the commands in time. Word 0 of the STE is
 * abort in memory all the same.
 */
int arm_smmu_fence_dev(struct device *dev)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);
	int ret;

	iommu_group_mutex_assert(dev);

	arm_smmu_gate_stop_ats(master);
	ret = arm_smmu_gate_close(master);
	if (ret)
		return ret;

	/* A flush that has read skip as clear may still send. */
	arm_smmu_gate_wait_flushes(master);

	return arm_smmu_gate_end_stalls(master);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_fence_dev);

/* Closed since @seq was taken? If not, word 0 may be stored from here on. */
static bool arm_smmu_gate_open(struct arm_smmu_master *master, u32 seq)
{
	struct arm_smmu_gate *gate = &master->gate;

	guard(raw_spinlock_irqsave)(&gate->lock);

	if (gate->close_seq != seq || gate->skip)
		return false;
	WRITE_ONCE(gate->shut, false);
	arm_smmu_gate_end_isolation(master);
	return true;
}

VISIBLE_IF_KUNIT
int arm_smmu_gate_unfence(struct arm_smmu_master *master)
{
	struct arm_smmu_gate *gate = &master->gate;
	bool ats = master->ats_enabled;
	u32 seq;
	int ret;

	/*
	 * Before skip is cleared, so that a device which is dead gets no
	 * invalidations of others to ignore.
	 */
	if (ats) {
		ret = arm_smmu_gate_sign_of_life(master);
		if (ret)
			return ret;
	}

	/*
	 * From the sample on a close keeps the gate shut: it has to set skip itself,
	 * for what flushes leave out from now on nobody has made up for.
	 */
	scoped_guard(raw_spinlock_irqsave, &gate->lock) {
		seq = gate->close_seq;
		WRITE_ONCE(gate->skip, false);
	}

	/*
	 * A flush that still reads skip as set must be over before the device can
	 * get a translation again. No barrier of its own will do: the completion of
	 * its TLBI does not order a later load.
	 */
	arm_smmu_gate_wait_flushes(master);

	if (!arm_smmu_gate_open(master, seq))
		return -EIO;

	arm_smmu_write_stes(master, &gate->ste);

	/* Closed again meanwhile: it is shut, and who has done it says why. */
	if (arm_smmu_gate_is_shut(master))
		return -EIO;
	if (!ats)
		return 0;

	ret = arm_smmu_gate_enable_ats(master);
	if (ret)
		arm_smmu_gate_close(master);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_unfence);

/**
 * arm_smmu_unfence_dev() - &iommu_ops.unfence_dev
 * @dev: a device that arm_smmu_fence_dev() has fenced
 *
 * Lets the device back to what is attached now. If ATS is wanted with that, it has to
 * answer first: its configuration space can be read, and an invalidation of all of its
 * ATC completes in time. Otherwise it is not asked.
 *
 * PASID control must have been restored before: it must not change while ATS is
 * enabled (PCIe Base 10.5.1.3).
 *
 * Context: may sleep; the group mutex is held.
 * Return: 0; or an error: the device did not answer, or its gate was closed again
 * meanwhile. Nothing of it passes then either, but it has to be fenced again, since
 * invalidations may be sent to it.
 */
int arm_smmu_unfence_dev(struct device *dev)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);

	iommu_group_mutex_assert(dev);

	return arm_smmu_gate_unfence(master);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_unfence_dev);

/**
 * arm_smmu_gate_init() - a gate that is open
 * @master: a device that is being probed
 */
void arm_smmu_gate_init(struct arm_smmu_master *master)
{
	struct arm_smmu_gate *gate = &master->gate;

	raw_spin_lock_init(&gate->lock);
	mutex_init(&gate->stall_lock);
	/* Should it be fenced and let go before its first attach */
	arm_smmu_make_abort_ste(&gate->ste);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_init);

/*
 * Of a device that is attached to nothing that stalls any more. Those of before are
 * still there, and an answer to one would meet a StreamID that is nobody's, or another's.
 */
static void arm_smmu_gate_release_stalls(struct arm_smmu_master *master)
{
	struct arm_smmu_gate *gate = &master->gate;
	bool was_shut = arm_smmu_gate_is_shut(master);

	/* Where the probe has failed nothing was attached that could stall */
	if (!master->stall_enabled || !master->dev->iommu_group)
		return;

	iommu_group_mutex_assert(master->dev);

	/* CMD_STALL_TERM wants an abort STE, and the device may be at identity */
	if (arm_smmu_gate_close(master) || arm_smmu_gate_end_stalls(master))
		dev_warn(master->dev,
			 "stalled transactions may be left: the SMMU takes no commands\n");
	if (was_shut)
		return;

	/* Nobody closes it any more: it has nothing that is invalidated */
	scoped_guard(raw_spinlock_irqsave, &gate->lock) {
		WRITE_ONCE(gate->skip, false);
		WRITE_ONCE(gate->shut, false);
	}
	arm_smmu_write_stes(master, &gate->ste);
}

/**
 * arm_smmu_gate_release() - the device is being removed
 * @master: a device that is attached to nothing that is invalidated
 *
 * On return no flush uses @master any more, whose entries have left every invalidation
 * array, but may be in a copy that a flush still walks. No transaction of it is stalled,
 * and no record of one is in the event queue.
 *
 * A gate that is shut leaves its abort STE behind, also where the device was released
 * to identity. The next one who attaches it finds a new gate. A port at which the device
 * is stopped stays so until another function below it is enabled.
 *
 * Context: may sleep; the group mutex is held, unless the probe has failed before there
 * was a group.
 */
void arm_smmu_gate_release(struct arm_smmu_master *master)
{
	if (arm_smmu_gate_has_ats(master)) {
		arm_smmu_gate_stop_ats(master);
		/* Expedited, for the VFs of a function are removed one by one */
		synchronize_rcu_expedited();
	}
	arm_smmu_gate_release_stalls(master);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_gate_release);
