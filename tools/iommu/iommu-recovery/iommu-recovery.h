/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOMMU_RECOVERY_H
#define IOMMU_RECOVERY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Exit statuses. Scripts know them as numbers, from iommu-recovery.8. */
enum status {
	ST_OK,
	ST_FENCED,		/* --check: some device is broken or quarantined */
	ST_USAGE,
	ST_NO_SERIES,
	ST_NO_IOMMU,
	ST_TROUBLE,
	/* of a reset */
	ST_NO_DEVICE,
	ST_NOT_PERMITTED,
	ST_NO_METHOD,
	ST_RESET_FAILED,
	ST_STILL_FENCED,
};

struct options {
	bool fenced_only, json, check, watch;
	int sysfs;		/* where it is mounted */
};

extern struct options opt;

/* All of it as the kernel has it; empty: there is none */
struct device {
	char name[NAME_MAX + 1];
	char bus[NAME_MAX + 1];
	char driver[NAME_MAX + 1];
	char group[NAME_MAX + 1];
	char state[128];
	char reason[128];
	char count[32];
};

struct devices {
	struct device *all;
	size_t nr;
	size_t without;		/* behind an IOMMU, but without the directory */
	bool trouble;		/* something could not be read, which was said */
};

/* devices.c */

/* Every device with a recovery state; the caller frees @all. ST_OK: there is one at least. */
enum status read_devices(struct devices *devices);

/* Why that has found none. Returns @status. */
enum status say_why_none(enum status status);

/* State, reason and count of the device whose directory that is: 0 or -errno */
int read_recovery(int dir, struct device *dev);

/* The first line of a file: 0 or -errno */
int read_line(int dir, const char *path, char *line, size_t size);

/* Is it an error that a device leaves which is removed meanwhile? */
bool is_gone(int err);

/* Cut off what is too long. */
void copy(char *to, size_t size, const char *from);

/* output.c */

bool is_active(const struct device *dev);

/* Not left out by --quarantined */
bool is_shown(const struct device *dev);

/* The word so that it is one word of one line. The text is good for three more calls. */
const char *safe(const char *word);

#define complain(fmt, ...)	fprintf(stderr, "iommu-recovery: " fmt "\n", ##__VA_ARGS__)

void print_devices(const struct devices *devices);

/* What stands between the braces of an object */
void print_json_members(const struct device *dev);

/* Write what is buffered. Returns @status, or ST_TROUBLE when that has failed. */
enum status flush(enum status status);

/* watch.c */

enum status watch(void);

#endif
