/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which VM is meant: what nvmxd finds by it, else the one whose name or uuid begins so.
 */
#include <inttypes.h>
#include <limits.h>
#include <strings.h>

#include "client/nvmxctl.h"

#define ERROR_NO_VM	"org.nvmx1.Error.NoSuchVM"
#define ERROR_AMBIGUOUS	"org.nvmx1.Error.AmbiguousName"

static bool parse_pid(const char *s, uint32_t *ret)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno || end == s || *end || *s < '0' || *s > '9' || n == 0 || n > INT_MAX)
		return false;
	*ret = n;
	return true;
}

/* Of a name or a uuid; case counts in names only. */
static bool starts_with(const char *text, const char *prefix, bool is_uuid)
{
	size_t n = strlen(prefix);

	return is_uuid ? strncasecmp(text, prefix, n) == 0 : strncmp(text, prefix, n) == 0;
}

/* The one VM of which the name or uuid starts so: its path, else NULL; several: a sentence. */
static int find_by_prefix(struct client *c, const char *prefix, char **ret_path)
{
	_cleanup_message_ sd_bus_message *rows = NULL;
	char others[256] = "";
	size_t n = 0, used = 0;
	struct vm_row row;
	int r, status;

	*ret_path = NULL;
	if (!*prefix)
		return STATUS_DONE;
	status = vm_list_rows(c, &rows);
	if (status != STATUS_DONE)
		return status;
	while ((r = vm_next_row(rows, &row)) > 0) {
		_cleanup_free_ char *name = text_safe(row.name ?: "");

		if (!starts_with(row.name ?: "", prefix, false) && !starts_with(row.uuid ?: "", prefix, true))
			continue;
		if (n++ == 0)
			*ret_path = strdup(row.path ?: "");
		if (used < sizeof(others))
			used += snprintf(others + used, sizeof(others) - used, "%s%s (%" PRIu64 ")",
					 n > 1 ? ", " : "", name ?: "", row.id);
	}
	if (r >= 0 && n <= 1)
		return STATUS_DONE;
	free(*ret_path);
	*ret_path = NULL;
	if (r < 0)
		return client_fail(&SD_BUS_ERROR_NULL, r);
	fprintf(stderr, "nvmxctl: \"%s\" is ambiguous: %s%s; give the whole name, or the id.\n", prefix, others,
		used >= sizeof(others) ? "..." : "");
	return STATUS_NO_VM;
}

/*
 * By what is whole, not a beginning; negative errno and error: there is none, there are several,
 * or nvmxd cannot say.
 */
static int find_exactly(struct client *c, const char *name, sd_bus_error *error, char **ret_path)
{
	_cleanup_bus_error_ sd_bus_error pid_error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *path;
	uint32_t pid;
	int r;

	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "GetVM",
			       error, &reply, "s", name);
	if (r < 0 && sd_bus_error_has_name(error, ERROR_NO_VM) && parse_pid(name, &pid)) {
		r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER,
				       "GetVMByPID", &pid_error, &reply, "u", pid);
		/* Else the first error is the one about what was asked for. */
		if (sd_bus_error_has_name(&pid_error, ERROR_AMBIGUOUS)) {
			sd_bus_error_free(error);
			(void)sd_bus_error_move(error, &pid_error);
		}
	}
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r < 0)
		return r;
	*ret_path = strdup(path);
	return *ret_path ? 0 : -ENOMEM;
}

bool find_vm_quietly(struct client *c, const char *name, char **ret_path)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

	return c->bus && find_exactly(c, name, &error, ret_path) >= 0;
}

int find_vm_exactly(struct client *c, const char *name, char **ret_path)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	*ret_path = NULL;
	if (!c->bus)
		return STATUS_DONE;
	r = find_exactly(c, name, &error, ret_path);
	return sd_bus_error_has_name(&error, ERROR_AMBIGUOUS) ? client_fail(&error, r) : STATUS_DONE;
}

int find_vm(struct client *c, const char *name, char **ret_path)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = find_exactly(c, name, &error, ret_path);
	/* An exact name that two have is nothing to look for beginnings of. */
	if (r < 0 && sd_bus_error_has_name(&error, ERROR_NO_VM)) {
		int status = find_by_prefix(c, name, ret_path);

		if (status != STATUS_DONE || *ret_path)
			return status;
	}
	return r < 0 ? client_fail(&error, r) : STATUS_DONE;
}
