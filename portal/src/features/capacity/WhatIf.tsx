/** Would so many people fit? Asked of the server, which measured the model's speed; without that it says so. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Choice, Whole } from "../../components/fields";
import { Loaded } from "../../components/States";
import { useGet, type QueryOf } from "../../lib/api";
import { count, milliseconds } from "../../lib/format";
import { useSay } from "../../lib/i18n";

type Asked = QueryOf<"/api/v1/admin/capacity/what-if", "get">;
const COLOURS = { fits: "green", tight: "yellow", too_much: "red", unknown: "grey" } as const;

export function WhatIf({ models }: { models: string[] }) {
  const say = useSay();
  const [model, setModel] = useState(models[0] ?? "");
  const [people, setPeople] = useState<number | null>(30);
  const [tokens, setTokens] = useState<number | null>(300);
  const [think, setThink] = useState<number | null>(30);
  const [asked, setAsked] = useState<Asked | null>(null);
  const canAsk = model !== "" && (people ?? 0) >= 1 && (tokens ?? 0) >= 1 && think !== null && think >= 0;
  return (
    <Card title={say("what_if")}>
      <p className="lm-subtle">{say("what_if_text")}</p>
      <form
        className="lm-form"
        aria-label={say("what_if")}
        onSubmit={(event) => {
          event.preventDefault();
          if (canAsk) setAsked({ model, people: people ?? 1, tokens_out: tokens ?? 1, think_s: think ?? 0 });
        }}
      >
        <div className="lm-pair">
          <Choice label={say("model")} value={model} onChange={setModel} options={models.map((value) => ({ value, text: value }))} />
          <Whole label={say("how_many_people")} value={people} min={1} onChange={setPeople} />
          <Whole label={say("tokens_of_an_answer")} value={tokens} min={1} onChange={setTokens} />
          <Whole label={say("think_seconds")} value={think} onChange={setThink} />
        </div>
        <div className="lm-actions">
          <Button type="submit" variant="secondary" isDisabled={!canAsk}>
            {say("estimate")}
          </Button>
        </div>
      </form>
      {asked && <Outcome asked={asked} />}
    </Card>
  );
}

function Outcome({ asked }: { asked: NonNullable<Asked> }) {
  const say = useSay();
  const found = useGet("/api/v1/admin/capacity/what-if", { query: asked });
  return (
    <Loaded query={found}>
      {(outcome) => (
        <div role="status" className="lm-stack">
          <Label color={COLOURS[outcome.verdict]}>{say(`verdict_${outcome.verdict}`)}</Label>
          {outcome.answer_s === null ? (
            <p>{say("not_measured")}</p>
          ) : (
            <p>
              {say("would_be_at_once", { count: outcome.at_once ?? 0, time: milliseconds(outcome.answer_s * 1000) })} {outcome.parallel_cap === null ? say("cap_unknown") : say("cap_is", { running: count(outcome.running), cap: count(outcome.parallel_cap) })}{" "}
              <span className="lm-subtle">{say("rests_on", { count: outcome.measured_calls })}</span>
            </p>
          )}
        </div>
      )}
    </Loaded>
  );
}
