/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What files tell the manager: the configuration and the policies, at the start and again
 * at a reload.  Owns m->config, m->policies and what is kept
 * of their errors.
 */
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/vm.h"

struct reading {
	struct manager *m;
	bool failed;
	char *first;		/* sentence; the others are in the log only; NULL: no memory */
};

static void on_file_error(const char *sentence, void *userdata)
{
	struct reading *reading = userdata;

	/* The policies are read anew when the kernel comes and goes: once since the last reload is enough. */
	if (!error_said_before(&reading->m->files_said, sentence))
		log_event(LOG_ERR, MESSAGE_FILE_REFUSED, "%s", sentence);
	reading->failed = true;
	if (!reading->first)
		reading->first = strdup(sentence);
}

/* A default that is not there is heard of before the first VM. */
static void check_default_policy(struct reading *reading)
{
	_cleanup_free_ char *sentence = NULL, *placed = NULL;
	const struct manager *m = reading->m;
	const struct policy *p;

	if (config_is_restricted(&m->config) ||
	    policy_set_find(m->policies, m->config.default_policy, &p, &sentence) >= 0)
		return;
	error_set(&placed, 0, "%s%s", m->config.default_policy_place, sentence ?: "Out of memory.");
	on_file_error(placed ?: "Out of memory.", reading);
}

/* Keeps the first sentence as the error of these files, and tells it. */
static int end(struct reading *reading, char **error, char **ret_error)
{
	free(*error);
	*error = steal_ptr(reading->first);
	if (!reading->failed)
		return 0;
	if (ret_error && *error)
		*ret_error = strdup(*error);
	return -EBADMSG;
}

int manager_load_policies(struct manager *m, char **ret_error)
{
	struct reading reading = { .m = m };
	struct policy_set *policies;
	int r;

	r = policy_set_load(m->options.policy_dirs, m->fields ? &m->table : NULL,
			    on_file_error, &reading, &policies);
	if (r < 0) {
		free(reading.first);
		return r;
	}

	policy_set_free(m->policies);
	m->policies = policies;
	check_default_policy(&reading);
	return end(&reading, &m->policy_error, ret_error);
}

int manager_load_config(struct manager *m)
{
	struct reading reading = { .m = m };
	int r;

	r = config_load(m->options.config_dirs, on_file_error, &reading, &m->config);
	if (r < 0) {
		free(reading.first);
		return r;
	}
	if (r > 0) {
		config_restrict(&m->config);
		log_warning("%s", MANAGER_RESTRICTED);
	}
	return end(&reading, &m->config_error, NULL);
}

static void take_config(struct manager *m, struct config *c)
{
	if (!streq(c->libvirt_uri, m->config.libvirt_uri))
		log_notice("The settings of libvirt have changed; they are used after \"systemctl restart nvmxd\".");
	config_clear(&m->config);
	m->config = *c;
	manager_bus_changed(m, "DefaultPolicy");
}

static int reload_config(struct manager *m, char **ret_error)
{
	struct reading reading = { .m = m };
	struct config c;
	int r;

	r = config_load(m->options.config_dirs, on_file_error, &reading, &c);
	if (r < 0) {
		free(reading.first);
		return r;
	}
	if (r == 0) {
		take_config(m, &c);
	} else {
		config_clear(&c);
		log_notice("The configuration stays as it was.");
	}
	return end(&reading, &m->config_error, ret_error);
}

/* -EBADMSG as well if a file is broken. */
static int reload(struct manager *m, char **ret_error)
{
	int r, k;

	k = reload_config(m, ret_error);
	if (k < 0 && k != -EBADMSG)
		return k;
	r = manager_load_policies(m, k < 0 ? NULL : ret_error);
	return r < 0 && r != -EBADMSG ? r : k < 0 ? k : r;
}

int manager_reload(struct manager *m, char **ret_error)
{
	int r;

	free(steal_ptr(m->files_said));
	r = reload(m, ret_error);
	m->reload_again = r < 0 && r != -EBADMSG;
	if (m->reload_again) {
		log_error("The configuration and policy files could not be read: %s.", strerror(-r));
		manager_try_again(m, r);
		return r;
	}

	log_event(LOG_INFO, MESSAGE_RELOADED, "The configuration and policy files have been read again.");
	manager_missing_changed(m);
	for (size_t i = 0; i < m->n_vms; i++) {
		vm_policy_settle(m->vms[i], false);
		/* The base may be another by now though what is in force is not. */
		vm_bus_changed(m->vms[i], (const char *const[]) { "Overrides", NULL });
	}
	statistics_configure(m);

	return r;
}
