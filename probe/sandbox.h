/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process gives up before it looks at the first byte of a file: new
 * files, sockets, processes and threads, executable memory, and more than a
 * little memory and CPU. It keeps reading from descriptor 0 and writing to 1
 * and 2. Looking for a file fails with EPERM, since libraries do that idly;
 * any other system call that is not needed ends the process.
 */
#ifndef PROBE_SANDBOX_H
#define PROBE_SANDBOX_H

#include <stdint.h>

/* First of all: what the parent left open, environment, core dumps. */
void sandbox_prepare(void);

/* NULL, or what could not be done: then no byte may be read. */
const char *sandbox_enter(uint64_t memory, uint32_t cpu_s);

/*
 * Tries what must not work any more: "open", "socket", "fork", "exec", "code",
 * "write" (to descriptor 3), "memory" or "cpu". For the tests. 0: it
 * worked; 1: it was refused; 2: no such thing to try.
 */
int sandbox_try(const char *what);

#endif
