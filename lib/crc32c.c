/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CRC register is a polynomial over GF(2) modulo P, written with the bits
 * reflected: bit 31 is x^0. Feeding n zero bytes multiplies it by x^(8n): so
 * the CRCs of neighbouring blocks, computed apart, can be joined.
 */
#include "lib/crc32c.h"

#include <string.h>

#include "lib/crc32c_private.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

static const uint32_t POLYNOMIAL = 0x82f63b78;
static const uint32_t ONE = 1U << 31; /* x^0 */

/*
 * The crc32 instruction takes 3 cycles but one can start in each, so three
 * streams run side by side: long ones for bulk, short ones for the rest.
 */
enum { STREAM_LONG = 8192, STREAM_SHORT = 256 };

/* What x^(8n) times each byte of a register gives. */
struct shift {
	uint32_t byte[4][256];
};

static struct {
	uint32_t byte[8][256]; /* a byte followed by 0 to 7 zero bytes */
	struct shift shift_long;
	struct shift shift_short;
	bool hardware;
} tables;

static uint32_t
times_x(uint32_t a)
{
	return a & 1 ? (a >> 1) ^ POLYNOMIAL : a >> 1;
}

static uint32_t
multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = ONE; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = times_x(b);
	}
	return product;
}

/* x^(8n) */
static uint32_t
power(uint64_t n)
{
	uint32_t square = ONE >> 8, result = ONE;

	for (; n; n >>= 1) {
		if (n & 1)
			result = multiply(result, square);
		square = multiply(square, square);
	}
	return result;
}

static void
fill_shift(struct shift *s, uint64_t n)
{
	uint32_t factor = power(n);

	for (unsigned k = 0; k < 4; k++)
		for (uint32_t i = 0; i < 256; i++)
			s->byte[k][i] = multiply(factor, i << (8 * k));
}

/* Before main(), so that no thread ever sees them half filled. */
__attribute__((constructor)) static void
fill_tables(void)
{
	for (unsigned zeros = 0; zeros < 8; zeros++) {
		uint32_t factor = power(zeros + 1);

		for (uint32_t i = 0; i < 256; i++)
			tables.byte[zeros][i] = multiply(factor, i);
	}
	fill_shift(&tables.shift_long, STREAM_LONG);
	fill_shift(&tables.shift_short, STREAM_SHORT);
#if defined(__x86_64__)
	__builtin_cpu_init();
	tables.hardware = __builtin_cpu_supports("sse4.2");
#endif
}

bool
crc32c_has_hardware(void)
{
	return tables.hardware;
}

static uint32_t
load32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

uint32_t
crc32c_by_table(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t low = crc ^ load32(p), high = load32(p + 4);

		crc = 0;
		for (unsigned k = 0; k < 4; k++) {
			crc ^= tables.byte[7 - k][low >> (8 * k) & 255];
			crc ^= tables.byte[3 - k][high >> (8 * k) & 255];
		}
	}
	for (; n > 0; n--)
		crc = tables.byte[0][(crc ^ *p++) & 255] ^ crc >> 8;
	return ~crc;
}

#if defined(__x86_64__)

static uint32_t
shift(const struct shift *s, uint32_t crc)
{
	return s->byte[0][crc & 255] ^ s->byte[1][crc >> 8 & 255] ^
	       s->byte[2][crc >> 16 & 255] ^ s->byte[3][crc >> 24];
}

static uint64_t
load64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Three streams of `len` bytes, one behind the other at p. */
__attribute__((target("sse4.2"))) static uint32_t
three_streams(uint32_t crc, const unsigned char *p, size_t len,
	      const struct shift *s)
{
	uint64_t a = crc, b = 0, c = 0;

	for (size_t i = 0; i < len; i += 8) {
		a = _mm_crc32_u64(a, load64(p + i));
		b = _mm_crc32_u64(b, load64(p + i + len));
		c = _mm_crc32_u64(c, load64(p + i + 2 * len));
	}
	crc = shift(s, (uint32_t)a) ^ (uint32_t)b;
	return shift(s, crc) ^ (uint32_t)c;
}

__attribute__((target("sse4.2"))) uint32_t
crc32c_by_hardware(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t wide;

	crc = ~crc;
	for (; n >= 3 * STREAM_LONG; n -= 3 * STREAM_LONG) {
		crc = three_streams(crc, p, STREAM_LONG, &tables.shift_long);
		p += 3 * STREAM_LONG;
	}
	for (; n >= 3 * STREAM_SHORT; n -= 3 * STREAM_SHORT) {
		crc = three_streams(crc, p, STREAM_SHORT, &tables.shift_short);
		p += 3 * STREAM_SHORT;
	}
	for (wide = crc; n >= 8; n -= 8, p += 8)
		wide = _mm_crc32_u64(wide, load64(p));
	crc = (uint32_t)wide;
	for (; n > 0; n--)
		crc = _mm_crc32_u8(crc, *p++);
	return ~crc;
}

#else

uint32_t
crc32c_by_hardware(uint32_t crc, const void *data, size_t n)
{
	return crc32c_by_table(crc, data, n);
}

#endif

uint32_t
crc32c(uint32_t crc, const void *data, size_t n)
{
	if (tables.hardware)
		return crc32c_by_hardware(crc, data, n);
	return crc32c_by_table(crc, data, n);
}

uint32_t
crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b)
{
	return multiply(power(len_b), a) ^ b;
}
