/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivers events by POST: CloudEvents 1.0 (HTTP Protocol Binding), signed
 * after Standard Webhooks. A status of 2xx is a delivery, whatever becomes of
 * the answer's body; 410 ends all; 413 ends the event; anything else is to be
 * repeated, also what says that the receiver is configured wrongly, for that
 * gets mended. doc/events.md tells receivers what they need to know.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "bridge/http.h"
#include "bridge/sink_drivers.h"
#include "bridge/webhook_sign.h"
#include "lib/mem.h"

#define CONCURRENCY 8
#define CONCURRENCY_MAX 64
#define TIMEOUT_MS 20000
#define TIMEOUT_MAX_MS (5 * 60 * 1000)
#define CONNECT_TIMEOUT_MS 10000
#define REPLY_MAX (64u << 10) /* bytes of an answer that are read */
#define RETRY_AFTER_MAX_MS (24 * 3600000u) /* that a receiver may ask for */
#define URL_MAX 2000
#define KEYS_MAX 2
#define HEADERS_MAX (SINK_ATTRIBUTES + 6)
#define HEADER_MAX (16u << 10) /* bytes of one */

struct webhook {
	struct sink_base base;
	struct http_host *host;
	char *url;
	char *authorization; /* a header's whole line, or NULL */
	struct webhook_key keys[KEYS_MAX];
	unsigned nkeys;
	bool binary;
	struct delivery *all;
};

struct delivery {
	struct webhook *webhook;
	sink_done_fn *fn;
	void *arg;
	struct http_request *request;
	char *text; /* "id.timestamp.body" */
	struct delivery *prev, *next;
};

/* Settings. */

static bool
url_is_good(const char *text)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *user = NULL, *fragment = NULL;
	bool good;

	if (!u)
		abort();
	good = strlen(text) <= URL_MAX &&
	       curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK &&
	       curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	       (!strcmp(scheme, "https") || !strcmp(scheme, "http")) &&
	       curl_url_get(u, CURLUPART_USER, &user, 0) != CURLUE_OK &&
	       curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0) != CURLUE_OK;
	curl_free(scheme);
	curl_free(user);
	curl_free(fragment);
	curl_url_cleanup(u);
	return good;
}

static void
read_key(struct webhook *w, struct sink_conf *f, const char *key)
{
	const char *secret = conf_str(f->conf, f->section, key, "");

	if (!*secret)
		return;
	if (webhook_key_read(&w->keys[w->nkeys], secret))
		w->nkeys++;
	else
		sink_conf_expected(f, key, WEBHOOK_SECRET);
}

/* The value of a header: no bytes that would end it. */
static void
read_authorization(struct webhook *w, struct sink_conf *f)
{
	const char *v = conf_str(f->conf, f->section, "authorization", "");

	for (const char *p = v; *p; p++) {
		if (*p >= ' ' && *p <= '~')
			continue;
		sink_conf_expected(f, "authorization", "printable ASCII");
		return;
	}
	if (*v)
		w->authorization = mem_printf("Authorization: %s", v);
}

static struct http_host *
read_host(struct webhook *w, struct sink_conf *f, struct http *http)
{
	unsigned timeout =
		sink_conf_time(f, "timeout", TIMEOUT_MS, TIMEOUT_MAX_MS);
	struct http_host_config cfg = {
		.url = w->url,
		.verify_tls =
			conf_bool(f->conf, f->section, "verify_tls", true),
		.ca_file = conf_str(f->conf, f->section, "ca_file", NULL),
		.connections = w->base.concurrency,
		.connect_timeout_ms = timeout < CONNECT_TIMEOUT_MS
					      ? timeout
					      : CONNECT_TIMEOUT_MS,
		.stall_timeout_ms = timeout,
		.stall_bytes = 1,
		.total_timeout_ms = timeout,
		.only_public =
			!conf_bool(f->conf, f->section, "allow_private", false),
	};

	if (cfg.ca_file && access(cfg.ca_file, R_OK) != 0)
		sink_conf_expected(f, "ca_file", "a file that can be read");
	return http && !f->bad ? http_host_new(http, &cfg) : NULL;
}

static void webhook_close(struct sink *s);

static enum err
webhook_open(struct sink **out, struct conf *conf, const char *section,
	     const struct sink_env *env)
{
	struct sink_conf f = { .conf = conf, .section = section };
	struct webhook *w = mem_alloc(sizeof(*w));

	*out = NULL;
	w->base.ops = &sink_webhook;
	w->base.concurrency =
		sink_conf_concurrency(&f, CONCURRENCY, CONCURRENCY_MAX);
	w->url = mem_strdup(sink_conf_need(&f, "url"));
	/* A URL may hold a secret: it is not shown. */
	if (!f.bad && !url_is_good(w->url))
		sink_conf_expected(&f, "url",
				   "http[s]://host[:port]/path, at most 2000 "
				   "bytes, without a user or a fragment");
	sink_conf_need(&f, "secret");
	read_key(w, &f, "secret");
	read_key(w, &f, "secret_old");
	read_authorization(w, &f);
	w->binary = sink_conf_binary(&f, false);
	w->host = read_host(w, &f, env->loop ? env->http : NULL);
	if (w->host)
		*out = (struct sink *)w;
	else
		webhook_close((struct sink *)w);
	return f.bad ? ERR_INVALID : ERR_OK;
}

/* What was answered. */

static void
delivery_free(struct delivery *d)
{
	DL_DELETE(d->webhook->all, d);
	free(d->text);
	free(d);
}

static enum sink_outcome
outcome_of_status(unsigned status)
{
	if (status >= 200 && status < 300)
		return SINK_DELIVERED;
	if (status == 410)
		return SINK_GONE;
	return status == 413 ? SINK_REFUSED : SINK_RETRY;
}

/* Of a reply that did not come as a whole, its head may still have. */
static enum sink_outcome
outcome_of(const struct http_reply *r)
{
	if (r->answered)
		return outcome_of_status(r->status);
	if (r->end == HTTP_CONNECT || r->end == HTTP_TLS)
		return SINK_DOWN;
	return SINK_RETRY;
}

static void
tell_reason(const struct http_reply *r, char dst[SINK_REASON_MAX])
{
	bool redirect = r->status >= 300 && r->status < 400;

	if (r->answered)
		snprintf(dst, SINK_REASON_MAX, "HTTP status %u%s", r->status,
			 redirect ? "; redirects are not followed" : "");
	else if (r->end == HTTP_DONE)
		snprintf(dst, SINK_REASON_MAX, "no HTTP answer");
	else
		snprintf(dst, SINK_REASON_MAX, "%s%s", r->why,
			 r->end == HTTP_TLS ? " (TLS)" : "");
}

static void
on_reply(void *arg, const struct http_reply *r)
{
	struct delivery *d = arg;
	char reason[SINK_REASON_MAX] = "";
	struct sink_result res = { .outcome = outcome_of(r), .reason = reason };
	sink_done_fn *fn = d->fn;
	void *fn_arg = d->arg;

	if (res.outcome != SINK_DELIVERED)
		tell_reason(r, reason);
	if (res.outcome == SINK_RETRY && r->answered)
		res.retry_after_ms =
			http_reply_retry_after(r, RETRY_AFTER_MAX_MS);
	delivery_free(d);
	fn(fn_arg, &res);
}

/* What is sent. */

struct headers {
	struct buf lines[HEADERS_MAX];
	const char *list[HEADERS_MAX + 1];
	unsigned n;
};

static struct buf *
header_begin(struct headers *h, const char *prefix, const char *name)
{
	struct buf *b = &h->lines[h->n++];

	buf_init(b, HEADER_MAX);
	buf_add_text(b, prefix);
	buf_add_text(b, name);
	buf_add_text(b, ": ");
	return b;
}

/*
 * As the HTTP Protocol Binding of CloudEvents has it (section 3.1.3.2): what is
 * not printable ASCII, the space, '"' and '%' are percent-encoded.
 */
static void
header_encode(struct buf *b, const char *value)
{
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (*p > ' ' && *p <= '~' && *p != '"' && *p != '%')
			buf_add_u8(b, *p);
		else
			buf_printf(b, "%%%02X", *p);
	}
}

static void
add_attributes(struct headers *h, const struct sink_event *e)
{
	struct sink_attribute all[SINK_ATTRIBUTES];

	sink_attributes(e, all);
	for (int i = 0; i < SINK_ATTRIBUTES; i++)
		if (all[i].value && *all[i].value)
			header_encode(header_begin(h, "ce-", all[i].name),
				      all[i].value);
}

static void
add_signature(struct headers *h, const struct webhook *w, const char *text,
	      size_t n)
{
	struct buf *b = header_begin(h, "webhook-", "signature");

	for (unsigned i = 0; i < w->nkeys; i++) {
		if (i)
			buf_add_text(b, " ");
		webhook_sign(&w->keys[i], text, n, b);
	}
}

static void
headers_end(struct headers *h, const struct webhook *w)
{
	unsigned i;

	for (i = 0; i < h->n; i++)
		h->list[i] = buf_cstr(&h->lines[i]);
	if (w->authorization)
		h->list[i++] = w->authorization;
	h->list[i] = NULL;
}

static void
headers_free(struct headers *h)
{
	for (unsigned i = 0; i < h->n; i++)
		buf_free(&h->lines[i]);
}

static void
post(struct delivery *d, const struct sink_event *e)
{
	struct webhook *w = d->webhook;
	const char *body = w->binary ? e->data : e->json;
	size_t len = w->binary ? e->data_len : e->json_len;
	char *front = mem_printf("%s.%lld.", e->id, (long long)time(NULL));
	size_t n = strlen(front), id_len = strlen(e->id);
	struct headers h = { .n = 0 };
	struct http_call call = {
		.method = "POST",
		.url = w->url,
		.headers = h.list,
		.has_body = true,
		.len = len,
		.reply_max = REPLY_MAX,
		.discard = true,
	};

	d->text = mem_alloc(n + len + 1);
	memcpy(d->text, front, n);
	memcpy(d->text + n, body, len);
	call.data = d->text + n;
	buf_add_text(header_begin(&h, "content-", "type"),
		     w->binary ? "application/json" : SINK_CLOUDEVENTS);
	if (w->binary)
		add_attributes(&h, e);
	buf_add_text(header_begin(&h, "webhook-", "id"), e->id);
	front[n - 1] = '\0';
	buf_add_text(header_begin(&h, "webhook-", "timestamp"),
		     front + id_len + 1);
	add_signature(&h, w, d->text, n + len);
	headers_end(&h, w);
	d->request = http_send(w->host, &call, on_reply, d);
	headers_free(&h);
	free(front);
}

static void
webhook_send(struct sink *s, const struct sink_event *e, sink_done_fn *fn,
	     void *arg)
{
	struct webhook *w = (struct webhook *)s;
	struct delivery *d = mem_alloc(sizeof(*d));

	d->webhook = w;
	d->fn = fn;
	d->arg = arg;
	DL_APPEND(w->all, d);
	post(d, e);
}

static void
give_up(struct delivery *d)
{
	http_cancel(d->request);
	delivery_free(d);
}

static void
webhook_forget(struct sink *s, void *arg)
{
	struct webhook *w = (struct webhook *)s;
	struct delivery *d, *next;

	DL_FOREACH_SAFE (w->all, d, next) {
		if (d->arg == arg)
			give_up(d);
	}
}

static void
webhook_close(struct sink *s)
{
	struct webhook *w = (struct webhook *)s;

	while (w->all)
		give_up(w->all);
	http_host_free(w->host);
	free(w->url);
	mem_wipe_free(w->authorization);
	mem_wipe(w->keys, sizeof(w->keys));
	free(w);
}

const struct sink_ops sink_webhook = {
	.type = "webhook",
	.open = webhook_open,
	.send = webhook_send,
	.forget = webhook_forget,
	.close = webhook_close,
};
