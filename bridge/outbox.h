/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox: carries the journal's events to every sink, at least once, in the
 * order of each key, with a stable id. One struct outbox per courier, on its
 * loop. doc/events.md tells what sinks see, doc/outbox.md how this works.
 */
#ifndef BRIDGE_OUTBOX_H
#define BRIDGE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/journal.h"
#include "bridge/probe.h"
#include "bridge/sink.h"
#include "lib/conf.h"
#include "lib/loop.h"

#define OUTBOX_SINKS_MAX 16
#define OUTBOX_PATTERNS_MAX 32 /* in one filter */

/* Section [sink.NAME]: what is not its driver's. */
struct outbox_sink_config {
	char *name;
	char *section;
	char **users, **paths; /* globs, NULL-ended; empty: all */
	unsigned kinds;	       /* bit per enum outbox_kind */
	uint64_t retry_for_ms; /* then an event is dead: 3 d */
	bool from_start;       /* a new sink gets what is still there */
	bool quiet;	       /* nobody is told of what dies: the prober */
	char digest[65];       /* of the section: tells that it changed */
};

/* Section [events] and the sinks. */
struct outbox_config {
	char *source;	   /* "urn:sluice:<node>" */
	char *type_prefix; /* "io.sluice" */
	bool wait;	   /* published events wait for their probe */
	unsigned wait_ms;  /* so long at most: 60 s */
	uint64_t keep_ms, keep_dead_ms;
	bool url; /* in events of objects that were made */
	int64_t url_ttl_ms;
	struct outbox_sink_config sinks[OUTBOX_SINKS_MAX];
	size_t nsinks;
};

/*
 * Complaints go into conf, those of the drivers too; *out is then incomplete
 * but may be freed. The caller frees *out.
 */
void outbox_config_read(struct conf *conf, const char *node,
			struct outbox_config *out);
void outbox_config_free(struct outbox_config *c);

enum outbox_kind {
	OUTBOX_PUBLISHED,
	OUTBOX_DELETED,
	OUTBOX_RENAMED,
	OUTBOX_PARKED,
	OUTBOX_ABORTED,
	OUTBOX_LOST,
	OUTBOX_UNCLAIMED,
	OUTBOX_KINDS
};
/* "published", "upload.parked": behind the type's prefix. */
const char *outbox_type(enum outbox_kind kind);
/* By the name in the journal; -1: unknown. */
int outbox_kind_of(const char *journal_kind);

/* "*" any text, also with slashes, "?" one byte. */
bool outbox_glob(const char *pattern, const char *text);

/* An event's row made ready for a sink; freed with outbox_event_free(). */
struct outbox_event {
	struct sink_event e; /* points into what follows */
	char *type, *subject, *time, *partitionkey, *data, *json;
	char *id;
	char *user, *path; /* for filters */
	bool made;	   /* it tells of an object that is there */
};

/*
 * media: the probe's JSON text, or NULL. ERR_CORRUPT: the row's body is not
 * what this program writes; the log says so.
 */
enum err outbox_event_make(struct outbox_event *out,
			   const struct outbox_config *cfg,
			   const struct journal_event_row *row,
			   const char *media);
/* Puts data.url in; returns by how many bytes the event grew. */
int64_t outbox_event_set_url(struct outbox_event *e, const char *url);
void outbox_event_free(struct outbox_event *e);
/* What `sluicectl sinks test` sends: type <prefix>.test. */
void outbox_event_test(struct outbox_event *out,
		       const struct outbox_config *cfg, const char *sink);

/* A sink that probes what was published; all is borrowed while it lives. */
struct outbox_prober_env {
	struct loop *loop;
	struct journal *journal;
	struct prober *prober;
	struct store **stores;
	size_t nstores;
	unsigned concurrency; /* probes that run or wait */
};
struct sink *outbox_prober_new(const struct outbox_prober_env *env);

struct outbox;

struct outbox_env {
	struct loop *loop;
	struct journal *journal;
	const struct outbox_config *config; /* borrowed */
	struct store **stores;		    /* likewise: for URLs */
	size_t nstores;
	/* For tests: monotonic and wall time in ms; NULL: the real ones. */
	uint64_t (*clock)(void);
	int64_t (*wall)(void);
};

/*
 * sinks[i] belongs to config->sinks[i]; they are the outbox's from now on. One
 * that is NULL could not be opened: its events wait.
 * prober finds out about media like a sink of published events, and the others
 * wait for it if the configuration says so; NULL: nobody does.
 */
struct outbox *outbox_new(const struct outbox_env *env, struct sink **sinks,
			  struct sink *prober);
/* Nothing more is sent; the number of events that are under way. */
unsigned outbox_stop(struct outbox *o);
/* Gives up what is under way; what was delivered is recorded first. */
void outbox_free(struct outbox *o);
/* Looks for new events now; else it does so ten times a second. */
void outbox_poke(struct outbox *o);
/* Nothing is under way and nothing is due: for tests and for an orderly end. */
bool outbox_idle(const struct outbox *o);

#endif
