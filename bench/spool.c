/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the spool costs: CPU seconds per GiB of the whole process, for bytes
 * appended in chunks to one part after the other, each thrown away when the
 * next is full. "fresh" never reuses a file, "recycled" does; "hashed" is
 * recycled with SHA-256 following in the pool; "write" is pwrite(2) alone into
 * a file whose pages are there, the least that any spool could cost.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge/spool.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define MIB ((size_t)1 << 20)
#define PART (16 * MIB)

struct bench {
	const char *dir;
	size_t mib, chunk;
	bool json;
	unsigned char *data;
	struct loop *loop;
	struct work_pool *pool;
	struct spool *spool;
};

struct result {
	double cpu, wall; /* seconds per GiB */
};

static void
die(const char *what, enum err err)
{
	fprintf(stderr, "bench/spool: %s: %s\n", what, err_text(err));
	exit(1);
}

static double
cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
open_spool(struct bench *b, uint64_t free_max)
{
	struct spool_config cfg = { .dir = b->dir, .free_max = free_max };
	enum err err;

	b->loop = cfg.loop = loop_new();
	b->pool = cfg.pool = work_pool_new(b->loop, 2);
	err = spool_open(&b->spool, &cfg);
	if (err != ERR_OK)
		die(b->dir, err);
}

static void
close_spool(struct bench *b)
{
	while (work_pool_pending(b->pool) > 0)
		loop_turn(b->loop, 50);
	spool_close(b->spool);
	work_pool_free(b->pool);
	loop_free(b->loop);
}

static void
hashed(void *arg, enum err err, const struct segment_digest *d)
{
	(void)d;
	if (err != ERR_OK)
		die("hash", err);
	*(bool *)arg = true;
}

static void
fill_part(struct bench *b, uint32_t no, bool hash)
{
	struct segment_id id = { .no = no, .capacity = PART };
	struct segment *g;
	bool done = !hash;
	enum err err;

	memset(id.upload, 'a', ID_LEN);
	err = segment_create(b->spool, &id, &g);
	if (err == ERR_OK && hash)
		segment_hash_want(g, SEGMENT_SHA256);
	for (size_t n = 0; err == ERR_OK && n < PART; n += b->chunk) {
		err = segment_append(g, b->data, b->chunk);
		if (hash && n % MIB == 0)
			segment_hash_follow(g);
		if (n % MIB == 0)
			loop_turn(b->loop, 0);
	}
	if (err != ERR_OK)
		die("append", err);
	if (hash)
		segment_hash(g, hashed, &done);
	while (!done)
		loop_turn(b->loop, 50);
	segment_discard(g);
	loop_turn(b->loop, 0);
}

static struct result
run_spool(struct bench *b, bool recycle, bool hash)
{
	double gib = (double)b->mib / 1024, cpu, wall;
	uint32_t no = 1;

	open_spool(b, recycle ? 8 * PART : 0);
	fill_part(b, no++, hash);
	cpu = cpu_seconds();
	wall = (double)clock_ms() / 1000;
	for (size_t n = 0; n < b->mib; n += PART / MIB)
		fill_part(b, no++, hash);
	close_spool(b);
	return (struct result){ (cpu_seconds() - cpu) / gib,
				((double)clock_ms() / 1000 - wall) / gib };
}

static struct result
run_write(struct bench *b)
{
	double gib = (double)b->mib / 1024, cpu = 0, wall = 0;
	char *path = mem_printf("%s/plain", b->dir);
	FILE *f = fopen(path, "w");

	if (!f || unlink(path) != 0)
		die(path, ERR_IO);
	for (size_t n = 0; n < b->mib * MIB + PART; n += b->chunk) {
		if (n == PART) {
			cpu = cpu_seconds();
			wall = (double)clock_ms() / 1000;
		}
		if (pwrite(fileno(f), b->data, b->chunk, (off_t)(n % PART)) !=
		    (ssize_t)b->chunk)
			die(path, ERR_IO);
	}
	fclose(f);
	free(path);
	return (struct result){ (cpu_seconds() - cpu) / gib,
				((double)clock_ms() / 1000 - wall) / gib };
}

static struct result
run(struct bench *b, int which)
{
	return which == 0 ? run_write(b) : run_spool(b, which >= 2, which == 3);
}

static void
report(struct bench *b)
{
	static const char *const names[] = { "write", "fresh", "recycled",
					     "hashed" };

	if (b->json)
		printf("{\"mib\": %zu, \"chunk\": %zu, \"runs\": {", b->mib,
		       b->chunk);
	else
		printf("%-10s %14s %14s\n", "", "CPU s/GiB", "wall s/GiB");
	for (int i = 0; i < 4; i++) {
		struct result r = run(b, i);

		if (b->json)
			printf("%s\"%s\": {\"cpu_s_per_gib\": %.4f, "
			       "\"wall_s_per_gib\": %.4f}",
			       i ? ", " : "", names[i], r.cpu, r.wall);
		else
			printf("%-10s %14.3f %14.3f\n", names[i], r.cpu,
			       r.wall);
	}
	if (b->json)
		printf("}}\n");
}

static void
usage(void)
{
	fprintf(stderr, "usage: bench/spool [--json] [--mib N] [--chunk BYTES] "
			"[--dir FOLDER]\n"
			"FOLDER is where a folder of its own is made.\n");
	exit(2);
}

static void
options(struct bench *b, int argc, char **argv)
{
	static const struct option known[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "mib", required_argument, NULL, 'm' },
		{ "chunk", required_argument, NULL, 'c' },
		{ "dir", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'j')
			b->json = true;
		else if (c == 'm')
			b->mib = strtoul(optarg, NULL, 10);
		else if (c == 'c')
			b->chunk = strtoul(optarg, NULL, 10);
		else if (c == 'd')
			b->dir = optarg;
		else
			usage();
	}
	if (optind < argc || b->mib < 16 || b->chunk == 0 ||
	    PART % b->chunk != 0)
		usage();
}

int
main(int argc, char **argv)
{
	struct bench b = { .dir = "/tmp", .mib = 1024, .chunk = 32768 };
	char *dir;

	options(&b, argc, argv);
	dir = mem_printf("%s/sluice-bench-XXXXXX", b.dir);
	if (!mkdtemp(dir))
		die(dir, ERR_IO);
	b.dir = dir;
	b.data = mem_alloc(b.chunk);
	memset(b.data, 'x', b.chunk);
	report(&b);
	rmdir(dir);
	free(b.data);
	free(dir);
	return 0;
}
