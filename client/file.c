/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a file that people asked for: whole, or as it was before; and knowing
 * beforehand that it can be written.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "client/nvmxctl.h"

int file_write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, data, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		data += k;
		n -= k;
	}
	return 0;
}

/*
 * Where the text really goes: through a link, not over it.  NULL: to a device or a pipe,
 * from which it cannot be taken back.
 */
static int find_target(const char *path, mode_t *ret_mode, char **ret)
{
	struct stat st;
	mode_t mask;

	*ret = NULL;
	if (stat(path, &st) < 0) {
		mask = umask(0);
		umask(mask);
		*ret_mode = 0666 & ~mask;
		*ret = strdup(path);
		return *ret ? 0 : -ENOMEM;
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	*ret_mode = st.st_mode & 07777;
	*ret = realpath(path, NULL);
	return *ret ? 0 : -errno;
}

/* A new file beside the target, which can take its place. */
static int open_aside(const char *target, char **ret)
{
	_cleanup_free_ char *aside = NULL;
	int fd;

	if (asprintf(&aside, "%s.XXXXXX", target) < 0) {
		aside = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(aside, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = steal_ptr(aside);
	return fd;
}

static int replace(const char *target, mode_t mode, const char *text)
{
	_cleanup_free_ char *aside = NULL;
	_cleanup_close_ int fd = open_aside(target, &aside);
	int r;

	if (fd < 0)
		return fd;
	r = file_write_all(fd, text, strlen(text));
	if (r >= 0 && fchmod(fd, mode) < 0)
		r = -errno;
	/* A disk may be found full only now. */
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	if (r >= 0 && rename(aside, target) < 0)
		r = -errno;
	if (r < 0)
		unlink(aside);
	return r;
}

static int fail(const char *path, int r)
{
	fprintf(stderr, "nvmxctl: %s could not be written: %s.\n", path, strerror(-r));
	return STATUS_FAILED;
}

int file_open(const char *path, struct file *ret)
{
	_cleanup_free_ char *target = NULL, *aside = NULL;
	mode_t mode;
	int r, fd;

	r = find_target(path, &mode, &target);
	if (r < 0)
		return fail(path, r);
	if (target) {
		/* Not kept: who kills us would find it there. */
		_cleanup_close_ int probe = open_aside(target, &aside);

		if (probe < 0)
			return fail(path, probe);
		unlink(aside);
		fd = -EBADF;
	} else {
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return fail(path, -errno);
	}
	*ret = (struct file) { .path = path, .fd = fd };
	return STATUS_DONE;
}

int file_put(const struct file *f, const char *text)
{
	_cleanup_free_ char *target = NULL;
	mode_t mode;
	int r;

	if (f->fd >= 0) {
		r = file_write_all(f->fd, text, strlen(text));
	} else {
		r = find_target(f->path, &mode, &target);
		if (r >= 0)
			r = target ? replace(target, mode, text) : -EEXIST;
	}
	return r < 0 ? fail(f->path, r) : STATUS_DONE;
}

void file_close(struct file *f)
{
	if (f->path && f->fd >= 0)
		close(f->fd);
	*f = (struct file) {};
}

int file_write(const char *path, const char *text)
{
	_cleanup_(file_close) struct file f = {};
	int r;

	r = file_open(path, &f);
	return r == STATUS_DONE ? file_put(&f, text) : r;
}
