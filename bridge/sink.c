/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/sink_drivers.h"

#include <stddef.h>

static const struct sink_ops *const drivers[] = {
	&sink_webhook,
#ifdef HAVE_KAFKA
	&sink_kafka,
#endif
};

enum err
sink_open(struct sink **out, struct conf *conf, const char *section,
	  const struct sink_env *env)
{
	static const char *const types[] = { "webhook",
#ifdef HAVE_KAFKA
					     "kafka",
#endif
					     NULL };
	int i;

	*out = NULL;
	if (!conf_has(conf, section, "type"))
		conf_need(conf, section, "type");
	i = conf_choice(conf, section, "type", types, -1);
	if (i >= 0)
		return drivers[i]->open(out, conf, section, env);
	/* Whose keys these are nobody knows. */
	conf_forgive(conf, section);
	return ERR_INVALID;
}

void
sink_send(struct sink *s, const struct sink_event *e, sink_done_fn *fn,
	  void *arg)
{
	sink_base(s)->ops->send(s, e, fn, arg);
}

void
sink_forget(struct sink *s, void *arg)
{
	sink_base(s)->ops->forget(s, arg);
}

void
sink_close(struct sink *s)
{
	if (s)
		sink_base(s)->ops->close(s);
}

const char *
sink_type(const struct sink *s)
{
	return ((const struct sink_base *)s)->ops->type;
}

unsigned
sink_concurrency(const struct sink *s)
{
	return ((const struct sink_base *)s)->concurrency;
}
