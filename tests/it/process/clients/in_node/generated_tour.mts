// The types that openapi-typescript generates, with openapi-fetch, on a tour of the demo. Prints what it has seen as JSON.

import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };

type User = components["schemas"]["User"];

const [baseUrl, apiKey, adminKey, account] = process.argv.slice(2);
const connect = (key: string) =>
  createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });
const [caller, admin] = [connect(apiKey), connect(adminKey)];
const at = { integrated_account_id: account };

const seen: Record<string, unknown> = {};
const users: User[] = [];
let next_cursor: string | undefined;
do {
  const { data } = await caller.GET("/users", { params: { query: { ...at, limit: 20, next_cursor } } });
  if (!data) throw new Error("no page");
  users.push(...data.result);
  next_cursor = data.next_cursor ?? undefined;
} while (next_cursor);
seen.users = users.length;
const one = await caller.GET("/users/{id}", { params: { path: { id: users[0].id }, query: at } });
const same: User | undefined = one.data?.result;
seen.same = same?.id === users[0].id;
const created = await caller.POST("/users", {
  params: { query: at, header: { "Idempotency-Key": "generated-typescript" } },
  body: { email: "radia.perlman@example.com", name: "Radia Perlman" },
});
const user: User | null | undefined = created.data?.result;
seen.created = [user?.name, created.data?.parts.length];
const gone = await caller.DELETE("/users/{id}", { params: { path: { id: user?.id ?? "" }, query: at } });
seen.deactivated = gone.data?.result?.status === "inactive";
const problem = await caller.GET("/users/{id}", { params: { path: { id: "U0NOBODY" }, query: at } });
seen.problem = problem.error?.status;
const key = await admin.POST("/api-keys", { body: { name: "Tour", scopes: ["read"] } });
seen.key = [key.data?.result.name, key.data?.result.key.startsWith("sb_live_")];
const id = key.data?.result.id ?? "";
const revoked = await admin.DELETE("/api-keys/{id}", { params: { path: { id } } });
seen.revoked = revoked.data?.result.id === id;
console.log(JSON.stringify(seen));
