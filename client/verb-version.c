/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl version: of this program, and of what it talks to.
 */
#include "client/nvmxctl.h"

int verb_version(struct client *c)
{
	static const struct { const char *key, *property, *title; } lines[] = {
		{ "nvmxd", "Version", "nvmxd" },
		{ "kernel_support", "KernelSupport", "kernel support" },
		{ "kernel_link", "KernelLink", "kernel link" },
		{ "libvirt", "Libvirt", "libvirt" },
	};
	_cleanup_json_ struct json_object *version = json_object_new_object();
	bool reached = client_reach(c);

	json_add_text(version, "nvmxctl", NVMX_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *text = NULL;
		int r = STATUS_DONE;

		/* Without nvmxd this program's version is all there is to say. */
		if (reached)
			r = client_get_text(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, lines[i].property, &text);
		if (r != STATUS_DONE)
			return r;
		json_object_object_add(version, lines[i].key, text ? json_object_new_string(text) : NULL);
	}
	if (c->args->json != JSON_OFF) {
		render_json(stdout, version, c->args->json);
		return STATUS_DONE;
	}
	puts("nvmxctl " NVMX_VERSION);
	if (!reached)
		puts("nvmxd cannot be reached");
	for (size_t i = 0; i < ARRAY_SIZE(lines) && reached; i++)
		printf("%s %s\n", lines[i].title, json_get_text(version, lines[i].key));
	return STATUS_DONE;
}
