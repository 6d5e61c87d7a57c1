/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, read from a configuration and shown in complaints. */
#ifndef LIB_CONF_NUMBER_H
#define LIB_CONF_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits alone; 0 or -1. Sizes and times: see lib/conf.h. */
int conf_parse_uint(const char *s, uint64_t *out);

/* Into dst of at least 24 bytes, in the largest unit that divides v. */
void conf_show_uint(uint64_t v, char *dst, size_t size);
void conf_show_size(uint64_t v, char *dst, size_t size);
void conf_show_time(uint64_t v, char *dst, size_t size);

#endif
