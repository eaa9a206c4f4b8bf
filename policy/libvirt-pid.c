/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the files in which libvirt notes the processes of its domains.  Owns nothing.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>

#include "policy/libvirt-pid.h"
#include "policy/util.h"

#define SYSTEM_DIR	"/run/libvirt/qemu"

char *libvirt_pid_dir(const char *uri)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *path;
	char *dir;

	/* qemu:///system or qemu+unix:///session?...: nothing between the second slash and the third. */
	path = strncmp(uri, "qemu", strlen("qemu")) == 0 ? strstr(uri, ":///") : NULL;
	if (!path)
		return NULL;
	path += strlen(":///");
	if (strncmp(path, "system", strlen("system")) == 0)
		return strdup(SYSTEM_DIR);
	if (strncmp(path, "session", strlen("session")) != 0 || isempty(runtime) ||
	    asprintf(&dir, "%s/libvirt/qemu/run", runtime) < 0)
		return NULL;
	return dir;
}

/* As libvirt up to 9.0 writes a name into a path: as it does into XML. */
static char *escape(const char *name)
{
	static const struct {
		char c;
		const char *text;
	} escapes[] = {
		{ '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&apos;" },
	};
	char *escaped, *p;

	escaped = malloc(strlen(name) * strlen("&quot;") + 1);
	if (!escaped)
		return NULL;
	p = escaped;
	for (; *name; name++) {
		size_t i = 0;

		while (i < ARRAY_SIZE(escapes) && escapes[i].c != *name)
			i++;
		if (i < ARRAY_SIZE(escapes))
			p = stpcpy(p, escapes[i].text);
		else
			*p++ = *name;
	}
	*p = 0;
	return escaped;
}

static int read_pid(const char *path, pid_t *ret)
{
	_cleanup_close_ int fd = -EBADF;
	char text[24], *end;
	ssize_t n;
	long pid;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EAGAIN;
	text[n] = 0;
	pid = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : 0;
	if (pid <= 0 || pid > INT_MAX || (*end && *end != '\n'))
		return -EBADMSG;

	*ret = pid;
	return 0;
}

static int check_file(const char *dir, const char *name, pid_t pid, char **ret_path)
{
	_cleanup_free_ char *path = NULL;
	pid_t noted = 0;
	int r;

	if (asprintf(&path, "%s/%s.pid", dir, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = read_pid(path, &noted);
	if (r < 0)
		return r;
	if (noted != pid)
		return 0;
	if (ret_path)
		*ret_path = steal_ptr(path);
	return 1;
}

/*
 * Of the two files that a name may have the other may be another domain's: that one's process
 * is not the one that is asked about.
 */
int libvirt_pid_check(const char *dir, const char *name, pid_t pid, char **ret_path)
{
	_cleanup_free_ char *escaped = NULL;
	int plain, r;

	if (strchr(name, '/'))
		return -ENOENT;
	escaped = escape(name);
	if (!escaped)
		return -ENOMEM;

	plain = check_file(dir, name, pid, ret_path);
	if (plain > 0 || streq(escaped, name))
		return plain;
	r = check_file(dir, escaped, pid, ret_path);
	if (r == -ENOENT)
		return plain;
	/* What could not be read might have been it. */
	return r == 0 && plain < 0 && plain != -ENOENT ? plain : r;
}
