/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line an event, in logfmt, to stderr or syslog:
 *
 *   time=2026-01-31T12:00:00.123Z level=info pid=81 part=sftpd event=login
 *   session=4f2a91c0 user=ann addr=192.0.2.7
 *
 * error = an operator must act, warn = we coped, info = one line per login,
 * upload, download, logout, debug = the rest. Values are quoted and escaped
 * where they need it, so what a peer sent cannot forge a line. Secrets never
 * come here. Safe from every thread; a line is one write.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdint.h>

#include "lib/err.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

enum log_type { LOG_END, LOG_STR, LOG_INT, LOG_UINT, LOG_DOUBLE };

struct log_field {
	const char *key;
	enum log_type type;
	union {
		const char *s;
		int64_t i;
		uint64_t u;
		double d;
	} v;
};

/* clang-format off */
#define KV_S(k, val) { .key = (k), .type = LOG_STR, .v.s = (val) }
#define KV_I(k, val) { .key = (k), .type = LOG_INT, .v.i = (int64_t)(val) }
#define KV_U(k, val) { .key = (k), .type = LOG_UINT, .v.u = (uint64_t)(val) }
#define KV_F(k, val) { .key = (k), .type = LOG_DOUBLE, .v.d = (val) }
/* clang-format on */
#define KV_ERR(e) KV_S("err", err_name(e))
#define KV_ERRNO(n) KV_S("errno", log_errno(n))

/*
 * Target "stderr", "syslog", or "plain": stderr for a person, where a line
 * begins with ident instead of time, level and process. ident is borrowed. A
 * NULL string value prints as "".
 */
void log_open(const char *ident, const char *target, enum log_level level);
void log_set_level(enum log_level level);
int log_enabled(enum log_level level);
int log_level_parse(const char *name, enum log_level *out); /* 0 or -1 */
const char *log_errno(int errnum); /* thread-local text */

/* part: the module ("sftpd"); session: its id, or NULL. */
void log_write(enum log_level level, const char *part, const char *session,
	       const char *event, const struct log_field *fields);

/* clang-format off */
/* The first field only gives the comma before an empty list something to do. */
#define LOG_AT(level, part, session, event, ...)                            \
	do {                                                                \
		if (log_enabled(level))                                     \
			log_write(level, part, session, event,              \
				  (const struct log_field[]){               \
					  { .type = LOG_END },              \
					  ##__VA_ARGS__,                    \
					  { .type = LOG_END } } + 1);       \
	} while (0)
/* clang-format on */

#define log_error(part, session, event, ...) \
	LOG_AT(LOG_LEVEL_ERROR, part, session, event, ##__VA_ARGS__)
#define log_warn(part, session, event, ...) \
	LOG_AT(LOG_LEVEL_WARN, part, session, event, ##__VA_ARGS__)
#define log_info(part, session, event, ...) \
	LOG_AT(LOG_LEVEL_INFO, part, session, event, ##__VA_ARGS__)
#define log_debug(part, session, event, ...) \
	LOG_AT(LOG_LEVEL_DEBUG, part, session, event, ##__VA_ARGS__)

#endif
