// A SCIM 2.0 server by scimmy and scimmy-routers, unmodified, with its resources in memory:
//
//     scim_server.cjs TOKEN PATCH      PATCH: true or false
//
// Prints its base URL when it is ready.
'use strict';

const express = require('express');
const SCIMMY = require('scimmy').default;
const { SCIMMYRouters } = require('scimmy-routers');

const [token, patch] = process.argv.slice(2);

/** Declares a resource type whose instances are held in memory. */
function declare(Resource, isSame) {
  const rows = new Map();
  let last = 0;
  SCIMMY.Resources.declare(Resource)
    .ingress((resource, data) => {
      const now = new Date().toISOString();
      const before = resource.id ? rows.get(resource.id) : undefined;
      if (resource.id && !before) throw new SCIMMY.Types.Error(404, null, `no ${resource.id}`);
      const id = resource.id ?? `r-${++last}`;
      const taken = [...rows.values()].some((row) => row.id !== id && isSame(row, data));
      if (taken) throw new SCIMMY.Types.Error(409, 'uniqueness', 'it is in use');
      const meta = { created: before?.meta.created ?? now, lastModified: now };
      const row = { ...JSON.parse(JSON.stringify(data)), id, meta };
      rows.set(id, row);
      return row;
    })
    .egress((resource) => {
      if (!resource.id) return [...rows.values()];
      const row = rows.get(resource.id);
      if (!row) throw new SCIMMY.Types.Error(404, null, `no ${resource.id}`);
      return row;
    })
    .degress((resource) => {
      if (!rows.delete(resource.id)) throw new SCIMMY.Types.Error(404, null, `no ${resource.id}`);
    });
}

const lower = (text) => String(text ?? '').toLowerCase();
SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
declare(SCIMMY.Resources.User, (one, other) => lower(one.userName) === lower(other.userName));
declare(SCIMMY.Resources.Group, () => false);

const app = express();
app.use('/scim/v2', new SCIMMYRouters({
  type: 'bearer',
  handler: (request) => {
    if (request.header('Authorization') !== `Bearer ${token}`) throw new Error('wrong token');
    return 'admin';
  },
}));
// The router announces everything: what it does not have is set afterwards.
SCIMMY.Config.set({ patch: patch === 'true', bulk: false });
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/scim/v2`);
});
