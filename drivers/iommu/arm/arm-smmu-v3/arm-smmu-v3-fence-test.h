/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit tests of the gate and their scheduler have in common.
 */
#ifndef _ARM_SMMU_V3_FENCE_TEST_H
#define _ARM_SMMU_V3_FENCE_TEST_H

#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/pci.h>

#include "arm-smmu-v3.h"

#define GATE_QWORDS	8
#define GATE_SIDS	4
#define GATE_CHOICES	64

enum gate_kind {
	GATE_ABORT,
	GATE_BYPASS,
	GATE_S1_ATS,
	GATE_S1,
	GATE_S2,
	GATE_NESTED,
	GATE_KINDS,
};

/* What must not be. Each is a bit of gate_ctx.bad */
enum gate_bad {
	BAD_WORD0,	/* not abort between the stores of a close and an opening */
	BAD_HW,		/* the SMMU may translate though a close has synced */
	BAD_SKIP,	/* skip, and the SMMU may translate */
	BAD_OPENED,	/* opened by somebody else, or over a close */
	BAD_CLOSE,	/* a close has succeeded, and the gate is open */
	BAD_OLD,	/* an attach has returned, and the SMMU may use the old entry */
	BAD_ENTRY,	/* an entry that is neither the old nor the new one nor abort */
	BAD_END,	/* open with another entry than the wanted one; shut but not abort */
	BAD_RESULT,	/* of a fence or an unfence */
	BAD_REPLAY,
};

/* Mistakes for the negative controls */
enum gate_plant {
	PLANT_NONE,
	PLANT_CHECK_ONCE,	/* the writer looks at the gate only when it begins */
	PLANT_SHUT_NO_SYNC,	/* the writer does not sync when the gate is shut */
	PLANT_NOT_COUNTED,	/* the close of a shut gate does not count */
	PLANT_SKIP_EARLY,	/* skip before the CMD_SYNC */
	PLANT_SKIP_FAILED,	/* skip after a CMD_SYNC that failed */
	PLANT_NO_GRACE,		/* unfence does not wait for flushes */
};

enum gate_closer_kind {
	CLOSER_NONE,
	CLOSER_STEPS,	/* advanced one step at a time */
	CLOSER_WHOLE,	/* arm_smmu_gate_close() in one go */
};

struct gate_script {
	enum gate_kind from, to;
	const u32 *sids;
	unsigned int num_streams;
	enum gate_closer_kind closers[2];
	bool shut;	/* begins fenced, with from attached */
	bool attach, fence, unfence;
	bool hook_stores;	/* attach with a hook at every store as well */
	enum gate_plant plant;
};

struct gate_closer {
	enum gate_closer_kind kind;
	unsigned int pc;
	bool done;
};

struct gate_ctx {
	struct kunit *test;
	struct device *dev;
	struct iommu_group *group;
	struct pci_dev *pdev;
	struct pci_bus *bus;
	struct dev_iommu dev_iommu;
	u16 ats_ctrl;
	struct arm_smmu_device smmu;
	struct arm_smmu_master master;
	struct arm_smmu_stream streams[2];
	struct arm_smmu_ste table[GATE_SIDS];
	struct arm_smmu_ste stes[GATE_KINDS];
	bool breaking[GATE_KINDS][GATE_KINDS];
	const struct gate_script *script;

	u8 choice[GATE_CHOICES], options[GATE_CHOICES];
	unsigned int depth, pos;
	unsigned long paths, opened, refused, closed;

	struct gate_closer closers[2];
	bool whole;		/* inside of a CLOSER_WHOLE */
	bool unfencing, sampled, closed_since, shut, synced, shut_at_entry;
	bool waited, dead;
	bool may_translate[GATE_SIDS], may_be_old[GATE_SIDS], seen[GATE_SIDS];
	const struct arm_smmu_ste *init, *target;
	unsigned int bad;
};

/* Takes the place of whatever waits */
void arm_smmu_gate_test_stubs(struct kunit *test);

/* Returns what was wrong on the first path on which something was, and 0 if none */
unsigned int arm_smmu_gate_test_run(struct gate_ctx *ctx,
				    const struct gate_script *script);

#endif
