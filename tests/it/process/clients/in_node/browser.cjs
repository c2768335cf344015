// A customer's browser: it follows redirects, stores cookies, and presses one button.
'use strict';

const assert = require('node:assert/strict');

/** What a page's form would send, with nothing touched. */
function filledIn(page) {
  const fields = new URLSearchParams();
  const attribute = (tag, name) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  for (const [tag] of page.matchAll(/<input\b[^>]*>/g)) {
    if (attribute(tag, 'type') !== 'radio' || /\bchecked\b/.test(tag)) {
      fields.set(attribute(tag, 'name'), attribute(tag, 'value') ?? '');
    }
  }
  for (const [, name, options] of page.matchAll(/<select\b[^>]*name="([^"]*)"[^>]*>(.*?)<\/select>/gs)) {
    const all = [...options.matchAll(/<option\b[^>]*>/g)].map(([tag]) => tag);
    const chosen = all.find((tag) => /\bselected\b/.test(tag)) ?? all[0];
    fields.set(name, attribute(chosen, 'value'));
  }
  return fields;
}

class Browser {
  cookies = new Map();

  async open(address, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { ...options.headers, ...(cookie && { cookie }) };
    const response = await fetch(address, { ...options, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split('=');
      this.cookies.set(name, value);
    }
    return response;
  }

  /** From the app's page to the consent, through its form as it comes, and back to the app. */
  async install(start, decision) {
    const sent = await this.open(start);
    assert.equal(sent.status, 302, await sent.text());
    const consent = sent.headers.get('location');
    const shown = await this.open(consent);
    const page = await shown.text();
    assert.equal(shown.status, 200, page);
    const form = filledIn(page);
    form.set('decision', decision);
    const decided = await this.open(consent, { method: 'POST', body: form });
    assert.equal(decided.status, 302, await decided.text());
    return this.open(decided.headers.get('location'));
  }
}

module.exports = { Browser };
