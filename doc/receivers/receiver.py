# SPDX-License-Identifier: Apache-2.0
# Prints the type, id and subject of each event whose signature is right.
#   WEBHOOK_SECRET=whsec_... python3 receiver.py PORT
import base64, hmac, http.server, json, os, sys, time

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        at = self.headers["webhook-timestamp"]
        text = f"{self.headers['webhook-id']}.{at}.".encode() + body
        mac = base64.b64encode(hmac.digest(KEY, text, "sha256")).decode()
        good = abs(time.time() - int(at)) < 300 and any(
            hmac.compare_digest("v1," + mac, s)
            for s in self.headers["webhook-signature"].split())
        if good:
            event = json.loads(body)  # keep it, by its id, before the answer
            print(event["type"], event["id"], event["subject"], flush=True)
        self.send_response(204 if good else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])),
                                Receiver).serve_forever()
