/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/intake.h"

#include <string.h>

#include "lib/mem.h"

static void
intake_closed(void *arg, enum err err, const char *why)
{
	struct intake *i = arg;

	if (i->stopping)
		exchange_error(&i->x, i->failed, i->why);
	else
		i->done(i, err, why);
}

void
intake_close(struct intake *i, enum vfs_end how, intake_fn *fn)
{
	struct vfs_file *file = i->file;

	i->file = NULL;
	i->closing = true;
	i->done = fn;
	exchange_stop(&i->x);
	vfs_file_close(file, how, intake_closed, i);
}

void
intake_fail(struct intake *i, enum err err, const char *why)
{
	if (i->stopping || i->closing)
		return;
	i->stopping = true;
	i->failed = err;
	str_copy(i->why, sizeof(i->why), why);
	intake_close(i, VFS_BROKEN, NULL);
}

bool
intake_write(struct intake *i, const void *data, size_t n)
{
	const char *why = "";
	enum err err = vfs_file_write(i->file, i->off, data, n, &why);

	if (err) {
		intake_fail(i, err, why);
		return false;
	}
	i->off += n;
	i->moved += n;
	return true;
}

bool
intake_full(const struct exchange *x)
{
	const struct intake *i = (const struct intake *)x;

	return i->file && vfs_file_paused(i->file);
}

static void
on_pause(void *arg, bool paused)
{
	struct intake *i = arg;

	exchange_pause(&i->x, paused);
}

static void
on_ready(void *arg, enum err err, const char *why)
{
	struct intake *i = arg;

	if (err && i->file)
		intake_fail(i, err, why);
}

static void
intake_opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct intake *i = arg;

	i->file = err ? NULL : f;
	i->done(i, err, why);
}

void
intake_open(struct intake *i, struct vfs_open *o, intake_fn *fn)
{
	static const struct vfs_file_events events = { .pause = on_pause,
						       .ready = on_ready };

	i->done = fn;
	o->path = i->x.path.text;
	o->events = &events;
	o->events_arg = i;
	vfs_open(i->x.c->session, o, intake_opened, i);
}
