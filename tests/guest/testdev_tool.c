// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operators' program, tools/iommu/iommu-recovery, with a function that is
 * quarantined and reset.
 *
 * usage: testdev_tool [options of kselftest_harness.h] OBSERVER FUNCTION
 *
 * The observer is bound to no driver, the function to smmu_testdev.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <linux/netlink.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define TIMEOUT_S	240
/* More than a socket keeps of them */
#define UEVENTS		8000

static const char *observer_bdf, *bdf;

/* Run the program. Returns its exit status, and what it has printed in @said. */
static char said[8192];

__printf(1, 2)
static int tool(const char *fmt, ...)
{
	char args[128], command[192];
	va_list list;
	FILE *pipe;
	size_t n;
	int status;

	va_start(list, fmt);
	vsnprintf(args, sizeof(args), fmt, list);
	va_end(list);
	snprintf_assert(command, sizeof(command), "iommu-recovery %s 2>&1", args);
	pipe = popen(command, "r");
	VFIO_ASSERT_NOT_NULL(pipe);
	n = fread(said, 1, sizeof(said) - 1, pipe);
	said[n] = '\0';
	status = pclose(pipe);
	printf("# iommu-recovery %s: status %d\n", args, WEXITSTATUS(status));
	fflush(stdout);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Does the table that was printed have such a line for the function? */
static bool table_has(const char *state)
{
	char line[160], *to = said, *from;

	/* Columns are as wide as need be. */
	for (from = said; *from; from++) {
		if (from[0] != ' ' || from[1] != ' ')
			*to++ = *from;
	}
	*to = '\0';
	snprintf_assert(line, sizeof(line), "\n%s pci smmu_testdev %u %s %d\n", bdf,
			sysfs_iommu_group_get(bdf), state, smtd_quarantines(bdf));
	return strstr(said, line);
}

/* iommu-recovery --watch, and all that it has printed */
struct watcher {
	pid_t pid;
	int fd;
	size_t len;
	char text[64 * 1024];
};

static void watcher_start(struct watcher *w, const char *option)
{
	int fds[2];

	VFIO_ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
	VFIO_ASSERT_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	w->len = 0;
	w->pid = fork();
	VFIO_ASSERT_GE(w->pid, 0);
	if (!w->pid) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		execlp("iommu-recovery", "iommu-recovery", "--watch", option, NULL);
		_exit(127);
	}
	close(fds[1]);
	w->fd = fds[0];
}

/* Has it printed that by now? */
static bool has_said(struct watcher *w, const char *text)
{
	ssize_t n;

	while ((n = read(w->fd, w->text + w->len, sizeof(w->text) - 1 - w->len)) > 0)
		w->len += n;
	w->text[w->len] = '\0';
	return strstr(w->text, text);
}

/* It ends with that status. */
static int watcher_end(struct watcher *w, int sig)
{
	int status;

	kill(w->pid, sig);
	kill(w->pid, SIGCONT);
	VFIO_ASSERT_EQ(waitpid(w->pid, &status, 0), w->pid);
	(void)has_said(w, "");
	close(w->fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What a line says of the function; good until the next call */
static const char *line_of(const char *event, const char *rest)
{
	static char line[160];

	snprintf_assert(line, sizeof(line), " %s %s %s\n", event, bdf, rest);
	return line;
}

FIXTURE(tool) {
	struct smtd *observer, *dev;
	struct smtd_dma_map buffer;
	struct watcher watcher;
	int fd;
};

FIXTURE_SETUP(tool)
{
	self->observer = smtd_watch(observer_bdf);
	self->dev = smtd_watch(bdf);
	smtd_observe(self->dev, self->observer);
	smtd_behave(self->dev);
	/* A test that has failed may have left it so. */
	if (!strcmp(smtd_recovery(bdf), SMTD_QUARANTINED))
		ASSERT_EQ(smtd_sysfs_reset(bdf), 0);
	smtd_stat_clear(self->dev);
	smtd_violations_clear(self->dev);
	self->fd = smtd_module_open(bdf);
	self->buffer = smtd_dma_map(self->fd, SMTD_PAGE);
	ASSERT_EQ(tool("--check"), 0) {
		TH_LOG("%s", said);
	}
}

FIXTURE_TEARDOWN(tool)
{
	smtd_behave(self->dev);
	VFIO_ASSERT_EQ(smtd_dma_unmap(self->fd, self->buffer.handle), 0);
	close(self->fd);
	smtd_close(self->dev);
	smtd_close(self->observer);
}

static int quarantine(int fd)
{
	return smtd_reset_prepare(fd) ?: smtd_reset_done(fd, SMTD_RESET_FAILED);
}

static u32 reaches(struct smtd *dev, const struct smtd_dma_map *buffer)
{
	return smtd_dma_run(dev, .iova = buffer->iova, .ats = true);
}

TEST_F_TIMEOUT(tool, shows_a_quarantined_function_and_resets_it, TIMEOUT_S)
{
	char expected[128];

	EXPECT_TRUE(table_has("active none"));
	EXPECT_EQ(tool("--quarantined"), 0);
	EXPECT_FALSE(table_has("active none"));

	ASSERT_EQ(quarantine(self->fd), 0);
	EXPECT_EQ(reaches(self->dev, &self->buffer), 0);
	EXPECT_EQ(tool("--quarantined --check"), 1);
	EXPECT_TRUE(table_has("quarantined reset-failed")) {
		TH_LOG("%s", said);
	}

	EXPECT_EQ(tool("reset %s", bdf), 0);
	snprintf_assert(expected, sizeof(expected),
			"%s: the reset has succeeded; it was quarantined (reset-failed), and is active\n",
			bdf);
	EXPECT_STREQ(said, expected);
	EXPECT_EQ(smtd_stat(self->dev, SMTD_S_RESET), 1);
	EXPECT_STREQ(smtd_recovery(bdf), SMTD_ACTIVE);
	EXPECT_EQ(reaches(self->dev, &self->buffer), 1);
	EXPECT_EQ(tool("--check"), 0);
	EXPECT_EQ(smtd_violations(self->dev), 0);
}

TEST_F_TIMEOUT(tool, watches_a_function_that_is_quarantined_and_reset, TIMEOUT_S)
{
	struct watcher *w = &self->watcher;

	watcher_start(w, NULL);
	ASSERT_TRUE(smtd_until(has_said(w, line_of("present", "active none")))) {
		TH_LOG("%s", w->text);
	}
	ASSERT_EQ(quarantine(self->fd), 0);
	EXPECT_TRUE(smtd_until(has_said(w, line_of("change", "quarantined reset-failed"))));
	EXPECT_FALSE(has_said(w, line_of("change", "active none")));
	EXPECT_EQ(tool("reset %s", bdf), 0);
	EXPECT_TRUE(smtd_until(has_said(w, line_of("change", "active none")))) {
		TH_LOG("%s", w->text);
	}
	EXPECT_EQ(watcher_end(w, SIGTERM), 0);
}

TEST_F_TIMEOUT(tool, watches_in_json, TIMEOUT_S)
{
	struct watcher *w = &self->watcher;
	char line[320];

	ASSERT_EQ(quarantine(self->fd), 0);
	watcher_start(w, "-qj");
	ASSERT_TRUE(smtd_until(has_said(w, "\"event\":\"present\"")));
	EXPECT_EQ(tool("reset %s", bdf), 0);
	snprintf_assert(line, sizeof(line), "%s%s%s%s",
			"\"event\":\"change\",\"device\":\"", bdf,
			"\",\"bus\":\"pci\",\"driver\":\"smmu_testdev\",\"group\":null,",
			"\"state\":\"active\",\"reason\":\"none\",\"quarantine_count\":null}\n");
	EXPECT_TRUE(smtd_until(has_said(w, line))) {
		TH_LOG("%s", w->text);
	}
	EXPECT_EQ(watcher_end(w, SIGINT), 0);
}

/* From here, to all that listen; or by the kernel, whom we ask to do that */
static void send_forged(bool by_kernel)
{
	static const char text[] = "change@/devices/forged\0ACTION=change\0"
		"DEVPATH=/devices/forged\0SUBSYSTEM=pci\0"
		"IOMMU_RECOVERY_STATE=quarantined\0IOMMU_RECOVERY_REASON=forged";
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = by_kernel ? 0 : 1 };
	struct {
		struct nlmsghdr head;
		char text[sizeof(text)];
	} message = {
		.head = { .nlmsg_len = sizeof(message), .nlmsg_type = NLMSG_MIN_TYPE,
			  .nlmsg_flags = NLM_F_REQUEST },
	};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);

	VFIO_ASSERT_GE(fd, 0);
	memcpy(message.text, text, sizeof(text));
	/* Where it goes to the kernel as well, that refuses what is no request: no matter. */
	if (by_kernel)
		VFIO_ASSERT_EQ(sendto(fd, &message, sizeof(message), 0, (void *)&to, sizeof(to)),
			       (ssize_t)sizeof(message));
	else
		(void)sendto(fd, text, sizeof(text), 0, (void *)&to, sizeof(to));
	close(fd);
}

TEST_F_TIMEOUT(tool, believes_the_kernel_only, TIMEOUT_S)
{
	struct watcher *w = &self->watcher;
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int listener = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT), i, forged = 0;
	char text[8192];
	ssize_t n;

	ASSERT_EQ(bind(listener, (void *)&group, sizeof(group)), 0);
	watcher_start(w, NULL);
	ASSERT_TRUE(smtd_until(has_said(w, line_of("present", "active none")))) {
		TH_LOG("%s", w->text);
	}
	send_forged(false);
	send_forged(true);
	ASSERT_EQ(quarantine(self->fd), 0);
	EXPECT_TRUE(smtd_until(has_said(w, line_of("change", "quarantined reset-failed"))));
	EXPECT_FALSE(has_said(w, "forged")) {
		TH_LOG("a forged uevent is believed: %s", w->text);
	}
	EXPECT_EQ(watcher_end(w, SIGTERM), 0);
	EXPECT_EQ(tool("reset %s", bdf), 0);

	/* They had come, to whoever asks for no sender. */
	for (i = 0; i < 3 && (n = recv(listener, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0; i++)
		forged += !strcmp(text, "change@/devices/forged");
	EXPECT_EQ(forged, 2);
	close(listener);
}

TEST_F_TIMEOUT(tool, says_that_events_were_lost_and_what_is_true, TIMEOUT_S)
{
	struct watcher *w = &self->watcher;
	const char *lost, *present;
	int i;

	watcher_start(w, NULL);
	ASSERT_TRUE(smtd_until(has_said(w, line_of("present", "active none")))) {
		TH_LOG("%s", w->text);
	}
	kill(w->pid, SIGSTOP);
	for (i = 0; i < UEVENTS; i++)
		ASSERT_EQ(smtd_sysfs_write(bdf, "uevent", "change"), 0);
	ASSERT_EQ(quarantine(self->fd), 0);
	EXPECT_FALSE(has_said(w, "lost"));
	kill(w->pid, SIGCONT);
	EXPECT_TRUE(smtd_until(has_said(w, line_of("present", "quarantined reset-failed")))) {
		TH_LOG("%s", w->text);
	}
	lost = strstr(w->text, " lost\n");
	present = strstr(w->text, line_of("present", "quarantined reset-failed"));
	EXPECT_TRUE(lost && lost < present);

	/* It goes on. */
	EXPECT_EQ(tool("reset %s", bdf), 0);
	EXPECT_TRUE(smtd_until(has_said(w, line_of("change", "active none"))));
	EXPECT_EQ(watcher_end(w, SIGTERM), 0);
}

TEST_F_TIMEOUT(tool, says_that_there_is_no_reset_method, TIMEOUT_S)
{
	ASSERT_EQ(quarantine(self->fd), 0);
	ASSERT_EQ(smtd_sysfs_write(bdf, "reset_method", "\n"), 0);
	EXPECT_EQ(tool("reset %s", bdf), 8);
	EXPECT_NE(strstr(said, "no reset method; it is quarantined (reset-failed)\n"), NULL);
	EXPECT_EQ(smtd_stat(self->dev, SMTD_S_RESET), 0);
	ASSERT_EQ(smtd_sysfs_write(bdf, "reset_method", "default"), 0);
	EXPECT_EQ(tool("reset %s", bdf), 0);
}

/* The function is back, and does not answer the invalidation that stands before its gate. */
TEST_F_TIMEOUT(tool, says_that_a_reset_has_not_helped, TIMEOUT_S)
{
	smtd_inv_error(self->dev, 20000, 0);
	EXPECT_EQ(tool("reset %s", bdf), 10);
	EXPECT_NE(strstr(said, "succeeded, but it is still quarantined (unfence-failed)\n"), NULL) {
		TH_LOG("%s", said);
	}
	smtd_inv_answer(self->dev);
	EXPECT_EQ(tool("reset %s", bdf), 0);
	EXPECT_STREQ(smtd_recovery(bdf), SMTD_ACTIVE);
}

TEST_F_TIMEOUT(tool, says_that_a_reset_has_failed, TIMEOUT_S)
{
	smtd_flr(self->dev, 0, SMTD_FLR_READY_NEVER);
	EXPECT_EQ(tool("reset %s", bdf), 9);
	EXPECT_NE(strstr(said, "the reset has failed: Inappropriate ioctl for device"), NULL);
	EXPECT_NE(strstr(said, "; it is quarantined (reset-failed)\n"), NULL) {
		TH_LOG("%s", said);
	}
	smtd_flr(self->dev, 0, 1);
	ASSERT_TRUE(smtd_wait_reg(self->dev, SMTD_IN_RESET, 0));
	EXPECT_EQ(tool("reset %s", bdf), 0);
	EXPECT_STREQ(smtd_recovery(bdf), SMTD_ACTIVE);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	observer_bdf = bdfs[0];
	bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
