/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files around libav; nobody else includes this. */
#ifndef PROBE_MEDIA_PRIVATE_H
#define PROBE_MEDIA_PRIVATE_H

#include <jansson.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* media_input.c: the demuxer by the first bytes, or NULL. */
const AVInputFormat *media_input_find(AVIOContext *io);
AVIOContext *media_io_new(void);
AVFormatContext *media_open(AVIOContext *io, const AVInputFormat *fmt);
const char *media_error(int code); /* what was last complained of, or code */

/* media_stream.c */
json_t *media_stream(AVFormatContext *f, AVStream *st);

/* media_hdr.c: adds "hdr" if there is such side data. */
void media_hdr(json_t *out, AVFormatContext *f, AVStream *st);

/* media_decode.c: frames of one stream, from where the file stands. */
struct decoder;
struct decoder *decoder_new(AVFormatContext *f, AVStream *st);
void decoder_free(struct decoder *d); /* NULL is fine */
/* Valid until the next call. NULL: no more, or too much without one. */
const AVFrame *decoder_next(struct decoder *d);
bool decoder_seek(struct decoder *d, int64_t us);

/* media_jpeg.c: a picture small enough, and how much there is to see in it. */
AVFrame *media_shrink(const AVFrame *from, AVRational aspect, unsigned side);
unsigned media_contrast(const AVFrame *f);
AVPacket *media_jpeg(const AVFrame *f);

#endif
