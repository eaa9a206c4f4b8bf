/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a file that people asked for: whole, or as it was before.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "client/nvmxctl.h"

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t k = write(fd, text, left);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		text += k;
		left -= k;
	}
	return 0;
}

/* A device, a pipe: what is written cannot be taken back. */
static int write_to_special(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : write_all(fd, text);
}

static int replace(const char *path, mode_t mode, const char *text)
{
	_cleanup_free_ char *aside = NULL;
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (asprintf(&aside, "%s.XXXXXX", path) < 0) {
		aside = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(aside, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	if (r >= 0 && fchmod(fd, mode) < 0)
		r = -errno;
	/* A disk may be found full only now. */
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	if (r >= 0 && rename(aside, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(aside);
	return r;
}

int file_write(const char *path, const char *text)
{
	struct stat st;
	mode_t mask;
	int r;

	if (stat(path, &st) < 0) {
		mask = umask(0);
		umask(mask);
		r = replace(path, 0666 & ~mask, text);
	} else if (S_ISREG(st.st_mode)) {
		_cleanup_free_ char *target = realpath(path, NULL);

		/* Through a link, not over it. */
		r = target ? replace(target, st.st_mode & 07777, text) : -errno;
	} else {
		r = write_to_special(path, text);
	}
	if (r < 0) {
		fprintf(stderr, "nvmxctl: %s could not be written: %s.\n", path, strerror(-r));
		return STATUS_FAILED;
	}
	return STATUS_DONE;
}
