/* SPDX-License-Identifier: Apache-2.0 */
/* POST, which begins an upload, and PATCH, which goes on with one. */
#include <string.h>
#include <strings.h>

#include "httpd/tus.h"
#include "lib/mem.h"

static bool
has_body(const struct client *c)
{
	return c->head.body != HTTP_BODY_NONE;
}

/* The only type that says that the body is the file's bytes. */
static bool
is_octets(const struct client *c)
{
	const char *type = http_head_get(&c->head, "content-type");

	return type && strcasecmp(type, "application/offset+octet-stream") == 0;
}

static bool
number_field(const struct client *c, const char *name, bool *has, uint64_t *out)
{
	const char *value = http_head_get(&c->head, name);

	*has = value != NULL;
	return !value ||
	       (http_number(value, out) && !http_head_repeats(&c->head, name));
}

/* POST. */

static void
created(struct intake *in, enum err err, const char *why)
{
	struct tus *t = (struct tus *)in;
	struct vfs_look l;

	if (err) {
		exchange_error(&in->x, err, why);
		return;
	}
	vfs_file_look(in->file, &l);
	str_copy(t->id, sizeof(t->id), l.id);
	tus_receive(t);
}

/* Uppy and others send folders as a path of its own. */
static bool
name_file(const struct client *c, const struct http_path *folder,
	  struct http_path *out)
{
	const char *field = http_head_get(&c->head, "upload-metadata");
	char name[JOURNAL_PATH_MAX + 1];

	if (!tus_metadata_valid(field))
		return false;
	if ((!tus_metadata(field, "relativePath", name, sizeof(name)) ||
	     *name == '\0' || strcmp(name, "null") == 0) &&
	    !tus_metadata(field, "filename", name, sizeof(name)) &&
	    !tus_metadata(field, "name", name, sizeof(name)))
		return false;
	return http_path_join(out, folder->text, name);
}

static bool
length_given(const struct client *c, struct tus *t)
{
	const char *defer = http_head_get(&c->head, "upload-defer-length");

	if (!number_field(c, "upload-length", &t->has_length, &t->length))
		return false;
	return t->has_length ? !defer : defer && strcmp(defer, "1") == 0;
}

/* NULL: all is well. */
static const char *
create_fault(struct tus *t, const struct http_path *folder, int *status)
{
	struct client *c = t->in.x.c;

	*status = 400;
	if (!name_file(c, folder, &t->in.x.path))
		return "Upload-Metadata: expected a filename in base64.";
	if (!length_given(c, t))
		return "Expected Upload-Length, or Upload-Defer-Length: 1.";
	*status = 501;
	if (http_head_get(&c->head, "upload-concat"))
		return "Concatenation is not offered.";
	*status = 415;
	if (has_body(c) && !is_octets(c))
		return "Expected application/offset+octet-stream.";
	return NULL;
}

void
handle_tus_create(struct client *c, const struct http_path *path)
{
	struct vfs_open o = { .flags = VFS_WRITE | VFS_CREAT | VFS_TRUNC };
	struct tus *t = exchange_new(c, &tus_body_ops, sizeof(*t));
	const char *fault;
	int status;

	fault = create_fault(t, path, &status);
	if (fault) {
		exchange_problem(&t->in.x, status, fault);
		return;
	}
	if (!tus_stage_begin(t))
		return;
	t->creates = true;
	t->declared = t->has_length;
	t->total = t->length;
	if (t->declared) {
		o.attrs.set = VFS_SET_SIZE;
		o.attrs.size = t->total;
	}
	intake_open(&t->in, &o, created);
}

/* PATCH. */

static void
ended_looked(void *arg, enum err err, const char *why, const struct vfs_look *l)
{
	struct tus *t = arg;

	if (err)
		exchange_error(&t->in.x, err, why);
	else if (*t->id && strcmp(l->id, t->id) == 0)
		exchange_problem(&t->in.x, 409, "Ask for the offset again.");
	else
		exchange_problem(&t->in.x, 404, "There is no such upload.");
}

/* Not the upload that was meant: perhaps that one is published by now. */
static void
unused(struct intake *in, enum err err, const char *why)
{
	(void)err, (void)why;
	vfs_look(in->x.c->session, in->x.path.text, ended_looked, in);
}

static void
misplaced(struct intake *in, enum err err, const char *why)
{
	(void)err, (void)why;
	exchange_problem(&in->x, 409,
			 "The upload does not go on at that offset.");
}

static void
patch_opened(struct intake *in, enum err err, const char *why)
{
	struct tus *t = (struct tus *)in;
	struct vfs_look l;

	if (err == ERR_NOT_FOUND) {
		unused(in, err, why);
		return;
	}
	if (err) {
		exchange_error(&in->x, err, why);
		return;
	}
	vfs_file_look(in->file, &l);
	if (!*l.id || (*t->id && strcmp(l.id, t->id) != 0)) {
		intake_close(in, VFS_BROKEN, unused);
		return;
	}
	if (l.size != t->offset || (l.declared && l.size > l.total)) {
		intake_close(in, VFS_BROKEN, misplaced);
		return;
	}
	in->off = l.size;
	t->declared = l.declared;
	t->total = l.total;
	tus_receive(t);
}

static void
patch_open(struct tus *t)
{
	struct vfs_open o = { .flags = VFS_WRITE };

	if (t->has_length) {
		o.attrs.set = VFS_SET_SIZE;
		o.attrs.size = t->length;
	}
	intake_open(&t->in, &o, patch_opened);
}

/* A length that was deferred is said once, and then holds. */
static void
length_looked(void *arg, enum err err, const char *why,
	      const struct vfs_look *l)
{
	struct tus *t = arg;

	if (err || !l->in_flight || (*t->id && strcmp(t->id, l->id) != 0)) {
		ended_looked(t, err, why, l);
	} else if ((l->declared && l->total != t->length) ||
		   l->size > t->length) {
		exchange_problem(&t->in.x, 400,
				 "Upload-Length is not what it was.");
	} else {
		patch_open(t);
	}
}

static const char *
patch_fault(struct tus *t, int *status)
{
	struct client *c = t->in.x.c;
	bool has;

	*status = 415;
	if (!is_octets(c))
		return "Expected application/offset+octet-stream.";
	*status = 400;
	if (!number_field(c, "upload-offset", &has, &t->offset) || !has)
		return "Expected Upload-Offset.";
	if (!number_field(c, "upload-length", &t->has_length, &t->length))
		return "Upload-Length is not a number.";
	return NULL;
}

void
handle_tus_patch(struct client *c, const struct http_path *path)
{
	char id[ID_LEN + 1];
	const char *fault;
	struct tus *t;
	int status;

	if (!tus_id(c, id))
		return;
	t = exchange_new(c, &tus_body_ops, sizeof(*t));
	t->in.x.path = *path;
	str_copy(t->id, sizeof(t->id), id);
	fault = patch_fault(t, &status);
	if (fault)
		exchange_problem(&t->in.x, status, fault);
	else if (!tus_stage_begin(t))
		return;
	else if (t->has_length)
		vfs_look(c->session, t->in.x.path.text, length_looked, t);
	else
		patch_open(t);
}
