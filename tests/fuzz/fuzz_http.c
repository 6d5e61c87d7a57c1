/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client sends over an HTTP connection: heads and the bodies behind
 * them, with what is read out of their fields.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "httpd/chunk.h"
#include "httpd/cond.h"
#include "httpd/head.h"
#include "httpd/tus_field.h"
#include "httpd/uri.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_fields(const struct http_head *h)
{
	size_t i;
	const char *p;

	assert(h->nfields <= HTTP_FIELDS_MAX);
	for (i = 0; i < h->nfields; i++) {
		assert(*h->fields[i].name);
		for (p = h->fields[i].name; *p; p++)
			assert(*p > ' ' && !(*p >= 'A' && *p <= 'Z'));
		assert(!strpbrk(h->fields[i].value, "\r\n"));
	}
	assert(h->body == HTTP_BODY_LENGTH || h->length == 0);
	assert(h->length <= INT64_MAX);
}

static void
check_target(const struct http_head *h)
{
	struct http_path path;
	char value[64];
	struct buf b;

	assert(strlen(h->target) <= HTTP_TARGET_MAX);
	(void)http_query(h->target, "upload", value, sizeof(value));
	if (!http_path(h->target, "/files/", &path) || !path.valid)
		return;
	assert(path.text[0] == '/' && !strstr(path.text, "//"));
	assert(strcmp(path.text, "/..") != 0 && !strstr(path.text, "/../"));
	/* It comes back as it is when it is written and read again. */
	buf_init(&b, 4 * JOURNAL_PATH_MAX);
	buf_add_text(&b, "/files");
	http_path_add(&b, path.text);
	{
		struct http_path again;

		assert(http_path(buf_cstr(&b), "/files/", &again));
		assert(again.valid && strcmp(again.text, path.text) == 0);
	}
	buf_free(&b);
}

static void
check_conditions(const struct http_head *h)
{
	struct http_subject s = { true, "e1", 784111777 };
	uint64_t first, last;
	int status = http_conditions(h, &s);

	assert(status == 0 || status == 304 || status == 412);
	status = http_range(h, &s, 100, &first, &last);
	if (status != 416)
		assert(first <= last && last < 100);
}

static void
check_tus(const struct http_head *h)
{
	const char *field = http_head_get(h, "upload-metadata");
	const char *sum = http_head_get(h, "upload-checksum");
	struct http_path path;
	struct tus_checksum out;
	char name[256];

	(void)tus_metadata_valid(field);
	if (tus_metadata(field, "filename", name, sizeof(name))) {
		assert(strlen(name) < sizeof(name));
		if (http_path_join(&path, "/folder/", name))
			assert(!strstr(path.text, "/../"));
	}
	if (sum && tus_checksum(sum, &out))
		assert(out.len > 0 && out.len <= TUS_DIGEST_MAX);
}

/* The same bytes in one piece and one by one are the same body. */
static size_t
chunks(const unsigned char *p, size_t n, size_t step, uint64_t *body, bool *bad)
{
	struct http_chunk c;
	size_t off = 0, used, len, piece;
	enum http_chunk_status s;

	http_chunk_init(&c);
	*body = 0;
	*bad = false;
	while (off < n) {
		piece = n - off < step ? n - off : step;
		s = http_chunk_next(&c, p + off, piece, &used, &len);
		if (s == HTTP_CHUNK_BAD) {
			*bad = true;
			return 0;
		}
		assert(used > 0 && used <= piece && len <= used);
		off += used;
		*body += len;
		if (s == HTTP_CHUNK_END)
			return off;
	}
	return off;
}

static size_t
check_chunks(const unsigned char *p, size_t n)
{
	uint64_t whole, single;
	bool bad, bad_single;
	size_t used = chunks(p, n, n + 1, &whole, &bad);
	size_t again = chunks(p, n, 1, &single, &bad_single);

	assert(bad == bad_single && used == again);
	assert(bad || whole == single);
	return bad ? n : used;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t off = 0, n, scan;
	static struct http_head h;
	char *text;
	int status;

	while (off < size) {
		scan = 0;
		n = http_head_find((const char *)data + off, size - off, &scan,
				   &status);
		assert(n == 0 || status == 0);
		if (n == 0)
			break;
		text = mem_alloc(n + 1);
		memcpy(text, data + off, n);
		off += n;
		status = http_head_parse(text, n, &h);
		if (status == 0) {
			check_fields(&h);
			check_target(&h);
			check_conditions(&h);
			check_tus(&h);
			if (h.body == HTTP_BODY_CHUNKED)
				off += check_chunks(data + off, size - off);
			else if (h.length < size - off)
				off += (size_t)h.length;
			else
				off = size;
		}
		free(text);
	}
	return 0;
}
