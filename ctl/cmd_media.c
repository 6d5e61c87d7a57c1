/* SPDX-License-Identifier: Apache-2.0 */
/* "media": what a probe found of an object, as the journal has it. */
#include "ctl/cmd_media.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/media_text.h"
#include "ctl/place.h"
#include "ctl/records.h"
#include "ctl/text.h"

static void
print(const struct ctl *c, const struct journal_media *m)
{
	json_t *media = json_loads(m->body, 0, NULL), *o;
	char when[TEXT_MAX], *key;

	if (c->json) {
		o = json_pack("{s:s, s:o, s:s, s:s, s:o, s:o}", "store",
			      m->store, "key", records_text(m->key), "upload",
			      m->upload, "etag", m->etag, "at",
			      records_time(m->at), "media",
			      media ? media : json_null());
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
		return;
	}
	key = text_safe(m->key);
	printf("%-12s %s\n%-12s %s\n%-12s %s\n", "store", m->store, "key", key,
	       "looked at", text_when(m->at, when));
	free(key);
	media_text_print(media);
	json_decref(media);
}

static bool
show(struct ctl *c, const struct place *at)
{
	struct journal_rows rows = { 0 };
	struct records *r = records_open(c);
	bool ok = r && records_media(r, at->store, at->key, &rows);

	if (ok && rows.media.body) {
		print(c, &rows.media);
	} else if (ok) {
		ctl_error("nothing is known of %s in store \"%s\"", at->key,
			  at->store);
		ok = false;
	}
	journal_rows_free(&rows);
	records_close(r);
	return ok;
}

int
cmd_media(struct ctl *c, int argc, char **argv)
{
	const char *store = NULL;
	const struct ctl_option options[] = { { "--store", NULL, &store },
					      { NULL, NULL, NULL } };
	int status = ctl_options(c, options, &argc, argv);
	struct place at;

	if (status >= 0)
		return status;
	if (argc < 1 || argc > 2)
		return ctl_usage(c, "media takes a key, or a user's name and "
				    "a path");
	if (!ctl_config(c) || !place_find(c, argc, argv, store, &at))
		return CTL_FAILED;
	return show(c, &at) ? CTL_OK : CTL_FAILED;
}
