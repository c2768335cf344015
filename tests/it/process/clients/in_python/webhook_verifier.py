"""The package standardwebhooks, unmodified, on deliveries of a demo: python webhook_verifier.py URL KEY ACCOUNT

Receives deliveries, verifies each with the package, and prints the results as a JSON object.
"""

import http.server
import json
import queue
import sys
import threading
import urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

url, key, account = sys.argv[1:]
received = queue.Queue()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Accepts every request and hands it over."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "x-integrated-account-id": account}
    request = urllib.request.Request(url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def is_accepted(secret, headers, body):
    try:
        return Webhook(secret).verify(body, headers) == json.loads(body)
    except WebhookVerificationError:
        return False


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/"
webhook = call("POST", "/webhooks", {"url": address, "event_types": ["user.*"]})["result"]
path, first = f"/webhooks/{webhook['id']}", webhook["secret"]
person = call("GET", "/users?limit=100&status=active&user_type=member&role%5Bid%5D=org:member")["result"][0]["id"]

results = {"accepted": [], "forged": [], "rotated": []}
call("POST", f"{path}/test")
headers, body = received.get(timeout=60)
results["accepted"].append([json.loads(body)["type"], is_accepted(first, headers, body)])
for title in ["Beekeeper", "Bücherwurm \"€\""]:
    call("PATCH", f"/users/{person}", {"title": title})
    headers, body = received.get(timeout=60)
    results["accepted"].append([json.loads(body)["type"], is_accepted(first, headers, body)])
results["forged"] = [
    is_accepted(first, headers, body.replace(b"user.updated", b"user.removed")),
    is_accepted(first, {**headers, "webhook-id": "evt_other"}, body),
    is_accepted(first, {**headers, "webhook-timestamp": "1"}, body),
]
second = call("POST", f"{path}/rotate-secret")["result"]["secret"]
call("PATCH", f"/users/{person}", {"title": "Rotated"})
headers, body = received.get(timeout=60)
results["rotated"] = [is_accepted(secret, headers, body) for secret in [first, second]]
call("DELETE", path)
print(json.dumps(results))
