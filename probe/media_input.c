/* SPDX-License-Identifier: Apache-2.0 */
#include <libavutil/avstring.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "probe/media.h"
#include "probe/media_private.h"
#include "probe/parent.h"
#include "probe/source.h"

#define IO_BUFFER 32768
#define SCORE_MIN 25 /* AVPROBE_SCORE_RETRY: below, it is guesswork */
#define REASON_MAX 160

/*
 * The first name of each demuxer that may be used. Not here: what reads other
 * files or devices, games' formats, and what fits any text or any bytes.
 */
/* clang-format off */
static const char *const inputs[] = {
	"aac", "ac3", "aiff", "amr", "ape", "asf", "ass", "au", "av1", "avi",
	"bmp_pipe", "caf", "cine", "cineon_pipe", "dnxhd", "dsf", "dts",
	"dtshd", "dv", "eac3", "flac", "flv", "gif", "gxf", "h264", "hevc",
	"ivf", "j2k_pipe", "jpegxl_pipe", "lxf", "m4v", "matroska", "mjpeg",
	"mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "mpegvideo", "mxf",
	"nut", "obu", "ogg", "psd_pipe", "r3d", "rm", "scc", "srt", "stl",
	"truehd", "tta", "vc1", "w64", "wav", "webp_pipe", "webvtt", "wv",
	"xwma", "yuv4mpegpipe",
};
/* clang-format on */

static char complaint[REASON_MAX];
static int64_t position;

static void on_log(void *ctx, int level, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

/* The last error is what it failed of; those before led to it. */
static void
on_log(void *ctx, int level, const char *fmt, va_list args)
{
	char text[REASON_MAX];
	size_t n;

	(void)ctx;
	if (level > AV_LOG_ERROR)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	n = strcspn(text, "\r\n");
	text[n] = '\0';
	if (n > 1)
		memcpy(complaint, text, n + 1);
}

void
media_prepare(void)
{
	av_log_set_level(AV_LOG_ERROR);
	av_log_set_callback(on_log);
	/* Registers what there is; looks at processor and memory once. */
	av_find_input_format("mov");
	avcodec_find_decoder(AV_CODEC_ID_H264);
}

const char *
media_error(int code)
{
	if (parent_denial()[0])
		return parent_denial();
	if (!complaint[0])
		av_strerror(code, complaint, sizeof(complaint));
	return complaint;
}

static int
on_read(void *opaque, uint8_t *buf, int len)
{
	long n = source_read((uint64_t)position, buf, (size_t)len);

	(void)opaque;
	if (n < 0)
		return AVERROR(EIO);
	if (n == 0)
		return AVERROR_EOF;
	position += n;
	return (int)n;
}

static int64_t
on_seek(void *opaque, int64_t off, int whence)
{
	int64_t size = (int64_t)source_size();

	(void)opaque;
	if (whence & AVSEEK_SIZE)
		return size;
	whence &= ~AVSEEK_FORCE;
	if (whence == SEEK_CUR)
		off += position;
	else if (whence == SEEK_END)
		off += size;
	if (off < 0)
		return AVERROR(EINVAL);
	position = off;
	return off;
}

AVIOContext *
media_io_new(void)
{
	unsigned char *buffer = av_malloc(IO_BUFFER);

	position = 0;
	if (!buffer)
		return NULL;
	return avio_alloc_context(buffer, IO_BUFFER, 0, NULL, on_read, NULL,
				  on_seek);
}

static bool
may_use(const AVInputFormat *fmt)
{
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		if (av_match_name(inputs[i], fmt->name))
			return true;
	}
	return false;
}

const AVInputFormat *
media_input_find(AVIOContext *io)
{
	const AVInputFormat *fmt = NULL;
	int score = av_probe_input_buffer2(io, &fmt, "", NULL, 0, 0);

	if (score < SCORE_MIN || !fmt || !may_use(fmt))
		return NULL;
	return fmt;
}

/* A file may name others; it gets none of them. */
static int
on_open(AVFormatContext *f, AVIOContext **io, const char *url, int flags,
	AVDictionary **options)
{
	(void)f;
	(void)io;
	(void)url;
	(void)flags;
	(void)options;
	return AVERROR(EPERM);
}

AVFormatContext *
media_open(AVIOContext *io, const AVInputFormat *fmt)
{
	AVFormatContext *f = avformat_alloc_context();

	complaint[0] = '\0';
	if (!f)
		return NULL;
	f->pb = io;
	f->flags |= AVFMT_FLAG_CUSTOM_IO;
	f->io_open = on_open;
	if (avformat_open_input(&f, "", fmt, NULL) < 0)
		return NULL;
	return f;
}
