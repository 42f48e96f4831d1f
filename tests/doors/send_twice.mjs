// Sends a command twice with the TypeScript library, the first time with an expired token, and reads what it made.
import { accepted, partnership, Refused } from "../../clients/typescript/dist/index.js";

const [url, token] = process.argv.slice(2);
const tokens = ["expired"];
const { education } = partnership({
  urls: { education: url },
  token: async () => tokens.pop() ?? token,
  reason: "TEST",
});
const params = { path: { id: crypto.randomUUID() } };
const body = { type: "PlanSession", kind: "GROUP", topic: "DIVERSITY", starts_at: "2026-06-01T10:00:00Z", hours: 2, place: "Hall" };
const key = { "Idempotency-Key": crypto.randomUUID() };
const send = (headers) => education.POST("/v1/sessions/{id}/commands", { params, body, headers }).then(accepted);

const first = await send(key);
const again = await send(key);
const refused = await send({}).catch((error) => error instanceof Refused && error.problem.status);
const { state } = accepted(await education.GET("/v1/sessions/{id}", { params }));
console.log(JSON.stringify({ same: first.hash === again.hash, refused, state }));
