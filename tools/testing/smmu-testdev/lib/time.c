// SPDX-License-Identifier: GPL-2.0-only
/* Conditions, threads, and where they run. */
#define _GNU_SOURCE
#include <fnmatch.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/syscall.h>

#include "smtd.h"

u64 smtd_now_us(void)
{
	struct timespec ts;

	VFIO_ASSERT_EQ(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

bool smtd_wait_reg(struct smtd *d, u32 reg, u32 value)
{
	return smtd_until(smtd_read(d, reg) == value);
}

bool smtd_wait_stat(struct smtd *d, unsigned int stat, u32 at_least)
{
	return smtd_until(smtd_stat(d, stat) >= at_least);
}

static void *smtd_call_thread(void *arg)
{
	struct smtd_call *call = arg;

	__atomic_store_n(&call->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	call->begin_us = smtd_now_us();
	call->ret = call->fn(call->arg);
	call->end_us = smtd_now_us();
	__atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void smtd_call_start(struct smtd_call *call, int (*fn)(void *arg), void *arg)
{
	*call = (struct smtd_call){ .fn = fn, .arg = arg };
	VFIO_ASSERT_EQ(pthread_create(&call->thread, NULL, smtd_call_thread, call), 0);
}

bool smtd_call_done(struct smtd_call *call)
{
	return __atomic_load_n(&call->done, __ATOMIC_ACQUIRE);
}

bool smtd_call_sleeps(struct smtd_call *call)
{
	char path[64], text[512] = "", *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
		 __atomic_load_n(&call->tid, __ATOMIC_ACQUIRE));
	file = fopen(path, "r");
	if (!file)
		return false;
	state = fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
	fclose(file);
	return state && state[1] && state[2] == 'D';
}

long smtd_trace_find(const char *text)
{
	FILE *file = fopen("/sys/kernel/tracing/trace", "r");
	long at = 0, found = -1;
	char line[1024];

	VFIO_ASSERT_NOT_NULL(file);
	while (found < 0 && fgets(line, sizeof(line), file)) {
		if (strstr(line, text))
			found = at;
		at += strlen(line);
	}
	fclose(file);
	return found;
}

/* "sh-1 [000] d..1. 12.345678: function: (...": the time is the word before the text. */
static u64 trace_time(const char *line, const char *text)
{
	unsigned long long sec, us;

	while (text > line && text[-1] == ' ')
		text--;
	while (text > line && text[-1] != ' ')
		text--;
	return sscanf(text, "%llu.%llu:", &sec, &us) == 2 ? sec * 1000000 + us : 0;
}

u32 smtd_trace_count(const char *text, u64 from_us, u64 to_us)
{
	FILE *file = fopen("/sys/kernel/tracing/trace", "r");
	char line[1024], *at;
	u32 count = 0;

	VFIO_ASSERT_NOT_NULL(file);
	while (fgets(line, sizeof(line), file)) {
		u64 us = (at = strstr(line, text)) ? trace_time(line, at) : 0;

		count += us >= from_us && us <= to_us && us;
	}
	fclose(file);
	return count;
}

int smtd_call_join(struct smtd_call *call)
{
	VFIO_ASSERT_EQ(pthread_join(call->thread, NULL), 0);
	return call->ret;
}

bool smtd_pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

bool smtd_set_priority(pid_t pid, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return !sched_setscheduler(pid, SCHED_FIFO, &param);
}

static void *occupy(void *arg)
{
	struct smtd_hog *hog = arg;

	VFIO_ASSERT_TRUE(smtd_pin(hog->cpu));
	VFIO_ASSERT_TRUE(smtd_set_priority(0, 50));
	__atomic_store_n(&hog->runs, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&hog->stop, __ATOMIC_ACQUIRE))
		;
	return NULL;
}

void smtd_hog_start(struct smtd_hog *hog, unsigned int cpu)
{
	*hog = (struct smtd_hog){ .cpu = cpu };
	VFIO_ASSERT_EQ(pthread_create(&hog->thread, NULL, occupy, hog), 0);
	VFIO_ASSERT_TRUE(smtd_until(__atomic_load_n(&hog->runs, __ATOMIC_ACQUIRE)));
}

void smtd_hog_stop(struct smtd_hog *hog)
{
	if (!hog->runs)
		return;
	__atomic_store_n(&hog->stop, true, __ATOMIC_RELEASE);
	VFIO_ASSERT_EQ(pthread_join(hog->thread, NULL), 0);
	hog->runs = false;
}

/* The number of the interrupt that this thread serves, or -1 */
static int irq_of(pid_t pid, const char *name)
{
	char path[64], comm[64] = "", rest[64] = "";
	FILE *file;
	int irq;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return -1;
	if (fgets(comm, sizeof(comm), file))
		comm[strcspn(comm, "\n")] = '\0';
	fclose(file);
	if (sscanf(comm, "irq/%d-%63s", &irq, rest) != 2 || fnmatch(name, rest, 0))
		return -1;
	return irq;
}

int smtd_move_irqs(const char *name, unsigned int cpu, int priority)
{
	char path[64];
	int count = 0;
	FILE *file;
	size_t i;
	glob_t g;

	VFIO_ASSERT_EQ(glob("/proc/[0-9]*", 0, NULL, &g), 0);
	for (i = 0; i < g.gl_pathc; i++) {
		pid_t pid = atoi(strrchr(g.gl_pathv[i], '/') + 1);
		int irq = irq_of(pid, name);

		if (irq < 0)
			continue;
		/* The affinity of such a thread itself cannot be set. */
		snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity", irq);
		file = fopen(path, "w");
		VFIO_ASSERT_NOT_NULL(file);
		fprintf(file, "%x", 1U << cpu);
		VFIO_ASSERT_EQ(fclose(file), 0);
		VFIO_ASSERT_TRUE(smtd_set_priority(pid, priority));
		count++;
	}
	globfree(&g);
	return count;
}
