// Helpers of all parts of the tour.
'use strict';

const assert = require('node:assert/strict');

/** The call must be refused with this code; gives the response. */
async function refused(code, call) {
  let response;
  await assert.rejects(call, (error) => {
    assert.equal(error.code, 'slack_webapi_platform_error', error);
    response = error.data;
    assert.equal(response.error, code, JSON.stringify(response));
    return true;
  });
  return response;
}

/** Everything of a list, by the SDK's own pages; nothing may come twice. */
async function everything(client, method, field, parameters = {}) {
  const found = [];
  for await (const page of client.paginate(method, { limit: 7, ...parameters })) {
    found.push(...page[field]);
  }
  const ids = found.map((one) => one.id ?? JSON.stringify(one));
  assert.equal(new Set(ids).size, ids.length, `something of ${method} came twice`);
  return found;
}

/** The only thing that has these fields. */
function only(things, wanted) {
  const has = (thing) => Object.entries(wanted).every(([name, value]) => thing[name] === value);
  const found = things.filter(has);
  assert.equal(found.length, 1, `${JSON.stringify(wanted)} in ${JSON.stringify(things)}`);
  return found[0];
}

/** Sends JSON past the SDK: for SCIM, which it does not know, and to move the sandbox. */
async function send(address, body, token) {
  const response = await fetch(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${address}: ${response.status} ${text}`);
  return JSON.parse(text);
}

module.exports = { everything, only, refused, send };
