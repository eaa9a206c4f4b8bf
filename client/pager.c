/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pager for output to a terminal, by systemd's rules and variables (systemctl(1)):
 * $SYSTEMD_PAGER or $PAGER, else less, or what else there is.
 */
#include <fcntl.h>
#include <langinfo.h>
#include <signal.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-login.h>

#include "client/nvmxctl.h"

#define PAGER_WORDS	16	/* of a command */
#define BLANKS		" \t\n"

/*
 * systemd's but for S: tables fit the terminal, and what does not is a command to be
 * copied, or a path.  F leaves if all fits the screen, K at Ctrl-C.
 */
#define LESS_OPTIONS	"FRXMK"

static pid_t pager_pid;

static const char *get_command(void)
{
	return getenv("SYSTEMD_PAGER") ?: getenv("PAGER");
}

static bool is_off(const char *command)
{
	const char *word = command + strspn(command, BLANKS);

	return !*word || (strncmp(word, "cat", 3) == 0 && !word[3 + strspn(word + 3, BLANKS)]);
}

static bool is_no(const char *s)
{
	static const char *const words[] = { "0", "no", "n", "false", "f", "off" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(s, words[i]) == 0)
			return true;
	return false;
}

/*
 * For sudo and the like: who sees the output may have fewer rights than this program, and
 * is not to get a shell from its pager.
 */
static bool is_secure(const char *said)
{
	uid_t owner;

	if (said)
		return !is_no(said);
	return sd_pid_get_owner_uid(0, &owner) < 0 || owner != geteuid();
}

/* As cat does, for want of anything better. */
static int copy_through(void)
{
	char buffer[BUFSIZ];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno != EINTR)
			return EXIT_FAILURE;
		if (n > 0 && file_write_all(STDOUT_FILENO, buffer, n) < 0)
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static void try_pager(char *const *words)
{
	execvp(words[0], words);
	if (errno != ENOENT)
		fprintf(stderr, "nvmxctl: The pager %s cannot be run: %s; trying another.\n", words[0],
			strerror(errno));
}

/* A command is words between blanks; no shell reads it. */
static void try_command(const char *command)
{
	char *copy = strdup(command), *state, *words[PAGER_WORDS + 1] = { NULL };
	size_t n = 0;

	for (char *word = copy ? strtok_r(copy, BLANKS, &state) : NULL; word && n < PAGER_WORDS;
	     word = strtok_r(NULL, BLANKS, &state))
		words[n++] = word;
	if (n > 0)
		try_pager(words);
	free(copy);
}

static _Noreturn void run_pager(const char *command)
{
	static const char *const others[] = { "pager", "less", "more" };
	const char *said = secure_getenv("SYSTEMD_PAGERSECURE"), *charset = getenv("SYSTEMD_LESSCHARSET");
	bool secure = is_secure(said);

	if (!charset && streq(nl_langinfo(CODESET), "UTF-8"))
		charset = "utf-8";
	setenv("LESS", getenv("SYSTEMD_LESS") ?: LESS_OPTIONS, 1);
	if (charset)
		setenv("LESSCHARSET", charset, 1);
	if (secure)
		setenv("LESSSECURE", "1", 1);
	else
		unsetenv("LESSSECURE");

	/* A command that was set for all may know nothing of that; less does. */
	if (command && (!secure || said))
		try_command(command);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!secure || streq(others[i], "less"))
			try_pager((char *const []) { (char *)others[i], NULL });
	_exit(copy_through());
}

/* Interactive: who looks can also answer it, and sees what it says. */
static bool is_wanted(const struct args *args)
{
	return !args->no_pager && args->json == JSON_OFF && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
	       isatty(STDERR_FILENO) && !terminal_is_dumb();
}

static FILE *pager_open(const struct args *args)
{
	const char *command = get_command();
	pid_t parent = getpid();
	int fds[2];
	FILE *f;

	if (!is_wanted(args) || (command && is_off(command)) || pipe2(fds, O_CLOEXEC) < 0)
		return stdout;

	fflush(stdout);
	pager_pid = fork();
	if (pager_pid == 0) {
		/* It does not outlive this program, as K has it. */
		if (dup2(fds[0], STDIN_FILENO) < 0 || prctl(PR_SET_PDEATHSIG, SIGINT) < 0 || getppid() != parent)
			_exit(EXIT_FAILURE);
		close(fds[1]);
		run_pager(command);
	}
	close(fds[0]);
	f = pager_pid > 0 ? fdopen(fds[1], "w") : NULL;
	if (!f) {
		close(fds[1]);
		return stdout;
	}
	/* Who leaves the pager early is not at fault. */
	signal(SIGPIPE, SIG_IGN);
	return f;
}

FILE *pager_out(struct client *c)
{
	if (!c->out)
		c->out = pager_open(c->args);
	return c->out;
}

int pager_flush(FILE *f)
{
	if (fflush(f) == EOF)
		return -errno;
	/* What is larger than the buffer went past it: of that only the mark is left. */
	return ferror(f) ? -EIO : 0;
}

int pager_close(struct client *c)
{
	int r;

	if (!c->out || c->out == stdout)
		return pager_flush(stdout);

	r = fclose(c->out) == EOF && errno != EPIPE ? -EIO : 0;
	c->out = NULL;
	while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
