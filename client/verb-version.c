/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl version: of this program, and of what it talks to.
 */
#include <sys/utsname.h>
#include "client/nvmxctl.h"

/* kmod/dkms-kernel writes it: a file for each kernel without modules of ours, with the reason. */
#define MISSING_DIR	"/var/lib/nvmx-dkms"

/* "" if there is none, NULL without memory. */
static char *first_line(FILE *f)
{
	char *line = NULL;
	size_t size = 0;

	if (!f || getline(&line, &size, f) < 0) {
		free(line);
		return strdup("");
	}
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/*
 * Is the kvm_intel that runs the one that modprobe would load?  "installed", "replaced", or
 * NULL: it is not loaded, or nobody knows.  Only a module with a version has a srcversion,
 * which nvmx's has and the kernel's own has not.
 */
static const char *module_state(void)
{
	_cleanup_free_ char *loaded = NULL, *installed = NULL;
	FILE *f;

	if (access("/sys/module/kvm_intel", F_OK) < 0)
		return NULL;
	f = fopen("/sys/module/kvm_intel/srcversion", "re");
	loaded = first_line(f);
	if (f)
		fclose(f);
	/* Knows how modules are packed; /sbin is not in every user's PATH. */
	f = popen("/sbin/modinfo -F srcversion kvm_intel 2>/dev/null", "re");
	installed = first_line(f);
	if (!f || pclose(f) != 0 || !loaded || !installed)
		return NULL;
	return streq(loaded, installed) ? "installed" : "replaced";
}

/* Why DKMS has no modules for the kernel that runs; NULL: none has been told. */
static char *missing_reason(const char *release)
{
	_cleanup_free_ char *path = NULL;
	char *reason;
	FILE *f;

	if (asprintf(&path, MISSING_DIR "/%s", release) < 0) {
		path = NULL;
		return NULL;
	}
	f = fopen(path, "re");
	if (!f)
		return NULL;
	reason = first_line(f);
	fclose(f);
	return reason;
}

/* Of this host, so not with --host or --machine. */
static void add_modules(struct client *c, struct json_object *version)
{
	_cleanup_free_ char *reason = NULL;
	const char *state = NULL;
	struct utsname name;

	if (!c->args->host && !c->args->machine && uname(&name) == 0) {
		state = module_state();
		reason = missing_reason(name.release);
	}
	json_object_object_add(version, "kvm_intel", state ? json_object_new_string(state) : NULL);
	json_object_object_add(version, "modules_missing", reason ? json_object_new_string(reason) : NULL);
}

static void print_modules(struct json_object *version)
{
	const char *state = json_get_text(version, "kvm_intel"), *reason = json_get_text(version, "modules_missing");

	if (*reason)
		printf("this kernel has no modules of nvmx: %s\n", reason);
	if (streq(state, "replaced"))
		puts("kvm_intel is not the one that is installed: when no VM runs, systemctl stop nvmxd;"
		     " modprobe -r kvm_intel kvm; modprobe kvm_intel; or reboot");
}

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
	add_modules(c, version);
	if (c->args->json != JSON_OFF) {
		render_json(stdout, version, c->args->json);
		return STATUS_DONE;
	}
	puts("nvmxctl " NVMX_VERSION);
	if (!reached)
		puts("nvmxd cannot be reached");
	for (size_t i = 0; i < ARRAY_SIZE(lines) && reached; i++)
		printf("%s %s\n", lines[i].title, json_get_text(version, lines[i].key));
	print_modules(version);
	return STATUS_DONE;
}
