/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/stat, /proc/PID/cmdline and, by libsystemd, /proc/PID/cgroup.  Owns nothing; reads files that may
 * vanish, or become another process's, at any moment.
 */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>

#include <systemd/sd-login.h>

#include "daemon/proc.h"
#include "policy/policy.h"

/* More than QEMU's longest command line; a -uuid beyond it is not found. */
#define CMDLINE_MAX	(1024 * 1024)

/* The whole file with a NUL behind it. */
static int read_proc(pid_t pid, const char *name, char **ret, size_t *ret_size)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *data = NULL;
	size_t size = 0, room = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;

	for (;;) {
		ssize_t k;

		if (room - size < 4096) {
			char *p = realloc(data, room + 16384);

			if (!p)
				return -ENOMEM;
			data = p;
			room += 16384;
		}

		k = read(fd, data + size, room - size - 1);
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		size += k;
		if (size >= CMDLINE_MAX)
			break;
	}

	data[size] = 0;
	*ret = steal_ptr(data);
	*ret_size = size;
	return 0;
}

/*
 * pid (comm) state ppid ... starttime: comm may hold blanks, brackets and
 * newlines, so it ends at the last bracket, and fields are counted from there.
 */
int proc_parse_stat(const char *stat, char **ret_comm, uint64_t *ret_start_time)
{
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')'), *p;
	uint64_t start_time;
	char *comm;

	if (!open || !close || close < open)
		return -EBADMSG;

	/* Behind the bracket comes field 3; walk to the blank before field 22. */
	p = close + 1;
	for (int field = 3; field < 22; field++) {
		if (*p != ' ')
			return -EBADMSG;
		p = strchr(p + 1, ' ');
		if (!p)
			return -EBADMSG;
	}
	if (sscanf(p, " %" SCNu64, &start_time) != 1)
		return -EBADMSG;

	comm = strndup(open + 1, close - open - 1);
	if (!comm)
		return -ENOMEM;

	*ret_comm = comm;
	*ret_start_time = start_time;
	return 0;
}

bool proc_parse_uuid(const char *s, char ret_uuid[PROC_UUID_LEN])
{
	char uuid[PROC_UUID_LEN];
	size_t i;

	for (i = 0; s[i]; i++) {
		if (i >= PROC_UUID_LEN - 1)
			return false;
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
		} else if (!isxdigit((unsigned char)s[i])) {
			return false;
		}
		uuid[i] = tolower((unsigned char)s[i]);
	}
	if (i != PROC_UUID_LEN - 1)
		return false;

	uuid[i] = 0;
	memcpy(ret_uuid, uuid, PROC_UUID_LEN);
	return true;
}

/*
 * One "key=value" of an option's argument, in which a comma of a value is written twice; without
 * "=" the value is that of the key that may be left out.  *p is behind it then.  False: none is
 * left.  key and value are cut to their rooms, which are more than what is looked for needs.
 */
struct suboption {
	char key[16];
	char value[1024];
};

static bool next_suboption(const char **p, const char *implied, struct suboption *ret)
{
	const char *s = *p, *equals;
	size_t n = 0;

	if (!*s)
		return false;
	equals = s + strcspn(s, "=,");
	if (*equals == '=') {
		snprintf(ret->key, sizeof(ret->key), "%.*s", (int)(equals - s), s);
		s = equals + 1;
	} else {
		snprintf(ret->key, sizeof(ret->key), "%s", implied);
	}

	for (; *s && (*s != ',' || s[1] == ','); s++) {
		if (*s == ',')
			s++;
		if (n < sizeof(ret->value) - 1)
			ret->value[n++] = *s;
	}
	ret->value[n] = 0;
	*p = *s ? s + 1 : s;
	return true;
}

static void take_name(const char *argument, char *name, size_t size)
{
	struct suboption o;

	while (next_suboption(&argument, "guest", &o))
		if (streq(o.key, "guest"))
			snprintf(name, size, "%s", o.value);
}

/* Of the SMBIOS table "system", as Proxmox VE gives it. */
static void take_smbios(const char *argument, char uuid[PROC_UUID_LEN])
{
	char found[PROC_UUID_LEN] = "";
	struct suboption o;
	bool system = false;

	while (next_suboption(&argument, "", &o)) {
		if (streq(o.key, "type"))
			system = streq(o.value, "1");
		else if (streq(o.key, "uuid"))
			(void)proc_parse_uuid(o.value, found);
	}
	if (system && *found)
		memcpy(uuid, found, PROC_UUID_LEN);
}

/*
 * "-uuid X", "--uuid X", "-uuid=X".  Other options' arguments are not told apart from
 * options: of a uuid nothing but one passes, and a name is only shown.
 */
int proc_parse_cmdline(const char *cmdline, size_t size, char **ret_name,
		       char ret_uuid[PROC_UUID_LEN])
{
	char name[sizeof(((struct suboption *)NULL)->value)] = "", smbios[PROC_UUID_LEN] = "";
	const char *end = cmdline + size, *p, *next;
	char *copy;

	ret_uuid[0] = 0;
	for (p = cmdline; p < end; p = next) {
		const char *option = p;

		next = p + strlen(p) + 1;
		if (*option != '-')
			continue;
		option += option[1] == '-' ? 2 : 1;

		if (strncmp(option, "uuid=", 5) == 0)
			(void)proc_parse_uuid(option + 5, ret_uuid);
		if (next >= end)
			continue;
		if (streq(option, "uuid"))
			(void)proc_parse_uuid(next, ret_uuid);
		else if (streq(option, "name"))
			take_name(next, name, sizeof(name));
		else if (streq(option, "smbios"))
			take_smbios(next, smbios);
	}
	if (!*ret_uuid)
		memcpy(ret_uuid, smbios, sizeof(smbios));

	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	*ret_name = copy;
	return 0;
}

static int read_start_time(pid_t pid, char **ret_comm, uint64_t *ret_start_time)
{
	_cleanup_free_ char *stat = NULL;
	size_t size;
	int r;

	r = read_proc(pid, "stat", &stat, &size);
	if (r < 0)
		return r;

	return proc_parse_stat(stat, ret_comm, ret_start_time);
}

void proc_identity_clear(struct proc_identity *p)
{
	free(p->comm);
	free(p->name);
	free(p->unit);
	*p = (struct proc_identity) {};
}

/* A process in no unit, as in a container without systemd, has none. */
static int read_unit(pid_t pid, char **ret)
{
	char *unit;
	int r;

	r = sd_pid_get_unit(pid, &unit);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		unit = strdup("");
		if (!unit)
			return -ENOMEM;
	}

	*ret = unit;
	return 0;
}

static int identify(pid_t pid, uint64_t start_time, struct proc_identity *p)
{
	_cleanup_free_ char *cmdline = NULL;
	uint64_t t;
	size_t size;
	int r;

	r = read_start_time(pid, &p->comm, &t);
	if (r < 0)
		return r;
	if (t != start_time)
		return -ESRCH;

	r = read_proc(pid, "cmdline", &cmdline, &size);
	if (r < 0)
		return r;
	r = proc_parse_cmdline(cmdline, size, &p->name, p->uuid);
	if (r < 0)
		return r;
	r = read_unit(pid, &p->unit);
	if (r < 0)
		return r;

	/* The pid may have changed hands between the files. */
	return proc_check(pid, start_time);
}

int proc_check(pid_t pid, uint64_t start_time)
{
	_cleanup_free_ char *comm = NULL;
	uint64_t t;
	int r;

	r = read_start_time(pid, &comm, &t);
	if (r < 0)
		return r;
	return t == start_time ? 0 : -ESRCH;
}

int proc_identify(pid_t pid, uint64_t start_time, struct proc_identity *ret)
{
	struct proc_identity p = {};
	int r;

	if (pid <= 0)
		return -ESRCH;

	r = identify(pid, start_time, &p);
	if (r < 0) {
		proc_identity_clear(&p);
		return r;
	}

	/* Whoever runs the process chose them; one that is no text would break a whole reply. */
	utf8_clean(p.comm);
	utf8_clean(p.name);
	utf8_clean(p.unit);
	*ret = p;
	return 0;
}
