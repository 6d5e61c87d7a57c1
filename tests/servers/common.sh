# SPDX-License-Identifier: Apache-2.0
# Functions that the start scripts in this folder share; sourced by sh.
#
# A server's folder holds one file <name>.pid for each process, in the order
# of starting, and "env" with what its clients need to know.

say() {
	echo "$(basename "$0"): $*" >&2
}

die() {
	say "$@"
	exit 1
}

# free_base OFFSET...: a random port such that port + each offset is free.
free_base() {
	python3 - "$@" <<'PY'
import random
import socket
import sys

offsets = [int(a) for a in sys.argv[1:]]
for _ in range(200):
    base = random.randrange(16000, 22000)
    sockets = []
    try:
        for off in offsets:
            s = socket.socket()
            sockets.append(s)
            s.bind(("127.0.0.1", base + off))
        print(base)
        sys.exit(0)
    except OSError:
        pass
    finally:
        for s in sockets:
            s.close()
sys.exit("no free ports")
PY
}

# spawn DIR NAME COMMAND...: starts a process of its own session.
spawn() {
	spawn_dir=$1 spawn_name=$2
	shift 2
	setsid "$@" >"$spawn_dir/$spawn_name.log" 2>&1 </dev/null &
	echo $! >"$spawn_dir/$spawn_name.pid"
}

# pid_of DIR NAME: prints the pid if that process still runs.
pid_of() {
	pid_value=$(cat "$1/$2.pid" 2>/dev/null) || return 1
	kill -0 "$pid_value" 2>/dev/null || return 1
	echo "$pid_value"
}

# wait_http DIR NAME URL SECONDS: until the URL answers, whatever it says.
wait_http() {
	wait_left=$(($4 * 5))
	until curl -s -o /dev/null --noproxy '*' --max-time 2 "$3"; do
		if ! pid_of "$1" "$2" >/dev/null; then
			tail -n 5 "$1/$2.log" >&2
			die "$2 ended before it answered"
		fi
		wait_left=$((wait_left - 1))
		if [ "$wait_left" -le 0 ]; then
			tail -n 5 "$1/$2.log" >&2
			die "$2 did not answer at $3 within $4 s"
		fi
		sleep 0.2
	done
}

# make_bucket URL USER:SECRET: over signed requests, as curl 7.88 can do them.
# A bucket that is there already is fine.
make_bucket() {
	make_left=50
	until make_code=$(curl -s -o /dev/null -w '%{http_code}' \
		--noproxy '*' -X PUT \
		--aws-sigv4 aws:amz:us-east-1:s3 --user "$2" \
		-H "x-amz-content-sha256: $(printf '' | sha256sum |
			cut -d ' ' -f 1)" "$1") &&
		[ "$make_code" = 200 ] || [ "$make_code" = 409 ]; do
		make_left=$((make_left - 1))
		[ "$make_left" -gt 0 ] ||
			die "cannot make the bucket $1: HTTP $make_code"
		sleep 0.2
	done
}

# stop_all DIR: ends what was started, last first, by pid and nothing else.
stop_all() {
	for stop_file in $(ls -t "$1"/*.pid 2>/dev/null); do
		stop_pid=$(cat "$stop_file")
		stop_left=50
		kill "$stop_pid" 2>/dev/null
		while kill -0 "$stop_pid" 2>/dev/null; do
			stop_left=$((stop_left - 1))
			if [ "$stop_left" -le 0 ]; then
				kill -9 "$stop_pid" 2>/dev/null
				break
			fi
			sleep 0.1
		done
		rm -f "$stop_file"
	done
}
