/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For `make bench-daemon`: calls of org.nvmx1, and how long each takes.
 *
 *	bench-calls statistics N ROUNDS	GetStatistics of VMs 1 to N, one after the other
 *	bench-calls list ROUNDS		GetManagedObjects
 *	bench-calls all ROUNDS		ListStatistics until there is no more
 *
 * Prints, in microseconds: "calls=N p50=T p90=T p99=T max=T total=T".
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <systemd/sd-bus.h>

#include "policy/util.h"

#define NVMXD	"org.nvmx1"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report(uint64_t *times, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += times[i];
	qsort(times, n, sizeof(*times), compare);
	printf("calls=%zu p50=%.1f p90=%.1f p99=%.1f max=%.1f total=%.1f\n", n,
	       times[n / 2] / 1e3, times[n * 90 / 100] / 1e3, times[n * 99 / 100] / 1e3,
	       times[n - 1] / 1e3, total / 1e3);
}

/* type, value: the argument, if it takes one. */
static int call(sd_bus *bus, const char *path, const char *interface, const char *method,
		const char *type, int64_t value, sd_bus_message **ret)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = *type == 't' ? sd_bus_call_method(bus, NVMXD, path, interface, method, &error, ret, "t", (uint64_t)value) :
	    *type ? sd_bus_call_method(bus, NVMXD, path, interface, method, &error, ret, "i", (int)value) :
		    sd_bus_call_method(bus, NVMXD, path, interface, method, &error, ret, "");
	if (r < 0)
		fprintf(stderr, "%s of %s: %s\n", method, path, error.message ?: strerror(-r));
	return r;
}

static int get_statistics(sd_bus *bus, size_t id)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/org/nvmx1/vm/%zu", id);
	return call(bus, path, "org.nvmx1.VM", "GetStatistics", "i", -1, &reply);
}

static int get_managed_objects(sd_bus *bus, size_t ignored)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

	return call(bus, "/org/nvmx1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", 0, &reply);
}

static int list_statistics(sd_bus *bus, size_t ignored)
{
	uint64_t last = 0;
	int r;

	do {
		_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

		r = call(bus, "/org/nvmx1", "org.nvmx1.Manager", "ListStatistics", "t", last, &reply);
		if (r >= 0)
			r = sd_bus_message_read(reply, "t", &last);
	} while (r >= 0 && last > 0);
	return r;
}

static const struct {
	const char *name;
	int (*call)(sd_bus *bus, size_t id);
} kinds[] = {
	{ "statistics", get_statistics },
	{ "list", get_managed_objects },
	{ "all", list_statistics },
};

static int time_calls(sd_bus *bus, int (*fn)(sd_bus *bus, size_t id), size_t n_vms, size_t rounds)
{
	_cleanup_free_ uint64_t *times = calloc(n_vms * rounds, sizeof(*times));
	int r;

	if (!times)
		return -ENOMEM;
	for (size_t i = 0; i < n_vms * rounds; i++) {
		uint64_t began = now_ns();

		r = fn(bus, i % n_vms + 1);
		if (r < 0)
			return r;
		times[i] = now_ns() - began;
	}
	report(times, n_vms * rounds);
	return 0;
}

int main(int argc, char *argv[])
{
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	size_t kind = 0, n_vms, rounds;
	int r;

	while (argc > 1 && kind < ARRAY_SIZE(kinds) && !streq(argv[1], kinds[kind].name))
		kind++;
	n_vms = argc == 4 ? strtoul(argv[2], NULL, 10) : 1;
	rounds = argc > 2 ? strtoul(argv[argc - 1], NULL, 10) : 0;
	if (kind == ARRAY_SIZE(kinds) || n_vms == 0 || rounds == 0) {
		fprintf(stderr, "usage: bench-calls statistics N ROUNDS | list ROUNDS | all ROUNDS\n");
		return 2;
	}

	r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = time_calls(bus, kinds[kind].call, n_vms, rounds);
	if (r < 0)
		fprintf(stderr, "bench-calls: %s\n", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
