// SPDX-License-Identifier: GPL-2.0-only
/*
 * Show on a time scale what DMA does around a reset of its PCI function.
 *
 * usage: reset_timeline [-i iommu_mode] [-m] [-o reset|probe] [-p methods]
 *                       [-w writes] BDF
 *
 *   -i  one of libvfio's IOMMU modes (iommufd)
 *   -m  mark the beginning and the end of the writes for whoever traces the
 *       machine: read the bytes at 0xff1 and 0xff2 of the configuration space
 *   -o  only one of the experiments
 *   -p  what is written to reset_method (bus)
 *   -w  how often (40)
 *
 * The function must be a virtio entropy device (1af4:1044) and bound to vfio-pci.
 *
 * Two experiments:
 *   reset  DMA runs; one thread calls VFIO_DEVICE_RESET; the other watches the
 *          memory meanwhile and keeps giving the device buffers. Then the device
 *          is started again. To be seen at all, DMA should be slow: a buffer in
 *          some milliseconds.
 *   probe  DMA runs; reset_method is written again and again, which must not
 *          disturb anybody. A device that was interrupted is reset and started
 *          again before the next write. To be hit, DMA should be fast: a buffer in
 *          a millisecond.
 *
 * Output, one event a line:
 *
 *   EV <ns> <event> [<key>=<value>]...
 *
 * <ns> is CLOCK_MONOTONIC in nanoseconds, taken at the event; lines of different
 * threads may be printed out of order. A value has no blanks. "completions"
 * counts the buffers that the device has filled since the program began.
 *
 *   begin          bdf= iommu_mode= methods=   what the device is and can; methods
 *                                              are those of reset_method
 *   dma-running    completions= interval_us=   DMA goes on, one buffer per interval
 *   reset-call     completions=                before VFIO_DEVICE_RESET
 *   sample         completions= phase=         taken in the phase "before" the call,
 *                                              "during" it or "after" its return
 *   reset-return   err= us=                    it returned; 0 or an errno; took us
 *   dma-stopped    completions= last_ns=       DMA stands still; last_ns is when it
 *                                              was last seen to move
 *   dma-again      completions=                started again, DMA goes on
 *   probe-begin    writes= methods= interval_us=
 *                                              the writes begin (mark 1)
 *   probe-write    nr= err= us= completions= delta= status=
 *                                              one write: its result, what it took,
 *                                              buffers filled meanwhile, and the
 *                                              device status after it
 *   dma-interrupted nr= status= reason=        DMA did not go on after write nr:
 *                                              "needs-reset" if the device gave up,
 *                                              "silent" if nothing came
 *   dma-recovered  nr= us= completions=        reset and started again
 *   probe-end      writes= interrupted=        the writes are over (mark 2)
 *   end            completions=
 *
 * Exit status: 0 if the experiments could be made, whatever they showed; 1 if not.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include <linux/limits.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>

#include <libvfio.h>
#include <libvfio/virtio_rng.h>

#include "events.h"

#define DEADLINE_MS	10000
#define SAMPLE_US	1000

/* Samples in the picture before the call, and after its return. */
#define SAMPLES_BEFORE	20
#define SAMPLES_AFTER	40

/* Where hw_mark() of testlib.sh reads as well. */
#define MARK_OFFSET	0xff0

static struct {
	const char *iommu_mode;
	const char *methods;
	int writes;
	bool mark;
	bool reset;
	bool probe;
} opt = {
	.iommu_mode = MODE_IOMMUFD,
	.methods = "bus",
	.writes = 40,
	.reset = true,
	.probe = true,
};

static const char *bdf;

static int sysfs_open(const char *file, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s/%s", bdf, file);
	fd = open(path, flags);
	VFIO_ASSERT_GE(fd, 0, "open(%s) failed\n", path);
	return fd;
}

static void mark(int nr)
{
	int fd;
	u8 byte;

	if (!opt.mark)
		return;

	fd = sysfs_open("config", O_RDONLY);
	VFIO_ASSERT_EQ(pread(fd, &byte, 1, MARK_OFFSET + nr), 1);
	close(fd);
}

static void read_methods(char *buf, size_t size)
{
	int fd = sysfs_open("reset_method", O_RDONLY);
	ssize_t len = read(fd, buf, size - 1);

	VFIO_ASSERT_GE(len, 0);
	close(fd);
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static int write_methods(const char *methods)
{
	int fd = sysfs_open("reset_method", O_WRONLY);
	int err = 0;

	if (write(fd, methods, strlen(methods)) < 0)
		err = errno;
	close(fd);
	return err;
}

/* Completions as memory shows them, reaped or not. */
static u64 completions(struct virtio_rng *rng)
{
	return virtio_rng_completions(rng) + virtio_rng_unreaped(rng);
}

/* See dma_runs() in vfio_pci_reset_test.c. */
static bool dma_runs(struct virtio_rng *rng, unsigned int count)
{
	u64 deadline = now_ns() + DEADLINE_MS * 1000000ULL;
	u64 target = virtio_rng_completions(rng) + count;

	for (;;) {
		virtio_rng_keep_full(rng);
		if (virtio_rng_completions(rng) >= target)
			return true;
		if (virtio_rng_needs_reset(rng) || now_ns() >= deadline)
			return false;
		usleep(200);
	}
}

static int reset(struct vfio_pci_device *device)
{
	u64 deadline = now_ns() + DEADLINE_MS * 1000000ULL;

	while (ioctl(device->fd, VFIO_DEVICE_RESET, NULL)) {
		if (errno != EAGAIN || now_ns() >= deadline)
			return errno;
		usleep(1000);
	}
	return 0;
}

static void start(struct virtio_rng *rng)
{
	VFIO_ASSERT_EQ(virtio_rng_init(rng, DEADLINE_MS), 0);
	VFIO_ASSERT_TRUE(dma_runs(rng, rng->nr_buffers + 1), "No DMA after it was set up\n");
}

enum phase { BEFORE, DURING, AFTER };

static const char * const phase_name[] = { "before", "during", "after" };

struct resetter {
	struct virtio_rng *rng;
	enum phase phase;
	bool go;
	int err;
};

static void *reset_thread(void *arg)
{
	struct resetter *resetter = arg;
	u64 called, returned, count;

	while (!__atomic_load_n(&resetter->go, __ATOMIC_ACQUIRE))
		usleep(100);

	count = completions(resetter->rng);
	called = now_ns();
	__atomic_store_n(&resetter->phase, DURING, __ATOMIC_RELEASE);
	resetter->err = reset(resetter->rng->device);
	returned = now_ns();
	__atomic_store_n(&resetter->phase, AFTER, __ATOMIC_RELEASE);

	event_at(called, "reset-call", "completions=%llu", (unsigned long long)count);
	event_at(returned, "reset-return", "err=%d us=%llu", resetter->err,
		 (unsigned long long)(returned - called) / 1000);
	return NULL;
}

/*
 * Give the device what it has used up. It finds buffers that are added while it
 * still has some; only one that ran dry waits for a kick. Kicks end when the
 * reset is due: a register cannot be reached during a reset, and whoever tries
 * waits for its end.
 */
static void feed(struct virtio_rng *rng, bool kick)
{
	bool dry;

	virtio_rng_reap(rng);
	dry = !rng->nr_in_flight;
	virtio_rng_post(rng);
	if (dry && kick)
		virtio_rng_kick(rng);
}

static void reset_in_flight(struct virtio_rng *rng)
{
	struct resetter resetter = { .rng = rng, .phase = BEFORE };
	u64 before, last, last_ns, start_ns;
	int nr_before = 0, nr_after = 0;
	enum phase phase = BEFORE;
	pthread_t thread;

	VFIO_ASSERT_EQ(pthread_create(&thread, NULL, reset_thread, &resetter), 0);

	start_ns = now_ns();
	before = completions(rng);
	VFIO_ASSERT_TRUE(dma_runs(rng, 4 * rng->nr_buffers), "No DMA\n");
	last_ns = now_ns();
	last = completions(rng);
	event_at(last_ns, "dma-running", "completions=%llu interval_us=%llu",
		 (unsigned long long)last,
		 (unsigned long long)((last_ns - start_ns) / 1000 / (last - before)));

	while (nr_after < SAMPLES_AFTER) {
		u64 ns = now_ns();
		u64 count = completions(rng);

		event_at(ns, "sample", "completions=%llu phase=%s",
			 (unsigned long long)count, phase_name[phase]);
		if (count != last) {
			last = count;
			last_ns = ns;
		}

		switch (phase) {
		case BEFORE:
			feed(rng, !resetter.go);
			/* Not before DMA is seen to move, so that it is in flight. */
			if (++nr_before >= SAMPLES_BEFORE && last_ns == ns)
				__atomic_store_n(&resetter.go, true, __ATOMIC_RELEASE);
			break;
		case DURING:
			feed(rng, false);
			break;
		case AFTER:
			nr_after++;
			break;
		}

		usleep(SAMPLE_US);
		phase = __atomic_load_n(&resetter.phase, __ATOMIC_ACQUIRE);
	}

	VFIO_ASSERT_EQ(pthread_join(thread, NULL), 0);
	VFIO_ASSERT_EQ(resetter.err, 0, "VFIO_DEVICE_RESET failed\n");
	event("dma-stopped", "completions=%llu last_ns=%llu",
	      (unsigned long long)last, (unsigned long long)last_ns);

	start(rng);
	event("dma-again", "completions=%llu", (unsigned long long)completions(rng));
}

static void write_reset_method(struct virtio_rng *rng, const char *methods)
{
	u64 before, after, began, ended, interval_us;
	int interrupted = 0;
	int err, nr;
	u8 status;

	began = now_ns();
	VFIO_ASSERT_TRUE(dma_runs(rng, rng->nr_buffers + 1), "No DMA\n");
	interval_us = (now_ns() - began) / 1000 / rng->nr_buffers;

	mark(1);
	event("probe-begin", "writes=%d methods=%s interval_us=%llu", opt.writes,
	      methods, (unsigned long long)interval_us);

	for (nr = 1; nr <= opt.writes; nr++) {
		/* See drift() in vfio_pci_reset_test.c. */
		usleep(interval_us * (nr * 5 % 8) / 8);

		virtio_rng_keep_full(rng);
		before = completions(rng);
		began = now_ns();
		err = write_methods(opt.methods);
		ended = now_ns();
		after = completions(rng);
		status = virtio_rng_status(rng);
		event_at(began, "probe-write",
			 "nr=%d err=%d us=%llu completions=%llu delta=%llu status=%#x",
			 nr, err, (unsigned long long)(ended - began) / 1000,
			 (unsigned long long)after, (unsigned long long)(after - before), status);

		if (dma_runs(rng, after - virtio_rng_completions(rng) + 1))
			continue;

		status = virtio_rng_status(rng);
		event("dma-interrupted", "nr=%d status=%#x reason=%s", nr, status,
		      status & VIRTIO_CONFIG_S_NEEDS_RESET ? "needs-reset" : "silent");
		interrupted++;

		began = now_ns();
		VFIO_ASSERT_EQ(reset(rng->device), 0, "VFIO_DEVICE_RESET failed\n");
		start(rng);
		event("dma-recovered", "nr=%d us=%llu completions=%llu", nr,
		      (unsigned long long)(now_ns() - began) / 1000,
		      (unsigned long long)completions(rng));
	}

	mark(2);
	event("probe-end", "writes=%d interrupted=%d", opt.writes, interrupted);
}

/* Blanks separate the values of an event. */
static void commas(char *to, const char *from, size_t size)
{
	snprintf_assert(to, size, "%s", *from ? from : "none");
	for (; *to; to++) {
		if (*to == ' ')
			*to = ',';
	}
}

int main(int argc, char *argv[])
{
	char saved[128], has[128], wanted[128];
	struct vfio_pci_device *device;
	struct iova_allocator *iovas;
	struct virtio_rng *rng;
	struct iommu *iommu;
	int c;

	bdf = vfio_selftests_get_bdf(&argc, argv);

	while ((c = getopt(argc, argv, "i:mo:p:w:")) != -1) {
		switch (c) {
		case 'i':
			opt.iommu_mode = optarg;
			break;
		case 'm':
			opt.mark = true;
			break;
		case 'o':
			opt.reset = !strcmp(optarg, "reset");
			opt.probe = !strcmp(optarg, "probe");
			break;
		case 'p':
			opt.methods = optarg;
			break;
		case 'w':
			opt.writes = atoi(optarg);
			break;
		default:
			return 1;
		}
	}

	/* Lines are to arrive even if the machine stops in the middle. */
	setvbuf(stdout, NULL, _IOLBF, 0);

	iommu = iommu_init(opt.iommu_mode);
	device = vfio_pci_device_init(bdf, iommu);
	VFIO_ASSERT_TRUE(virtio_rng_match(device),
			 "%s is not a modern virtio entropy device\n", bdf);
	iovas = iova_allocator_init(iommu);
	rng = virtio_rng_create(device, iovas);

	read_methods(saved, sizeof(saved));
	commas(has, saved, sizeof(has));
	commas(wanted, opt.methods, sizeof(wanted));
	event("begin", "bdf=%s iommu_mode=%s methods=%s", bdf, opt.iommu_mode, has);

	start(rng);
	if (opt.reset)
		reset_in_flight(rng);
	if (opt.probe)
		write_reset_method(rng, wanted);
	event("end", "completions=%llu", (unsigned long long)completions(rng));

	virtio_rng_destroy(rng);
	iova_allocator_cleanup(iovas);
	vfio_pci_device_cleanup(device);
	iommu_cleanup(iommu);

	/* Last: on a kernel with the fault this write stops the device's DMA too. */
	write_methods(saved);
	return 0;
}
