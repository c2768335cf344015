"""A customer's browser: it parses a page's form, presses a button, and follows the redirect."""

import json
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser


class Form(HTMLParser):
    """The form of a page with its default values."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self.choices, self.select = None, {}, {}, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            assert attrs.get("method", "").lower() == "post", attrs
            self.action = attrs.get("action", "")
        elif tag == "input" and "name" in attrs:
            if attrs.get("type") != "radio" or "checked" in attrs:
                self.fields[attrs["name"]] = attrs.get("value", "")
        elif tag == "select":
            self.select = attrs["name"]
        elif tag == "option":
            options = self.choices.setdefault(self.select, [])
            options.append(attrs["value"])
            if "selected" in attrs or len(options) == 1:
                self.fields[self.select] = attrs["value"]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def visit(address):
    """Returns the form at a URL."""
    with urllib.request.urlopen(address, timeout=20) as response:
        return Form(response.read().decode())


def decide(address, decision, place="E"):
    """Approves or cancels, for the first option of a kind; returns the callback's parameters."""
    form = visit(address)
    team = next(choice for choice in form.choices["team"] if choice.startswith(place))
    body = urllib.parse.urlencode({**form.fields, "team": team, "decision": decision}).encode()
    target = urllib.parse.urljoin(address, form.action)
    try:
        urllib.request.build_opener(NoRedirect).open(target, body, timeout=20)
    except urllib.error.HTTPError as response:
        assert response.code in (302, 303), (response.code, response.read())
        sent = urllib.parse.urlsplit(response.headers["Location"])
        return dict(urllib.parse.parse_qsl(sent.query))
    raise AssertionError("the form leads nowhere")


def admin_token(base_url, client_id, client_secret):
    """Returns a token for SCIM from an installation on the organization."""
    redirect = "http://127.0.0.1:9/oauth_redirect"
    arguments = {"client_id": client_id, "user_scope": "admin", "redirect_uri": redirect}
    address = f"{base_url}/oauth/v2/authorize?{urllib.parse.urlencode(arguments)}"
    code = decide(address, "approve")["code"]
    secrets = {"client_id": client_id, "client_secret": client_secret}
    body = urllib.parse.urlencode({"code": code, "redirect_uri": redirect, **secrets}).encode()
    with urllib.request.urlopen(f"{base_url}/api/oauth.v2.access", body, timeout=20) as response:
        return json.load(response)["authed_user"]["access_token"]
