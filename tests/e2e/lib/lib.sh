# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the end-to-end tests share. tests/e2e/run starts each test in a process
# of its own with these variables set:
#   BUILD   the build folder          T      a fresh folder for this test
#   STORE   local, seaweed, ...      E2E    this tree's tests/e2e
# and for the S3 servers S3_ENDPOINT, S3_ACCESS, S3_SECRET, S3_REGION,
# S3_BUCKET and S3_PREFIX, this test's own part of the bucket.
#
# A test is a bash script that sources this file, calls the functions below
# and ends with status 0 when all is well. Everything listens on 127.0.0.1.

# No pipefail: "x | grep -q" ends x by SIGPIPE when it finds something early.
set -eu
: "${T:?start tests with tests/e2e/run}" "${BUILD:?}" "${STORE:?}" "${E2E:?}"
export PYTHON=${PYTHON:-/usr/bin/python3}
export PYTHONPATH=$E2E/lib PYTHONDONTWRITEBYTECODE=1
export GW_USER=tester GW_HOME=inbox
export GW_CONF=$T/sluice.ini GW_LOG=$T/gateway.log
GW_PID=

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

skip() {
	echo "SKIP: $*"
	exit 77
}

# eq WANTED FOUND WHAT
eq() {
	[ "$1" = "$2" ] || fail "$3: expected '$1', found '$2'"
}

# Runs a command that must fail.
refused() {
	if "$@" >"$T/refused.out" 2>&1; then
		cat "$T/refused.out"
		fail "was not refused: $*"
	fi
}

# wait_for SECONDS COMMAND...: until the command succeeds. A machine that is busy
# with other things has ten times as long.
wait_for() {
	local end=$((SECONDS + 10 * $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

program() {
	local p
	for p in "$BUILD/$1" "$BUILD"/*/"$1"; do
		[ -f "$p" ] && [ -x "$p" ] && echo "$p" && return
	done
	fail "$1 is not built in $BUILD"
}

# make_file PATH BYTES [SEED]: the same bytes for the same seed, always.
make_file() {
	head -c "$2" /dev/zero | openssl enc -aes-128-ctr -nosalt \
		-K "$(printf %032x "${3:-1}")" -iv 0 2>/dev/null >"$1" || true
	eq "$2" "$(stat -c %s "$1")" "size of $1"
}

sha256() {
	sha256sum <"$1" | cut -d' ' -f1
}

# --- the gateway -----------------------------------------------------------

free_ports() {
	"$PYTHON" "$E2E/lib/ports.py" "$1"
}

# Whether the gateway speaks Swift's own interface to the store.
native() {
	case $STORE in
	swift-native | keystone) return 0 ;;
	*) return 1 ;;
	esac
}

store_section() {
	echo "[store.main]"
	if [ "$STORE" = local ]; then
		printf '%s\n' "type = local" "path = $T/objects" "create = yes"
	elif native; then
		printf '%s\n' "type = swift" "auth = $SWIFT_AUTH" \
			"auth_url = $SWIFT_AUTH_URL" "user = $SWIFT_USER" \
			"password = $SWIFT_PASSWORD" \
			"container = $SWIFT_CONTAINER" "prefix = $S3_PREFIX" \
			"segments_grace = 1s"
	else
		printf '%s\n' "type = s3" "endpoint = $S3_ENDPOINT" \
			"region = $S3_REGION" "bucket = $S3_BUCKET" \
			"prefix = $S3_PREFIX" \
			"access_key = $S3_ACCESS" "secret_key = $S3_SECRET" \
			"max_parts = ${S3_MAX_PARTS:-10000}"
	fi
	echo "part_size = ${PART_SIZE:-5M}"
}

# gw_configure [KEY=VALUE...]: writes the two configuration files. A KEY is
# SECTION.NAME; store.main.NAME works too.
gw_configure() {
	local ports kv section
	read -r -a ports < <(free_ports 2)
	export SFTP_PORT=${SFTP_PORT:-${ports[0]}}
	export FTP_PORT=${FTP_PORT:-${ports[1]}}
	export PASSWORD=${PASSWORD:-$(openssl rand -hex 12)}
	[ -e "$T/key" ] || ssh-keygen -q -t ed25519 -N '' -C test -f "$T/key"
	[ -e "$T/host_key" ] ||
		ssh-keygen -q -t ed25519 -N '' -C host -f "$T/host_key"
	cat >"$GW_CONF" <<-EOT
		[daemon]
		sftp = 127.0.0.1:$SFTP_PORT
		ftp = 127.0.0.1:$FTP_PORT
		workers = 2
		users_file = $T/users.ini
		run_dir = $T/run
		log_level = debug
		stall_timeout = 60s
		[bridge]
		state_dir = $T/state
		spool_dir = $T/spool
		spool_max = 1G
		[sftp]
		host_key = $T/host_key
		[ftp]
		tls = optional
		data_tls = optional
		allow_plain = yes
		certificate = $T/cert.pem
		private_key = $T/cert.key
		make_certificate = yes
		$(store_section)
	EOT
	for kv; do
		section=${kv%%=*}
		"$PYTHON" "$E2E/lib/ini.py" "$GW_CONF" "${section%.*}" \
			"${section##*.}" "${kv#*=}"
	done
	gw_user "$GW_USER" "$PASSWORD" "$GW_HOME" >"$T/users.ini"
	chmod 640 "$T/users.ini"
	# Nobody runs it as root.
	if [ "$(id -u)" = 0 ]; then
		chmod 711 "$T"
		chown nobody "$T" "$T"/*
		"$PYTHON" "$E2E/lib/ini.py" "$GW_CONF" daemon user nobody
		"$PYTHON" "$E2E/lib/ini.py" "$GW_CONF" daemon group nogroup
	fi
}

# gw_user NAME PASSWORD HOME [LINE...]: a section of users.ini.
gw_user() {
	printf '[%s]\npassword = %s\nhome = %s\nauthorized_keys = %s\n' \
		"$1" "$(openssl passwd -6 -stdin <<<"$2")" "$3" "$T/key.pub"
	shift 3
	printf '%s\n' "$@"
}

gw_answers() {
	gw_running || return 0
	(exec 3<>"/dev/tcp/127.0.0.1/$SFTP_PORT" && read -r -t 20 -u 3) \
		2>/dev/null &&
	(exec 3<>"/dev/tcp/127.0.0.1/$FTP_PORT" && read -r -t 20 -u 3) \
		2>/dev/null
}

gw_running() {
	[ -n "$GW_PID" ] && kill -0 "$GW_PID" 2>/dev/null
}

# Starts sluiced on the configuration; ready when both ports greet.
gw_start() {
	[ -e "$GW_CONF" ] || gw_configure "$@"
	"$(program sluiced)" -c "$GW_CONF" >>"$GW_LOG" 2>&1 </dev/null &
	GW_PID=$!
	wait_for 20 gw_answers || fail "the gateway does not answer"
	gw_running || fail "the gateway did not start"
}

# The master and all its descendants.
gw_pids() {
	local pid children
	for pid; do
		echo "$pid"
		children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || :)
		# shellcheck disable=SC2086
		gw_pids $children
	done
}

gw_workers() {
	local pid
	for pid in $(cat "/proc/$GW_PID/task/$GW_PID/children"); do
		echo "$pid"
	done
}

# SIGKILL to every process of the gateway, before the master can replace one.
gw_kill_all() {
	local pids
	kill -STOP "$GW_PID"
	pids=$(gw_pids "$GW_PID")
	# shellcheck disable=SC2086
	kill -KILL $pids 2>/dev/null || :
	wait "$GW_PID" 2>/dev/null || :
	GW_PID=
}

gw_stop() {
	gw_running || return 0
	kill -TERM "$GW_PID"
	if ! wait_for 20 gw_gone; then
		gw_kill_all
		fail "the gateway did not end on SIGTERM"
	fi
	wait "$GW_PID" || fail "the gateway ended with status $?"
	GW_PID=
}

gw_gone() {
	# A child that nobody waited for yet is a zombie, and over.
	[ "$(sed 's/.*) //; s/ .*//' "/proc/$GW_PID/stat" 2>/dev/null)" = Z ] ||
		! kill -0 "$GW_PID" 2>/dev/null
}

# gw_logged TEXT...: a line of the log with all of these words.
gw_logged() {
	local lines
	lines=$(cat "$GW_LOG")
	for word; do
		lines=$(grep -F -e "$word" <<<"$lines") || return 1
	done
}

# Ends what a test has started: its jobs, the processes whose ids stand in
# $T/*.background, and what the function that AT_END names knows of.
# A trap may run while a function's output is redirected.
exec {REPORT}>&1
clean_up() {
	local status=$?
	trap - EXIT
	set +e
	exec >&"$REPORT" 2>&1
	[ -z "${CUT_PID:-}" ] || kill -KILL -- "-$CUT_PID" 2>/dev/null
	[ -z "${AT_END:-}" ] || "$AT_END"
	# shellcheck disable=SC2046
	kill $(jobs -p) $(cat "$T"/*.background 2>/dev/null) 2>/dev/null
	[ -z "$GW_PID" ] || gw_kill_all
	if grep -qE '(ERROR|WARNING): [A-Za-z]*Sanitizer|runtime error:' \
		"$GW_LOG" 2>/dev/null; then
		echo "FAIL: a sanitizer complained" >&2
		status=1
	fi
	if [ $status != 0 ] && [ $status != 77 ] && [ -e "$GW_LOG" ]; then
		echo "--- the end of the gateway's log:"
		tail -n "${E2E_LOG_LINES:-40}" "$GW_LOG" | cut -c -400
	fi
	# Keystone's tokens may not last for it on a busy machine.
	if [ $status = 0 ] && [ "$STORE" = swift-native ] && ! none_lost; then
		echo "FAIL: nothing names these segments: $LOST" >&2
		status=1
	fi
	for folder in $(grep -oE "$T/[a-z]+ tmpfs" /proc/mounts); do
		[ "$folder" = tmpfs ] || umount -l "$folder"
	done
	exit $status
}
trap clean_up EXIT
trap 'exit 124' TERM INT

# --- clients ---------------------------------------------------------------

SSH_OPTIONS=(-F /dev/null -i "$T/key" -o BatchMode=yes
	-o IdentitiesOnly=yes -o StrictHostKeyChecking=no
	-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)

# OpenSSH's sftp; the batch comes from standard input.
sftp_batch() {
	sftp -q "${SSH_OPTIONS[@]}" -P "$SFTP_PORT" "$@" -b - \
		"$GW_USER@127.0.0.1"
}

# scp_put FILE PATH [OPTION...]; scp_get PATH FILE
scp_put() {
	local file=$1 path=$2
	shift 2
	scp -q "${SSH_OPTIONS[@]}" -P "$SFTP_PORT" "$@" "$file" \
		"$GW_USER@127.0.0.1:$path"
}

scp_get() {
	scp -q "${SSH_OPTIONS[@]}" -P "$SFTP_PORT" \
		"$GW_USER@127.0.0.1:$1" "$2"
}

# lftp_do sftp|ftp|ftps COMMANDS: any command that fails ends it.
lftp_do() {
	local url=ftp://127.0.0.1:$FTP_PORT set
	set="set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 120;
		set net:reconnect-interval-base 1; set xfer:clobber yes;
		set bmk:save-passwords no; set ftp:use-feat yes;"
	case $1 in
	sftp)
		url=sftp://127.0.0.1:$SFTP_PORT
		set+="set sftp:auto-confirm yes; set sftp:connect-program \
			\"ssh -a -x ${SSH_OPTIONS[*]}\";" ;;
	ftp) set+="set ftp:ssl-allow no;" ;;
	ftps) set+="set ftp:ssl-force yes; set ftp:ssl-protect-data yes;
		set ssl:verify-certificate no;" ;;
	esac
	HOME=$T lftp -c "$set open -u $GW_USER,$PASSWORD $url; $2"
}

# curl_do sftp|ftp|ftps PATH OPTION...: PATH starts with a slash.
curl_do() {
	local url=ftp://127.0.0.1:$FTP_PORT/$2 options=(-sS --insecure)
	case $1 in
	sftp) url=sftp://127.0.0.1:$SFTP_PORT$2 ;;
	ftps) options+=(--ssl-reqd) ;;
	esac
	shift 2
	printf 'user = "%s:%s"\n' "$GW_USER" "$PASSWORD" |
		curl -K - "${options[@]}" "$@" "$url"
}

# Lines for gw_configure: the HTTP front end, plain and over TLS.
http_settings() {
	[ -e "$T/http.pem" ] ||
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
			-nodes -days 2 -subj /CN=localhost \
			-addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
			-keyout "$T/http.key" -out "$T/http.pem" 2>/dev/null
	read -r HTTP_PORT HTTPS_PORT < <(free_ports 2)
	export HTTP_PORT HTTPS_PORT
	printf '%s\n' "daemon.http=127.0.0.1:$HTTP_PORT" \
		"daemon.https=127.0.0.1:$HTTPS_PORT" \
		"http.allow_plain=yes" "http.certificate=$T/http.pem" \
		"http.private_key=$T/http.key"
}

# gw_start_http [KEY=VALUE...]: a gateway that speaks HTTP too.
gw_start_http() {
	local lines
	http_settings >"$T/http.lines"
	mapfile -t lines <"$T/http.lines"
	gw_start "${lines[@]}" "$@"
}

# http_do http|https PATH OPTION...: prints what curl prints.
http_do() {
	local url=http://127.0.0.1:$HTTP_PORT$2
	[ "$1" = http ] || url=https://127.0.0.1:$HTTPS_PORT$2
	shift 2
	curl -K <(printf 'user = "%s:%s"\n' "$GW_USER" "$PASSWORD") \
		-sS --cacert "$T/http.pem" "$@" "$url"
}

# The status alone; the body goes to $T/body, the head to $T/head.
http_status() {
	http_do "$@" -o "$T/body" -D "$T/head" -w '%{http_code}'
}

psftp_batch() {
	cat >"$T/psftp.txt"
	HOME=$T psftp -batch -P "$SFTP_PORT" -l "$GW_USER" -pw "$PASSWORD" \
		-hostkey "$(ssh-keygen -lf "$T/host_key.pub" |
			cut -d' ' -f2)" -be -b "$T/psftp.txt" 127.0.0.1
}

# relay OPTION... PORT: sets RELAY_PORT to where lib/relay.py listens.
relay() {
	"$PYTHON" "$E2E/lib/relay.py" "$@" >"$T/relay.port" &
	RELAY_PID=$!
	wait_for 10 test -s "$T/relay.port" || fail "the relay did not start"
	RELAY_PORT=$(cat "$T/relay.port")
}

relay_end() {
	kill "$RELAY_PID"
	wait "$RELAY_PID" 2>/dev/null || :
	rm "$T/relay.port"
}

# in_group COMMAND...: starts it in a process group of its own, CUT_PID.
in_group() {
	# Job control does that, also for a function.
	set -m
	("$@") >"$T/cut.out" 2>&1 </dev/null &
	CUT_PID=$!
	set +m
}

# cut_at FILE PERCENT COMMAND...: starts an upload of FILE in a process group
# of its own and stops it when that much of FILE was read: however busy the
# machine is, no more is sent. CUT_PID is the group. cut_client kills it,
# cut_goes_on lets it go on, as under_way does at once.
cut_at() {
	local file=$1 percent=$2
	shift 2
	in_group "$@"
	"$PYTHON" "$E2E/lib/progress.py" "$CUT_PID" "$file" "$percent" || {
		cat "$T/cut.out"
		fail "the upload did not reach $percent %: $*"
	}
}

cut_goes_on() {
	kill -CONT -- "-$CUT_PID"
}

under_way() {
	cut_at "$@"
	cut_goes_on
}

cut_client() {
	kill -KILL -- "-$CUT_PID" 2>/dev/null || :
	wait "$CUT_PID" 2>/dev/null || :
}

# resume_case HOW: an upload that is cut at 60 % goes on and ends as the very
# file. The test defines upload() and resume(), both called with a file and a
# path; upload() must be slow enough to be cut. HOW: "client" is killed, or
# every process of the "gateway".
resume_case() {
	local how=$1 path=/show/$1.mov size=${SIZE:-50000000} offset before
	make_file "$T/source" "$size" 7
	watch_final "$path"
	cut_at "$T/source" 60 upload "$T/source" "$path"
	if [ "$how" = gateway ]; then
		gw_kill_all
		cut_client
		gw_start
	else
		cut_client
		resume_parked() {
			[ "$(journal_state "$path")" = parked ]
		}
		wait_for 20 resume_parked ||
			fail "after the cut it is $(journal_state "$path")"
	fi
	offset=$(remote_size "$path")
	# What was read of the file but not acknowledged is in flight: OpenSSH
	# keeps 64 requests of 255 KiB, others less.
	[ "${offset:-0}" -ge $((size * 60 / 100 - 17000000)) ] ||
		fail "restart offset ${offset:-none} after a cut at 60 %"
	[ "$offset" -lt "$size" ] || fail "the upload was not cut"
	before=$(gw_received)
	resume "$T/source" "$path"
	eq $((size - offset)) $(($(gw_received) - before)) \
		"bytes sent after the restart offset $offset"
	published "$path" "$T/source"
	watch_end none "$T/source"
}

# Bytes of uploads that the workers have received since they started.
gw_received() {
	"$PYTHON" -c 'import gw; print(gw.received())'
}

# --- what the store and the journal hold ------------------------------------

# All object functions take a path as the client says it.
s3() {
	"$PYTHON" "$E2E/lib/s3.py" "$@"
}

object_file() {
	echo "$T/objects/$GW_HOME$1"
}

object_exists() {
	if [ "$STORE" = local ]; then
		[ -f "$(object_file "$1")" ]
	else
		s3 exists "$GW_HOME$1"
	fi
}

object_sha256() {
	if [ "$STORE" = local ]; then
		sha256 "$(object_file "$1")"
	else
		s3 sha256 "$GW_HOME$1"
	fi
}

# Behind the gateway's back.
object_delete() {
	if [ "$STORE" = local ]; then
		rm "$(object_file "$1")"
	else
		s3 delete "$GW_HOME$1"
	fi
}

# Unfinished multipart uploads in the store, one a line.
multipart_uploads() {
	if [ "$STORE" = local ]; then
		find "$T/objects/.sluice/uploads" -type f 2>/dev/null || :
	else
		s3 uploads
	fi
}

no_uploads() {
	[ -z "$(multipart_uploads)" ]
}

# Of a store whose gateway speaks Swift: lib/segments.py tells what.
swift_segments() {
	"$PYTHON" "$E2E/lib/segments.py" "$@"
}

# Every segment is named by a manifest, is of an upload that can go on, or is
# noted for the reaper: so it is after each test, but where somebody meddled with
# the store behind the gateway's back (LOSES says so).
none_lost() {
	[ -z "${LOSES:-}" ] || return 0
	LOST=$(swift_segments lost 2>&1) && [ -z "$LOST" ]
}

# journal SQL: rows with columns separated by '|'.
journal() {
	sqlite3 -readonly "$T/state/journal.db" ".timeout 5000" "$1"
}

# journal_state PATH: of the newest upload whose final name it is.
journal_state() {
	local names=(open parked closing sealed completing aborting published
		aborted lost) n
	n=$(journal "SELECT state FROM uploads WHERE final_path = '$1'
		ORDER BY id DESC LIMIT 1")
	echo "${n:+${names[$n]}}"
}

# events PATH [KIND]: how many.
events() {
	journal "SELECT count(*) FROM events e JOIN uploads u
		ON u.id = e.upload WHERE u.final_path = '$1'
		AND e.kind = '${2:-published}'"
}

# published PATH FILE: the object is exactly FILE, once, and nothing is left.
published() {
	object_exists "$1" || fail "$1 is not in the store"
	eq "$(sha256 "$2")" "$(object_sha256 "$1")" "SHA-256 of $1"
	eq 1 "$(events "$1")" "events of $1"
	eq "" "$(multipart_uploads)" "multipart uploads left over"
}

# The size that STAT reports, "" when there is no such file.
remote_size() {
	"$PYTHON" -c 'import gw, sys; gw.print_size(sys.argv[1])' "$1"
}

# watch_final PATH: from now on nobody may see a part of the object there.
# watch_end OLD NEW: ends it; only the two files' contents (or nothing, for
# OLD "none") may have been seen.
watch_final() {
	"$PYTHON" "$E2E/lib/watch.py" "$STORE" \
		"$([ "$STORE" = local ] && object_file "$1" ||
			echo "$GW_HOME$1")" "$T/watch.log" &
	WATCH_PID=$!
}

watch_end() {
	local allowed=none seen
	kill "$WATCH_PID" 2>/dev/null || :
	wait "$WATCH_PID" 2>/dev/null || :
	[ "$1" = none ] || allowed=$(stat -c %s "$1")
	allowed+=" $(stat -c %s "$2")"
	for seen in $(sort -u "$T/watch.log"); do
		[[ " $allowed " == *" $seen "* ]] ||
			fail "the final name showed $seen bytes ($allowed)"
	done
	[ -s "$T/watch.log" ] || fail "the watcher saw nothing at all"
}
