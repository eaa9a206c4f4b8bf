/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * source NAME: a source of settings as org.nvmx1(5) describes them, which says what standard
 * input tells it to.  A line is a word and its arguments, with tabs between them:
 *
 *	register
 *	state	1|0	REASON
 *	tell	ID	NAME	UUID	ORIGIN	SETTINGS	ERROR
 *	unknown	ID	REASON
 *
 * Prints "asked ID UUID" for each question, and for each line "ok", or the name of the error
 * and its sentence.  With --forever it stays when the input ends.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/epoll.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "policy/util.h"

#define ARGUMENTS_MAX	6

static struct {
	sd_bus *bus;
	sd_event *event;
	const char *name;
} source;

static int on_asked(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t id, start_time;
	const char *uuid;
	uint32_t pid;
	int r;

	r = sd_bus_message_read(m, "tuts", &id, &pid, &start_time, &uuid);
	if (r < 0)
		return r;
	printf("asked %" PRIu64 " %s\n", id, uuid);
	return 0;
}

static void split(char *line, char *arguments[ARGUMENTS_MAX])
{
	for (size_t i = 0; i < ARGUMENTS_MAX; i++) {
		arguments[i] = line ? strsep(&line, "\t") : "";
	}
}

static int append(sd_bus_message *m, const char *word, char *const a[ARGUMENTS_MAX])
{
	uint64_t id = strtoull(a[0], NULL, 10);

	if (streq(word, "register"))
		return sd_bus_message_append(m, "s", source.name);
	if (streq(word, "state"))
		return sd_bus_message_append(m, "bs", a[0][0] == '1', a[1]);
	if (streq(word, "unknown"))
		return sd_bus_message_append(m, "ts", id, a[1]);
	return sd_bus_message_append(m, "tsssss", id, a[1], a[2], a[3], a[4], a[5]);
}

static void do_line(char *line)
{
	static const char *const methods[][2] = {
		{ "register", "Register" }, { "state", "SetState" }, { "tell", "TellVM" },
		{ "unknown", "TellUnknown" },
	};
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	const char *word = strsep(&line, "\t"), *method = "Nothing";
	char *arguments[ARGUMENTS_MAX];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (streq(methods[i][0], word))
			method = methods[i][1];
	split(line, arguments);
	r = sd_bus_message_new_method_call(source.bus, &m, "org.nvmx1", "/org/nvmx1", "org.nvmx1.Sources",
					   method);
	if (r >= 0)
		r = append(m, word, arguments);
	if (r >= 0)
		r = sd_bus_call(source.bus, m, 0, &error, NULL);
	if (r < 0)
		printf("%s %s\n", error.name ?: "?", error.message ?: strerror(-r));
	else
		puts("ok");
}

static int on_input(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	bool forever = userdata;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	n = getline(&line, &room, stdin);
	if (n < 0) {
		if (!forever)
			return sd_event_exit(source.event, 0);
		sd_event_source_disable_unref(s);
		return 0;
	}
	if (line[n - 1] == '\n')
		line[n - 1] = 0;
	do_line(line);
	free(line);
	return 0;
}

int main(int argc, char *argv[])
{
	bool forever = argc == 3 && streq(argv[1], "--forever");
	sd_event_source *input = NULL;
	int r;

	if (argc != 2 + forever)
		return EXIT_FAILURE;
	source.name = argv[1 + forever];
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);

	r = sd_event_default(&source.event);
	if (r >= 0)
		r = sd_bus_open_system(&source.bus);
	if (r >= 0)
		r = sd_bus_match_signal(source.bus, NULL, "org.nvmx1", "/org/nvmx1", "org.nvmx1.Sources",
					"Asked", on_asked, NULL);
	if (r >= 0)
		r = sd_bus_attach_event(source.bus, source.event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_event_add_io(source.event, &input, STDIN_FILENO, EPOLLIN, on_input,
				    forever ? &source : NULL);
	if (r >= 0)
		r = sd_event_loop(source.event);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
