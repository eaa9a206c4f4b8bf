/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt says of one domain.  Owns nothing.
 */
#include "daemon/libvirt/domain.h"

#include <fcntl.h>

#include <libvirt/virterror.h>
#include <libxml/xmlreader.h>

#include "daemon/libvirt/connection.h"
#include "daemon/proc.h"
#include "policy/libvirt-pid.h"
#include "policy/policy.h"

/* ---- settings ---- */

/* After asprintf() failed. */
static int no_text(struct domain *d)
{
	d->error = NULL;
	return -ENOMEM;
}

static bool is_newer_element(xmlTextReader *reader)
{
	const char *ns;

	if (xmlTextReaderNodeType(reader) != XML_READER_TYPE_ELEMENT || xmlTextReaderDepth(reader) != 2)
		return false;
	ns = (const char *)xmlTextReaderConstNamespaceUri(reader);
	return ns && strncmp(ns, METADATA_NAMESPACES, strlen(METADATA_NAMESPACES)) == 0 &&
	       !streq(ns, METADATA_NAMESPACE);
}

static bool is_end_of_metadata(xmlTextReader *reader)
{
	return xmlTextReaderNodeType(reader) == XML_READER_TYPE_END_ELEMENT &&
	       xmlTextReaderDepth(reader) == 1 &&
	       streq((const char *)xmlTextReaderConstLocalName(reader), "metadata");
}

/* The sentence on settings that are of another version only; NULL: there are none. */
static int find_newer(const char *xml, char **ret_error)
{
	xmlTextReader *reader;
	int r = 0, n;

	reader = xmlReaderForMemory(xml, strlen(xml), NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!reader)
		return -ENOMEM;
	while ((n = xmlTextReaderRead(reader)) == 1 && !is_end_of_metadata(reader)) {
		if (!is_newer_element(reader))
			continue;
		if (asprintf(ret_error, "Metadata: The domain's settings are of the namespace %.64s, which this version of nvmx does not know; it knows " METADATA_NAMESPACE ": write those as well, or install a newer nvmx.",
			     (const char *)xmlTextReaderConstNamespaceUri(reader)) < 0) {
			*ret_error = NULL;
			r = -ENOMEM;
		} else {
			utf8_clean(*ret_error);	/* nvmxd is told lines */
		}
		break;
	}
	xmlFreeTextReader(reader);
	return n < 0 ? -EIO : r;
}

static int get_newer(virDomainPtr dom, struct domain *d)
{
	_cleanup_free_ char *xml = virDomainGetXMLDesc(dom, 0);

	return xml ? find_newer(xml, &d->error) : -EIO;
}

/* nvmxd takes no more, as of a file. */
static int check_size(struct domain *d)
{
	if (strlen(d->settings) <= POLICY_FILE_MAX)
		return 0;
	free(steal_ptr(d->settings));
	return asprintf(&d->error, "Metadata: The element is larger than the %d bytes that a policy may have.",
			POLICY_FILE_MAX) < 0 ? no_text(d) : 0;
}

/* The metadata of the definition in force, or why they could not be had. */
static int get_settings(virConnectPtr conn, virDomainPtr dom, struct domain *d)
{
	int r;

	d->settings = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, METADATA_NAMESPACE,
					   VIR_DOMAIN_AFFECT_CURRENT);
	if (d->settings)
		return check_size(d);
	if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN_METADATA) {
		r = get_newer(dom, d);
		if (r != -EIO)
			return r;
	}
	if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
		return -ENOENT;
	if (virConnectIsAlive(conn) != 1)
		return -EIO;
	if (asprintf(&d->error, "The metadata could not be read from libvirt: %s.", connection_error()) < 0)
		return no_text(d);
	utf8_clean(d->error);	/* nvmxd is told lines */
	return 0;
}

/* ---- the domain ---- */

static virDomainPtr lookup(virConnectPtr conn, const char *uuid, int *ret_error)
{
	virDomainPtr dom = virDomainLookupByUUIDString(conn, uuid);

	if (!dom)
		switch (virGetLastErrorCode()) {
		case VIR_ERR_NO_DOMAIN:
		case VIR_ERR_INVALID_ARG:	/* it is no uuid */
			*ret_error = -ENOENT;
			break;
		default:
			*ret_error = -EIO;
		}
	return dom;
}

int domain_get(virConnectPtr conn, const char *uuid, struct domain *ret)
{
	struct domain d = {};
	virDomainPtr dom;
	int r;

	dom = lookup(conn, uuid, &r);
	if (!dom)
		return r;
	d.name = strdup(virDomainGetName(dom));
	d.id = (int)virDomainGetID(dom);
	r = d.name ? 0 : -ENOMEM;
	if (r >= 0)
		r = get_settings(conn, dom, &d);
	virDomainFree(dom);
	if (r < 0) {
		domain_clear(&d);
		return r;
	}

	*ret = d;
	return 0;
}

void domain_clear(struct domain *d)
{
	free(d->name);
	free(d->settings);
	free(d->error);
	*d = (struct domain) {};
}

int domain_for_each_running(virConnectPtr conn, void (*fn)(const char *uuid, void *userdata), void *userdata)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	virDomainPtr *domains;
	int n;

	n = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (n < 0)
		return -EIO;
	for (int i = 0; i < n; i++) {
		if (virDomainGetUUIDString(domains[i], uuid) == 0)
			fn(uuid, userdata);
		virDomainFree(domains[i]);
	}
	free(domains);
	return 0;
}

int domain_find_statistics(virConnectPtr conn, const char *uuid)
{
	_cleanup_free_ char *text = NULL;
	virDomainPtr dom;
	int r;

	dom = lookup(conn, uuid, &r);
	if (!dom)
		return r;
	r = (int)virDomainGetID(dom);
	if (r < 0)
		r = -ENOENT;
	else
		text = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, STATISTICS_NAMESPACE,
					    VIR_DOMAIN_AFFECT_LIVE);
	virDomainFree(dom);
	return text ? r : -ENOENT;
}

/* ---- its process ---- */

static int get_start_time(pid_t pid, uint64_t *ret)
{
	_cleanup_free_ char *comm = NULL;
	_cleanup_close_ int fd = -EBADF;
	char path[64], text[1024];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = 0;
	return proc_parse_stat(text, &comm, ret);
}

int domain_is_process(const char *pid_dir, const char *name, pid_t pid, uint64_t start_time,
		      char **ret_path)
{
	_cleanup_free_ char *path = NULL;
	uint64_t begun;
	int r;

	r = libvirt_pid_check(pid_dir, name, pid, &path);
	if (r <= 0)
		return r;
	/* The pid may be another process's by now: then the domain is gone, or is about to be. */
	r = get_start_time(pid, &begun);
	if (r == -ENOENT || r == -ESRCH || (r >= 0 && begun != start_time))
		return 0;
	if (r < 0)
		return r;

	if (ret_path)
		*ret_path = steal_ptr(path);
	return 1;
}
