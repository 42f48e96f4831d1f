// Sends a command to a server that leads elsewhere: what it holds, and the token, reach no other server.
import { createServer } from "node:http";
import { partnership } from "../../clients/typescript/dist/index.js";

const listening = (server) => new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(`http://127.0.0.1:${server.address().port}`)));
const reached = [];
const other = createServer((request, answer) => {
  reached.push(request.url);
  answer.end("{}");
});
const elsewhere = await listening(other);
const url = await listening(
  createServer((request, answer) => answer.writeHead(307, { Location: elsewhere + request.url }).end()),
);
const { education } = partnership({ urls: { education: url }, token: async () => "token", reason: "TEST", patience: 1 });
const body = { type: "PlanSession", place: "Robin Roe's home" };
const { response } = await education.POST("/v1/sessions/{id}/commands", { params: { path: { id: "1" } }, body });
console.log(JSON.stringify({ status: response.status, reached }));
process.exit();
