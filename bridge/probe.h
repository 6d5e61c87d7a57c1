/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds out what a published object is: container, streams, image, MIME type.
 * The bytes are looked at by a child process of its own (program
 * sluice-probe), which has no files and no network and asks for byte ranges;
 * they are fetched here, with the ETag pinned, within a budget of bytes,
 * requests and time. Whatever the child does, it costs that one probe.
 *
 * One struct prober lives as long as the courier's loop. At most `concurrency`
 * children run; other probes wait in the order of their start, so that their
 * caller bounds how many there are.
 */
#ifndef BRIDGE_PROBE_H
#define BRIDGE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/store.h"
#include "lib/conf.h"
#include "lib/loop.h"

#define PROBE_JSON_MAX (256u << 10) /* bytes in a result */
#define PROBE_REASON_MAX 200

/* Section [probe]. */
struct probe_config {
	bool enabled;
	char *program; /* absolute path */
	unsigned concurrency;
	uint64_t read_max;   /* bytes of one object */
	unsigned timeout_ms; /* of one probe, from the child's start */
	unsigned cpu_s;
	uint64_t memory;  /* bytes of address space */
	char *thumbnails; /* prefix of their keys; NULL: none are made */
};

/* Complaints go into conf. */
void probe_config_read(struct conf *conf, struct probe_config *out);
void probe_config_free(struct probe_config *c);

struct prober;
struct probe;

/* cfg is borrowed as long as the prober lives. */
struct prober *prober_new(struct loop *loop, const struct probe_config *cfg);
void prober_free(struct prober *p); /* cancels; NULL is fine */

/* Strings are borrowed until probe_start() returns; store until the end. */
struct probe_object {
	struct store *store;
	const char *key;
	const char *etag; /* without quotes; "" or NULL: any */
	uint64_t size;
};

enum probe_status {
	PROBE_OK,
	PROBE_FAILED,	  /* broken media, or the child crashed, hung ... */
	PROBE_SUPERSEDED, /* the object is another one now, or gone */
	PROBE_UNAVAILABLE /* the store did not answer: worth another try */
};

/* Valid during the call. */
struct probe_result {
	enum probe_status status;
	const char *reason; /* why not PROBE_OK; else "" */
	/*
	 * What data.media of the event and the column of the table hold: a
	 * JSON object, at most PROBE_JSON_MAX bytes, NUL-ended. There for
	 * every status: {"status": "ok" | "failed" | "superseded" |
	 * "unavailable", "reason": ..., ...} (doc/media.md).
	 */
	const char *json;
	size_t len;
	uint64_t bytes;	   /* fetched */
	unsigned requests; /* so many ranges */
	unsigned ms;
};

/* "ok", "failed", ...: as in the JSON text. */
const char *probe_status_name(enum probe_status status);

typedef void probe_done_fn(void *arg, const struct probe_result *r);

/*
 * Completes once, from the loop, never from inside the call and never after
 * probe_cancel(). p, its loop and the store outlive it.
 */
struct probe *probe_start(struct prober *p, const struct probe_object *o,
			  probe_done_fn *fn, void *arg);
void probe_cancel(struct probe *b); /* NULL is fine; kills the child */

unsigned prober_running(const struct prober *p); /* children, also dying */

#endif
