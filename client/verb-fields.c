/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl fields [DOMAIN]: the fields of this kernel's vmcs12, and the class each
 * has for a VM.
 */
#include "client/nvmxctl.h"

static const char *encoding_text(struct json_object *value)
{
	static char text[16];

	snprintf(text, sizeof(text), "0x%04x", (unsigned int)json_object_get_int64(value));
	return text;
}

/* "-" is for an empty one; the table does that. */
static const char *words_text(struct json_object *value)
{
	static char text[64];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_length(value) && n < sizeof(text); i++)
		n += snprintf(text + n, sizeof(text) - n, "%s%s", i ? "," : "",
			      json_object_get_string(json_at(value, i)));
	return text;
}

/* The last one is for a VM. */
static const struct column columns[] = {
	{ .key = "encoding", .title = "ENCODING", .text = encoding_text, .turn = 2, .leaves = true },
	{ .key = "name", .title = "NAME" },
	{ .key = "width", .title = "WIDTH", .turn = 1, .leaves = true },
	{ .key = "kind", .title = "KIND", .turn = 1, .leaves = true },
	{ .key = "stock", .title = "STOCK" },
	{ .key = "allowed", .title = "ALLOWED", .text = words_text, .turn = 4 },
	{ .key = "flags", .title = "FLAGS", .text = words_text, .turn = 3, .leaves = true },
	{ .key = "class", .title = "CLASS" },
};

static int add_classes(struct client *c, struct json_object *fields)
{
	_cleanup_json_ struct json_object *vm = NULL;
	struct json_object *classes = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = find_vm(c, c->args->parameters[0], &path);
	if (r == STATUS_DONE)
		r = vm_get(c, path, &vm);
	if (r != STATUS_DONE)
		return r;

	json_object_object_get_ex(vm, "fields", &classes);
	for (size_t i = 0; i < json_length(fields); i++) {
		struct json_object *field = json_at(fields, i);
		struct json_object *name = NULL, *class = NULL;

		json_object_object_get_ex(field, "name", &name);
		json_object_object_get_ex(classes, json_object_get_string(name), &class);
		/* What is not named is intercept, as everywhere. */
		class = class ? json_object_get(class) :
			json_object_new_string(class_to_string(NVMX_CLASS_INTERCEPT));
		json_object_object_add(field, "class", class);
	}
	return STATUS_DONE;
}

int verb_fields(struct client *c)
{
	_cleanup_json_ struct json_object *fields = NULL;
	bool of_vm = c->args->n_parameters > 0;
	int r;

	r = client_connect(c, NEED_MODULE);
	if (r == STATUS_DONE)
		r = vm_list_fields(c, &fields);
	if (r == STATUS_DONE && of_vm)
		r = add_classes(c, fields);
	if (r != STATUS_DONE)
		return r;

	if (c->args->json != JSON_OFF) {
		render_json(pager_out(c), fields, c->args->json);
		return STATUS_DONE;
	}
	r = render_table(pager_out(c), fields, columns, ARRAY_SIZE(columns) - (of_vm ? 0 : 1),
			 !c->args->no_legend);
	if (r < 0)
		return STATUS_FAILED;
	if (!c->args->no_legend && !c->args->quiet)
		fprintf(pager_out(c), "\n%zu fields listed. Groups for \"set\": ar-bytes, "
			"exit-information.\n", json_length(fields));
	return STATUS_DONE;
}
