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
import time
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


def planned(body):
    """Requests a plan; returns its id once it is made."""
    plan = api("POST", "/reconciliations", body)["id"]
    while api("GET", f"/reconciliations/{plan}")["status"] == "planning":
        time.sleep(0.1)
    return plan


def prepare():
    """Creates what the pages about plans show; returns the ids of a plan and of a rule set, and addresses."""
    of_account = {"integrated_account_id": asked.account}
    query = f"integrated_account_id={asked.account}&source=synced"
    workspaces = [one["id"] for one in api("GET", f"/workspaces?{query}&limit=3")]
    users = api("GET", f"/users?{query}&user_type=member&status=active&limit=60")
    emails = [one["emails"][0]["email"] for one in users]
    people = [{"email": email, "status": "active", "title": "Senior Engineer"} for email in emails[:6]]
    people += [{"email": email, "status": "inactive"} for email in emails[6:9]]
    people += [{"email": email, "status": "active", "workspaces": workspaces[:2]} for email in emails[9:14]]
    people += [
        {"email": "yuki.tanaka@example.com", "name": "Yuki Tanaka", "department": "Labs", "workspaces": workspaces[:1]},
        {"email": "paloma.zajac@example.com", "name": "Paloma Zając", "title": "Counsel", "workspaces": workspaces[1:2]},
    ]
    # The owner is never changed: skipped.
    owner = api("GET", f"/users?{query}&role%5Bid%5D=org:primary_owner&limit=1")
    people += [{"email": one["emails"][0]["email"], "status": "inactive"} for one in owner]
    plan = planned({**of_account, "name": "hr-export-2026-11-29.csv", "desired": {"users": people}})
    department = next(one["department"] for one in users if one.get("department"))
    rules = [
        {"name": department, "when": {"field": "department", "op": "eq", "value": department},
         "then": {"workspaces": workspaces[:1]}},
        {"name": "Leads", "when": {"all": [{"field": "title", "op": "contains", "value": "Lead"},
                                           {"not": {"field": "user_type", "op": "eq", "value": "bot"}}]},
         "then": {"roles": [{"id": "ws:admin", "workspace_id": workspaces[1]}]}},
    ]
    rule_set = api("POST", "/rule-sets", {**of_account, "name": "Departments", "rules": rules})["id"]
    return plan, rule_set, emails


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
        "reconciliations": "/console/reconciliations",
        "new-reconciliation": "/console/reconciliations/new",
        "reconciliation": f"/console/reconciliations/{PLAN}",
        "reconciliation-removals": f"/console/reconciliations/{PLAN}?show=removals",
        "rule-sets": "/console/rule-sets",
        "new-rule-set": "/console/rule-sets/new",
        "rule-set": f"/console/rule-sets/{RULE_SET}?person={urllib.parse.quote(EMAILS[0])}",
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


def walk(browser, scheme, width, axe, seen):
    """Visits every page with a color scheme and a width; axe, if given, judges each."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    faults = watch(context)
    page = context.new_page()
    page.goto(f"{asked.gateway}/console/sign-in")
    seen["axe"] += judge(page, axe, f"sign-in {scheme} {width}")
    if asked.pictures:
        page.screenshot(path=f"{asked.pictures}/console-sign-in-{scheme}-{width}.png")
    sign_in_by_keyboard(page)
    for name, path in pages(page).items():
        page.goto(asked.gateway + path)
        seen["axe"] += judge(page, axe, f"{name} {scheme} {width}")
        beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if beyond > 0:
            seen["too_wide"].append(f"{name} {scheme} {width}: {beyond}")
        if asked.pictures:
            whole = name not in ("directory", "audit-log", "events", "access-review", "drift")
            page.screenshot(path=f"{asked.pictures}/console-{name}-{scheme}-{width}.png", full_page=whole)
    seen["faults"] += faults
    context.close()


def tab_to(page, target):
    """Presses Tab until an element has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if target.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"not reached by keyboard: {target}")


def shot(page, name):
    if asked.pictures:
        page.screenshot(path=f"{asked.pictures}/console-{name}.png", full_page=True)


def use_keyboard(page, seen):
    """Uses the main ways without a mouse: order of the focus, visible focus, navigation, approval."""
    page.goto(f"{asked.gateway}/console")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for path in ["", "/directory", "/drift", "/reconciliations/new", f"/reconciliations/{PLAN}", "/rule-sets/new"]:
        page.goto(f"{asked.gateway}/console{path}")
        page.evaluate("window.visited = []")
        for _ in range(60):
            page.keyboard.press("Tab")
            fault = page.evaluate("""() => {
              const now = document.activeElement, before = visited.at(-1);
              if (now === document.body || visited.includes(now)) return "end";
              visited.push(now);
              const box = now.getBoundingClientRect(), style = getComputedStyle(now);
              if (box.width < 2 || box.height < 2 || box.bottom < 0 || box.top > innerHeight) return "is not visible";
              if (style.outlineStyle === "none" || style.outlineWidth === "0px") return "has no outline";
              const follows = !before || before.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING;
              return follows ? "" : "is out of order";
            }""")
            if fault == "end":
                break
            if fault:
                what = page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
                seen["focus"].append(f"{path}: {what} {fault}")
    # A plan is applied without a mouse.
    people = [{"email": EMAILS[20], "status": "active", "title": "Clerk"}]
    plan = planned({"integrated_account_id": asked.account, "name": "keyboard.csv", "desired": {"users": people}})
    page.goto(f"{asked.gateway}/console")
    tab_to(page, page.get_by_role("navigation").get_by_role("link", name="Reconciliations"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/reconciliations*")
    tab_to(page, page.locator("main").get_by_role("link", name="keyboard.csv"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/console/reconciliations/{plan}*")
    tab_to(page, page.locator("summary", has_text="Approve and apply…"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 change", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Apply the plan")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".status .badge")).to_have_text("applied", timeout=60_000)


def reconcile(page, seen):
    """Uploads a file, reads and applies its plan, and previews a rule set, by clicking."""
    go = lambda path: page.goto(asked.gateway + path)
    go("/console/reconciliations")
    page.get_by_role("link", name="New reconciliation").click()
    page.get_by_label("Match people by").select_option("email")
    broken = f"email,status,user_type\n{EMAILS[15]},active,employee\n".encode()
    page.get_by_label("File: CSV").set_input_files({"name": "broken.csv", "mimeType": "text/csv", "buffer": broken})
    page.get_by_role("button", name="Make the plan").click()
    expect(page.get_by_role("row", name="2 user_type")).to_be_visible()
    shot(page, "bad-rows-light-1280")
    rows = [f"{email},active,Field Sales" for email in EMAILS[21:31]] + [f"{EMAILS[15]},inactive,"]
    csv = "\n".join(["email,status,department", *rows]).encode()
    page.get_by_label("File: CSV").set_input_files({"name": "hr.csv", "mimeType": "text/csv", "buffer": csv})
    page.get_by_role("button", name="Make the plan").click()
    # The plan appears without the page being loaded again.
    expect(page.locator(".status .badge")).to_have_text("planned", timeout=30_000)
    expect(page.get_by_role("heading", name="hr.csv", exact=True)).to_be_visible()
    expect(page.locator("#removals")).to_be_visible()
    page.locator("summary", has_text="Approve and apply…").click()
    expect(page.get_by_text("1 removal", exact=True)).to_be_visible()
    shot(page, "approve-light-1280")
    page.get_by_role("button", name="Apply the plan").click()
    expect(page.locator("progress")).to_be_visible()
    shot(page, "applying-light-1280")
    expect(page.locator(".status .badge")).to_have_text("applied", timeout=60_000)
    shot(page, "applied-light-1280")
    page.locator("summary", has_text="Undo…").click()
    page.get_by_role("button", name="Plan the inverse").click()
    expect(page.get_by_role("heading", name="Inverse of hr.csv")).to_be_visible()
    expect(page.locator(".status .badge")).to_have_text("planned", timeout=30_000)
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".status .badge")).to_have_text("cancelled")

    go("/console/rule-sets")
    page.get_by_role("link", name="Departments").click()
    page.get_by_label("E-mail address or id").fill(EMAILS[0])
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("A plan would")).to_be_visible()
    seen["preview"] = page.locator(".verdicts li").count()
    page.locator("summary", has_text="Apply automatically…").click()
    page.get_by_role("button", name="Apply automatically").click()
    expect(page.get_by_text("applied automatically")).to_be_visible()
    page.get_by_role("button", name="Stop automatic changes").click()
    page.get_by_role("button", name="Plan for all users").click()
    expect(page.get_by_role("heading", name="Rule set Departments")).to_be_visible()
    expect(page.locator(".status .badge")).to_have_text("planned", timeout=30_000)
    # Without the script a form asks as well.
    plain = page.context.browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    page.goto("about:blank")
    static = plain.new_page()
    static.goto(f"{asked.gateway}/console/reconciliations/{PLAN}")
    expect(static.get_by_role("button", name="Apply the plan")).to_be_hidden()
    static.locator("summary", has_text="Approve and apply…").click()
    expect(static.get_by_role("button", name="Apply the plan")).to_be_visible()
    static.get_by_role("button", name="Discard").click()
    expect(static.locator(".status .badge")).to_have_text("cancelled")
    plain.close()


def permanent(shown):
    """Returns a violation that no other change ends: a guest's, who is neither fixed first nor in a plan."""
    guests = shown.locator("article", has_text="The access of guests ends within 90 days")
    return guests.filter(has_text="Acknowledge…").last


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
    card = permanent(page)
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
    views = ["directory", "drift", "access_review", "sync", "reconciliation"]
    body = {"integrated_account_id": asked.account, "views": views, "permissions": ["acknowledge"]}
    link = lambda: api("POST", "/portal-links", body)["portal_url"]
    page.goto(f"{product}/#{urllib.parse.quote(link(), safe='')}")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Directory", exact=True)).to_be_visible()
    if asked.pictures:
        page.screenshot(path=f"{asked.pictures}/portal-directory.png")
    frame.get_by_role("link", name="Drift").click()
    expect(frame.get_by_role("heading", name="Drift", exact=True)).to_be_visible()
    card = permanent(frame)
    card.locator("summary").first.click()
    card.get_by_label("Reason").fill("Known to the customer")
    card.get_by_role("button", name="Acknowledge").click()
    expect(frame.get_by_role("status")).to_contain_text("acknowledged")
    frame.get_by_role("link", name="Reconciliations").click()
    frame.get_by_role("link", name="hr.csv", exact=True).click()
    expect(frame.get_by_role("heading", name="hr.csv", exact=True)).to_be_visible()
    seen["portal_apply"] = frame.get_by_text("Undo…").count()
    frame.get_by_role("link", name="Drift").click()
    expect(frame.get_by_role("heading", name="Drift", exact=True)).to_be_visible()
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
    page.frame_locator("iframe").get_by_role("button", name="End", exact=True).click()
    # The page after the end is shown in the frame of the product, in its branding.
    expect(frame.get_by_role("heading", name="The view has ended")).to_be_visible()
    expect(frame.get_by_text("Acme HR")).to_be_visible()
    context.close()


PLAN, RULE_SET, EMAILS = prepare()

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    seen = {"axe": [], "too_wide": [], "faults": [], "focus": []}
    # Colors do not depend on the width, nor the layout on the colors: axe judges each color scheme and each width once.
    for scheme, width, axe in [("light", 1280, AXE), ("dark", 1280, None), ("light", 390, None), ("dark", 390, AXE)]:
        walk(browser, scheme, width, axe, seen)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    faults = watch(context)
    page = context.new_page()
    sign_in_by_keyboard(page)
    use_keyboard(page, seen)
    reconcile(page, seen)
    change(page, seen)
    # The browser reports the upload that was refused.
    seen["faults"] += [fault for fault in faults if "/console/reconciliations" not in fault or "status of 422" not in fault]
    visit(browser, seen)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/console/sign-in")
    browser.close()
server.shutdown()
print(json.dumps(seen))
