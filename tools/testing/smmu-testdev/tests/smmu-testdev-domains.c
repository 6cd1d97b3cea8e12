// SPDX-License-Identifier: GPL-2.0
/*
 * Guest program that exercises the ioctls of the smmu-testdev module for domains.
 *
 * As for smmu-testdev-module: two functions with stall=on and pasid-width=16, and
 * it must pass on an unpatched kernel.
 */
#include "kselftest_harness.h"
#include "smtd_test.h"
#include "smtd_test_two.h"

FIXTURE(domain) {
	struct td a, b;
};

FIXTURE_VARIANT(domain) {
	__u32 pasid;
};

FIXTURE_VARIANT_ADD(domain, rid) {
	.pasid = SMTD_NO_PASID,
};

FIXTURE_VARIANT_ADD(domain, pasid) {
	.pasid = PASID,
};

FIXTURE_SETUP(domain)
{
	ASSERT_EQ(0, open_two(&self->a, &self->b))
		TH_LOG("this needs two functions bound to smmu_testdev");
}

FIXTURE_TEARDOWN(domain)
{
	EXPECT_EQ(0, close_two(&self->a, &self->b));
}

TEST_F(domain, map_attach_write_detach)
{
	__u32 id, pasid = variant->pasid;
	__u64 *mem;

	ASSERT_EQ(0, alloc(&self->a, 0, &id));
	ASSERT_EQ(0, map(&self->a, id, IOVA, 4 * PAGE, &mem));
	EXPECT_EQ(0, dma(&self->a, IOVA, 4, pasid));
	ASSERT_EQ(0, attach(&self->a, id, pasid));
	EXPECT_EQ(-EBUSY, attach(&self->a, id, pasid));
	EXPECT_EQ(4, dma(&self->a, IOVA, 4, pasid));
	EXPECT_NE(0, word(mem, 3));
	ASSERT_EQ(0, unmap(&self->a, id, IOVA, 4 * PAGE));
	EXPECT_EQ(0, dma(&self->a, IOVA, 4, pasid));
	ASSERT_EQ(0, map(&self->a, id, IOVA, PAGE, NULL));
	EXPECT_EQ(1, dma(&self->a, IOVA, 1, pasid));
	EXPECT_EQ(-EBUSY, free_domain(&self->a, id));
	EXPECT_EQ(0, detach(&self->a, pasid));
	EXPECT_EQ(-ENOENT, detach(&self->a, pasid));
	EXPECT_EQ(0, dma(&self->a, IOVA, 1, pasid));
	EXPECT_EQ(0, free_domain(&self->a, id));
	EXPECT_EQ(-ENOENT, free_domain(&self->a, id));
}

TEST_F(domain, shared_by_two_functions)
{
	__u32 id, pasid = variant->pasid;
	__u64 *mem;

	ASSERT_EQ(0, alloc(&self->a, 0, &id));
	ASSERT_EQ(0, map(&self->b, id, IOVA, 2 * PAGE, &mem));
	ASSERT_EQ(0, attach(&self->a, id, pasid));
	ASSERT_EQ(0, attach(&self->b, id, pasid));
	EXPECT_EQ(1, dma(&self->a, IOVA, 1, pasid));
	EXPECT_EQ(1, dma(&self->b, IOVA + PAGE, 1, pasid));
	EXPECT_NE(0, word(mem, 0));
	EXPECT_NE(0, word(mem, 1));
	ASSERT_EQ(0, detach(&self->a, pasid));
	EXPECT_EQ(0, dma(&self->a, IOVA, 1, pasid));
	EXPECT_EQ(2, dma(&self->b, IOVA, 2, pasid));

	/* With the last file of its owner the id goes, the domain does not */
	munmap(self->a.bar, SMTD_BAR_SIZE);
	close(self->a.fd);
	EXPECT_EQ(-ENOENT, map(&self->b, id, IOVA + 8 * PAGE, PAGE, NULL));
	EXPECT_EQ(2, dma(&self->b, IOVA, 2, pasid));
	EXPECT_EQ(0, detach(&self->b, pasid));
	EXPECT_EQ(0, dma(&self->b, IOVA, 2, pasid));
}

TEST_F(domain, replace)
{
	__u32 one, two, pasid = variant->pasid;
	__u64 *mem1, *mem2;

	ASSERT_EQ(0, alloc(&self->a, 0, &one));
	ASSERT_EQ(0, alloc(&self->a, SMTD_DOMAIN_FAULT, &two));
	ASSERT_EQ(0, map(&self->a, one, IOVA, PAGE, &mem1));
	ASSERT_EQ(0, map(&self->a, two, IOVA, PAGE, &mem2));
	EXPECT_EQ(-ENOENT, replace(&self->a, one, pasid));
	ASSERT_EQ(0, attach(&self->a, one, pasid));
	EXPECT_EQ(1, dma(&self->a, IOVA, 1, pasid));
	EXPECT_EQ(0, word(mem2, 0));
	ASSERT_EQ(0, replace(&self->a, two, pasid));
	EXPECT_EQ(0, free_domain(&self->a, one));
	mem1[0] = 0;
	EXPECT_EQ(1, dma(&self->a, IOVA, 1, pasid));
	EXPECT_EQ(0, word(mem1, 0));
	EXPECT_NE(0, word(mem2, 0));
	/* The same domain again: another handle */
	ASSERT_EQ(0, replace(&self->a, two, pasid));
	ASSERT_EQ(0, mode(&self->a, two, SMTD_FAULT_SUCCESS, 0, 0));
	EXPECT_EQ(1, dma(&self->a, IOVA + PAGE, 1, pasid));
	EXPECT_EQ(-EBUSY, free_domain(&self->a, two));
	EXPECT_EQ(0, detach(&self->a, pasid));
	EXPECT_EQ(0, fault_stat(&self->a, two).late);
	EXPECT_EQ(0, fault_stat(&self->a, two).stale);
	EXPECT_EQ(0, free_domain(&self->a, two));
}

TEST_F(domain, faults_are_answered)
{
	__u32 id, pasid = variant->pasid;
	struct smtd_fault_stat s;
	__u64 *mem;

	ASSERT_EQ(0, alloc(&self->a, SMTD_DOMAIN_FAULT, &id));
	ASSERT_EQ(0, attach(&self->a, id, pasid));
	EXPECT_EQ(0, dma(&self->a, IOVA, 3, pasid));
	ASSERT_EQ(0, mode(&self->a, id, SMTD_FAULT_FAILURE, 0, 0));
	EXPECT_EQ(0, dma(&self->a, IOVA, 2, pasid));
	ASSERT_EQ(0, mode(&self->a, id, SMTD_FAULT_REFUSE, 0, 0));
	EXPECT_EQ(0, dma(&self->a, IOVA, 1, pasid));
	s = fault_stat(&self->a, id);
	EXPECT_EQ(6, s.begun);
	EXPECT_EQ(6, s.finished);
	EXPECT_EQ(1, s.refused);
	EXPECT_EQ(0, s.mapped);
	EXPECT_EQ(IOVA, s.last_addr & ~(PAGE - 1));
	EXPECT_EQ(pasid, s.last_pasid);

	ASSERT_EQ(0, mode(&self->a, id, SMTD_FAULT_SUCCESS, 0, 0));
	EXPECT_EQ(2, dma(&self->a, IOVA, 2, pasid));
	s = fault_stat(&self->a, id);
	EXPECT_EQ(8, s.begun);
	EXPECT_EQ(2, s.mapped);
	mem = view(&self->a, s.mmap_offset, PAGE);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_NE(0, word(mem, 0));
	/* What faulted in is mapped as by SMTD_IOC_DOMAIN_MAP */
	EXPECT_EQ(-EEXIST, map(&self->a, id, IOVA, PAGE, NULL));
	EXPECT_EQ(0, unmap(&self->a, id, IOVA, PAGE));
	EXPECT_EQ(0, detach(&self->a, pasid));
	EXPECT_EQ(0, fault_stat(&self->a, id).late);
	EXPECT_EQ(0, free_domain(&self->a, id));
}

TEST_F(domain, handlers_are_held)
{
	__u32 id, pasid = variant->pasid;
	struct smtd_fault_stat s;

	ASSERT_EQ(0, alloc(&self->a, SMTD_DOMAIN_FAULT, &id));
	ASSERT_EQ(0, attach(&self->a, id, pasid));
	ASSERT_EQ(0, mode(&self->a, id, SMTD_FAULT_HOLD, SMTD_FAULT_SUCCESS,
			  0));
	start(&self->a, IOVA, 2, pasid, WRITE);
	ASSERT_TRUE(wait_for(held_is, &self->a, id, 2));
	s = fault_stat(&self->a, id);
	EXPECT_EQ(2, s.begun);
	EXPECT_EQ(0, s.finished);
	EXPECT_EQ(2, rd(&self->a, SMTD_STALLED));
	/* Through any function's file */
	ASSERT_EQ(0, release(&self->b, id));
	EXPECT_TRUE(ended(&self->a));
	EXPECT_EQ(2, count(&self->a, SMTD_S_OK));

	/* By itself, after a time */
	ASSERT_EQ(0, mode(&self->a, id, SMTD_FAULT_HOLD, SMTD_FAULT_INVALID,
			  50));
	EXPECT_EQ(0, dma(&self->a, IOVA + 2 * PAGE, 1, pasid));
	EXPECT_TRUE(wait_for(finished_is, &self->a, id, 3));

	/*
	 * The last close lets go. The answer ends the transactions: one that is
	 * tried again can come when the domain has gone from hardware already,
	 * stall in that of the DMA API, and be reported while the core still
	 * has the old handle, of which an unpatched kernel warns.
	 */
	ASSERT_EQ(0, mode(&self->a, id, SMTD_FAULT_HOLD, SMTD_FAULT_INVALID,
			  0));
	start(&self->a, IOVA + 4 * PAGE, 2, pasid, WRITE);
	ASSERT_TRUE(wait_for(held_is, &self->a, id, 2));
	munmap(self->a.bar, SMTD_BAR_SIZE);
	close(self->a.fd);
	ASSERT_EQ(0, open_td(&self->a));
	self->a.bar = view(&self->a, 0, SMTD_BAR_SIZE);
	EXPECT_TRUE(ended(&self->a));
	EXPECT_EQ(2, count(&self->a, SMTD_S_ABORT));
	EXPECT_EQ(-ENOENT, release(&self->a, id));
}

TEST_F(domain, bad_arguments)
{
	__u32 id, plain, pasid = variant->pasid;
	struct smtd_domain_map m = { .flags = SMTD_MAP_READ, .iova = IOVA,
				     .bytes = PAGE };
	struct smtd_domain_alloc a = { .flags = 8 };
	struct smtd_domain_id i = { .reserved = 1 };

	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DOMAIN_ALLOC, &a));
	a.flags = 0;
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_DOMAIN_ALLOC,
				read_only(&a, sizeof(a))));
	ASSERT_EQ(0, alloc(&self->a, 0, &plain));
	ASSERT_EQ(0, alloc(&self->a, SMTD_DOMAIN_FAULT | SMTD_DOMAIN_PASID,
			   &id));

	EXPECT_EQ(-ENOENT, attach(&self->a, 4711, pasid));
	EXPECT_EQ(-EINVAL, attach(&self->a, id, 0));
	EXPECT_EQ(-EINVAL, attach(&self->a, id, 0x10000));
	EXPECT_EQ(-EINVAL, attach(&self->a, id, 0xfffffffe));
	EXPECT_EQ(-EINVAL, detach(&self->a, 0));
	EXPECT_EQ(-ENOENT, detach(&self->a, pasid));
	EXPECT_EQ(-ENOENT, replace(&self->a, id, pasid));

	m.id = id;
	EXPECT_EQ(-EFAULT, call(&self->a, SMTD_IOC_DOMAIN_MAP,
				read_only(&m, sizeof(m))));
	EXPECT_EQ(0, map(&self->a, id, IOVA, 2 * PAGE, NULL));
	EXPECT_EQ(-EEXIST, map(&self->a, id, IOVA + PAGE, PAGE, NULL));
	EXPECT_EQ(-EEXIST, map(&self->a, id, IOVA - PAGE, 4 * PAGE, NULL));
	EXPECT_EQ(-EINVAL, map(&self->a, id, IOVA + 1, PAGE, NULL));
	EXPECT_EQ(-EINVAL, map(&self->a, id, IOVA, PAGE + 1, NULL));
	EXPECT_EQ(-EINVAL, map(&self->a, id, IOVA, 0, NULL));
	EXPECT_EQ(-EINVAL, map(&self->a, id, IOVA, 1ull << 40, NULL));
	EXPECT_EQ(-EINVAL, map(&self->a, id, 1ull << 62, PAGE, NULL));
	EXPECT_EQ(-EINVAL, map(&self->a, id, -PAGE, PAGE, NULL));
	EXPECT_EQ(-EINVAL, map(&self->a, id, -PAGE, 2 * PAGE, NULL));
	EXPECT_EQ(-ENOENT, map(&self->a, 4711, IOVA, PAGE, NULL));
	m.flags = 0;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DOMAIN_MAP, &m));
	m.flags = 4;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DOMAIN_MAP, &m));
	EXPECT_EQ(-ENOENT, unmap(&self->a, id, IOVA, PAGE));
	EXPECT_EQ(-ENOENT, unmap(&self->a, id, IOVA + PAGE, PAGE));
	EXPECT_EQ(-ENOENT, unmap(&self->a, id, ~0ull, PAGE));
	EXPECT_EQ(-ENOENT, unmap(&self->a, 4711, IOVA, PAGE));

	EXPECT_EQ(-EOPNOTSUPP, mode(&self->a, plain, 0, 0, 0));
	EXPECT_EQ(-EINVAL, mode(&self->a, id, 5, 0, 0));
	EXPECT_EQ(-EINVAL, mode(&self->a, id, SMTD_FAULT_HOLD,
				SMTD_FAULT_HOLD, 0));
	EXPECT_EQ(-EINVAL, mode(&self->a, id, SMTD_FAULT_HOLD, 0,
				SMTD_MAX_HOLD_MS + 1));
	EXPECT_EQ(-EINVAL, mode(&self->a, id, SMTD_FAULT_SUCCESS, 1, 0));
	EXPECT_EQ(-EINVAL, mode(&self->a, id, SMTD_FAULT_SUCCESS, 0, 1));
	EXPECT_EQ(-ENOENT, mode(&self->a, 4711, 0, 0, 0));
	EXPECT_EQ(-ENOENT, release(&self->a, 4711));
	EXPECT_EQ(0, fault_stat(&self->a, 4711).id);
	i.id = id;
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_FAULT_RELEASE, &i));
	EXPECT_EQ(-EINVAL, call(&self->a, SMTD_IOC_DOMAIN_FREE, &i));
	for (int nr = 0; nr <= 16; nr++) {
		unsigned long cmds[] = {
			SMTD_IOC_DOMAIN_ALLOC, SMTD_IOC_DOMAIN_FREE,
			SMTD_IOC_DOMAIN_ATTACH, SMTD_IOC_DOMAIN_REPLACE,
			SMTD_IOC_DOMAIN_DETACH, SMTD_IOC_DOMAIN_MAP,
			SMTD_IOC_DOMAIN_UNMAP, SMTD_IOC_FAULT_MODE,
			SMTD_IOC_FAULT_RELEASE, SMTD_IOC_FAULT_STAT,
		};

		if (nr < (int)(sizeof(cmds) / sizeof(*cmds)))
			EXPECT_EQ(-EFAULT, call(&self->a, cmds[nr], NULL));
	}
	EXPECT_EQ(0, free_domain(&self->a, id));
	EXPECT_EQ(0, free_domain(&self->a, plain));
}

TEST_HARNESS_MAIN
