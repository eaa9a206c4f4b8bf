/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.nvmx1 as an nvmxd of long ago may have been: one VM, few properties and methods,
 * and structs with fewer members than today's; or, with an argument, as one may be in years:
 * a property more, and longer rows of VMs.  For tests of what nvmxctl does then.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <systemd/sd-bus.h>

#define VM_PATH "/org/nvmx1/vm/1"

static int get_support(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", "available");
}

static int get_id(sd_bus *bus, const char *path, const char *interface, const char *property,
		  sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "t", (uint64_t)1);
}

static int get_name(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", "old");
}

static int get_vm(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "o", VM_PATH);
}

static int list_vms(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "a(tos)", 1, (uint64_t)1, VM_PATH, "old");
}

static int list_vms_at_length(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "a(tosssusbbsa{ss}u)", 2,
		(uint64_t)1, VM_PATH, "new", "", "stock", 7, "default", 0, 1, "active", 1, "mood", "good", 5,
		(uint64_t)2, VM_PATH, "newer", "", "stock", 8, "runtime", 1, 0, "active", 0, 6);
}

/* Without classes that are allowed, and without flags. */
static int list_fields(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "a(uss)", 1, 0x6c14, "HOST_RSP", "natural");
}

static int list_policies(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "a(s)", 1, "stock");
}

static int get_policy(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "sas", "inherit", 0);
}

static int get_statistics(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "a{st}a(su)", 1, "nested_entries", (uint64_t)5, 1, "HOST_RSP",
					  0x6c14);
}

static int done(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("KernelSupport", "s", get_support, 0, 0),
	SD_BUS_METHOD("ListVMs", "", "a(tos)", list_vms, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetVM", "s", "o", get_vm, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListFields", "", "a(uss)", list_fields, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListPolicies", "", "a(s)", list_policies, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetPolicy", "s", "sas", get_policy, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END
};

static const sd_bus_vtable vm[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "t", get_id, 0, 0),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, 0),
	SD_BUS_METHOD("SetPolicy", "sa{ss}", "", done, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reset", "", "", done, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetStatistics", "i", "a{st}a(su)", get_statistics, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END
};

static const sd_bus_vtable manager_of_newer[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("KernelSupport", "s", get_support, 0, 0),
	SD_BUS_METHOD("ListVMs", "", "a(tosssusbbsa{ss}u)", list_vms_at_length, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetVM", "s", "o", get_vm, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END
};

static const sd_bus_vtable vm_of_newer[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Mood", "s", get_name, 0, 0),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, 0),
	SD_BUS_PROPERTY("Id", "t", get_id, 0, 0),
	SD_BUS_VTABLE_END
};

int main(int argc, char *argv[])
{
	bool newer = argc > 1;
	sd_bus *bus;
	int r;

	r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = sd_bus_add_object_manager(bus, NULL, "/org/nvmx1");
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, "/org/nvmx1", "org.nvmx1.Manager",
					     newer ? manager_of_newer : manager, NULL);
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, VM_PATH, "org.nvmx1.VM", newer ? vm_of_newer : vm, NULL);
	if (r >= 0)
		r = sd_bus_request_name(bus, "org.nvmx1", 0);
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	fprintf(stderr, "old-daemon: error %d\n", -r);
	return EXIT_FAILURE;
}
