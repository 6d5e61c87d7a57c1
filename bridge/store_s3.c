/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores in a bucket of an S3 server. Rights needed: GetObject, PutObject,
 * DeleteObject, ListBucket, AbortMultipartUpload, ListMultipartUploadParts and
 * ListBucketMultipartUploads. doc/store.md tells which requests each call
 * makes and what is checked.
 */
#include "bridge/store_s3.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define PART_MIN (5 * MIB)
#define PART_MAX (5 * GIB)
#define PART_DEFAULT (16 * MIB)
#define OBJECT_MAX (S3_PARTS_MAX * PART_MAX) /* 48.8 TiB */

static char *
url_part(CURLU *u, CURLUPart part)
{
	char *v = NULL, *copy;

	if (curl_url_get(u, part, &v, 0) != CURLUE_OK)
		return NULL;
	copy = mem_strdup(v);
	curl_free(v);
	return copy;
}

static bool
url_is_bare(CURLU *u)
{
	char *path = url_part(u, CURLUPART_PATH);
	char *query = url_part(u, CURLUPART_QUERY);
	char *user = url_part(u, CURLUPART_USER);
	bool bare = path && strcmp(path, "/") == 0 && !query && !user;

	free(path);
	free(query);
	free(user);
	return bare;
}

/* "https://name:port" in its parts; the default port is left out, as in Host. */
static bool
split_endpoint(const char *text, bool *https, char **authority)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	bool ok = false;

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, text, 0) != CURLUE_OK ||
	    !url_is_bare(u))
		goto out;
	scheme = url_part(u, CURLUPART_SCHEME);
	host = url_part(u, CURLUPART_HOST);
	port = url_part(u, CURLUPART_PORT);
	*https = strcmp(scheme, "https") == 0;
	if (!*https && strcmp(scheme, "http") != 0)
		goto out;
	if (port && strcmp(port, *https ? "443" : "80") == 0) {
		free(port);
		port = NULL;
	}
	*authority =
		mem_printf("%s%s%s", host, port ? ":" : "", port ? port : "");
	ok = true;
out:
	free(scheme);
	free(host);
	free(port);
	curl_url_cleanup(u);
	return ok;
}

static void
read_address(struct s3 *s, struct store_conf *f)
{
	bool path_style = conf_bool(f->conf, f->section, "path_style", true);
	char *endpoint = store_conf_need(f, "endpoint"), *name = NULL;

	s->bucket = store_conf_need(f, "bucket");
	if (f->bad)
		goto out;
	if (!split_endpoint(endpoint, &s->https, &name)) {
		store_conf_expected(f, "endpoint", "http[s]://host[:port]");
		goto out;
	}
	if (strchr(s->bucket, '/')) {
		store_conf_expected(f, "bucket",
				    "a bucket's name; see also prefix");
		goto out;
	}
	s->authority = path_style ? mem_strdup(name)
				  : mem_printf("%s.%s", s->bucket, name);
	s->root = path_style ? mem_printf("/%s", s->bucket) : mem_strdup("");
	s->url = mem_printf("%s://%s", s->https ? "https" : "http",
			    s->authority);
out:
	free(endpoint);
	free(name);
}

static void
read_credentials(struct s3 *s, struct store_conf *f)
{
	const char *region =
		conf_str(f->conf, f->section, "region", "us-east-1");
	char *access = store_conf_need(f, "access_key");
	char *secret = store_conf_need(f, "secret_key");

	s->session_token = store_conf_optional(f, "session_token", NULL);
	if (access && secret)
		s->signer = sigv4_new(access, secret, region);
	free(access);
	mem_wipe_free(secret);
}

static void
read_objects(struct s3 *s, struct store_conf *f)
{
	static const char *const payloads[] = { "auto", "signed", "unsigned",
						NULL };

	s->payload = (enum s3_payload)conf_choice(
		f->conf, f->section, "payload", payloads, S3_PAYLOAD_AUTO);
	s->sse = store_conf_optional(f, "sse", NULL);
	s->sse_kms_key_id = store_conf_optional(f, "sse_kms_key_id", NULL);
	s->storage_class = store_conf_optional(f, "storage_class", NULL);
	if (s->sse_kms_key_id && (!s->sse || strcmp(s->sse, "aws:kms") != 0))
		store_conf_expected(f, "sse_kms_key_id",
				    "sse = aws:kms beside it");
}

static void
read_limits(struct store *store, struct store_conf *f)
{
	struct store_limits *l = &store->limits;
	struct conf_range copy = { PART_MAX, PART_MIN, PART_MAX };

	*l = (struct store_limits){
		.part_min = PART_MIN,
		.part_max = PART_MAX,
		.part_base = PART_DEFAULT,
		.put_max = PART_MAX,
		.object_max = OBJECT_MAX,
		.parts_max = S3_PARTS_MAX,
	};
	store_conf_parts(f->conf, f->section, l);
	l->copy_max = conf_size(f->conf, f->section, "copy_max", copy);
}

static void
s3_close(struct store *store)
{
	struct s3 *s = store->driver;

	http_host_free(s->host);
	sigv4_free(s->signer);
	free(s->url);
	free(s->authority);
	free(s->root);
	free(s->bucket);
	free(s->prefix);
	mem_wipe_free(s->session_token);
	free(s->sse);
	free(s->sse_kms_key_id);
	free(s->storage_class);
	free(s);
}

static enum err
s3_open(struct store *store, struct conf *conf, const char *section)
{
	struct store_conf f = { .conf = conf, .section = section };
	struct s3 *s = mem_alloc(sizeof(*s));

	s->store = store;
	store->driver = s;
	read_address(s, &f);
	read_credentials(s, &f);
	s->prefix = store_conf_prefix(&f);
	read_objects(s, &f);
	read_limits(store, &f);
	s->host = store_conf_host(&f, store->env.http);
	if (!f.bad)
		return ERR_OK;
	s3_close(store);
	store->driver = NULL;
	return ERR_INVALID;
}

const struct store_ops store_s3 = {
	.kind = "s3",
	.open = s3_open,
	.close = s3_close,
	.needs = s3_needs,
	.start = {
		[STORE_CALL_PROBE] = s3_probe,
		[STORE_CALL_PUT] = s3_put,
		[STORE_CALL_BEGIN] = s3_begin,
		[STORE_CALL_PUT_PART] = s3_put_part,
		[STORE_CALL_COPY_PART] = s3_copy_part,
		[STORE_CALL_LIST_PARTS] = s3_list_parts,
		[STORE_CALL_COMPLETE] = s3_complete,
		[STORE_CALL_ABORT] = s3_abort,
		[STORE_CALL_LIST_UPLOADS] = s3_list_uploads,
		[STORE_CALL_HEAD] = s3_head,
		[STORE_CALL_GET] = s3_get,
		[STORE_CALL_LIST] = s3_list,
		[STORE_CALL_DELETE] = s3_delete,
		[STORE_CALL_COPY] = s3_copy,
		[STORE_CALL_PRESIGN] = s3_presign,
	},
	.cancel = s3_cancel,
};
