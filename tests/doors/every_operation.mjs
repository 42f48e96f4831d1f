// Calls every operation of a running system with the TypeScript library, as every_operation.py does with Python's.
import { readFileSync } from "node:fs";
import { partnership } from "../../clients/typescript/dist/index.js";
import { operations } from "./made/operations.js";

const { urls, tokens, ids } = JSON.parse(readFileSync(0, "utf-8"));
const callers = tokens.map((token) => partnership({ urls, token: async () => token, reason: "TEST" }));
const answers = [];
for (const [service, operation, call] of operations) {
  for (const clients of callers) {
    const { data, error, response } = await call(clients, ids[service]);
    answers.push([service, operation, response.status, error ? "Problem" : data ? "answer" : ""]);
    if (response.status !== 403) break;
    if (clients !== callers.at(-1)) answers.pop();
  }
}
console.log(JSON.stringify({ answers }));
