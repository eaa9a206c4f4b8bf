/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process behind nvmxd's loopback link:
 *
 *	loopback-kernel FIELDS SOCKET [no-nested|no-shadow-vmcs|own-list|abi-2|no-executable]
 *		is the kernel until told "unload", or killed
 *	loopback-kernel --tell SOCKET WORD...
 *		tells it what happens, and prints what it answers
 *
 * Words (ID: a VM; NAME of COUNTER: a member of struct nvmx_counters):
 *	create PID VCPUS [START_TIME]	a VM of that process; answers the id
 *	create-all FILE VCPUS		one of each process whose pid is a line of the file;
 *					answers the last id
 *	vmxon ID, gone ID
 *	evmcs ID, evmcs-end ID		L1 takes up an enlightened VMCS, and drops it
 *	window ID, window-end ID	a profiling window of another program
 *	set ID LABEL [FIELD=CLASS]...	another program sets this policy; answers the error, if
 *					there is one.  LABEL: %XX is a byte, "-" is none.
 *	exits ID VCPU FIELD READS WRITES	FIELD "other": no field of vmcs12
 *	count ID VCPU COUNTER N
 *	accesses ID FIELD READS WRITES	what L1 does per 100 exits of L2 ...
 *	runs ID N			... which it has N of before each look at its counters
 *	untimed ID			its copies are not timed
 *	policy ID			answers generation, label, flag, and classes
 *	exits-all FIELD READS WRITES	exits on vCPU 0 of every VM
 *	policies			answers how many VMs were given one
 *	fail-set ERRNO			the next NVMX_VM_SET_POLICY fails
 *	lose				drop records from now on
 *	overflow			say how many, and drop no more
 *	unload
 *
 * The daemon's end is SOCKET, the test's SOCKET.tell.  It owns the connections; each
 * stands for an fd of the device.
 */
#include <inttypes.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/counters.h"
#include "daemon/loopback.h"
#include "daemon/proc.h"
#include "policy/policy.h"
#include "policy/util.h"
#include "tests/bus/kernel.h"

#define CONNECTIONS_MAX	(KERNEL_VMS_MAX + 64)
#define READERS_MAX	16
#define WORDS_MAX	64	/* of a line that the test tells */

enum kind { CLOSED, LISTENER, TELL_LISTENER, TELLER, REGISTRY, EVENTS, VM };

struct connection {
	enum kind kind;
	struct kernel_vm *vm;
	uint32_t lost;		/* EVENTS: records that the reader had no room for */
};

static struct kernel kernel = {
	.features = NVMX_FEATURE_NESTED | NVMX_FEATURE_SHADOW_VMCS | NVMX_FEATURE_ALL_FIELDS |
		    NVMX_FEATURE_WINDOW,
	.abi_version = NVMX_ABI_VERSION,
	.tsc_khz = 2000000,
};
static struct connection connections[CONNECTIONS_MAX];	/* by fd */
static int readers[READERS_MAX];			/* those of EVENTS */
static size_t n_readers;
static int epoll_fd;
static bool losing, unloaded;
static uint32_t lost;

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void set_events(int fd, uint32_t events, int op)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll_fd, op, fd, &event) < 0)
		die("epoll_ctl");
}

static void add_connection(int fd, enum kind kind)
{
	if (fd < 0)
		die("accept");
	if (fd >= CONNECTIONS_MAX) {
		fprintf(stderr, "too many connections\n");
		exit(EXIT_FAILURE);
	}
	connections[fd] = (struct connection) { .kind = kind };
	set_events(fd, EPOLLIN, EPOLL_CTL_ADD);
}

static void close_connection(int fd)
{
	for (size_t i = 0; i < n_readers; i++)
		if (readers[i] == fd)
			readers[i] = readers[--n_readers];
	if (connections[fd].vm)
		kernel_release(&kernel, connections[fd].vm, fd);
	connections[fd].kind = CLOSED;
	close(fd);
}

/* ---- records ---- */

/* As from the device: what a slow reader has no room for is counted, and told later. */
static void send_to_reader(int fd, const struct nvmx_event *event)
{
	struct connection *c = &connections[fd];

	if (c->lost == 0 && send(fd, event, sizeof(*event), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return;
	if (c->lost++ == 0)
		set_events(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static void tell_lost(int fd)
{
	struct nvmx_event event = {
		.size = sizeof(event),
		.type = NVMX_EVENT_OVERFLOW,
		.lost = connections[fd].lost,
	};

	connections[fd].lost = 0;
	set_events(fd, EPOLLIN, EPOLL_CTL_MOD);
	send_to_reader(fd, &event);
}

static void send_record(struct nvmx_event event)
{
	if (losing && event.type != NVMX_EVENT_OVERFLOW) {
		lost++;
		return;
	}

	event.size = sizeof(event);
	for (size_t i = 0; i < n_readers; i++)
		send_to_reader(readers[i], &event);
}

static void send_vm_record(uint32_t type, const struct kernel_vm *vm)
{
	send_record((struct nvmx_event) {
		.type = type,
		.id = vm->info.id,
		.pid = vm->info.pid,
		.start_time = vm->info.start_time,
	});
}

/* ---- what the test tells ---- */

/* As the module does at this moment; "": it cannot be seen, or is gone. */
static char *read_executable(const char *pid)
{
	char path[64], target[PATH_MAX];
	ssize_t k;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	k = readlink(path, target, sizeof(target));
	return strndup(target, k < 0 || (size_t)k == sizeof(target) ? 0 : (size_t)k);
}

static void create(FILE *out, const char *pid, const char *vcpus, const char *started)
{
	_cleanup_free_ char *comm = NULL;
	char path[64], stat[4096] = "";
	uint64_t start_time = 0;
	struct kernel_vm *vm;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (f) {
		if (fread(stat, 1, sizeof(stat) - 1, f) > 0)
			proc_parse_stat(stat, &comm, &start_time);
		fclose(f);
	}

	if (started)
		start_time = strtoull(started, NULL, 10);
	vm = kernel_create_vm(&kernel, atoi(pid), start_time, strtoul(vcpus, NULL, 10));
	if (!vm) {
		fprintf(out ?: stderr, "no room\n");
		return;
	}
	vm->executable = read_executable(pid);
	if (out)
		fprintf(out, "%" PRIu64 "\n", (uint64_t)vm->info.id);
	send_vm_record(NVMX_EVENT_VM_CREATED, vm);
}

static void create_all(FILE *out, const char *path, const char *vcpus)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[32];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		create(NULL, line, vcpus, NULL);
	}
	fprintf(out, "%zu\n", kernel.n_vms);
}

static void exits_all(FILE *out, char **words)
{
	int i = kernel_find_field(&kernel, words[1]);

	if (i < 0)
		fprintf(out, "no such field\n");
	for (size_t k = 0; i >= 0 && k < kernel.n_vms; k++) {
		kernel.vms[k]->vcpus[0].vmread[i] += strtoull(words[2], NULL, 10);
		kernel.vms[k]->vcpus[0].vmwrite[i] += strtoull(words[3], NULL, 10);
	}
}

static void count_policies(FILE *out)
{
	size_t n = 0;

	for (size_t i = 0; i < kernel.n_vms; i++)
		n += kernel.vms[i]->alive && kernel.vms[i]->generation > 0;
	fprintf(out, "%zu\n", n);
}

/* EPOLLHUP for whoever has it open. */
static void gone(struct kernel_vm *vm)
{
	for (int fd = 0; fd < CONNECTIONS_MAX; fd++)
		if (connections[fd].kind == VM && connections[fd].vm == vm)
			shutdown(fd, SHUT_RDWR);
	kernel_end_vm(&kernel, vm);
}

static void count(FILE *out, struct kernel_vm *vm, unsigned int vcpu, const char *name, uint64_t n)
{
	struct nvmx_counters *c = &vm->vcpus[vcpu].totals;

	for (size_t i = 0; i < COUNTERS_N; i++)
		if (streq(counters_all[i].name, name)) {
			*counter_of(c, &counters_all[i]) += n;
			return;
		}
	fprintf(out, "no such counter\n");
}

static void exits(FILE *out, struct kernel_vm *vm, unsigned int vcpu, char **words)
{
	int i = streq(words[3], "other") ? KERNEL_FIELDS_MAX : kernel_find_field(&kernel, words[3]);

	if (i < 0) {
		fprintf(out, "no such field\n");
		return;
	}
	vm->vcpus[vcpu].vmread[i] += strtoull(words[4], NULL, 10);
	vm->vcpus[vcpu].vmwrite[i] += strtoull(words[5], NULL, 10);
}

static void accesses(FILE *out, struct kernel_vm *vm, char **words)
{
	int i = kernel_find_field(&kernel, words[2]);

	if (i < 0) {
		fprintf(out, "no such field\n");
		return;
	}
	vm->reads[i] = strtoul(words[3], NULL, 10);
	vm->writes[i] = strtoul(words[4], NULL, 10);
}

static void show_policy(FILE *out, const struct kernel_vm *vm)
{
	static const char *const classes[] = { "intercept", "read-only", "read-write" };

	fprintf(out, "generation=%" PRIu64 " label=%s hide=%u\n", vm->generation, vm->label,
		vm->vmwrite_any_field);
	for (size_t i = 0; i < kernel.n_fields; i++)
		if (vm->classes[i] != NVMX_CLASS_INTERCEPT)
			fprintf(out, "%s=%s\n", kernel.fields[i].name, classes[vm->classes[i]]);
}

/* A label, of bytes that no word can have: gives false if it is too long. */
static bool take_label(const char *word, char *ret)
{
	size_t n = 0;

	if (streq(word, "-"))
		word = "";
	while (*word) {
		unsigned int byte;
		int length;

		if (n == NVMX_LABEL_LEN - 1)
			return false;
		if (sscanf(word, "%%%2x%n", &byte, &length) == 1) {
			ret[n++] = byte;
			word += length;
		} else {
			ret[n++] = *word++;
		}
	}
	ret[n] = 0;
	return true;
}

/* As from a fd of nobody's. */
static void set_policy(FILE *out, struct kernel_vm *vm, char **words, int n)
{
	struct nvmx_policy_entry entries[WORDS_MAX];
	struct nvmx_policy policy = { .size = sizeof(policy) };
	int r;

	if (!take_label(words[2], policy.label)) {
		fprintf(out, "too long a label\n");
		return;
	}
	for (int i = 3; i < n; i++) {
		char *class = strchr(words[i], '=');
		int field;

		if (class)
			*class++ = 0;
		field = kernel_find_field(&kernel, words[i]);
		if (field < 0 || !class || class_from_string(class) < 0) {
			fprintf(out, "no such field or class: %s\n", words[i]);
			return;
		}
		entries[policy.nr++] = (struct nvmx_policy_entry) {
			kernel.fields[field].encoding, class_from_string(class),
		};
	}

	r = kernel_call(&kernel, vm, -1, NVMX_VM_SET_POLICY, &policy, entries);
	if (r < 0)
		fprintf(out, "%s\n", strerror(-r));
}

static void told_of_vm(FILE *out, char **words, int n)
{
	struct kernel_vm *vm = kernel_find_vm(&kernel, strtoull(words[1], NULL, 10));
	unsigned int vcpu = n > 2 ? strtoul(words[2], NULL, 10) : 0;

	if (vm && streq(words[0], "runs") && n == 3) {
		vm->runs = strtoull(words[2], NULL, 10);
	} else if (vm && streq(words[0], "untimed")) {
		vm->untimed = true;
	} else if (vm && streq(words[0], "accesses") && n == 5) {
		accesses(out, vm, words);
	} else if (vm && streq(words[0], "set") && n >= 3) {
		set_policy(out, vm, words, n);
	} else if (!vm || vcpu >= KERNEL_VCPUS_MAX) {
		fprintf(out, "no such VM or vCPU\n");
	} else if (streq(words[0], "vmxon")) {
		vm->info.state |= NVMX_VM_STATE_VMXON;
		send_vm_record(NVMX_EVENT_VM_VMXON, vm);
	} else if (streq(words[0], "evmcs")) {
		kernel_set_evmcs(&kernel, vm, true);
	} else if (streq(words[0], "evmcs-end")) {
		kernel_set_evmcs(&kernel, vm, false);
	} else if (streq(words[0], "window")) {
		kernel_open_window(&kernel, vm);
	} else if (streq(words[0], "window-end")) {
		kernel_close_window(&kernel, vm);
	} else if (streq(words[0], "gone")) {
		gone(vm);
	} else if (streq(words[0], "policy")) {
		show_policy(out, vm);
	} else if (streq(words[0], "count") && n == 5) {
		count(out, vm, vcpu, words[3], strtoull(words[4], NULL, 10));
	} else if (streq(words[0], "exits") && n == 6) {
		exits(out, vm, vcpu, words);
	} else {
		fprintf(out, "not understood: %s\n", words[0]);
	}
}

static void told(FILE *out, char *line)
{
	char *words[WORDS_MAX], *state;
	int n = 0;

	for (char *w = strtok_r(line, " \n", &state); w && n < WORDS_MAX; w = strtok_r(NULL, " \n", &state))
		words[n++] = w;

	if ((n == 3 || n == 4) && streq(words[0], "create")) {
		create(out, words[1], words[2], n == 4 ? words[3] : NULL);
	} else if (n == 3 && streq(words[0], "create-all")) {
		create_all(out, words[1], words[2]);
	} else if (n == 4 && streq(words[0], "exits-all")) {
		exits_all(out, words);
	} else if (n == 1 && streq(words[0], "policies")) {
		count_policies(out);
	} else if (n == 2 && streq(words[0], "fail-set")) {
		kernel.fail_set = atoi(words[1]);
	} else if (n == 1 && streq(words[0], "lose")) {
		losing = true;
	} else if (n == 1 && streq(words[0], "overflow")) {
		losing = false;
		send_record((struct nvmx_event) { .type = NVMX_EVENT_OVERFLOW, .lost = lost });
		lost = 0;
	} else if (n == 1 && streq(words[0], "unload")) {
		unloaded = true;
	} else if (n >= 2) {
		told_of_vm(out, words, n);
	} else {
		fprintf(out, "not understood\n");
	}
}

/* ---- what the daemon calls ---- */

static int open_vm(struct connection *c, const struct nvmx_open_vm *arg)
{
	struct kernel_vm *vm = kernel_find_vm(&kernel, arg->id);

	if (!vm)
		return -ENOENT;
	c->kind = VM;
	c->vm = vm;
	return 0;
}

static int become_reader(int fd)
{
	if (n_readers == READERS_MAX)
		return -ENOSPC;
	connections[fd].kind = EVENTS;
	readers[n_readers++] = fd;
	return 0;
}

/* False: the connection is to be closed. */
static bool serve(int fd)
{
	struct connection *c = &connections[fd];
	_Alignas(8) static uint8_t in[LOOPBACK_MESSAGE_MAX], out[LOOPBACK_MESSAGE_MAX];
	struct loopback_request request;
	struct loopback_reply reply = { 0 };
	const struct loopback_call *call;
	size_t bytes = 0;
	uint32_t nr = 0;
	uint8_t *arg = out + sizeof(reply);
	ssize_t k;

	k = recv(fd, in, sizeof(in), 0);
	if (k < (ssize_t)sizeof(request))
		return false;
	memcpy(&request, in, sizeof(request));
	call = loopback_call_find(request.request);
	if (!call || request.arg_size != call->arg_size || k < (ssize_t)(sizeof(request) + call->arg_size))
		return false;

	memcpy(arg, in + sizeof(request), call->arg_size);
	if (call->array > 0 && call->to_kernel)
		memcpy(arg + call->arg_size, in + sizeof(request) + call->arg_size,
		       k - sizeof(request) - call->arg_size);
	if (call->array > 0)
		memcpy(&nr, arg + call->nr, sizeof(nr));

	if (request.request == LOOPBACK_EVENTS)
		reply.error = become_reader(fd);
	else if (request.request == NVMX_OPEN_VM)
		reply.error = open_vm(c, (struct nvmx_open_vm *)arg);
	else
		reply.error = kernel_call(&kernel, c->vm, fd, request.request, arg,
					  arg + call->arg_size);

	if (call->array > 0 && !call->to_kernel && reply.error == 0) {
		uint32_t there;

		memcpy(&there, arg + call->nr, sizeof(there));
		bytes = (there < nr ? there : nr) * call->element;
	}
	reply.arg_size = call->arg_size;
	memcpy(out, &reply, sizeof(reply));
	return send(fd, out, sizeof(reply) + call->arg_size + bytes, MSG_NOSIGNAL) >= 0;
}

/* ---- sockets ---- */

static int make_socket(const char *path, bool listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	/* Like a device it must be usable as soon as it is there: made aside, then named. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", path, listening ? ".new" : "");
	if (!listening) {
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			die(address.sun_path);
		return fd;
	}

	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0666) < 0 || listen(fd, 16) < 0 ||
	    rename(address.sun_path, path) < 0)
		die(address.sun_path);
	return fd;
}

static bool answer_teller(int fd)
{
	char line[1024], *answer = NULL;
	size_t size = 0;
	ssize_t k;
	FILE *out;

	k = recv(fd, line, sizeof(line) - 1, 0);
	if (k <= 0)
		return false;
	line[k] = 0;

	out = open_memstream(&answer, &size);
	if (!out)
		die("open_memstream");
	told(out, line);
	fclose(out);
	if (send(fd, answer, size + 1, MSG_NOSIGNAL) < 0)
		perror("send");
	free(answer);
	return false;
}

static bool dispatch(int fd, uint32_t events)
{
	switch (connections[fd].kind) {
	case CLOSED:
		return true;
	case LISTENER:
		add_connection(accept4(fd, NULL, NULL, SOCK_CLOEXEC), REGISTRY);
		return true;
	case TELL_LISTENER:
		add_connection(accept4(fd, NULL, NULL, SOCK_CLOEXEC), TELLER);
		return true;
	case TELLER:
		return answer_teller(fd);
	case EVENTS:
		if (events & EPOLLOUT)
			tell_lost(fd);
		return !(events & (EPOLLIN | EPOLLHUP)) || serve(fd);
	default:
		return serve(fd);
	}
}

static int run(const char *path)
{
	char tell[108];

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll_create1");
	snprintf(tell, sizeof(tell), "%s.tell", path);
	add_connection(make_socket(tell, true), TELL_LISTENER);
	add_connection(make_socket(path, true), LISTENER);

	while (!unloaded) {
		struct epoll_event events[64];
		int n;

		n = epoll_wait(epoll_fd, events, ARRAY_SIZE(events), kernel_end_windows(&kernel));
		if (n < 0)
			die("epoll_wait");
		for (int i = 0; i < n && !unloaded; i++)
			if (!dispatch(events[i].data.fd, events[i].events))
				close_connection(events[i].data.fd);
	}

	unlink(path);
	unlink(tell);
	return EXIT_SUCCESS;
}

static int tell_kernel(const char *path, char **words, int n)
{
	char tell[108], line[1024] = "", answer[16384];
	size_t size = 0;
	ssize_t k;
	int fd;

	for (int i = 0; i < n; i++)
		size += snprintf(line + size, sizeof(line) - size, "%s ", words[i]);
	snprintf(tell, sizeof(tell), "%s.tell", path);

	fd = make_socket(tell, false);
	if (send(fd, line, size, MSG_NOSIGNAL) < 0)
		die("send");
	k = recv(fd, answer, sizeof(answer) - 1, 0);
	close(fd);
	if (k > 0) {
		answer[k] = 0;
		fputs(answer, stdout);
	}
	return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
	if (argc >= 4 && streq(argv[1], "--tell"))
		return tell_kernel(argv[2], argv + 3, argc - 3);
	if (argc < 3) {
		fprintf(stderr, "usage: loopback-kernel FIELDS SOCKET [no-nested|no-shadow-vmcs|own-list|abi-2|no-executable]\n"
			"       loopback-kernel --tell SOCKET WORD...\n");
		return 2;
	}

	if (argc > 3 && streq(argv[3], "no-nested"))
		kernel.features = 0;
	if (argc > 3 && streq(argv[3], "no-shadow-vmcs"))
		kernel.features = NVMX_FEATURE_NESTED;
	if (argc > 3 && streq(argv[3], "abi-2"))
		kernel.abi_version = 2;
	kernel.no_executable = argc > 3 && streq(argv[3], "no-executable");
	kernel.record = send_vm_record;
	if (kernel_read_fields(&kernel, argv[1]) < 0)
		return EXIT_FAILURE;
	if (argc > 3 && streq(argv[3], "own-list"))
		kernel_keep_own_list(&kernel);
	return run(argv[2]);
}
