/** What do tests of behaviour stand on? A server that answers from a table, and the portal's own frame around a page. */
import { QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { MemoryRouter, useLocation } from "react-router";
import { vi } from "vitest";
import { queries } from "../src/lib/api";
import { AREAS, begin, loadTexts, SpeechProvider } from "../src/lib/i18n";

export interface Seen {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: unknown;
}

type Answer = object | ((seen: Seen) => Response | Promise<Response>);

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });

export const session = (permissions: string[], endsInMs = 3_600_000) => ({
  csrf_token: "csrf-1",
  expires_at: new Date(Date.now() + endsInMs).toISOString(),
  permissions,
  roles: ["user"],
  user: { username: "uma", full_name: "Uma User", email: "uma@example.org" },
});

const ALWAYS: Record<string, Answer> = {
  "GET /api/v1/config": { version: "1", currency: { code: "USD" }, branding: { title: "", subtitle: "", images: {} }, limits: { max_days: 90 }, gateway_url: "http://gateway", timezone: "UTC" },
  "GET /api/v1/banners": { data: [] },
  "GET /api/v1/notifications/unread-count": { unread: 0 },
  "GET /api/v1/auth/providers": { providers: [], dev_users: ["user"] },
};

/** Answers by method and path; what is not in the table is 404. Gives the list of what was asked. */
export function serve(table: Record<string, Answer>): Seen[] {
  const asked: Seen[] = [];
  vi.stubGlobal("fetch", async (input: Request | string, init?: RequestInit) => {
    const request = input instanceof Request ? input : new Request(new URL(input, location.origin), init);
    const url = new URL(request.url);
    const text = await request.clone().text();
    const seen = { method: request.method, path: url.pathname, query: url.searchParams, headers: request.headers, body: text ? JSON.parse(text) : null };
    asked.push(seen);
    const answer = { ...ALWAYS, ...table }[`${request.method} ${url.pathname}`];
    if (typeof answer === "function") return (answer as (seen: Seen) => Response)(seen);
    return answer ? json(answer) : json({ code: "NOT_FOUND", detail: "Not there." }, 404);
  });
  return asked;
}

function Address() {
  const { pathname, search, hash } = useLocation();
  return <output data-testid="address">{pathname + search + hash}</output>;
}

export async function show(what: ReactNode, at = "/") {
  queries.clear();
  queries.setDefaultOptions({ queries: { ...queries.getDefaultOptions().queries, retry: false } });
  await begin("en");
  await Promise.all(AREAS.map((area) => loadTexts(area, "en")));
  return render(
    <QueryClientProvider client={queries}>
      <SpeechProvider first="en">
        <MemoryRouter initialEntries={[at]}>
          {what}
          <Address />
        </MemoryRouter>
      </SpeechProvider>
    </QueryClientProvider>,
  );
}
