/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a server what it checks, on an object of a random name: a PUT with a
 * wrong SHA-256, one with a wrong CRC-32C, a right one, and one on condition
 * that the object is not there. The object is deleted whatever happens.
 *
 * Whoever could not be asked when the process began is asked before the first
 * call that depends on the answer: a multipart upload that was begun with
 * checksums can only be completed with checksums of all its parts.
 */
#include "bridge/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include "lib/crc32c.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"

static const char TEXT[] = "Sluice asks what this server checks.\n";

struct probing {
	s3_known_fn *then;
	char *key;
	struct store_caps caps;
	bool with_crc; /* the server refused a wrong one */
	enum err err;
	const char *why;
};

static void
probing_free(void *state)
{
	struct probing *p = state;

	free(p->key);
	free(p);
}

enum crc { CRC_NONE, CRC_WRONG, CRC_RIGHT };

/*
 * A PUT of the text. Where bodies would go unsigned on the strength of their
 * checksum, they do so here, for a server may refuse just that.
 */
static void
put_text(struct s3_job *j, enum crc crc, bool wrong_sha256)
{
	static const struct store_meta none;
	const struct s3 *s = j->s3;
	uint32_t sum = crc32c(0, TEXT, sizeof(TEXT) - 1);
	struct probing *p = j->state;
	char text[S3_CRC_LEN];

	s3_request(j, "PUT", p->key);
	s3_object_headers(j, &none);
	s3_body_signed(j, TEXT, sizeof(TEXT) - 1);
	if (wrong_sha256)
		memset(j->payload, 'a', 64);
	if (crc == CRC_NONE)
		return;
	if (s->payload == S3_PAYLOAD_AUTO && s->https)
		str_copy(j->payload, sizeof(j->payload), S3_UNSIGNED);
	s3_crc_text(crc == CRC_RIGHT ? sum : ~sum, text);
	s3_header(j, "x-amz-checksum-crc32c", "%s", text);
}

/* 400 or 422 in words; an older server calls it a wrong signature. */
static bool
refused(const struct s3_job *j)
{
	unsigned status = j->reply->status;

	return j->reply->end == HTTP_DONE &&
	       (status == 400 || status == 403 || status == 422);
}

static void
finished(struct s3_job *j, enum err err)
{
	struct probing *p = j->state;
	struct store *s = j->s3->store;
	s3_known_fn *then = p->then;

	if (err == ERR_NOT_FOUND)
		err = ERR_OK; /* deleted before, or never there */
	if (p->err) {
		err = p->err;
		j->why = p->why;
	}
	j->ambiguous = false; /* whatever was to follow was not sent */
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	p->caps.known = true;
	s->caps = p->caps;
	log_info("store", NULL, "probed", KV_S("store", s->name),
		 KV_U("checks_sha256", p->caps.checks_sha256),
		 KV_U("checks_crc32c", p->caps.checks_crc32c),
		 KV_U("if_none_match", p->caps.if_none_match));
	probing_free(p);
	j->state = NULL;
	j->free_state = NULL;
	then(j);
}

static void
clean_up(struct s3_job *j, enum err err)
{
	struct probing *p = j->state;

	p->err = err;
	p->why = err ? j->why : NULL;
	s3_request(j, "DELETE", p->key);
	s3_send(j, finished);
}

/* The object is there now: may it be written on condition that it is not? */
static void
conditional_done(struct s3_job *j, enum err err)
{
	struct probing *p = j->state;

	p->caps.if_none_match = err == ERR_CONFLICT;
	clean_up(j, err == ERR_AGAIN ? err : ERR_OK);
}

static void
right_done(struct s3_job *j, enum err err)
{
	struct probing *p = j->state;

	if (err && p->with_crc && refused(j)) {
		p->with_crc = false; /* right or wrong, it is no use */
		put_text(j, CRC_NONE, false);
		s3_send(j, right_done);
		return;
	}
	if (err) {
		clean_up(j, err);
		return;
	}
	p->caps.checks_crc32c = p->with_crc;
	put_text(j, CRC_NONE, false);
	s3_header(j, "if-none-match", "*");
	s3_send(j, conditional_done);
}

static void
wrong_crc_done(struct s3_job *j, enum err err)
{
	struct probing *p = j->state;

	if (err == ERR_AGAIN) {
		clean_up(j, err);
		return;
	}
	p->with_crc = err && refused(j);
	put_text(j, p->with_crc ? CRC_RIGHT : CRC_NONE, false);
	s3_send(j, right_done);
}

static void
wrong_sha256_done(struct s3_job *j, enum err err)
{
	struct probing *p = j->state;

	if (err == ERR_AGAIN) {
		clean_up(j, err);
		return;
	}
	p->caps.checks_sha256 = err && refused(j);
	put_text(j, CRC_WRONG, false);
	s3_send(j, wrong_crc_done);
}

static void
bucket_seen(struct s3_job *j, enum err err)
{
	if (err && strcmp(j->error.code, "NoSuchBucket") == 0 &&
	    j->call->kind == STORE_CALL_PROBE)
		err = ERR_NOT_FOUND;
	if (err) {
		j->ambiguous = false;
		s3_fail_reply(j, err);
		return;
	}
	put_text(j, CRC_NONE, true);
	s3_send(j, wrong_sha256_done);
}

static void
ask(struct s3_job *j, s3_known_fn *then)
{
	struct probing *p = mem_alloc(sizeof(*p));
	char id[ID_LEN + 1];

	id_new(id);
	p->key = mem_printf(".sluice-probe-%s", id);
	p->then = then;
	j->state = p;
	j->free_state = probing_free;
	s3_request_bucket(j, "GET");
	s3_query_uint(j, "list-type", 2);
	s3_query_uint(j, "max-keys", 1);
	s3_query(j, "prefix", j->s3->prefix);
	s3_send(j, bucket_seen);
}

void
s3_when_known(struct s3_job *j, s3_known_fn *then)
{
	if (j->s3->store->caps.known)
		then(j);
	else
		ask(j, then);
}

static void
probed(struct s3_job *j)
{
	struct store_result res = { .err = ERR_OK, .caps = j->s3->store->caps };

	s3_done(j, &res);
}

void
s3_probe(struct store *s, struct store_call *c)
{
	ask(s3_job_new(s, c), probed);
}
