/* SPDX-License-Identifier: Apache-2.0 */
/* "quota": what users have of their quotas, and counting it anew. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/account.h"
#include "ctl/ask.h"
#include "ctl/cmd_user.h"
#include "ctl/records.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/users_file.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define RECOUNT_TIMEOUT_MS 10000

struct asked {
	struct ctl *ctl;
	struct records *records;
	struct account *accounts;
	const char *name; /* NULL: all that have a quota */
	json_t *json;
	struct table *table;
	unsigned n;
};

static bool
is_asked(const struct asked *q, const struct user *u)
{
	if (q->name != NULL)
		return strcmp(u->name, q->name) == 0;
	return u->quota_bytes != 0 || u->quota_files != 0;
}

static json_t *
limit_json(uint64_t limit)
{
	return limit ? json_integer((json_int_t)limit) : json_null();
}

static void
add_json(struct asked *q, const struct user *u, const struct journal_usage *n)
{
	json_array_append_new(
		q->json,
		json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:o}",
			  "user", u->name, "store", u->store, "home", u->home,
			  "quota_bytes", limit_json(u->quota_bytes),
			  "quota_files", limit_json(u->quota_files), "bytes",
			  (json_int_t)n->bytes, "files", (json_int_t)n->files,
			  "uploads_bytes", (json_int_t)n->live_bytes,
			  "uploads_files", (json_int_t)n->live_files, "counted",
			  records_time(n->counted_at)));
}

static void
limit_text(uint64_t limit, bool bytes, char out[TEXT_MAX])
{
	if (limit == 0)
		str_copy(out, TEXT_MAX, "-");
	else if (bytes)
		text_size(limit, out);
	else
		snprintf(out, TEXT_MAX, "%" PRIu64, limit);
}

static void
add_row(struct asked *q, const struct user *u, const struct journal_usage *n)
{
	char used[TEXT_MAX], limit[TEXT_MAX], files[TEXT_MAX];
	char files_limit[TEXT_MAX], counted[TEXT_MAX], home[600];
	const char *cells[] = { u->name,     used,    limit, files,
				files_limit, counted, home };

	text_size(n->bytes + n->live_bytes, used);
	limit_text(u->quota_bytes, true, limit);
	snprintf(files, sizeof(files), "%" PRIu64, n->files + n->live_files);
	limit_text(u->quota_files, false, files_limit);
	if (n->counted)
		text_age(clock_wall_ms() - n->counted_at, counted);
	else
		str_copy(counted, sizeof(counted), "never");
	snprintf(home, sizeof(home), "%s:/%s", u->store, u->home);
	table_add(q->table, cells);
}

static bool
show_user(struct asked *q, const struct user *u)
{
	struct journal_usage n;

	if (!records_usage(q->records, u->store, u->home, &n))
		return false;
	if (q->json != NULL)
		add_json(q, u, &n);
	else
		add_row(q, u, &n);
	return true;
}

static bool
recount_user(struct asked *q, const struct user *u)
{
	char *line = mem_printf("recount %s %s", u->store, u->home);
	struct answer a;
	bool ok;

	ask_worker(q->ctl, line, RECOUNT_TIMEOUT_MS, &a);
	ok = a.reached && a.err == ERR_OK;
	if (!ok)
		ask_complain(q->ctl, &a);
	free(a.text);
	free(line);
	return ok;
}

static bool
each(struct asked *q, bool (*fn)(struct asked *q, const struct user *u))
{
	struct account *a, *next;

	q->n = 0;
	HASH_ITER (hh, q->accounts, a, next) {
		if (!is_asked(q, a->user))
			continue;
		q->n++;
		if (!fn(q, a->user))
			return false;
	}
	if (q->n == 0 && q->name != NULL)
		ctl_error("no user \"%s\" in %s", q->name, q->ctl->users_file);
	else if (q->n == 0)
		fprintf(stderr, "No user has a quota.\n");
	return q->n > 0 || q->name == NULL;
}

static bool
show(struct asked *q)
{
	static const struct table_column columns[] = {
		{ "USER", false, 0 }, { "USED", true, 5 },
		{ "OF", true, 5 },    { "FILES", true, 5 },
		{ "OF", true, 5 },    { "COUNTED", true, 0 },
		{ "HOME", false, 0 },
	};
	bool ok;

	q->records = records_open(q->ctl);
	if (q->records == NULL)
		return false;
	if (q->ctl->json)
		q->json = json_array();
	else
		q->table = table_new(columns, 7, text_columns());
	ok = each(q, show_user);
	if (ok && q->json != NULL) {
		json_dumpf(q->json, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (ok && q->n > 0) {
		table_print(q->table);
	}
	json_decref(q->json);
	if (q->table != NULL)
		table_free(q->table);
	records_close(q->records);
	return ok;
}

int
cmd_quota(struct ctl *c, int argc, char **argv)
{
	bool recount = false, ok;
	const struct ctl_option options[] = { { "--recount", &recount, NULL },
					      { NULL, NULL, NULL } };
	int status = ctl_options(c, options, &argc, argv);
	struct asked q = { .ctl = c };

	if (status >= 0)
		return status;
	if (argc > 1)
		return ctl_usage(c, "quota takes one name at most");
	q.name = argc == 1 ? argv[0] : NULL;
	if (!ctl_config(c))
		return CTL_FAILED;
	q.accounts = users_file_accounts(c);
	if (recount) {
		ok = each(&q, recount_user);
		if (ok && q.n > 0)
			fprintf(stderr, "Counted anew within seconds: %u.\n",
				q.n);
	} else {
		ok = show(&q);
	}
	accounts_free(q.accounts);
	return ok ? CTL_OK : CTL_FAILED;
}
