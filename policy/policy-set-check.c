/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policy files before they are where nvmxd reads them: what it would say of them, and of
 * other files only when they are there.
 */
#include "policy/internal.h"

struct check {
	const char *const *files;
	size_t n;
	policy_set_error_t on_error;
	void *userdata;
	char *files_said;		/* by error_said_before() */
	char *unusable;			/* the other files of which something was said, likewise */
	int n_told;
};

/*
 * A sentence begins with the path of the file that it is about.  How it goes on may change
 * with the files, as it says what somebody may have meant.
 */
static bool was_unusable(struct check *c, const char *sentence)
{
	_cleanup_free_ char *path = strndup(sentence, strcspn(sentence, ":"));

	return path && error_said_before(&c->unusable, path);
}

static void remember(const char *sentence, void *userdata)
{
	(void)was_unusable(userdata, sentence);
}

static bool is_of_files(const struct check *c, const char *sentence)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t n = strlen(c->files[i]);

		if (strncmp(sentence, c->files[i], n) == 0 && sentence[n] == ':')
			return true;
	}
	return false;
}

static void tell(const char *sentence, void *userdata)
{
	struct check *c = userdata;

	if (is_of_files(c, sentence) ? error_said_before(&c->files_said, sentence) : was_unusable(c, sentence))
		return;
	c->n_told++;
	if (c->on_error)
		c->on_error(sentence, c->userdata);
}

int policy_set_check(const char *const *dirs, const char *const *files, size_t n,
		     const struct field_table *table, policy_set_error_t on_error, void *userdata,
		     struct policy_set **ret)
{
	struct check c = { .files = files, .n = n, .on_error = on_error, .userdata = userdata };
	_cleanup_policy_set_ struct policy_set *without = NULL;
	int r;

	r = policy_set_load(dirs, table, remember, &c, &without);
	if (r >= 0)
		r = policy_set_load_with(dirs, files, n, table, tell, &c, ret);
	free(c.files_said);
	free(c.unusable);
	return r < 0 ? r : c.n_told;
}
