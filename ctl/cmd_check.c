/* SPDX-License-Identifier: Apache-2.0 */
/* "check": journal, spool and stores side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/account.h"
#include "ctl/ask.h"
#include "ctl/check.h"
#include "ctl/cmd_check.h"
#include "ctl/text.h"
#include "lib/conf_number.h"
#include "lib/mem.h"

#define LAST 100
#define LAST_MAX 100000
#define ASK_MS 3000

static bool
daemon_runs(const struct ctl *c)
{
	struct answer a;
	bool runs;

	ask_master(c, "status", ASK_MS, &a);
	runs = a.connected;
	free(a.text);
	return runs;
}

/* What check and sweep have to open; false after saying what is wrong. */
bool
check_open(struct check *k, bool repair)
{
	struct ctl *c = k->ctl;
	enum err err;

	if (!ctl_config(c))
		return false;
	k->stores = stores_open(c);
	if (!k->stores || !account_take(c))
		return false;
	k->daemon = daemon_runs(c);
	k->records = records_try(c, &err);
	if (!k->records) {
		ctl_error("%s/journal.db: the journal cannot be read: %s%s",
			  c->bridge.state_dir, records_why(err),
			  err == ERR_CORRUPT
				  ? "; stop the daemon and put a backup in "
				    "its place: sluicectl restore FILE"
				  : "");
		return false;
	}
	if (access(c->bridge.spool_dir, F_OK) == 0 &&
	    keylock_table_open(&k->locks, c->bridge.spool_dir) != ERR_OK) {
		ctl_error("%s: the spool cannot be read: run this as root or "
			  "as the daemon's account",
			  c->bridge.spool_dir);
		return false;
	}
	if (repair && k->locks && records_exist(k->records))
		k->repair = repair_open(c);
	return !repair || k->repair || !records_exist(k->records);
}

void
check_close(struct check *k)
{
	struct check_row *r, *next;

	check_files_free(k);
	r = k->rows;
	HASH_CLEAR(hh, k->rows);
	for (; r; r = next) {
		next = r->hh.next;
		free(r->parts);
		free(r);
	}
	repair_close(k->repair);
	keylock_table_close(k->locks);
	if (k->records)
		records_close(k->records);
	stores_close(k->stores);
	findings_free(&k->found);
}

/* The summary. */

static void
print_json(const struct check *k)
{
	json_t *o = json_pack(
		"{s:O, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:b}", "findings",
		k->found.list, "looked_at", "uploads", (json_int_t)k->nrows,
		"driven", (json_int_t)k->ndriven, "segments",
		(json_int_t)k->nfiles, "multipart_uploads",
		(json_int_t)k->nmultipart, "objects", (json_int_t)k->nobjects,
		"repaired", (json_int_t)k->found.repaired, "daemon", k->daemon);

	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

static const char *
s_of(size_t n)
{
	return n == 1 ? "" : "s";
}

static size_t
found_any(const struct check *k)
{
	size_t i, n = k->found.repaired;

	for (i = 0; i <= FINDING_FAILED; i++)
		n += k->found.count[i];
	return n;
}

static void
print_summary(const struct check *k)
{
	const size_t *n = k->found.count;
	char text[300] = "";

	if (found_any(k) > 0)
		putchar('\n');
	str_printf(text, sizeof(text),
		   "Looked at %zu upload%s (%zu at work), %zu segment%s, %zu "
		   "multipart upload%s, %zu published object%s.",
		   k->nrows, s_of(k->nrows), k->ndriven, k->nfiles,
		   s_of(k->nfiles), k->nmultipart, s_of(k->nmultipart),
		   k->nobjects, s_of(k->nobjects));
	findings_wrap(text, 0);
	if (found_any(k) == n[FINDING_NOTE])
		puts("All is well.");
	else
		printf("Found %zu error%s, %zu warning%s, %zu note%s; mended "
		       "%zu.\n",
		       n[FINDING_ERROR], s_of(n[FINDING_ERROR]),
		       n[FINDING_WARN], s_of(n[FINDING_WARN]), n[FINDING_NOTE],
		       s_of(n[FINDING_NOTE]), k->found.repaired);
	if (n[FINDING_FAILED] > 0)
		puts("Not everything could be checked.");
}

static int
check(struct check *k)
{
	const struct finding unreadable = {
		.level = FINDING_FAILED,
		.what = "journal_unreadable",
		.where = records_path(k->records),
		.text = "the journal could not be read to its end",
		.advice = "see the lines above",
	};

	if (!check_journal(k)) {
		findings_add(&k->found, &unreadable);
	} else {
		check_spool(k);
		check_rows(k);
		check_multipart(k);
		check_published(k);
		check_stuck(k);
	}
	if (k->ctl->json)
		print_json(k);
	else
		print_summary(k);
	return findings_status(&k->found);
}

static bool
parse_last(const char *text, size_t *out)
{
	uint64_t v;

	if (!text)
		return true;
	if (conf_parse_uint(text, &v) != 0 || v > LAST_MAX)
		return false;
	*out = (size_t)v;
	return true;
}

int
cmd_check(struct ctl *c, int argc, char **argv)
{
	struct check k = { .ctl = c, .last = LAST };
	const char *last = NULL;
	bool repair = false;
	const struct ctl_option options[] = {
		{ "--repair", &repair, NULL },
		{ "--deep", &k.deep, NULL },
		{ "--last", NULL, &last },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);

	if (status >= 0)
		return status;
	if (argc != 0)
		return ctl_usage(c, "check takes no words");
	if (!parse_last(last, &k.last))
		return ctl_usage(c, "--last needs a number from 0 to %d",
				 LAST_MAX);
	findings_init(&k.found, c->json);
	status = check_open(&k, repair) ? check(&k) : CTL_USAGE;
	check_close(&k);
	return status;
}
