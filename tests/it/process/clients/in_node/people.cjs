// `admin.users.*`, sessions and roles: permissions and their expiry.
'use strict';

const assert = require('node:assert/strict');
const { everything, only, refused, send } = require('./common.cjs');

/** Makes an account in no workspace and a group with it, by SCIM 2.0; gives both ids. */
async function hire(app, token) {
  const core = 'urn:ietf:params:scim:schemas:core:2.0';
  const user = await send(
    `${app.sandbox}/scim/v2/Users`,
    {
      schemas: [`${core}:User`],
      userName: 'cy.vance',
      name: { givenName: 'Cy', familyName: 'Vance' },
      emails: [{ value: 'cy.vance@lumenworks.example', primary: true }],
    },
    token,
  );
  const group = await send(
    `${app.sandbox}/scim/v2/Groups`,
    { schemas: [`${core}:Group`], displayName: 'Crew', members: [{ value: user.id }] },
    token,
  );
  return { user: user.id, group: group.id };
}

/** Walks `user` through a workspace without other people and through the offices there. */
async function see(client, { made, team }, user) {
  await invite(client, team);
  await raiseAndLower(client, made, user);
  await seeRoles(client, made, user);
  await seeSessions(client, user);
  await seeGuests(client, team);
  await client.admin.users.remove({ team_id: made, user_id: user });
  assert.equal(await row(client, made, user), undefined);
}

async function row(client, team_id, id) {
  const rows = await everything(client, 'admin.users.list', 'users', { team_id, limit: 30 });
  return rows.find((one) => one.id === id);
}

async function invite(client, team_id) {
  const { team } = await client.admin.teams.settings.info({ team_id });
  const email = 'nova.reyes@lumenworks.example';
  const fields = { team_id, email, channel_ids: team.default_channels.slice(0, 1), real_name: 'Nova' };
  await client.admin.users.invite(fields);
  await refused('already_in_team_invited_user', client.admin.users.invite(fields));
  const members = await everything(client, 'users.list', 'members', { team_id, limit: 30 });
  const nova = members.filter((one) => one.profile.email === email);
  assert.equal(nova.length, 1);
  assert.equal(nova[0].is_invited_user, true);
}

async function raiseAndLower(client, team_id, user_id) {
  const { users, teams } = client.admin;
  const where = { team_id, user_id };
  await users.assign(where);
  await refused('user_already_team_member', users.assign(where));
  await users.setAdmin(where);
  assert.equal((await row(client, team_id, user_id)).is_admin, true);
  assert.ok((await teams.admins.list({ team_id })).admin_ids.includes(user_id));
  await users.setOwner(where);
  assert.ok((await teams.owners.list({ team_id })).owner_ids.includes(user_id));
  await users.setRegular(where);
  const plain = await row(client, team_id, user_id);
  assert.deepEqual([plain.is_owner, plain.is_admin], [false, false]);
}

async function seeRoles(client, team, user) {
  const { roles } = client.admin;
  const fields = { role_id: 'Rl05', entity_ids: [team], user_ids: [user] };
  const where = { role_ids: ['Rl05'], entity_ids: [team] };
  const more = { ...fields, user_ids: [user, 'W00000000'] };
  const response = await refused('failed_for_some_users', roles.addAssignments(more));
  assert.deepEqual(response.rejected_users.map((one) => one.id), ['W00000000']);
  const listed = async () => (await roles.listAssignments(where)).role_assignments;
  assert.deepEqual((await listed()).map((one) => one.user_id), [user]);
  await roles.removeAssignments(fields);
  assert.deepEqual(await listed(), []);
  const rows = await everything(client, 'admin.roles.listAssignments', 'role_assignments');
  assert.ok(rows.length > 0);
}

async function seeSessions(client, user) {
  const { session } = client.admin.users;
  const all = () => everything(client, 'admin.users.session.list', 'active_sessions', { limit: 60 });
  const before = await all();
  const me = (await client.auth.test()).user_id;
  const users = [...new Set(before.map((one) => one.user_id))].filter((one) => one !== me);
  const [first, second, third] = users;
  const of = (user_id) => before.find((one) => one.user_id === user_id);
  const { session_id, team_id } = of(first);
  await session.invalidate({ session_id: String(session_id), team_id, user_id: first });
  assert.ok(!(await all()).some((one) => one.session_id === session_id));
  await session.reset({ user_id: second });
  const where = { team_id: of(second).team_id, user_id: second };
  await refused('no_active_sessions', session.list(where));
  await session.resetBulk({ user_ids: [first, third] });
  const left = new Set((await all()).map((one) => one.user_id));
  assert.ok(![first, second, third].some((one) => left.has(one)));
  const settings = () => session.getSettings({ user_ids: [user] });
  assert.deepEqual((await settings()).no_settings_applied, [user]);
  await session.setSettings({ user_ids: [user], duration: 28_800 });
  assert.equal((await settings()).session_settings[0].duration, 28_800);
  await session.clearSettings({ user_ids: [user] });
  assert.deepEqual((await settings()).no_settings_applied, [user]);
}

async function seeGuests(client, team_id) {
  const parameters = { team_id, only_guests: true };
  const guests = await everything(client, 'admin.users.list', 'users', parameters);
  const guest = guests.find((one) => one.is_restricted && !one.is_ultra_restricted);
  const where = { team_id, user_id: guest.id };
  const expiration_ts = Math.floor(Date.now() / 1_000) + 90 * 86_400;
  await client.admin.users.setExpiration({ ...where, expiration_ts });
  const shown = await client.admin.users.getExpiration({ user_id: guest.id, target_team: team_id });
  assert.equal(shown.user.expiration_ts, expiration_ts);
  assert.equal((await row(client, team_id, guest.id)).expiration_ts, expiration_ts);
  const mine = only(await everything(client, 'admin.users.list', 'users', parameters), { id: guest.id });
  assert.equal(mine.expiration_ts, expiration_ts);
}

module.exports = { hire, see };
