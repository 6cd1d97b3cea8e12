// SPDX-License-Identifier: GPL-2.0-only
/* The devices and their recovery states, as sysfs has them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu-recovery.h"

bool is_gone(int err)
{
	return err == -ENOENT || err == -ENODEV;
}

void copy(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

int read_line(int dir, const char *path, char *line, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, line, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	line[n < 0 ? 0 : n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return n < 0 ? n : 0;
}

/* What a symbolic link leads to, without the way; @otherwise where there is none */
static void read_link(int dir, const char *path, char *name, size_t size, const char *otherwise)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, path, target, sizeof(target) - 1);
	const char *slash;

	target[n < 0 ? 0 : n] = '\0';
	slash = strrchr(target, '/');
	copy(name, size, n < 0 ? otherwise : slash ? slash + 1 : target);
}

/* State and reason belong together unless the state has changed between them. */
int read_recovery(int dir, struct device *dev)
{
	static const char state[] = "iommu_recovery/state";
	static const char reason[] = "iommu_recovery/reason";
	static const char count[] = "iommu_recovery/quarantine_count";
	char before[sizeof(dev->state)];
	int err, tries = 3;

	do {
		err = read_line(dir, state, before, sizeof(before)) ?:
		      read_line(dir, reason, dev->reason, sizeof(dev->reason)) ?:
		      read_line(dir, count, dev->count, sizeof(dev->count)) ?:
		      read_line(dir, state, dev->state, sizeof(dev->state));
	} while (!err && strcmp(before, dev->state) && --tries);
	return err;
}

static DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

/* The next name in a directory; NULL at its end, with errno 0, or for an error */
static const char *next_name(DIR *dir)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry ? entry->d_name : NULL;
}

/* A device may vanish at any time, and is then left out. */
static int add_device(int at, const char *name, const char *group, struct devices *devices)
{
	struct device dev = {}, *all;
	int fd, err;

	fd = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return is_gone(-errno) ? 0 : -errno;
	read_link(at, name, dev.name, sizeof(dev.name), name);
	read_link(fd, "subsystem", dev.bus, sizeof(dev.bus), "");
	read_link(fd, "driver", dev.driver, sizeof(dev.driver), "");
	copy(dev.group, sizeof(dev.group), group);
	err = read_recovery(fd, &dev);
	if (is_gone(err)) {
		/* Gone with its directory, or is there none? */
		if (faccessat(fd, "iommu_recovery", F_OK, 0) && !faccessat(fd, "uevent", F_OK, 0))
			devices->without++;
		close(fd);
		return 0;
	}
	close(fd);
	if (err) {
		complain("%s: its recovery state cannot be read: %s", safe(dev.name),
			 strerror(-err));
		devices->trouble = true;
		return 0;
	}
	all = realloc(devices->all, (devices->nr + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	devices->all = all;
	all[devices->nr++] = dev;
	return 0;
}

static int add_group(int at, const char *group, struct devices *devices)
{
	char path[NAME_MAX + sizeof("/devices")];
	const char *name;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/devices", group);
	dir = open_dir(at, path);
	if (!dir)
		return is_gone(-errno) ? 0 : -errno;
	while (!err && (name = next_name(dir)))
		err = add_device(dirfd(dir), name, group, devices);
	if (!err)
		err = -errno;
	closedir(dir);
	return err;
}

static int add_groups(struct devices *devices)
{
	DIR *dir = open_dir(opt.sysfs, "kernel/iommu_groups");
	const char *group;
	int err = 0;

	if (!dir)
		return is_gone(-errno) ? 0 : -errno;
	while (!err && (group = next_name(dir)))
		err = add_group(dirfd(dir), group, devices);
	if (!err)
		err = -errno;
	closedir(dir);
	return err;
}

static bool has_iommu(void)
{
	DIR *dir = open_dir(opt.sysfs, "class/iommu");
	bool has = dir && next_name(dir);

	if (dir)
		closedir(dir);
	return has;
}

static int compare(const void *a, const void *b)
{
	const struct device *one = a, *two = b;

	return strcmp(one->bus, two->bus) ?: strcmp(one->name, two->name);
}

enum status read_devices(struct devices *devices)
{
	int err;

	*devices = (struct devices){};
	err = add_groups(devices);
	if (err) {
		complain("cannot read the IOMMU groups in sysfs: %s", strerror(-err));
		return ST_TROUBLE;
	}
	if (devices->nr) {
		qsort(devices->all, devices->nr, sizeof(*devices->all), compare);
		return ST_OK;
	}
	if (devices->trouble)
		return ST_TROUBLE;
	return devices->without ? ST_NO_SERIES : ST_NO_IOMMU;
}

enum status say_why_none(enum status status)
{
	if (status == ST_NO_SERIES)
		complain("this kernel has no iommu_recovery; it needs the iommu-recovery series");
	else if (status == ST_NO_IOMMU && has_iommu())
		complain("there is an IOMMU, but no device is behind it");
	else if (status == ST_NO_IOMMU)
		complain("there is no IOMMU, or the kernel does not use it");
	return status;
}
