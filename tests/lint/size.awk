# SPDX-License-Identifier: Apache-2.0
# Finds files that have grown too long to be read as one.

function report()
{
	if (file == "")
		return
	if (lines > 800)
		print file ":1: " lines " lines, at most 800"
	else if (lines > 600)
		print "warning: " file ":1: " lines " lines, look again at 600"
	if (file ~ /\.h$/ && lines > 120)
		print "warning: " file ":1: " lines " lines, a header has 120"
}

FNR == 1 {
	report()
	file = FILENAME
}

{
	lines = FNR
}

END {
	report()
}
