// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attach another address space to a function while it is inside its reset.
 *
 * usage: reset_attach [options of kselftest_harness.h] BDF
 *
 * The function must be a virtio entropy device (1af4:1044) and bound to vfio-pci.
 * Whoever starts this traces vfio_df_ioctl_attach_pt, pci_dev_reset_iommu_prepare and
 * pci_dev_reset_iommu_done with trace_functions of testlib.sh: only the kernel can
 * say whether the attach fell between the end of prepare and the begin of done.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/compiler.h>
#include <linux/iommufd.h>
#include <linux/types.h>
#include <linux/vfio.h>

#include <libvfio.h>
#include <libvfio/virtio_rng.h>

#include "../kselftest_harness.h"

#define DEADLINE_MS	10000
#define TIMEOUT_S	120

/* The reset lasts 100 ms, and prepare is seen when it has been: one is enough. */
#define TRIES		10

#define TRACE		"/sys/kernel/tracing/trace"

static const char *bdf;

static u64 now_ms(void)
{
	struct timespec ts;

	VFIO_ASSERT_EQ(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

#define until(_cond) ({						\
	u64 __end = now_ms() + DEADLINE_MS;			\
	bool __true;						\
								\
	while (!(__true = (_cond)) && now_ms() < __end)		\
		usleep(200);					\
	__true;							\
})

/* See dma_runs() in vfio_pci_reset_test.c; all that was in flight before, and one more */
static bool dma_runs(struct virtio_rng *rng)
{
	u64 target = virtio_rng_completions(rng) + rng->nr_buffers + 1;

	return until(({
		virtio_rng_keep_full(rng);
		virtio_rng_completions(rng) >= target || virtio_rng_needs_reset(rng);
	})) && !virtio_rng_needs_reset(rng);
}

/* ---- what the kernel has done, in its order ---- */

static const char * const events[] = {
	" pci_dev_reset_iommu_prepare_ret:",
	" vfio_df_ioctl_attach_pt:",
	" vfio_df_ioctl_attach_pt_ret:",
	" pci_dev_reset_iommu_done:",
};

enum { PREPARED, ATTACH, ATTACHED, DONE, EVENTS };

static void trace_clear(void)
{
	FILE *file = fopen(TRACE, "w");

	VFIO_ASSERT_NOT_NULL(file);
	VFIO_ASSERT_EQ(fclose(file), 0);
}

/* The line of the first event of each kind, from 1; 0: there was none */
static void trace_read(unsigned int *at)
{
	unsigned int line = 0, i;
	char text[1024];
	FILE *file = fopen(TRACE, "r");

	VFIO_ASSERT_NOT_NULL(file);
	memset(at, 0, EVENTS * sizeof(*at));
	while (fgets(text, sizeof(text), file)) {
		line++;
		for (i = 0; i < EVENTS; i++)
			if (!at[i] && strstr(text, events[i]))
				at[i] = line;
	}
	fclose(file);
}

static bool is_prepared(void)
{
	unsigned int at[EVENTS];

	trace_read(at);
	return at[PREPARED];
}

static bool attach_was_inside(void)
{
	unsigned int at[EVENTS];

	trace_read(at);
	printf("# prepare returned in line %u, attach from %u to %u, done in %u\n", at[PREPARED],
	       at[ATTACH], at[ATTACHED], at[DONE]);
	fflush(stdout);
	return at[PREPARED] && at[PREPARED] < at[ATTACH] && at[ATTACH] < at[ATTACHED] &&
	       at[ATTACHED] < at[DONE];
}

/* ---- the experiment ---- */

static int attach(struct vfio_pci_device *device, u32 ioas)
{
	struct vfio_device_attach_iommufd_pt args = {
		.argsz = sizeof(args),
		.pt_id = ioas,
	};

	return ioctl(device->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &args) ? -errno : 0;
}

/* -EAGAIN: somebody else holds the device for a moment. */
static int reset(struct vfio_pci_device *device)
{
	int ret;

	until((ret = ioctl(device->fd, VFIO_DEVICE_RESET, NULL) ? -errno : 0) != -EAGAIN);
	return ret;
}

struct resetter {
	struct vfio_pci_device *device;
	pthread_t thread;
	int ret;
};

static void *reset_thread(void *arg)
{
	struct resetter *resetter = arg;

	resetter->ret = reset(resetter->device);
	return NULL;
}

static void map(struct iommu *iommu, u32 ioas, struct dma_region *region, void *vaddr)
{
	struct iommu_ioas_map args = {
		.size = sizeof(args),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (u64)vaddr,
		.length = region->size,
		.iova = region->iova,
	};

	ioctl_assert(iommu->iommufd, IOMMU_IOAS_MAP, &args);
}

FIXTURE(reset_attach) {
	struct iommu *iommu;
	struct vfio_pci_device *device;
	struct iova_allocator *iovas;
	struct virtio_rng *rng;
	u32 other;
	u64 *other_buffers;
};

/* The other address space has the same ring, and buffers of its own. */
FIXTURE_SETUP(reset_attach)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct virtio_rng *rng;

	self->iommu = iommu_init(MODE_IOMMUFD);
	self->device = vfio_pci_device_init(bdf, self->iommu);
	ASSERT_TRUE(virtio_rng_match(self->device));
	self->iovas = iova_allocator_init(self->iommu);
	self->rng = virtio_rng_create(self->device, self->iovas);
	rng = self->rng;
	ASSERT_EQ(virtio_rng_init(rng, DEADLINE_MS), 0);
	ASSERT_TRUE(dma_runs(rng));

	ioctl_assert(self->iommu->iommufd, IOMMU_IOAS_ALLOC, &alloc);
	self->other = alloc.out_ioas_id;
	self->other_buffers = mmap(NULL, rng->buffer_region.size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE((void *)self->other_buffers, MAP_FAILED);
	map(self->iommu, self->other, &rng->ring_region, rng->ring_region.vaddr);
	map(self->iommu, self->other, &rng->buffer_region, self->other_buffers);
}

FIXTURE_TEARDOWN(reset_attach)
{
	virtio_rng_destroy(self->rng);
	iova_allocator_cleanup(self->iovas);
	vfio_pci_device_cleanup(self->device);
	iommu_cleanup(self->iommu);
}

/* Reset with DMA in flight; what attaching the other one inside of it returned is in @ret. */
static bool attach_inside(struct __test_metadata *_metadata, struct vfio_pci_device *device,
			  struct virtio_rng *rng, u32 other, int *ret)
{
	struct resetter resetter = { .device = device };

	virtio_rng_keep_full(rng);
	trace_clear();
	VFIO_ASSERT_EQ(pthread_create(&resetter.thread, NULL, reset_thread, &resetter), 0);
	EXPECT_TRUE(until(is_prepared()));
	*ret = attach(device, other);
	VFIO_ASSERT_EQ(pthread_join(resetter.thread, NULL), 0);
	EXPECT_EQ(resetter.ret, 0);
	return attach_was_inside();
}

/* The device fills each of its buffers once, wherever they are, and reports them. */
static bool fill(struct virtio_rng *rng)
{
	if (virtio_rng_init(rng, DEADLINE_MS))
		return false;
	virtio_rng_post(rng);
	virtio_rng_kick(rng);
	return until(virtio_rng_unreaped(rng) == rng->nr_buffers);
}

static unsigned int filled(u64 *buffers, unsigned int nr_buffers)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr_buffers; i++)
		n += !!READ_ONCE(buffers[i * VIRTIO_RNG_BUFFER_SIZE / sizeof(u64)]);
	return n;
}

TEST_F_TIMEOUT(reset_attach, inside_a_reset_is_what_translates_after_it, TIMEOUT_S)
{
	struct virtio_rng *rng = self->rng;
	bool inside = false;
	unsigned int n;
	int i, ret;

	for (i = 0; i < TRIES && !inside; i++) {
		if (i) {
			ASSERT_EQ(attach(self->device, self->iommu->ioas_id), 0);
			ASSERT_EQ(virtio_rng_init(rng, DEADLINE_MS), 0);
			ASSERT_TRUE(dma_runs(rng));
		}
		inside = attach_inside(_metadata, self->device, rng, self->other, &ret);
	}
	ASSERT_TRUE(inside);
	EXPECT_EQ(ret, 0) {
		TH_LOG("attach of another address space inside the reset: %d", ret);
	}

	if (!ret) {
		ASSERT_EQ(filled(self->other_buffers, rng->nr_buffers), 0);
		ASSERT_TRUE(fill(rng));
		n = filled(self->other_buffers, rng->nr_buffers);
		EXPECT_EQ(n, rng->nr_buffers) {
			TH_LOG("after the reset the attached memory has %u buffers, the former %u",
			       n, virtio_rng_written(rng));
		}
		EXPECT_EQ(virtio_rng_written(rng), 0);
		ASSERT_EQ(attach(self->device, self->iommu->ioas_id), 0);
	}

	/* And back, with a reset that nothing falls into. */
	ASSERT_EQ(reset(self->device), 0);
	ASSERT_EQ(virtio_rng_init(rng, DEADLINE_MS), 0);
	ASSERT_TRUE(dma_runs(rng));
}

/* There and back, as a user may who has changed his mind */
TEST_F_TIMEOUT(reset_attach, of_two_inside_a_reset_the_last_one_counts, TIMEOUT_S)
{
	struct resetter resetter = { .device = self->device };
	struct virtio_rng *rng = self->rng;
	int there, back;

	virtio_rng_keep_full(rng);
	trace_clear();
	VFIO_ASSERT_EQ(pthread_create(&resetter.thread, NULL, reset_thread, &resetter), 0);
	ASSERT_TRUE(until(is_prepared()));
	there = attach(self->device, self->other);
	back = attach(self->device, self->iommu->ioas_id);
	VFIO_ASSERT_EQ(pthread_join(resetter.thread, NULL), 0);
	EXPECT_EQ(resetter.ret, 0);
	EXPECT_EQ(back, 0);
	printf("# there and back inside the reset: %d, %d\n", there, back);
	fflush(stdout);
	ASSERT_EQ(virtio_rng_init(rng, DEADLINE_MS), 0);
	ASSERT_TRUE(dma_runs(rng));
	EXPECT_EQ(filled(self->other_buffers, rng->nr_buffers), 0);
}

int main(int argc, char *argv[])
{
	bdf = vfio_selftests_get_bdf(&argc, argv);
	return test_harness_run(argc, argv);
}
