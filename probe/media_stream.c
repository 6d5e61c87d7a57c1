/* SPDX-License-Identifier: Apache-2.0 */
/* One stream as JSON, with the names and the words that ffprobe uses. */
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdio.h>

#include "probe/media_private.h"
#include "probe/text.h"

#define RATIO_MAX 24

static void
ratio_set(json_t *o, const char *key, AVRational r, char sign)
{
	char text[RATIO_MAX];

	if (r.num <= 0 || r.den <= 0)
		return;
	snprintf(text, sizeof(text), "%d%c%d", r.num, sign, r.den);
	json_object_set_new(o, key, json_string(text));
}

static void
number_set(json_t *o, const char *key, int64_t v)
{
	if (v > 0)
		json_object_set_new(o, key, json_integer(v));
}

static void
word_set(json_t *o, const char *key, int value, const char *word)
{
	/* 2 is "unspecified" in all of these tables of ISO/IEC 23091. */
	if (word && value != 2)
		json_object_set_new(o, key, json_string(word));
}

static const char *
field_order(enum AVFieldOrder order)
{
	switch (order) {
	case AV_FIELD_PROGRESSIVE:
		return "progressive";
	case AV_FIELD_TT:
		return "tt";
	case AV_FIELD_BB:
		return "bb";
	case AV_FIELD_TB:
		return "tb";
	case AV_FIELD_BT:
		return "bt";
	default:
		return NULL;
	}
}

static void
colour(json_t *o, const AVCodecParameters *p)
{
	if (p->color_range != AVCOL_RANGE_UNSPECIFIED)
		text_set(o, "color_range", av_color_range_name(p->color_range));
	word_set(o, "color_space", p->color_space,
		 av_color_space_name(p->color_space));
	word_set(o, "color_primaries", p->color_primaries,
		 av_color_primaries_name(p->color_primaries));
	word_set(o, "color_transfer", p->color_trc,
		 av_color_transfer_name(p->color_trc));
	if (p->chroma_location != AVCHROMA_LOC_UNSPECIFIED)
		text_set(o, "chroma_location",
			 av_chroma_location_name(p->chroma_location));
}

static void
rotation(json_t *o, const AVStream *st)
{
	size_t n = 0;
	const uint8_t *m =
		av_stream_get_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, &n);
	double angle;

	if (!m || n < 9 * sizeof(int32_t))
		return;
	angle = av_display_rotation_get((const int32_t *)(const void *)m);
	if (!isnan(angle))
		json_object_set_new(o, "rotation", json_integer(lround(angle)));
}

static void
video(json_t *o, AVFormatContext *f, AVStream *st)
{
	const AVCodecParameters *p = st->codecpar;

	number_set(o, "width", p->width);
	number_set(o, "height", p->height);
	text_set(o, "pix_fmt",
		 av_get_pix_fmt_name((enum AVPixelFormat)p->format));
	number_set(o, "bits_per_raw_sample", p->bits_per_raw_sample);
	ratio_set(o, "frame_rate", st->avg_frame_rate, '/');
	ratio_set(o, "r_frame_rate", st->r_frame_rate, '/');
	ratio_set(o, "sample_aspect_ratio",
		  av_guess_sample_aspect_ratio(f, st, NULL), ':');
	text_set(o, "field_order", field_order(p->field_order));
	colour(o, p);
	rotation(o, st);
	media_hdr(o, f, st);
}

static void
audio(json_t *o, const AVCodecParameters *p)
{
	char layout[TEXT_MAX] = "";

	number_set(o, "sample_rate", p->sample_rate);
	text_set(o, "sample_fmt",
		 av_get_sample_fmt_name((enum AVSampleFormat)p->format));
	number_set(o, "channels", p->ch_layout.nb_channels);
	if (p->ch_layout.order != AV_CHANNEL_ORDER_UNSPEC &&
	    av_channel_layout_describe(&p->ch_layout, layout, sizeof(layout)) >
		    0)
		text_set(o, "channel_layout", layout);
	number_set(o, "bits_per_sample", av_get_bits_per_sample(p->codec_id));
	number_set(o, "bits_per_raw_sample", p->bits_per_raw_sample);
}

static void
disposition(json_t *o, int bits)
{
	json_t *list = json_array();
	const char *name;

	for (unsigned i = 0; i < 31; i++) {
		name = bits & (1 << i) ? av_disposition_to_string(1 << i)
				       : NULL;
		if (name)
			json_array_append_new(list, json_string(name));
	}
	if (json_array_size(list) > 0)
		json_object_set(o, "disposition", list);
	json_decref(list);
}

/* Four printable characters, or none worth showing. */
static void
tag(json_t *o, uint32_t code)
{
	char text[5];

	for (int i = 0; i < 4; i++)
		text[i] = (char)(code >> 8 * i);
	text[4] = '\0';
	for (int i = 0; i < 4; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return;
	}
	json_object_set_new(o, "codec_tag", json_string(text));
}

static void
tags(json_t *o, const AVStream *st)
{
	static const char *const keys[] = { "language", "title", "timecode" };
	const AVDictionaryEntry *e;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		e = av_dict_get(st->metadata, keys[i], NULL, 0);
		text_set(o, keys[i], e ? e->value : NULL);
	}
}

json_t *
media_stream(AVFormatContext *f, AVStream *st)
{
	const AVCodecParameters *p = st->codecpar;
	const char *type = av_get_media_type_string(p->codec_type);
	json_t *o = json_object();

	json_object_set_new(o, "index", json_integer(st->index));
	text_set(o, "type", type ? type : "unknown");
	if (p->codec_id != AV_CODEC_ID_NONE)
		text_set(o, "codec", avcodec_get_name(p->codec_id));
	text_set(o, "profile", avcodec_profile_name(p->codec_id, p->profile));
	tag(o, p->codec_tag);
	number_set(o, "level", p->level);
	if (p->codec_type == AVMEDIA_TYPE_VIDEO)
		video(o, f, st);
	else if (p->codec_type == AVMEDIA_TYPE_AUDIO)
		audio(o, p);
	number_set(o, "bit_rate", p->bit_rate);
	number_set(o, "frames", st->nb_frames);
	if (st->duration != AV_NOPTS_VALUE && st->duration >= 0)
		json_object_set_new(o, "duration",
				    json_real((double)st->duration *
					      av_q2d(st->time_base)));
	tags(o, st);
	disposition(o, st->disposition);
	return o;
}
