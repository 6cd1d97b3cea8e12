// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>

#include <linux/compiler.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/pci_regs.h>
#include <linux/types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include <asm/barrier.h>

#include <libvfio.h>
#include <libvfio/virtio_rng.h>

#define VIRTIO_PCI_VENDOR_ID		0x1af4
#define VIRTIO_PCI_MODERN_BASE_ID	0x1040

/* The entropy device has one queue. */
#define VIRTIO_RNG_QUEUE		0

/*
 * An alignment that satisfies descriptors, available and used ring. A legacy
 * device wanted a page here; a modern one is told three separate addresses.
 */
#define VIRTIO_RNG_RING_ALIGN		16

#define VIRTIO_RNG_PAINT		0x5aa55aa55aa55aa5ULL
#define VIRTIO_RNG_BUFFER_WORDS		(VIRTIO_RNG_BUFFER_SIZE / sizeof(u64))

/* Fewer bytes than these can equal the paint by chance. */
#define VIRTIO_RNG_CERTAIN_LEN		16

/* The list has at most one entry for each dword after the standard header. */
#define PCI_CAP_MAX			((256 - 64) / 4)

static u64 *buffer_vaddr(struct virtio_rng *rng, unsigned int i)
{
	return rng->buffer_region.vaddr + i * VIRTIO_RNG_BUFFER_SIZE;
}

static bool buffer_is_painted(struct virtio_rng *rng, unsigned int i)
{
	u64 *word = buffer_vaddr(rng, i);
	unsigned int w;

	for (w = 0; w < VIRTIO_RNG_BUFFER_WORDS; w++) {
		/* The device may write at any time: read memory, once. */
		if (READ_ONCE(word[w]) != VIRTIO_RNG_PAINT)
			return false;
	}

	return true;
}

static void buffer_paint(struct virtio_rng *rng, unsigned int i)
{
	u64 *word = buffer_vaddr(rng, i);
	unsigned int w;

	for (w = 0; w < VIRTIO_RNG_BUFFER_WORDS; w++)
		WRITE_ONCE(word[w], VIRTIO_RNG_PAINT);
}

bool virtio_rng_match(struct vfio_pci_device *device)
{
	return vfio_pci_device_match(device, VIRTIO_PCI_VENDOR_ID,
				     VIRTIO_PCI_MODERN_BASE_ID + VIRTIO_ID_RNG);
}

/*
 * Find the virtio structure of @type. Return its address, with its length in
 * @size and the place of its capability in @cap_pos.
 */
static void *find_structure(struct vfio_pci_device *device, u8 type,
			    u64 *size, u8 *cap_pos)
{
	u8 pos = vfio_pci_config_readb(device, PCI_CAPABILITY_LIST);
	unsigned int n;

	for (n = 0; pos && n < PCI_CAP_MAX; n++) {
		u8 id = vfio_pci_config_readb(device, pos + VIRTIO_PCI_CAP_VNDR);
		struct vfio_pci_bar *bar;
		u32 offset, length;
		u8 index;

		if (id != PCI_CAP_ID_VNDR ||
		    vfio_pci_config_readb(device, pos + VIRTIO_PCI_CAP_CFG_TYPE) != type) {
			pos = vfio_pci_config_readb(device, pos + VIRTIO_PCI_CAP_NEXT);
			continue;
		}

		index = vfio_pci_config_readb(device, pos + VIRTIO_PCI_CAP_BAR);
		offset = vfio_pci_config_readl(device, pos + VIRTIO_PCI_CAP_OFFSET);
		length = vfio_pci_config_readl(device, pos + VIRTIO_PCI_CAP_LENGTH);

		VFIO_ASSERT_LT(index, PCI_STD_NUM_BARS);
		bar = &device->bars[index];
		VFIO_ASSERT_NOT_NULL(bar->vaddr, "BAR %u cannot be mapped\n", index);
		VFIO_ASSERT_LE((u64)offset + length, bar->info.size);

		*size = length;
		*cap_pos = pos;
		return bar->vaddr + offset;
	}

	VFIO_FAIL("No virtio capability of type %u\n", type);
}

static void map_page(struct virtio_rng *rng, struct dma_region *region,
		     struct iova_allocator *iovas)
{
	region->size = getpagesize();
	region->iova = iova_allocator_alloc(iovas, region->size);
	/* A queue at address 0 is, to QEMU, one that was never set up. */
	if (!region->iova)
		region->iova = iova_allocator_alloc(iovas, region->size);
	region->vaddr = mmap(NULL, region->size, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	VFIO_ASSERT_NE(region->vaddr, MAP_FAILED);

	iommu_map(rng->device->iommu, region);
}

static void unmap_page(struct virtio_rng *rng, struct dma_region *region)
{
	/* A test may have unmapped it from the device already. */
	if (!__to_iova(rng->device, region->vaddr, NULL))
		iommu_unmap(rng->device->iommu, region);

	VFIO_ASSERT_EQ(munmap(region->vaddr, region->size), 0);
}

struct virtio_rng *virtio_rng_create(struct vfio_pci_device *device,
				     struct iova_allocator *iovas)
{
	struct virtio_rng *rng;
	u64 size;
	u8 pos;

	VFIO_ASSERT_TRUE(virtio_rng_match(device));

	rng = calloc(1, sizeof(*rng));
	VFIO_ASSERT_NOT_NULL(rng);
	rng->device = device;

	rng->common = find_structure(device, VIRTIO_PCI_CAP_COMMON_CFG, &size, &pos);
	VFIO_ASSERT_GE(size, sizeof(*rng->common));

	rng->notify_base = find_structure(device, VIRTIO_PCI_CAP_NOTIFY_CFG,
					  &rng->notify_size, &pos);
	rng->notify_multiplier =
		vfio_pci_config_readl(device, pos + VIRTIO_PCI_NOTIFY_CAP_MULT);

	map_page(rng, &rng->ring_region, iovas);
	map_page(rng, &rng->buffer_region, iovas);
	VFIO_ASSERT_LE(vring_size(VIRTIO_RNG_MAX_BUFFERS, VIRTIO_RNG_RING_ALIGN),
		       rng->ring_region.size);
	VFIO_ASSERT_LE(VIRTIO_RNG_MAX_BUFFERS * VIRTIO_RNG_BUFFER_SIZE,
		       rng->buffer_region.size);

	return rng;
}

static void set_command(struct vfio_pci_device *device, u16 clear, u16 set)
{
	u16 cmd = vfio_pci_config_readw(device, PCI_COMMAND);

	vfio_pci_config_writew(device, PCI_COMMAND, (cmd & ~clear) | set);
}

void virtio_rng_destroy(struct virtio_rng *rng)
{
	set_command(rng->device, PCI_COMMAND_MASTER, 0);
	unmap_page(rng, &rng->buffer_region);
	unmap_page(rng, &rng->ring_region);
	free(rng);
}

static u64 now_ms(void)
{
	struct timespec ts;

	VFIO_ASSERT_EQ(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

u8 virtio_rng_status(struct virtio_rng *rng)
{
	return readb(&rng->common->device_status);
}

bool virtio_rng_needs_reset(struct virtio_rng *rng)
{
	return virtio_rng_status(rng) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* A status bit is only ever added; writing zero is a reset. */
static void add_status(struct virtio_rng *rng, u8 bit)
{
	writeb(virtio_rng_status(rng) | bit, &rng->common->device_status);
}

static int reset_status(struct virtio_rng *rng, unsigned int timeout_ms)
{
	u64 deadline = now_ms() + timeout_ms;
	u8 status;

	writeb(0, &rng->common->device_status);

	while ((status = virtio_rng_status(rng))) {
		if (now_ms() >= deadline)
			return status == 0xff ? -ENODEV : -ETIMEDOUT;
		usleep(100);
	}

	return 0;
}

static int negotiate(struct virtio_rng *rng)
{
	const u64 wanted = BIT_ULL(VIRTIO_F_VERSION_1) |
			   BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	struct virtio_pci_common_cfg *common = rng->common;
	u64 offered = 0;
	u32 i;

	for (i = 0; i < 2; i++) {
		writel(i, &common->device_feature_select);
		offered |= (u64)readl(&common->device_feature) << (32 * i);
	}

	if ((offered & wanted) != wanted)
		return -EOPNOTSUPP;

	for (i = 0; i < 2; i++) {
		writel(i, &common->guest_feature_select);
		writel(wanted >> (32 * i), &common->guest_feature);
	}

	add_status(rng, VIRTIO_CONFIG_S_FEATURES_OK);

	/* A device that dislikes the choice says so by leaving the bit clear. */
	if (!(virtio_rng_status(rng) & VIRTIO_CONFIG_S_FEATURES_OK))
		return -EOPNOTSUPP;

	return 0;
}

static u64 ring_iova(struct virtio_rng *rng, void *vaddr)
{
	return rng->ring_region.iova + (vaddr - rng->ring_region.vaddr);
}

static int setup_queue(struct virtio_rng *rng)
{
	struct virtio_pci_common_cfg *common = rng->common;
	struct vring *vring = &rng->vring;
	u64 desc, avail, used;
	u64 notify_offset;
	unsigned int i;
	u16 size;

	writew(VIRTIO_MSI_NO_VECTOR, &common->msix_config);
	writew(VIRTIO_RNG_QUEUE, &common->queue_select);

	/* What the device has after a reset is the most it can do. */
	size = min_t(u16, readw(&common->queue_size), VIRTIO_RNG_MAX_BUFFERS);
	if (!is_power_of_2(size))
		return -EOPNOTSUPP;

	notify_offset = (u64)readw(&common->queue_notify_off) * rng->notify_multiplier;
	if (notify_offset + sizeof(*rng->notify) > rng->notify_size)
		return -EOPNOTSUPP;
	rng->notify = rng->notify_base + notify_offset;

	memset(rng->ring_region.vaddr, 0, rng->ring_region.size);
	vring_init(vring, size, rng->ring_region.vaddr, VIRTIO_RNG_RING_ALIGN);
	for (i = 0; i < size; i++) {
		vring->desc[i] = (struct vring_desc) {
			.addr = cpu_to_le64(rng->buffer_region.iova +
					    i * VIRTIO_RNG_BUFFER_SIZE),
			.len = cpu_to_le32(VIRTIO_RNG_BUFFER_SIZE),
			.flags = cpu_to_le16(VRING_DESC_F_WRITE),
		};
	}
	vring->avail->flags = cpu_to_le16(VRING_AVAIL_F_NO_INTERRUPT);

	rng->nr_buffers = size;
	rng->nr_in_flight = 0;
	rng->avail_idx = 0;
	rng->used_idx = 0;
	memset(rng->in_flight, 0, sizeof(rng->in_flight));
	virtio_rng_paint(rng);

	desc = ring_iova(rng, vring->desc);
	avail = ring_iova(rng, vring->avail);
	used = ring_iova(rng, vring->used);

	writew(size, &common->queue_size);
	writew(VIRTIO_MSI_NO_VECTOR, &common->queue_msix_vector);
	writel((u32)desc, &common->queue_desc_lo);
	writel(desc >> 32, &common->queue_desc_hi);
	writel((u32)avail, &common->queue_avail_lo);
	writel(avail >> 32, &common->queue_avail_hi);
	writel((u32)used, &common->queue_used_lo);
	writel(used >> 32, &common->queue_used_hi);
	writew(1, &common->queue_enable);

	return 0;
}

int virtio_rng_init(struct virtio_rng *rng, unsigned int timeout_ms)
{
	int ret;

	/* A reset of the function may or may not have kept the Command register. */
	set_command(rng->device, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

	ret = reset_status(rng, timeout_ms);
	if (ret)
		return ret;

	add_status(rng, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(rng, VIRTIO_CONFIG_S_DRIVER);

	ret = negotiate(rng);
	if (ret)
		return ret;

	ret = setup_queue(rng);
	if (ret)
		return ret;

	add_status(rng, VIRTIO_CONFIG_S_DRIVER_OK);
	return 0;
}

unsigned int virtio_rng_post(struct virtio_rng *rng)
{
	struct vring *vring = &rng->vring;
	unsigned int posted = 0;
	unsigned int i;

	for (i = 0; i < rng->nr_buffers; i++) {
		if (rng->in_flight[i])
			continue;

		buffer_paint(rng, i);
		vring->avail->ring[rng->avail_idx % vring->num] = cpu_to_le16(i);
		rng->avail_idx++;
		rng->in_flight[i] = true;
		rng->nr_in_flight++;
		posted++;
	}

	/*
	 * The device reads the index first and the entries after it: paint and
	 * entries must be visible before the index is.
	 */
	wmb();
	WRITE_ONCE(vring->avail->idx, cpu_to_le16(rng->avail_idx));

	return posted;
}

void virtio_rng_kick(struct virtio_rng *rng)
{
	/* writew() orders the index before the doorbell. */
	writew(VIRTIO_RNG_QUEUE, rng->notify);
}

unsigned int virtio_rng_unreaped(struct virtio_rng *rng)
{
	return (u16)(le16_to_cpu(READ_ONCE(rng->vring.used->idx)) - rng->used_idx);
}

unsigned int virtio_rng_reap(struct virtio_rng *rng)
{
	struct vring *vring = &rng->vring;
	unsigned int reaped = virtio_rng_unreaped(rng);
	unsigned int n;

	VFIO_ASSERT_LE(reaped, rng->nr_in_flight,
		       "The device completed more buffers than it was given\n");

	/* Entries and buffers are read after the index; partner: the device. */
	rmb();

	for (n = 0; n < reaped; n++) {
		struct vring_used_elem *elem =
			&vring->used->ring[rng->used_idx % vring->num];
		u32 id = le32_to_cpu(elem->id);
		u32 len = le32_to_cpu(elem->len);

		VFIO_ASSERT_LT(id, rng->nr_buffers);
		VFIO_ASSERT_TRUE(rng->in_flight[id], "Buffer %u was not in flight\n", id);
		VFIO_ASSERT_GT(len, 0);
		VFIO_ASSERT_LE(len, VIRTIO_RNG_BUFFER_SIZE);
		if (len >= VIRTIO_RNG_CERTAIN_LEN)
			VFIO_ASSERT_FALSE(buffer_is_painted(rng, id),
					  "Buffer %u completed but not written\n", id);

		rng->in_flight[id] = false;
		rng->nr_in_flight--;
		rng->used_idx++;
	}

	/* Another thread may look; see virtio_rng_completions(). */
	WRITE_ONCE(rng->completions, rng->completions + reaped);
	return reaped;
}

u64 virtio_rng_completions(struct virtio_rng *rng)
{
	return READ_ONCE(rng->completions);
}

unsigned int virtio_rng_keep_full(struct virtio_rng *rng)
{
	unsigned int reaped = virtio_rng_reap(rng);

	if (virtio_rng_post(rng))
		virtio_rng_kick(rng);

	return reaped;
}

void virtio_rng_paint(struct virtio_rng *rng)
{
	unsigned int i;

	for (i = 0; i < VIRTIO_RNG_MAX_BUFFERS; i++)
		buffer_paint(rng, i);
}

unsigned int virtio_rng_written(struct virtio_rng *rng)
{
	unsigned int written = 0;
	unsigned int i;

	for (i = 0; i < rng->nr_buffers; i++)
		written += !buffer_is_painted(rng, i);

	return written;
}
