// SPDX-License-Identifier: GPL-2.0
/*
 * Guest program that checks the model against what Linux expects of it.
 *
 * usage: smmu-testdev-check PCI-ADDRESS CASE...
 *
 * OBSERVER=PCI-ADDRESS in the environment names a second function, through
 * whose registers a dead one is watched and brought back. PF=PCI-ADDRESS names
 * the physical function of a virtual one; it is then bound to vfio-pci as well.
 *
 * It binds the function to vfio-pci, drives it through iommufd and a VFIO
 * character device and prints TAP. The benign cases must pass on an unpatched
 * kernel with not one violation; the cases whose name starts with "bad_" show
 * that a misbehaving function is seen by the oracle.
 */
#include <sys/mman.h>
#include "smmu-testdev-check.h"

static const struct smtd_case *find_case(const char *name)
{
	static const struct smtd_case *const tables[] = {
		benign_cases, knob_cases, bad_cases, edu_cases,
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct smtd_case *c = tables[i]; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

/* NULL: it can be run */
static const char *why_not(const struct smtd_case *c)
{
	if ((rd(SMTD_CAPS) & c->caps) != c->caps)
		return "the function lacks a capability";
	if ((c->flags & CASE_OBSERVER) && !obs)
		return "no OBSERVER";
	return NULL;
}

static void run(const char *name)
{
	const struct smtd_case *c = find_case(name);
	const char *reason;
	uint32_t viols;

	if (!c) {
		printf("Bail out! no case %s\n", name);
		exit(1);
	}
	printf("# case %s\n", name);
	memset(buf, 0, BUF);
	open_device();
	bus_master();
	if (c->flags & CASE_OTHER) {
		c->run(ioas());
		close_device();
		return;
	}
	if (rd(SMTD_ID) != SMTD_MAGIC)
		die("not an smmu-testdev");
	reason = why_not(c);
	if (reason) {
		printf("ok %d - %s # SKIP %s\n", ++tests, name, reason);
		close_device();
		return;
	}
	if (obs)
		obs[SMTD_PEER_SID / 4] = rd(SMTD_SID);
	wr(SMTD_STAT_CLEAR, 0);
	mark(SMTD_UNMARK_ALL, 0, 0);
	wr(SMTD_ORACLE_CTL, SMTD_ORACLE_CLEAR);
	c->run(ioas());
	if (strncmp(name, "bad_", 4)) {
		viols = rd(SMTD_VIOL_TOTAL);
		if (c->flags & CASE_PASID_ATS)
			viols -= viol(SMTD_V_PASID_ATS);
		check(!viols, "no violation");
	}
	close_device();
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s PCI-ADDRESS CASE...\n", argv[0]);
		return 2;
	}
	bdf = argv[1];
	buf = mmap(NULL, BUF, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buf == MAP_FAILED)
		die("memory");
	printf("TAP version 13\n");
	open_observer();
	for (int i = 2; i < argc; i++)
		run(argv[i]);
	printf("1..%d\n", tests);
	return failures != 0;
}
