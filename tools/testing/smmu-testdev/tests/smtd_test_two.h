/* SPDX-License-Identifier: GPL-2.0 */
/* The first two functions that have a device file of the smmu-testdev module */
#ifndef SMTD_TEST_TWO_H
#define SMTD_TEST_TWO_H

#include <glob.h>

#include "smtd_test.h"

/* 0 or a negative errno; -ENODEV: there are no two that answer */
static inline int open_two(struct td *a, struct td *b)
{
	struct td *td[] = { a, b };
	glob_t g = {};
	int ret = 0;

	glob(NODES "*", 0, NULL, &g);
	if (g.gl_pathc < 2)
		ret = -ENODEV;
	for (int i = 0; i < 2 && !ret; i++) {
		snprintf(td[i]->bdf, sizeof(td[i]->bdf), "%s", g.gl_pathv[i] + strlen(NODES));
		ret = open_td(td[i]);
		if (ret)
			break;
		td[i]->bar = view(td[i], 0, SMTD_BAR_SIZE);
		if (td[i]->bar == MAP_FAILED || rd(td[i], SMTD_ID) != SMTD_MAGIC)
			ret = -ENODEV;
	}
	globfree(&g);
	if (!ret)
		wr(a, SMTD_ORACLE_CTL, SMTD_ORACLE_CLEAR);
	return ret;
}

/* Returns the violations that the oracle has seen since. */
static inline unsigned int close_two(struct td *a, struct td *b)
{
	unsigned int violations = 0;

	if (probe_bar(b) == SMTD_MAGIC)
		violations = rd(b, SMTD_VIOL_TOTAL);
	close(a->fd);
	close(b->fd);
	return violations;
}

#endif /* SMTD_TEST_TWO_H */
