/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SELFTESTS_VFIO_LIB_INCLUDE_LIBVFIO_VIRTIO_RNG_H
#define SELFTESTS_VFIO_LIB_INCLUDE_LIBVFIO_VIRTIO_RNG_H

#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include <libvfio/iommu.h>
#include <libvfio/iova_allocator.h>
#include <libvfio/vfio_pci_device.h>

/*
 * A driver for a modern virtio entropy device (1af4:1044), for tests that need
 * DMA which nobody has to ask for again and again: the device fills the buffers
 * it was given at its own pace, so DMA goes on while the test is inside a system
 * call. A virtual machine can slow the device down to a few buffers a second,
 * and then a test can be sure that DMA is outstanding when a reset begins.
 *
 * The device can only write. Whether it did is decided by looking at the memory:
 * every buffer carries a paint until the device overwrites it. The ring is not
 * enough for that, for a device may write a buffer and never report it.
 *
 * This is no struct vfio_pci_driver_ops: the device cannot copy memory.
 *
 * Threads: one thread drives the device. Functions marked "any thread" may be
 * called by others meanwhile. Functions marked "memory only" touch no register,
 * so that the driving thread can go on with them while another one is inside
 * VFIO_DEVICE_RESET, which blocks whoever touches a BAR.
 */

#define VIRTIO_RNG_MAX_BUFFERS	32
#define VIRTIO_RNG_BUFFER_SIZE	64

struct virtio_rng {
	struct vfio_pci_device *device;

	/* Registers, inside device->bars: readl() and writel() and their like only. */
	struct virtio_pci_common_cfg *common;
	void *notify_base;
	u64 notify_size;
	u32 notify_multiplier;
	u16 *notify;

	/* Memory the device reaches: a page for the ring, one for the buffers. */
	struct dma_region ring_region;
	struct dma_region buffer_region;
	struct vring vring;

	/* Buffer i is always described by descriptor i. */
	bool in_flight[VIRTIO_RNG_MAX_BUFFERS];
	unsigned int nr_buffers;
	unsigned int nr_in_flight;
	u16 avail_idx;
	u16 used_idx;

	/* See virtio_rng_completions(). */
	u64 completions;
};

/**
 * virtio_rng_match() - Is @device one that this driver can drive?
 * @device: The device.
 *
 * Return: true for a modern virtio entropy device.
 */
bool virtio_rng_match(struct vfio_pci_device *device);

/**
 * virtio_rng_create() - Allocate a driver and map its memory for the device.
 * @device: A device for which virtio_rng_match() is true.
 * @iovas: Where to take I/O addresses from.
 *
 * Guarantees:
 *  - The ring and the buffers are mapped, in a region of their own each.
 *  - The device does no DMA yet, and no register was written.
 *
 * Any failure is a failure of the test that calls.
 *
 * Return: the driver; end it with virtio_rng_destroy().
 */
struct virtio_rng *virtio_rng_create(struct vfio_pci_device *device,
				     struct iova_allocator *iovas);

/**
 * virtio_rng_destroy() - Stop the device and free what virtio_rng_create() made.
 * @rng: The driver.
 *
 * Guarantees:
 *  - Bus mastering is off before the memory is unmapped.
 */
void virtio_rng_destroy(struct virtio_rng *rng);

/**
 * virtio_rng_init() - Start the device, or start it again after any reset.
 * @rng: The driver.
 * @timeout_ms: How long the device may take to leave its old state.
 *
 * Whatever state the device is in, it is told to reset itself first. The wait
 * for that is the only one; it ends with the condition or with @timeout_ms.
 *
 * Guarantees on success:
 *  - The queue is enabled and empty: no buffer is in flight, all carry paint.
 *  - No buffer is written before virtio_rng_post().
 *  - The device raises no interrupts.
 *
 * Return: 0, -ETIMEDOUT (the device did not leave its old state), -ENODEV (its
 * registers read as all ones), -EOPNOTSUPP (it does not offer VIRTIO_F_VERSION_1
 * and VIRTIO_F_ACCESS_PLATFORM, without which its DMA would bypass the IOMMU, or
 * has no usable queue).
 */
int virtio_rng_init(struct virtio_rng *rng, unsigned int timeout_ms);

/**
 * virtio_rng_post() - Give the device every buffer that it does not have.
 * @rng: The driver.
 *
 * Memory only. Each buffer is painted before it is posted. A device that was
 * idle may not notice before virtio_rng_kick().
 *
 * Return: the number of buffers posted.
 */
unsigned int virtio_rng_post(struct virtio_rng *rng);

/**
 * virtio_rng_kick() - Tell the device that buffers were posted.
 * @rng: The driver.
 */
void virtio_rng_kick(struct virtio_rng *rng);

/**
 * virtio_rng_reap() - Take back the buffers that the device reports as filled.
 * @rng: The driver.
 *
 * Memory only. Never waits.
 *
 * Guarantees:
 *  - Every buffer that is counted was in flight and has been written. A report
 *    for which that is not so is a failure of the test.
 *
 * Return: the number of buffers reaped.
 */
unsigned int virtio_rng_reap(struct virtio_rng *rng);

/**
 * virtio_rng_completions() - Count the buffers that were reaped so far.
 * @rng: The driver.
 *
 * Memory only, any thread. The count begins with virtio_rng_create() and goes on
 * over resets.
 *
 * Return: the count.
 */
u64 virtio_rng_completions(struct virtio_rng *rng);

/**
 * virtio_rng_keep_full() - Reap, post again all that is free, and kick.
 * @rng: The driver.
 *
 * Guarantees:
 *  - All buffers are in flight on return, or were until a moment ago. A test
 *    that calls this more often than the device takes to fill all buffers has
 *    DMA without a gap.
 *
 * Return: the number of buffers reaped.
 */
unsigned int virtio_rng_keep_full(struct virtio_rng *rng);

/**
 * virtio_rng_status() - Read the device status register.
 * @rng: The driver.
 *
 * Any thread.
 *
 * Return: the register.
 */
u8 virtio_rng_status(struct virtio_rng *rng);

/**
 * virtio_rng_needs_reset() - Did the device give up?
 * @rng: The driver.
 *
 * A virtio device that cannot reach its ring or a buffer sets
 * VIRTIO_CONFIG_S_NEEDS_RESET and does nothing more until it is reset.
 *
 * Any thread.
 *
 * Return: true if the bit is set.
 */
bool virtio_rng_needs_reset(struct virtio_rng *rng);

/**
 * virtio_rng_paint() - Paint all buffers, in flight or not.
 * @rng: The driver.
 *
 * Memory only. For buffers that nobody should write any more: painting one that
 * the device is just writing loses the evidence of that write.
 */
void virtio_rng_paint(struct virtio_rng *rng);

/**
 * virtio_rng_written() - Count the buffers that do not carry their paint.
 * @rng: The driver.
 *
 * Memory only, any thread. The count includes buffers that were reaped and not
 * posted again.
 *
 * Return: the count.
 */
unsigned int virtio_rng_written(struct virtio_rng *rng);

/**
 * virtio_rng_unreaped() - Count the completions reported but not reaped yet.
 * @rng: The driver.
 *
 * Memory only.
 *
 * Return: the count.
 */
unsigned int virtio_rng_unreaped(struct virtio_rng *rng);

#endif /* SELFTESTS_VFIO_LIB_INCLUDE_LIBVFIO_VIRTIO_RNG_H */
