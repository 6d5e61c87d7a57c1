/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/media_private.h"

#include "lib/mem.h"

#define PACKETS_MAX 2000 /* without a frame */
#define PIXELS_MAX ((int64_t)64 << 20)

struct decoder {
	AVFormatContext *file;
	AVStream *stream;
	AVCodecContext *ctx;
	AVPacket *packet;
	AVFrame *frame;
	bool drained;
};

static AVDictionary *
options(enum AVCodecID id)
{
	AVDictionary *o = NULL;

	/* Linear light looks black on a screen. */
	if (id == AV_CODEC_ID_EXR)
		av_dict_set(&o, "apply_trc", "iec61966_2_1", 0);
	return o;
}

static bool
codec_open(struct decoder *d, const AVCodec *codec)
{
	AVDictionary *o = options(codec->id);
	int err;

	d->ctx = avcodec_alloc_context3(codec);
	if (!d->ctx)
		return false;
	err = avcodec_parameters_to_context(d->ctx, d->stream->codecpar);
	d->ctx->thread_count = 1; /* the sandbox has no threads */
	d->ctx->pkt_timebase = d->stream->time_base;
	d->ctx->max_pixels = PIXELS_MAX;
	if (err >= 0)
		err = avcodec_open2(d->ctx, codec, &o);
	av_dict_free(&o);
	return err >= 0;
}

struct decoder *
decoder_new(AVFormatContext *f, AVStream *st)
{
	const AVCodec *codec = avcodec_find_decoder(st->codecpar->codec_id);
	struct decoder *d;

	if (!codec)
		return NULL;
	d = mem_alloc(sizeof(*d));
	d->file = f;
	d->stream = st;
	d->packet = av_packet_alloc();
	d->frame = av_frame_alloc();
	if (d->packet && d->frame && codec_open(d, codec))
		return d;
	decoder_free(d);
	return NULL;
}

void
decoder_free(struct decoder *d)
{
	if (!d)
		return;
	avcodec_free_context(&d->ctx);
	av_packet_free(&d->packet);
	av_frame_free(&d->frame);
	free(d);
}

/* One packet of the stream goes in, or the end; false: nothing to send. */
static bool
feed(struct decoder *d)
{
	int err = av_read_frame(d->file, d->packet);

	if (err < 0 && d->drained)
		return false;
	if (err < 0) {
		d->drained = true;
		avcodec_send_packet(d->ctx, NULL);
		return true;
	}
	if (d->packet->stream_index == d->stream->index)
		avcodec_send_packet(d->ctx, d->packet);
	av_packet_unref(d->packet);
	return true;
}

const AVFrame *
decoder_next(struct decoder *d)
{
	for (int i = 0; i < PACKETS_MAX; i++) {
		av_frame_unref(d->frame);
		if (avcodec_receive_frame(d->ctx, d->frame) == 0)
			return d->frame;
		if (!feed(d))
			return NULL;
	}
	return NULL;
}

bool
decoder_seek(struct decoder *d, int64_t us)
{
	if (av_seek_frame(d->file, -1, us, AVSEEK_FLAG_BACKWARD) < 0)
		return false;
	avcodec_flush_buffers(d->ctx);
	d->drained = false;
	return true;
}
