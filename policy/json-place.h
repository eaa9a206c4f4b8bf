/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where each value of a JSON text is: json-c knows neither the line of a value
 * nor that a key came twice.  Internal to the policy library.
 */
#ifndef NVMX_POLICY_JSON_PLACE_H
#define NVMX_POLICY_JSON_PLACE_H

#include "policy/util.h"

struct json_place {
	char *path;		/* ".fields.HOST_RSP", ".match[0].domain" */
	unsigned int line;	/* from 1 */
};

/* Sorted by path.  Owns the paths. */
struct json_places {
	struct json_place *places;
	size_t n;
	size_t allocated;
	size_t n_nulls;		/* places of nulls */
};

/* The line that an offset is on. */
unsigned int json_line(const char *text, size_t size, size_t offset);

/*
 * The text must be one that json-c has accepted.  -EBADMSG: ret_error is a
 * sentence without file and line, *ret_line the line.
 */
int json_places_scan(const char *text, size_t size, struct json_places *ret,
		     unsigned int *ret_line, char **ret_error);
void json_places_clear(struct json_places *places);

/* 1 if there is no such path. */
unsigned int json_places_line(const struct json_places *places, const char *path);

#endif /* NVMX_POLICY_JSON_PLACE_H */
