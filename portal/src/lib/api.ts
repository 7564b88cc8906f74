/** How does the portal speak with the control plane? Typed by its OpenAPI; every refusal becomes an ApiError. */
import {
  keepPreviousData,
  QueryClient,
  useMutation,
  useQuery,
  useQueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import createClient from "openapi-fetch";
import { useRef } from "react";
import type { paths } from "./schema";
import { rememberVersion, sharedWithVersion } from "./versions";

export type Method = "get" | "post" | "put" | "patch" | "delete";
export type PathWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, infer O> ? (O extends { responses: unknown } ? P : never) : never }[keyof paths];
type Operation<P, M extends Method> = P extends keyof paths ? (M extends keyof paths[P] ? paths[P][M] : never) : never;
type Json<T> = T extends { content: { "application/json": infer B } } ? B : never;
type Answers<O> = O extends { responses: infer R } ? R : never;
type Good<R> = R extends unknown ? { [S in keyof R]: S extends 200 | 201 | 202 ? Json<R[S]> : never }[keyof R] : never;
export type Reply<P, M extends Method> = Good<Answers<Operation<P, M>>>;
type Parameters<O> = O extends { parameters: infer A } ? A : never;
export type QueryOf<P, M extends Method> = Parameters<Operation<P, M>> extends { query?: infer Q } ? Q : undefined;
type PathValues<P, M extends Method> = Parameters<Operation<P, M>> extends { path: infer V } ? V : undefined;
export type BodyOf<P, M extends Method> = Operation<P, M> extends { requestBody?: infer B } ? Json<NonNullable<B>> : undefined;

export interface Given<P, M extends Method> {
  path?: PathValues<P, M>;
  query?: QueryOf<P, M>;
  body?: BodyOf<P, M>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface FieldError {
  field: string;
  message: string;
  code: string;
}

/** A refusal: the members of an RFC 9457 problem. `status` 0 = the server was not reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null,
    readonly fields: FieldError[] = [],
    readonly retryAfter: number | null = null,
    readonly body: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

let csrfToken = "";
let sessionEnded: () => void = () => undefined;

export function setCsrfToken(token: string): void {
  csrfToken = token;
}

export function csrfHeader(): Record<string, string> {
  return { "X-CSRF-Token": csrfToken };
}

export function onSessionEnd(handler: () => void): void {
  sessionEnded = handler;
}

const client = createClient<paths>({ baseUrl: location.origin, fetch: (request) => fetch(request) });

export async function problemOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  return toError(response, body);
}

function toError(response: Response, body: Record<string, unknown>): ApiError {
  return new ApiError(
    response.status,
    String(body["code"] ?? `HTTP_${response.status}`),
    String(body["detail"] ?? body["title"] ?? response.statusText),
    (body["request_id"] as string | undefined) ?? response.headers.get("X-Request-Id"),
    (body["errors"] as FieldError[] | undefined) ?? [],
    (body["retry_after"] as number | undefined) ?? null,
    body,
  );
}

/** One call. Throws ApiError. */
export async function call<M extends Method, P extends PathWith<M>>(
  method: M,
  path: P,
  given: Given<P, M> = {},
): Promise<Reply<P, M>> {
  const headers = { ...(method === "get" ? {} : csrfHeader()), ...given.headers };
  let outcome: { data?: unknown; error?: unknown; response: Response };
  try {
    const options = { params: { path: given.path, query: given.query }, body: given.body, headers, signal: given.signal };
    outcome = await (client.request as (m: string, p: unknown, o: unknown) => Promise<typeof outcome>)(method, path, options);
  } catch (failure) {
    if (failure instanceof DOMException && failure.name === "AbortError") throw failure;
    throw new ApiError(0, "UNREACHABLE", "", null);
  }
  const { data, error, response } = outcome;
  if (response.ok) {
    rememberVersion(data, response.headers.get("ETag"));
    return data as Reply<P, M>;
  }
  const refusal = toError(response, (typeof error === "object" && error ? error : {}) as Record<string, unknown>);
  if (response.status === 401 && !String(path).startsWith("/api/v1/auth/")) sessionEnded();
  throw refusal;
}

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Without a connection a question fails and says so; waiting for one would look like loading for ever.
      networkMode: "always",
      staleTime: 10_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 1 && error instanceof ApiError && (error.status === 0 || error.status >= 502),
    },
    mutations: { networkMode: "always" },
  },
});

interface Wishes {
  enabled?: boolean;
  keep?: boolean;
  refetchInterval?: number | false;
  staleTime?: number;
}

/** What a GET answers, cached under its path and parameters. `keep`: old rows stay until the new ones are there. */
export function useGet<P extends PathWith<"get">>(
  path: P,
  given: Pick<Given<P, "get">, "path" | "query"> = {},
  { keep, ...wishes }: Wishes = {},
): UseQueryResult<Reply<P, "get">, ApiError> {
  return useQuery<Reply<P, "get">, ApiError>({
    queryKey: [path, given],
    queryFn: ({ signal }) => call("get", path, { ...given, signal }),
    structuralSharing: sharedWithVersion,
    ...(keep ? { placeholderData: keepPreviousData } : {}),
    ...wishes,
  });
}

/** A POST whose answer is handed on by the server as it came from a model. Throws ApiError. */
export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { "Content-Type": "application/json", ...csrfHeader() };
  const response = await fetch(path, { method: "POST", body: JSON.stringify(body), headers });
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as T;
}

/** A write. After success everything shown is asked for anew; a submission that got no answer is repeated under the same key. */
export function useSend<M extends Exclude<Method, "get">, P extends PathWith<M>>(method: M, path: P) {
  const cache = useQueryClient();
  const once = useRef<string | null>(null);
  return useMutation<Reply<P, M>, ApiError, Given<P, M>>({
    mutationFn: async (given) => {
      once.current ??= randomId();
      const headers = { ...(method === "post" ? { "Idempotency-Key": once.current } : {}), ...given.headers };
      try {
        const answer = await call(method, path, { ...given, headers });
        once.current = null;
        return answer;
      } catch (failure) {
        if (failure instanceof ApiError && failure.status !== 0) once.current = null;
        throw failure;
      }
    },
    onSuccess: () => cache.invalidateQueries(),
  });
}

export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
