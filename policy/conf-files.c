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

static struct conf_file *find_file(const struct list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (streq(l->files[i].name, name))
			return &l->files[i];
	return NULL;
}

/* Takes the path over. */
static int put_file(struct list *l, const char *name, char *path, bool aside)
{
	struct conf_file *file = find_file(l, name), *files;
	_cleanup_free_ char *p = path;

	if (!file) {
		files = reallocarray(l->files, l->n + 1, sizeof(*files));
		if (!files)
			return -ENOMEM;
		l->files = files;
		file = &files[l->n];
		*file = (struct conf_file) { .name = strdup(name) };
		if (!file->name)
			return -ENOMEM;
		l->n++;
	}
	free(file->path);
	file->path = steal_ptr(p);
	file->aside = aside;
	return 0;
}

static int add_file(struct list *l, const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? -ENOMEM : put_file(l, name, path, false);
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

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), n_suffix = strlen(suffix);

	return n > n_suffix && streq(name + n - n_suffix, suffix);
}

/* 0 as well if the directory cannot be used: then there is a sentence. */
static int add_dir(struct list *l, const char *dir, const char *suffix, char **ret_error)
{
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

	while (r == 0 && (errno = 0, e = readdir(d)))
		if (e->d_name[0] != '.' && ends_with(e->d_name, suffix))
			r = add_file(l, dir, e->d_name);
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

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) >= 0 && stat(b, &y) >= 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int conf_files_add(struct conf_file **files, size_t *n, const char *path, const char *suffix,
		   char **ret_error)
{
	const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
	struct list l = { .files = *files, .n = *n };
	const struct conf_file *there;
	_cleanup_free_ char *name = NULL;
	bool same;
	char *copy;
	int r;

	if (asprintf(&name, "%s%s", last, ends_with(last, suffix) ? "" : suffix) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	there = find_file(&l, name);
	same = there && is_same_file(there->path, path);
	if (there && there->aside && !same)
		return error_set(ret_error, -EEXIST, "%s: It would replace %s, which has the same file "
				 "name; give only one of them.", path, there->path);
	copy = strdup(path);
	r = copy ? put_file(&l, name, copy, same ? there->aside : true) : -ENOMEM;
	*files = l.files;
	*n = l.n;
	if (r >= 0)
		qsort(l.files, l.n, sizeof(*l.files), compare);
	return r;
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
