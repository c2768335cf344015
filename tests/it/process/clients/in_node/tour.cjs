// Slack's Node SDK on a tour of the sandbox: node tour.cjs SANDBOX CLIENT_ID CLIENT_SECRET
//
// The SDK is unmodified except for its URLs. Prints what it has created as JSON.
'use strict';

const basics = require('./basics.cjs');
const files = require('./files.cjs');
const people = require('./people.cjs');
const workspaces = require('./workspaces.cjs');
const { App, end, rotate } = require('./install.cjs');

async function main() {
  const app = new App(...process.argv.slice(2));
  const installed = await app.install();
  const tokens = await rotate(app, installed.enterpriseId);
  const client = app.client(tokens.userToken);
  const some = await basics.see(app, client, installed);
  const { user, group } = await people.hire(app, tokens.userToken);
  const places = await workspaces.see(client);
  await people.see(client, places, user);
  await workspaces.seeGroups(client, places.team, some, group);
  await files.see(client);
  await end(app, tokens);
  console.log(JSON.stringify({ user, workspace: places.made }));
}

main().catch((error) => {
  console.error(error, error.data ?? '');
  process.exitCode = 1;
});
