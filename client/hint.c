/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands that nvmxctl says to type: with what leads to the same VM, and ready for a
 * shell.
 */
#include <stdarg.h>

#include "client/hint.h"
#include "policy/libvirt-library.h"

/* What every shell takes as it is, wherever it stands in a word; so it does what is not ASCII. */
static bool is_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@+,";

	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < 0x80 && !strchr(plain, *s))
			return false;
	return true;
}

char *hint_quote(const char *s)
{
	_cleanup_free_ char *quoted = NULL;
	size_t size;
	FILE *f;

	if (is_plain(s))
		return strdup(s);
	f = open_memstream(&quoted, &size);
	if (!f)
		return NULL;
	fputc('\'', f);
	for (; *s; s++)
		if (*s == '\'')
			fputs("'\\''", f);
		else
			fputc(*s, f);
	fputc('\'', f);
	if (fclose(f) == EOF)
		return NULL;
	return steal_ptr(quoted);
}

/* A name may be that of several VMs, another's id, or an option. */
static bool leads_to(struct client *c, const char *name, const char *id)
{
	_cleanup_free_ char *path = NULL, *safe = text_safe(name);

	/* It is printed so. */
	return *name && *name != '-' && safe && streq(safe, name) && find_vm_quietly(c, name, &path) &&
	       strncmp(path, NVMX_BUS_PATH "/vm/", strlen(NVMX_BUS_PATH "/vm/")) == 0 &&
	       streq(path + strlen(NVMX_BUS_PATH "/vm/"), id);
}

bool hint_has_libvirt(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *state = NULL;

	return !c->args->machine &&
	       sd_bus_get_property_string(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "Libvirt",
					  &error, &state) >= 0 &&
	       streq(state, "connected");
}

unsigned long hint_libvirt_version(struct client *c)
{
	unsigned long version;
	const char *ignored;

	if (c->args->host || c->args->machine || libvirt_library_load(&ignored) < 0 ||
	    libvirt.virGetVersion(&version, NULL, NULL) < 0)
		return 0;
	return version;
}

int hint_of(struct client *c, struct json_object *vm, bool is_source, struct hint *ret)
{
	const char *where = c->args->host ?: c->args->machine, *name = json_get_text(vm, "name");
	const char *id = json_get_text(vm, "id");
	_cleanup_free_ char *quoted = where ? hint_quote(where) : NULL;
	struct hint h = {};

	if (!where)
		h.nvmxctl = strdup("nvmxctl");
	else if (!quoted || asprintf(&h.nvmxctl, "nvmxctl --%s=%s", c->args->host ? "host" : "machine", quoted) < 0)
		h.nvmxctl = NULL;
	h.vm = hint_quote(leads_to(c, name, id) ? name : id);
	/* As far as can be told: all domains have a uuid. */
	h.is_domain = is_source && streq(json_get_text(vm, "source"), "libvirt");
	if (!h.nvmxctl || !h.vm) {
		hint_done(&h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

void hint_done(struct hint *h)
{
	free(h->nvmxctl);
	free(h->vm);
	*h = (struct hint) {};
}

void hint_add(struct json_object *commands, const char *format, ...)
{
	_cleanup_free_ char *command = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&command, format, ap) < 0)
		command = NULL;
	va_end(ap);
	if (command)
		json_object_array_add(commands, json_object_new_string(command));
}

void hint_print(FILE *f, struct json_object *commands)
{
	for (size_t i = 0; i < json_length(commands); i++) {
		_cleanup_free_ char *command = text_safe(json_object_get_string(json_at(commands, i)));

		fprintf(f, "    %s\n", command ?: "");
	}
}
