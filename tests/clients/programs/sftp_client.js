// SPDX-License-Identifier: Apache-2.0
// ssh2-sftp-client, as the scripts on it do things.
"use strict";
const fs = require("fs");
const path = require("path");
const Client = require("ssh2-sftp-client");

const options = {
	host: "127.0.0.1",
	port: Number(process.env.SFTP_PORT),
	username: process.env.GW_USER,
	password: process.env.PASSWORD,
};

async function connected(work) {
	const sftp = new Client();
	await sftp.connect(options);
	try {
		await work(sftp);
	} finally {
		await sftp.end();
	}
}

const operations = {
	async version() {
		const at = require.resolve("ssh2-sftp-client");
		console.log(JSON.parse(fs.readFileSync(
			path.join(at, "../../package.json"))).version);
	},
	upload: (file, to) => connected((s) => s.put(file, to)),
	resume: (file, to) => connected(async (s) => {
		const { size } = await s.stat(to);
		await s.append(fs.createReadStream(file, { start: size }), to);
	}),
	download: (from, file) => connected((s) => s.get(from, file)),
	download_rest: (from, file) => connected((s) => {
		const start = fs.statSync(file).size;
		return s.get(from, fs.createWriteStream(file, { flags: "a" }),
			{ readStreamOptions: { start } });
	}),
	list: (folder) => connected(async (s) => {
		for (const e of await s.list(folder))
			console.log(e.longname);
	}),
	rename_file: (from, to) => connected((s) => s.rename(from, to)),
	make_folder: (folder) => connected((s) => s.mkdir(folder)),
	remove_folder: (folder) => connected((s) => s.rmdir(folder)),
	// 64 files at once on one connection.
	parallel: (folder, to) => connected(async (s) => {
		await Promise.all(fs.readdirSync(folder).map((name) =>
			s.put(path.join(folder, name), to + "/" + name)));
	}),
};

operations[process.argv[2]](...process.argv.slice(3)).catch((e) => {
	console.error(e);
	process.exit(1);
});
