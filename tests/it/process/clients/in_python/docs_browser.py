"""The API reference in a real browser: every page, search, languages of the samples, and requests with a key.

usage: docs_browser.py GATEWAY ADMIN_KEY ACCOUNT [--axe AXE_JS] [--pictures FOLDER]

Prints the results as one JSON object.
"""

import argparse
import json
import pathlib
import re
import shutil

from page_checks import judge, watch
from playwright.sync_api import expect, sync_playwright

ask = argparse.ArgumentParser()
ask.add_argument("gateway")
ask.add_argument("admin_key")
ask.add_argument("account")
ask.add_argument("--axe")
ask.add_argument("--pictures")
asked = ask.parse_args()

AXE = pathlib.Path(asked.axe).read_text() if asked.axe else None
docs = f"{asked.gateway}/docs"


def picture(page, name, whole=False):
    if asked.pictures:
        page.screenshot(path=f"{asked.pictures}/docs-{name}.png", full_page=whole)


def walk(browser, scheme, width, seen):
    """Visits the pages with a color scheme and a width, and opens what is closed; in the dark only some."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    faults = watch(context)
    page = context.new_page()
    page.goto(docs)
    paths = page.locator("#navigation .group li:first-child a").evaluate_all("all => all.map((one) => one.pathname)")
    for path in ["/docs", *paths] if scheme == "light" else ["/docs", "/docs/me", "/docs/roles"]:
        page.goto(asked.gateway + path)
        name = path.removeprefix("/docs").strip("/") or "overview"
        picture(page, f"{name}-{scheme}-{width}")
        if name in ("overview", "me"):
            seen["axe"] += judge(page, AXE, f"{name} {scheme} {width}")
        page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
        if name in ("me", "roles"):
            seen["axe"] += judge(page, AXE, f"{name}, opened, {scheme} {width}")
            picture(page, f"{name}-opened-{scheme}-{width}", whole=True)
        beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if beyond > 0:
            seen["too_wide"].append(f"{name} {scheme} {width}: {beyond}")
    seen["faults"] += faults
    context.close()


def search(page, seen):
    """Finds an operation by a parameter, by keyboard only."""
    page.goto(docs)
    page.keyboard.press("/")
    field = page.get_by_role("searchbox", name="Search operations")
    expect(field).to_be_focused()
    page.keyboard.type("remote_query workspaces members")
    expect(page.get_by_role("status")).to_have_text("1 operation")
    picture(page, "search")
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/workspaces#get-workspaces-id-members")
    expect(page.get_by_role("heading", name="List workspace members")).to_be_in_viewport()
    expect(page.locator("#navigation a[aria-current=location]")).to_contain_text("List workspace members")
    # Anchors of the time when all operations were on one page.
    page.goto(f"{docs}#get-users")
    page.wait_for_url("**/docs/users#get-users")
    seen["search"] = True


def languages(page, seen):
    """Selects a language of the samples, which lasts, and copies a sample."""
    page.goto(f"{docs}/users#get-users")
    section = page.locator("#get-users")
    section.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(section.get_by_role("tab", name="Python")).to_be_focused()
    expect(section.get_by_role("tabpanel", name="Python")).to_be_visible()
    expect(section.get_by_role("tabpanel", name="curl")).to_be_hidden()
    section.get_by_role("button", name="Copy").click()
    expect(section.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    page.goto(f"{docs}/groups")
    expect(page.locator("#get-groups").get_by_role("tabpanel", name="Python")).to_be_visible()
    seen["copied"] = copied.startswith("import os") and "requests.get(" in copied


def call(page, seen):
    """Sends a read, a change that is canceled, a change that is confirmed, and one that fails."""
    asked_for = []
    page.on("request", lambda request: asked_for.append((request.method, request.url.removeprefix(asked.gateway))))
    page.goto(f"{docs}/groups#get-groups")
    section = page.locator("#get-groups")
    section.get_by_text("Try it", exact=True).click()
    section.get_by_label("API key").fill(asked.admin_key)
    section.get_by_label("X-Integrated-Account-Id").fill(asked.account)
    section.get_by_text("Optional parameters").click()
    section.get_by_label("limit").fill("3")
    section.get_by_label("exclude_fields[]").fill("members, workspaces")
    section.get_by_role("button", name="Send GET").click()
    result = section.get_by_role("region", name="Response of")
    expect(result).to_contain_text("200")
    expect(result).to_contain_text("x-request-id")
    expect(result).to_contain_text("ratelimit-policy")
    expect(result).to_contain_text('"result_count": 3')
    section.locator(".try").scroll_into_view_if_needed()
    picture(page, "try-it")
    seen["read"] = asked_for[-1] == ("GET", "/groups?limit=3&exclude_fields%5B%5D=members&exclude_fields%5B%5D=workspaces")
    seen["axe"] += judge(page, AXE, "after a request")
    section.get_by_label("remote_query").fill("count=2&sortOrder=a b")
    with page.expect_request(lambda request: "remote_query" in request.url):
        section.get_by_role("button", name="Send GET").click()
    expected = "remote_query%5Bcount%5D=2&remote_query%5BsortOrder%5D=a+b"
    seen["objects"] = expected in asked_for[-1][1]

    section = page.locator("#post-groups")
    section.get_by_text("Try it", exact=True).click()
    expect(section.get_by_label("API key")).to_have_value(asked.admin_key)
    before = len(asked_for)
    send = section.get_by_role("button", name="Send POST")
    send.click()
    dialog = page.get_by_role("dialog", name="Send this request?")
    expect(dialog).to_contain_text("POST /groups")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    picture(page, "confirmation")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    seen["canceled"] = len(asked_for) == before
    section.get_by_label("Body").fill("{")
    send.click()
    expect(section.get_by_role("region", name="Response of")).to_contain_text("not JSON")
    seen["invalid"] = len(asked_for) == before
    section.get_by_label("Body").fill('{"name": "<img src=x onerror=alert(1)>"}')
    send.click()
    dialog.get_by_role("button", name="Send the request").click()
    expect(section.locator(".result .badge")).to_have_text(re.compile("^[2-5][0-9][0-9]"))
    seen["sent"] = [one for one in asked_for if one[0] == "POST"] == [("POST", "/groups")]
    seen["injected"] = page.locator("main img").count()

    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    urls = " ".join(url for _, url in asked_for)
    seen["key_is_stored"] = asked.admin_key in stored or asked.admin_key in urls
    page.goto(f"{docs}/users")
    page.go_back()
    expect(page.locator("#get-groups").get_by_label("API key")).to_have_value("")


def without_script(browser, seen):
    """Everything but the forms is there."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(f"{docs}/me")
    for language in ("curl", "Python", "TypeScript"):
        expect(page.locator("#get-me p.language", has_text=language)).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_count(0)
    expect(page.get_by_text("Try it", exact=True)).to_be_hidden()
    picture(page, "without-script")
    seen["without_script"] = page.locator("#navigation").is_visible()
    context.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    seen = {"axe": [], "too_wide": [], "faults": []}
    for scheme, width in [("light", 1360), ("dark", 1360), ("light", 390), ("dark", 390)]:
        walk(browser, scheme, width, seen)
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=asked.gateway)
    context.set_default_timeout(15_000)
    faults = watch(context)
    page = context.new_page()
    search(page, seen)
    languages(page, seen)
    call(page, seen)
    # The browser logs the response of the change that failed.
    seen["faults"] += [fault for fault in faults if "status of" not in fault]
    without_script(browser, seen)
    browser.close()
print(json.dumps(seen))
