// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel says of the recovery state of a function: files and uevents. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/limits.h>

#include "smtd.h"

/* As testlib.sh has it: a line for each uevent, "SEQNUM BDF STATE REASON" */
#define UEVENTS		"/run/uevents"

static bool read_word(const char *bdf, const char *name, char *word)
{
	char path[PATH_MAX];
	FILE *file;
	bool found;

	snprintf_assert(path, PATH_MAX, "/sys/bus/pci/devices/%s/iommu_recovery/%s",
			bdf, name);
	file = fopen(path, "r");
	if (!file)
		return false;
	found = fscanf(file, "%31s", word) == 1;
	fclose(file);
	return found;
}

const char *smtd_recovery(const char *bdf)
{
	static __thread char text[72];
	char state[32], reason[32];

	if (!read_word(bdf, "state", state) || !read_word(bdf, "reason", reason))
		return "?";
	snprintf_assert(text, sizeof(text), "%s %s", state, reason);
	return text;
}

int smtd_quarantines(const char *bdf)
{
	char count[32];

	return read_word(bdf, "quarantine_count", count) ? atoi(count) : -1;
}

/* Their helpers run side by side, so the lines need not be in order. */
static unsigned int read_uevents(const char *bdf, char *last, size_t size)
{
	unsigned long seqnum, newest = 0;
	char name[32], state[32], reason[32];
	unsigned int n = 0;
	FILE *file = fopen(UEVENTS, "r");

	VFIO_ASSERT_NOT_NULL(file, "uevents are not recorded\n");
	while (fscanf(file, "%lu %31s %31s %31s", &seqnum, name, state, reason) == 4) {
		if (strcmp(name, bdf))
			continue;
		n++;
		if (seqnum < newest)
			continue;
		newest = seqnum;
		snprintf_assert(last, size, "%s %s", state, reason);
	}
	fclose(file);
	return n;
}

unsigned int smtd_uevents(const char *bdf)
{
	char last[72];

	return read_uevents(bdf, last, sizeof(last));
}

const char *smtd_last_uevent(const char *bdf)
{
	static char last[72];

	return read_uevents(bdf, last, sizeof(last)) ? last : "none";
}
