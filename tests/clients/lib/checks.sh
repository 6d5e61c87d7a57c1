# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# One check for each column of the client matrix. What the client says counts
# only when it fails; what happened is read from the store, the journal and
# the bytes that the gateway counted.

BIG=12000000 # three parts
SMALLER=6500000
LONG=40000000

# As watch_final and watch_end; the watcher has begun when it comes back.
watch() {
	rm -f "$T/watch.log"
	watch_final "$1"
	wait_for 20 test -s "$T/watch.log" || fail "the watcher did not start"
}

# give FILE PATH: puts a file there by other means than the client under test.
give() {
	sftp_batch <<<"put -p \"$1\" \"$2\""
}

give_folder() {
	sftp_batch <<<"-mkdir \"$1\""
}

mtime_of() {
	"$PYTHON" -c 'import gw, sys
print(int(gw.sftp().stat(sys.argv[1]).st_mtime))' "$1"
}

# Bytes of uploads that the gateway has received.
received() {
	"$PYTHON" "$CLIENTS/lib/cut.py"
}

check_upload() {
	local file path
	give_folder /show
	make_file big $BIG 1
	make_file small 3000 2
	: >empty
	for file in big small empty; do
		path=/show/$PROTO-$file.mov
		[ $file != small ] || path="/show/$PROTO zwölf Töne.mov"
		watch "$path"
		upload "$PWD/$file" "$path"
		published "$path" "$file"
		watch_end none "$file"
	done
}

# As "client cut" of resume_case, for any client: it is stopped and let go on
# in turns, so that it can be killed at a given place however fast it is.
check_resume() {
	local path partial offset before sent n
	give_folder /show
	for n in 1 2 3 4; do
		[ $n != 4 ] || fail "the upload was over before it could be cut"
		path=/show/$PROTO-resumed$n.mov
		make_file long $LONG 3
		watch $path
		if cut_upload $path; then
			wait_for 20 settled $path || fail "the upload goes on"
			[ "$PROTO" = ftp ] && [ "$(events $path)" != 0 ] || break
			echo "NOTE: a killed client was taken for one that had" \
				"finished, as doc/ftp.md says of plain FTP"
		else
			LONG=$((LONG * 2))
		fi
		kill "$WATCH_PID"
	done
	partial=$(partial_name $path)
	wait_for 5 parked "$partial" || fail "nothing to resume at $partial"
	offset=$(remote_size "$partial")
	[ "$offset" -ge $((LONG / 2 - 1000000)) ] && [ "$offset" -lt $LONG ] ||
		fail "restart offset $offset after a cut at $((LONG / 2))"
	before=$(received)
	resume "$PWD/long" "$path"
	published "$path" long
	sent=$(($(received) - before))
	[ $sent -ge $((LONG - offset)) ] || fail "only $sent bytes were sent"
	[ $sent -le $((LONG - offset + ${REWIND:-0})) ] ||
		fail "$sent bytes sent from the restart offset $offset of $LONG"
	watch_end none long
	[ $sent = $((LONG - offset)) ] ||
		echo "NOTE: the client sends its last $((sent - LONG + offset)) bytes again"
}

settled() {
	case $(journal_state "$1") in
	parked | published) ;;
	*) return 1 ;;
	esac
}

# False: the upload was too fast to be cut.
cut_upload() { # PATH
	local before status=0
	before=$(received)
	set -m
	(upload "$PWD/long" "$1") >cut.out 2>&1 </dev/null &
	CUT_PID=$!
	set +m
	echo $CUT_PID >"$T/cut.pid"
	"$PYTHON" "$CLIENTS/lib/cut.py" $CUT_PID "$before" $((LONG / 2)) ||
		status=1
	kill -KILL -- -$CUT_PID 2>/dev/null || :
	wait $CUT_PID 2>/dev/null || :
	! declare -F after_cut >/dev/null || after_cut
	rm -f "$T/cut.pid"
	[ $status = 0 ] || cat cut.out
	return $status
}

parked() {
	[ -n "$(remote_size "$1")" ]
}

check_download() {
	give_folder /show
	make_file source $BIG 4
	give source /show/$PROTO-down.mov
	download /show/$PROTO-down.mov "$PWD/back"
	cmp source back || fail "the downloaded file differs"
	if declare -F download_rest >/dev/null; then
		head -c 5000000 source >part
		touch -d "@$TIME" part
		download_rest /show/$PROTO-down.mov "$PWD/part" ||
			fail "the client cannot go on with a download"
		cmp source part || fail "the rest of the file differs"
	fi
}

check_list() {
	local d=/list-$PROTO
	make_file one 12345 5
	make_file two 17 6
	give_folder $d
	sftp_batch <<-EOT
		put one $d/one.mov
		put two "$d/two words.txt"
		put two "$d/übung.txt"
		mkdir $d/sub
	EOT
	list $d | tr -d '\r' >found
	listed one.mov 12345
	listed "two words.txt" 17
	listed "übung.txt" 17
	grep -qE '^d.*[ /]sub/?$|(^|[;/ ])sub/$|type=dir;.* sub$' found ||
		fail "the folder is not in: $(cat found)"
	# Nothing else: no marker, no folder of the gateway's own.
	! grep -q sluice found || fail "what is ours shows: $(cat found)"
}

# listed NAME SIZE: both in one line, the size as a word.
listed() {
	grep -F -e "$1" found | grep -qE "(^|[^0-9])$2([^0-9]|\$)" ||
		fail "no $1 of $2 bytes in: $(cat found)"
}

check_rename() {
	make_file source 3000 7
	give_folder /show
	give source /show/$PROTO-old.mov
	rename_file /show/$PROTO-old.mov "/show/$PROTO-new name.mov"
	eq "$(sha256 source)" "$(object_sha256 "/show/$PROTO-new name.mov")" \
		"SHA-256 under the new name"
	! object_exists /show/$PROTO-old.mov || fail "the old name is still there"
}

check_times() {
	local path=/show/$PROTO-timed.mov
	make_file source $SMALLER 8
	touch -d "@$TIME" source
	give_folder /show
	upload_timed "$PWD/source" $path
	published $path source
	eq $TIME "$(mtime_of $path)" "time of the object"
	if declare -F download_timed >/dev/null; then
		download_timed $path "$PWD/back"
		cmp source back
		eq $TIME "$(stat -c %Y back)" "time of the downloaded file"
	fi
}

folder_exists() {
	if [ "$STORE" = local ]; then
		[ -d "$(object_file "$1")" ]
	else
		s3 exists "$GW_HOME$1/"
	fi
}

check_folders() {
	local d="/made $PROTO"
	make_file source 3000 9
	make_folder "$d"
	folder_exists "$d" || fail "no folder in the store"
	give source "$d/x.mov"
	# Some clients report nothing; what counts is that nothing is lost.
	(remove_folder "$d") || :
	object_exists "$d/x.mov" || fail "a full folder was removed"
	sftp_batch <<<"rm \"$d/x.mov\""
	remove_folder "$d"
	! folder_exists "$d" || fail "the folder is still there"
}

check_overwrite() {
	local path=/show/$PROTO-twice.mov
	make_file old $BIG 10
	make_file new $SMALLER 11
	give_folder /show
	give old $path
	watch $path
	(overwrite_with "$PWD/new" $path)
	eq "$(sha256 new)" "$(object_sha256 $path)" "SHA-256 of $path"
	eq 2 "$(events $path)" "events: the old object's and the new one's"
	eq "" "$(multipart_uploads)" "multipart uploads left over"
	watch_end old new
	! grep -qx none "$T/watch.log" ||
		fail "the final name was empty for a while"
}

overwrite_with() {
	upload "$@"
}

check_parallel() {
	local n to=/many-$PROTO pids=() status=0
	mkdir many
	for n in $(seq 64); do
		make_file many/$n.mov $((300000 + n)) $((100 + n))
	done
	give_folder $to
	if declare -F parallel >/dev/null; then
		parallel "$PWD/many" $to
	else
		for n in $(seq 64); do
			upload "$PWD/many/$n.mov" $to/$n.mov >out.$n 2>&1 &
			pids+=($!)
		done
		for n in $(seq 64); do
			wait "${pids[$((n - 1))]}" || {
				status=1
				tail -n 2 out.$n
			}
		done
		[ $status = 0 ] || fail "not all uploads succeeded"
	fi
	"$PYTHON" "$CLIENTS/lib/stored.py" many "$GW_HOME$to"
	eq "" "$(multipart_uploads)" "multipart uploads left over"
}
