/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/s3_xml.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/s3_xml_reader.h"
#include "bridge/store_ops.h"
#include "lib/mem.h"

#define PATH_MAX_BYTES 256
#define NUMBER_DIGITS 19

struct reader {
	XML_Parser parser;
	const char *root;
	s3_xml_value_fn *fn;
	void *arg;
	struct s3_error *error;
	bool is_error; /* the root is <Error> */
	bool refused;
	unsigned depth;
	char path[PATH_MAX_BYTES]; /* of the element inside the root */
	size_t text_len;
	char text[S3_XML_TEXT + 1];
};

static void
refuse(struct reader *r)
{
	r->refused = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static void
enter_root(struct reader *r, const char *name)
{
	r->is_error = strcmp(name, "Error") == 0;
	if (!r->is_error && strcmp(name, r->root) != 0)
		refuse(r);
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = arg;

	(void)attributes;
	r->text_len = 0;
	if (r->depth++ == 0) {
		enter_root(r, name);
		return;
	}
	if (r->depth > S3_XML_DEPTH ||
	    (r->path[0] && str_printf(r->path, sizeof(r->path), "/") < 0) ||
	    str_printf(r->path, sizeof(r->path), "%s", name) < 0)
		refuse(r);
}

static void
on_text(void *arg, const XML_Char *s, int n)
{
	struct reader *r = arg;

	if ((size_t)n > S3_XML_TEXT - r->text_len) {
		refuse(r);
		return;
	}
	memcpy(r->text + r->text_len, s, (size_t)n);
	r->text_len += (size_t)n;
}

static void
on_error_value(struct s3_error *e, const char *path, const char *text)
{
	if (strcmp(path, "Code") == 0)
		str_copy(e->code, sizeof(e->code), text);
	else if (strcmp(path, "Message") == 0)
		str_copy(e->message, sizeof(e->message), text);
}

static void
on_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;
	char *slash;

	(void)name;
	if (--r->depth == 0)
		return;
	r->text[r->text_len] = '\0';
	if (r->is_error)
		on_error_value(r->error, r->path, r->text);
	else if (!r->fn(r->arg, r->path, r->text))
		refuse(r);
	r->text_len = 0;
	slash = strrchr(r->path, '/');
	*(slash ? slash : r->path) = '\0';
}

/* Entities that multiply need a document type; S3 never sends one. */
static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
	   const XML_Char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	refuse(arg);
}

static size_t
leading_space(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && strchr(" \t\r\n", s[i]) && s[i])
		i++;
	return i;
}

enum s3_xml
s3_xml_read(const void *xml, size_t n, const char *root, s3_xml_value_fn *fn,
	    void *arg, struct s3_error *e)
{
	struct reader r = { .root = root, .fn = fn, .arg = arg, .error = e };
	size_t skip = leading_space(xml, n);
	enum XML_Status status;

	memset(e, 0, sizeof(*e));
	if (n - skip > INT32_MAX)
		return S3_XML_BAD;
	r.parser = XML_ParserCreate("UTF-8");
	if (!r.parser)
		abort();
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	status = XML_Parse(r.parser, (const char *)xml + skip, (int)(n - skip),
			   XML_TRUE);
	XML_ParserFree(r.parser);
	if (status != XML_STATUS_OK || r.refused)
		return S3_XML_BAD;
	return r.is_error ? S3_XML_ERROR : S3_XML_OK;
}

static bool
ignore_value(void *arg, const char *path, const char *text)
{
	(void)arg;
	(void)path;
	(void)text;
	return true;
}

void
s3_xml_error(const void *xml, size_t n, struct s3_error *e)
{
	if (s3_xml_read(xml, n, "Error", ignore_value, NULL, e) != S3_XML_ERROR)
		memset(e, 0, sizeof(*e));
}

/* One wanted value, copied when its path comes by. */
struct wanted {
	const char *path;
	char *out;
	size_t size;
	bool found;
};

static bool
on_wanted(void *arg, const char *path, const char *text)
{
	struct wanted *w = arg;

	if (strcmp(path, w->path) != 0)
		return true;
	w->found = true;
	return str_copy(w->out, w->size, text) == 0;
}

enum s3_xml
s3_xml_initiate(const void *xml, size_t n, struct s3_error *e,
		char id[STORE_BACKEND_ID_MAX + 1])
{
	struct wanted w = { .path = "UploadId",
			    .out = id,
			    .size = STORE_BACKEND_ID_MAX + 1 };
	enum s3_xml res;

	id[0] = '\0';
	res = s3_xml_read(xml, n, "InitiateMultipartUploadResult", on_wanted,
			  &w, e);
	if (res == S3_XML_OK && id[0] == '\0')
		return S3_XML_BAD;
	return res;
}

static bool
on_made(void *arg, const char *path, const char *text)
{
	struct s3_made *made = arg;

	if (strcmp(path, "ETag") == 0) {
		made->blank = *text == '\0';
		return made->blank || store_etag(text, made->etag);
	}
	if (strcmp(path, "ChecksumCRC32C") == 0)
		str_copy(made->sum, sizeof(made->sum), text);
	return true;
}

enum s3_xml
s3_xml_made(const void *xml, size_t n, const char *root, struct s3_error *e,
	    struct s3_made *out)
{
	enum s3_xml res;

	memset(out, 0, sizeof(*out));
	res = s3_xml_read(xml, n, root, on_made, out, e);
	if (res == S3_XML_OK && out->etag[0] == '\0' &&
	    (!out->blank || strcmp(root, S3_COMPLETED) != 0))
		return S3_XML_BAD;
	return res;
}

bool
s3_xml_number(const char *text, uint64_t max, uint64_t *out)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > NUMBER_DIGITS || text[n] != '\0')
		return false;
	*out = strtoull(text, NULL, 10);
	return *out <= max;
}

bool
s3_xml_bool(const char *text)
{
	return strcmp(text, "true") == 0;
}
