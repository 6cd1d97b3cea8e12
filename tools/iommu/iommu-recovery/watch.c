// SPDX-License-Identifier: GPL-2.0-only
/* iommu-recovery --watch: the present state, and then uevents of the kernel */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "iommu-recovery.h"

/* A uevent has 2 KiB at most, and a header in front. */
#define UEVENT_BYTES	8192
/* Some thousands of them */
#define RECEIVE_BYTES	(1024 * 1024)

/* One line, at once; @dev is NULL where it is about none. */
static enum status print_event(const char *event, const struct device *dev)
{
	char date[32], zone[8];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	if (opt.json) {
		printf("{\"time\":\"%s.%03ld%s\",\"event\":\"%s\"%s", date, now.tv_nsec / 1000000,
		       zone, event, dev ? "," : "");
		if (dev)
			print_json_members(dev);
		putchar('}');
	} else {
		printf("%s.%03ld%s %s", date, now.tv_nsec / 1000000, zone, event);
		if (dev)
			printf(" %s %s %s", safe(dev->name), safe(dev->state), safe(dev->reason));
	}
	putchar('\n');
	return flush(ST_OK);
}

static enum status print_present(void)
{
	struct devices devices;
	enum status status = read_devices(&devices);
	size_t i;

	for (i = 0; i < devices.nr && status == ST_OK; i++) {
		if (is_shown(&devices.all[i]))
			status = print_event("present", &devices.all[i]);
	}
	free(devices.all);
	/* The last device may have been removed: there may be others. */
	return status == ST_NO_SERIES || status == ST_NO_IOMMU ? ST_OK : status;
}

static int open_uevents(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd, on = 1, bytes = RECEIVE_BYTES;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
	/* More room than others may have: only root gets it, and it works without. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/*
 * The kernel's own messages have port 0 and come from no process. One that somebody
 * asks the kernel to send has port 0 as well, and the credentials of who has asked.
 */
static bool is_from_kernel(struct msghdr *msg)
{
	const struct sockaddr_nl *from = msg->msg_name;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct ucred sender;

	if (msg->msg_namelen < sizeof(*from) || from->nl_pid || !cmsg ||
	    cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_CREDENTIALS)
		return false;
	memcpy(&sender, CMSG_DATA(cmsg), sizeof(sender));
	return !sender.pid;
}

/* Length of a message of the kernel; 0: another one; or -errno */
static ssize_t receive(int fd, char *text, size_t size)
{
	struct sockaddr_nl from = {};
	struct iovec iov = { .iov_base = text, .iov_len = size - 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, 0);

	if (n < 0)
		return -errno;
	if (!is_from_kernel(&msg) || (msg.msg_flags & MSG_TRUNC))
		return 0;
	text[n] = '\0';
	return n;
}

static const char *variable(const char *text, size_t len, const char *name)
{
	size_t n = strlen(name);
	const char *p;

	for (p = text; p < text + len; p += strlen(p) + 1) {
		if (!strncmp(p, name, n) && p[n] == '=')
			return p + n + 1;
	}
	return "";
}

/* A uevent: zero-terminated strings, of which all but the first are NAME=VALUE. */
static enum status print_uevent(const char *text, size_t len)
{
	const char *path = variable(text, len, "DEVPATH");
	const char *slash = strrchr(path, '/');
	struct device dev = {};

	copy(dev.state, sizeof(dev.state), variable(text, len, "IOMMU_RECOVERY_STATE"));
	if (!*dev.state)
		return ST_OK;
	copy(dev.reason, sizeof(dev.reason), variable(text, len, "IOMMU_RECOVERY_REASON"));
	copy(dev.name, sizeof(dev.name), slash ? slash + 1 : path);
	copy(dev.bus, sizeof(dev.bus), variable(text, len, "SUBSYSTEM"));
	copy(dev.driver, sizeof(dev.driver), variable(text, len, "DRIVER"));
	return print_event("change", &dev);
}

/*
 * All that has come. Where events were lost, those that are left are older than the
 * files, so the files are read after them.
 */
static enum status print_uevents(int fd)
{
	static char text[UEVENT_BYTES];
	enum status status = ST_OK;
	bool lost = false;

	while (status == ST_OK) {
		ssize_t n = receive(fd, text, sizeof(text));

		if (n > 0) {
			status = print_uevent(text, n);
		} else if (n == -ENOBUFS) {
			lost = true;
			status = print_event("lost", NULL);
		} else if (n == -EAGAIN) {
			return lost ? print_present() : ST_OK;
		} else if (n && n != -EINTR) {
			complain("cannot receive uevents: %s", strerror(-n));
			status = ST_TROUBLE;
		}
	}
	return status;
}

/* Nothing is left to be written: each line is, before anything else is done. */
static void end(int signal)
{
	(void)signal;
	_exit(ST_OK);
}

enum status watch(void)
{
	struct pollfd fds[] = { { .events = POLLIN }, { .fd = STDOUT_FILENO } };
	struct sigaction action = { .sa_handler = end };
	static char buffer[64 * 1024];
	struct devices devices;
	enum status status;

	/* A kernel that will never send an event says so before anything else. */
	status = read_devices(&devices);
	free(devices.all);
	if (status != ST_OK)
		return say_why_none(status);

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	fds[0].fd = open_uevents();
	if (fds[0].fd < 0) {
		complain("cannot listen to uevents: %s", strerror(-fds[0].fd));
		return ST_TROUBLE;
	}
	/* What changes from here on comes as an event. */
	status = print_present();
	while (status == ST_OK) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			complain("cannot wait for uevents: %s", strerror(errno));
			status = ST_TROUBLE;
		} else if (!fds[1].revents) {
			status = print_uevents(fds[0].fd);
		} else {
			break;		/* nobody reads any more */
		}
	}
	close(fds[0].fd);
	return status;
}
