/** Where participants come to their key, without an account: phone first, outside the portal's frame. */
import { useEffect, useState, type ReactNode } from "react";
import { useParams } from "react-router";
import { LanguageChoice, ThemeButton } from "../../components/Choices";
import { Failure, Loading } from "../../components/States";
import { ApiError, useGet, type Reply } from "../../lib/api";
import { ago, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useProduct } from "../../lib/product";
import { ClaimForm } from "./ClaimForm";
import { Seat } from "./Seat";
import "../../components/workshops.css";

export type Workshop = Reply<"/api/v1/claims/{guid}", "get">;

export default function Claim() {
  const { id = "" } = useParams();
  const say = useSay();
  const workshop = useGet("/api/v1/claims/{guid}", { path: { guid: id } }, { refetchInterval: 30_000 });
  const seat = useGet("/api/v1/claims/{guid}/seat", { path: { guid: id } }, { refetchInterval: 30_000 });
  const [code] = useState(takeCode);
  const found = workshop.data;
  useTitle(found?.title ?? say("claim_your_seat"));
  const isUnknown = workshop.error instanceof ApiError && workshop.error.status === 404;
  if (isUnknown) return <Frame title={say("claim_none")}><p>{say("claim_none_text")}</p></Frame>;
  if (workshop.error && !found) return <Frame title={say("claim_your_seat")}><Failure error={workshop.error} retry={() => void workshop.refetch()} /></Frame>;
  if (!found || seat.isPending) return <Frame title={say("claim_your_seat")}><Loading rows={4} /></Frame>;
  return (
    <Frame title={found.title}>
      {found.description && <p>{found.description}</p>}
      <p className="lm-subtle">
        {say("ends_at_time", { when: ago(found.ends_at), time: moment(found.ends_at, found.time_zone) })} · {found.models.map((model) => model.name).join(", ")}
      </p>
      {seat.data && found.claiming !== "ended" ? <Seat id={id} seat={seat.data} /> : <Door id={id} workshop={found} code={code} entered={() => void seat.refetch()} />}
    </Frame>
  );
}

function Door({ id, workshop, code, entered }: { id: string; workshop: Workshop; code: string; entered: () => void }) {
  const say = useSay();
  const { claiming } = workshop;
  // The code of a seat is good although all others are taken.
  if (claiming === "open" || (claiming === "full" && workshop.needs === "seat_codes")) return <ClaimForm id={id} code={code} entered={entered} />;
  const text =
    claiming === "not_open"
      ? say("claim_opens_when", { when: ago(workshop.claim_opens_at), time: moment(workshop.claim_opens_at, workshop.time_zone) })
      : say(`claim_${claiming}`);
  return (
    <p className="lm-banner lm-info" role="status">
      {text}
    </p>
  );
}

function Frame({ title, children }: { title: string; children: ReactNode }) {
  const product = useProduct();
  return (
    <div className="lm-claim">
      <header className="lm-claim-head">
        <span className="lm-subtle">{product}</span>
        <span className="lm-actions">
          <ThemeButton />
          <LanguageChoice />
        </span>
      </header>
      <main id="content" className="lm-stack">
        <h1>{title}</h1>
        {children}
      </main>
    </div>
  );
}

/** The code of the link, which goes out of the address at once, so that nobody reads it over a shoulder or in a history. */
function takeCode(): string {
  const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? "";
  if (code) history.replaceState(history.state, "", location.pathname + location.search);
  return code;
}

function useTitle(title: string): void {
  const product = useProduct();
  useEffect(() => {
    document.title = `${title} · ${product}`;
    const robots = Object.assign(document.createElement("meta"), { name: "robots", content: "noindex" });
    document.head.append(robots);
    return () => robots.remove();
  }, [title, product]);
}
