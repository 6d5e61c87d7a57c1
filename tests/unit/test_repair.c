/* SPDX-License-Identifier: Apache-2.0 */
/* What sluicectl changes, it changes under the driver's lock. */
#include "tests/unit/journal_world.h"

#include "bridge/keylock.h"
#include "ctl/repair.h"

struct fixture {
	struct world *w;
	struct ctl ctl;
	struct repair *repair;
	struct keylock_table *locks; /* as another process has them */
	struct journal_upload row;
};

static int
setup_repair(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	f->w = world_new();
	assert_int_equal(try_open(f->w), ERR_OK);
	f->ctl.bridge.state_dir = f->w->dir;
	f->ctl.bridge.spool_dir = f->w->dir;
	f->repair = repair_open(&f->ctl);
	assert_non_null(f->repair);
	assert_int_equal(keylock_table_open(&f->locks, f->w->dir), ERR_OK);
	f->row = *row("x");
	f->row.state = UPLOAD_PARKED;
	assert_int_equal(insert(f->w, &f->row), ERR_OK);
	*state = f;
	return 0;
}

static int
teardown_repair(void **state)
{
	struct fixture *f = *state;
	char *lock = mem_printf("%s/lock", f->w->dir);
	void *w = f->w;

	repair_close(f->repair);
	keylock_table_close(f->locks);
	unlink(lock);
	free(lock);
	teardown(&w);
	free(f);
	return 0;
}

static enum err
lock(struct fixture *f)
{
	struct journal_rows rows;
	enum err err = repair_lock(f->repair, &f->row, &rows);

	journal_rows_free(&rows);
	return err;
}

static void
test_what_is_driven_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct keylock *held, *other;

	assert_int_equal(keylock_take(f->locks, "main", "x", &held), ERR_OK);
	assert_int_equal(lock(f), ERR_IN_USE);
	keylock_drop(held);
	assert_int_equal(lock(f), ERR_OK);
	/* And nobody can begin to drive it meanwhile. */
	assert_int_equal(keylock_take(f->locks, "main", "x", &other),
			 ERR_IN_USE);
	repair_unlock(f->repair);
	assert_int_equal(keylock_take(f->locks, "main", "x", &held), ERR_OK);
	keylock_drop(held);
}

static void
test_what_went_on_meanwhile_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct journal_upload now = f->row;
	struct journal_tx tx = { .update = &now,
				 .set = JSET_EPOCH,
				 .new_epoch = 2 };

	assert_int_equal(commit(f->w, &tx), ERR_OK);
	assert_int_equal(lock(f), ERR_CONFLICT);
	f->row.epoch = 2;
	assert_int_equal(lock(f), ERR_OK);
	repair_unlock(f->repair);
	f->row.state = UPLOAD_SEALED;
	assert_int_equal(lock(f), ERR_CONFLICT);
	strcpy(f->row.id, "00000000000000000000000000000000");
	assert_int_equal(lock(f), ERR_CONFLICT);
}

static void
test_a_change_is_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct journal_upload now = f->row;
	struct journal_event e = event("published");
	struct journal_tx tx = { .update = &now,
				 .set = JSET_STATE,
				 .event = &e };

	now.state = UPLOAD_PUBLISHED;
	assert_int_equal(repair_apply(f->repair, &tx), ERR_OK);
	assert_int_equal(get(f->w, now.id).upload.state, UPLOAD_PUBLISHED);
	/* It has ended: neither the row nor a second event changes. */
	now.state = UPLOAD_PARKED;
	e = event("lost");
	assert_int_equal(repair_apply(f->repair, &tx), ERR_CONFLICT);
	assert_int_equal(get(f->w, now.id).upload.state, UPLOAD_PUBLISHED);
	assert_int_equal(ask(f->w, "SELECT count(*) FROM events"), 1);
}

#define C(f) cmocka_unit_test_setup_teardown(f, setup_repair, teardown_repair)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		C(test_what_is_driven_is_left_alone),
		C(test_what_went_on_meanwhile_is_left_alone),
		C(test_a_change_is_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
