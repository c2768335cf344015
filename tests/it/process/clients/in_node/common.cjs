// Helpers of all parts of the tour.
'use strict';

const assert = require('node:assert/strict');

/** The call must be refused with this code; gives the answer. */
async function refused(code, call) {
  let answer;
  await assert.rejects(call, (error) => {
    assert.equal(error.code, 'slack_webapi_platform_error', error);
    answer = error.data;
    assert.equal(answer.error, code, JSON.stringify(answer));
    return true;
  });
  return answer;
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
  const answer = await fetch(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${address}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

module.exports = { everything, only, refused, send };
