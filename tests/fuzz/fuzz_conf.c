/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a file holds, reading it ends in values or in complaints, and a
 * file without complaints has a value for each of its keys.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/conf_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask(struct conf *c, const char *section, const char *key)
{
	static const char *const words[] = { "a", "b", NULL };
	static const struct conf_range range = { 1, 0, 1000 };
	size_t before = c->complaint_count;

	if (!conf_has(c, section, key))
		abort();
	if (!conf_str(c, section, key, NULL) && c->complaint_count == before)
		abort();
	conf_need(c, section, key);
	conf_bool(c, section, key, false);
	conf_uint(c, section, key, range);
	conf_size(c, section, key, range);
	conf_time(c, section, key, range);
	conf_choice(c, section, key, words, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("conf", MFD_CLOEXEC);
	char path[64];
	struct conf *c;
	size_t syntax;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c = conf_load(path);
	syntax = c->complaint_count;
	if (c->broken != (syntax > 0))
		abort();
	for (struct conf_entry *e = c->entries; e && !c->broken; e = e->hh.next)
		if (e->section && c->complaint_count < CONF_COMPLAINTS_MAX / 2)
			ask(c, e->section->label, e->label);
	conf_finish(c);
	conf_free(c);
	close(fd);
	return 0;
}
