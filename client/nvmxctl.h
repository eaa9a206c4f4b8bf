/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl's parts: arguments, the bus, renderers, and one function per verb.
 *
 * A verb fetches what it shows as a JSON object, and the renderers print that,
 * as JSON or as text: there is one way for the data.  Verbs, and the functions
 * that talk to the bus, return an exit status and have printed the error.
 */
#ifndef NVMX_CLIENT_NVMXCTL_H
#define NVMX_CLIENT_NVMXCTL_H

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "policy/bus-json.h"
#include "policy/policy.h"

/* Exit statuses; nvmxctl(1) promises them. */
enum {
	STATUS_DONE,
	STATUS_FAILED,
	STATUS_USAGE,
	STATUS_NO_VM,
	STATUS_NO_KERNEL,
	STATUS_REFUSED,
};

#define POLICY_DIR	"/etc/nvmx/policy.d"	/* the administrator's; replaces what is elsewhere */

/* ---- args.c ---- */

enum json_mode { JSON_OFF, JSON_PRETTY, JSON_SHORT };
enum metrics_format { FORMAT_OPENMETRICS, FORMAT_PROMETHEUS };

struct client;

struct verb {
	const char *name;
	const char *parameters;		/* for people */
	const char *help;
	int min;			/* parameters */
	int max;			/* -1: any number */
	int (*run)(struct client *c);
	unsigned int options;		/* those of its own, ARGS_* */
	const char *about;		/* what its --help says */
};

/* Options that not every verb has. */
enum {
	ARGS_VCPU	= 1 << 0,
	ARGS_DURATION	= 1 << 1,
	ARGS_POLICY_OUT	= 1 << 2,
	ARGS_HTML	= 1 << 3,
	ARGS_FORMAT	= 1 << 4,
	ARGS_OUTPUT	= 1 << 5,
	ARGS_BATCH	= 1 << 6,
	ARGS_INTERVAL	= 1 << 7,
	ARGS_COUNT	= 1 << 8,
	ARGS_LIVE	= 1 << 9,
	ARGS_CONFIG	= 1 << 10,
	ARGS_ALL	= 1 << 11,
	ARGS_NAME	= 1 << 12,
};

#define ARGS_SECONDS_MAX	86400	/* of any time that an option gives */

/* Strings are borrowed from argv, which getopt reorders. */
struct args {
	bool help;
	bool version;
	enum json_mode json;
	bool no_pager;
	bool no_legend;
	bool quiet;
	bool no_ask_password;
	const char *host;
	const char *machine;
	unsigned int options;		/* those given, ARGS_* */
	int vcpu;			/* NVMX_ALL_VCPUS */
	uint64_t duration_usec;		/* 0: not given */
	const char *policy_out;
	const char *html;
	enum metrics_format format;
	const char *output;		/* NULL: standard output */
	bool batch;
	uint64_t interval_usec;		/* 0: not given */
	uint64_t count;			/* 0: not given */
	const struct verb *verb;	/* of the table; the first one if none is named */
	bool named;			/* one is */
	char **parameters;
	int n_parameters;
};

/* -EINVAL with a sentence: that is STATUS_USAGE. verbs ends with a NULL name. */
int args_parse(int argc, char **argv, const struct verb *verbs, struct args *ret,
	       char **ret_error);

/* A time such as 10, 500ms or 1min; at least a millisecond. */
int args_parse_seconds(const char *option, const char *s, uint64_t *ret_usec, char **ret_error);

/*
 * [POLICY] [NAME=VALUE...], of which one may be policy=POLICY; *ret_policy is "" without.  The parameters are
 * cut at their '=', *ret_changes points into them and is one block.
 */
int args_parse_changes(char **parameters, int n, const char **ret_policy,
		       struct policy_change **ret_changes, size_t *ret_n, char **ret_error);

/* ---- bus.c ---- */

struct client {
	const struct args *args;
	sd_bus *bus;
	FILE *out;			/* stdout, or the pager; NULL before pager_out() */
	bool kernel_noted;		/* what the kernel lacks has been said */
};

/* The kernel's support that a verb needs. */
enum need {
	NEED_DAEMON,			/* none */
	NEED_MODULE,			/* anything of nvmx at all */
	NEED_NESTED,			/* and nested VMX */
	NEED_SHADOWING,			/* and VMCS shadowing */
};

int client_connect(struct client *c, enum need need);
/* The bus alone, for what is not nvmxd's; no more than once. */
int client_open(struct client *c);
/* What nvmxd has to do without, on stderr; the kernel's part only if client_connect() has not. */
void client_note_missing(struct client *c);
/* Says nothing; true if nvmxd answers.  Connects, unless that has been done. */
bool client_reach(struct client *c);
/* And if its kernel has anything of nvmx. */
bool client_has_module(struct client *c);
/* And if its kernel can shadow; both are connected before. */
bool client_can_shadow(struct client *c);
/* Is that VM there?  Says nothing. */
bool client_has_object(struct client *c, const char *path);

/* The machine that is looked at, "" if that is not known; name has room for it. */
#define CLIENT_HOST_MAX		256
const char *client_host_name(struct client *c, char name[CLIENT_HOST_MAX]);
/* The service is not there, and cannot be started. */
bool client_is_unavailable(const sd_bus_error *error);
/* STATUS_* of an error that the bus gave. */
int client_error_status(const sd_bus_error *error);
/* Prints it, and says which status it is. */
int client_fail(const sd_bus_error *error, int r);

/* A call without, or with one, string argument. */
int client_call(struct client *c, const char *path, const char *interface, const char *method,
		const char *argument, sd_bus_message **ret);

/* A property that is a string. */
int client_get_text(struct client *c, const char *path, const char *interface,
		    const char *property, char **ret);

/*
 * A call that polkit is asked about, with a password if need be: made (negative errno),
 * filled by the caller, then sent unless r says that this failed.
 */
int client_new_change(struct client *c, const char *path, const char *interface,
		      const char *method, sd_bus_message **ret);
int client_call_change(struct client *c, int r, sd_bus_message *m);
/* The sending alone, as long as a person may need; says nothing; negative errno. */
int client_try_change(struct client *c, sd_bus_message *m, sd_bus_error *error);
/* nvmxd reads its files again; likewise. */
int client_reload(struct client *c, sd_bus_error *error);

#define NVMX_BUS_NAME		"org.nvmx1"
#define NVMX_BUS_PATH		"/org/nvmx1"
#define NVMX_BUS_MANAGER	"org.nvmx1.Manager"
#define NVMX_BUS_VM		"org.nvmx1.VM"

/* ---- vm.c ---- */

/* All properties of a VM, with the keys of nvmxctl's JSON. */
int vm_get(struct client *c, const char *path, struct json_object **ret);
/* An array of those, by id. */
int vm_list(struct client *c, struct json_object **ret);
/* a{sv} of properties as the bus has them, with nvmxctl's keys; negative errno. */
int vm_read(sd_bus_message *m, struct json_object **ret);

/* What ListVMs says of one.  The message has the texts; of an older nvmxd some are NULL. */
struct vm_row {
	uint64_t id;
	uint32_t pid;
	const char *path, *name, *uuid, *policy, *policy_source, *shadowing;
	bool changed, vmxon;
};

/* ListVMs, which is less than vm_list() and comes sooner, and its rows by id: 1, 0 after the last, negative errno. */
int vm_list_rows(struct client *c, sd_bus_message **ret);
int vm_next_row(sd_bus_message *m, struct vm_row *ret);

/* Is that VM meant by one of the patterns: a glob of names and uuids, an id or a pid?  Without any, all are. */
bool vm_fits(const char *id, const char *name, const char *uuid, const char *pid, char **patterns, int n);

/* ListFields as an array of objects. */
int vm_list_fields(struct client *c, struct json_object **ret);
/* That array as the kernel's table again, as much of it as checks need; -ENOMEM. */
int vm_field_table(struct json_object *fields, struct nvmx_field **ret, size_t *ret_n);

/* ListFields as that table, for checks; n is 0 if there is no nvmxd, or no kernel that shadows, to ask. */
int vm_ask_field_table(struct client *c, struct nvmx_field **ret, size_t *ret_n);

/* ---- find.c ---- */

/* By name, uuid, id or pid, or what only one name or uuid begins with. */
int find_vm(struct client *c, const char *name, char **ret_path);
/* In full, or by id or pid, and nothing said; false, too, if nvmxd cannot be asked. */
bool find_vm_quietly(struct client *c, const char *name, char **ret_path);
/* The same, but that it fails if several are called so; else *ret_path is NULL if there is none. */
int find_vm_exactly(struct client *c, const char *name, char **ret_path);

/* ---- json.c: what is missing is empty, or zero; o may be NULL ---- */

struct json_object *json_get(struct json_object *o, const char *key);
const char *json_get_text(struct json_object *o, const char *key);
/* As JSON, the same with every json-c; NULL without memory. */
char *json_to_text(struct json_object *o, bool pretty);
uint64_t json_get_count(struct json_object *o, const char *key);
double json_get_number(struct json_object *o, const char *key);
/* Of an array or object; 0 of anything else, which is what an older nvmxd may leave us with. */
size_t json_length(struct json_object *o);
/* NULL if there is none; json-c would abort if it is no array. */
struct json_object *json_at(struct json_object *array, size_t i);
void json_add_text(struct json_object *o, const char *key, const char *value);
void json_add_count(struct json_object *o, const char *key, uint64_t value);
void json_add_number(struct json_object *o, const char *key, double value, int digits);

/* ---- statistics.c ---- */

/* 0, as without a kernel: an nvmxd that does not know. */
uint32_t statistics_tsc_khz(struct client *c);
/* GetStatistics as an object: vcpu, totals, averages, fields. */
int statistics_get(struct client *c, const char *path, int vcpu, struct json_object **ret);
/* What GetStatistics replied with; negative errno. */
int statistics_read(sd_bus_message *m, struct json_object **ret_totals,
		    struct json_object **ret_fields);
/* Of all VMs, each with its id, name, uuid, policy, ... as well.  Prints nothing; negative errno. */
int statistics_list(struct client *c, sd_bus_error *error, struct json_object **ret);
/* One of those, which are by id; NULL: there is none, or no list. */
struct json_object *statistics_find_vm(struct json_object *vms, uint64_t id);
/* Of two such objects: a total, how much it grew, and the fields that did, most first. */
uint64_t statistics_total(struct json_object *statistics, const char *counter);
uint64_t statistics_since(struct json_object *then, struct json_object *now, const char *counter);
struct json_object *statistics_fields_since(struct json_object *then, struct json_object *now);

/* ---- file.c ---- */

/* What a text is to be written to.  Starts as {}; path is borrowed. */
struct file {
	const char *path;
	int fd;				/* a device or a pipe; -EBADF: a file, replaced as a whole */
};

/* Before the work that makes the text: what cannot be written is said at once. */
int file_open(const char *path, struct file *ret);
/* All of it, or the file stays as it was. */
int file_put(const struct file *f, const char *text);
void file_close(struct file *f);
/* All three. */
int file_write(const char *path, const char *text);
/* All of it, or -errno. */
int file_write_all(int fd, const char *data, size_t n);

/* ---- colour.c ---- */

enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_GOOD, COLOUR_NOTE, COLOUR_BAD };

bool colour_is_on(void);
/* "" if colours are off. */
const char *colour_begin(enum colour colour);
const char *colour_end(enum colour colour);

/* ---- terminal.c ---- */

/* No terminal, or one that can do no more than print. */
bool terminal_is_dumb(void);
/* Of the terminal that fd is, as COLUMNS says, or else the kernel; 0: it is none. */
size_t terminal_columns(int fd);

/* ---- text.c: in columns of a terminal, in the encoding of the locale ---- */

/* Control characters become '?': names are other people's. */
char *text_safe(const char *s);
/* The first character, '?' if it cannot be printed, and the columns it takes; its bytes, 0 at the end. */
size_t text_next(const char *s, wchar_t *ret, int *ret_columns);
size_t text_columns(const char *s);
/* The bytes of the longest beginning that takes no more columns; how many it takes. */
size_t text_cut(const char *s, size_t columns, size_t *ret_columns);
/*
 * Prose: on a terminal it is wrapped at blanks to its width, but not in what is quoted and fits a
 * line.  So many columns are used already; further lines are indented.  Ends without a newline.
 * Control characters become '?'.
 */
void text_wrap(FILE *f, size_t used, size_t indent, const char *text);

/* ---- table.c ---- */

/*
 * On a terminal a table that is too wide gets narrower: turn by turn, columns are cut, or leave,
 * all of that turn, until it fits.
 */
struct column {
	const char *key;		/* of the object */
	const char *title;
	bool right;
	const char *(*text)(struct json_object *value);	/* NULL: as it is */
	unsigned int turn;		/* from 1; 0: it stays as it is */
	bool leaves;
};

#define COLUMN_TURNS	4

struct table;

/* Borrows the columns; NULL without memory. */
struct table *table_new(const struct column *columns, size_t n);
struct table *table_free(struct table *t);	/* NULL */
DEFINE_CLEANUP(struct table *, table_free)
#define _cleanup_table_ _cleanup_(table_freep)

/* The next cell, row by row; of nothing it is "-".  -ENOMEM */
int table_add(struct table *t, const char *text);
size_t table_rows(const struct table *t);
/* Once; what does not fit the terminal is gone then.  Without rows it prints nothing.  -ENOMEM */
int table_print(struct table *t, FILE *f, bool headings);

/* ---- render.c ---- */

void render_json(FILE *f, struct json_object *o, enum json_mode mode);
/* -ENOMEM */
int render_table(FILE *f, struct json_object *array, const struct column *columns, size_t n,
		 bool headings);
void render_vm(FILE *f, struct json_object *vm);
void render_statistics(FILE *f, struct json_object *statistics, bool headings);
/* An array of objects, by the sum of vmread and vmwrite, which is added as exits. */
void render_sort_by_exits(struct json_object *fields);
/*
 * Adds averages to statistics: of what was timed at all, cycles, and microseconds
 * if the frequency is known.
 */
void render_add_averages(struct json_object *statistics, uint32_t tsc_khz);

/* ---- pager.c ---- */

/*
 * Where output goes, a pager if there is to be one.  Started at the first call, so
 * that errors and questions for a password have the terminal for themselves.
 */
FILE *pager_out(struct client *c);
/* Negative errno if not everything that was printed so far could be written. */
int pager_flush(FILE *f);
/* The same, of the output; waits for the pager. */
int pager_close(struct client *c);

/* ---- help.c ---- */

void help_put(FILE *f, const struct verb *verbs);
void help_put_verb(FILE *f, const struct verb *v);

/* ---- progress.c ---- */

/*
 * Waits, and shows it on a terminal. Ctrl-C ends the wait; check, if there is one, is
 * called once a second, and ends it if it does not say STATUS_DONE.
 */
int progress_wait(struct client *c, const char *what, uint64_t usec,
		  int (*check)(struct client *c, void *userdata), void *userdata);
bool progress_was_interrupted(void);
uint64_t progress_now_usec(void);	/* of the monotonic clock */

/* ---- agent.c: asks for the password on the terminal, if polkit wants one ---- */

void agent_open(const struct args *args);
void agent_close(void);

/* ---- the verbs ---- */

int verb_list(struct client *c);
int verb_show(struct client *c);
int verb_set(struct client *c);
int verb_reset(struct client *c);
int verb_reload(struct client *c);
int verb_fields(struct client *c);
int verb_stats(struct client *c);
int verb_account(struct client *c);
int verb_profile(struct client *c);
int verb_metrics(struct client *c);
int verb_diagnose(struct client *c);
int verb_top(struct client *c);
int verb_monitor(struct client *c);
int verb_version(struct client *c);
int verb_policy(struct client *c);

/* ---- parts of verb_policy() ---- */

int policy_edit(struct client *c);
/*
 * Would nvmxd use these files, if they were among the administrator's?  Says what is wrong;
 * with say_good also what each is that it would use.
 */
int policy_check_files(struct client *c, const char *const *files, size_t n, bool say_good);

#define _cleanup_message_	_cleanup_(sd_bus_message_unrefp)
#define _cleanup_bus_error_	_cleanup_(sd_bus_error_free)

#endif /* NVMX_CLIENT_NVMXCTL_H */
