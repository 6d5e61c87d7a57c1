# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the adapters of the client matrix share. An adapter is a test of
# tests/e2e/run: it sources this file, defines what its client does, and ends
# with "matrix PROTOCOL...", of sftp, ftp, ftps (AUTH TLS) and implicit.
#
# An adapter defines, for the protocol in PROTO, as its client's users do it:
#   version                      prints the client's version
#   upload FILE PATH             PATH starts with a slash
#   resume FILE PATH             goes on with an upload that was broken off
#   download PATH FILE
#   download_rest PATH FILE      optional: goes on with a download
#   list PATH                    prints names with sizes, folders marked
#   rename_file OLD NEW
#   upload_timed FILE PATH       keeps the file's modification time
#   download_timed PATH FILE     optional: keeps it on the way back
#   make_folder PATH, remove_folder PATH
#   parallel FOLDER PATH         optional: all files at once; without it one
#                                process for each file
# and may define partial_name PATH: where an unfinished upload is to be found.
# What it does not define the client cannot do: CANNOT[operation] says why.
# REMARK[operation] is what to know of one that passes.
# Nothing of what it says is taken on trust: the checks are in checks.sh.

CLIENTS=$(realpath "$E2E/../clients")
. "$E2E/lib/lib.sh"
. "$CLIENTS/lib/checks.sh"
export PYTHONPATH=$CLIENTS/lib:$PYTHONPATH
s3() {
	"$PYTHON" "$CLIENTS/lib/s3.py" "$@"
}
export CLIENTS
# Lighter than the one of lib.sh.
remote_size() {
	sftp_batch <<<"ls -ln \"$1\"" 2>/dev/null |
		awk '/^-/ { print $5; exit }'
}
OPERATIONS="upload resume download list rename times folders overwrite parallel"
declare -A CANNOT REMARK
CLIENT=$(basename "$0")
TIME=1580608922 # 2020-02-02 02:02:02 UTC

# The functions that an operation needs.
needed_for() {
	case $1 in
	rename) echo rename_file ;;
	times) echo upload_timed ;;
	folders) echo make_folder remove_folder ;;
	overwrite | parallel) echo upload ;;
	*) echo "$1" ;;
	esac
}

able() {
	local f
	[ -z "${CANNOT[$1]:-}" ] || return 1
	for f in $(needed_for "$1"); do
		declare -F "$f" >/dev/null || return 1
	done
}

# cell OPERATION pass|no|fail TEXT: a cell of the table.
cell() {
	local text
	text=$(tr '\n\t' '  ' <<<"$3" | sed 's/ *$//; s/^FAIL: //')
	printf '%-9s %-9s %-4s %s\n' "$PROTO" "$1" "$2" "$text"
	[ -z "${CLIENT_CELLS:-}" ] ||
		printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$CLIENT" "$PROTO" \
			"$STORE" "$VERSION" "$1" "$2" "$text" >>"$CLIENT_CELLS"
}

# Runs a check in a process group of its own, for at most ten minutes. Not to
# be called in a condition: that would switch "set -e" off in the check.
attempt() {
	local pid end=$((SECONDS + ${CHECK_TIMEOUT:-600}))
	rm -rf "$T/cut.pid" "$T/op"
	mkdir "$T/op"
	set -m
	(set -e; cd "$T/op"; "check_$1") >"$T/check.out" 2>&1 </dev/null &
	pid=$!
	set +m
	while kill -0 $pid 2>/dev/null; do
		if [ $SECONDS -ge $end ]; then
			kill -KILL -- -$pid 2>/dev/null
			echo "FAIL: it took longer than $CHECK_TIMEOUT s" \
				>>"$T/check.out"
			break
		fi
		sleep 0.05
	done
	[ ! -e "$T/cut.pid" ] ||
		kill -KILL -- "-$(cat "$T/cut.pid")" 2>/dev/null || :
	wait $pid
	STATUS=$?
	# A check that failed leaves its watcher behind.
	kill -KILL -- -$pid 2>/dev/null || :
}

one() { # OPERATION
	local why began=$SECONDS
	if ! able "$1"; then
		cell "$1" no "${CANNOT[$1]:-the client cannot}"
		return
	fi
	set +e
	attempt "$1"
	set -e
	if [ "$STATUS" = 0 ]; then
		# A check may say with a line "NOTE:" what is worth knowing.
		why=$(sed -n 's/^NOTE: //p' "$T/check.out" | tail -n 1)
		cell "$1" pass "${why:-${REMARK[$1]:-}}"
		echo "    $((SECONDS - began)) s"
	else
		why=$(grep '^FAIL: ' "$T/check.out" | tail -n 1)
		[ -n "$why" ] || why=$(grep -E 'Exception|Error|rror:' \
			"$T/check.out" | tail -n 1)
		cell "$1" fail "${why:-$(tail -n 1 "$T/check.out")}"
		tail -n 40 "$T/check.out" | sed 's/^/    /'
		grep -E 'level=(warn|error)' "$GW_LOG" | tail -n 5 || :
		FAILED+=" $PROTO/$1"
		# What it left must not fail the others.
		[ "$1" != resume ] ||
			sftp_batch <<<"-rm $(partial_name /show/$PROTO-resumed*.mov)" \
				>/dev/null 2>&1 || :
	fi
	gw_running || fail "the gateway is gone"
}

matrix() {
	local op
	FAILED=
	CHECK_TIMEOUT=${CHECK_TIMEOUT:-600}
	export HOME=$T/home XDG_CONFIG_HOME=$T/home/.config
	mkdir -p "$T/home"
	read -r FTPS_PORT < <(free_ports 1)
	export FTPS_PORT
	gw_start "daemon.ftps=127.0.0.1:$FTPS_PORT"
	for PROTO; do
		export PROTO
		VERSION=$(version 2>&1 | head -n 1) || VERSION=unknown
		for op in ${CLIENT_OPERATIONS:-$OPERATIONS}; do
			one "$op"
		done
	done
	gw_stop
	[ -z "$FAILED" ] || fail "failed:$FAILED"
}

partial_name() {
	echo "$1"
}

# A URL's beginning for clients that take URLs, without a slash at its end.
url() {
	case $PROTO in
	sftp) echo "sftp://127.0.0.1:$SFTP_PORT" ;;
	ftp | ftps) echo "ftp://127.0.0.1:$FTP_PORT" ;;
	implicit) echo "ftps://127.0.0.1:$FTPS_PORT" ;;
	esac
}

host_fingerprint() {
	ssh-keygen -lf "$T/host_key.pub" | cut -d' ' -f2
}

# program COMMAND...: the client is a program of ours on a library, which
# takes the operation and its arguments.
program_client() {
	PROGRAM=("$@")
	local op
	for op in version upload resume download download_rest list \
		rename_file upload_timed download_timed make_folder \
		remove_folder parallel; do
		eval "$op() { \"\${PROGRAM[@]}\" $op \"\$@\"; }"
	done
}

# fetched KIND: skips where tests/clients/fetch has not brought it.
fetched() {
	[ -n "${CLIENT_PROGRAMS:-}" ] || skip "needs tests/clients/fetch"
	[ -e "$CLIENT_PROGRAMS/$1.ok" ] ||
		skip "not fetched: $(tail -n 1 "$CLIENT_PROGRAMS/$1.log" 2>/dev/null)"
}

# java_client CLASS: one of programs/, with the fetched libraries.
java_client() {
	local path="$CLIENT_PROGRAMS/maven/jars/*"
	javac -d "$T/classes" -cp "$path" "$CLIENTS/programs/Base.java" \
		"$CLIENTS/programs/$1.java" || fail "$1 does not compile"
	program_client java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
		-cp "$T/classes:$path" "$1"
}
