// `api.test`, `auth.*`, `team.*` and `users.*`: the basic methods.
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
  const teams = await everything(client, 'auth.teams.list', 'teams', { limit: 2 });
  for (const team of teams) {
    const info = (await client.team.info({ team: team.id })).team;
    assert.equal(info.name, team.name);
    assert.equal(info.enterprise_id, me.enterprise_id);
  }
  await beToldToWait(app, client, me);
  const some = await seePeople(client, teams[0].id);
  await seeProfile(client, teams[0].id, some[0]);
  await seeBooks(client, teams[0].id, some[0]);
  return some;
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

async function seeProfile(client, team_id, user) {
  const { users } = client;
  assert.ok(['active', 'away'].includes((await users.getPresence({ user })).presence));
  await users.profile.set({ user, profile: { title: 'Night navigator' } });
  assert.equal((await users.profile.get({ user })).profile.title, 'Night navigator');
  assert.equal((await users.info({ user })).user.profile.title, 'Night navigator');
  const mine = await everything(client, 'users.conversations', 'channels', { team_id, user });
  assert.ok(mine.length > 0);
}

/** What `team.*` tells administrators. */
async function seeBooks(client, team_id, user) {
  const { team } = client;
  const logins = await team.accessLogs({ team_id, count: 5 });
  assert.equal(logins.logins.length, 5);
  assert.ok(logins.paging.total > 5);
  assert.ok(user in (await team.billableInfo({ team_id, user })).billable_info);
  assert.ok((await team.billing.info()).plan);
  assert.ok((await team.integrationLogs({ team_id })).paging);
  assert.equal(typeof (await team.preferences.list()).display_real_names, 'boolean');
  assert.ok((await team.profile.get()).profile.fields);
  await client.admin.users.unsupportedVersions.export({});
}

/** A 429 is waited out by the SDK itself, for as long as the response says. */
async function beToldToWait(app, client, me) {
  const fault = { method: 'users.info', kind: 'rate_limited', count: 1, seconds: 1 };
  await send(`${app.sandbox}/_sandbox/faults`, fault);
  const limited = new Promise((heard) => client.once('rate_limited', heard));
  const started = Date.now();
  assert.equal((await client.users.info({ user: me.user_id })).user.id, me.user_id);
  assert.equal(await limited, 1);
  assert.ok(Date.now() - started >= 1_000);
}

module.exports = { see };
