/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * polkit asks for a password by an agent; who works on a terminal without a
 * desktop has none, so pkttyagent runs for as long as a change is asked for.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "client/nvmxctl.h"

static pid_t agent_pid;

void agent_open(const struct args *args)
{
	struct pollfd ready;
	char number[16];
	sigset_t none;
	int fds[2];

	/* root is not asked, and elsewhere the agent would be on the wrong machine. */
	if (geteuid() == 0 || args->no_ask_password || args->host || args->machine ||
	    !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || pipe2(fds, O_CLOEXEC) < 0)
		return;

	agent_pid = fork();
	if (agent_pid == 0) {
		/* Whoever waits for it may hold signals back. */
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		fcntl(fds[1], F_SETFD, 0);
		snprintf(number, sizeof(number), "%d", fds[1]);
		execlp("pkttyagent", "pkttyagent", "--notify-fd", number, "--fallback",
		       (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	/* It closes the pipe once it is registered, or has failed. */
	ready = (struct pollfd) { .fd = fds[0], .events = POLLIN };
	if (agent_pid > 0)
		poll(&ready, 1, 5000);
	close(fds[0]);
}

void agent_close(void)
{
	if (agent_pid <= 0)
		return;
	kill(agent_pid, SIGTERM);
	while (waitpid(agent_pid, NULL, 0) < 0 && errno == EINTR)
		;
	agent_pid = 0;
}
