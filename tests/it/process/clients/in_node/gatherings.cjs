// Channels, user groups and sessions.
'use strict';

const assert = require('node:assert/strict');
const { everything, only, refused } = require('./common.cjs');

async function see(client, team_id, user) {
  await seeChannels(client, team_id, user);
  await seeGroups(client, team_id, user);
  await seeSessions(client, team_id, user);
  const teams = await everything(client, 'auth.teams.list', 'teams', { limit: 2 });
  assert.ok(only(teams, { id: team_id }).name);
}

async function seeChannels(client, team_id, user) {
  const channels = await everything(client, 'conversations.list', 'channels', { team_id });
  const channel = only(channels, { name: 'general' }).id;
  const members = await everything(client, 'conversations.members', 'members', { channel });
  const shown = await client.conversations.info({ channel, include_num_members: true });
  assert.equal(shown.channel.num_members, members.length);
  assert.ok(members.includes(user));
  const wishes = { team_ids: [team_id], query: 'general' };
  const { conversations } = await client.admin.conversations.search(wishes);
  assert.equal(only(conversations, { id: channel }).member_count, members.length);
}

async function seeGroups(client, team_id, user) {
  const made = await client.usergroups.create({ team_id, name: 'Day watch', handle: 'day-watch' });
  const group = { team_id, usergroup: made.usergroup.id };
  await client.usergroups.users.update({ ...group, users: user });
  assert.deepEqual((await client.usergroups.users.list(group)).users, [user]);
  await client.usergroups.disable(group);
  const shown = (await client.usergroups.list({ team_id })).usergroups;
  assert.equal(shown.some((one) => one.id === group.usergroup), false);
}

async function seeSessions(client, team_id, user_id) {
  const sessions = await everything(client, 'admin.users.session.list', 'active_sessions');
  assert.ok(sessions.length > 0);
  await client.admin.users.session.reset({ user_id });
  await refused('no_active_sessions', client.admin.users.session.list({ team_id, user_id }));
}

module.exports = { see };
