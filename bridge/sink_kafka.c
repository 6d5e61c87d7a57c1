/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivers events to a Kafka topic: CloudEvents 1.0 (Kafka Protocol Binding),
 * by an idempotent producer with acks=all. An event is delivered when its
 * delivery report says so, and not before. A broker refuses a batch as a whole
 * for what one record of it is: such records are sent again, each alone, before
 * one of them is called refused. What else goes wrong concerns all events:
 * nobody is there, unless others have got through meanwhile.
 */
#include "bridge/sink_kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PART "sink"

struct kafka {
	struct sink_base base;
	struct kafka_settings settings;
	char *section;
	struct loop *loop;
	struct kafka_producer *batched;
	struct kafka_producer *single; /* made when it is needed */
	struct sink_env env;
	struct record *sent; /* reports are to come */
	struct record *done; /* completions are to be called */
	struct loop_call kick;
	bool kicked, running, closed;
	uint64_t delivered_at; /* clock_ms(); 0: never */
};

struct record {
	sink_done_fn *fn;
	void *arg;
	uint64_t sent_at;
	bool alone; /* it is sent for the second time */
	enum sink_outcome outcome;
	char reason[SINK_REASON_MAX];
	struct record *prev, *next;
};

/* Completions: from the loop, when no producer is being polled. */

static void
destroy(struct kafka *k)
{
	free(k->section);
	free(k);
}

static void
run_done(void *arg)
{
	struct kafka *k = arg;
	struct record *r;

	k->running = true;
	while (!k->closed && (r = k->done)) {
		struct sink_result res = { .outcome = r->outcome,
					   .reason = r->reason };

		DL_DELETE(k->done, r);
		r->fn(r->arg, &res);
		free(r);
	}
	k->running = false;
	if (k->closed && !k->kicked)
		destroy(k);
}

static void
on_kick(void *arg)
{
	struct kafka *k = arg;

	k->kicked = false;
	run_done(k);
}

static void
finish(struct kafka *k, struct record *r, enum sink_outcome outcome,
       const char *why)
{
	r->outcome = outcome;
	str_copy(r->reason, sizeof(r->reason), why);
	DL_APPEND(k->done, r);
}

/* For what fails inside sink_send(). */
static void
finish_later(struct kafka *k, struct record *r, enum sink_outcome outcome,
	     const char *why)
{
	finish(k, r, outcome, why);
	if (!k->kicked)
		loop_post(k->loop, &k->kick);
	k->kicked = true;
}

/* Reports. */

/* The broker dislikes what a batch holds. */
static bool
is_about_content(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
	       err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
	       err == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static enum sink_outcome
outcome_of(const struct kafka *k, const struct record *r,
	   rd_kafka_resp_err_t err)
{
	if (!err)
		return SINK_DELIVERED;
	if (is_about_content(err))
		return SINK_REFUSED;
	/* One partition may be without a leader. */
	return k->delivered_at > r->sent_at ? SINK_RETRY : SINK_DOWN;
}

static void on_report(void *arg, const struct kafka_report *p);

static struct kafka_producer *
producer_new(struct kafka *k, bool single)
{
	const struct kafka_producer_config cfg = {
		.env = &k->env,
		.name = k->section,
		.conf = k->settings.conf,
		.single = single,
		.report = on_report,
		.polled = run_done,
		.arg = k,
	};

	return kafka_producer_new(&cfg);
}

/* False: it could not be sent again. */
static bool
send_alone(struct kafka *k, struct record *r, const rd_kafka_message_t *m)
{
	rd_kafka_headers_t *headers = NULL;
	const char *why;

	if (!k->single) {
		log_warn(PART, NULL, "kafka_batch_refused",
			 KV_S("sink", k->section),
			 KV_S("why", rd_kafka_err2str(m->err)),
			 KV_S("hint", "see kafka.batch.size"));
		k->single = producer_new(k, true);
	}
	/* The message is the report's only for this call. */
	rd_kafka_message_detach_headers((rd_kafka_message_t *)m, &headers);
	r->alone = true;
	if (!kafka_produce(k->single, m, k->settings.topic, headers, &why))
		return true;
	if (headers)
		rd_kafka_headers_destroy(headers);
	return false;
}

static void
on_report(void *arg, const struct kafka_report *p)
{
	struct kafka *k = arg;
	struct record *r = p->message;

	if (!p->err)
		k->delivered_at = clock_ms();
	if (r->fn && is_about_content(p->err) && !r->alone &&
	    send_alone(k, r, p->record))
		return;
	DL_DELETE(k->sent, r);
	if (r->fn)
		finish(k, r, outcome_of(k, r, p->err), p->why);
	else
		free(r);
}

/* Sending. */

static void
add_header(rd_kafka_headers_t *h, const char *name, const char *value)
{
	if (value && *value)
		rd_kafka_header_add(h, name, -1, value, -1);
}

static rd_kafka_headers_t *
headers_of(const struct kafka *k, const struct sink_event *e)
{
	rd_kafka_headers_t *h = rd_kafka_headers_new(SINK_ATTRIBUTES + 1);
	struct sink_attribute all[SINK_ATTRIBUTES];
	char name[32];

	if (!k->settings.binary) {
		add_header(h, "content-type", SINK_CLOUDEVENTS);
		return h;
	}
	add_header(h, "content-type", "application/json");
	sink_attributes(e, all);
	for (int i = 0; i < SINK_ATTRIBUTES; i++) {
		snprintf(name, sizeof(name), "ce_%s", all[i].name);
		add_header(h, name, all[i].value);
	}
	return h;
}

/* The event as a record; what the copy of librdkafka takes is not changed. */
static rd_kafka_message_t
message_of(const struct kafka *k, const struct sink_event *e)
{
	const char *key =
		k->settings.by_partitionkey ? e->partitionkey : e->subject;
	bool binary = k->settings.binary;

	return (rd_kafka_message_t){
		.payload = (void *)(binary ? e->data : e->json),
		.len = binary ? e->data_len : e->json_len,
		.key = (void *)key,
		.key_len = key ? strlen(key) : 0,
	};
}

static void
kafka_send(struct sink *s, const struct sink_event *e, sink_done_fn *fn,
	   void *arg)
{
	struct kafka *k = (struct kafka *)s;
	rd_kafka_message_t m = message_of(k, e);
	rd_kafka_headers_t *headers = headers_of(k, e);
	struct record *r = mem_alloc(sizeof(*r));
	rd_kafka_resp_err_t err;
	const char *why;

	r->fn = fn;
	r->arg = arg;
	r->sent_at = clock_ms();
	m._private = r;
	err = kafka_produce(k->batched, &m, k->settings.topic, headers, &why);
	if (!err) {
		DL_APPEND(k->sent, r);
		return;
	}
	rd_kafka_headers_destroy(headers);
	finish_later(k, r, is_about_content(err) ? SINK_REFUSED : SINK_DOWN,
		     why);
}

/* What librdkafka has comes back some day, and is nobody's then. */
static void
kafka_forget(struct sink *s, void *arg)
{
	struct kafka *k = (struct kafka *)s;
	struct record *r, *next;

	DL_FOREACH (k->sent, r) {
		if (r->arg == arg)
			r->fn = NULL;
	}
	DL_FOREACH_SAFE (k->done, r, next) {
		if (r->arg != arg)
			continue;
		DL_DELETE(k->done, r);
		free(r);
	}
}

static void
drop_all(struct record **list)
{
	struct record *r, *next;

	DL_FOREACH_SAFE (*list, r, next)
		free(r);
	*list = NULL;
}

static void
kafka_close(struct sink *s)
{
	struct kafka *k = (struct kafka *)s;

	kafka_producer_free(k->batched);
	kafka_producer_free(k->single);
	drop_all(&k->sent);
	drop_all(&k->done);
	kafka_settings_free(&k->settings);
	k->closed = true;
	if (!k->kicked && !k->running)
		destroy(k);
}

static enum err
kafka_open(struct sink **out, struct conf *conf, const char *section,
	   const struct sink_env *env)
{
	struct sink_conf f = { .conf = conf, .section = section };
	struct kafka *k = mem_alloc(sizeof(*k));
	bool good = kafka_settings_read(&k->settings, &f);

	*out = NULL;
	k->base.ops = &sink_kafka;
	k->base.concurrency = k->settings.concurrency;
	k->section = mem_strdup(section);
	k->env = *env;
	k->loop = env->loop;
	k->kick.fn = on_kick;
	k->kick.arg = k;
	if (good && env->loop) {
		k->batched = producer_new(k, false);
		*out = (struct sink *)k;
	} else {
		kafka_close((struct sink *)k);
	}
	return good ? ERR_OK : ERR_INVALID;
}

const struct sink_ops sink_kafka = {
	.type = "kafka",
	.open = kafka_open,
	.send = kafka_send,
	.forget = kafka_forget,
	.close = kafka_close,
};
