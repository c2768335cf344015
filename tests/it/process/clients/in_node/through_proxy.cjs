// Slack's Node SDK on a tour through the gateway: node through_proxy.cjs BASE_URL TOKEN
//
// The SDK gets only the URL of the proxy and an account token. Prints its results as JSON.
'use strict';

const assert = require('node:assert/strict');
const { LogLevel, WebClient } = require('@slack/web-api');
const { everything, refused } = require('./common.cjs');
const files = require('./files.cjs');
const workspaces = require('./workspaces.cjs');

async function main() {
  const [baseUrl, token] = process.argv.slice(2);
  const slackApiUrl = `${baseUrl}/proxy/api/`;
  const client = new WebClient(token, { slackApiUrl, logLevel: LogLevel.ERROR });
  const me = await client.auth.test();
  assert.ok(me.response_metadata.scopes.includes('files:write'));
  const [{ id: team_id }] = await everything(client, 'auth.teams.list', 'teams', { limit: 2 });
  const people = await everything(client, 'users.list', 'members', { team_id });
  for (const { id } of people.slice(0, 3)) {
    assert.equal((await client.users.info({ user: id })).user.id, id);
  }
  await refused('user_not_found', client.users.info({ user: 'W00000000' }));
  const places = await workspaces.see(client);
  const sha256 = await files.see(client);
  console.log(JSON.stringify({ people: people.length, workspace: places.made, sha256 }));
}

main().catch((error) => {
  console.error(error, error.data ?? '');
  process.exitCode = 1;
});
