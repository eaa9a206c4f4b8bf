/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl diagnose [DOMAIN]: one verdict per VM, in plain words, with the figures
 * behind it.  Looks at the counters for a moment, which costs the VM nothing; the
 * reckoning is diagnose.c's.
 */
#include <dirent.h>
#include <fcntl.h>

#include "client/diagnose.h"
#include "client/nvmxctl.h"

#define DURATION_USEC	(2 * UINT64_C(1000000))

/* debugfs has KVM's counters of each VM, by its process; root's alone. */
#define DEBUGFS_KVM	"/sys/kernel/debug/kvm"

static uint64_t read_counter(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t k;

	k = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (k <= 0)
		return 0;
	text[k] = '\0';
	return strtoull(text, NULL, 10);
}

/* false: nothing is known. */
static bool read_kvm(struct client *c, struct json_object *vm, struct diagnose_kvm *ret)
{
	_cleanup_free_ char *prefix = NULL;
	bool found = false;
	struct dirent *e;
	DIR *d;

	if (c->args->host || c->args->machine ||
	    asprintf(&prefix, "%s-", json_get_text(vm, "pid")) < 0) {
		prefix = NULL;
		return false;
	}
	d = opendir(DEBUGFS_KVM);
	while (d && !found && (e = readdir(d))) {
		_cleanup_close_ int fd = -EBADF;

		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret->exits = fd < 0 ? 0 : read_counter(fd, "exits");
		if (ret->exits == 0)
			continue;
		ret->io_exits = read_counter(fd, "io_exits");
		ret->mmio_exits = read_counter(fd, "mmio_exits");
		ret->halt_exits = read_counter(fd, "halt_exits");
		ret->pf_taken = read_counter(fd, "pf_taken");
		found = true;
	}
	if (d)
		closedir(d);
	return found;
}

struct look {
	struct json_object *statistics;
	struct diagnose_kvm kvm;
	bool kvm_known;
};

/* Without statistics, if it is gone and was not asked for by name. */
static int look(struct client *c, struct json_object *vm, struct look *ret)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, NVMX_BUS_PATH "/vm/%s", json_get_text(vm, "id")) < 0) {
		path = NULL;
		fprintf(stderr, "nvmxctl: Out of memory.\n");
		return STATUS_FAILED;
	}
	ret->kvm_known = read_kvm(c, vm, &ret->kvm);
	r = statistics_try(c, path, NVMX_ALL_VCPUS, &error, &ret->statistics);
	if (r >= 0)
		return STATUS_DONE;
	if (c->args->n_parameters == 0 && statistics_is_gone(&error))
		return STATUS_DONE;
	return client_fail(&error, r);
}

static struct json_object *judge(struct json_object *vm, struct json_object *fields,
				 const char *support, const struct look *then,
				 const struct look *now, double seconds)
{
	struct diagnose_kvm kvm = {};

	if (then->kvm_known && now->kvm_known)
		kvm = (struct diagnose_kvm) {
			.exits = now->kvm.exits - then->kvm.exits,
			.io_exits = now->kvm.io_exits - then->kvm.io_exits,
			.mmio_exits = now->kvm.mmio_exits - then->kvm.mmio_exits,
			.halt_exits = now->kvm.halt_exits - then->kvm.halt_exits,
			.pf_taken = now->kvm.pf_taken - then->kvm.pf_taken,
		};
	return diagnose(vm, fields, support, then->statistics, now->statistics,
			then->kvm_known && now->kvm_known ? &kvm : NULL, seconds);
}

/* A VM that goes meanwhile is left out, unless it is the one that was asked for. */
static int look_at_all(struct client *c, struct json_object *vms, struct json_object *fields,
		       const char *support, struct json_object *verdicts)
{
	size_t n = json_length(vms);
	_cleanup_free_ struct look *then = calloc(n + 1, sizeof(*then));
	uint64_t began = progress_now_usec();
	int r = then ? STATUS_DONE : STATUS_FAILED;

	for (size_t i = 0; i < n && r == STATUS_DONE; i++)
		r = look(c, json_at(vms, i), &then[i]);
	if (r == STATUS_DONE)
		r = progress_wait(c, "Looking", c->args->duration_usec ?: DURATION_USEC, NULL, NULL);
	for (size_t i = 0; i < n && r == STATUS_DONE; i++) {
		struct json_object *vm = json_at(vms, i);
		struct look now = {};

		r = look(c, vm, &now);
		if (r == STATUS_DONE && then[i].statistics && now.statistics)
			json_object_array_add(verdicts, judge(vm, fields, support, &then[i], &now,
					      (progress_now_usec() - began) / 1e6));
		json_object_put(now.statistics);
	}
	for (size_t i = 0; i < n && then; i++)
		json_object_put(then[i].statistics);
	return r;
}

static enum colour verdict_colour(const char *verdict)
{
	static const struct { const char *verdict; enum colour colour; } colours[] = {
		{ "cheap", COLOUR_GOOD },
		{ "costly", COLOUR_BAD },
		{ "feature", COLOUR_BAD },
		{ "unavoidable", COLOUR_NOTE },
		{ "elsewhere", COLOUR_NOTE },
		{ "inert-evmcs", COLOUR_NOTE },
		{ "no-shadowing", COLOUR_NOTE },
		{ "no-nested", COLOUR_NOTE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
		if (streq(colours[i].verdict, verdict))
			return colours[i].colour;
	return COLOUR_BOLD;
}

static void print(FILE *f, struct json_object *verdicts)
{
	for (size_t i = 0; i < json_length(verdicts); i++) {
		struct json_object *v = json_at(verdicts, i);
		struct json_object *commands = json_get(v, "commands");
		_cleanup_free_ char *name = render_safe(json_get_text(v, "name"));
		enum colour colour = verdict_colour(json_get_text(v, "verdict"));
		const char *id = json_get_text(v, "id");

		fprintf(f, "%s%s%s (VM %s)%s: ", i ? "\n" : "", colour_begin(colour), name ?: "", id,
			colour_end(colour));
		text_wrap(f, text_columns(name ?: "") + strlen(" (VM ): ") + strlen(id), 0, json_get_text(v, "text"));
		fputc('\n', f);
		for (size_t k = 0; k < json_length(commands); k++) {
			_cleanup_free_ char *command = render_safe(json_object_get_string(
				json_at(commands, k)));

			fprintf(f, "    %s\n", command ?: "");
		}
	}
}

static int get_vms(struct client *c, struct json_object **ret)
{
	_cleanup_json_ struct json_object *vm = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	if (c->args->n_parameters == 0)
		return vm_list(c, ret);
	r = client_find_vm(c, c->args->parameters[0], &path);
	if (r == STATUS_DONE)
		r = vm_get(c, path, &vm);
	if (r != STATUS_DONE)
		return r;
	*ret = json_object_new_array();
	json_object_array_add(*ret, steal_ptr(vm));
	return STATUS_DONE;
}

int verb_diagnose(struct client *c)
{
	_cleanup_json_ struct json_object *vms = NULL, *fields = NULL;
	_cleanup_json_ struct json_object *verdicts = json_object_new_array();
	_cleanup_free_ char *support = NULL;
	int r;

	r = client_connect(c, NEED_MODULE);
	if (r == STATUS_DONE)
		r = client_get_text(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "KernelSupport", &support);
	if (r == STATUS_DONE)
		r = vm_list_fields(c, &fields);
	if (r == STATUS_DONE)
		r = get_vms(c, &vms);
	if (r == STATUS_DONE && json_length(vms) > 0)
		r = look_at_all(c, vms, fields, support, verdicts);
	if (r != STATUS_DONE)
		return r;

	if (c->args->json != JSON_OFF)
		render_json(pager_out(c), verdicts, c->args->json);
	else if (json_length(verdicts) > 0)
		print(pager_out(c), verdicts);
	else if (!c->args->quiet)
		fputs("There are no VMs.\n", pager_out(c));
	return STATUS_DONE;
}
