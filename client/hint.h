/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hint.c: the commands that diagnose and profile say to type.
 */
#ifndef NVMX_CLIENT_HINT_H
#define NVMX_CLIENT_HINT_H

#include "client/nvmxctl.h"

/* What a command about a VM begins with.  Starts as {}. */
struct hint {
	char *nvmxctl;		/* with --host or --machine, as this one was given */
	char *vm;		/* its name if that leads to it, else its id; for a shell */
	bool is_domain;		/* of libvirt: --config is possible */
	unsigned long libvirt_version;	/* as virGetVersion() has it, 9000000 is 9.0.0; 0: not known */
};

/* Can nvmxctl reach the libvirt that nvmxd has?  Asks nvmxd: once for all VMs. */
bool hint_has_libvirt(struct client *c);
/* Of the libvirt of this host, without asking libvirtd; 0 if that is not the one. */
unsigned long hint_libvirt_version(struct client *c);
/* vm has id, name and uuid; is_source: is libvirt one; -ENOMEM. */
int hint_of(struct client *c, struct json_object *vm, bool is_source, struct hint *ret);
void hint_done(struct hint *h);

/* In quotes if a shell needs them; NULL without memory. */
char *hint_quote(const char *s);

/* To an array of commands, which are printed indented, one a line. */
void hint_add(struct json_object *commands, const char *format, ...) _printf_(2, 3);
void hint_print(FILE *f, struct json_object *commands);

#endif /* NVMX_CLIENT_HINT_H */
