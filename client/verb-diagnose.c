/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl diagnose [DOMAIN]: one verdict per VM, in plain words, with the figures
 * behind it.  Looks at the counters for a moment, which costs the VM nothing; the
 * verdicts are diagnose.c's.
 */
#include <dirent.h>
#include <fcntl.h>

#include "client/cause.h"
#include "client/diagnose.h"

#define DURATION_USEC	(2 * UINT64_C(1000000))

/* debugfs has KVM's counters of each VM, by its process; root's alone. */
#define DEBUGFS_KVM	"/sys/kernel/debug/kvm"

/* So many VMs of a kind are named in the summary. */
#define SUMMARY_NAMES	3

/* ---- KVM's own counters ---- */

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

/* To the VM of that process; of several folders of one process, the one of the VM that runs. */
static void read_folder(int debugfs, const char *name, struct json_object *vms)
{
	_cleanup_close_ int fd = openat(debugfs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t pid = strtoull(name, NULL, 10);
	const char *counter;

	if (fd < 0 || pid == 0 || read_counter(fd, diagnose_kvm_counter(0)) == 0)
		return;
	for (size_t i = 0; i < json_length(vms); i++) {
		struct json_object *vm = json_at(vms, i), *kvm;

		if (json_get_count(vm, "pid") != pid || json_get(vm, "kvm"))
			continue;
		kvm = json_object_new_object();
		for (size_t k = 0; (counter = diagnose_kvm_counter(k)); k++)
			json_add_count(kvm, counter, read_counter(fd, counter));
		json_object_object_add(vm, "kvm", kvm);
		return;
	}
}

static void add_kvm(struct client *c, struct json_object *vms)
{
	struct dirent *e;
	DIR *d;

	if (c->args->host || c->args->machine)
		return;
	d = opendir(DEBUGFS_KVM);
	if (!d)
		return;
	while ((e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9')
			read_folder(dirfd(d), e->d_name, vms);
	closedir(d);
}

/* ---- a look at the VMs, with their counters ---- */

struct look {
	struct json_object *vms;
	uint64_t usec;
};

/* ListStatistics knows no process. */
static int add_pids(struct client *c, struct json_object *vms)
{
	_cleanup_message_ sd_bus_message *rows = NULL;
	struct vm_row row;
	int r, status;

	status = vm_list_rows(c, &rows);
	if (status != STATUS_DONE)
		return status;
	while ((r = vm_next_row(rows, &row)) > 0) {
		struct json_object *vm = statistics_find_vm(vms, row.id);

		if (vm)
			json_add_count(vm, "pid", row.pid);
	}
	return r < 0 ? client_fail(&SD_BUS_ERROR_NULL, r) : STATUS_DONE;
}

static int look_at_all(struct client *c, struct json_object **ret)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = statistics_list(c, &error, ret);
	return r < 0 ? client_fail(&error, r) : add_pids(c, *ret);
}

/* As one of the list. */
static int look_at_one(struct client *c, const char *path, struct json_object **ret)
{
	_cleanup_json_ struct json_object *vm = NULL, *statistics = NULL;
	static const char *const keys[] = { "totals", "fields" };
	int r;

	r = statistics_get(c, path, NVMX_ALL_VCPUS, &statistics);
	if (r == STATUS_DONE)
		r = vm_get(c, path, &vm);
	if (r != STATUS_DONE)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_object_add(vm, keys[i], json_object_get(json_get(statistics, keys[i])));
	*ret = json_object_new_array();
	json_object_array_add(*ret, steal_ptr(vm));
	return STATUS_DONE;
}

/* path: NULL for all */
static int look(struct client *c, const char *path, struct look *ret)
{
	int r;

	ret->usec = progress_now_usec();
	r = path ? look_at_one(c, path, &ret->vms) : look_at_all(c, &ret->vms);
	if (r == STATUS_DONE)
		add_kvm(c, ret->vms);
	return r;
}

/* A VM that comes or goes meanwhile is left out. */
static int judge(struct client *c, const struct diagnose_host *host, const struct look *then,
		 const struct look *now, struct json_object *verdicts)
{
	double seconds = (now->usec - then->usec) / 1e6;
	bool libvirt = hint_has_libvirt(c);
	unsigned long version = libvirt ? hint_libvirt_version(c) : 0;

	for (size_t i = 0; i < json_length(now->vms); i++) {
		struct json_object *vm = json_at(now->vms, i);
		struct json_object *before = statistics_find_vm(then->vms, json_get_count(vm, "id"));
		_cleanup_(hint_done) struct hint hint = {};

		if (!before)
			continue;
		/* Nothing is said to type about one that does not use VMX, and most do not. */
		if (json_object_get_boolean(json_get(vm, "vmxon")) && hint_of(c, vm, libvirt, &hint) < 0) {
			fprintf(stderr, "nvmxctl: Out of memory.\n");
			return STATUS_FAILED;
		}
		hint.libvirt_version = version;
		json_object_array_add(verdicts, diagnose(host, before, vm, seconds, &hint));
	}
	diagnose_sort(verdicts);
	return STATUS_DONE;
}

/* ---- what is printed ---- */

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

static void print_verdict(FILE *f, struct json_object *v)
{
	_cleanup_free_ char *name = text_safe(json_get_text(v, "name"));
	enum colour colour = verdict_colour(json_get_text(v, "verdict"));
	const char *id = json_get_text(v, "id");

	fprintf(f, "%s%s (VM %s)%s: ", colour_begin(colour), name ?: "", id, colour_end(colour));
	text_wrap(f, text_columns(name ?: "") + strlen(" (VM ): ") + strlen(id), 0, json_get_text(v, "text"));
	fputc('\n', f);
	hint_print(f, json_get(v, "commands"));
}

static bool is_of(struct json_object *v, const struct diagnose_kind *kind)
{
	return streq(json_get_text(v, "verdict"), kind->verdict);
}

/* The line of a kind: how many, what they are, and which if these are few. */
static void print_kind(FILE *f, struct json_object *verdicts, const struct diagnose_kind *kind, size_t n)
{
	_cleanup_free_ char *text = NULL;
	const char *separator = " (";
	size_t size;
	FILE *t;
	int used;

	t = open_memstream(&text, &size);
	if (!t)
		return;
	fputs(kind->text, t);
	for (size_t i = 0; i < json_length(verdicts) && n <= SUMMARY_NAMES; i++) {
		if (!is_of(json_at(verdicts, i), kind))
			continue;
		fprintf(t, "%s%s", separator, json_get_text(json_at(verdicts, i), "name"));
		separator = ", ";
	}
	fputs(n <= SUMMARY_NAMES ? ")" : "", t);
	if (fclose(t) == EOF)
		return;
	used = fprintf(f, "%8zu  ", n);
	text_wrap(f, used, used, text);
	fputc('\n', f);
}

/* Those that cost something, and of the others how many there are of each kind. */
static void print_summary(FILE *f, struct json_object *verdicts)
{
	size_t i = 0;

	for (const struct diagnose_kind *kind; (kind = diagnose_kind(i)) && kind->costs; i++)
		;
	for (const struct diagnose_kind *kind; (kind = diagnose_kind(i)); i++) {
		size_t n = 0;

		for (size_t k = 0; k < json_length(verdicts); k++)
			n += is_of(json_at(verdicts, k), kind);
		if (n > 0)
			print_kind(f, verdicts, kind, n);
	}
}

static bool costs(struct json_object *v)
{
	const struct diagnose_kind *kind;

	for (size_t i = 0; (kind = diagnose_kind(i)); i++)
		if (is_of(v, kind))
			return kind->costs;
	return false;
}

static void print(struct client *c, struct json_object *verdicts)
{
	bool all = c->args->options & ARGS_ALL || c->args->n_parameters > 0, notes = !c->args->no_legend && !c->args->quiet;
	size_t n = json_length(verdicts), shown = 0;
	FILE *f = pager_out(c);

	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_at(verdicts, i);

		if (!all && !costs(v))
			continue;
		if (shown++ > 0)
			fputc('\n', f);
		print_verdict(f, v);
	}
	if (!notes || shown == n)
		return;
	if (shown > 0)
		fputs("\nThe other VMs:\n", f);
	else
		fputs("Nesting is costly for none of the VMs:\n", f);
	print_summary(f, verdicts);
	fputs("\nPass --all to see each of them.\n", f);
}

/* ---- the verb ---- */

static int diagnose_vms(struct client *c, const struct diagnose_host *host, const char *path,
			struct json_object *verdicts)
{
	struct look then = {}, now = {};
	int r;

	r = look(c, path, &then);
	if (r == STATUS_DONE && json_length(then.vms) > 0)
		r = progress_wait(c, "Looking", c->args->duration_usec ?: DURATION_USEC, NULL, NULL);
	if (r == STATUS_DONE && json_length(then.vms) > 0)
		r = look(c, path, &now);
	if (r == STATUS_DONE)
		r = judge(c, host, &then, &now, verdicts);
	json_object_put(then.vms);
	json_object_put(now.vms);
	return r;
}

int verb_diagnose(struct client *c)
{
	_cleanup_json_ struct json_object *fields = NULL, *verdicts = json_object_new_array();
	_cleanup_free_ char *support = NULL, *path = NULL;
	struct diagnose_host host = {};
	int r;

	if (!client_has_module(c))
		return cause_diagnose(c);
	r = client_connect(c, NEED_MODULE);
	if (r == STATUS_DONE)
		r = client_get_text(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "KernelSupport", &support);
	if (r == STATUS_DONE)
		r = vm_list_fields(c, &fields);
	if (r == STATUS_DONE && c->args->n_parameters > 0)
		r = find_vm(c, c->args->parameters[0], &path);
	if (r != STATUS_DONE)
		return r;
	host.fields = fields;
	host.support = support;
	host.tsc_khz = statistics_tsc_khz(c);
	r = diagnose_vms(c, &host, path, verdicts);
	if (r != STATUS_DONE)
		return r;

	if (c->args->json != JSON_OFF)
		render_json(pager_out(c), verdicts, c->args->json);
	else if (json_length(verdicts) > 0)
		print(c, verdicts);
	else if (!c->args->quiet)
		fputs("There are no VMs.\n", pager_out(c));
	return STATUS_DONE;
}
