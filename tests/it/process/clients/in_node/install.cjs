// The installation by @slack/oauth: an app's own server, the customer's consent, the tokens.
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { InstallProvider, MemoryInstallationStore } = require('@slack/oauth');
const { LogLevel, WebClient } = require('@slack/web-api');
const { Browser } = require('./browser.cjs');
const { refused, send } = require('./common.cjs');

const USER_SCOPES = [
  'admin', 'admin.conversations:read', 'admin.roles:read', 'admin.roles:write',
  'admin.teams:read', 'admin.teams:write', 'admin.usergroups:read', 'admin.usergroups:write',
  'admin.users:read', 'admin.users:write', 'channels:read', 'files:read', 'files:write', 'groups:read', 'team.billing:read',
  'team.preferences:read', 'team:read',
  'usergroups:read', 'usergroups:write', 'users.profile:read', 'users.profile:write', 'users:read', 'users:read.email',
];

class App {
  constructor(sandbox, clientId, clientSecret) {
    this.sandbox = sandbox;
    this.options = { slackApiUrl: `${sandbox}/api/`, logLevel: LogLevel.ERROR };
    this.store = new MemoryInstallationStore();
    this.identity = { clientId, clientSecret };
    this.provider = new InstallProvider({
      ...this.identity,
      stateSecret: 'a state secret, not a secret',
      installationStore: this.store,
      authorizationUrl: `${sandbox}/oauth/v2/authorize`,
      clientOptions: this.options,
      logLevel: LogLevel.ERROR,
      directInstall: true,
    });
  }

  client(token) {
    return new WebClient(token, this.options);
  }

  /** Serves the app while `visit` is made. */
  async serve(visit) {
    const server = http.createServer((request, response) => {
      const place = request.url.split('?')[0];
      const home = `http://${request.headers.host}`;
      if (place === '/slack/install') {
        const fields = {
          scopes: ['team:read', 'users:read'],
          userScopes: USER_SCOPES,
          redirectUri: `${home}/slack/oauth_redirect`,
        };
        return this.provider.handleInstallPath(request, response, {}, fields);
      }
      return this.provider.handleCallback(request, response, {
        success: (installation, _options, _request, response) => {
          const { user, enterprise } = installation;
          response.end(JSON.stringify({ userId: user.id, enterpriseId: enterprise.id }));
        },
        failure: (error, _options, _request, response) => {
          response.statusCode = 400;
          response.end(error.code);
        },
      });
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    try {
      return await visit(`http://127.0.0.1:${server.address().port}/slack/install`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  /** Installs on the organization; a first customer has second thoughts. */
  async install() {
    return this.serve(async (start) => {
      const refusal = await new Browser().install(start, 'cancel');
      assert.equal(refusal.status, 400);
      assert.equal(await refusal.text(), 'slack_oauth_installer_authorization_error');
      const done = await new Browser().install(start, 'approve');
      const installed = await done.text();
      assert.equal(done.status, 200, installed);
      return JSON.parse(installed);
    });
  }
}

/** Tokens run out; the provider renews them when it is asked for them. */
async function rotate(app, enterpriseId) {
  const query = { enterpriseId, isEnterpriseInstall: true };
  const before = await app.provider.authorize(query);
  assert.ok(before.userToken.startsWith('xoxe.xoxp-') && before.botToken.startsWith('xoxe.xoxb-'));
  assert.deepEqual(await app.provider.authorize(query), before, 'much too early');
  await send(`${app.sandbox}/_sandbox/advance-clock`, { seconds: 43_201 });
  await refused('token_expired', app.client(before.userToken).auth.test());
  const installation = await app.store.fetchInstallation(query);
  installation.user.expiresAt = installation.bot.expiresAt = 1;
  await app.store.storeInstallation(installation);
  const after = await app.provider.authorize(query);
  assert.notEqual(after.userToken, before.userToken);
  assert.notEqual(after.userRefreshToken, before.userRefreshToken);
  assert.notEqual(after.botToken, before.botToken);
  const [user, bot] = await Promise.all(
    [after.userToken, after.botToken].map((token) => app.client(token).auth.test()),
  );
  assert.equal(user.enterprise_id, enterpriseId);
  assert.equal(bot.user_id, after.botUserId);
  return after;
}

/** Takes the app away. */
async function end(app, tokens) {
  const client = app.client(tokens.userToken);
  const { clientId: client_id, clientSecret: client_secret } = app.identity;
  assert.equal((await app.client(tokens.botToken).auth.revoke()).revoked, true);
  await refused('token_revoked', app.client(tokens.botToken).auth.test());
  await client.apps.uninstall({ client_id, client_secret });
  await refused('token_revoked', client.auth.test());
}

module.exports = { App, end, rotate };
