// SPDX-License-Identifier: Apache-2.0
// basic-ftp, as the scripts on it do things.
"use strict";
const fs = require("fs");
const path = require("path");
const { Client } = require("basic-ftp");

const secure = { ftp: false, ftps: true, implicit: "implicit" };
const options = {
	host: "127.0.0.1",
	port: Number(process.env.PROTO === "implicit" ? process.env.FTPS_PORT :
		process.env.FTP_PORT),
	user: process.env.GW_USER,
	password: process.env.PASSWORD,
	secure: secure[process.env.PROTO],
	secureOptions: { rejectUnauthorized: false },
};

async function connected(work) {
	const ftp = new Client();
	await ftp.access(options);
	try {
		await work(ftp);
	} finally {
		ftp.close();
	}
}

const operations = {
	async version() {
		const at = require.resolve("basic-ftp");
		console.log(JSON.parse(fs.readFileSync(
			path.join(at, "../../package.json"))).version);
	},
	upload: (file, to) => connected((c) => c.uploadFrom(file, to)),
	resume: (file, to) => connected(async (c) => {
		const localStart = await c.size(to);
		await c.appendFrom(file, to, { localStart });
	}),
	download: (from, file) => connected((c) => c.downloadTo(file, from)),
	download_rest: (from, file) => connected((c) =>
		c.downloadTo(file, from, fs.statSync(file).size)),
	list: (folder) => connected(async (c) => {
		for (const e of await c.list(folder))
			console.log(e.size, e.name + (e.isDirectory ? "/" : ""));
	}),
	rename_file: (from, to) => connected((c) => c.rename(from, to)),
	make_folder: (folder) => connected((c) => c.send("MKD " + folder)),
	remove_folder: (folder) => connected((c) => c.send("RMD " + folder)),
	// One transfer a connection: 64 of them.
	parallel: (folder, to) => Promise.all(fs.readdirSync(folder).map(
		(name) => operations.upload(path.join(folder, name),
			to + "/" + name))),
};

operations[process.argv[2]](...process.argv.slice(3)).catch((e) => {
	console.error(e);
	process.exit(1);
});
