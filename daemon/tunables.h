/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On AMD's Zen the memcpy of glibc before 2.40 takes a slow path (`rep movsb`)
 * for blocks of the size that SSH packets have, and which one depends on
 * addresses: it nearly doubles the CPU time of an upload. A tunable avoids it,
 * but is only read when a process starts.
 */
#ifndef DAEMON_TUNABLES_H
#define DAEMON_TUNABLES_H

#include <stdbool.h>

/*
 * Executes this program again, once, with GLIBC_TUNABLES set, where the machine
 * and the C library ask for it; returns where nothing is to be done or it did
 * not work, which costs speed only.
 */
void tunables_apply(char *const argv[]);

/* True for a vendor as cpuid names it and a version as "2.36". */
bool tunables_wanted(const char *vendor, const char *glibc);

#endif
