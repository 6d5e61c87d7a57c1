/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bridge/store.h promises, asked of a store:
 *
 *   test_store_contract                   the local store, in a new folder
 *   test_store_contract [-sn] INI NAME    [store.NAME] of that file
 *
 * -s also does what takes a thousand requests; -n is for a store that keeps no
 * bytes. Where they are there, these sections are used too: [store.NAME-denied]
 * with wrong credentials, [store.NAME-missing] without a bucket,
 * [store.NAME-silent] where nobody listens, [store.NAME-untrusted] with an
 * unknown certificate, and [store.NAME-copy] with copy_max = 5M. What the run
 * wrote is removed at its end.
 */
#include "tests/unit/contract_world.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/id.h"
#include "lib/log.h"
#include "lib/work.h"

#define PATH_BYTES 4096

static char own_dir[PATH_BYTES]; /* made for the local store, or "" */
static char own_ini[PATH_BYTES + 16];

static void
write_own_ini(void)
{
	char cwd[PATH_BYTES - 64];
	FILE *f;

	/* Not in /tmp, which may have no extended attributes. */
	if (!getcwd(cwd, sizeof(cwd)))
		abort();
	snprintf(own_dir, sizeof(own_dir), "%s/contract.XXXXXX", cwd);
	if (!mkdtemp(own_dir))
		abort();
	snprintf(own_ini, sizeof(own_ini), "%s/root", own_dir);
	if (mkdir(own_ini, 0700))
		abort();
	snprintf(own_ini, sizeof(own_ini), "%s/store.ini", own_dir);
	f = fopen(own_ini, "w");
	if (!f)
		abort();
	fprintf(f, "[store.contract]\ntype = local\npath = %s/root\n", own_dir);
	fclose(f);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_all(const char *prefix)
{
	char key[STORE_KEY_MAX + 1];
	struct got g;
	bool more;

	do {
		g = do_list(prefix, NULL);
		for (size_t i = 0; i < g.nentries; i++) {
			snprintf(key, sizeof(key), "%s%s", prefix,
				 g.entries[i].key);
			if (g.entries[i].is_dir)
				remove_all(key);
			else
				must(do_delete(key));
		}
		more = g.next != NULL;
		got_free(&g);
	} while (more);
	g = do_delete(prefix);
	got_free(&g);
}

static int
set_up(void **state)
{
	struct store_env env = { 0 };
	struct got g = { 0 };
	char id[ID_LEN + 1];

	(void)state;
	log_open("contract", "stderr", LOG_LEVEL_ERROR);
	world.loop = loop_new();
	world.pool = work_pool_new(world.loop, 2);
	world.http = http_new(world.loop);
	env.loop = world.loop;
	env.pool = world.pool;
	env.http = world.http;
	if (store_open(&world.store, world.conf, world.name, &env)) {
		for (size_t i = 0; conf_complaint(world.conf, i); i++)
			fprintf(stderr, "%s\n", conf_complaint(world.conf, i));
		return -1;
	}
	store_probe(world.store, on_done, &g);
	wait_done(&g);
	if (g.err) {
		fprintf(stderr, "probe: %s\n", err_name(g.err));
		return -1;
	}
	world.caps = g.caps;
	store_set_caps(world.store, &g.caps);
	got_free(&g);
	id_new(id);
	snprintf(world.root, sizeof(world.root), "contract-%s/", id);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	remove_all(world.root);
	store_close(world.store);
	loop_turn(world.loop, 0);
	http_free(world.http);
	loop_turn(world.loop, 0);
	work_pool_free(world.pool);
	loop_free(world.loop);
	conf_free(world.conf);
	if (own_dir[0])
		nftw(own_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static int
run(void)
{
	struct CMUnitTest tests[64];
	size_t n = 0;

	memcpy(tests + n, contract_objects,
	       n_contract_objects * sizeof(tests[0]));
	n += n_contract_objects;
	memcpy(tests + n, contract_parts, n_contract_parts * sizeof(tests[0]));
	n += n_contract_parts;
	memcpy(tests + n, contract_lists, n_contract_lists * sizeof(tests[0]));
	n += n_contract_lists;
	return _cmocka_run_group_tests("store contract", tests, n, set_up,
				       tear_down);
}

int
main(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "sn")) != -1) {
		world.slow |= opt == 's';
		world.no_bytes |= opt == 'n';
	}
	if (argc - optind == 2) {
		world.conf = conf_load(argv[optind]);
		world.name = argv[optind + 1];
	} else if (argc == 1) {
		write_own_ini();
		world.slow = true; /* it is not, with files */
		world.conf = conf_load(own_ini);
		world.name = "contract";
	} else {
		fprintf(stderr, "usage: %s [[-sn] INI NAME]\n", argv[0]);
		return 2;
	}
	return run();
}
