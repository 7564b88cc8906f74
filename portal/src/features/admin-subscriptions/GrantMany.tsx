/** Models for many people and teams at once, without their asking; who could not get one is named. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Dialog, FormDialog } from "../../components/Dialog";
import { Area, Check } from "../../components/fields";
import { Finder, type Found } from "../../components/Finder";
import { Loaded } from "../../components/States";
import { useGet, useSend, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";

const MOST = 1000;
type Outcome = Reply<"/api/v1/admin/subscriptions/grant", "post">;

export function GrantMany({ people: first = [], close }: { people?: Found[]; close: () => void }) {
  const say = useSay();
  const grant = useSend("post", "/api/v1/admin/subscriptions/grant");
  const models = useGet("/api/v1/admin/models", { query: { limit: 100, status: ["available", "deprecated"] } });
  const [picked, setPicked] = useState<string[]>([]);
  const [people, setPeople] = useState(first);
  const [teams, setTeams] = useState<Found[]>([]);
  const [reason, setReason] = useState("");
  const pairs = picked.length * (people.length + teams.length);
  if (grant.data) {
    const named = [...people, ...teams, ...(models.data?.data ?? [])];
    return <Done outcome={grant.data} name={(id) => named.find((one) => one.id === id)?.name ?? id} close={close} />;
  }
  const send = () =>
    grant
      .mutateAsync({ body: { model_ids: picked, user_ids: people.map((one) => one.id), team_ids: teams.map((one) => one.id), ...(reason.trim() ? { reason: reason.trim() } : {}) } })
      .catch(() => undefined);
  return (
    <FormDialog title={say("grant_models")} submit={say("grant")} close={close} send={send} busy={grant.isPending} error={grant.error} size="large" isDisabled={pairs === 0 || pairs > MOST}>
      <p>{say("grant_many_text")}</p>
      <Loaded query={models}>
        {({ data }) => (
          <fieldset className="lm-field">
            <legend>{say("models")}</legend>
            <div className="lm-picks">
              {data.map((model) => (
                <Check key={model.id} label={model.name} checked={picked.includes(model.id)} onChange={(on) => setPicked(on ? [...picked, model.id] : picked.filter((one) => one !== model.id))} />
              ))}
            </div>
          </fieldset>
        )}
      </Loaded>
      <div className="lm-pair lm-two">
        <Finder label={say("search_users")} path="/api/v1/admin/users" read={(row) => ({ id: row.id, name: row.username, note: row.full_name ?? row.email })} chosen={people} choose={setPeople} />
        <Finder label={say("search_teams")} path="/api/v1/teams" read={(row) => ({ id: row.id, name: row.name, note: row.alias })} chosen={teams} choose={setTeams} />
      </div>
      <Area label={say("reason")} value={reason} onChange={setReason} />
      <p role="status" className={pairs > MOST ? "lm-bad" : "lm-subtle"}>
        {say(pairs > MOST ? "too_many_grants" : "n_grants", { count: pairs, most: MOST })}
      </p>
    </FormDialog>
  );
}

function Done({ outcome, name, close }: { outcome: Outcome; name: (id: string) => string; close: () => void }) {
  const say = useSay();
  return (
    <Dialog title={say("grant_models")} close={close} footer={<Button onClick={close}>{say("close")}</Button>}>
      <p role="status">{say("grants_done", { created: outcome.created, activated: outcome.activated, had: outcome.already_active })}</p>
      {outcome.failed > 0 && (
        <div className="lm-failure" role="alert">
          <p>{say("n_succeeded_m_failed", { n: outcome.successful, m: outcome.failed })}</p>
          <ul>
            {outcome.errors.map((error) => (
              <li key={`${error.user_id ?? error.team_id} ${error.model_id}`}>
                {name(error.user_id ?? error.team_id ?? "")} – {name(error.model_id)}: {error.message}
              </li>
            ))}
          </ul>
        </div>
      )}
    </Dialog>
  );
}
