// `admin.teams.*`, `admin.conversations.search`, `conversations.*` and user groups.
'use strict';

const assert = require('node:assert/strict');
const { everything, only, refused } = require('./common.cjs');

/** Makes a workspace and changes it; gives its id and that of another one. */
async function see(client) {
  const { admin } = client;
  const before = await everything(client, 'admin.teams.list', 'teams', { limit: 2 });
  const fields = { team_domain: 'north-star', team_name: 'North Star' };
  const made = (await admin.teams.create({ ...fields, team_discoverability: 'closed' })).team;
  await refused('name_taken_in_org', admin.teams.create({ ...fields, team_domain: 'polaris' }));
  const teams = await everything(client, 'admin.teams.list', 'teams', { limit: 2 });
  assert.equal(teams.length, before.length + 1);
  assert.equal(only(teams, { id: made }).discoverability, 'closed');
  await changeSettings(client, made);
  const team = before[0];
  const owners = await everything(client, 'admin.teams.owners.list', 'owner_ids', { team_id: team.id });
  const admins = await everything(client, 'admin.teams.admins.list', 'admin_ids', { team_id: team.id });
  assert.ok(owners.includes(team.primary_owner.user_id));
  assert.ok(!admins.includes(team.primary_owner.user_id));
  await seeConversations(client, team.id);
  return { made, team: team.id };
}

async function changeSettings(client, team_id) {
  const { settings } = client.admin.teams;
  const icon = 'https://pictures.lumenworks.example/star.png';
  await settings.setName({ team_id, name: 'North Star II' });
  await settings.setDescription({ team_id, description: 'Charts' });
  await settings.setDiscoverability({ team_id, discoverability: 'invite_only' });
  await settings.setIcon({ team_id, image_url: icon });
  const { team } = await settings.info({ team_id });
  assert.equal(team.name, 'North Star II');
  assert.notEqual(team.icon.image_default, true);
  const teams = await everything(client, 'admin.teams.list', 'teams');
  assert.equal(only(teams, { id: team_id }).discoverability, 'invite_only');
}

async function seeConversations(client, team_id) {
  const team_ids = [team_id];
  const found = await everything(client, 'admin.conversations.search', 'conversations', { team_ids });
  const general = only(found, { is_general: true });
  const channels = await everything(client, 'conversations.list', 'channels', { team_id });
  assert.equal(only(channels, { id: general.id }).name, general.name);
  const fields = { channel: general.id, include_num_members: true };
  const { channel } = await client.conversations.info(fields);
  const members = await everything(client, 'conversations.members', 'members', { channel: general.id });
  assert.equal(members.length, channel.num_members);
  const channel_ids = channels.slice(0, 2).map((one) => one.id);
  await client.admin.teams.settings.setDefaultChannels({ team_id, channel_ids });
  const { team } = await client.admin.teams.settings.info({ team_id });
  for (const id of channel_ids) assert.ok(team.default_channels.includes(id));
}

/** User groups of a workspace, and the link of an identity provider's group to it. */
async function seeGroups(client, team_id, people, idpGroup) {
  const { usergroups } = client;
  const fields = { team_id, name: 'Night shift', handle: 'night-shift' };
  const usergroup = (await usergroups.create(fields)).usergroup.id;
  const where = { usergroup, team_id };
  const shown = async (parameters) => (await usergroups.list({ team_id, ...parameters })).usergroups;
  await usergroups.users.update({ ...where, users: people.join(',') });
  assert.deepEqual((await usergroups.users.list(where)).users.toSorted(), people.toSorted());
  await usergroups.update({ ...where, name: 'Owls' });
  const row = only(await shown({ include_users: true, include_count: true }), { id: usergroup });
  assert.equal(row.name, 'Owls');
  assert.deepEqual(row.users.toSorted(), people.toSorted());
  assert.equal(Number(row.user_count), people.length);
  await usergroups.disable(where);
  assert.ok(!(await shown()).some((one) => one.id === usergroup));
  assert.ok(only(await shown({ include_disabled: true }), { id: usergroup }).date_delete > 0);
  await usergroups.enable(where);
  assert.equal(only(await shown(), { id: usergroup }).date_delete, 0);

  const linked = { usergroup_id: idpGroup, team_id };
  await client.admin.usergroups.addTeams({ usergroup_id: idpGroup, team_ids: [team_id] });
  const { channels } = await client.conversations.list({ team_id, limit: 2 });
  const channel_ids = channels.map((one) => one.id);
  await client.admin.usergroups.addChannels({ ...linked, channel_ids });
  const list = async () => (await client.admin.usergroups.listChannels(linked)).channels;
  assert.deepEqual((await list()).map((one) => one.id).toSorted(), channel_ids.toSorted());
  await client.admin.usergroups.removeChannels({ usergroup_id: idpGroup, channel_ids });
  assert.deepEqual(await list(), []);
}

module.exports = { see, seeGroups };
