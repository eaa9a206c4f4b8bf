/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's log.  Owns nothing: where lines go is found out once, from
 * $JOURNAL_STREAM.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* The location would be that of log_message(), of no use to anybody. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "daemon/log.h"

enum log_target {
	LOG_TARGET_UNKNOWN,
	LOG_TARGET_JOURNAL,
	LOG_TARGET_PREFIXED,	/* "<6>sentence", as sd-daemon(3) has it: a service manager's pipe */
	LOG_TARGET_TERMINAL,
};

/* systemd.exec(5): DEVICE:INODE of the stream that is connected to the journal. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;

	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return streq(stream, here);
}

static enum log_target log_target(void)
{
	static enum log_target target;

	/* Two threads that come here at once find the same. */
	if (target == LOG_TARGET_UNKNOWN)
		target = stderr_is_journal() ? LOG_TARGET_JOURNAL :
			 isatty(STDERR_FILENO) ? LOG_TARGET_TERMINAL : LOG_TARGET_PREFIXED;

	return target;
}

static void send_to_journal(int level, const char *message_id, uint64_t vm_id, const char *uuid,
			    const char *sentence)
{
	_cleanup_free_ char *message = NULL, *domain = NULL;
	char priority[32], id[64], vm[64];
	struct iovec iov[5];
	int n = 0;

	if (asprintf(&message, "MESSAGE=%s", sentence) < 0) {
		message = NULL;
		return;
	}
	iov[n++] = (struct iovec) { message, strlen(message) };

	snprintf(priority, sizeof(priority), "PRIORITY=%d", level);
	iov[n++] = (struct iovec) { priority, strlen(priority) };

	if (message_id) {
		snprintf(id, sizeof(id), "MESSAGE_ID=%s", message_id);
		iov[n++] = (struct iovec) { id, strlen(id) };
	}
	if (vm_id > 0) {
		snprintf(vm, sizeof(vm), "NVMX_VM=%" PRIu64, vm_id);
		iov[n++] = (struct iovec) { vm, strlen(vm) };
	}
	if (!isempty(uuid)) {
		if (asprintf(&domain, "NVMX_DOMAIN_UUID=%s", uuid) < 0)
			domain = NULL;
		else
			iov[n++] = (struct iovec) { domain, strlen(domain) };
	}

	sd_journal_sendv(iov, n);
}

void log_message(int level, const char *message_id, uint64_t vm_id, const char *uuid,
		 const char *format, ...)
{
	bool fields = message_id || vm_id > 0 || !isempty(uuid);
	_cleanup_free_ char *sentence = NULL;
	int saved = errno;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&sentence, format, ap) < 0)
		sentence = NULL;
	va_end(ap);

	if (!sentence)
		fprintf(stderr, "%s: out of memory\n", program_invocation_short_name);
	/*
	 * What has no fields is a line for the journal, too: whose stream that is, it knows.  Of
	 * a message it looks that up, in vain if the program has said why it ends, and has ended.
	 */
	else if (log_target() == LOG_TARGET_JOURNAL && fields)
		send_to_journal(level, message_id, vm_id, uuid, sentence);
	else if (log_target() == LOG_TARGET_TERMINAL)
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, sentence);
	else
		fprintf(stderr, "<%d>%s\n", level, sentence);

	errno = saved;
}
