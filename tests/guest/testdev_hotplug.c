// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that comes and goes while the machine runs.
 *
 * usage: testdev_hotplug [options of kselftest_harness.h] PLUGGER SLOT-FUNCTION
 *
 * PLUGGER is an smmu-testdev with the property "plug", SLOT-FUNCTION the address
 * that what it plugs in will have. Nothing here may fail on any kernel.
 */
#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define TIMEOUT_S	120

/* The attention button has to be pressed for five seconds before Linux acts. */
#define ROUNDS		2

static const char *plugger_bdf, *bdf;

/* Once: REMOVE asks, and asking a second time would call it off. */
static bool ask_to_go(struct smtd *plugger)
{
	smtd_write(plugger, SMTD_PLUG, SMTD_PLUG_REMOVE);
	return smtd_until(smtd_read(plugger, SMTD_PLUG) >= SMTD_PLUG_DONE) &&
	       smtd_read(plugger, SMTD_PLUG) == SMTD_PLUG_DONE;
}

FIXTURE(slot) {
	struct smtd *plugger;
	void *mem;
};

FIXTURE_SETUP(slot)
{
	self->plugger = smtd_watch(plugger_bdf);
	self->mem = smtd_alloc(4);
	ASSERT_FALSE(smtd_exists(bdf));
	ASSERT_TRUE(smtd_plug_in(self->plugger));
	ASSERT_TRUE(smtd_vfio_comes_up(bdf));
}

FIXTURE_TEARDOWN(slot)
{
	smtd_close(self->plugger);
}

/* Map, let it write through its ATC, unmap, and see that it cannot any more. */
static void use(struct __test_metadata *_metadata, void *mem)
{
	struct iommu *iommu = iommu_init(MODE_IOMMUFD);
	struct smtd *dev = smtd_open(bdf, iommu);

	smtd_map(iommu, iommu->ioas_id, mem, IOVA, 4 * SMTD_PAGE);
	ASSERT_EQ(smtd_attach(dev, iommu->ioas_id), 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 4, .ats = true), 4);
	EXPECT_NE(smtd_word(mem, 3), 0);
	EXPECT_EQ(smtd_read(dev, SMTD_ATC_ENTRIES), 4);
	EXPECT_EQ(smtd_unmap(iommu, iommu->ioas_id, IOVA, 4 * SMTD_PAGE), 0);
	smtd_mark_freed(dev, IOVA, 0);
	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA, .ats = true), 0);
	EXPECT_EQ(smtd_violations(dev), 0);
	smtd_print(dev, "plugged in");
	smtd_close(dev);
	iommu_cleanup(iommu);
}

TEST_F_TIMEOUT(slot, works_and_goes_when_it_is_asked_to, TIMEOUT_S)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		use(_metadata, self->mem);
		ASSERT_TRUE(ask_to_go(self->plugger));
		ASSERT_TRUE(smtd_until(!smtd_exists(bdf)));
		if (i == ROUNDS - 1)
			break;
		ASSERT_TRUE(smtd_plug_in(self->plugger));
		ASSERT_TRUE(smtd_vfio_comes_up(bdf));
	}
	EXPECT_EQ(smtd_violations(self->plugger), 0);
}

TEST_F_TIMEOUT(slot, goes_when_the_slot_loses_its_power, TIMEOUT_S)
{
	int slot = smtd_slot(bdf);

	ASSERT_GE(slot, 0);
	use(_metadata, self->mem);
	ASSERT_EQ(smtd_slot_power(slot, false), 0);
	EXPECT_TRUE(smtd_until(!smtd_exists(bdf)));
	EXPECT_EQ(smtd_violations(self->plugger), 0);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	plugger_bdf = bdfs[0];
	bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
