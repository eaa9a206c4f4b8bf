/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <nvmx:policy> in a domain's metadata, read and written.  The text comes from
 * whoever may edit domains: no DTD, no entities, no network, a limit in size.
 */
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "policy/internal.h"

#define PLACE		"Metadata, line %ld, "
#define POLICY_ELEMENT	"policy"
#define FIELD_ELEMENT	"field"

static void doc_freep(xmlDoc **doc)
{
	if (*doc)
		xmlFreeDoc(*doc);
}

static void context_freep(xmlParserCtxt **context)
{
	if (*context)
		xmlFreeParserCtxt(*context);
}

/* libvirt takes our namespace off what it hands out. */
static bool is_ours(const xmlNode *node, const char *name)
{
	return streq((const char *)node->name, name) &&
	       (!node->ns || streq((const char *)node->ns->href, METADATA_NAMESPACE));
}

/* NULL without memory.  Entities, which only a DTD can bring, are not in it. */
static char *attribute_text(const xmlAttr *attribute)
{
	xmlChar *s;
	char *copy;

	s = xmlNodeListGetString(attribute->doc, attribute->children, 1);
	if (!s && attribute->children)
		return NULL;
	copy = strdup(s ? (const char *)s : "");
	xmlFree(s);
	return copy;
}

static int unknown_attribute(const xmlNode *node, const xmlAttr *attribute, char **ret_error)
{
	bool field = streq((const char *)node->name, FIELD_ELEMENT);

	return error_set(ret_error, -EBADMSG, PLACE "<%s>: Unknown attribute \"%.64s\"; "
			 "it takes %s.", xmlGetLineNo(node), node->name, attribute->name,
			 field ? "name and class" : "name and " VMWRITE_ANY_FIELD);
}

/* Only elements may be between elements. */
static int check_content(const xmlNode *node, char **ret_error)
{
	switch (node->type) {
	case XML_COMMENT_NODE:
		return 0;
	case XML_TEXT_NODE:
		if (xmlIsBlankNode((xmlNode *)node))
			return 0;
		break;
	case XML_ELEMENT_NODE:
		if (is_ours(node, FIELD_ELEMENT) && is_ours(node->parent, POLICY_ELEMENT))
			return 0;
		return error_set(ret_error, -EBADMSG, PLACE "<%s>: Unexpected element "
				 "<%.64s>%s%.64s; <policy> has <field> elements, and those are "
				 "empty.",
				 xmlGetLineNo(node), node->parent->name, node->name,
				 node->ns ? " of namespace " : "",
				 node->ns ? (const char *)node->ns->href : "");
	default:
		break;
	}
	return error_set(ret_error, -EBADMSG, PLACE "<%s>: There is text where only elements may "
			 "be; remove it.", xmlGetLineNo(node), node->parent->name);
}

static int parse_field(const xmlNode *node, struct metadata *m, char **ret_error)
{
	_cleanup_free_ char *name = NULL, *class = NULL, *place = NULL;
	unsigned int shadow_class;
	int r;

	for (const xmlAttr *a = node->properties; a; a = a->next) {
		char **text = NULL;

		if (!a->ns && streq((const char *)a->name, "name"))
			text = &name;
		else if (!a->ns && streq((const char *)a->name, "class"))
			text = &class;
		else
			return unknown_attribute(node, a, ret_error);
		*text = attribute_text(a);
		if (!*text)
			return -ENOMEM;
	}
	for (const xmlNode *child = node->children; child; child = child->next) {
		r = check_content(child, ret_error);
		if (r < 0)
			return r;
	}

	if (isempty(name) || !class)
		return error_set(ret_error, -EBADMSG, PLACE "<field>: Attribute \"%s\" is missing; "
				 "write <field name=\"...\" class=\"...\"/>.",
				 xmlGetLineNo(node), isempty(name) ? "name" : "class");
	for (size_t i = 0; i < m->n_fields; i++)
		if (streq(m->fields[i].name, name))
			return error_set(ret_error, -EBADMSG, PLACE "<field>, attribute name: "
					 "%.64s is given twice; keep one.",
					 xmlGetLineNo(node), name);

	if (asprintf(&place, PLACE "<field>, attribute class: ", xmlGetLineNo(node)) < 0)
		place = NULL;
	r = class_parse(place ?: "", class, &shadow_class, ret_error);
	if (r < 0)
		return r;
	return policy_fields_add(&m->fields, &m->n_fields, steal_ptr(name), shadow_class,
				 xmlGetLineNo(node));
}

static int parse_policy_attributes(const xmlNode *node, struct metadata *m, char **ret_error)
{
	for (const xmlAttr *a = node->properties; a; a = a->next) {
		_cleanup_free_ char *text = attribute_text(a), *place = NULL;
		int r;

		if (!text)
			return -ENOMEM;
		if (asprintf(&place, PLACE "<policy>, attribute %.64s: ", xmlGetLineNo(node),
			     a->name) < 0)
			place = NULL;

		if (!a->ns && streq((const char *)a->name, "name")) {
			if (!policy_name_is_valid(text))
				return error_set(ret_error, -EBADMSG, "%s\"%.64s\" cannot be a "
						 "policy's name.", place ?: "", text);
			m->name = steal_ptr(text);
		} else if (!a->ns && streq((const char *)a->name, VMWRITE_ANY_FIELD)) {
			r = vmwrite_any_parse(place ?: "", text, &m->vmwrite_any_field, ret_error);
			if (r < 0)
				return r;
		} else {
			return unknown_attribute(node, a, ret_error);
		}
	}
	return 0;
}

static int parse_root(const xmlNode *root, struct metadata *m, char **ret_error)
{
	int r;

	if (!is_ours(root, POLICY_ELEMENT))
		return error_set(ret_error, -EBADMSG, PLACE "<%.64s>%s%.64s: This is not the "
				 "element <policy> of namespace " METADATA_NAMESPACE "; write that one.",
				 xmlGetLineNo(root), root->name, root->ns ? " of namespace " : "",
				 root->ns ? (const char *)root->ns->href : "");

	r = parse_policy_attributes(root, m, ret_error);
	if (r < 0)
		return r;
	for (const xmlNode *child = root->children; child; child = child->next) {
		r = check_content(child, ret_error);
		if (r == 0 && child->type == XML_ELEMENT_NODE)
			r = parse_field(child, m, ret_error);
		if (r < 0)
			return r;
	}
	return 0;
}

static int malformed(const xmlParserCtxt *context, char **ret_error)
{
	const xmlError *e = context->lastError.message ? &context->lastError : NULL;

	if (context->errNo == XML_ERR_NO_MEMORY || (e && e->code == XML_ERR_NO_MEMORY))
		return error_set(ret_error, -ENOMEM, "Out of memory.");
	if (!e)
		return error_set(ret_error, -EBADMSG, "Metadata: This is not XML.");
	return error_set(ret_error, -EBADMSG, "Metadata, line %d: This is not XML: %.*s.", e->line,
			 (int)strcspn(e->message, "\n"), e->message);
}

int metadata_parse(const char *xml, struct metadata **ret, char **ret_error)
{
	_cleanup_(context_freep) xmlParserCtxt *context = NULL;
	_cleanup_metadata_ struct metadata *m = NULL;
	_cleanup_(doc_freep) xmlDoc *doc = NULL;
	size_t size = strlen(xml);
	xmlNode *root;
	int r;

	if (size > POLICY_FILE_MAX)
		return error_set(ret_error, -EFBIG, "Metadata: The element is larger than the %d "
				 "bytes that a policy may have.", POLICY_FILE_MAX);
	/* Before the parser sees it: a DTD is where all the tricks are. */
	if (strstr(xml, "<!DOCTYPE") || strstr(xml, "<!ENTITY"))
		return error_set(ret_error, -EBADMSG, "Metadata: A document type or entity is "
				 "declared; remove it.");

	context = xmlNewParserCtxt();
	m = calloc(1, sizeof(*m));
	if (!context || !m)
		return error_set(ret_error, -ENOMEM, "Out of memory.");
	m->vmwrite_any_field = -1;

	doc = xmlCtxtReadMemory(context, xml, size, NULL, NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	root = doc ? xmlDocGetRootElement(doc) : NULL;
	if (!root)
		return malformed(context, ret_error);

	r = parse_root(root, m, ret_error);
	if (r < 0) {
		if (r == -ENOMEM)
			error_set(ret_error, r, "Out of memory.");
		return r;
	}
	*ret = steal_ptr(m);
	return 0;
}

/* Names have nothing in them that XML would take for markup, once they are checked. */
static void put_attribute(FILE *f, const char *name, const char *value)
{
	fprintf(f, " %s=\"", name);
	for (; *value; value++)
		switch (*value) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*value, f);
		}
	fputc('"', f);
}

int metadata_format(const struct metadata *m, char **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;

	fputs("<" POLICY_ELEMENT, f);
	if (m->name)
		put_attribute(f, "name", m->name);
	if (m->vmwrite_any_field >= 0)
		put_attribute(f, VMWRITE_ANY_FIELD, vmwrite_any_to_string(m->vmwrite_any_field));
	fputs(m->n_fields ? ">" : "/>", f);
	for (size_t i = 0; i < m->n_fields; i++) {
		fputs("<" FIELD_ELEMENT, f);
		put_attribute(f, "name", m->fields[i].name);
		put_attribute(f, "class", class_to_string(m->fields[i].shadow_class));
		fputs("/>", f);
	}
	if (m->n_fields)
		fputs("</" POLICY_ELEMENT ">", f);

	if (fclose(f) < 0)
		return -ENOMEM;
	*ret = steal_ptr(text);
	return 0;
}

struct metadata *metadata_free(struct metadata *m)
{
	if (!m)
		return NULL;

	free(m->name);
	policy_fields_free(m->fields, m->n_fields);
	free(m);
	return NULL;
}

/* The order of the fields says nothing. */
static bool has_field(const struct metadata *m, const struct policy_field *f)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (streq(m->fields[i].name, f->name))
			return m->fields[i].shadow_class == f->shadow_class;
	return false;
}

bool metadata_equal(const struct metadata *a, const struct metadata *b)
{
	if (!a || !b)
		return a == b;
	if (a->n_fields != b->n_fields || a->vmwrite_any_field != b->vmwrite_any_field ||
	    !a->name != !b->name || (a->name && !streq(a->name, b->name)))
		return false;
	for (size_t i = 0; i < a->n_fields; i++)
		if (!has_field(b, &a->fields[i]))
			return false;
	return true;
}

static int apply_field(const struct policy_field *f, struct assignment *a, char **ret_error)
{
	_cleanup_free_ char *place = NULL;
	int i, r;

	if (field_is_elsewhere(a->table, f->name))
		return 0;
	if (asprintf(&place, "Metadata, line %u, <field>: ", f->line) < 0)
		place = NULL;
	i = field_lookup(a->table, place ?: "", f->name, ret_error);
	if (i < 0)
		return i;
	r = field_check_class(&a->table->fields[i], place ?: "", f->shadow_class, ret_error);
	if (r < 0)
		return r;
	a->classes[i] = f->shadow_class;
	return 0;
}

int metadata_apply(const struct metadata *m, struct assignment *a, char **ret_error)
{
	for (size_t i = 0; i < m->n_fields; i++) {
		int r = apply_field(&m->fields[i], a, ret_error);

		if (r < 0)
			return r;
	}
	if (m->vmwrite_any_field >= 0)
		a->vmwrite_any_field = m->vmwrite_any_field;
	return assignment_check_hide(a, "Metadata: ", ret_error);
}

int metadata_resolve(const struct metadata *m, const struct policy_set *set,
		     const struct field_table *table, const char *fallback,
		     struct assignment **ret, char **ret_error)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ char *sentence = NULL;
	int r;

	r = policy_set_resolve(set, table, m->name ?: fallback, &a, &sentence);
	if (r < 0) {
		if (r == -ENOENT && m->name)
			return error_set(ret_error, r, "Metadata, attribute name of <policy>: %s",
					 sentence ?: "There is no such policy.");
		return error_set(ret_error, r, "%s", sentence ?: "Out of memory.");
	}

	r = metadata_apply(m, a, ret_error);
	if (r < 0)
		return r;

	*ret = steal_ptr(a);
	return 0;
}
