/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads configuration and policies.  Owns what struct files names.
 */
#include "daemon/files.h"
#include "daemon/log.h"

struct reading {
	struct files *f;
	bool failed;
	char *first;		/* sentence; the others are in the log only; NULL: no memory */
};

static void on_file_error(const char *sentence, void *userdata)
{
	struct reading *reading = userdata;

	/* The policies are read anew when the kernel comes and goes: once since the last reload is enough. */
	if (!error_said_before(&reading->f->said, sentence))
		log_event(LOG_ERR, MESSAGE_FILE_REFUSED, "%s", sentence);
	reading->failed = true;
	if (!reading->first)
		reading->first = strdup(sentence);
}

/* A default that is not there is heard of before the first VM. */
static void check_default_policy(struct reading *reading)
{
	_cleanup_free_ char *sentence = NULL, *placed = NULL;
	const struct files *f = reading->f;
	const struct policy *p;

	if (config_is_restricted(&f->config) ||
	    policy_set_find(f->policies, f->config.default_policy, &p, &sentence) >= 0)
		return;
	error_set(&placed, 0, "%s%s", f->config.default_policy_place, sentence ?: "Out of memory.");
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

static int load_policies(struct files *f, const struct field_table *table, char **ret_error)
{
	struct reading reading = { .f = f };
	struct policy_set *policies;
	int r;

	r = policy_set_load(f->policy_dirs, table, on_file_error, &reading, &policies);
	if (r < 0) {
		free(reading.first);
		return r;
	}

	policy_set_free(f->policies);
	f->policies = policies;
	check_default_policy(&reading);
	return end(&reading, &f->policy_error, ret_error);
}

static int load_config(struct files *f)
{
	struct reading reading = { .f = f };
	int r;

	r = config_load(f->config_dirs, on_file_error, &reading, &f->config);
	if (r < 0) {
		free(reading.first);
		return r;
	}
	if (r > 0) {
		config_restrict(&f->config);
		log_warning("%s", FILES_RESTRICTED);
	}
	return end(&reading, &f->config_error, NULL);
}

static void take_config(struct files *f, struct config *c)
{
	if (!config_sources_equal(&c->sources, &f->config.sources))
		log_notice("The sources of settings are others now; they are used after \"systemctl restart nvmxd\".");
	config_clear(&f->config);
	f->config = *c;
}

static int reload_config(struct files *f, char **ret_error)
{
	struct reading reading = { .f = f };
	struct config c;
	int r;

	r = config_load(f->config_dirs, on_file_error, &reading, &c);
	if (r < 0) {
		free(reading.first);
		return r;
	}
	if (r == 0) {
		take_config(f, &c);
	} else {
		config_clear(&c);
		log_notice("The configuration stays as it was.");
	}
	return end(&reading, &f->config_error, ret_error);
}

static int finish(struct files *f, int r)
{
	f->again = r < 0 && r != -EBADMSG;
	if (f->again)
		log_error("The configuration and policy files could not be read: %s.", strerror(-r));
	return r;
}

int files_load_policies(struct files *f, const struct field_table *table)
{
	return finish(f, load_policies(f, table, NULL));
}

int files_load(struct files *f, const struct field_table *table)
{
	int r;

	r = load_config(f);
	if (r < 0 && r != -EBADMSG)
		return finish(f, r);
	return files_load_policies(f, table);
}

/* -EBADMSG as well if a file is broken. */
static int reload(struct files *f, const struct field_table *table, char **ret_error)
{
	int r, k;

	k = reload_config(f, ret_error);
	if (k < 0 && k != -EBADMSG)
		return k;
	r = load_policies(f, table, k < 0 ? NULL : ret_error);
	return r < 0 && r != -EBADMSG ? r : k < 0 ? k : r;
}

int files_reload(struct files *f, const struct field_table *table, char **ret_error)
{
	int r;

	free(steal_ptr(f->said));
	r = finish(f, reload(f, table, ret_error));
	if (!f->again)
		log_event(LOG_INFO, MESSAGE_RELOADED, "The configuration and policy files have been read again.");
	return r;
}

void files_init(struct files *f, const char *const *config_dirs, const char *const *policy_dirs)
{
	*f = (struct files) { .config_dirs = config_dirs, .policy_dirs = policy_dirs };
}

void files_clear(struct files *f)
{
	config_clear(&f->config);
	policy_set_free(f->policies);
	free(f->config_error);
	free(f->policy_error);
	free(f->said);
	files_init(f, f->config_dirs, f->policy_dirs);
}
