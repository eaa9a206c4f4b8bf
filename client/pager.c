/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pager for output to a terminal, as systemctl has one: $PAGER, or less, or
 * what else there is.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "client/nvmxctl.h"

static pid_t pager_pid;

static FILE *pager_open(const struct args *args)
{
	const char *pager = getenv("PAGER");
	int fds[2];
	FILE *f;

	if (args->no_pager || args->json != JSON_OFF || !isatty(STDOUT_FILENO) ||
	    (pager && (!*pager || streq(pager, "cat"))))
		return stdout;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return stdout;

	fflush(stdout);
	pager_pid = fork();
	if (pager_pid == 0) {
		if (dup2(fds[0], STDIN_FILENO) < 0)
			_exit(127);
		/* Leaves if all fits the screen, and long lines as they are. */
		setenv("LESS", "FRSXMK", 0);
		if (pager)
			execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
		execlp("less", "less", (char *)NULL);
		execlp("more", "more", (char *)NULL);
		execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	close(fds[0]);
	f = pager_pid > 0 ? fdopen(fds[1], "w") : NULL;
	if (!f) {
		close(fds[1]);
		return stdout;
	}
	/* Who leaves the pager early is not at fault. */
	signal(SIGPIPE, SIG_IGN);
	return f;
}

FILE *pager_out(struct client *c)
{
	if (!c->out)
		c->out = pager_open(c->args);
	return c->out;
}

int pager_flush(FILE *f)
{
	if (fflush(f) == EOF)
		return -errno;
	/* What is larger than the buffer went past it: of that only the mark is left. */
	return ferror(f) ? -EIO : 0;
}

int pager_close(struct client *c)
{
	int r;

	if (!c->out || c->out == stdout)
		return pager_flush(stdout);

	r = fclose(c->out) == EOF && errno != EPIPE ? -EIO : 0;
	c->out = NULL;
	while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
