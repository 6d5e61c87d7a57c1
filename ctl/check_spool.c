/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/schedule.h"
#include "ctl/check.h"
#include "ctl/text.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define ENDED_MS 600000LL /* by then its worker has let go of it */
#define YOUNG_MS 60000LL  /* its row may be on its way */

static void
on_file(void *arg, const struct spool_file *f)
{
	struct check *k = arg;
	struct check_file *c = mem_alloc(sizeof(*c));

	c->file = *f;
	c->file.name = mem_strdup(f->name);
	c->next = k->files;
	k->files = c;
	k->nfiles++;
}

void
check_files_free(struct check *k)
{
	struct check_file *c, *next;

	for (c = k->files; c; c = next) {
		next = c->next;
		free((void *)c->file.name);
		free(c);
	}
}

enum err
check_load_files(struct check *k)
{
	enum err err = spool_inspect(k->ctl->bridge.spool_dir, on_file, k);

	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* How far an upload reaches. */

/* The file that the next driver would take for this part, or NULL. */
static const struct spool_file *
part_file(const struct check *k, const struct check_row *r, uint32_t no,
	  uint64_t base)
{
	const struct spool_file *best = NULL;
	const struct check_file *c;

	for (c = k->files; c; c = c->next) {
		const struct spool_file *f = &c->file;

		if (f->kind == SPOOL_FILE_SEGMENT && f->id.no == no &&
		    f->id.base == base && f->id.rewind <= r->row.rewind &&
		    strcmp(f->id.upload, r->row.id) == 0 &&
		    (!best || f->id.rewind > best->id.rewind))
			best = f;
	}
	return best;
}

static void
find_end(const struct check *k, struct check_row *r)
{
	const struct spool_file *f;
	uint32_t no = 1;
	size_t i = 0;

	r->end = 0;
	for (;;) {
		if (i < r->nparts && r->parts[i].no == no &&
		    r->parts[i].off == r->end) {
			r->end += r->parts[i++].len;
			no++;
			continue;
		}
		f = part_file(k, r, no++, r->end);
		if (!f)
			return;
		r->end += f->received;
		if (f->received < f->id.capacity)
			return;
	}
}

/* Single files. */

static void
no_row(struct check *k, const struct spool_file *f)
{
	char size[TEXT_MAX], where[128] = "", text[128] = "";
	const struct finding one = {
		.level = FINDING_WARN,
		.what = "segment_without_row",
		.where = where,
		.text = text,
		.advice = "sluicectl sweep removes it",
	};

	if (k->daemon && f->changed > clock_wall_ms() - YOUNG_MS)
		return;
	str_printf(where, sizeof(where), "segment %s", f->name);
	str_printf(text, sizeof(text), "no upload of the journal has it (%s)",
		   text_size(f->bytes, size));
	findings_add(&k->found, &one);
}

static void
ended_row(struct check *k, const struct spool_file *f,
	  const struct journal_upload *u)
{
	char text[128] = "";
	struct finding one = {
		.level = FINDING_WARN,
		.what = "segment_of_ended",
		.text = text,
		.advice = "the daemon removes it within the hour, "
			  "sluicectl check --repair now",
	};

	if (u->ended_at > clock_wall_ms() - ENDED_MS)
		return; /* its driver may be about to remove it */
	str_printf(text, sizeof(text), "segment %s is left over", f->name);
	if (k->repair)
		check_unlink(k, u, f->name, &one);
	check_add(k, u, &one);
}

/* Recorded parts need no segment, and a discarded one has no header. */
static bool
is_recorded(const struct check_row *r, uint32_t no)
{
	size_t i;

	for (i = 0; i < r->nparts; i++)
		if (r->parts[i].no == no)
			return true;
	return false;
}

static void
damaged(struct check *k, const struct spool_file *f, const struct check_row *r)
{
	char size[TEXT_MAX], text[200] = "";
	struct finding one = {
		.level = FINDING_ERROR,
		.what = "segment_damaged",
		.text = text,
		.advice = "sluicectl check --repair removes it; the client "
			  "sends those bytes again",
	};

	if (f->bytes == 0 || is_recorded(r, f->id.no))
		return; /* what a killed worker leaves; its next driver tidies */
	str_printf(text, sizeof(text),
		   "segment %s (%s) has %s: its bytes cannot be used", f->name,
		   text_size(f->bytes, size),
		   f->kind == SPOOL_FILE_DAMAGED ? "a damaged header"
						 : "another part's header");
	if (k->repair)
		check_unlink(k, &r->row, f->name, &one);
	check_add(k, &r->row, &one);
}

static void
cut_short(struct check *k, const struct spool_file *f,
	  const struct check_row *r)
{
	char text[160] = "";
	const struct finding one = {
		.level = FINDING_ERROR,
		.what = "segment_cut",
		.text = text,
		.advice = "the client sends those bytes again; find out who "
			  "writes to the spool's folder",
	};

	str_printf(text, sizeof(text),
		   "segment %s is shorter than what was received: somebody "
		   "cut it",
		   f->name);
	check_add(k, &r->row, &one);
}

static void
read_data(struct check *k, const struct spool_file *f,
	  const struct check_row *r)
{
	char text[160] = "";
	struct finding one = {
		.level = FINDING_ERROR,
		.what = "segment_data",
		.text = text,
		.advice = "look at the disk; sluicectl check --repair removes "
			  "it, the client sends those bytes again",
	};
	enum err err = spool_inspect_data(k->ctl->bridge.spool_dir, f->name);

	if (err == ERR_OK || err == ERR_NOT_FOUND)
		return;
	str_printf(text, sizeof(text), "segment %s: %s", f->name,
		   err == ERR_CORRUPT ? "its bytes are not those that came"
				      : err_text(err));
	if (k->repair && err == ERR_CORRUPT)
		check_unlink(k, &r->row, f->name, &one);
	check_add(k, &r->row, &one);
}

static void
foreign(struct check *k, const struct spool_file *f)
{
	const struct finding one = {
		.level = FINDING_NOTE,
		.what = "foreign_file",
		.where = f->name,
		.text = "a file in the spool's folder that is none of ours",
		.advice = "look at it, and move it away",
	};

	findings_add(&k->found, &one);
}

static void
check_file(struct check *k, const struct spool_file *f)
{
	const struct check_row *r;
	struct journal_rows rows = { 0 };

	if (f->kind == SPOOL_FILE_FOREIGN) {
		foreign(k, f);
		return;
	}
	r = check_row_of(k, f->id.upload);
	if (r && r->driven)
		return;
	if (r && f->kind != SPOOL_FILE_SEGMENT)
		damaged(k, f, r);
	else if (r && f->cut)
		cut_short(k, f, r);
	else if (r && k->deep)
		read_data(k, f, r);
	if (r || !records_get(k->records, f->id.upload, &rows))
		return;
	if (rows.nuploads == 0)
		no_row(k, f);
	else if (records_ended(&rows.uploads[0]))
		ended_row(k, f, &rows.uploads[0]);
	journal_rows_free(&rows);
}

static void
short_of_end(struct check *k, const struct check_row *r)
{
	char have[TEXT_MAX], want[TEXT_MAX], text[160] = "";
	const struct finding one = {
		.level = FINDING_ERROR,
		.what = "closing_short",
		.text = text,
		.advice = "the daemon parks it; the client sends the rest "
			  "again",
	};

	if (r->driven || r->row.state != UPLOAD_CLOSING || r->end >= r->row.end)
		return;
	str_printf(text, sizeof(text),
		   "every byte had come, but only %s of %s are here now",
		   text_size(r->end, have), text_size(r->row.end, want));
	check_add(k, &r->row, &one);
}

void
check_spool(struct check *k)
{
	const char *dir = k->ctl->bridge.spool_dir;
	enum err err = check_load_files(k);
	const struct finding failed = {
		.level = FINDING_FAILED,
		.what = "spool_unreadable",
		.where = dir,
		.text = err_text(err),
		.advice = "run this as root or as the daemon's account",
	};
	struct check_file *c;
	struct check_row *r;

	if (err != ERR_OK) {
		findings_add(&k->found, &failed);
		return;
	}
	for (c = k->files; c; c = c->next)
		check_file(k, &c->file);
	for (r = k->rows; r; r = r->hh.next) {
		find_end(k, r);
		short_of_end(k, r);
	}
}
