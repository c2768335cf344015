"""Every page of the console and of the hosted directory view in a real browser: keyboard, live parts, accessibility.

usage: console_browser.py GATEWAY ADMIN_KEY ACCOUNT ENVIRONMENT [--axe AXE_JS] [--pictures FOLDER]

Prints the results as one JSON object.
"""

import argparse
import http.server
import json
import pathlib
import shutil
import threading
import urllib.parse
import urllib.request

from page_checks import judge, watch
from playwright.sync_api import expect, sync_playwright

ask = argparse.ArgumentParser()
ask.add_argument("gateway")
ask.add_argument("admin_key")
ask.add_argument("account")
ask.add_argument("environment")
ask.add_argument("--axe")
ask.add_argument("--pictures")
asked = ask.parse_args()

AXE = pathlib.Path(asked.axe).read_text() if asked.axe else None
HOST_PAGE = """<!doctype html><title>The product</title><h1>The product</h1><div id="view" style="height:700px"></div>
<script type="module">
  const { openPortal } = await import("GATEWAY/sdk/link.js");
  window.view = openPortal(decodeURIComponent(location.hash.slice(1)), { container: document.getElementById("view") });
</script>"""


class Product(http.server.BaseHTTPRequestHandler):
    """The SaaS's own web page, on a separate origin."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(HOST_PAGE.replace("GATEWAY", asked.gateway).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Product)
threading.Thread(target=server.serve_forever, daemon=True).start()
product = f"http://127.0.0.1:{server.server_port}"


def api(method, path, body=None):
    headers = {"authorization": f"Bearer {asked.admin_key}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(asked.gateway + path, data, headers, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)["result"]


def sign_in_by_keyboard(page):
    page.goto(f"{asked.gateway}/console/directory")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(asked.admin_key)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/directory")


def pages(page):
    """Returns every page by name."""
    page.goto(f"{asked.gateway}/console/access-review?is_privileged=true")
    person = page.locator("#results a.strong").first.get_attribute("href")
    page.goto(f"{asked.gateway}/console/syncs")
    run = page.locator("table a").first.get_attribute("href")
    page.goto(f"{asked.gateway}/console/policies")
    policy = page.locator("table a.strong").first.get_attribute("href")
    return {
        "overview": "/console",
        "directory": "/console/directory",
        "person": person,
        "roles": "/console/roles",
        "access-review": "/console/access-review?is_privileged=true",
        "drift": "/console/drift",
        "syncs": "/console/syncs",
        "sync": run,
        "events": "/console/events",
        "webhooks": "/console/webhooks",
        "accounts": "/console/accounts",
        "account": f"/console/accounts/{asked.account}",
        "connect": "/console/accounts/connect",
        "policies": "/console/policies",
        "policy": policy,
        "new-policy": "/console/policies/new?kind=forbidden_workspaces",
        "budgets": "/console/budgets",
        "audit-log": "/console/audit-log",
        "keys": "/console/keys",
        "sessions": "/console/sessions",
        "environment": "/console/environment",
    }


def walk(browser, scheme, width, seen):
    """Visits every page with a color scheme and a width."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    faults = watch(context)
    page = context.new_page()
    page.goto(f"{asked.gateway}/console/sign-in")
    seen["axe"] += judge(page, AXE, f"sign-in {scheme} {width}")
    if asked.pictures:
        page.screenshot(path=f"{asked.pictures}/console-sign-in-{scheme}-{width}.png")
    sign_in_by_keyboard(page)
    for name, path in pages(page).items():
        page.goto(asked.gateway + path)
        seen["axe"] += judge(page, AXE, f"{name} {scheme} {width}")
        beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if beyond > 0:
            seen["too_wide"].append(f"{name} {scheme} {width}: {beyond}")
        if asked.pictures:
            whole = name not in ("directory", "audit-log", "events", "access-review", "drift")
            page.screenshot(path=f"{asked.pictures}/console-{name}-{scheme}-{width}.png", full_page=whole)
    seen["faults"] += faults
    context.close()


def change(page, seen):
    """Makes changes by clicking and by keyboard."""
    go = lambda path: page.goto(asked.gateway + path)
    go("/console/directory")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    name = page.locator("#results a.strong").first.inner_text()
    page.get_by_role("searchbox", name="Search").fill("no person has this name")
    expect(page.get_by_text("No match")).to_be_visible()
    page.get_by_role("searchbox", name="Search").fill(name)
    expect(page.locator("#results a.strong").first).to_have_text(name)
    seen["search"] = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)["search"] == [name]

    go("/console/drift")
    card = page.locator("article", has_text="Fix…").first
    card.locator("summary", has_text="Fix…").focus()
    page.keyboard.press("Enter")
    expect(card.get_by_text("1 person", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(card.get_by_text("1 person", exact=True)).to_be_hidden()
    card.locator("summary", has_text="Fix…").click()
    card.get_by_role("button", name="Run the fix").click()
    expect(page.get_by_role("status")).to_contain_text("The fix was run")
    card = page.locator("article", has_text="Acknowledge…").first
    card.locator("summary", has_text="Acknowledge…").click()
    card.get_by_label("Reason").fill("Known until spring")
    card.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("acknowledged")

    go("/console/syncs")
    runs = page.locator("tbody tr").count()
    page.get_by_role("button", name="Request a run").click()
    # The page changes without being loaded again.
    expect(page.locator("tbody tr")).to_have_count(runs + 1)
    expect(page.locator("tbody tr").first).to_contain_text("succeeded", timeout=60_000)

    go("/console/keys")
    page.get_by_label("Name").fill("Walk")
    page.get_by_label("read Read").check()
    page.get_by_role("button", name="Create the key").click()
    seen["key"] = page.get_by_label("Secret").input_value().startswith("sb_live_")
    go("/console/keys")
    row = page.locator("tr", has_text="Walk").first
    row.locator("summary").click()
    row.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_role("status")).to_contain_text("revoked")

    go("/console/webhooks")
    page.get_by_label("URL").fill("http://127.0.0.1:9/hook")
    page.get_by_role("button", name="Create the webhook").click()
    seen["webhook"] = page.get_by_label("Signing secret").input_value().startswith("whsec_")
    go("/console/webhooks")
    page.get_by_role("link", name="http://127.0.0.1:9/hook").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#deliveries")).to_be_visible()
    page.locator("summary", has_text="Delete…").click()
    page.get_by_role("button", name="Delete the webhook").click()
    expect(page.get_by_role("status")).to_contain_text("deleted")

    go("/console/accounts/connect")
    page.get_by_label("Customer's id").fill("globex")
    page.get_by_role("button", name="Create the link").click()
    seen["link"] = page.get_by_label("Link", exact=True).input_value().startswith(f"{asked.gateway}/link/")

    go("/console/environment")
    page.get_by_label("Name of your product").fill("Acme HR")
    expect(page.frame_locator("iframe").get_by_text("Acme HR").first).to_be_visible()
    page.get_by_label("Origins").fill(product)
    page.get_by_role("button", name="Change the branding").click()
    expect(page.get_by_role("status")).to_contain_text("changed")


def visit(browser, seen):
    """Opens the hosted directory view within the product's page, and within another site's."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    faults = watch(context)
    page = context.new_page()
    views = ["directory", "drift", "access_review", "sync"]
    body = {"integrated_account_id": asked.account, "views": views, "permissions": ["acknowledge"]}
    link = lambda: api("POST", "/portal-links", body)["portal_url"]
    page.goto(f"{product}/#{urllib.parse.quote(link(), safe='')}")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Directory", exact=True)).to_be_visible()
    if asked.pictures:
        page.screenshot(path=f"{asked.pictures}/portal-directory.png")
    frame.get_by_role("link", name="Drift").click()
    expect(frame.get_by_role("heading", name="Drift", exact=True)).to_be_visible()
    card = frame.locator("article", has_text="Acknowledge…").first
    card.locator("summary").first.click()
    card.get_by_label("Reason").fill("Known to the customer")
    card.get_by_role("button", name="Acknowledge").click()
    expect(frame.get_by_role("status")).to_contain_text("acknowledged")
    seen["portal_fix"] = frame.get_by_text("Fix…").count()
    seen["faults"] += faults
    # The page of an origin that is not listed: the browser refuses to show the frame.
    foreign = page.context.new_page()
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Product)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    foreign.goto(f"http://127.0.0.1:{other.server_port}/#{urllib.parse.quote(link(), safe='')}")
    foreign.wait_for_function("document.querySelector('iframe') !== null")
    expect(foreign.frame_locator("iframe").get_by_role("button", name="Open the directory")).to_have_count(0)
    foreign.wait_for_load_state("networkidle")
    seen["foreign_frame"] = foreign.frame_locator("iframe").get_by_role("heading").count()
    other.shutdown()
    # A window of its own.
    alone = browser.new_context(color_scheme="dark", viewport={"width": 390, "height": 800}).new_page()
    alone.goto(link())
    expect(alone.get_by_role("heading", name="Directory", exact=True)).to_be_visible()
    seen["axe"] += judge(alone, AXE, "portal dark 390")
    if asked.pictures:
        alone.screenshot(path=f"{asked.pictures}/portal-directory-dark-390.png")
    context.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    seen = {"axe": [], "too_wide": [], "faults": []}
    for scheme, width in [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]:
        walk(browser, scheme, width, seen)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    faults = watch(context)
    page = context.new_page()
    sign_in_by_keyboard(page)
    change(page, seen)
    seen["faults"] += faults
    visit(browser, seen)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/console/sign-in")
    browser.close()
server.shutdown()
print(json.dumps(seen))
