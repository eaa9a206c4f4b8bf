/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For `make bench-daemon`: many processes that look like QEMUs, each with a uuid of
 * its own on its command line, and do nothing.
 *
 *	bench-herd N -uuid UUID	prints their pids, one a line; they end with it
 *
 * UUID is a pattern whose last twelve digits are the number of the process.  A child
 * writes its own over that of its parent, in the command line that /proc shows.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define UUID_LEN	36
#define NUMBER_LEN	12

static void become(char *uuid, unsigned long number)
{
	char text[NUMBER_LEN + 1], comm[16];

	snprintf(text, sizeof(text), "%012lu", number);
	memcpy(uuid + UUID_LEN - NUMBER_LEN, text, NUMBER_LEN);
	snprintf(comm, sizeof(comm), "vm%lu", number);
	prctl(PR_SET_NAME, comm);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The pid is told once the name is right. */
	printf("%d\n", (int)getpid());
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char *argv[])
{
	unsigned long n = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;

	if (n == 0 || strcmp(argv[2], "-uuid") != 0 || strlen(argv[3]) != UUID_LEN) {
		fprintf(stderr, "usage: bench-herd N -uuid UUID\n");
		return 2;
	}
	for (unsigned long i = 1; i <= n; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return EXIT_FAILURE;
		}
		if (pid == 0)
			become(argv[3], i);
	}
	for (;;)
		pause();
}
