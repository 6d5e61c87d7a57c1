# SPDX-License-Identifier: Apache-2.0
# Finds includes against the layers: a file includes only from its own folder
# and from those that its folder may use. Tests and benchmarks may use all.

BEGIN {
	uses["lib"] = ""
	uses["auth"] = "lib"
	uses["bridge"] = "auth lib"
	uses["sftpd"] = "bridge auth lib"
	uses["ftpd"] = "bridge auth lib"
	uses["httpd"] = "bridge auth lib"
	uses["daemon"] = "sftpd ftpd httpd bridge auth lib"
	uses["probe"] = "lib"
	uses["ctl"] = "bridge auth lib"
	uses["bench"] = "daemon sftpd ftpd httpd bridge auth lib tests"
	uses["tests"] = uses["bench"] " bench ctl probe"
}

function complain(text)
{
	print FILENAME ":" FNR ": " text
}

FNR == 1 {
	own = FILENAME
	sub("/.*", "", own)
	if (!(own in uses))
		complain("folder " own " has no place in the layers")
}

/^[ \t]*#[ \t]*include[ \t]*["<]/ {
	path = $0
	sub(/^[^"<]*/, "", path)
	quoted = substr(path, 1, 1) == "\""
	path = substr(path, 2)
	sub(/[">].*/, "", path)
	folder = path
	sub("/.*", "", folder)
	if (quoted && (path !~ "/" || path ~ /(^|\/)\.\.?\//))
		complain("\"" path "\": spell it \"folder/file.h\"")
	else if (!quoted && folder in uses && path ~ "/")
		complain("<" path "> is ours: use quotes")
	else if (quoted && folder != own &&
		 index(" " uses[own] " ", " " folder " ") == 0)
		complain(own " may not include from " folder)
}
