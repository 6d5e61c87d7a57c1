/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What HDR video says of the screen it was graded on (SMPTE ST 2086) and of
 * its brightest pixels (CTA-861.3). Containers may carry it; HEVC, AV1 and
 * others carry it in the first frame, which is decoded if nothing else says so.
 */
#include <libavutil/dovi_meta.h>
#include <libavutil/mastering_display_metadata.h>

#include "probe/media_private.h"

static json_t *
point(const AVRational xy[2])
{
	json_t *list = json_array();

	json_array_append_new(list, json_real(av_q2d(xy[0])));
	json_array_append_new(list, json_real(av_q2d(xy[1])));
	return list;
}

static void
mastering(json_t *hdr, const void *data, size_t n)
{
	static const char *const names[] = { "red", "green", "blue" };
	const AVMasteringDisplayMetadata *m = data;
	json_t *o;

	if (!m || n < sizeof(*m))
		return;
	o = json_object();
	if (m->has_primaries) {
		for (int i = 0; i < 3; i++)
			json_object_set_new(o, names[i],
					    point(m->display_primaries[i]));
		json_object_set_new(o, "white_point", point(m->white_point));
	}
	if (m->has_luminance) {
		json_object_set_new(o, "min_luminance",
				    json_real(av_q2d(m->min_luminance)));
		json_object_set_new(o, "max_luminance",
				    json_real(av_q2d(m->max_luminance)));
	}
	json_object_set_new(hdr, "mastering_display", o);
}

static void
light(json_t *hdr, const void *data, size_t n)
{
	const AVContentLightMetadata *m = data;
	json_t *o;

	if (!m || n < sizeof(*m))
		return;
	o = json_object();
	json_object_set_new(o, "max_content", json_integer(m->MaxCLL));
	json_object_set_new(o, "max_average", json_integer(m->MaxFALL));
	json_object_set_new(hdr, "content_light_level", o);
}

static void
dolby(json_t *hdr, const void *data, size_t n)
{
	const AVDOVIDecoderConfigurationRecord *m = data;
	json_t *o;

	if (!m || n < sizeof(*m))
		return;
	o = json_object();
	json_object_set_new(o, "profile", json_integer(m->dv_profile));
	json_object_set_new(o, "level", json_integer(m->dv_level));
	json_object_set_new(hdr, "dolby_vision", o);
}

static void
from_stream(json_t *hdr, const AVStream *st)
{
	static const struct {
		enum AVPacketSideDataType type;
		void (*fn)(json_t *hdr, const void *data, size_t n);
	} kinds[] = {
		{ AV_PKT_DATA_MASTERING_DISPLAY_METADATA, mastering },
		{ AV_PKT_DATA_CONTENT_LIGHT_LEVEL, light },
		{ AV_PKT_DATA_DOVI_CONF, dolby },
	};
	const void *data;
	size_t n;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		n = 0;
		data = av_stream_get_side_data(st, kinds[i].type, &n);
		kinds[i].fn(hdr, data, n);
	}
}

static void
from_frame(json_t *hdr, AVFormatContext *f, AVStream *st)
{
	struct decoder *d = decoder_new(f, st);
	const AVFrame *frame = d ? decoder_next(d) : NULL;
	const AVFrameSideData *s;

	if (!frame) {
		decoder_free(d);
		return;
	}
	s = av_frame_get_side_data(frame,
				   AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
	if (s)
		mastering(hdr, s->data, s->size);
	s = av_frame_get_side_data(frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
	if (s)
		light(hdr, s->data, s->size);
	decoder_free(d);
}

void
media_hdr(json_t *out, AVFormatContext *f, AVStream *st)
{
	enum AVColorTransferCharacteristic trc = st->codecpar->color_trc;
	json_t *hdr = json_object();

	from_stream(hdr, st);
	if (!json_object_get(hdr, "mastering_display") &&
	    (trc == AVCOL_TRC_SMPTE2084 || trc == AVCOL_TRC_ARIB_STD_B67))
		from_frame(hdr, f, st);
	if (json_object_size(hdr) > 0)
		json_object_set(out, "hdr", hdr);
	json_decref(hdr);
}
