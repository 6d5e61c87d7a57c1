/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/sink_drivers.h"

#define TIME_MIN_MS 100

void
sink_conf_expected(struct sink_conf *f, const char *key, const char *expected)
{
	conf_complain(f->conf, f->section, key, "expected %s", expected);
	f->bad = true;
}

const char *
sink_conf_need(struct sink_conf *f, const char *key)
{
	const char *v = conf_need(f->conf, f->section, key);

	f->bad |= !*v;
	return v;
}

unsigned
sink_conf_time(struct sink_conf *f, const char *key, unsigned def, unsigned max)
{
	struct conf_range r = { def, TIME_MIN_MS, max };

	return (unsigned)conf_time(f->conf, f->section, key, r);
}

unsigned
sink_conf_concurrency(struct sink_conf *f, unsigned def, unsigned max)
{
	struct conf_range r = { def, 1, max };

	return (unsigned)conf_uint(f->conf, f->section, "concurrency", r);
}

bool
sink_conf_binary(struct sink_conf *f, bool def)
{
	static const char *const modes[] = { "structured", "binary", NULL };

	return conf_choice(f->conf, f->section, "content", modes, def) == 1;
}

void
sink_attributes(const struct sink_event *e,
		struct sink_attribute out[SINK_ATTRIBUTES])
{
	const struct sink_attribute all[SINK_ATTRIBUTES] = {
		{ "specversion", "1.0" },
		{ "id", e->id },
		{ "source", e->source },
		{ "type", e->type },
		{ "subject", e->subject },
		{ "time", e->time },
		{ "partitionkey", e->partitionkey },
	};

	for (int i = 0; i < SINK_ATTRIBUTES; i++)
		out[i] = all[i];
}
