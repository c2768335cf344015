// `api.test`, `auth.*`, `team.*` and `users.*`: what every app begins with.
'use strict';

const assert = require('node:assert/strict');
const { everything, only, refused, send } = require('./common.cjs');

async function see(app, client, installed) {
  const anybody = app.client();
  assert.deepEqual((await anybody.api.test({ foo: 'bar' })).args, { foo: 'bar' });
  await refused('my_error', anybody.api.test({ error: 'my_error' }));
  await refused('not_authed', anybody.auth.test());
  await refused('invalid_auth', app.client('xoxp-1').auth.test());
  const me = await client.auth.test();
  assert.equal(me.user_id, installed.userId);
  assert.equal(me.enterprise_id, installed.enterpriseId);
  assert.ok(me.response_metadata.scopes.includes('admin.users:read'));
  const teams = await everything(client, 'admin.teams.list', 'teams', { limit: 2 });
  for (const team of teams) {
    const info = (await client.team.info({ team: team.id })).team;
    assert.equal(info.name, team.name);
    assert.equal(info.enterprise_id, me.enterprise_id);
  }
  await beToldToWait(app, client, me);
  return seePeople(client, teams[0].id);
}

async function seePeople(client, team) {
  const people = await everything(client, 'users.list', 'members', { team_id: team });
  const plain = (one) => !one.deleted && !one.is_bot && !one.is_restricted;
  const isAdmin = (one) => one.enterprise_user.is_admin;
  const active = people.filter((one) => plain(one) && !isAdmin(one)).slice(0, 3);
  for (const person of active) {
    const { user } = await client.users.info({ user: person.id, include_locale: true });
    assert.deepEqual(user.profile, person.profile);
    assert.ok(user.locale);
    const found = await client.users.lookupByEmail({ email: person.profile.email });
    assert.equal(found.user.id, person.id);
  }
  await refused('user_not_found', client.users.info({ user: 'W00000000' }));
  assert.ok(only(people, { id: active[0].id }).enterprise_user.teams.includes(team));
  return active.map((person) => person.id);
}

/** A 429 is waited out by the SDK itself, for as long as the answer says. */
async function beToldToWait(app, client, me) {
  const fault = { method: 'users.info', kind: 'rate_limited', count: 1, seconds: 1 };
  await send(`${app.sandbox}/_sandbox/faults`, fault);
  const told = new Promise((heard) => client.once('rate_limited', heard));
  const started = Date.now();
  assert.equal((await client.users.info({ user: me.user_id })).user.id, me.user_id);
  assert.equal(await told, 1);
  assert.ok(Date.now() - started >= 1_000);
}

module.exports = { see };
