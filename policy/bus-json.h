/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes over the bus as JSON: nvmxctl shows it so, and nvmxd's Describe is made of it.
 */
#ifndef NVMX_POLICY_BUS_JSON_H
#define NVMX_POLICY_BUS_JSON_H

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "policy/util.h"

/*
 * One complete value, of the types that org.nvmx1(5) has; a variant is what is in it, and a
 * dictionary with text for keys an object.  -EBADMSG: another type; -ENODATA: none is left.
 */
int bus_json_read(sd_bus_message *m, struct json_object **ret);

static inline void json_putp(struct json_object **o)
{
	json_object_put(*o);
}

#define _cleanup_json_ _cleanup_(json_putp)

#endif /* NVMX_POLICY_BUS_JSON_H */
