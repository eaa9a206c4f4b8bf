/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The element with a domain's statistics.  Owns nothing.
 */
#include "daemon/libvirt/element.h"

#include <inttypes.h>
#include <time.h>

#include <libxml/xmlwriter.h>

#include "policy/util.h"

#define NSEC_PER_SEC	1000000000LL

void element_clear(struct element *e)
{
	for (size_t i = 0; i < e->n_totals; i++)
		free(e->totals[i].name);
	for (size_t i = 0; i < e->n_fields; i++)
		free(e->fields[i].name);
	free(e->totals);
	free(e->fields);
	free(e->source);
	free(e->uuid);
	free(e->name);
	free(e->policy);
	free(e->policy_source);
	*e = (struct element) {};
}

/* ---- from the bus ---- */

static int read_text(sd_bus_message *m, char **ret)
{
	const char *s;
	int r;

	r = sd_bus_message_read(m, "v", "s", &s);
	if (r < 0)
		return r;
	free(*ret);
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

/* What is of another type than it should be is not what is meant. */
static int read_property(sd_bus_message *m, const char *name, struct element *e)
{
	int b, r;
	uint32_t u;

	if (streq(name, "Source"))
		return read_text(m, &e->source);
	if (streq(name, "UUID"))
		return read_text(m, &e->uuid);
	if (streq(name, "Name"))
		return read_text(m, &e->name);
	if (streq(name, "Policy"))
		return read_text(m, &e->policy);
	if (streq(name, "PolicySource"))
		return read_text(m, &e->policy_source);
	if (streq(name, "StartTime"))
		return sd_bus_message_read(m, "v", "t", &e->start_time);
	if (streq(name, "PID")) {
		r = sd_bus_message_read(m, "v", "u", &u);
		e->pid = r < 0 ? 0 : (pid_t)u;
		return r;
	}
	if (streq(name, "VMXOn")) {
		r = sd_bus_message_read(m, "v", "b", &b);
		e->vmxon = r >= 0 && b;
		return r;
	}
	return sd_bus_message_skip(m, "v");
}

static int read_properties(sd_bus_message *m, struct element *e)
{
	const char *name;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read(m, "s", &name);
		if (r >= 0)
			r = read_property(m, name, e);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* One more of an array that grows by doubling; its size is a power of two, or none. */
static int grow(void *array, size_t n, size_t size)
{
	void **p = array, *q;

	if (n & (n - 1))
		return 0;
	q = reallocarray(*p, n ? n * 2 : 1, size);
	if (!q)
		return -ENOMEM;
	*p = q;
	return 0;
}

static int read_totals(sd_bus_message *m, struct element *e)
{
	const char *name;
	uint64_t value;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{st}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_read(m, "{st}", &name, &value)) > 0) {
		char *copy = strdup(name);

		if (!copy || grow(&e->totals, e->n_totals, sizeof(*e->totals)) < 0) {
			free(copy);
			return -ENOMEM;
		}
		e->totals[e->n_totals++] = (struct element_total) { copy, value };
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static uint64_t exits(const struct element_field *f)
{
	return f->vmread_exits + f->vmwrite_exits;
}

/* Into its place among those with the most exits; of equals the first stays first. */
static int put_field(struct element *e, const char *name, uint64_t vmread_exits, uint64_t vmwrite_exits)
{
	struct element_field field = { .vmread_exits = vmread_exits, .vmwrite_exits = vmwrite_exits };
	size_t i = e->n_fields;

	while (i > 0 && exits(&e->fields[i - 1]) < exits(&field))
		i--;
	if (i == ELEMENT_FIELDS)
		return 0;
	field.name = strdup(name);
	if (!field.name)
		return -ENOMEM;
	if (e->n_fields == ELEMENT_FIELDS)
		free(e->fields[--e->n_fields].name);
	memmove(e->fields + i + 1, e->fields + i, (e->n_fields - i) * sizeof(field));
	e->fields[i] = field;
	e->n_fields++;
	return 0;
}

static int read_fields(sd_bus_message *m, struct element *e)
{
	uint64_t vmread_exits, vmwrite_exits;
	uint32_t encoding;
	const char *name;
	int r;

	e->fields = calloc(ELEMENT_FIELDS, sizeof(*e->fields));
	if (!e->fields)
		return -ENOMEM;
	r = sd_bus_message_enter_container(m, 'a', "(sutt)");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_read(m, "(sutt)", &name, &encoding, &vmread_exits, &vmwrite_exits)) > 0) {
		r = put_field(e, name, vmread_exits, vmwrite_exits);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int element_read(sd_bus_message *m, struct element *ret)
{
	struct element e = {};
	int r;

	r = sd_bus_message_enter_container(m, 'r', "ta{sv}a{st}a(sutt)");
	if (r <= 0)
		return r;
	r = sd_bus_message_read(m, "t", &e.id);
	if (r >= 0)
		r = read_properties(m, &e);
	if (r >= 0)
		r = read_totals(m, &e);
	if (r >= 0)
		r = read_fields(m, &e);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r >= 0 && (!e.source || !e.uuid || !e.name || !e.policy || !e.policy_source))
		r = -EBADMSG;
	if (r < 0) {
		element_clear(&e);
		return r;
	}

	*ret = e;
	return 1;
}

/* ---- to XML ---- */

static void put(xmlTextWriter *w, const char *attribute, const char *value, int *failed)
{
	*failed |= xmlTextWriterWriteAttribute(w, BAD_CAST attribute, BAD_CAST value) < 0;
}

static void put_number(xmlTextWriter *w, const char *attribute, uint64_t value, int *failed)
{
	*failed |= xmlTextWriterWriteFormatAttribute(w, BAD_CAST attribute, "%" PRIu64, value) < 0;
}

static int put_element(xmlTextWriter *w, const struct element *e, const char *since, const char *updated)
{
	int failed = xmlTextWriterStartElement(w, BAD_CAST "statistics") < 0;

	if (since)
		put(w, "since", since, &failed);
	if (updated)
		put(w, "updated", updated, &failed);
	put(w, "policy", e->policy, &failed);
	put(w, "policy-source", e->policy_source, &failed);
	for (size_t i = 0; i < e->n_totals; i++) {
		failed |= xmlTextWriterStartElement(w, BAD_CAST "total") < 0;
		put(w, "name", e->totals[i].name, &failed);
		put_number(w, "value", e->totals[i].value, &failed);
		failed |= xmlTextWriterEndElement(w) < 0;
	}
	for (size_t i = 0; i < e->n_fields; i++) {
		failed |= xmlTextWriterStartElement(w, BAD_CAST "field") < 0;
		put(w, "name", e->fields[i].name, &failed);
		put_number(w, "vmread-exits", e->fields[i].vmread_exits, &failed);
		put_number(w, "vmwrite-exits", e->fields[i].vmwrite_exits, &failed);
		failed |= xmlTextWriterEndElement(w) < 0;
	}
	failed |= xmlTextWriterEndElement(w) < 0 || xmlTextWriterFlush(w) < 0;
	return failed ? -ENOMEM : 0;
}

/* libxml2 fails for want of memory only. */
int element_format(const struct element *e, const char *since, const char *updated, char **ret)
{
	xmlBuffer *buffer = xmlBufferCreate();
	xmlTextWriter *w = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
	char *text = NULL;

	if (w && put_element(w, e, since, updated) >= 0)
		text = strdup((const char *)xmlBufferContent(buffer));
	if (w)
		xmlFreeTextWriter(w);
	if (buffer)
		xmlBufferFree(buffer);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

char *element_format_time(int64_t seconds)
{
	time_t t = seconds;
	char text[32];
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return NULL;
	return strdup(text);
}

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Of whole seconds alone the next process would make another second. */
char *element_format_since(uint64_t start_time)
{
	int64_t booted = nanoseconds(CLOCK_REALTIME) - nanoseconds(CLOCK_BOOTTIME);
	int64_t tick = NSEC_PER_SEC / sysconf(_SC_CLK_TCK);

	return element_format_time((booted + (int64_t)start_time * tick) / NSEC_PER_SEC);
}
