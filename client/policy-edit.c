/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl policy edit NAME: an editor on a copy of the policy's file, which takes the
 * place of what there was only if it is a policy.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/nvmxctl.h"

/* Where it is edited; the copy is removed unless it is to be kept. */
struct edit {
	const char *name;
	char *from;			/* the file that there is; NULL: none */
	char *to;			/* the one that there will be */
	char directory[32];
	char *copy;
};

static int out_of_memory(void)
{
	fprintf(stderr, "nvmxctl: Out of memory.\n");
	return STATUS_FAILED;
}

static int fail(const char *what, const char *path, int r)
{
	fprintf(stderr, "nvmxctl: %s cannot be %s: %s.\n", path, what, strerror(-r));
	return STATUS_FAILED;
}

/* The file of that policy, or else the one of that name, which may be broken. */
static int find_file(struct edit *e)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	const struct policy *p = NULL;
	const char *file = NULL;

	if (policy_set_load(policy_set_default_dirs, NULL, NULL, NULL, &set) < 0)
		return out_of_memory();
	if (policy_set_find(set, e->name, &p, NULL) >= 0 && *p->path) {
		e->from = strdup(p->path);
		file = e->from ? strrchr(e->from, '/') + 1 : NULL;
		if (!file)
			return out_of_memory();
		if (asprintf(&e->to, POLICY_DIR "/%s", file) < 0)
			e->to = NULL;
	} else if (asprintf(&e->to, POLICY_DIR "/%s.json", e->name) < 0) {
		e->to = NULL;
	}
	if (!e->to)
		return out_of_memory();
	if (!e->from && access(e->to, F_OK) >= 0) {
		e->from = strdup(e->to);
		if (!e->from)
			return out_of_memory();
	}
	return STATUS_DONE;
}

/* Before anybody has worked for nothing. */
static int check_target(void)
{
	if ((mkdir("/etc/nvmx", 0755) < 0 && errno != EEXIST) ||
	    (mkdir(POLICY_DIR, 0755) < 0 && errno != EEXIST) || access(POLICY_DIR, W_OK) < 0)
		return fail("written", POLICY_DIR, -errno);
	return STATUS_DONE;
}

static int read_text(const char *path, char **ret)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t size;

	if (!f)
		return -errno;
	text = calloc(1, POLICY_FILE_MAX + 2);
	if (!text)
		return -ENOMEM;
	size = fread(text, 1, POLICY_FILE_MAX + 1, f);
	if (ferror(f))
		return -EIO;
	if (size > POLICY_FILE_MAX)
		return -EFBIG;
	*ret = steal_ptr(text);
	return 0;
}

static int get_text(const struct edit *e, char **ret)
{
	int r;

	if (e->from) {
		r = read_text(e->from, ret);
		return r < 0 ? fail("read", e->from, r) : STATUS_DONE;
	}
	if (asprintf(ret, "{\n\t\"name\": \"%s\",\n\t\"description\": \"\",\n\t\"extends\": \"" POLICY_DEFAULT
		     "\",\n\t\"fields\": {\n\t}\n}\n", e->name) < 0) {
		*ret = NULL;
		return out_of_memory();
	}
	return STATUS_DONE;
}

/* With the file's own name, by which editors know what it is. */
static int make_copy(struct edit *e, const char *text)
{
	snprintf(e->directory, sizeof(e->directory), "/tmp/nvmxctl-XXXXXX");
	if (!mkdtemp(e->directory)) {
		e->directory[0] = '\0';
		return fail("written", "/tmp", -errno);
	}
	if (asprintf(&e->copy, "%s/%s", e->directory, strrchr(e->to, '/') + 1) < 0) {
		e->copy = NULL;
		return out_of_memory();
	}
	return file_write(e->copy, text);
}

static void remove_copy(struct edit *e)
{
	if (e->copy)
		unlink(e->copy);
	if (*e->directory)
		rmdir(e->directory);
}

/* As systemctl edit chooses one; options may be given with it. */
static int run_editor(const char *path)
{
	static const char *const variables[] = { "SYSTEMD_EDITOR", "EDITOR", "VISUAL" };
	static const char *const editors[] = { "editor", "nano", "vim", "vi" };
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
			const char *editor = getenv(variables[i]);
			_cleanup_free_ char *command = NULL;

			if (isempty(editor))
				continue;
			if (asprintf(&command, "exec %s \"$1\"", editor) >= 0)
				execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
			_exit(127);
		}
		for (size_t i = 0; i < ARRAY_SIZE(editors); i++)
			execlp(editors[i], editors[i], path, (char *)NULL);
		fprintf(stderr, "nvmxctl: There is no editor; say in $EDITOR which to use.\n");
		_exit(127);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

static int check(struct client *c, const struct edit *e)
{
	_cleanup_policy_ struct policy *p = NULL;
	_cleanup_free_ char *sentence = NULL;

	if (policy_read(e->copy, &p, &sentence) < 0) {
		fprintf(stderr, "nvmxctl: %s\n", sentence ?: "Out of memory.");
		return STATUS_FAILED;
	}
	if (!streq(p->name, e->name)) {
		fprintf(stderr, "nvmxctl: The policy's name is now \"%s\"; it has to stay \"%s\". For another, use "
			"\"nvmxctl policy edit %s\".\n", p->name, e->name, p->name);
		return STATUS_FAILED;
	}
	return policy_check_files(c, (const char *const *)&e->copy, 1, false);
}

/* What the bus lists has it from there, and as something that a VM can have. */
static int check_use(struct client *c, const struct edit *e, sd_bus_error *error)
{
	_cleanup_message_ sd_bus_message *list = NULL, *policy = NULL;
	const char *name, *path;
	int r;

	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "GetPolicy", error,
			       &policy, "s", e->name);
	/* Without a kernel nobody knows yet. */
	if (r < 0 && client_error_status(error) != STATUS_NO_KERNEL)
		return r;
	sd_bus_error_free(error);
	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "ListPolicies", error,
			       &list, NULL);
	if (r >= 0)
		r = sd_bus_message_enter_container(list, 'a', "(sss)");
	while (r >= 0 && (r = sd_bus_message_read(list, "(sss)", &name, NULL, &path)) > 0)
		if (streq(name, e->name) && streq(path, e->to))
			return 0;
	return r < 0 ? r : -ENOENT;
}

static int reload(struct client *c, const struct edit *e)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL, mine = SD_BUS_ERROR_NULL;
	bool others = false;
	int r;

	if (!client_reach(c)) {
		if (!c->args->quiet)
			printf("%s is installed; nvmxd, which is not running, will read it when it starts.\n",
			       e->to);
		return STATUS_DONE;
	}
	r = client_reload(c, &error);
	/* It has read the files, and one is broken: that may be another one. */
	if (r < 0 && sd_bus_error_has_name(&error, "org.nvmx1.Error.InvalidPolicy")) {
		others = check_use(c, e, &mine) >= 0;
		r = others ? 0 : r;
	}
	if (r < 0) {
		fprintf(stderr, "nvmxctl: %s is installed, but nvmxd has not taken it over.\n", e->to);
		return client_fail(sd_bus_error_is_set(&mine) ? &mine : &error, r);
	}
	if (!c->args->quiet)
		printf("%s is installed, and in use.\n", e->to);
	if (others && !c->args->quiet)
		fprintf(stderr, "nvmxctl: Note: nvmxd cannot use another file: %s\n", error.message);
	return STATUS_DONE;
}

/* true in *ret_keep: the copy is somebody's work, and was not installed. */
static int edit(struct client *c, struct edit *e, bool *ret_keep)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	int r, k;

	r = find_file(e);
	if (r == STATUS_DONE)
		r = check_target();
	if (r == STATUS_DONE)
		r = get_text(e, &before);
	if (r == STATUS_DONE)
		r = make_copy(e, before);
	if (r != STATUS_DONE)
		return r;

	k = run_editor(e->copy);
	r = read_text(e->copy, &after);
	if (r >= 0 && streq(before, after) && k >= 0) {
		if (!c->args->quiet)
			printf("Nothing was changed.\n");
		return STATUS_DONE;
	}
	*ret_keep = r < 0 || !streq(before, after);
	if (k < 0) {
		fprintf(stderr, "nvmxctl: The editor failed.\n");
		return STATUS_FAILED;
	}
	if (r < 0)
		return fail("read", e->copy, r);
	(void)client_reach(c);
	r = check(c, e);
	if (r == STATUS_DONE)
		r = file_write(e->to, after);
	if (r != STATUS_DONE)
		return r;
	*ret_keep = false;
	return reload(c, e);
}

int policy_edit(struct client *c)
{
	struct edit e = { .name = c->args->parameters[1] };
	bool keep = false;
	int r;

	if (c->args->host || c->args->machine) {
		fprintf(stderr, "nvmxctl: policy edit is for this machine's files; run nvmxctl there.\n");
		return STATUS_USAGE;
	}
	if (!policy_name_is_valid(e.name)) {
		fprintf(stderr, "nvmxctl: \"%s\" cannot be a policy's name; see nvmx-policy(5).\n", e.name);
		return STATUS_USAGE;
	}
	r = edit(c, &e, &keep);
	if (keep)
		fprintf(stderr, "nvmxctl: Nothing was installed. What was edited is in %s.\n", e.copy);
	else
		remove_copy(&e);
	free(e.from);
	free(e.to);
	free(e.copy);
	return r;
}
