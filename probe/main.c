/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-probe: says what one file is. Started by the courier (bridge/probe.h)
 * with a socket as descriptors 0 and 1; not for people to run.
 *
 * usage: sluice-probe [--try WAY-OUT]
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "probe/bext.h"
#include "probe/media.h"
#include "probe/mime.h"
#include "probe/parent.h"
#include "probe/sandbox.h"
#include "probe/source.h"
#include "probe/still.h"
#include "probe/text.h"

#define UNKNOWN "application/octet-stream"
#define TRY_MEMORY ((uint64_t)4 << 30)

static void
send_result(json_t *result)
{
	char *text = json_dumps(result, JSON_COMPACT | JSON_REAL_PRECISION(12));

	if (!text || strlen(text) > PROBE_WIRE_RESULT_MAX) {
		json_object_del(result, "streams");
		json_object_del(result, "tags");
		json_object_set_new(result, "status", json_string("failed"));
		json_object_set_new(result, "reason",
				    json_string("there is too much in it"));
		text = json_dumps(result, JSON_COMPACT);
	}
	if (text)
		parent_send(PROBE_RESULT, text, strlen(text));
}

static void
status_set(json_t *result, const char *reason)
{
	json_object_set_new(result, "status",
			    json_string(reason ? "failed" : "ok"));
	text_set(result, "reason", reason);
}

static void
number_set(json_t *o, const char *key, uint64_t v)
{
	if (v > 0)
		json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void
still_fill(json_t *result, const struct still *s)
{
	json_t *o = json_object();

	json_object_set_new(result, "mime", json_string(s->mime));
	json_object_set_new(result, "container", json_string(s->format));
	text_set(result, "timecode", s->timecode);
	text_set(o, "format", s->format);
	number_set(o, "width", s->width);
	number_set(o, "height", s->height);
	number_set(o, "bits", s->bits);
	number_set(o, "channels", s->channels);
	text_set(o, "sample_type", s->sample_type);
	text_set(o, "compression", s->compression);
	if (s->frame_rate > 0)
		json_object_set_new(o, "frame_rate", json_real(s->frame_rate));
	json_object_set_new(result, "image", o);
}

/* Where libmagic does not know a container, or says less than we know. */
static const char *
mime_better(const char *mime, const char *container)
{
	static const struct {
		const char *container, *mime;
	} known[] = {
		{ "matroska,webm", "video/x-matroska" },
		{ "mpegts", "video/mp2t" },
		{ "mxf", "application/mxf" },
		{ "wav", "audio/x-wav" },
		{ "w64", "audio/x-w64" },
		{ "aiff", "audio/x-aiff" },
		{ "srt", "application/x-subrip" },
		{ "webvtt", "text/vtt" },
		{ "ass", "text/x-ssa" },
		{ "gxf", "application/gxf" },
		{ "mp3", "audio/mpeg" },
		{ "mpeg", "video/mpeg" },
		{ "dv", "video/x-dv" },
	};

	if (!container ||
	    (strcmp(mime, UNKNOWN) != 0 && strncmp(mime, "text/", 5) != 0))
		return mime;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].container, container) == 0)
			return known[i].mime;
	}
	return mime;
}

static const char *
look(json_t *result)
{
	size_t n = source_size() < MIME_LOOK ? source_size() : MIME_LOOK;
	const char *reason = NULL, *mime;
	unsigned char *head = mem_alloc(n);
	struct still still;

	if (source_take(0, head, n) != 0)
		return parent_denial();
	mime = mime_of(head, n);
	json_object_set_new(result, "mime", json_string(mime));
	if (still_read(&still)) {
		still_fill(result, &still);
		return still.reason;
	}
	if (media_read(result, &reason) != MEDIA_BROKEN)
		reason = NULL;
	bext_read(result);
	mime = mime_better(
		mime, json_string_value(json_object_get(result, "container")));
	json_object_set_new(result, "mime", json_string(mime));
	return reason;
}

static void
thumbnail(json_t *result, unsigned side)
{
	json_t *image = json_object_get(result, "image");
	const void *jpeg;
	size_t len;

	if (image &&
	    !media_still(json_string_value(json_object_get(image, "format"))))
		return;
	if (media_thumbnail(side, &jpeg, &len) && len <= PROBE_WIRE_THUMB_MAX)
		parent_send(PROBE_THUMB, jpeg, len);
}

static void
probe(const struct probe_order *order)
{
	json_t *result = json_object();
	const char *reason;

	source_open(order->size, parent_read);
	reason = look(result);
	status_set(result, reason);
	/* What follows may fail, and costs nothing but the thumbnail. */
	send_result(result);
	if (!reason && order->thumbnail)
		thumbnail(result, order->thumbnail);
}

int
main(int argc, char **argv)
{
	struct probe_order order = { .memory = TRY_MEMORY, .cpu_s = 1 };
	bool tries = argc == 3 && strcmp(argv[1], "--try") == 0;
	const char *why;
	json_t *result;

	sandbox_prepare();
	if (!tries)
		parent_order(&order);
	media_prepare();
	why = mime_load() == 0 ? NULL : "libmagic's database";
	if (!why)
		why = sandbox_enter(order.memory, order.cpu_s);
	if (tries)
		_exit(why ? 3 : sandbox_try(argv[2]));
	if (why) {
		result = json_object();
		status_set(result, why);
		send_result(result);
		_exit(0);
	}
	probe(&order);
	_exit(0);
}
