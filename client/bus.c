/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl's end of the bus: connection, calls, and what an error comes to as an
 * exit status.
 */

#include "client/nvmxctl.h"
#include "policy/bus.h"

/* nvmxd answers after BUS_PASSWORD_USEC at the latest, if it is there and not too busy. */
#define TIMEOUT_PASSWORD_USEC	(BUS_PASSWORD_USEC + 60 * UINT64_C(1000000))

#define ERROR_NO_VM	"org.nvmx1.Error.NoSuchVM"
#define ERROR_AMBIGUOUS	"org.nvmx1.Error.AmbiguousName"

static const struct {
	const char *name;
	int status;
} error_statuses[] = {
	{ ERROR_NO_VM,							STATUS_NO_VM },
	{ ERROR_AMBIGUOUS,						STATUS_NO_VM },
	{ "org.nvmx1.Error.VMGone",					STATUS_NO_VM },
	{ "org.nvmx1.Error.NoKernelSupport",				STATUS_NO_KERNEL },
	{ SD_BUS_ERROR_ACCESS_DENIED,					STATUS_REFUSED },
	{ SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,		STATUS_REFUSED },
};

/* The service is not there, and cannot be started. */
static const char *const unavailable[] = {
	SD_BUS_ERROR_SERVICE_UNKNOWN,
	SD_BUS_ERROR_NAME_HAS_NO_OWNER,
	SD_BUS_ERROR_NO_REPLY,
	SD_BUS_ERROR_TIMEOUT,
	"org.freedesktop.systemd1.NoSuchUnit",
	"org.freedesktop.systemd1.LoadFailed",
	"org.freedesktop.systemd1.UnitMasked",
	"org.freedesktop.systemd1.ShuttingDown",
};

static const struct {
	const char *support;
	enum need missing;
	const char *sentence;
} supports[] = {
	{ "no-module", NEED_MODULE,
	  "This kernel does not have nvmx's kvm_intel: /dev/nvmx is not there. "
	  "Load it (modprobe kvm_intel); see nvmx(4)." },
	{ "no-nested", NEED_NESTED,
	  "Nested virtualization is off (kvm_intel nested=0): VMs cannot use VMX, and there is "
	  "nothing to count. Load kvm_intel with nested=1." },
	{ "no-shadow-vmcs", NEED_SHADOWING,
	  "VMCS shadowing is off (the processor lacks it, or kvm_intel enable_shadow_vmcs=0): "
	  "every access exits, and no policy can change that." },
};

bool client_is_unavailable(const sd_bus_error *error)
{
	if (error->name && strncmp(error->name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(unavailable); i++)
		if (sd_bus_error_has_name(error, unavailable[i]))
			return true;
	return false;
}

int client_error_status(const sd_bus_error *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(error_statuses); i++)
		if (sd_bus_error_has_name(error, error_statuses[i].name))
			return error_statuses[i].status;
	return STATUS_FAILED;
}

int client_fail(const sd_bus_error *error, int r)
{
	_cleanup_free_ char *message = NULL;

	message = text_safe(isempty(error->message) ? strerror(-r) : error->message);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
	    sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
		fprintf(stderr, "nvmxctl: Not allowed: %s\n", message ?: "access denied");
	else
		fprintf(stderr, "nvmxctl: %s\n", message ?: "Out of memory.");
	return client_error_status(error);
}

/* Without the module nobody starts the service: that is the news then. */
static int fail_unavailable(struct client *c, const char *why)
{
	if (!c->args->host && !c->args->machine && access("/dev/nvmx", F_OK) < 0 &&
	    errno == ENOENT) {
		fprintf(stderr, "nvmxctl: %s\n", supports[0].sentence);
		return STATUS_NO_KERNEL;
	}
	fprintf(stderr, "nvmxctl: nvmxd cannot be reached: %s; see \"systemctl status nvmxd\".\n",
		why);
	return STATUS_FAILED;
}

static int check_support(struct client *c, const char *support, enum need need)
{
	if (streq(support, "available"))
		return STATUS_DONE;

	for (size_t i = 0; i < ARRAY_SIZE(supports); i++) {
		if (!streq(support, supports[i].support))
			continue;
		if (supports[i].missing <= need) {
			fprintf(stderr, "nvmxctl: %s\n", supports[i].sentence);
			return STATUS_NO_KERNEL;
		}
		if (!c->args->quiet)
			fprintf(stderr, "nvmxctl: Note: %s\n", supports[i].sentence);
		c->kernel_noted = true;
		return STATUS_DONE;
	}
	fprintf(stderr, "nvmxctl: nvmxd says \"%s\" about the kernel, which this nvmxctl does not "
		"know.\n", support);
	return STATUS_NO_KERNEL;
}

static int open_bus(struct client *c)
{
	if (c->bus)
		return 0;
	if (c->args->host)
		return sd_bus_open_system_remote(&c->bus, c->args->host);
	if (c->args->machine)
		return sd_bus_open_system_machine(&c->bus, c->args->machine);
	return sd_bus_open_system(&c->bus);
}

int client_open(struct client *c)
{
	int r = open_bus(c);

	if (r >= 0)
		return STATUS_DONE;
	fprintf(stderr, "nvmxctl: The system bus cannot be reached: %s.\n", strerror(-r));
	return STATUS_FAILED;
}

const char *client_host_name(struct client *c, char name[CLIENT_HOST_MAX])
{
	const char *host = c->args->host;

	if (host)
		return strchr(host, '@') ? strchr(host, '@') + 1 : host;
	if (c->args->machine)
		return c->args->machine;
	memset(name, 0, CLIENT_HOST_MAX);
	return gethostname(name, CLIENT_HOST_MAX - 1) < 0 ? "" : name;
}

static int connect_bus(struct client *c, sd_bus_error *error, char **ret_support)
{
	int r = open_bus(c);

	if (r < 0)
		return r;
	return sd_bus_get_property_string(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER,
					  "KernelSupport", error, ret_support);
}

static char *get_support(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	char *support;

	return c->bus && sd_bus_get_property_string(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER,
						    "KernelSupport", &error, &support) >= 0 ? support : NULL;
}

bool client_reach(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *support = NULL;

	if (!c->bus)
		return connect_bus(c, &error, &support) >= 0;
	support = get_support(c);
	return support;
}

bool client_has_module(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *support = NULL;

	return connect_bus(c, &error, &support) >= 0 && !streq(support, "no-module");
}

bool client_can_shadow(struct client *c)
{
	_cleanup_free_ char *support = get_support(c);

	return support && streq(support, "available");
}

bool client_has_object(struct client *c, const char *path)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	uint64_t id;

	return sd_bus_get_property_trivial(c->bus, NVMX_BUS_NAME, path, NVMX_BUS_VM, "Id", &error, 't',
					   &id) >= 0;
}

int client_connect(struct client *c, enum need need)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *support = NULL;
	int r;

	r = connect_bus(c, &error, &support);
	if (r < 0 && (client_is_unavailable(&error) || !sd_bus_error_is_set(&error) ||
		      r == -ECONNRESET || r == -ENOTCONN))
		return fail_unavailable(c, isempty(error.message) ? strerror(-r) : error.message);
	if (r < 0)
		return client_fail(&error, r);
	return check_support(c, support, need);
}

void client_note_missing(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *sentence;
	size_t i = 0;

	if (c->args->quiet)
		return;
	/* An older nvmxd has no such property, and nothing to say. */
	if (sd_bus_get_property(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "Missing",
				&error, &reply, "as") < 0 ||
	    sd_bus_message_enter_container(reply, 'a', "s") < 0)
		return;
	for (; sd_bus_message_read(reply, "s", &sentence) > 0; i++) {
		_cleanup_free_ char *safe = text_safe(sentence);

		if (safe && !(i == 0 && c->kernel_noted))
			fprintf(stderr, "nvmxctl: Note: %s\n", safe);
	}
}

int client_call(struct client *c, const char *path, const char *interface, const char *method,
		const char *argument, sd_bus_message **ret)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, path, interface, method, &error, ret,
			       argument ? "s" : "", argument);
	return r < 0 ? client_fail(&error, r) : STATUS_DONE;
}

int client_get_text(struct client *c, const char *path, const char *interface,
		    const char *property, char **ret)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = sd_bus_get_property_string(c->bus, NVMX_BUS_NAME, path, interface, property, &error, ret);
	return r < 0 ? client_fail(&error, r) : STATUS_DONE;
}

int client_new_change(struct client *c, const char *path, const char *interface,
		      const char *method, sd_bus_message **ret)
{
	int r;

	r = sd_bus_message_new_method_call(c->bus, ret, NVMX_BUS_NAME, path, interface, method);
	return r < 0 ? r : sd_bus_message_set_allow_interactive_authorization(*ret,
									      !c->args->no_ask_password);
}

int client_try_change(struct client *c, sd_bus_message *m, sd_bus_error *error)
{
	bool password = sd_bus_message_get_allow_interactive_authorization(m) > 0;
	int r;

	agent_open(c->args);
	r = sd_bus_call(c->bus, m, password ? TIMEOUT_PASSWORD_USEC : 0, error, NULL);
	agent_close();
	return r;
}

int client_reload(struct client *c, sd_bus_error *error)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = client_new_change(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "Reload", &m);
	return r < 0 ? r : client_try_change(c, m, error);
}

int client_call_change(struct client *c, int r, sd_bus_message *m)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

	if (r >= 0)
		r = client_try_change(c, m, &error);
	return r < 0 ? client_fail(&error, r) : STATUS_DONE;
}
