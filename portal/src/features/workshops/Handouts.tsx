/** What is printed or shown so that people find their seat: the claim link as text and QR code, and a code. Never a key. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { useParams } from "react-router";
import { Copyable } from "../../components/Copy";
import { Choice } from "../../components/fields";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { useGet, type Reply } from "../../lib/api";
import { saveCsv } from "../../lib/csv";
import { useSay } from "../../lib/i18n";
import { QrCode } from "./QrCode";
import "../../components/workshops.css";

type Handouts = Reply<"/api/v1/workshops/{guid}/handouts", "get">;
type Sheet = { key: string; label: string | null; code: string | null };
const PER_PAGE = ["1", "4", "8"];

export default function HandoutsPage() {
  const { id = "" } = useParams();
  const say = useSay();
  const found = useGet("/api/v1/workshops/{guid}/handouts", { path: { guid: id } }, { staleTime: Infinity });
  const [each, setEach] = useState("4");
  const link = `${location.origin}/claim/${encodeURIComponent(id)}`;
  const linkOf = (code: string | null) => (code ? `${link}#code=${encodeURIComponent(code)}` : link);
  const save = ({ seats, code }: Handouts) => saveCsv(`handouts-${id}`, [["seat", "label", "code", "link"], ...seats.map((seat) => [seat.user, seat.label, seat.code ?? code, linkOf(seat.code ?? code)])]);
  return (
    <Page
      title={found.data?.title ? `${say("handouts")}: ${found.data.title}` : say("handouts")}
      subtitle={say("handouts_subtitle")}
      crumb={{ to: `/workshops/${encodeURIComponent(id)}`, text: found.data?.title ?? say("workshop") }}
      actions={
        found.data && (
          <>
            <Button onClick={() => window.print()}>{say("print")}</Button>
            <Button variant="secondary" onClick={() => save(found.data)}>
              {say("download_csv")}
            </Button>
          </>
        )
      }
    >
      <Loaded query={found}>
        {(data) => (
          <div className="lm-stack">
            <div className="lm-pair lm-no-print">
              <div>
                <strong>{say("claim_link")}</strong>
                <div>
                  <Copyable text={link} label={say("claim_link")} />
                </div>
              </div>
              {data.code && (
                <div>
                  <strong>{say("claim_shared_code")}</strong>
                  <div className="lm-code-large">
                    <Copyable text={data.code} label={say("code")} />
                  </div>
                </div>
              )}
              <Choice label={say("handouts")} value={each} onChange={setEach} options={PER_PAGE.map((value) => ({ value, text: say("n_per_page", { count: Number(value) }) }))} />
            </div>
            <div className={`lm-sheets lm-sheets-${each}`}>
              {sheetsOf(data).map((sheet) => (
                <section key={sheet.key} className="lm-sheet" aria-label={sheet.label ?? sheet.key}>
                  <div>
                    <h2>{data.title}</h2>
                    {sheet.label && <p className="lm-next">{sheet.label}</p>}
                    <p>{say("handout_how")}</p>
                    <p className="lm-sheet-link">{link}</p>
                    <p className="lm-code-large">{sheet.code ?? <small>{say("no_code")}</small>}</p>
                    {data.base_url && <p className="lm-sheet-small">{say("handout_then", { address: `${data.base_url.replace(/\/$/, "")}/v1` })}</p>}
                  </div>
                  <QrCode text={linkOf(sheet.code)} label={say("qr_of", { link })} />
                </section>
              ))}
            </div>
          </div>
        )}
      </Loaded>
    </Page>
  );
}

/** One per seat; where all share a code, one sheet serves everybody. */
function sheetsOf({ code, seats }: Handouts): Sheet[] {
  if (code) return [{ key: "all", label: null, code }];
  return seats.map((seat) => ({ key: seat.user, label: seat.label, code: seat.code }));
}
