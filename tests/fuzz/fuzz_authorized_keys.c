/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a line of authorized_keys holds, it gives a key with a blob and a
 * valid list of addresses, or a reason; and matching addresses ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/address.h"
#include "auth/authorized_keys.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_key(const struct authkey *key)
{
	if (key->len < 4 || key->next)
		abort();
	if (key->from && !address_list_valid(key->from))
		abort();
	if (key->from)
		address_list_match(key->from, "192.0.2.7");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = mem_strndup((const char *)data, size);
	char why[AUTHKEY_WHY_MAX] = "";
	struct authkey *key;
	enum err err;

	err = authkey_parse(line, &key, why);
	if (err && (key || !why[0] || !memchr(why, '\0', sizeof(why))))
		abort();
	if (key)
		check_key(key);
	authkey_free(key);
	/* The same bytes as a list: what is not valid matches nothing. */
	if (address_list_match(line, "2001:db8::1") &&
	    !address_list_valid(line))
		abort();
	free(line);
	return 0;
}
