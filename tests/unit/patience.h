/* SPDX-License-Identifier: Apache-2.0 */
/* How long a test waits for what must come, on however busy a machine. */
#ifndef TESTS_PATIENCE_H
#define TESTS_PATIENCE_H

#define PATIENCE_MS 120000

#endif
