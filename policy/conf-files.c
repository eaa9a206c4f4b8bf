/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories of configuration.  Owns nothing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "policy/conf-files.h"
#include "policy/internal.h"

struct list {
	struct conf_file *files;
	size_t n;
};

static int add_file(struct list *l, const char *dir, const char *name)
{
	_cleanup_free_ char *path = NULL;
	struct conf_file *files;
	size_t i;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	for (i = 0; i < l->n; i++)
		if (streq(l->files[i].name, name)) {
			free(l->files[i].path);
			l->files[i].path = steal_ptr(path);
			return 0;
		}

	files = reallocarray(l->files, l->n + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	l->files = files;
	files[i].name = strdup(name);
	if (!files[i].name)
		return -ENOMEM;
	files[i].path = steal_ptr(path);
	l->n++;
	return 0;
}

/* Of the directory that was opened, whatever its name means by now. */
static int check_dir(DIR *d, const char *dir, char **ret_error)
{
	struct stat st;

	if (fstat(dirfd(d), &st) < 0)
		return error_set(ret_error, -errno, "%s: The directory cannot be read: %m.", dir);
	if (st.st_mode & S_IWOTH)
		return error_set(ret_error, -EPERM, "%s: This directory is world-writable, so "
				 "its files are ignored; fix that with \"chmod o-w\".", dir);
	return 0;
}

/* 0 as well if the directory cannot be used: then there is a sentence. */
static int add_dir(struct list *l, const char *dir, const char *suffix, char **ret_error)
{
	size_t n_suffix = strlen(suffix);
	struct dirent *e;
	int r = 0;
	DIR *d;

	d = opendir(dir);
	if (!d) {
		r = -errno;
		if (is_shortage(r))
			return r;
		if (r != -ENOENT)
			error_set(ret_error, 0, "%s: The directory cannot be read: %m.", dir);
		return 0;
	}
	if (check_dir(d, dir, ret_error) < 0) {
		closedir(d);
		return 0;
	}

	while (r == 0 && (errno = 0, e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (e->d_name[0] != '.' && n > n_suffix && streq(e->d_name + n - n_suffix, suffix))
			r = add_file(l, dir, e->d_name);
	}
	if (r == 0 && errno != 0)
		error_set(ret_error, 0, "%s: The directory cannot be read: %m.", dir);
	closedir(d);
	return r;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct conf_file *)a)->name, ((const struct conf_file *)b)->name);
}

int conf_files_list(const char *const *dirs, const char *below, const char *suffix,
		    policy_set_error_t on_error, void *userdata,
		    struct conf_file **ret, size_t *ret_n)
{
	struct list l = {};
	int r = 0;

	for (size_t i = 0; r == 0 && dirs[i]; i++) {
		_cleanup_free_ char *sentence = NULL, *dir = NULL;

		if (below && asprintf(&dir, "%s/%s", dirs[i], below) < 0) {
			dir = NULL;
			r = -ENOMEM;
			break;
		}
		r = add_dir(&l, dir ?: dirs[i], suffix, &sentence);
		if (sentence && on_error)
			on_error(sentence, userdata);
	}
	if (r < 0) {
		conf_files_free(l.files, l.n);
		return r;
	}

	if (l.n > 1)
		qsort(l.files, l.n, sizeof(*l.files), compare);
	*ret = l.files;
	*ret_n = l.n;
	return 0;
}

void conf_files_free(struct conf_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(files[i].name);
		free(files[i].path);
	}
	free(files);
}

int conf_files_open(const char *path, char **ret_error)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	/* The path is for the bus, too. */
	if (!utf8_is_text(path))
		return error_set(ret_error, -EINVAL, "%s: The file's name is not UTF-8, or has "
				 "control characters; rename it.", path);

	/* A fifo does not block. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_set(ret_error, -errno, "%s: Cannot be opened: %m.", path);
	if (fstat(fd, &st) < 0)
		return error_set(ret_error, -errno, "%s: Cannot be read: %m.", path);
	if (S_ISCHR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size == 0))
		return -ENODATA;
	if (!S_ISREG(st.st_mode))
		return error_set(ret_error, -EINVAL, "%s: This is not a regular file.", path);
	if (st.st_mode & S_IWOTH)
		return error_set(ret_error, -EPERM, "%s: This file is world-writable, so it is "
				 "ignored; fix that with \"chmod o-w\".", path);
	return steal_fd(&fd);
}

int conf_files_read(int fd, const char *path, char **ret, size_t *ret_size, char **ret_error)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	ssize_t n;

	/* One byte more tells a file that is too large. */
	text = malloc(POLICY_FILE_MAX + 1);
	if (!text)
		return error_set(ret_error, -ENOMEM, "Out of memory.");

	while (size <= POLICY_FILE_MAX) {
		n = read(fd, text + size, POLICY_FILE_MAX + 1 - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(ret_error, -errno, "%s: Cannot be read: %m.", path);
		if (n == 0)
			break;
		size += n;
	}

	*ret = steal_ptr(text);
	*ret_size = size;
	return 0;
}
