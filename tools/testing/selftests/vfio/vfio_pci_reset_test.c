// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of a PCI function against DMA that is really outstanding.
 *
 * The device is a virtio entropy device (1af4:1044), which writes memory on its
 * own once it has buffers. With QEMU:
 *
 *   -M virt,iommu=smmuv3 -device pcie-root-port,id=rp0
 *   -device virtio-rng-pci,bus=rp0,ats=on,iommu_platform=on,disable-legacy=on
 *
 * and a limit that keeps DMA going between two looks at the queue. A reset should
 * find buffers in flight (max-bytes=64,period=12: a buffer in 12 ms); a write of
 * reset_method, which is short, should meet DMA often (max-bytes=64,period=1).
 *
 * ats=on matters: the IOMMU core blocks the DMA of a function during its reset
 * only if the function has the ATS capability. (ATS need not be enabled for it.)
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include <linux/limits.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>

#include <libvfio.h>
#include <libvfio/virtio_rng.h>

#include "kselftest_harness.h"

/* How long a condition may take that should come true. Only failures wait. */
#define DEADLINE_MS		10000

/* A machine under load may need longer than the 30 s of TEST_F(). */
#define TIMEOUT_S		120

/* Resets in a row in one test. */
#define RESETS			3

/*
 * Accesses to reset_method in one test. A kernel that blocks the device for a
 * part of each write was seen to interrupt one in 8 to 12 with period=1, so that
 * not one of these being hit has a probability of less than 10^-7.
 */
#define METHOD_ACCESSES		200

/* PCIe Base 6.0 section 6.6.2: software leaves a function alone for so long. */
#define FLR_MS			100

/* Below this a reset may begin when the device has already filled everything. */
#define MIN_INTERVAL_US		4000

/* Memory that must not be written is watched for so many intervals of the DMA. */
#define WATCH_INTERVALS		10

static const char *device_bdf;

/* The methods the device had when the program started, "" if it has none. */
static char saved_methods[128];

static u64 now_us(void)
{
	struct timespec ts;

	VFIO_ASSERT_EQ(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static int sysfs_open(const char *file, int flags)
{
	char path[PATH_MAX];

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s/%s", device_bdf, file);
	return open(path, flags);
}

static int sysfs_write(const char *file, const char *value)
{
	int fd = sysfs_open(file, O_WRONLY);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int sysfs_read(const char *file, char *buf, size_t size)
{
	int fd = sysfs_open(file, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	if (len < 0)
		len = -errno;
	else
		buf[len] = '\0';
	close(fd);
	return len < 0 ? len : 0;
}

/* Also runs when an assertion of libvfio ends a test without its teardown. */
static void restore_methods(void)
{
	char now[sizeof(saved_methods)];

	if (!saved_methods[0])
		return;
	if (sysfs_read("reset_method", now, sizeof(now)) || strcmp(now, saved_methods))
		sysfs_write("reset_method", saved_methods);
}

static bool method_is_offered(const char *method)
{
	char methods[sizeof(saved_methods)];
	char *save, *word;

	strcpy(methods, saved_methods);
	for (word = strtok_r(methods, "\n ", &save); word;
	     word = strtok_r(NULL, "\n ", &save)) {
		if (!strcmp(word, method))
			return true;
	}
	return false;
}

/*
 * Keep DMA running until @count more buffers came back. False if the device gave
 * up or if that takes longer than DEADLINE_MS.
 */
static bool dma_runs(struct virtio_rng *rng, unsigned int count)
{
	u64 deadline = now_us() + DEADLINE_MS * 1000ULL;
	u64 target = virtio_rng_completions(rng) + count;

	for (;;) {
		virtio_rng_keep_full(rng);
		if (virtio_rng_completions(rng) >= target)
			return true;
		if (virtio_rng_needs_reset(rng) || now_us() >= deadline)
			return false;
		usleep(200);
	}
}

/*
 * Buffers that were in flight may have been filled before the event under test.
 * When one more than fit into the queue came back, one was filled after it.
 */
static bool dma_runs_on(struct virtio_rng *rng)
{
	return dma_runs(rng, rng->nr_buffers + 1);
}

/* Time from one filled buffer to the next. */
static u64 dma_interval_us(struct virtio_rng *rng)
{
	u64 start = now_us();
	u64 before = virtio_rng_completions(rng);

	if (!dma_runs_on(rng))
		return 0;
	return (now_us() - start) / (virtio_rng_completions(rng) - before);
}

/*
 * A second thread that watches the memory while the first is inside a reset.
 * What it notices happened between two of its looks, so a violation is certain
 * if the look before was too late already, however rarely it gets to run.
 */
struct watcher {
	struct virtio_rng *rng;
	pthread_t thread;
	bool stop;
	unsigned int written;
	u64 last_write_after_us;
};

static void *watch(void *arg)
{
	struct watcher *watcher = arg;
	u64 looked = now_us();
	bool stop;

	do {
		unsigned int written;
		u64 looking;

		/* Before the look, so that one look comes after the reset. */
		stop = __atomic_load_n(&watcher->stop, __ATOMIC_ACQUIRE);
		looking = now_us();
		written = virtio_rng_written(watcher->rng);
		if (written != watcher->written) {
			watcher->written = written;
			watcher->last_write_after_us = looked;
		}
		/* The time of its begin: a write during a look may escape it. */
		looked = looking;
		usleep(200);
	} while (!stop);

	return NULL;
}

static void watcher_start(struct watcher *watcher, struct virtio_rng *rng)
{
	*watcher = (struct watcher) {
		.rng = rng,
		.written = virtio_rng_written(rng),
	};
	VFIO_ASSERT_EQ(pthread_create(&watcher->thread, NULL, watch, watcher), 0);
}

static void watcher_stop(struct watcher *watcher)
{
	__atomic_store_n(&watcher->stop, true, __ATOMIC_RELEASE);
	VFIO_ASSERT_EQ(pthread_join(watcher->thread, NULL), 0);
}

/* -EAGAIN: somebody else holds the device for a moment. */
static int reset_through_vfio(struct vfio_pci_device *device)
{
	u64 deadline = now_us() + DEADLINE_MS * 1000ULL;

	while (ioctl(device->fd, VFIO_DEVICE_RESET, NULL)) {
		if (errno != EAGAIN || now_us() >= deadline)
			return -errno;
		usleep(1000);
	}
	return 0;
}

static int reset_through_sysfs(struct vfio_pci_device *device)
{
	return sysfs_write("reset", "1");
}

FIXTURE(vfio_pci_reset) {
	struct iommu *iommu;
	struct vfio_pci_device *device;
	struct iova_allocator *iovas;
	struct virtio_rng *rng;
};

FIXTURE_VARIANT(vfio_pci_reset) {
	const char *iommu_mode;
};

#define FIXTURE_VARIANT_ADD_IOMMU_MODE(_iommu_mode)	\
FIXTURE_VARIANT_ADD(vfio_pci_reset, _iommu_mode) {	\
	.iommu_mode = #_iommu_mode,			\
}

FIXTURE_VARIANT_ADD_ALL_IOMMU_MODES();

#undef FIXTURE_VARIANT_ADD_IOMMU_MODE

FIXTURE_SETUP(vfio_pci_reset)
{
	self->iommu = iommu_init(variant->iommu_mode);
	self->device = vfio_pci_device_init(device_bdf, self->iommu);

	if (!virtio_rng_match(self->device))
		SKIP(return, "%s is not a modern virtio entropy device (1af4:1044)",
		     device_bdf);
	if (!(self->device->info.flags & VFIO_DEVICE_FLAGS_RESET))
		SKIP(return, "VFIO cannot reset %s", device_bdf);

	self->iovas = iova_allocator_init(self->iommu);
	self->rng = virtio_rng_create(self->device, self->iovas);
	ASSERT_EQ(0, virtio_rng_init(self->rng, DEADLINE_MS));
}

FIXTURE_TEARDOWN(vfio_pci_reset)
{
	virtio_rng_destroy(self->rng);
	iova_allocator_cleanup(self->iovas);
	vfio_pci_device_cleanup(self->device);
	iommu_cleanup(self->iommu);
	restore_methods();
}

/*
 * Paint all buffers and see that they stay so. The time is the thing observed: a
 * device that still reached the memory would write a buffer in each interval.
 */
static void expect_untouched_memory(struct __test_metadata *_metadata,
				    struct virtio_rng *rng, u64 interval_us)
{
	u64 end = now_us() + WATCH_INTERVALS * interval_us;

	virtio_rng_paint(rng);
	do {
		usleep(1000);
		ASSERT_EQ(0, virtio_rng_written(rng));
	} while (now_us() < end);
}

/* A device that was reset and not started again leaves its ring alone, too. */
static void expect_no_dma(struct __test_metadata *_metadata,
			  struct virtio_rng *rng, u64 interval_us)
{
	unsigned int reported = virtio_rng_unreaped(rng);

	/* A virtio device that was reset has no status. */
	ASSERT_EQ(0, virtio_rng_status(rng));
	expect_untouched_memory(_metadata, rng, interval_us);
	ASSERT_EQ(reported, virtio_rng_unreaped(rng));
}

static void reset_in_flight(struct __test_metadata *_metadata,
			    FIXTURE_DATA(vfio_pci_reset) *self,
			    int (*reset)(struct vfio_pci_device *device))
{
	struct virtio_rng *rng = self->rng;
	struct watcher watcher;
	u64 interval_us;
	u64 returned_us;
	int ret, i;

	interval_us = dma_interval_us(rng);
	ASSERT_NE(0, interval_us);
	if (interval_us < MIN_INTERVAL_US)
		SKIP(return, "A buffer in %lu us is too fast for a reset in flight (period=12?)",
		     (unsigned long)interval_us);

	for (i = 0; i < RESETS; i++) {
		/* All buffers are in flight, or were until a moment ago. */
		virtio_rng_keep_full(rng);
		watcher_start(&watcher, rng);
		ret = reset(self->device);
		returned_us = now_us();
		watcher_stop(&watcher);
		ASSERT_EQ(0, ret);

		/* An untouched buffer: the reset ended DMA, not a want of buffers. */
		ASSERT_LT(watcher.written, rng->nr_buffers);
		ASSERT_LT(watcher.last_write_after_us, returned_us - FLR_MS * 1000) {
			TH_LOG("A buffer was written %lu us before the reset ended",
			       (unsigned long)(returned_us - watcher.last_write_after_us));
		}

		expect_no_dma(_metadata, rng, interval_us);

		ASSERT_EQ(0, virtio_rng_init(rng, DEADLINE_MS));
		ASSERT_TRUE(dma_runs_on(rng));
	}
}

TEST_F_TIMEOUT(vfio_pci_reset, a_reset_in_flight_stops_dma_until_the_next_init, TIMEOUT_S)
{
	reset_in_flight(_metadata, self, reset_through_vfio);
}

TEST_F_TIMEOUT(vfio_pci_reset, a_sysfs_reset_under_a_vfio_user_stops_dma_until_the_next_init,
	       TIMEOUT_S)
{
	reset_in_flight(_metadata, self, reset_through_sysfs);
}

TEST_F_TIMEOUT(vfio_pci_reset, memory_unmapped_in_flight_stays_untouched_and_a_reset_recovers,
	       TIMEOUT_S)
{
	struct virtio_rng *rng = self->rng;
	u64 interval_us;
	int i;

	interval_us = dma_interval_us(rng);
	ASSERT_NE(0, interval_us);

	for (i = 0; i < RESETS; i++) {
		u64 deadline;

		virtio_rng_keep_full(rng);
		iommu_unmap(self->iommu, &rng->buffer_region);
		expect_untouched_memory(_metadata, rng, interval_us);

		/*
		 * The device has met the hole, so the silence is not that of an
		 * idle one: it gave up, or reports buffers that it did not write
		 * (QEMU's drops a write that the IOMMU refuses).
		 */
		deadline = now_us() + DEADLINE_MS * 1000ULL;
		while (!virtio_rng_unreaped(rng) && !virtio_rng_needs_reset(rng)) {
			ASSERT_LT(now_us(), deadline);
			usleep(1000);
		}
		ASSERT_EQ(0, virtio_rng_written(rng));

		ASSERT_EQ(0, reset_through_vfio(self->device));
		iommu_map(self->iommu, &rng->buffer_region);
		expect_no_dma(_metadata, rng, interval_us);

		ASSERT_EQ(0, virtio_rng_init(rng, DEADLINE_MS));
		ASSERT_TRUE(dma_runs_on(rng));
	}
}

/*
 * Which reset methods a function has is a question, and so is a write that says
 * which of them to use: neither resets anything, so neither may disturb DMA.
 */
FIXTURE(vfio_pci_reset_method) {
	struct iommu *iommu;
	struct vfio_pci_device *device;
	struct iova_allocator *iovas;
	struct virtio_rng *rng;
};

FIXTURE_VARIANT(vfio_pci_reset_method) {
	const char *iommu_mode;
};

#define FIXTURE_VARIANT_ADD_IOMMU_MODE(_iommu_mode)		\
FIXTURE_VARIANT_ADD(vfio_pci_reset_method, _iommu_mode) {	\
	.iommu_mode = #_iommu_mode,				\
}

FIXTURE_VARIANT_ADD_ALL_IOMMU_MODES();

#undef FIXTURE_VARIANT_ADD_IOMMU_MODE

FIXTURE_SETUP(vfio_pci_reset_method)
{
	self->iommu = iommu_init(variant->iommu_mode);
	self->device = vfio_pci_device_init(device_bdf, self->iommu);

	if (!virtio_rng_match(self->device))
		SKIP(return, "%s is not a modern virtio entropy device (1af4:1044)",
		     device_bdf);
	if (!saved_methods[0])
		SKIP(return, "%s has no reset method", device_bdf);

	self->iovas = iova_allocator_init(self->iommu);
	self->rng = virtio_rng_create(self->device, self->iovas);
	ASSERT_EQ(0, virtio_rng_init(self->rng, DEADLINE_MS));
}

FIXTURE_TEARDOWN(vfio_pci_reset_method)
{
	virtio_rng_destroy(self->rng);
	iova_allocator_cleanup(self->iovas);
	vfio_pci_device_cleanup(self->device);
	iommu_cleanup(self->iommu);
	restore_methods();
}

/*
 * A pause that differs from one access to the next. Without it each would follow
 * a completion at the same distance, and could always miss the next one.
 */
static void drift(u64 interval_us, int nr)
{
	usleep(interval_us * (nr * 5 % 8) / 8);
}

/* To be called at once when an access has returned. */
static void expect_dma_goes_on(struct __test_metadata *_metadata,
			       struct virtio_rng *rng, const char *access, int nr)
{
	unsigned int reported = virtio_rng_unreaped(rng);
	u64 start = now_us();
	bool runs;

	/* What the device reports beyond this, it reports by DMA of this moment. */
	runs = dma_runs(rng, reported + 1);

	ASSERT_TRUE(runs && !virtio_rng_needs_reset(rng)) {
		u8 status = virtio_rng_status(rng);

		TH_LOG("DMA interrupted: %s, number %d of %d: device status %#x%s, %s for %lu ms",
		       access, nr, METHOD_ACCESSES, status,
		       status & VIRTIO_CONFIG_S_NEEDS_RESET ? " (NEEDS_RESET)" : "",
		       runs ? "a buffer was filled yet" : "no buffer filled",
		       (unsigned long)(now_us() - start) / 1000);
	}
}

static void write_while_dma_runs(struct __test_metadata *_metadata,
				 struct virtio_rng *rng, const char *methods)
{
	char access[64];
	u64 interval_us;
	int i;

	snprintf_assert(access, sizeof(access), "write of \"%s\" to reset_method", methods);
	interval_us = dma_interval_us(rng);
	ASSERT_NE(0, interval_us);

	for (i = 1; i <= METHOD_ACCESSES; i++) {
		drift(interval_us, i);
		virtio_rng_keep_full(rng);
		ASSERT_EQ(0, sysfs_write("reset_method", methods));
		expect_dma_goes_on(_metadata, rng, access, i);
	}
}

TEST_F_TIMEOUT(vfio_pci_reset_method, writing_bus_does_not_disturb_dma, TIMEOUT_S)
{
	if (!method_is_offered("bus"))
		SKIP(return, "%s cannot be reset through its bus", device_bdf);
	write_while_dma_runs(_metadata, self->rng, "bus");
}

TEST_F_TIMEOUT(vfio_pci_reset_method, writing_flr_does_not_disturb_dma, TIMEOUT_S)
{
	if (!method_is_offered("flr"))
		SKIP(return, "%s has no FLR", device_bdf);
	write_while_dma_runs(_metadata, self->rng, "flr");
}

TEST_F_TIMEOUT(vfio_pci_reset_method, writing_flr_and_bus_does_not_disturb_dma, TIMEOUT_S)
{
	if (!method_is_offered("flr") || !method_is_offered("bus"))
		SKIP(return, "%s lacks FLR or bus reset", device_bdf);
	write_while_dma_runs(_metadata, self->rng, "flr bus");
}

TEST_F_TIMEOUT(vfio_pci_reset_method, writing_default_does_not_disturb_dma, TIMEOUT_S)
{
	write_while_dma_runs(_metadata, self->rng, "default");
}

TEST_F_TIMEOUT(vfio_pci_reset_method, reading_does_not_disturb_dma, TIMEOUT_S)
{
	char methods[sizeof(saved_methods)];
	u64 interval_us;
	int i;

	interval_us = dma_interval_us(self->rng);
	ASSERT_NE(0, interval_us);

	for (i = 1; i <= METHOD_ACCESSES; i++) {
		drift(interval_us, i);
		virtio_rng_keep_full(self->rng);
		ASSERT_EQ(0, sysfs_read("reset_method", methods, sizeof(methods)));
		expect_dma_goes_on(_metadata, self->rng, "read of reset_method", i);
		ASSERT_STREQ(saved_methods, methods);
	}
}

int main(int argc, char *argv[])
{
	device_bdf = vfio_selftests_get_bdf(&argc, argv);

	if (sysfs_read("reset_method", saved_methods, sizeof(saved_methods)))
		saved_methods[0] = '\0';
	atexit(restore_methods);

	return test_harness_run(argc, argv);
}
