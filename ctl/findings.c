/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/records.h"
#include "ctl/text.h"

#define INDENT 8
#define WIDTH 80 /* where stdout is no terminal */

static const char *const names[] = { "note", "warning", "error", "failed" };

void
findings_init(struct findings *f, bool json)
{
	memset(f, 0, sizeof(*f));
	f->json = json;
	f->list = json_array();
}

void
findings_free(struct findings *f)
{
	json_decref(f->list);
}

void
findings_wrap(const char *text, size_t indent)
{
	size_t columns = text_columns();

	text_wrap(stdout, text, indent, columns > 0 ? columns : WIDTH);
}

static void
print(const struct finding *one)
{
	printf("%-*s", INDENT, one->repaired ? "mended" : names[one->level]);
	findings_wrap(one->where, INDENT);
	printf("%*s", INDENT, "");
	findings_wrap(one->text, INDENT);
	if (one->repaired) {
		printf("%*sdone: ", INDENT, "");
		findings_wrap(one->repaired, INDENT + 6);
	} else if (one->advice) {
		printf("%*sdo: ", INDENT, "");
		findings_wrap(one->advice, INDENT + 4);
	}
}

static json_t *
text_or_null(const char *s)
{
	return s ? records_text(s) : json_null();
}

void
findings_add(struct findings *f, const struct finding *one)
{
	if (one->repaired)
		f->repaired++;
	else
		f->count[one->level]++;
	if (!f->json) {
		print(one);
		return;
	}
	json_array_append_new(
		f->list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "level",
				   names[one->level], "what", one->what,
				   "where", records_text(one->where), "text",
				   records_text(one->text), "advice",
				   text_or_null(one->advice), "repaired",
				   text_or_null(one->repaired)));
}

int
findings_status(const struct findings *f)
{
	if (f->count[FINDING_FAILED] > 0)
		return CTL_USAGE;
	if (f->count[FINDING_WARN] > 0 || f->count[FINDING_ERROR] > 0)
		return CTL_FAILED;
	return CTL_OK;
}
