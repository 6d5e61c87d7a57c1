/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/media.h"

#include <stdio.h>
#include <string.h>

#include "probe/media_private.h"
#include "probe/parent.h"
#include "probe/text.h"

#define STREAMS_MAX 64 /* in the result */
#define TAGS_MAX 32
#define LOOKS_MAX 25	   /* frames that a thumbnail is chosen from */
#define CONTRAST_ENOUGH 16 /* standard deviation of the luma */
#define SKIP_MAX 30	   /* s, at most, to the first frame looked at */

static AVFormatContext *file;

static void
tags(json_t *result)
{
	const AVDictionaryEntry *e = NULL;
	json_t *o = json_object();
	char key[65];

	while ((e = av_dict_get(file->metadata, "", e,
				AV_DICT_IGNORE_SUFFIX)) &&
	       json_object_size(o) < TAGS_MAX) {
		snprintf(key, sizeof(key), "%s", e->key);
		if (json_object_set_new(o, key, text_json(e->value, TEXT_MAX)))
			continue; /* a key that is not UTF-8 */
	}
	if (json_object_size(o) > 0)
		json_object_set(result, "tags", o);
	json_decref(o);
}

/* The file's own, or else that of the first stream that has one. */
static void
timecode(json_t *result)
{
	const AVDictionaryEntry *e;

	e = av_dict_get(file->metadata, "timecode", NULL, 0);
	for (unsigned i = 0; !e && i < file->nb_streams; i++)
		e = av_dict_get(file->streams[i]->metadata, "timecode", NULL,
				0);
	text_set(result, "timecode", e ? e->value : NULL);
}

static void
container(json_t *result)
{
	json_object_set_new(result, "container",
			    json_string(file->iformat->name));
	if (file->duration != AV_NOPTS_VALUE && file->duration >= 0)
		json_object_set_new(
			result, "duration",
			json_real((double)file->duration / AV_TIME_BASE));
	if (file->start_time != AV_NOPTS_VALUE)
		json_object_set_new(
			result, "start_time",
			json_real((double)file->start_time / AV_TIME_BASE));
	if (file->bit_rate > 0)
		json_object_set_new(result, "bit_rate",
				    json_integer(file->bit_rate));
	timecode(result);
	tags(result);
}

static void
streams(json_t *result)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < file->nb_streams && i < STREAMS_MAX; i++)
		json_array_append_new(list,
				      media_stream(file, file->streams[i]));
	json_object_set_new(result, "streams", list);
	if (file->nb_streams > STREAMS_MAX)
		json_object_set_new(result, "streams_total",
				    json_integer(file->nb_streams));
}

enum media_found
media_read(json_t *result, const char **reason)
{
	AVIOContext *io = media_io_new();
	const AVInputFormat *fmt = io ? media_input_find(io) : NULL;
	int err;

	if (!fmt && parent_denial()[0]) {
		*reason = parent_denial();
		return MEDIA_BROKEN;
	}
	if (!fmt)
		return MEDIA_NONE;
	file = media_open(io, fmt);
	if (!file) {
		json_object_set_new(result, "container",
				    json_string(fmt->name));
		*reason = media_error(AVERROR_INVALIDDATA);
		return MEDIA_BROKEN;
	}
	err = avformat_find_stream_info(file, NULL);
	container(result);
	streams(result);
	if (err >= 0 && file->nb_streams > 0)
		return MEDIA_FOUND;
	*reason = err < 0 ? media_error(err) : "there are no streams in it";
	return MEDIA_BROKEN;
}

bool
media_still(const char *format)
{
	char name[32];
	const AVInputFormat *fmt;
	AVIOContext *io = media_io_new();

	snprintf(name, sizeof(name), "%s_pipe", format);
	fmt = av_find_input_format(name);
	file = io && fmt ? media_open(io, fmt) : NULL;
	return file != NULL;
}

/* Black leaders are common: a little later there is more to see. */
static void
skip(struct decoder *d)
{
	int64_t most = (int64_t)SKIP_MAX * AV_TIME_BASE, at;

	if (file->duration == AV_NOPTS_VALUE || file->duration <= 0)
		return;
	at = file->duration / 10;
	if (at > most)
		at = most;
	if (file->start_time != AV_NOPTS_VALUE)
		at += file->start_time;
	decoder_seek(d, at);
}

/* The first frame with something in it, or else the one with most. */
static AVFrame *
choose(struct decoder *d, AVStream *st, unsigned side)
{
	AVRational aspect = av_guess_sample_aspect_ratio(file, st, NULL);
	AVFrame *best = NULL, *small;
	unsigned most = 0, contrast;
	const AVFrame *f;

	for (int i = 0; i < LOOKS_MAX && most < CONTRAST_ENOUGH; i++) {
		f = decoder_next(d);
		small = f ? media_shrink(f, aspect, side) : NULL;
		if (!small)
			break;
		contrast = media_contrast(small);
		if (best && contrast <= most) {
			av_frame_free(&small);
			continue;
		}
		av_frame_free(&best);
		best = small;
		most = contrast;
	}
	return best;
}

bool
media_thumbnail(unsigned side, const void **jpeg, size_t *len)
{
	int i = file ? av_find_best_stream(file, AVMEDIA_TYPE_VIDEO, -1, -1,
					   NULL, 0)
		     : -1;
	struct decoder *d;
	AVFrame *frame;
	AVPacket *packet;

	if (i < 0)
		return false;
	d = decoder_new(file, file->streams[i]);
	if (!d)
		return false;
	skip(d);
	frame = choose(d, file->streams[i], side);
	if (!frame && decoder_seek(d, 0))
		frame = choose(d, file->streams[i], side);
	packet = frame ? media_jpeg(frame) : NULL;
	if (!packet)
		return false;
	*jpeg = packet->data;
	*len = (size_t)packet->size;
	return true;
}
