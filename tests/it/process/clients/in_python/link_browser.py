"""Customers who connect their directory in a real browser, through the browser SDK.

usage: link_browser.py GATEWAY API_KEY ADMIN_KEY ENVIRONMENT SANDBOX EXPIRED ELSEWHERE [--truto MAIN_JS] [--pictures FOLDER]

Prints the results as one JSON object.
"""

import argparse
import http.server
import json
import pathlib
import re
import shutil
import threading
import urllib.request

from playwright.sync_api import Error, expect, sync_playwright

HOST_PAGE = """<!doctype html><title>The product</title><h1>The product</h1><button id="go">Connect</button>
<script type="module">
  const sdk = await import("GATEWAY/sdk/link.js");
  window.start = (how, token, options) => {
    document.getElementById("go").onclick = async () => {
      const authenticate = how === "theirs" ? (await import("/truto.js")).default : sdk.default;
      const promise = how === "connect" ? sdk.connect(token, options) : authenticate(token, options);
      promise.then((done) => (window.ended = { done }), (error) => (window.ended =
        { error: typeof error === "string" ? error : error.code ?? error.error_type, name: error.name }));
    };
    window.ended = null;
  };
  window.ready = true;
</script>"""

ask = argparse.ArgumentParser()
ask.add_argument("gateway")
ask.add_argument("api_key")
ask.add_argument("admin_key")
ask.add_argument("environment")
ask.add_argument("sandbox")
ask.add_argument("expired", help="the address of a link that has expired")
ask.add_argument("elsewhere", help="an account that is said to be of another organization")
ask.add_argument("--truto")
ask.add_argument("--pictures")
asked = ask.parse_args()


class Product(http.server.BaseHTTPRequestHandler):
    """The SaaS's own web page, on a separate origin."""

    def do_GET(self):
        kind, body = "text/html", HOST_PAGE.replace("GATEWAY", asked.gateway).encode()
        if self.path == "/truto.js" and asked.truto:
            kind, body = "text/javascript", pathlib.Path(asked.truto).read_bytes()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Product)
threading.Thread(target=server.serve_forever, daemon=True).start()
product = f"http://127.0.0.1:{server.server_port}"


def api(method, path, body, key=asked.api_key):
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    data = json.dumps(body).encode()
    request = urllib.request.Request(asked.gateway + path, data, headers, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)["result"]


def link(tenant, **more):
    return api("POST", "/link-tokens", {"tenant_id": tenant, **more})


def looks(**page):
    api("PATCH", f"/environments/{asked.environment}", {"link_page": page}, asked.admin_key)


def picture(page, name):
    if asked.pictures:
        page.screenshot(path=f"{asked.pictures}/{name}.png", full_page=True)


def press(locator):
    """Clicks an element that may close its own window or frame before the driver has seen the end of the click."""
    try:
        locator.click()
    except Error as error:
        if not re.search("closed|detached", str(error)):
            raise


def decide(page, decision="approve", install="org"):
    """The customer's actions on the provider's page."""
    expect(page.locator("button[value=approve]")).to_be_visible()
    if install == "workspace":
        page.locator("#team").select_option(index=1)
    press(page.locator(f"button[value={decision}]"))


def go_on(page):
    press(page.get_by_role("button", name=re.compile("^Continue to")))


def ended(page):
    page.wait_for_function("window.ended !== null")
    return page.evaluate("window.ended")


def begin(context, how, token, options):
    """Opens the product's page and clicks."""
    page = context.new_page()
    page.goto(product)
    page.wait_for_function("window.ready === true")
    page.evaluate("([how, token, options]) => window.start(how, token, options)", [how, token, options])
    return page


def popup_of(page):
    with page.expect_popup() as opened:
        page.locator("#go").click()
    return opened.value


def popup_succeeds(context):
    page = begin(context, "connect", link("popup")["link_token"], {"mode": "popup"})
    popup = popup_of(page)
    expect(popup.get_by_role("heading", level=1)).to_contain_text("Connect")
    picture(popup, "offer")
    go_on(popup)
    picture(popup, "provider")
    decide(popup)
    return ended(page)


def popup_fails_and_succeeds(context):
    page = begin(context, "connect", link("again")["link_url"], {"mode": "popup"})
    popup = popup_of(page)
    go_on(popup)
    decide(popup, install="workspace")
    expect(popup.get_by_text("whole organization")).to_be_visible()
    picture(popup, "not-organization-wide")
    assert page.evaluate("window.ended") is None
    press(popup.get_by_role("link", name="Try again"))
    go_on(popup)
    decide(popup)
    return ended(page)


def popup_is_refused(context):
    page = begin(context, "connect", link("refused")["link_token"], {"mode": "popup"})
    popup = popup_of(page)
    go_on(popup)
    decide(popup, decision="cancel")
    expect(popup.get_by_text("not approved")).to_be_visible()
    picture(popup, "refused")
    close(popup)
    return ended(page)


def popup_is_closed(context):
    page = begin(context, "connect", link("closed")["link_token"], {"mode": "popup"})
    press(popup_of(page).get_by_role("link", name="Not now"))
    return ended(page)


def popup_of_a_spent_link(context):
    token = link("spent")["link_token"]
    page = begin(context, "connect", token, {"mode": "popup"})
    popup = popup_of(page)
    go_on(popup)
    decide(popup)
    ended(page)
    page = begin(context, "connect", token, {"mode": "popup"})
    popup = popup_of(page)
    expect(popup.get_by_text("already been used")).to_be_visible()
    picture(popup, "used")
    close(popup)
    return ended(page)


def close(popup):
    press(popup.get_by_role("link", name="Close"))


def dismissed(popup, page, words, name):
    """An error page: its text, and the result that the product's page receives when it is closed."""
    expect(popup.get_by_text(words).first).to_be_visible()
    picture(popup, name)
    close(popup)
    return ended(page)


def popup_of_an_expired_link(context):
    page = begin(context, "connect", asked.expired, {"mode": "popup"})
    return dismissed(popup_of(page), page, "has expired", "expired")


def popup_for_another_organization(context):
    token = link("elsewhere", integrated_account_id=asked.elsewhere)["link_token"]
    page = begin(context, "connect", token, {"mode": "popup"})
    popup = popup_of(page)
    picture(popup, "reconnect")
    go_on(popup)
    decide(popup)
    return dismissed(popup, page, "Different organization", "other-organization")


def sandbox(method, path, body=None):
    data = json.dumps(body).encode() if body else None
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{asked.sandbox}/_sandbox/{path}", data, headers, method=method)
    urllib.request.urlopen(request).close()


def popup_while_the_provider_is_down(context):
    page = begin(context, "connect", link("down")["link_token"], {"mode": "popup"})
    popup = popup_of(page)
    go_on(popup)
    sandbox("POST", "faults", {"method": "oauth.v2.access", "kind": "server_error", "count": 1})
    decide(popup)
    return dismissed(popup, page, "provider is unavailable", "provider-down")


def popup_with_less_than_was_asked(context):
    page = begin(context, "connect", link("less")["link_token"], {"mode": "popup"})
    popup = popup_of(page)
    go_on(popup)
    expect(popup.locator("button[value=approve]")).to_be_visible()
    popup.goto(re.sub("(%2C|,)auditlogs(%3A|:)read", "", popup.url))
    decide(popup)
    expect(popup.get_by_text("were not granted")).to_be_visible()
    picture(popup, "missing-scopes")
    assert page.evaluate("window.ended") is None
    close(popup)
    return ended(page)


def fill(page, address, token):
    page.get_by_label("Address of the SCIM service").fill(address)
    page.locator("#token").fill(token)
    press(page.get_by_role("button", name="Verify and connect"))


def choice_and_form_succeed(context, mode):
    """The customer chooses SCIM and succeeds after two errors. The gateway's own proxy is the service."""
    service = f"{asked.gateway}/proxy/scim/v2"
    token = api("POST", f"/integrated-accounts/{asked.elsewhere}/tokens", {})["token"]
    fields = {"providers": ["slack_enterprise", "scim"]}
    if mode == "redirect":
        fields["redirect_uri"] = f"{product}/done"
    page = begin(context, "connect", link(f"form-{mode}", **fields)["link_token"], {"mode": mode})
    if mode == "popup":
        at = popup_of(page)
    else:
        page.locator("#go").click()
        at = page.frame_locator("iframe") if mode == "iframe" else page
    at.get_by_role("link", name="Slack Enterprise Grid").click()
    expect(at.get_by_role("button", name=re.compile("^Continue to"))).to_be_visible()
    at.get_by_role("link", name="Choose another directory").click()
    if mode == "popup":
        picture(at, "choice")
    at.get_by_role("link", name="SCIM 2.0").click()
    expect(at.locator("#token")).to_be_visible()
    if mode == "popup":
        picture(at, "form")
    fill(at, service, "wrong")
    expect(at.get_by_role("alert")).to_contain_text("token was rejected")
    if mode == "popup":
        picture(at, "form-token-refused")
    fill(at, asked.sandbox, token)
    expect(at.get_by_role("alert")).to_contain_text("No SCIM service at this address")
    fill(at, service, token)
    if mode == "redirect":
        page.wait_for_url(f"{product}/done?result=success&integrated_account_id=acc_*")
        return {"done": True}
    return ended(page)


def frame_succeeds(context):
    page = begin(context, "connect", link("frame")["link_token"], {"mode": "iframe"})
    page.locator("#go").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_contain_text("Connect")
    with context.expect_page() as opened:
        press(frame.get_by_role("button", name=re.compile("^Continue to")))
    picture(page, "frame")
    decide(opened.value)
    seen = ended(page)
    expect(page.locator("iframe")).to_have_count(0)
    return seen


def window_succeeds(context):
    token = link("window", redirect_uri=f"{product}/done?step=3")["link_token"]
    page = begin(context, "connect", token, {"mode": "redirect"})
    page.locator("#go").click()
    go_on(page)
    decide(page)
    page.wait_for_url(f"{product}/done?step=3&result=success&integrated_account_id=acc_*")
    return {"done": True}


def tie_is_cut(context):
    """The provider's page cuts the opener relation between the popup and the product's page."""
    def cut(route):
        response = route.fetch()
        headers = {**response.headers, "cross-origin-opener-policy": "same-origin"}
        route.fulfill(response=response, headers=headers)

    page = begin(context, "connect", link("cut")["link_token"], {"mode": "popup"})
    popup = popup_of(page)
    context.route("**/oauth/v2/authorize**", cut)
    go_on(popup)
    decide(popup)
    seen = ended(page)
    context.unroute("**/oauth/v2/authorize**")
    return seen


def words_of_others_count_for_nothing(context):
    """A page of another origin, and one in the product's own window, forge a success message."""
    page = begin(context, "connect", link("forged")["link_token"], {"mode": "popup"})
    popup = popup_of(page)
    forged = {"source": "switchboard-link", "result": "success", "integrated_account_id": "acc_forged"}
    page.evaluate("(message) => window.postMessage(message, '*')", forged)
    page.evaluate("""(message) => new Promise((done) => {
        const frame = document.createElement("iframe");
        frame.srcdoc = `<script>parent.postMessage(${JSON.stringify(message)}, "*")</` + "script>";
        frame.onload = () => setTimeout(done, 200);
        document.body.append(frame);
    })""", forged)
    untouched = page.evaluate("window.ended") is None
    go_on(popup)
    decide(popup)
    seen = ended(page)
    return {"untouched": untouched, "forged": seen["done"]["integrated_account_id"] == "acc_forged"}


def foreign_pages_hear_nothing(context):
    """A page that is not listed opens the link in a popup and listens."""
    looks(name="Acme", origins=["https://app.acme.example"])
    page = context.new_page()
    page.goto(product)
    page.wait_for_function("window.ready === true")
    page.evaluate("""(address) => {
        window.heard = [];
        addEventListener("message", (event) => window.heard.push(event.data));
        document.getElementById("go").onclick = () => window.open(address, "", "popup");
    }""", link("unlisted")["link_url"] + "?display=popup&origin=" + product)
    popup = popup_of(page)
    go_on(popup)
    decide(popup)
    expect(popup.get_by_role("heading", name="Connected")).to_be_visible()
    heard = page.evaluate("window.heard")
    looks()
    return heard


def drop_in(context, how, options):
    token = link(f"drop-in-{how}-{len(options)}")["link_token"]
    page = begin(context, how, token, {"baseUrl": asked.gateway, **options})
    popup = popup_of(page)
    go_on(popup)
    decide(popup)
    return ended(page)


def drop_in_is_closed(context, how):
    page = begin(context, how, link(f"shut-{how}")["link_token"], {"baseUrl": asked.gateway, "iframe": False})
    popup_of(page).close()
    return ended(page)


def show_looks(context, browser):
    """Takes pictures of all other pages."""
    page = context.new_page()
    page.goto(f"{asked.gateway}/link/sb_link_nobody")
    picture(page, "unknown")
    page.goto(f"{asked.gateway}/oauth/callback?state=stale&code=stale")
    picture(page, "stale-session")
    page.goto(link("elsewhere-browser")["link_url"])
    go_on(page)
    expect(page.locator("button[value=approve]")).to_be_visible()
    other = browser.new_context(viewport={"width": 620, "height": 780}).new_page()
    other.goto(page.url)
    decide(other)
    expect(other.get_by_role("heading", level=1)).to_contain_text("Session started in another browser")
    picture(other, "other-browser")
    looks(name="Acme HR", accent_color="#7a3cff", headline="Bring your people to Acme",
          introduction="Acme keeps roles and workspaces in step with your HR system.",
          support_url="https://acme.example/help", origins=[product])
    branded = link("branded")["link_url"]
    page.goto(branded)
    picture(page, "branded")
    dark = browser.new_context(color_scheme="dark", viewport={"width": 620, "height": 780})
    page = dark.new_page()
    page.goto(branded)
    picture(page, "branded-dark")
    go_on(page)
    decide(page)
    expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    picture(page, "connected-dark")
    narrow = browser.new_context(viewport={"width": 360, "height": 700})
    page = narrow.new_page()
    page.goto(link("narrow")["link_url"])
    picture(page, "branded-narrow")
    looks()


def watch(context):
    """Checks that no page violates its own content security policy."""
    faults = []
    own = lambda message: message.type == "error" and "Content Security Policy" in message.text
    context.on("console", lambda message: faults.append(message.text) if own(message) else None)
    return faults


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    # Third-party cookies are blocked, as browsers do.
    context = browser.new_context(viewport={"width": 620, "height": 780})
    context.set_default_timeout(15_000)
    faults = watch(context)
    seen = {
        "popup": popup_succeeds(context),
        "again": popup_fails_and_succeeds(context),
        "refused": popup_is_refused(context),
        "closed": popup_is_closed(context),
        "spent": popup_of_a_spent_link(context),
        "expired": popup_of_an_expired_link(context),
        "elsewhere": popup_for_another_organization(context),
        "down": popup_while_the_provider_is_down(context),
        "less": popup_with_less_than_was_asked(context),
        "form_popup": choice_and_form_succeed(context, "popup"),
        "form_iframe": choice_and_form_succeed(context, "iframe"),
        "form_redirect": choice_and_form_succeed(context, "redirect"),
        "frame": frame_succeeds(context),
        "window": window_succeeds(context),
        "cut": tie_is_cut(context),
        "forged": words_of_others_count_for_nothing(context),
        "foreign": foreign_pages_hear_nothing(context),
        "drop_in": drop_in(context, "ours", {"iframe": False}),
        "drop_in_closed": drop_in_is_closed(context, "ours"),
        "theirs": drop_in(context, "theirs", {"iframe": False}) if asked.truto else None,
        "theirs_closed": drop_in_is_closed(context, "theirs") if asked.truto else None,
    }
    if asked.pictures:
        show_looks(context, browser)
    seen["policy"] = faults
    browser.close()
server.shutdown()
print(json.dumps(seen))
