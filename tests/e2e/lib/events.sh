# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests of events: receivers, and what came to them. Sourced after lib.sh.

# The Python that has the packages standardwebhooks, cloudevents, jsonschema.
EVENTS_PYTHON=${EVENTS_PYTHON:-$PYTHON}
export WEBHOOK_SECRET
WEBHOOK_SECRET=whsec_$(openssl rand -base64 32)

need_event_packages() {
	"$EVENTS_PYTHON" -c 'import jsonschema' 2>/dev/null &&
		"$EVENTS_PYTHON" "$E2E/lib/receiver.py" check 2>/dev/null ||
		skip "no Python packages standardwebhooks, cloudevents, jsonschema"
}

# hook_start NAME: a receiver that writes to $T/NAME; prints its port.
hook_start() {
	: >"$T/$1"
	rm -f "$T/$1.port"
	"$EVENTS_PYTHON" "$E2E/lib/receiver.py" "$T/$1" \
		>"$T/$1.log" 2>&1 </dev/null &
	echo $! >"$T/$1.background" # this may be a subshell
	wait_for 20 test -e "$T/$1.port" || fail "no receiver $1"
	cat "$T/$1.port"
}

# hook_sink NAME PORT: settings of a sink of that receiver's.
hook_sink() {
	printf '%s\n' "sink.$1.type=webhook" \
		"sink.$1.url=http://127.0.0.1:$2/hook" \
		"sink.$1.secret=$WEBHOOK_SECRET" "sink.$1.allow_private=yes" \
		"sink.$1.from=start"
}

# kafka_sink NAME TOPIC
kafka_sink() {
	printf '%s\n' "sink.$1.type=kafka" "sink.$1.brokers=$KAFKA_BROKERS" \
		"sink.$1.topic=$2" "sink.$1.from=start"
}

# kafka_read TOPIC: into $T/TOPIC, in the form of receiver.py.
kafka_read() {
	# A topic that nobody has written to yet is no error.
	kcat -b "$KAFKA_BROKERS" -C -t "$1" -o beginning -e -q -J \
		>"$T/$1.kcat" 2>"$T/$1.err" || :
	"$PYTHON" "$E2E/lib/kcat.py" <"$T/$1.kcat" >"$T/$1"
}

# came FILE EXPRESSION [CONDITION]: a Python expression over each event that
# came, one a line; e is the event, d its data, x the whole line.
came() {
	"$PYTHON" - "$@" <<-'EOT'
		import json, sys
		wanted, where = (compile(f"({text})", text, "eval")
		                 for text in (sys.argv + ["True"])[2:4])
		for line in open(sys.argv[1]):
		    x = json.loads(line)
		    e = x.get("event", {})
		    v = {"x": x, "e": e, "d": e.get("data", {})}
		    if eval(where, v):
		        print(eval(wanted, v))
	EOT
}

# told FILE TYPE KEY: an event of that type came.
told() {
	[ -n "$(came "$T/$1" "e['id']" \
		"e['type'] == 'io.sluice.$2' and e['subject'] == '$3'")" ]
}

told_kafka() {
	kafka_read "$1"
	told "$@"
}

# all_valid FILE: every event that came is as the schema says.
all_valid() {
	"$EVENTS_PYTHON" - "$E2E/../../doc/events.schema.json" "$1" <<-'EOT'
		import json, sys
		import jsonschema
		schema = json.load(open(sys.argv[1]))
		jsonschema.Draft202012Validator.check_schema(schema)
		check = jsonschema.Draft202012Validator(schema)
		n = 0
		for line in open(sys.argv[2]):
		    x = json.loads(line)
		    if x["headers"]["content-type"].startswith("application/cloudevents"):
		        check.validate(json.loads(x["raw"]))
		        n += 1
		if n == 0:
		    sys.exit("no event was checked")
	EOT
}
