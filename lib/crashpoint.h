/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places where a test may kill the process: before and after each step that
 * must be durable. Only with configure --enable-crash-points; else they are
 * nothing. The environment's SLUICE_CRASH_POINTS names a file, shared by all
 * processes of the daemon, in which each point has an entry of 64 bytes: it
 * counts how often it is met, and the test writes there at which of these
 * times it kills.
 */
#ifndef LIB_CRASHPOINT_H
#define LIB_CRASHPOINT_H

#ifdef ENABLE_CRASH_POINTS

#include <stdint.h>

#define CRASHPOINT_NAME 40
#define CRASHPOINT_ENTRIES 256 /* the file holds so many */

struct crashpoint {
	uint32_t state; /* 0: free, 1: being named, 2: ready */
	char name[CRASHPOINT_NAME];
	uint32_t hits;
	uint32_t kills;
	uint32_t die_at; /* the hit that kills; 0: none does */
	uint32_t group;	 /* not 0: the whole process group */
	uint32_t unused;
};

/* The point's name is "<part>.<step>.<when>". */
void crashpoint_hit(const char *part, const char *step, const char *when);

#define CRASH_POINT(part, step, when) crashpoint_hit(part, step, when)

#else

#define CRASH_POINT(part, step, when) ((void)0)

#endif

#endif
