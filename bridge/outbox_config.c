/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/outbox.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/id.h"
#include "lib/mem.h"

#define SECTION "events"
#define SINK_PREFIX "sink."
#define PATTERN_MAX 255
#define DAY_MS ((uint64_t)86400 * 1000)
#define ALL_KINDS ((1u << OUTBOX_KINDS) - 1)

bool
outbox_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	/* Only the last star is ever tried anew: no pattern is slow. */
	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* Cuts the next word of a list off, without blanks around it; NULL: none. */
static char *
next_word(const char **list)
{
	const char *s = *list, *end;
	size_t n;

	s += strspn(s, ", \t");
	if (!*s)
		return NULL;
	n = strcspn(s, ",");
	*list = s + n;
	for (end = s + n; end > s && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	return mem_strndup(s, (size_t)(end - s));
}

static char **
globs_read(struct conf *conf, const char *section, const char *key)
{
	const char *list = conf_str(conf, section, key, "");
	char **out = mem_array(OUTBOX_PATTERNS_MAX + 1, sizeof(*out));
	size_t n = 0;
	char *word;

	while ((word = next_word(&list))) {
		if (n == OUTBOX_PATTERNS_MAX || strlen(word) > PATTERN_MAX) {
			conf_complain(conf, section, key,
				      "found more, expected at most %d "
				      "patterns of at most %d bytes",
				      OUTBOX_PATTERNS_MAX, PATTERN_MAX);
			free(word);
			break;
		}
		out[n++] = word;
	}
	return out;
}

static int
kind_by_type(const char *word)
{
	int i;

	for (i = 0; i < OUTBOX_KINDS; i++)
		if (strcmp(outbox_type((enum outbox_kind)i), word) == 0)
			return i;
	return -1;
}

static unsigned
kinds_read(struct conf *conf, const char *section)
{
	const char *list = conf_str(conf, section, "events", NULL);
	unsigned kinds = 0;
	char *word;
	int kind;

	if (!list)
		return ALL_KINDS;
	while ((word = next_word(&list))) {
		kind = kind_by_type(word);
		kinds |= kind >= 0 ? 1u << kind : ALL_KINDS;
		if (kind < 0)
			conf_complain(conf, section, "events",
				      "found \"%s\", expected published, "
				      "deleted, renamed, upload.parked, "
				      "upload.aborted, upload.lost, "
				      "upload.unclaimed",
				      word);
		free(word);
	}
	if (!kinds)
		conf_complain(conf, section, "events",
			      "found none, expected at least one type");
	return kinds;
}

/* What tells two configurations of a sink apart; it also holds secrets. */
struct digest {
	struct conf *conf;
	const char *section;
	EVP_MD_CTX *ctx;
};

static void
digest_key(void *arg, const char *key)
{
	struct digest *d = arg;
	const char *value = conf_peek(d->conf, d->section, key);

	EVP_DigestUpdate(d->ctx, key, strlen(key) + 1);
	if (value)
		EVP_DigestUpdate(d->ctx, value, strlen(value) + 1);
}

static void
digest_read(struct conf *conf, struct outbox_sink_config *s)
{
	struct digest d = { .conf = conf, .section = s->section };
	unsigned char sum[32];

	d.ctx = EVP_MD_CTX_new();
	EVP_DigestInit_ex(d.ctx, EVP_sha256(), NULL);
	conf_keys(conf, s->section, "", digest_key, &d);
	EVP_DigestFinal_ex(d.ctx, sum, NULL);
	EVP_MD_CTX_free(d.ctx);
	hex_encode(sum, sizeof(sum), s->digest);
}

static void
sink_read(struct conf *conf, const char *section, const char *name,
	  struct outbox_sink_config *s)
{
	static const char *const froms[] = { "now", "start", NULL };
	static const struct sink_env none;
	struct conf_range retry = { 3 * DAY_MS, 1000, 30 * DAY_MS };
	struct sink *sink = NULL;

	s->name = mem_strdup(name);
	s->section = mem_strdup(section);
	s->users = globs_read(conf, section, "users");
	s->paths = globs_read(conf, section, "paths");
	s->kinds = kinds_read(conf, section);
	s->retry_for_ms = conf_time(conf, section, "retry_for", retry);
	s->from_start = conf_choice(conf, section, "from", froms, 0) == 1;
	sink_open(&sink, conf, section, &none);
	sink_close(sink);
	digest_read(conf, s);
}

static void
sinks_read(struct conf *conf, struct outbox_config *out)
{
	size_t i, n = conf_sections(conf);
	const char *section, *name;

	for (i = 0; i < n; i++) {
		section = conf_section(conf, i);
		name = conf_section_after(conf, i, SINK_PREFIX);
		if (!name)
			continue;
		if (!conf_name_valid(name, SINK_NAME_MAX))
			conf_complain(conf, section, NULL,
				      "expected [sink.NAME] with a name of at "
				      "most %d letters, digits, '_' and '-'",
				      SINK_NAME_MAX);
		else if (out->nsinks == OUTBOX_SINKS_MAX)
			conf_complain(conf, section, NULL, "more than %d sinks",
				      OUTBOX_SINKS_MAX);
		else
			sink_read(conf, section, name,
				  &out->sinks[out->nsinks++]);
	}
}

/* A URI reference without blanks, for it goes into headers. */
static char *
attribute_read(struct conf *conf, const char *key, const char *def)
{
	const char *v = conf_str(conf, SECTION, key, def);
	const char *p;

	for (p = v; *p > ' ' && *p < 0x7f && *p != '"' && *p != '\\'; p++)
		;
	if (!*v || *p || strlen(v) > PATTERN_MAX)
		conf_complain(conf, SECTION, key,
			      "found \"%s\", expected 1 to %d printable ASCII "
			      "characters without blanks and quotes",
			      v, PATTERN_MAX);
	return mem_strdup(v);
}

void
outbox_config_read(struct conf *conf, const char *node,
		   struct outbox_config *out)
{
	static const char *const waits[] = { "probe", "none", NULL };
	struct conf_range wait = { 60000, 1000, 3600 * 1000 };
	struct conf_range keep = { DAY_MS, 3600 * 1000, 3650 * DAY_MS };
	struct conf_range dead = { 30 * DAY_MS, 3600 * 1000, 3650 * DAY_MS };
	struct conf_range ttl = { 3600 * 1000, 60 * 1000,
				  (uint64_t)STORE_GRANT_MAX_S * 1000 };
	char *source = mem_printf("urn:sluice:%s", node);

	memset(out, 0, sizeof(*out));
	out->source = attribute_read(conf, "source", source);
	out->type_prefix = attribute_read(conf, "type_prefix", "io.sluice");
	out->wait = conf_choice(conf, SECTION, "publish_wait", waits, 0) == 0;
	out->wait_ms =
		(unsigned)conf_time(conf, SECTION, "publish_wait_max", wait);
	out->keep_ms = conf_time(conf, SECTION, "keep", keep);
	out->keep_dead_ms = conf_time(conf, SECTION, "keep_dead", dead);
	out->url = conf_bool(conf, SECTION, "url", false);
	out->url_ttl_ms = (int64_t)conf_time(conf, SECTION, "url_ttl", ttl);
	sinks_read(conf, out);
	free(source);
}

static void
list_free(char **list)
{
	char **s;

	for (s = list; s && *s; s++)
		free(*s);
	free(list);
}

void
outbox_config_free(struct outbox_config *c)
{
	size_t i;

	for (i = 0; i < c->nsinks; i++) {
		free(c->sinks[i].name);
		free(c->sinks[i].section);
		list_free(c->sinks[i].users);
		list_free(c->sinks[i].paths);
	}
	free(c->source);
	free(c->type_prefix);
	memset(c, 0, sizeof(*c));
}
