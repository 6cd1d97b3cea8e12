// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is to blame for an ATC invalidation that times out.
 *
 * The SMMU reports it at the next CMD_SYNC, and not for which CMD_ATC_INV; an unknown
 * part of those before it is void, those of the innocent included (Arm IHI 0070 sections
 * 4.5.1 and 7.1). Commands after a CMD_SYNC do not begin before it has completed (section
 * 4.7.3). So whoever sends invalidations sends them in one run with a CMD_SYNC of its
 * own: an error at one of the run's slots is about the devices of the run, and of no
 * other.
 *
 * If there is more than one of them, each is asked again alone. Who fails then is
 * guilty, and fenced before the flush returns: its gate is closed, which takes no
 * answer of the device, and the core is told. Who answers has dropped what it was told
 * to. Asking may take long with several that fail, and interrupts are off meanwhile, so
 * it ends after two failures, or a second: who could not be asked by then is fenced as
 * well, as unproven.
 *
 * A CMD_SYNC that does not complete at all is the normal case on PCIe, where a device
 * may take a minute: no other command is executed meanwhile, also none that would fence
 * anybody. Whose run the SMMU stands at stores the abort STEs of its devices, has the
 * ports above stop what they send, and reports them; the work item of the core fences
 * them as soon as commands are executed again. The flush cannot wait for that.
 *
 * A port can be used where a device is alone below it, see pci_isolate_dma(). Elsewhere,
 * and for who only waits behind others, this is the one case in which a flush returns
 * although a device may still reach the memory, through its ATC or a cached STE. Every
 * CMD_SYNC that somebody does not wait for is logged and counted, in given_up_syncs, and
 * in isolated_syncs as well if everything that it is about was stopped at its port.
 */
#include <kunit/visibility.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <trace/events/iommu.h>

#include "arm-smmu-v3.h"

#define ARM_SMMU_BLAME_FAILURES		2
#define ARM_SMMU_BLAME_US		1000000

static bool arm_smmu_cmd_is_atc_inv(const struct arm_smmu_cmd *cmd)
{
	return FIELD_GET(CMDQ_0_OP, cmd->data[0]) == CMDQ_OP_ATC_INV;
}

static u32 arm_smmu_cmd_sid(const struct arm_smmu_cmd *cmd)
{
	return FIELD_GET(CMDQ_ATC_0_SID, cmd->data[0]);
}

/* The device of all invalidations in a run, or NULL if there are several of them */
static struct arm_smmu_master *
arm_smmu_run_sole_master(struct arm_smmu_cmd *cmds, int n,
			 arm_smmu_sid_to_master_fn find, void *arg)
{
	struct arm_smmu_master *master, *sole = NULL;

	for (; n--; cmds++) {
		if (!arm_smmu_cmd_is_atc_inv(cmds))
			continue;
		master = find(arg, arm_smmu_cmd_sid(cmds));
		if (!master || (sole && master != sole))
			return NULL;
		sole = master;
	}
	return sole;
}

/* The end of the invalidations for one StreamID that follow each other in a run */
static int arm_smmu_run_next(struct arm_smmu_cmd *cmds, int n, int i)
{
	u32 sid = arm_smmu_cmd_sid(&cmds[i]);

	do {
		i++;
	} while (i < n && arm_smmu_cmd_is_atc_inv(&cmds[i]) &&
		 arm_smmu_cmd_sid(&cmds[i]) == sid);
	return i;
}

/*
 * The queue stands still: nobody can be asked, nor fenced in full. True if all of them
 * were stopped at their ports.
 */
static bool arm_smmu_run_suspect(struct arm_smmu_cmd *cmds, int n,
				 arm_smmu_sid_to_master_fn find, void *arg,
				 enum iommu_broken_reason reason)
{
	struct arm_smmu_master *master;
	bool isolated = true;
	int i, next;

	for (i = 0; i < n; i = next) {
		next = i + 1;
		/* A guest's, about whatever else it has */
		if (!arm_smmu_cmd_is_atc_inv(&cmds[i])) {
			isolated = false;
			continue;
		}
		next = arm_smmu_run_next(cmds, n, i);
		master = find(arg, arm_smmu_cmd_sid(&cmds[i]));
		if (!master) {
			isolated = false;
			continue;
		}
		if (!arm_smmu_gate_skips_atc(master) &&
		    !arm_smmu_gate_suspect(master, reason))
			isolated = false;
	}
	return isolated;
}

static int arm_smmu_run_ask_each(struct arm_smmu_device *smmu,
				 struct arm_smmu_cmdq *cmdq,
				 struct arm_smmu_cmd *cmds, int n,
				 arm_smmu_sid_to_master_fn find, void *arg)
{
	ktime_t end = ktime_add_us(ktime_get(), ARM_SMMU_BLAME_US);
	unsigned int failures = 0;
	int i, next, err, ret = 0;

	for (i = 0; i < n; i = next) {
		struct arm_smmu_master *master;

		next = i + 1;
		if (!arm_smmu_cmd_is_atc_inv(&cmds[i]))
			continue;
		next = arm_smmu_run_next(cmds, n, i);

		/* Fenced for another of its streams, or by somebody else */
		master = find(arg, arm_smmu_cmd_sid(&cmds[i]));
		if (!master || arm_smmu_gate_skips_atc(master))
			continue;

		if (failures == ARM_SMMU_BLAME_FAILURES ||
		    ktime_after(ktime_get(), end)) {
			err = arm_smmu_gate_blame(master,
						  IOMMU_BROKEN_ATC_UNPROVEN);
			ret = ret ?: err;
			continue;
		}

		err = arm_smmu_cmdq_issue_atc_run(smmu, cmdq, &cmds[i], next - i);
		if (err)
			trace_atc_timeout(smmu->dev, arm_smmu_cmd_sid(&cmds[i]),
					  next - i, err);
		if (err && err != -EIO) {
			bool isolated;

			isolated = arm_smmu_run_suspect(&cmds[i], next - i,
							find, arg,
							err == -ETIME ?
							IOMMU_BROKEN_ATC_NO_ANSWER :
							IOMMU_BROKEN_ATC_UNPROVEN);
			isolated &= arm_smmu_run_suspect(&cmds[next], n - next,
							 find, arg,
							 IOMMU_BROKEN_ATC_UNPROVEN);
			if (isolated && !ret)
				atomic_long_inc(&smmu->isolated_syncs);
			return -ETIMEDOUT;
		}
		if (err) {
			failures++;
			err = arm_smmu_gate_blame(master,
						  IOMMU_BROKEN_ATC_TIMEOUT);
			ret = ret ?: err;
		}
	}
	return ret;
}

/**
 * arm_smmu_issue_atc_inv() - invalidate ATCs, and fence devices that do not answer
 * @smmu: the SMMU
 * @cmdq: its queue for these commands
 * @cmds: the commands; others than CMD_ATC_INV may be among them
 * @n: how many; with the CMD_SYNC that follows they fit into one run
 * @find: tells the device of a StreamID among them; NULL: it has none any more
 * @arg: for @find
 *
 * After success every device has dropped what it was told to, or is fenced: nothing of
 * it reaches memory, and it is reported to the core.
 *
 * Context: any in which commands can be issued. The caller is in the rcu_read_lock()
 * section in which it has found the devices and seen that they are not to be skipped; or
 * it holds the group mutex of the only one.
 * Return: 0; -ETIMEDOUT: a CMD_SYNC did not complete. Who may be to blame is reported, and
 * stopped at the port above where that is possible, but the SMMU may still use what it
 * has cached of it; of the others nothing is known.
 */
int arm_smmu_issue_atc_inv(struct arm_smmu_device *smmu,
			   struct arm_smmu_cmdq *cmdq,
			   struct arm_smmu_cmd *cmds, int n,
			   arm_smmu_sid_to_master_fn find, void *arg)
{
	struct arm_smmu_master *master;
	int ret;

	ret = arm_smmu_cmdq_issue_atc_run(smmu, cmdq, cmds, n);
	if (likely(!ret))
		return 0;
	trace_atc_timeout(smmu->dev, arm_smmu_cmd_sid(cmds), n, ret);
	if (ret != -EIO) {
		/* Who only waits for others does not accuse anybody */
		if (ret == -ETIME &&
		    arm_smmu_run_suspect(cmds, n, find, arg,
					 IOMMU_BROKEN_ATC_NO_ANSWER))
			atomic_long_inc(&smmu->isolated_syncs);
		return -ETIMEDOUT;
	}

	master = arm_smmu_run_sole_master(cmds, n, find, arg);
	if (master)
		return arm_smmu_gate_blame(master, IOMMU_BROKEN_ATC_TIMEOUT);
	return arm_smmu_run_ask_each(smmu, cmdq, cmds, n, find, arg);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_issue_atc_inv);

/* Entries of an invalidation array, for arm_smmu_inv_to_master() */
struct arm_smmu_inv_range {
	struct arm_smmu_inv *first;
	struct arm_smmu_inv *end;
};

static struct arm_smmu_master *arm_smmu_inv_to_master(void *arg, u32 sid)
{
	struct arm_smmu_inv_range *range = arg;
	struct arm_smmu_inv *inv;

	for (inv = range->first; inv != range->end; inv++)
		if (inv->id == sid)
			return inv->master;
	return NULL;
}

/**
 * arm_smmu_invs_invalidate_atc() - a flush comes to the ATS entries of an SMMU
 * @cmds: an empty batch, which may be used
 * @cur: the first of them
 * @end: of the array
 * @iova: what to invalidate
 * @size: what to invalidate
 *
 * They are the last ones of their SMMU, since entries are sorted. The IOTLB was
 * invalidated and synced before.
 *
 * Context: in the rcu_read_lock() section of the flush. That an entry is not to be
 * skipped is read in it as well, see arm_smmu_gate_skips_atc().
 * Return: the first entry after them.
 */
struct arm_smmu_inv *
arm_smmu_invs_invalidate_atc(struct arm_smmu_cmdq_batch *cmds,
			     struct arm_smmu_inv *cur, struct arm_smmu_inv *end,
			     unsigned long iova, size_t size)
{
	struct arm_smmu_inv_range range = { .first = cur };
	struct arm_smmu_device *smmu = cur->smmu;

	cmds->num = 0;
	for (;; cur++) {
		bool last = cur == end || cur->smmu != smmu;

		/* A CMD_SYNC goes with each run, also of a full batch */
		if (cmds->num &&
		    (last || cmds->num == CMDQ_BATCH_ENTRIES - 1)) {
			range.end = cur;
			arm_smmu_issue_atc_inv(smmu, cmds->cmdq, cmds->cmds,
					       cmds->num,
					       arm_smmu_inv_to_master, &range);
			cmds->num = 0;
			range.first = cur;
		}
		if (last)
			return cur;
		if (!READ_ONCE(cur->users) ||
		    arm_smmu_gate_skips_atc(cur->master))
			continue;
		cmds->cmds[cmds->num++] =
			cur->type == INV_TYPE_ATS ?
				arm_smmu_atc_inv_to_cmd(cur->id, cur->ssid,
							iova, size) :
				arm_smmu_make_cmd_atc_inv_all(cur->id,
							      IOMMU_NO_PASID);
	}
}
