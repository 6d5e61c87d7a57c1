// SPDX-License-Identifier: Apache-2.0
// Prints the type, id and subject of each event whose signature is right.
//   WEBHOOK_SECRET=whsec_... node receiver.mjs PORT
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const key = Buffer.from(process.env.WEBHOOK_SECRET.replace("whsec_", ""), "base64");

createServer(async (req, res) => {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = Buffer.concat(chunks), at = req.headers["webhook-timestamp"];
  const mac = createHmac("sha256", key)
    .update(`${req.headers["webhook-id"]}.${at}.`).update(body).digest();
  const good = Math.abs(Date.now() / 1000 - at) < 300 &&
    req.headers["webhook-signature"].split(" ").some((s) => {
      const given = Buffer.from(s.replace("v1,", ""), "base64");
      return given.length === mac.length && timingSafeEqual(given, mac);
    });
  if (good) {
    const event = JSON.parse(body); // keep it, by its id, before the answer
    console.log(event.type, event.id, event.subject);
  }
  res.writeHead(good ? 204 : 401).end();
}).listen(Number(process.argv[2]), "127.0.0.1");
