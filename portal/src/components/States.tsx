/** What stands where data should be: not there yet, nothing there, nothing that fits, or a failure with its cause. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Component, type ReactNode } from "react";
import { ApiError } from "../lib/api";
import { useSay } from "../lib/i18n";
import type { Key } from "../lib/keys";
import { Copyable } from "./Copy";

export function Loading({ rows = 3 }: { rows?: number }) {
  const say = useSay();
  return (
    <div className="lm-skeleton" role="status" aria-label={say("loading")}>
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} style={{ width: `${90 - ((row * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

export function Empty({ title, text, action }: { title: string; text?: string; action?: ReactNode }) {
  return (
    <div className="lm-empty">
      <h2>{title}</h2>
      {text && <p>{text}</p>}
      {action}
    </div>
  );
}

const KNOWN: Record<string, Key> = {
  UNREACHABLE: "error_unreachable",
  FORBIDDEN: "error_forbidden",
  NOT_FOUND: "error_not_found",
  RATE_LIMITED: "error_rate_limited",
  UNAVAILABLE: "error_unavailable",
  INTERNAL_ERROR: "error_internal",
};

export function useReason(): (error: unknown) => string {
  const say = useSay();
  return (error) => {
    if (!(error instanceof ApiError)) return say("error_internal");
    const known = KNOWN[error.code];
    return known ? say(known, { seconds: error.retryAfter ?? 1 }) : error.message || say("error_internal");
  };
}

export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const say = useSay();
  const reason = useReason();
  const requestId = error instanceof ApiError ? error.requestId : null;
  return (
    <div className="lm-failure" role="alert">
      <strong>{say("could_not_load")}</strong>
      <p>{reason(error)}</p>
      {requestId && (
        <p>
          {say("request_id")}: <Copyable text={requestId} label={say("request_id")} />
        </p>
      )}
      {retry && (
        <Button variant="secondary" onClick={retry}>
          {say("try_again")}
        </Button>
      )}
    </div>
  );
}

interface QueryLike<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** Shows the data of a query, or why there is none. */
export function Loaded<T>({ query, rows, children }: { query: QueryLike<T>; rows?: number; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return <Loading {...(rows ? { rows } : {})} />;
}

/** One failing widget does not take the page down. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override render() {
    return this.state.error ? (
      <Failure error={this.state.error} retry={() => this.setState({ error: null })} />
    ) : (
      this.props.children
    );
  }
}
