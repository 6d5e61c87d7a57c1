/* SPDX-License-Identifier: Apache-2.0 */
#include <libswscale/swscale.h>
#include <math.h>

#include "probe/media_private.h"

#define QUALITY 4 /* of 2 (best) to 31 */
#define SIDE_MIN 2

/* As it is to be seen: square pixels, the longer side at most `side`. */
static void
fit(const AVFrame *from, AVRational aspect, unsigned side, AVFrame *to)
{
	double w = from->width, h = from->height, scale;

	if (aspect.num > 0 && aspect.den > 0 && av_q2d(aspect) < 100)
		w *= av_q2d(aspect);
	scale = side / (w > h ? w : h);
	if (scale > 1)
		scale = 1;
	to->width = (int)lround(w * scale);
	to->height = (int)lround(h * scale);
	if (to->width < SIDE_MIN)
		to->width = SIDE_MIN;
	if (to->height < SIDE_MIN)
		to->height = SIDE_MIN;
}

AVFrame *
media_shrink(const AVFrame *from, AVRational aspect, unsigned side)
{
	AVFrame *to = av_frame_alloc();
	struct SwsContext *sws;
	int lines = -1;

	if (!to || from->width <= 0 || from->height <= 0)
		return NULL;
	fit(from, aspect, side, to);
	to->format = AV_PIX_FMT_YUVJ420P;
	sws = sws_getContext(from->width, from->height,
			     (enum AVPixelFormat)from->format, to->width,
			     to->height, AV_PIX_FMT_YUVJ420P, SWS_AREA, NULL,
			     NULL, NULL);
	if (sws && av_frame_get_buffer(to, 0) == 0)
		lines = sws_scale(sws, (const uint8_t *const *)from->data,
				  from->linesize, 0, from->height, to->data,
				  to->linesize);
	sws_freeContext(sws);
	if (lines <= 0)
		av_frame_free(&to);
	return to;
}

unsigned
media_contrast(const AVFrame *f)
{
	double sum = 0, squares = 0, n = (double)f->width * f->height, v;
	const uint8_t *row;

	for (int y = 0; y < f->height; y++) {
		row = f->data[0] + (ptrdiff_t)y * f->linesize[0];
		for (int x = 0; x < f->width; x++) {
			sum += row[x];
			squares += (double)row[x] * row[x];
		}
	}
	v = squares / n - (sum / n) * (sum / n);
	return v > 0 ? (unsigned)sqrt(v) : 0;
}

static AVCodecContext *
encoder(const AVFrame *f)
{
	const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
	AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;

	if (!c)
		return NULL;
	c->width = f->width;
	c->height = f->height;
	c->pix_fmt = AV_PIX_FMT_YUVJ420P;
	c->time_base = (AVRational){ 1, 25 };
	c->thread_count = 1;
	c->flags |= AV_CODEC_FLAG_QSCALE;
	c->global_quality = QUALITY * FF_QP2LAMBDA;
	if (avcodec_open2(c, codec, NULL) < 0)
		avcodec_free_context(&c);
	return c;
}

AVPacket *
media_jpeg(const AVFrame *f)
{
	AVCodecContext *c = encoder(f);
	AVPacket *p = av_packet_alloc();

	if (!c || !p || avcodec_send_frame(c, f) < 0 ||
	    avcodec_receive_packet(c, p) < 0)
		av_packet_free(&p);
	avcodec_free_context(&c);
	return p;
}
