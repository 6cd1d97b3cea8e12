// SPDX-License-Identifier: GPL-2.0-only
/* What is done to a PCI function from outside: resets, errors, power, removal. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <linux/limits.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "smtd.h"

/* -EAGAIN: somebody else, such as a scan of the bus, has the function's lock. */
int smtd_reset(struct smtd *d)
{
	u64 end = smtd_now_us() + SMTD_DEADLINE_MS * 1000ULL;

	while (ioctl(d->vfio->fd, VFIO_DEVICE_RESET, NULL)) {
		if (errno != EAGAIN || smtd_now_us() > end)
			return -errno;
		usleep(1000);
	}
	return 0;
}

static int reset_it(void *arg)
{
	struct smtd *d = arg;

	return d->vfio ? smtd_reset(d) : smtd_sysfs_reset(d->bdf);
}

void smtd_window_start(struct smtd_window *w, struct smtd *d, u32 flags)
{
	w->d = d;
	w->flags = flags;
	smtd_flr(d, flags, SMTD_FLR_READY_NEVER);
	smtd_call_start(&w->reset, reset_it, d);
}

bool smtd_window_wait(struct smtd_window *w)
{
	return smtd_until(smtd_read(w->d, SMTD_IN_RESET) || smtd_call_done(&w->reset)) &&
	       smtd_read(w->d, SMTD_IN_RESET);
}

bool smtd_window_begin(struct smtd_window *w, struct smtd *d, u32 flags)
{
	smtd_window_start(w, d, flags);
	return smtd_window_wait(w);
}

int smtd_window_end(struct smtd_window *w)
{
	smtd_flr(w->d, w->flags, 1);
	return smtd_call_join(&w->reset);
}

int smtd_hot_reset(struct smtd *d)
{
	struct vfio_pci_hot_reset args = { .argsz = sizeof(args) };
	u64 end = smtd_now_us() + SMTD_DEADLINE_MS * 1000ULL;

	while (ioctl(d->vfio->fd, VFIO_DEVICE_PCI_HOT_RESET, &args)) {
		if ((errno != EAGAIN && errno != EBUSY) || smtd_now_us() > end)
			return -errno;
		usleep(1000);
	}
	return 0;
}

int smtd_error_eventfd(struct smtd *d)
{
	struct {
		struct vfio_irq_set set;
		s32 fd;
	} args = {
		.set = {
			.argsz = sizeof(args),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_ERR_IRQ_INDEX,
			.count = 1,
		},
	};

	args.fd = eventfd(0, EFD_NONBLOCK);
	VFIO_ASSERT_GE(args.fd, 0);
	ioctl_assert(d->vfio->fd, VFIO_DEVICE_SET_IRQS, &args);
	return args.fd;
}

bool smtd_eventfd_signalled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static int sysfs_open(const char *bdf, const char *file, int flags)
{
	char path[PATH_MAX];

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s/%s", bdf, file);
	return open(path, flags);
}

static int write_file(int fd, const char *value)
{
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

u32 smtd_config_read(const char *bdf, u32 offset, unsigned int size)
{
	int fd = sysfs_open(bdf, "config", O_RDONLY);
	u32 value = 0;

	VFIO_ASSERT_GE(fd, 0, "%s has no configuration space\n", bdf);
	VFIO_ASSERT_EQ(pread(fd, &value, size, offset), size);
	close(fd);
	return value;
}

void smtd_config_write(const char *bdf, u32 offset, const void *data, unsigned int size)
{
	int fd = sysfs_open(bdf, "config", O_WRONLY);

	VFIO_ASSERT_GE(fd, 0, "%s has no configuration space\n", bdf);
	VFIO_ASSERT_EQ(pwrite(fd, data, size, offset), size);
	close(fd);
}

bool smtd_ats_enabled(const char *bdf)
{
	return smtd_config_read(bdf, SMTD_CFG_ATS + PCI_ATS_CTRL, 2) &
	       PCI_ATS_CTRL_ENABLE;
}

bool smtd_pasid_enabled(const char *bdf)
{
	return smtd_config_read(bdf, SMTD_CFG_PASID + PCI_PASID_CTRL, 2) &
	       PCI_PASID_CTRL_ENABLE;
}

u32 smtd_aer_count(const char *bdf, const char *severity)
{
	char path[PATH_MAX], line[128];
	u32 count = 0;
	FILE *file;

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s/aer_dev_%s", bdf, severity);
	file = fopen(path, "r");
	VFIO_ASSERT_NOT_NULL(file, "%s has no AER statistics\n", bdf);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "TOTAL_ERR_%*s %u", &count);
	fclose(file);
	return count;
}

bool smtd_exists(const char *bdf)
{
	char path[PATH_MAX];

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s", bdf);
	return !access(path, F_OK);
}

void smtd_rescan(void)
{
	VFIO_ASSERT_EQ(write_file(open("/sys/bus/pci/rescan", O_WRONLY), "1"), 0);
}

int smtd_sysfs_write(const char *bdf, const char *file, const char *value)
{
	return write_file(sysfs_open(bdf, file, O_WRONLY), value);
}

int smtd_sysfs_reset(const char *bdf)
{
	return smtd_sysfs_write(bdf, "reset", "1");
}

int smtd_unbind(const char *bdf)
{
	char path[PATH_MAX];
	int ret;

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s/driver/unbind", bdf);
	ret = write_file(open(path, O_WRONLY), bdf);
	return ret == -ENOENT ? 0 : ret;
}

bool smtd_plug_in(struct smtd *plugger)
{
	return smtd_until(({
		smtd_write(plugger, SMTD_PLUG, SMTD_PLUG_ADD);
		smtd_until(smtd_read(plugger, SMTD_PLUG) != SMTD_PLUG_ADD);
		smtd_read(plugger, SMTD_PLUG) == SMTD_PLUG_DONE;
	}));
}

/* A function shows before Linux looks for a driver, its device before it can be opened. */
static bool opens(const char *bdf)
{
	char path[PATH_MAX];
	int fd = -1;
	glob_t g;

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s/vfio-dev/vfio*", bdf);
	if (!glob(path, 0, NULL, &g)) {
		snprintf_assert(path, PATH_MAX, "/dev/vfio/devices/%s",
				strrchr(g.gl_pathv[0], '/') + 1);
		fd = open(path, O_RDWR);
		globfree(&g);
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool smtd_vfio_comes_up(const char *bdf)
{
	return smtd_until(smtd_exists(bdf)) &&
	       smtd_until(!smtd_set_driver(bdf, "vfio-pci")) && smtd_until(opens(bdf));
}

/* A slot's address is that of its functions without the function number. */
int smtd_set_driver(const char *bdf, const char *driver)
{
	char path[PATH_MAX];
	int ret;

	ret = smtd_sysfs_write(bdf, "driver_override", driver);
	if (!ret)
		ret = write_file(open("/sys/bus/pci/drivers_probe", O_WRONLY), bdf);
	if (ret)
		return ret;
	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/drivers/%s/%s", driver, bdf);
	return access(path, F_OK) ? -ENODEV : 0;
}

int smtd_slot(const char *bdf)
{
	char address[32];
	int slot = -1;
	size_t i;
	glob_t g;

	if (glob("/sys/bus/pci/slots/*/address", 0, NULL, &g))
		return -1;
	for (i = 0; i < g.gl_pathc && slot < 0; i++) {
		FILE *file = fopen(g.gl_pathv[i], "r");

		VFIO_ASSERT_NOT_NULL(file);
		if (fgets(address, sizeof(address), file)) {
			address[strcspn(address, "\n")] = '\0';
			if (!strncmp(address, bdf, strlen(address)))
				sscanf(g.gl_pathv[i], "/sys/bus/pci/slots/%d/", &slot);
		}
		fclose(file);
	}
	globfree(&g);
	return slot;
}

int smtd_slot_power(int slot, bool on)
{
	char path[PATH_MAX];

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/slots/%d/power", slot);
	return write_file(open(path, O_WRONLY), on ? "1" : "0");
}
