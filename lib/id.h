/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identifiers and encodings. An id is 16 bytes with a millisecond time in
 * front (the layout of UUID version 7, RFC 9562 section 5.7), written as 32
 * lower-case hex digits: ids sort by their birth.
 */
#ifndef LIB_ID_H
#define LIB_ID_H

#include <stddef.h>
#include <stdint.h>

#define ID_LEN 32 /* characters, without the NUL */

void id_new(char out[ID_LEN + 1]);
int id_valid(const char *s);			     /* 1 or 0 */
int id_bytes(const char *id, unsigned char out[16]); /* 0 or -1 */
void id_text(const unsigned char in[16], char out[ID_LEN + 1]);

/* Random bytes from the kernel; ends the process if there are none. */
void id_random(void *out, size_t n);

void hex_encode(const void *in, size_t n, char *out); /* 2n + 1 bytes */
int hex_decode(const char *in, size_t n, void *out);  /* n digits; 0 or -1 */

/* Standard alphabet with padding; out needs 4 * ceil(n / 3) + 1 bytes. */
void base64_encode(const void *in, size_t n, char *out);
/* Returns the number of bytes, or -1; out needs 3 * (n / 4) bytes. */
long base64_decode(const char *in, size_t n, void *out);

#endif
