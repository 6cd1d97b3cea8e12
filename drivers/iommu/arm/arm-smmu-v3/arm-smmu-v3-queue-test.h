/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queues in memory, for KUnit tests that play the SMMU at them.
 */
#ifndef _ARM_SMMU_V3_QUEUE_TEST_H
#define _ARM_SMMU_V3_QUEUE_TEST_H

#include <kunit/test.h>

#include "arm-smmu-v3.h"

#define QUEUE_SHIFT	7	/* The driver needs more than CMDQ_BATCH_ENTRIES */
#define QUEUE_ENTS	BIT(QUEUE_SHIFT)
#define QUEUE_MASK	(2 * QUEUE_ENTS - 1)
#define EVENTS_SHIFT	3
#define EVENTS_ENTS	BIT(EVENTS_SHIFT)
#define EVENTS_MASK	(2 * EVENTS_ENTS - 1)

static inline void queue_init(struct kunit *test, struct arm_smmu_queue *q,
			      u32 shift, size_t dwords, u32 *prod_reg,
			      u32 *cons_reg)
{
	q->llq.max_n_shift = shift;
	q->ent_dwords = dwords;
	q->base = kunit_kcalloc(test, dwords << shift, sizeof(u64), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, q->base);
	q->prod_reg = (u32 __force __iomem *)prod_reg;
	q->cons_reg = (u32 __force __iomem *)cons_reg;
}

/* Whatever waits for a CMD_SYNC has to be stubbed: nobody consumes the commands */
static inline void queue_init_cmdq(struct kunit *test,
				   struct arm_smmu_device *smmu, u32 *prod_reg,
				   u32 *cons_reg)
{
	struct arm_smmu_cmdq *cmdq = &smmu->cmdq;
	void *regs = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);

	/* GERROR says that there is no error, to who waits long */
	KUNIT_ASSERT_NOT_NULL(test, regs);
	smmu->base = (void __force __iomem *)regs;
	raw_spin_lock_init(&smmu->gerror_lock);
	queue_init(test, &cmdq->q, QUEUE_SHIFT, CMDQ_ENT_DWORDS, prod_reg,
		   cons_reg);
	cmdq->valid_map = kunit_kzalloc(test, QUEUE_ENTS / 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cmdq->valid_map);
	cmdq->atc_timeout_map = kunit_kzalloc(test, QUEUE_ENTS / 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cmdq->atc_timeout_map);
	cmdq->owed_map = kunit_kzalloc(test, QUEUE_ENTS / 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cmdq->owed_map);
}

static inline void queue_init_evtq(struct kunit *test,
				   struct arm_smmu_device *smmu, u32 *prod_reg,
				   u32 *cons_reg)
{
	mutex_init(&smmu->evtq.lock);
	queue_init(test, &smmu->evtq.q, EVENTS_SHIFT, EVTQ_ENT_DWORDS, prod_reg,
		   cons_reg);
}

#endif
