/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways to the same CRC-32C, apart, so that tests can compare them. */
#ifndef LIB_CRC32C_PRIVATE_H
#define LIB_CRC32C_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t n);

/* Only where crc32c_has_hardware() says so. */
bool crc32c_has_hardware(void);
uint32_t crc32c_by_hardware(uint32_t crc, const void *data, size_t n);

#endif
