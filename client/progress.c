/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A wait that shows how far it is, on a terminal, and that Ctrl-C ends: the first
 * one ends the wait, another the program.
 */
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "client/nvmxctl.h"

#define BAR_MAX		40
#define TICK_MS		100

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	interrupted = signal;
}

uint64_t progress_now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000) + t.tv_nsec / 1000;
}

static void draw(const char *what, uint64_t passed, uint64_t total)
{
	char bar[BAR_MAX + 1], seconds[32];
	int room, full;

	snprintf(seconds, sizeof(seconds), "%.0f/%.0f s", passed / 1e6, total / 1e6);
	/* "WHAT [bar] N/M s", and a column that stays free; what has no room is left out. */
	room = (int)terminal_columns(STDERR_FILENO) - (int)strlen(seconds) - 4;
	if (room - (int)strlen(what) - 1 >= 10) {
		fprintf(stderr, "\r%s ", what);
		room -= strlen(what) + 1;
	} else {
		fputc('\r', stderr);
	}
	if (room > BAR_MAX)
		room = BAR_MAX;
	if (room > 0) {
		full = room * passed / total;
		memset(bar, '=', full);
		memset(bar + full, ' ', room - full);
		bar[room] = '\0';
		fprintf(stderr, "[%s] ", bar);
	}
	fprintf(stderr, "%s", seconds);
	fflush(stderr);
}

static bool show_progress(const struct args *args)
{
	return !args->quiet && isatty(STDERR_FILENO) && !terminal_is_dumb();
}

int progress_wait(struct client *c, const char *what, uint64_t usec,
		  int (*check)(struct client *c, void *userdata), void *userdata)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND }, old;
	uint64_t start = progress_now_usec(), passed, checked = 0;
	bool show = show_progress(c->args);
	int r = STATUS_DONE;

	interrupted = 0;
	sigaction(SIGINT, &action, &old);
	while ((passed = progress_now_usec() - start) < usec && !interrupted && r == STATUS_DONE) {
		uint64_t left = (usec - passed) / 1000 + 1;

		if (show)
			draw(what, passed, usec);
		poll(NULL, 0, left < TICK_MS ? left : TICK_MS);
		/* What waits for may have gone. */
		if (check && passed - checked >= 1000000) {
			checked = passed;
			r = check(c, userdata);
		}
	}
	if (show)
		fputs("\r\033[K", stderr);
	sigaction(SIGINT, &old, NULL);
	return r;
}

bool progress_was_interrupted(void)
{
	return interrupted;
}
