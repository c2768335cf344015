// `admin.teams.*`: the places.
'use strict';

const assert = require('node:assert/strict');
const { everything, only, refused } = require('./common.cjs');

/** Makes a workspace and changes it; gives its id and that of another one. */
async function see(client) {
  const { admin } = client;
  const before = await everything(client, 'admin.teams.list', 'teams', { limit: 2 });
  const wish = { team_domain: 'north-star', team_name: 'North Star' };
  const made = (await admin.teams.create({ ...wish, team_discoverability: 'closed' })).team;
  await refused('name_taken_in_org', admin.teams.create({ ...wish, team_domain: 'polaris' }));
  const teams = await everything(client, 'admin.teams.list', 'teams', { limit: 2 });
  assert.equal(teams.length, before.length + 1);
  assert.equal(only(teams, { id: made }).discoverability, 'closed');
  await changeSettings(client, made);
  const team = before[0];
  const owners = await everything(client, 'admin.teams.owners.list', 'owner_ids', { team_id: team.id });
  const admins = await everything(client, 'admin.teams.admins.list', 'admin_ids', { team_id: team.id });
  assert.ok(owners.includes(team.primary_owner.user_id));
  assert.ok(!admins.includes(team.primary_owner.user_id));
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

module.exports = { see };
