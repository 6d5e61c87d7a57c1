/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/sink_kafka.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define PART "sink"
#define ERROR_MAX 300
#define POLLS_MAX 1000 /* events of librdkafka in one turn of the loop */

struct kafka_producer {
	struct kafka_producer_config cfg;
	struct sink_env env;
	rd_kafka_t *rk; /* NULL: to be made */
	rd_kafka_queue_t *queue;
	struct event *event;
	int fd; /* librdkafka writes to it when it has something to tell */
	unsigned pending; /* records without a report */
	bool fatal;
	char error[ERROR_MAX]; /* the newest that was told */
	char why[2 * ERROR_MAX];
};

/* A producer that nobody uses any more: ending it may take a while. */
struct ending {
	struct work work; /* first */
	rd_kafka_t *rk;
};

static void
ending_run(struct work *w)
{
	struct ending *e = (struct ending *)w;

	rd_kafka_destroy(e->rk);
}

static void
ending_done(struct work *w)
{
	free(w);
}

static void
end_later(struct kafka_producer *p, rd_kafka_t *rk)
{
	struct ending *e = mem_alloc(sizeof(*e));

	e->rk = rk;
	e->work.run = ending_run;
	e->work.done = ending_done;
	work_submit(p->env.pool, &e->work);
}

/* Called while it is polled. */

static void
on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
	struct kafka_producer *p = arg;
	struct kafka_report r = { .message = m->_private,
				  .err = m->err,
				  .record = m,
				  .why = p->why };

	(void)rk;
	p->pending--;
	p->why[0] = '\0';
	if (m->err)
		snprintf(p->why, sizeof(p->why), "%s%s%s",
			 rd_kafka_err2str(m->err), p->error[0] ? "; " : "",
			 p->error);
	else
		p->error[0] = '\0';
	p->cfg.report(p->cfg.arg, &r);
}

static void
on_error(rd_kafka_t *rk, int err, const char *reason, void *arg)
{
	struct kafka_producer *p = arg;

	if (err != RD_KAFKA_RESP_ERR__FATAL) {
		str_copy(p->error, sizeof(p->error), reason);
		return;
	}
	p->fatal = true;
	rd_kafka_fatal_error(rk, p->error, sizeof(p->error));
	log_warn(PART, NULL, "kafka_producer_failed", KV_S("sink", p->cfg.name),
		 KV_S("why", p->error));
}

/* From any thread. What matters reaches reports too. */
static void
on_log(const rd_kafka_t *rk, int level, const char *what, const char *text)
{
	(void)rk;
	(void)level;
	log_debug(PART, NULL, "kafka", KV_S("what", what), KV_S("text", text));
}

/* A life. */

static void
unmake(struct kafka_producer *p, bool now)
{
	rd_kafka_t *rk = p->rk;

	if (!rk)
		return;
	event_free(p->event);
	rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(p->queue);
	close(p->fd);
	rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
				   RD_KAFKA_PURGE_F_NON_BLOCKING);
	if (now || !p->env.pool)
		rd_kafka_destroy(rk);
	else
		end_later(p, rk);
	p->rk = NULL;
	p->pending = 0;
	p->fatal = false;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct kafka_producer *p = arg;
	unsigned left = POLLS_MAX;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0)
		count = 0; /* it was asked again below */
	while (left && rd_kafka_poll(p->rk, 0) > 0)
		left--;
	if (!left)
		event_active(p->event, EV_READ, 0);
	else if (p->fatal && p->pending == 0)
		unmake(p, false);
	p->cfg.polled(p->cfg.arg); /* p may be gone */
}

static void
listen_for_reports(struct kafka_producer *p)
{
	static const uint64_t one = 1;

	p->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->fd < 0)
		abort();
	p->event = event_new(loop_base(p->env.loop), p->fd,
			     EV_READ | EV_PERSIST, on_readable, p);
	if (!p->event || event_add(p->event, NULL) != 0)
		abort();
	p->queue = rd_kafka_queue_get_main(p->rk);
	rd_kafka_queue_io_event_enable(p->queue, p->fd, &one, sizeof(one));
}

/* False, with p->error, when librdkafka does not like its settings. */
static bool
make(struct kafka_producer *p)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(p->cfg.conf);
	char error[ERROR_MAX] = "";

	rd_kafka_conf_set_opaque(conf, p);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_log_cb(conf, on_log);
	if (p->cfg.single)
		rd_kafka_conf_set(conf, "batch.num.messages", "1", NULL, 0);
	p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (p->rk) {
		p->error[0] = '\0';
		listen_for_reports(p);
		return true;
	}
	rd_kafka_conf_destroy(conf);
	/* The outbox asks again and again; once is enough for the log. */
	if (strcmp(error, p->error) != 0)
		log_error(PART, NULL, "kafka_settings",
			  KV_S("sink", p->cfg.name), KV_S("why", error));
	str_copy(p->error, sizeof(p->error), error);
	return false;
}

struct kafka_producer *
kafka_producer_new(const struct kafka_producer_config *cfg)
{
	struct kafka_producer *p = mem_alloc(sizeof(*p));

	p->cfg = *cfg;
	p->env = *cfg->env;
	make(p);
	return p;
}

void
kafka_producer_free(struct kafka_producer *p)
{
	if (!p)
		return;
	unmake(p, true);
	free(p);
}

rd_kafka_resp_err_t
kafka_produce(struct kafka_producer *p, const rd_kafka_message_t *record,
	      const char *topic, rd_kafka_headers_t *headers, const char **why)
{
	rd_kafka_resp_err_t err;

	*why = p->error;
	if (p->fatal || (!p->rk && !make(p)))
		return RD_KAFKA_RESP_ERR__FATAL;
	err = rd_kafka_producev(p->rk, RD_KAFKA_V_TOPIC(topic),
				RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				RD_KAFKA_V_KEY(record->key, record->key_len),
				RD_KAFKA_V_VALUE(record->payload, record->len),
				RD_KAFKA_V_HEADERS(headers),
				RD_KAFKA_V_OPAQUE(record->_private),
				RD_KAFKA_V_END);
	if (err)
		*why = rd_kafka_err2str(err);
	else
		p->pending++;
	return err;
}
