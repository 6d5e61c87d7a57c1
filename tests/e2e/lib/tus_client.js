// SPDX-License-Identifier: Apache-2.0
// tus-js-client as a page would use it: node tus_client.js URL FILE [PERCENT]
// With PERCENT it ends there, as when the page is closed; without, it goes on
// with what the URL storage knows, through every break.
"use strict";
const fs = require("fs");
const tus = require("tus-js-client");

const [endpoint, path, percent] = process.argv.slice(2);
const size = fs.statSync(path).size;
let resumed = false;

const upload = new tus.Upload(fs.createReadStream(path), {
	endpoint,
	uploadSize: size,
	chunkSize: 1 << 20,
	retryDelays: Array(200).fill(100),
	urlStorage: new tus.FileUrlStorage(process.env.T + "/urls.json"),
	fingerprint: () => Promise.resolve("the-file"),
	metadata: { filename: "js.mov" },
	headers: {
		Authorization: "Basic " + Buffer.from(
			process.env.GW_USER + ":" + process.env.PASSWORD)
			.toString("base64"),
	},
	onProgress(sent) {
		process.stderr.write(`${sent}\n`);
	},
	onChunkComplete(n, accepted) {
		if (percent && accepted >= size * percent / 100)
			process.exit(0);
		// What tells a test how far it is.
		fs.writeFileSync(process.env.T + "/accepted", `${accepted}\n`);
	},
	onError(error) {
		process.stderr.write(`${error}\n`);
		process.exit(1);
	},
	onSuccess() {
		process.stdout.write(resumed ? "resumed\n" : "new\n");
	},
});

upload.findPreviousUploads().then((found) => {
	if (found.length) {
		resumed = true;
		upload.resumeFromPreviousUpload(found[0]);
	}
	upload.start();
});
