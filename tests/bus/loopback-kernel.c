/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process behind nvmxd's loopback link:
 *
 *	loopback-kernel FIELDS SOCKET [no-nested|no-shadow-vmcs|own-list|abi-2]
 *		is the kernel until told "unload", or killed
 *	loopback-kernel --tell SOCKET WORD...
 *		tells it what happens, and prints what it answers
 *
 * Words (ID: a VM; NAME of COUNTER: a member of struct nvmx_counters):
 *	create PID VCPUS [START_TIME]	a VM of that process; answers the id
 *	vmxon ID, evmcs ID, gone ID
 *	window ID, window-end ID	a profiling window of another program
 *	exits ID VCPU FIELD READS WRITES	FIELD "other": no field of vmcs12
 *	count ID VCPU COUNTER N
 *	accesses ID FIELD READS WRITES	what L1 does per 100 exits of L2 ...
 *	runs ID N			... which it has N of before each look at its counters
 *	policy ID			answers generation, label, flag, and classes
 *	fail-set ERRNO			the next NVMX_VM_SET_POLICY fails
 *	lose				drop records from now on
 *	overflow			say how many, and drop no more
 *	unload
 *
 * The daemon's end is SOCKET, the test's SOCKET.tell.  It owns the connections; each
 * stands for an fd of the device.
 */
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/loopback.h"
#include "daemon/proc.h"
#include "policy/util.h"
#include "tests/bus/kernel.h"

#define CONNECTIONS_MAX 128

enum kind { LISTENER, TELL_LISTENER, TELLER, REGISTRY, EVENTS, VM };

struct connection {
	int fd;
	enum kind kind;
	struct kernel_vm *vm;
};

static struct kernel kernel = {
	.features = NVMX_FEATURE_NESTED | NVMX_FEATURE_SHADOW_VMCS | NVMX_FEATURE_ALL_FIELDS |
		    NVMX_FEATURE_WINDOW,
	.abi_version = NVMX_ABI_VERSION,
	.tsc_khz = 2000000,
};
static struct connection connections[CONNECTIONS_MAX];
static size_t n_connections;
static bool losing, unloaded;
static uint32_t lost;

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void add_connection(int fd, enum kind kind)
{
	if (n_connections == CONNECTIONS_MAX) {
		fprintf(stderr, "too many connections\n");
		exit(EXIT_FAILURE);
	}
	connections[n_connections++] = (struct connection) { .fd = fd, .kind = kind };
}

/* ---- records ---- */

static void send_record(struct nvmx_event event)
{
	if (losing && event.type != NVMX_EVENT_OVERFLOW) {
		lost++;
		return;
	}

	event.size = sizeof(event);
	for (size_t i = 0; i < n_connections; i++)
		if (connections[i].kind == EVENTS)
			send(connections[i].fd, &event, sizeof(event), MSG_NOSIGNAL | MSG_DONTWAIT);
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
		fprintf(out, "no room\n");
		return;
	}
	fprintf(out, "%" PRIu64 "\n", (uint64_t)vm->info.id);
	send_vm_record(NVMX_EVENT_VM_CREATED, vm);
}

/* EPOLLHUP for whoever has it open. */
static void gone(struct kernel_vm *vm)
{
	vm->alive = false;
	for (size_t i = 0; i < n_connections; i++)
		if (connections[i].vm == vm)
			shutdown(connections[i].fd, SHUT_RDWR);
	send_vm_record(NVMX_EVENT_VM_GONE, vm);
}

static void count(FILE *out, struct kernel_vm *vm, unsigned int vcpu, const char *name, uint64_t n)
{
	struct nvmx_counters *c = &vm->vcpus[vcpu].totals;
	const struct { const char *name; __u64 *value; } counters[] = {
		{ "nested_entries", &c->nested_entries },
		{ "nested_exits_reflected", &c->nested_exits_reflected },
		{ "vmwrite_propagated", &c->vmwrite_propagated },
		{ "shadow_to_vmcs12", &c->shadow_to_vmcs12 },
		{ "vmcs12_to_shadow", &c->vmcs12_to_shadow },
		{ "fields_to_vmcs12", &c->fields_to_vmcs12 },
		{ "fields_to_shadow", &c->fields_to_shadow },
		{ "rare_syncs", &c->rare_syncs },
		{ "policy_switches", &c->policy_switches },
		{ "slow_path_entries", &c->slow_path_entries },
		{ "to_vmcs12_timed", &c->to_vmcs12_timed },
		{ "to_vmcs12_cycles", &c->to_vmcs12_cycles },
		{ "to_shadow_timed", &c->to_shadow_timed },
		{ "to_shadow_cycles", &c->to_shadow_cycles },
		{ "slow_path_timed", &c->slow_path_timed },
		{ "slow_path_cycles", &c->slow_path_cycles },
	};

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		if (streq(counters[i].name, name)) {
			*counters[i].value += n;
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

static void told_of_vm(FILE *out, char **words, int n)
{
	struct kernel_vm *vm = kernel_find_vm(&kernel, strtoull(words[1], NULL, 10));
	unsigned int vcpu = n > 2 ? strtoul(words[2], NULL, 10) : 0;

	if (vm && streq(words[0], "runs") && n == 3) {
		vm->runs = strtoull(words[2], NULL, 10);
	} else if (vm && streq(words[0], "accesses") && n == 5) {
		accesses(out, vm, words);
	} else if (!vm || vcpu >= KERNEL_VCPUS_MAX) {
		fprintf(out, "no such VM or vCPU\n");
	} else if (streq(words[0], "vmxon")) {
		vm->info.state |= NVMX_VM_STATE_VMXON;
		send_vm_record(NVMX_EVENT_VM_VMXON, vm);
	} else if (streq(words[0], "evmcs")) {
		vm->info.state |= NVMX_VM_STATE_EVMCS;
	} else if (streq(words[0], "window")) {
		vm->window_owner = KERNEL_OTHERS_WINDOW;
	} else if (streq(words[0], "window-end")) {
		vm->window_owner = KERNEL_NO_WINDOW;
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
	char *words[8], *state;
	int n = 0;

	for (char *w = strtok_r(line, " \n", &state); w && n < 8; w = strtok_r(NULL, " \n", &state))
		words[n++] = w;

	if ((n == 3 || n == 4) && streq(words[0], "create")) {
		create(out, words[1], words[2], n == 4 ? words[3] : NULL);
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

/* False: the connection is to be closed. */
static bool serve(struct connection *c)
{
	_Alignas(8) static uint8_t in[LOOPBACK_MESSAGE_MAX], out[LOOPBACK_MESSAGE_MAX];
	struct loopback_request request;
	struct loopback_reply reply = { 0 };
	const struct loopback_call *call;
	size_t bytes = 0;
	uint32_t nr = 0;
	uint8_t *arg = out + sizeof(reply);
	ssize_t k;

	k = recv(c->fd, in, sizeof(in), 0);
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
		c->kind = EVENTS;
	else if (request.request == NVMX_OPEN_VM)
		reply.error = open_vm(c, (struct nvmx_open_vm *)arg);
	else
		reply.error = kernel_call(&kernel, c->vm, c->fd, request.request, arg,
					  arg + call->arg_size);

	if (call->array > 0 && !call->to_kernel && reply.error == 0) {
		uint32_t there;

		memcpy(&there, arg + call->nr, sizeof(there));
		bytes = (there < nr ? there : nr) * call->element;
	}
	reply.arg_size = call->arg_size;
	memcpy(out, &reply, sizeof(reply));
	return send(c->fd, out, sizeof(reply) + call->arg_size + bytes, MSG_NOSIGNAL) >= 0;
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

static bool dispatch(size_t i)
{
	struct connection *c = &connections[i];
	int fd;

	switch (c->kind) {
	case LISTENER:
	case TELL_LISTENER:
		fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			add_connection(fd, c->kind == LISTENER ? REGISTRY : TELLER);
		return true;
	case TELLER:
		return answer_teller(c->fd);
	default:
		return serve(c);
	}
}

static int run(const char *path)
{
	char tell[108];

	snprintf(tell, sizeof(tell), "%s.tell", path);
	add_connection(make_socket(tell, true), TELL_LISTENER);
	add_connection(make_socket(path, true), LISTENER);

	while (!unloaded) {
		struct pollfd fds[CONNECTIONS_MAX];
		size_t n = n_connections;

		for (size_t i = 0; i < n; i++)
			fds[i] = (struct pollfd) { .fd = connections[i].fd, .events = POLLIN };
		if (poll(fds, n, -1) < 0)
			die("poll");
		/* From the end: closing moves the last into the gap. */
		for (size_t i = n; i-- > 0 && !unloaded;)
			if (fds[i].revents && !dispatch(i)) {
				if (connections[i].vm)
					kernel_release(connections[i].vm, connections[i].fd);
				close(connections[i].fd);
				connections[i] = connections[--n_connections];
			}
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
		fprintf(stderr, "usage: loopback-kernel FIELDS SOCKET [no-nested|no-shadow-vmcs|own-list|abi-2]\n"
			"       loopback-kernel --tell SOCKET WORD...\n");
		return 2;
	}

	if (argc > 3 && streq(argv[3], "no-nested"))
		kernel.features = 0;
	if (argc > 3 && streq(argv[3], "no-shadow-vmcs"))
		kernel.features = NVMX_FEATURE_NESTED;
	if (argc > 3 && streq(argv[3], "abi-2"))
		kernel.abi_version = 2;
	if (kernel_read_fields(&kernel, argv[1]) < 0)
		return EXIT_FAILURE;
	if (argc > 3 && streq(argv[3], "own-list"))
		kernel_keep_own_list(&kernel);
	return run(argv[2]);
}
