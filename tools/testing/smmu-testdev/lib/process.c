// SPDX-License-Identifier: GPL-2.0-only
/* Processes that die, and what a test is told by the command line of the kernel. */
#include <signal.h>
#include <stdlib.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "smtd.h"

pid_t smtd_worker_start(void)
{
	pid_t pid = fork();

	VFIO_ASSERT_GE(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

void smtd_worker_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	VFIO_ASSERT_EQ(waitpid(pid, NULL, 0), pid);
}

unsigned int smtd_number(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}
