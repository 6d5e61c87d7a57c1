/* SPDX-License-Identifier: Apache-2.0 */
/* The text of events, for who records one with a change of its row. */
#ifndef BRIDGE_UPLOAD_EVENT_H
#define BRIDGE_UPLOAD_EVENT_H

#include "bridge/journal.h"

/* An event's JSON text; the caller frees it. */
char *event_body_row(const struct journal_upload *row, const char *event_id,
		     const char *kind);

#endif
