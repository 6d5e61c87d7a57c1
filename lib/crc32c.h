/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): with SSE4.2 where the machine
 * has it, three streams at a time, else a table. Check value of "123456789"
 * is 0xe3069283. Start with 0 and pass the last result to go on.
 */
#ifndef LIB_CRC32C_H
#define LIB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t n);

/* The CRC of A followed by B, from both CRCs and B's length. */
uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b);

#endif
