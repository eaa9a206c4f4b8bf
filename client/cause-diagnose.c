/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl diagnose on a kernel without nvmx: causes by where the time goes.
 */
#include <fcntl.h>

#include "client/cause.h"

#define DURATION_USEC	(5 * UINT64_C(1000000))

#define SHADOWING	"/sys/module/kvm_intel/parameters/enable_shadow_vmcs"

/* Of this host only: there is nobody to ask of another. */
static struct cause_host look_at_host(struct client *c)
{
	_cleanup_close_ int fd = c->args->host || c->args->machine ? -EBADF : open(SHADOWING, O_RDONLY | O_CLOEXEC);
	char text[4];

	return (struct cause_host) { .shadowing_off = fd >= 0 && read(fd, text, sizeof(text)) > 0 && text[0] == 'N' };
}

static struct json_object *judge(const struct account_vm *vm, const struct cause_host *host)
{
	struct account_vcpu sum = {};
	struct json_object *o = NULL;

	if (account_sum(vm, &sum) >= 0)
		o = cause_find(&sum, host);
	if (o) {
		json_add_text(o, "name", vm->name ?: "");
		json_add_count(o, "pid", vm->pid);
	}
	account_vcpu_clear(&sum);
	return o;
}

static int judge_all(const struct account *a, const struct account_vm *one, const struct cause_host *host,
		     struct json_object *verdicts)
{
	for (size_t i = 0; i < (one ? 1 : a->n_vms); i++) {
		struct json_object *o = judge(one ?: &a->vms[i], host);

		if (!o || json_object_array_add(verdicts, o) < 0) {
			json_object_put(o);
			fprintf(stderr, "nvmxctl: Out of memory.\n");
			return STATUS_FAILED;
		}
	}
	return STATUS_DONE;
}

/* ---- as text ---- */

static void put_indented(FILE *f, const char *text)
{
	fputs("    ", f);
	text_wrap(f, 4, 4, text);
	fputc('\n', f);
}

static void print_vm(FILE *f, struct json_object *o)
{
	struct json_object *causes = json_get(o, "causes");
	_cleanup_free_ char *name = text_safe(*json_get_text(o, "name") ? json_get_text(o, "name") : "VM");

	fprintf(f, "%s%s%s (process %s)\n", colour_begin(COLOUR_BOLD), name ?: "", colour_end(COLOUR_BOLD),
		json_get_text(o, "pid"));
	if (json_length(causes) == 0)
		put_indented(f, json_get_text(o, "text"));
	for (size_t i = 0; i < json_length(causes); i++) {
		put_indented(f, json_get_text(json_at(causes, i), "text"));
		fputs("      ", f);
		text_wrap(f, 6, 6, json_get_text(json_at(causes, i), "way"));
		fputc('\n', f);
	}
}

static void print(struct client *c, struct json_object *verdicts)
{
	bool all = c->args->options & ARGS_ALL || c->args->n_parameters > 0;
	size_t n = json_length(verdicts), shown = 0;
	FILE *f = pager_out(c);

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_at(verdicts, i);

		if (!all && json_length(json_get(o, "causes")) == 0)
			continue;
		if (shown++ > 0)
			fputc('\n', f);
		print_vm(f, o);
	}
	if (c->args->no_legend || c->args->quiet)
		return;
	if (shown < n)
		fprintf(f, "%s%zu VM%s of which nothing stands out; pass --all to see each of them.\n", shown ? "\n" : "",
			n - shown, n - shown == 1 ? "" : "s");
	fprintf(f, "%sThis is by where the time goes (\"nvmxctl account\"). With nvmx's kernel module it is told by field, "
		"and policies can be set: see nvmx(4).\n", n ? "\n" : "No VM ran meanwhile.\n");
}

int cause_diagnose(struct client *c)
{
	_cleanup_json_ struct json_object *verdicts = json_object_new_array();
	struct cause_host host = look_at_host(c);
	const struct account_vm *vm = NULL;
	struct account a = {};
	int r;

	r = account_measure(c, c->args->duration_usec ?: DURATION_USEC, &a);
	if (r == STATUS_DONE && c->args->n_parameters > 0)
		r = account_pick(c, &a, &vm);
	if (r == STATUS_DONE) {
		account_note(c, &a);
		r = judge_all(&a, vm, &host, verdicts);
	}
	account_clear(&a);
	if (r != STATUS_DONE)
		return r;
	if (c->args->json != JSON_OFF)
		render_json(pager_out(c), verdicts, c->args->json);
	else
		print(c, verdicts);
	return STATUS_DONE;
}
