/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens in a test program, on a time scale: lines that scripts/kit/events.py reads. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <linux/types.h>

static inline u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* One printf() for a line: stdio keeps the lines of two threads apart. */
static inline void event_at(u64 ns, const char *name, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("EV %llu %s %s\n", (unsigned long long)ns, name, text);
}

#define event(_name, _fmt, ...)	event_at(now_ns(), _name, _fmt, ##__VA_ARGS__)

#endif
