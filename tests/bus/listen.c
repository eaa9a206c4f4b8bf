/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * listen SOCKET: makes a datagram socket and prints what comes, as systemd would get it on
 * $NOTIFY_SOCKET.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "policy/util.h"

int main(int argc, char *argv[])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;
	char text[4096];
	ssize_t n;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(argv[1], 0666) < 0) {
		perror("listen");
		return EXIT_FAILURE;
	}

	while ((n = recv(fd, text, sizeof(text), 0)) >= 0) {
		printf("%.*s\n", (int)n, text);
		fflush(stdout);
	}
	return EXIT_FAILURE;
}
