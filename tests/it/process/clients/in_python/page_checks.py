"""Checks of pages in a browser: errors in its console, and what axe-core finds."""

import json

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def watch(context):
    """Collects errors in the console of the browser: policies that were violated, scripts that failed."""
    faults = []
    context.on("console", lambda message: faults.append(f"{message.page.url}: {message.text}") if message.type == "error" else None)
    context.on("weberror", lambda error: faults.append(str(error.error)))
    return faults


def judge(page, axe, name):
    """Returns what axe, given as its text, finds on a page."""
    if not axe:
        return []
    session = page.context.new_cdp_session(page)
    # Not as a script of the page, whose policy forbids it.
    session.send("Runtime.evaluate", {"expression": axe})
    run = f"axe.run(document, {{runOnly: {json.dumps(RULES)}}}).then((r) => JSON.stringify(r.violations))"
    found = session.send("Runtime.evaluate", {"expression": run, "awaitPromise": True, "returnByValue": True})
    session.detach()
    return [f"{name}: {one['id']} {one['nodes'][0]['target']}" for one in json.loads(found["result"]["value"])]
