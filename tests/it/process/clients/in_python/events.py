"""Events as an app receives them: verified by the SDK and acknowledged immediately."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from slack_sdk.signature import Clock, SignatureVerifier

from common import tell

SIGNING_SECRET = "a signing secret, not a secret"


class ProviderClock(Clock):
    """The sandbox's clock, which the tour has advanced."""

    def __init__(self, ahead):
        self.ahead = ahead

    def now(self):
        return time.time() + self.ahead


class Mailbox:
    """An app's request URL. Requests without the provider's signature are rejected."""

    def __init__(self, ahead):
        self.verifier = SignatureVerifier(SIGNING_SECRET, clock=ProviderClock(ahead))
        self.events, self.arrived = [], threading.Condition()
        mailbox = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                verified = mailbox.verifier.is_valid_request(body, dict(self.headers))
                self.send_response(200 if verified else 401)
                self.end_headers()
                if verified:
                    self.wfile.write(mailbox.take(json.loads(body)))

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Door)
        self.address = f"http://127.0.0.1:{self.server.server_port}/slack/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def subscribe(self, base_url):
        fields = {"url": self.address, "signing_secret": SIGNING_SECRET}
        tell(base_url, "event-subscriptions", **fields)

    def take(self, letter):
        if letter["type"] == "url_verification":
            return letter["challenge"].encode()
        assert letter["type"] == "event_callback", letter
        with self.arrived:
            self.events.append(letter["event"])
            self.arrived.notify_all()
        return b""

    def expect(self, kind, has=lambda event: True):
        """Waits for an event, which may have arrived already."""
        wanted = lambda: [event for event in self.events if event["type"] == kind and has(event)]
        with self.arrived:
            came = self.arrived.wait_for(wanted, timeout=20)
        assert came, f"no {kind} among {[event['type'] for event in self.events]}"


def see(mailbox, user, group):
    """Checks the events of an account and a group."""
    about = lambda event: event["user"]["id"] == user
    mailbox.expect("team_join", about)
    mailbox.expect("user_profile_changed", about)
    mailbox.expect("user_change", lambda event: about(event) and event["user"]["deleted"])
    mailbox.expect("team_rename")
    mailbox.expect("subteam_created", lambda event: event["subteam"]["id"] == group)
    mailbox.expect("subteam_members_changed", lambda event: event["subteam_id"] == group)
