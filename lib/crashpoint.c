/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crashpoint.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef ENABLE_CRASH_POINTS

#define FILE_BYTES (CRASHPOINT_ENTRIES * sizeof(struct crashpoint))

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct crashpoint *points; /* NULL: no test is on */

_Static_assert(sizeof(struct crashpoint) == 64, "the test reads these");

static void
map_file(void)
{
	const char *path = getenv("SLUICE_CRASH_POINTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		points = p;
}

/* Takes a free entry, unless another process is quicker. */
static void
name_entry(struct crashpoint *p, const char *name)
{
	uint32_t is_free = 0;

	if (!__atomic_compare_exchange_n(&p->state, &is_free, 1, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	memcpy(p->name, name, CRASHPOINT_NAME); /* NUL-ended */
	__atomic_store_n(&p->state, 2, __ATOMIC_SEQ_CST);
}

static struct crashpoint *
entry(const char *name)
{
	struct crashpoint *p;

	for (p = points; p < points + CRASHPOINT_ENTRIES; p++) {
		if (__atomic_load_n(&p->state, __ATOMIC_SEQ_CST) == 0)
			name_entry(p, name);
		while (__atomic_load_n(&p->state, __ATOMIC_SEQ_CST) == 1)
			usleep(10);
		if (strncmp(p->name, name, CRASHPOINT_NAME - 1) == 0)
			return p;
	}
	return NULL;
}

void
crashpoint_hit(const char *part, const char *step, const char *when)
{
	char name[CRASHPOINT_NAME];
	struct crashpoint *p;
	uint32_t hit, wanted;

	pthread_once(&once, map_file);
	if (!points)
		return;
	snprintf(name, sizeof(name), "%s.%s.%s", part, step, when);
	p = entry(name);
	if (!p)
		return;
	hit = __atomic_add_fetch(&p->hits, 1, __ATOMIC_SEQ_CST);
	wanted = __atomic_load_n(&p->die_at, __ATOMIC_SEQ_CST);
	if (!wanted || hit < wanted ||
	    !__atomic_compare_exchange_n(&p->die_at, &wanted, 0, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	__atomic_add_fetch(&p->kills, 1, __ATOMIC_SEQ_CST);
	kill(p->group ? 0 : getpid(), SIGKILL);
}

#endif
