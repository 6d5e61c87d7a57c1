/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a request whose checksum was sent along: held in memory until
 * they are all there and the checksum is known to be right, since nothing that
 * is wrong may become part of an upload. What a worker's requests hold together
 * is bounded too.
 */
#ifndef HTTPD_TUS_STAGE_H
#define HTTPD_TUS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpd/tus_field.h"

#define TUS_STAGE_MAX (64u << 20)	     /* bytes of one request */
#define TUS_STAGED_MAX ((uint64_t)256 << 20) /* of a worker's requests */

struct tus_stage;

/* *total counts what all of them hold. */
struct tus_stage *tus_stage_new(const struct tus_checksum *sum,
				uint64_t *total);
void tus_stage_free(struct tus_stage *s); /* NULL is fine */

enum tus_stage_result { TUS_STAGE_OK, TUS_STAGE_LARGE, TUS_STAGE_FULL };

/* LARGE: beyond what one request may have; FULL: others hold too much now. */
enum tus_stage_result tus_stage_add(struct tus_stage *s, const void *data,
				    size_t n);

/* All has come: is it what was sent? */
bool tus_stage_verify(struct tus_stage *s);

/* The next bytes, at most max; they are gone with the next call. */
size_t tus_stage_take(struct tus_stage *s, size_t max, const void **out);

#endif
