/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl's end of libvirt: which domain is meant, and its policy's element.
 */
#include <strings.h>

#include "client/domain-config.h"
#include "policy/bus.h"
#include "policy/libvirt-library.h"
#include "policy/libvirt-pid.h"

#define LOCAL_URI	"qemu:///system"

static const char *last_error(void)
{
	const char *message = libvirt.virGetLastErrorMessage();

	return isempty(message) ? "unknown error" : message;
}

static int fail(const struct domain_config *d)
{
	_cleanup_free_ char *message = text_safe(last_error());

	switch (libvirt.virGetLastErrorCode()) {
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_CANCELLED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_ACCESS_DENIED:
	case VIR_ERR_OPERATION_DENIED:
		fprintf(stderr, "nvmxctl: Not allowed: libvirt (%s): %s: " BUS_WHO_MAY ".\n", d->uri,
			message ?: "denied");
		return STATUS_REFUSED;
	case VIR_ERR_NO_DOMAIN:
		fprintf(stderr, "nvmxctl: libvirt (%s): The domain is gone.\n", d->uri);
		return STATUS_NO_VM;
	}
	fprintf(stderr, "nvmxctl: libvirt (%s): %s.\n", d->uri, message ?: "Out of memory");
	return STATUS_FAILED;
}

static int out_of_memory(void)
{
	fprintf(stderr, "nvmxctl: Out of memory.\n");
	return STATUS_FAILED;
}

/* It would print errors itself. */
static void ignore_error(void *userdata, virErrorPtr error)
{
	(void)userdata;
	(void)error;
}

/* As virsh has it, but that VMs with VMX are the system's. */
static int choose_uri(const struct args *args, char **ret)
{
	const char *uri = getenv("LIBVIRT_DEFAULT_URI");

	if (args->machine || (args->host && strpbrk(args->host, "/?#"))) {
		fprintf(stderr, "nvmxctl: --config cannot reach a libvirt that is in a container; run nvmxctl "
			"there.\n");
		return STATUS_USAGE;
	}
	if (args->host) {
		if (asprintf(ret, "qemu+ssh://%s/system", args->host) < 0)
			*ret = NULL;
	} else {
		*ret = strdup(isempty(uri) ? LOCAL_URI : uri);
	}
	return *ret ? STATUS_DONE : out_of_memory();
}

static int load_library(void)
{
	const char *error;

	if (libvirt_library_load(&error) == 0)
		return STATUS_DONE;
	fprintf(stderr, "nvmxctl: --config needs libvirt's library: %s. Install the package libvirt0.\n", error);
	return STATUS_FAILED;
}

int domain_config_open(struct client *c, struct domain_config *ret)
{
	int r;

	r = choose_uri(c->args, &ret->uri);
	if (r == STATUS_DONE)
		r = load_library();
	if (r != STATUS_DONE)
		return r;
	libvirt.virSetErrorFunc(NULL, ignore_error);
	agent_open(c->args);
	ret->conn = libvirt.virConnectOpenAuth(ret->uri, c->args->no_ask_password ? NULL : libvirt.auth, 0);
	agent_close();
	return ret->conn ? STATUS_DONE : fail(ret);
}

/* The element, and that there is a configuration to have it. */
static int look_at(struct domain_config *d)
{
	const char *name = libvirt.virDomainGetName(d->domain);
	_cleanup_free_ char *safe = text_safe(name ?: "");
	int r;

	r = libvirt.virDomainIsPersistent(d->domain);
	if (r < 0)
		return fail(d);
	if (r == 0) {
		fprintf(stderr, "nvmxctl: Domain %s is transient and has no configuration that could be "
			"changed. Use --live, which is in force until it ends.\n", safe ?: "");
		return STATUS_FAILED;
	}
	d->before = libvirt.virDomainGetMetadata(d->domain, VIR_DOMAIN_METADATA_ELEMENT, METADATA_NAMESPACE,
					 VIR_DOMAIN_AFFECT_CONFIG);
	if (!d->before && libvirt.virGetLastErrorCode() != VIR_ERR_NO_DOMAIN_METADATA)
		return fail(d);
	return STATUS_DONE;
}

/* Another libvirt may have a domain of the same uuid: is the VM's process the domain's? */
static int check_process(struct client *c, struct json_object *vm, const struct domain_config *d)
{
	_cleanup_free_ char *uri = NULL, *dir = NULL, *name = NULL;
	bool same;

	/* There they are the other machine's: nvmxd and libvirt are of the same one. */
	if (c->args->host) {
		same = libvirt.virDomainGetID(d->domain) != (unsigned int)-1;
	} else {
		uri = libvirt.virConnectGetURI(d->conn);
		dir = libvirt_pid_dir(uri ?: "");
		same = dir && json_get_count(vm, "pid") > 0 &&
		       libvirt_pid_check(dir, libvirt.virDomainGetName(d->domain),
					 (pid_t)json_get_count(vm, "pid"), NULL) > 0;
	}
	if (same)
		return STATUS_DONE;
	name = text_safe(libvirt.virDomainGetName(d->domain));
	fprintf(stderr, "nvmxctl: Domain %s of libvirt (%s) has the UUID of VM %s, but another process than the "
		"VM's, or none. Set LIBVIRT_DEFAULT_URI to the libvirt that runs the VM, or use --live.\n",
		name ?: "", d->uri, json_get_text(vm, "id"));
	return STATUS_FAILED;
}

int domain_config_find_vm(struct client *c, const char *path, struct domain_config *d)
{
	_cleanup_json_ struct json_object *vm = NULL;
	_cleanup_free_ char *name = NULL;
	int r;

	r = vm_get(c, path, &vm);
	if (r != STATUS_DONE)
		return r;
	if (*json_get_text(vm, "uuid"))
		d->domain = libvirt.virDomainLookupByUUIDString(d->conn, json_get_text(vm, "uuid"));
	if (d->domain) {
		r = check_process(c, vm, d);
		return r == STATUS_DONE ? look_at(d) : r;
	}
	if (*json_get_text(vm, "uuid") && libvirt.virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
		return fail(d);

	name = text_safe(json_get_text(vm, "name"));
	fprintf(stderr, "nvmxctl: VM %s (%s) is not a domain of libvirt (%s) and has no configuration that "
		"could be changed. Use --live, which is in force until it ends.\n", json_get_text(vm, "id"),
		name ?: "", d->uri);
	return STATUS_FAILED;
}

static bool starts_with(virDomainPtr domain, const char *prefix)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	const char *name = libvirt.virDomainGetName(domain);

	return (name && strncmp(name, prefix, strlen(prefix)) == 0) ||
	       (libvirt.virDomainGetUUIDString(domain, uuid) == 0 && strncasecmp(uuid, prefix, strlen(prefix)) == 0);
}

static int fail_ambiguous(const char *prefix, virDomainPtr *domains, int n)
{
	fprintf(stderr, "nvmxctl: \"%s\" is ambiguous:", prefix);
	for (int i = 0, k = 0; i < n; i++) {
		_cleanup_free_ char *name = NULL;

		if (!starts_with(domains[i], prefix))
			continue;
		name = text_safe(libvirt.virDomainGetName(domains[i]) ?: "");
		fprintf(stderr, "%s %s", k++ ? "," : "", name ?: "");
	}
	fprintf(stderr, "; give the whole name.\n");
	return STATUS_NO_VM;
}

/* d->domain stays NULL if none starts so. */
static int find_by_prefix(struct domain_config *d, const char *prefix)
{
	virDomainPtr *domains = NULL;
	int n, r = STATUS_DONE, found = -1;

	n = libvirt.virConnectListAllDomains(d->conn, &domains, 0);
	if (n < 0)
		return fail(d);
	for (int i = 0; i < n && r == STATUS_DONE; i++) {
		if (!starts_with(domains[i], prefix))
			continue;
		if (found >= 0)
			r = fail_ambiguous(prefix, domains, n);
		found = i;
	}
	for (int i = 0; i < n; i++)
		if (i == found && r == STATUS_DONE)
			d->domain = domains[i];
		else
			libvirt.virDomainFree(domains[i]);
	free(domains);
	return r;
}

int domain_config_find(struct client *c, const char *name, struct domain_config *d)
{
	_cleanup_free_ char *path = NULL, *safe = NULL;
	int r = STATUS_DONE;

	d->domain = libvirt.virDomainLookupByName(d->conn, name);
	if (!d->domain && libvirt.virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
		return fail(d);
	if (!d->domain)
		d->domain = libvirt.virDomainLookupByUUIDString(d->conn, name);
	if (!d->domain)
		r = find_vm_exactly(c, name, &path);
	if (path)
		return domain_config_find_vm(c, path, d);
	if (r != STATUS_DONE)
		return r;
	if (!d->domain && *name)
		r = find_by_prefix(d, name);
	if (d->domain)
		return look_at(d);
	if (r != STATUS_DONE)
		return r;
	safe = text_safe(name);
	fprintf(stderr, "nvmxctl: libvirt (%s) has no domain \"%s\"; \"virsh list --all\" lists those it "
		"has.\n", d->uri, safe ?: "");
	return STATUS_NO_VM;
}

int domain_config_set(struct domain_config *d, const char *element)
{
	return libvirt.virDomainSetMetadata(d->domain, VIR_DOMAIN_METADATA_ELEMENT, element, METADATA_PREFIX,
				    METADATA_NAMESPACE, VIR_DOMAIN_AFFECT_CONFIG) < 0 ? fail(d) : STATUS_DONE;
}

int domain_config_restore(struct domain_config *d)
{
	int r;

	r = domain_config_set(d, d->before);
	if (r != STATUS_DONE)
		fprintf(stderr, "nvmxctl: The configuration of the domain could not be restored; "
			"see it with \"virsh metadata --config\".\n");
	return r;
}

void domain_config_done(struct domain_config *d)
{
	if (d->domain)
		libvirt.virDomainFree(d->domain);
	if (d->conn)
		libvirt.virConnectClose(d->conn);
	free(d->before);
	free(d->uri);
	*d = (struct domain_config) {};
}
