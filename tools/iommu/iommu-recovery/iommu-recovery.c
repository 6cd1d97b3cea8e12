// SPDX-License-Identifier: GPL-2.0-only
/*
 * Show, watch and reset devices that the IOMMU core has fenced.
 *
 * The interface is Documentation/ABI/testing/sysfs-devices-iommu_recovery, what this
 * program promises is iommu-recovery.8.
 *
 * States and reasons are passed on as the kernel says them, for there may be more of
 * them in future. Nothing of that reaches a terminal unescaped: names of devices come
 * from firmware or from a hypervisor.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu-recovery.h"

struct options opt;

static enum status list(void)
{
	struct devices devices;
	enum status status = read_devices(&devices);
	size_t i;

	if (status != ST_OK)
		return say_why_none(status);
	print_devices(&devices);
	for (i = 0; i < devices.nr && opt.check; i++) {
		/* One that is being reset is not known to be bad. */
		if (!is_active(&devices.all[i]) && strcmp(devices.all[i].state, "resetting"))
			status = ST_FENCED;
	}
	free(devices.all);
	return devices.trouble ? ST_TROUBLE : status;
}

static bool parse_bdf(const char *arg, char *bdf, size_t size)
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (strspn(arg, "0123456789abcdefABCDEF:.") != strlen(arg) || strlen(arg) > 16)
		return false;
	if (sscanf(arg, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &end) != 4) {
		domain = 0;
		end = 0;
		if (sscanf(arg, "%x:%x.%x%n", &bus, &slot, &function, &end) != 3)
			return false;
	}
	if (arg[end] || bus > 0xff || slot > 0x1f || function > 7)
		return false;
	snprintf(bdf, size, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

/* Write to the file, if there is a reset method: 0, -errno, or -ENOENT if there is none. */
static int write_reset(int fd)
{
	char method[8];
	int file, err = 0;

	if (!read_line(fd, "reset_method", method, sizeof(method)) && !*method)
		return -ENOENT;
	file = openat(fd, "reset", O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	if (write(file, "1", 1) != 1)
		err = -errno;
	close(file);
	return err;
}

/* As "quarantined (reset-failed)" */
static const char *describe(const struct device *dev)
{
	static char text[2 * sizeof(dev->state) * 4 + 8];

	if (!strcmp(dev->reason, "none"))
		return safe(dev->state);
	snprintf(text, sizeof(text), "%s (%s)", safe(dev->state), safe(dev->reason));
	return text;
}

static enum status no_recovery(const char *bdf, int err)
{
	struct devices devices;
	enum status status;

	if (!is_gone(err)) {
		complain("%s: not reset: its recovery state cannot be read: %s", bdf,
			 strerror(-err));
		return ST_TROUBLE;
	}
	status = read_devices(&devices);
	free(devices.all);
	if (status != ST_OK)
		return say_why_none(status);
	complain("%s: not reset: this device is not behind an IOMMU", bdf);
	return ST_NO_DEVICE;
}

static enum status reset_device(const char *bdf, int fd)
{
	struct device before = {}, after = {};
	int err, late;

	err = read_recovery(fd, &before);
	if (err)
		return no_recovery(bdf, err);
	err = write_reset(fd);
	late = read_recovery(fd, &after);
	if (is_gone(late)) {
		complain("%s: the device is gone", bdf);
		return ST_NO_DEVICE;
	}
	switch (err) {
	case 0:
		break;
	case -ENOENT:
		complain("%s: not reset: the device has no reset method; it is %s", bdf,
			 describe(&after));
		return ST_NO_METHOD;
	case -EACCES:
	case -EPERM:
		complain("%s: not reset: %s (it needs root)", bdf, strerror(-err));
		return ST_NOT_PERMITTED;
	default:
		complain("%s: the reset has failed: %s%s; it is %s", bdf, strerror(-err),
			 err == -ENOTTY ? " (it has not come back, or no method can be used)" : "",
			 describe(&after));
		return ST_RESET_FAILED;
	}
	if (late) {
		complain("%s: the reset has succeeded, but its state cannot be read: %s", bdf,
			 strerror(-late));
		return ST_TROUBLE;
	}
	if (!is_active(&after)) {
		complain("%s: the reset has succeeded, but it is still %s", bdf, describe(&after));
		return ST_STILL_FENCED;
	}
	printf("%s: the reset has succeeded; it was %s, and is active\n", bdf, describe(&before));
	return ST_OK;
}

static enum status reset(const char *arg)
{
	char bdf[32], path[64];
	enum status status;
	int fd;

	if (!parse_bdf(arg, bdf, sizeof(bdf))) {
		complain("'%s' is not the address of a PCI function, such as 0000:01:00.0",
			 safe(arg));
		return ST_USAGE;
	}
	snprintf(path, sizeof(path), "bus/pci/devices/%s", bdf);
	fd = openat(opt.sysfs, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		if (is_gone(-errno)) {
			complain("%s: there is no such device", bdf);
			return ST_NO_DEVICE;
		}
		complain("%s: cannot open its directory: %s", bdf, strerror(errno));
		return ST_TROUBLE;
	}
	status = reset_device(bdf, fd);
	close(fd);
	return status;
}

static const char usage[] =
	"Usage: iommu-recovery [-q] [-j] [-c]      show the devices that are behind an IOMMU\n"
	"       iommu-recovery --watch [-q] [-j]   show them, and then what changes\n"
	"       iommu-recovery reset BDF           reset a PCI function, which lifts a quarantine\n"
	"\n"
	"  -q, --quarantined  only devices that are not active\n"
	"  -j, --json         as JSON; with --watch an object in each line\n"
	"  -c, --check        exit status 1 if a device is broken or quarantined\n"
	"  -w, --watch        go on until SIGINT or SIGTERM\n"
	"  -h, --help         this text\n"
	"\n"
	"iommu-recovery(8) explains the states and has all exit statuses.\n";

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "quarantined", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'c' },
		{ "watch", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "sysfs", required_argument, NULL, 's' },	/* for tests */
		{}
	};
	const char *sysfs = "/sys";
	int c;

	while ((c = getopt_long(argc, argv, "qjcwh", options, NULL)) != -1) {
		switch (c) {
		case 'q':
			opt.fenced_only = true;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'c':
			opt.check = true;
			break;
		case 'w':
			opt.watch = true;
			break;
		case 's':
			sysfs = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return flush(ST_OK);
		default:
			fputs(usage, stderr);
			return ST_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc && (argc != 2 || strcmp(argv[0], "reset") || opt.fenced_only || opt.json ||
		     opt.check || opt.watch)) {
		fputs(usage, stderr);
		return ST_USAGE;
	}
	if (opt.watch && opt.check) {
		complain("--check cannot be used with --watch, which has no end");
		return ST_USAGE;
	}
	opt.sysfs = open(sysfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (opt.sysfs < 0) {
		complain("cannot open %s: %s", safe(sysfs), strerror(errno));
		return ST_TROUBLE;
	}
	if (argc)
		return flush(reset(argv[1]));
	return flush(opt.watch ? watch() : list());
}
