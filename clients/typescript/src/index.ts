/** The APIs of one partnership for a program: typed clients, with tokens, repeats and receipts. `make clients` writes ./api. */
import createClient, { type Client, type Middleware } from "openapi-fetch";
import type { paths as Services } from "./api/index.js";

export type { Services };

/** Answers that say: ask again. Nothing was recorded, or the same Idempotency-Key finds out. */
const PASSING = new Set([429, 502, 503, 504]);

export interface Options<Name extends keyof Services> {
  /** The base URL of each service. */
  urls: Record<Name, string>;
  /** Returns an access token (RFC 9068) that is valid; asked before the first request and after each answer 401. */
  token: () => Promise<string>;
  /** Why the program reads, for the partnership's access log: a code of the header Access-Reason. */
  reason: string;
  /** Seconds for which a request is repeated while a server does not answer or is busy. */
  patience?: number;
}

/** A request was not accepted: `problem` says why and what to do (RFC 9457). */
export class Refused extends Error {
  constructor(readonly problem: { status?: number; detail?: string }) {
    super(problem.detail ?? "the answer is none that the contract knows");
  }
}

/** Return a typed client for each service: its requests have a token and are repeated while a server is busy. */
export function partnership<Name extends keyof Services>(
  options: Options<Name>,
): { [S in Name]: Client<Services[S]> } {
  const ask = patient(options);
  const why: Middleware = {
    onRequest: ({ request }) => {
      request.headers.set("Access-Reason", options.reason);
      if (request.method === "POST" && !request.headers.has("Idempotency-Key")) {
        request.headers.set("Idempotency-Key", crypto.randomUUID());
      }
      return request;
    },
  };
  const clients = Object.entries<string>(options.urls).map(([name, baseUrl]) => {
    const client = createClient({ baseUrl, fetch: ask });
    client.use(why);
    return [name, client];
  });
  return Object.fromEntries(clients) as { [S in Name]: Client<Services[S]> };
}

/** Return the data of an answer. Throws `Refused`. */
export function accepted<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Refused((answer.error ?? {}) as Refused["problem"]);
  return answer.data;
}

function patient(options: Options<never>): (request: Request) => Promise<Response> {
  let token: string | undefined;
  return async (request) => {
    const until = Date.now() + (options.patience ?? 60) * 1000;
    for (let renewed = false; ; ) {
      token ??= await options.token();
      const attempt = request.clone();
      attempt.headers.set("Authorization", `Bearer ${token}`);
      let wait = 1;
      try {
        const answer = await fetch(attempt, { redirect: "manual" }); // else what is sent would follow
        if (answer.status === 401 && !renewed) {
          renewed = true;
          token = undefined;
          continue;
        }
        if (!PASSING.has(answer.status) || Date.now() > until) return answer;
        const asked = Number(answer.headers.get("Retry-After"));
        if (asked > 0) wait = asked; // a date (RFC 9110, 10.2.3) is no number
      } catch (error) {
        if (Date.now() > until) throw error;
      }
      const pause = Math.max(0, Math.min(wait * 1000, until - Date.now()));
      await new Promise((resume) => setTimeout(resume, pause));
    }
  };
}
