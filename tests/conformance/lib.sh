# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the conformance tests share: suites that others have written, fetched
# with pip and pointed at the gateway. They run under tests/e2e/run like the
# end-to-end tests:  tests/e2e/run --build DIR tests/conformance/NAME

CONFORMANCE=$E2E/../conformance

# suite_python NAME PACKAGE...: sets SUITE_PYTHON to a Python that has them,
# in a folder that the next run finds again; skips where pip gets nothing.
suite_python() {
	local name=$1 folder=$BUILD/conformance/$1
	shift
	SUITE_PYTHON=$folder/venv/bin/python
	[ -e "$folder/ready" ] && return
	rm -rf "$folder"
	mkdir -p "$folder"
	"$PYTHON" -m venv "$folder/venv" >"$folder/log" 2>&1 ||
		skip "python3-venv is missing"
	"$SUITE_PYTHON" -m pip -q install "$@" >>"$folder/log" 2>&1 ||
		skip "pip cannot fetch $*"
	touch "$folder/ready"
}

# suite_source NAME PACKAGE==VERSION: sets SUITE_SOURCE to its unpacked source,
# for suites that are in no wheel.
suite_source() {
	local folder=$BUILD/conformance/$1
	SUITE_SOURCE=$folder/source
	[ -e "$SUITE_SOURCE" ] && return
	rm -rf "$folder/unpack"
	mkdir -p "$folder/unpack"
	"$SUITE_PYTHON" -m pip -q download --no-deps --no-binary :all: \
		-d "$folder/unpack" "$2" >>"$folder/log" 2>&1 ||
		skip "pip cannot fetch the source of $2"
	tar -xzf "$folder"/unpack/*.tar.gz -C "$folder/unpack" \
		--strip-components=1
	mv "$folder/unpack" "$SUITE_SOURCE"
}

# suite_run PYTEST-ARGUMENT...: what fails must be exactly what the table
# NAME.expected beside the test names; a line there is the test and why.
suite_run() {
	local table=$CONFORMANCE/${0##*/}.expected
	"$SUITE_PYTHON" -m pytest -q -p no:cacheprovider --tb=short \
		--junitxml="$T/results.xml" "$@" >"$T/pytest.out" 2>&1 || :
	[ -s "$T/results.xml" ] || {
		tail -n 30 "$T/pytest.out"
		fail "the suite did not run"
	}
	"$PYTHON" "$CONFORMANCE/compare.py" "$T/results.xml" "$table" || {
		grep -E '^(E  |FAILED|ERROR)' "$T/pytest.out" | tail -n 60
		fail "the suite's results are not what $table says"
	}
}
