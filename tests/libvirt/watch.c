/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's libvirt side without the daemon: prints what its callbacks are
 * told, one line each, and takes "lookup UUID" and "quit" on standard input.
 *
 *	watch URI
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/libvirt.h"
#include "policy/util.h"

static struct libvirt *libvirt;

static void on_domain(const struct domain_info *info, void *userdata)
{
	static const char *const kinds[] = {
		[DOMAIN_INFO] = "info",
		[DOMAIN_GONE] = "gone",
		[DOMAIN_UNKNOWN] = "unknown",
	};

	printf("%s %s name=%s running=%s", kinds[info->kind], info->uuid,
	       info->name ?: "-", info->id >= 0 ? "yes" : "no");
	if (info->kind == DOMAIN_INFO)
		printf(" metadata=%s", info->metadata ?: "-");
	if (info->error)
		printf(" error=%s: %s", strerrorname_np(-info->error), info->error_text ?: "-");
	printf("\n");
}

static void on_state(bool connected, void *userdata)
{
	printf("%s\n", connected ? "connected" : "disconnected");
}

static int on_stdin(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	char line[256];
	int r;

	if (!fgets(line, sizeof(line), stdin))
		return sd_event_exit(sd_event_source_get_event(source), 0);
	line[strcspn(line, "\n")] = 0;
	if (streq(line, "quit"))
		return sd_event_exit(sd_event_source_get_event(source), 0);
	if (strncmp(line, "lookup ", 7))
		return -EINVAL;
	r = libvirt_lookup(libvirt, line + 7);
	if (r < 0)
		printf("lookup failed: %s\n", strerrorname_np(-r));
	return 0;
}

int main(int argc, char **argv)
{
	sd_event *event = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "Usage: %s URI\n", argv[0]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);

	r = sd_event_new(&event);
	if (r >= 0)
		r = sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_stdin, NULL);
	if (r >= 0)
		r = libvirt_new(&libvirt, event, argv[1], on_domain, on_state, NULL);
	if (r >= 0)
		r = sd_event_loop(event);
	libvirt = libvirt_free(libvirt);
	sd_event_unref(event);
	if (r < 0)
		fprintf(stderr, "watch: %s\n", strerror(-r));
	return r < 0 ? 1 : 0;
}
