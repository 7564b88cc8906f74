/** The fields of the wizard's first four steps. */
import { Link } from "react-router";
import { Area, Check, Choice, Money as MoneyField, Text, Whole } from "../../components/fields";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { useGet } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { zones } from "../../lib/zones";
import { MOST_SEATS, type Claiming, type Draft } from "./plan";
import { RosterField } from "./RosterField";

interface StepProps {
  draft: Draft;
  set: (changes: Partial<Draft>) => void;
  errors: Record<string, string>;
}

export function Basics({ draft, set, errors }: StepProps) {
  const say = useSay();
  return (
    <>
      <Text label={say("workshop_title")} value={draft.title} maxLength={100} onChange={(title) => set({ title })} isRequired error={errors["title"]} />
      <Area label={say("description")} value={draft.description} rows={2} onChange={(description) => set({ description })} />
      <div className="lm-pair">
        <Text label={say("organisers")} value={draft.organisers} onChange={(organisers) => set({ organisers })} help={say("organisers_help")} isRequired error={errors["organisers"]} />
        <Choice label={say("time_zone")} value={draft.zone} onChange={(zone) => set({ zone })} options={zones().map((zone) => ({ value: zone, text: zone }))} />
      </div>
      <div className="lm-pair lm-two">
        <Text label={say("starts")} type="datetime-local" value={draft.starts} onChange={(starts) => set({ starts })} isRequired error={errors["starts"]} />
        <Text label={say("ends")} type="datetime-local" value={draft.ends} min={draft.starts} onChange={(ends) => set({ ends })} isRequired error={errors["ends"]} />
        <Text label={say("claim_opens")} type="datetime-local" value={draft.opens} onChange={(opens) => set({ opens })} help={say("claim_window_help")} error={errors["opens"]} />
        <Text label={say("claim_closes")} type="datetime-local" value={draft.closes} onChange={(closes) => set({ closes })} help={say("claim_window_help")} error={errors["closes"]} />
      </div>
    </>
  );
}

const WAYS: Claiming[] = ["shared_code", "seat_codes", "roster"];

export function Seats({ draft, set, errors }: StepProps) {
  const say = useSay();
  return (
    <>
      <fieldset className="lm-field">
        <legend>{say("how_to_claim")}</legend>
        {WAYS.map((way) => (
          <label key={way} className="lm-radio">
            <input type="radio" name="claiming" checked={draft.claiming === way} onChange={() => set({ claiming: way })} />
            <span>
              {say(`claim_${way}`)}
              <small className="lm-subtle">{say(`claim_${way}_help`)}</small>
            </span>
          </label>
        ))}
      </fieldset>
      {draft.claiming !== "roster" ? (
        <Whole label={say("number_of_seats")} value={draft.seats} min={1} max={MOST_SEATS} onChange={(seats) => set({ seats })} isRequired error={errors["seats"]} />
      ) : (
        <RosterField label={say("roster")} value={draft.roster} rows={8} onChange={(roster) => set({ roster })} isRequired error={errors["roster"] || undefined} />
      )}
    </>
  );
}

export function Models({ draft, set, errors }: StepProps) {
  const say = useSay();
  const found = useGet("/api/v1/admin/models", { query: { limit: 100, sort: "name" } });
  return (
    <Loaded query={found}>
      {({ data }) => {
        const usable = data.filter((model) => model.status === "available" || model.status === "deprecated");
        if (usable.length === 0)
          return (
            <p className="lm-banner lm-info">
              {say("no_models_admin_text")} <Link to="/admin/models">{say("models")}</Link>
            </p>
          );
        return (
          <fieldset className="lm-field" aria-invalid={errors["models"] ? true : undefined} tabIndex={errors["models"] ? -1 : undefined}>
            <legend>{say("models")} *</legend>
            <div className="lm-picks">
              {usable.map((model) => (
                <Check
                  key={model.id}
                  label={
                    <>
                      {model.name} <Status value={model.health} />
                    </>
                  }
                  checked={draft.models.includes(model.name)}
                  onChange={(on) => set({ models: on ? [...draft.models, model.name] : draft.models.filter((one) => one !== model.name) })}
                />
              ))}
            </div>
            {errors["models"] && (
              <small className="lm-bad" role="alert">
                {errors["models"]}
              </small>
            )}
          </fieldset>
        );
      }}
    </Loaded>
  );
}

export function Money({ draft, set, errors }: StepProps) {
  const say = useSay();
  return (
    <>
      <div className="lm-pair">
        <MoneyField label={say("pot")} value={draft.pot_nano} onChange={(pot_nano) => set({ pot_nano })} help={draft.pot_nano === 0 ? say("zero_allows_nothing") : say("pot_help")} isRequired error={errors["pot"]} />
        <MoneyField label={say("seat_cap")} value={draft.seat_nano} onChange={(seat_nano) => set({ seat_nano })} help={draft.seat_nano === 0 ? say("zero_allows_nothing") : say("seat_cap_help")} error={errors["seat_cap"]} />
      </div>
      <h3>{say("for_each_seat")}</h3>
      <div className="lm-pair">
        <Whole label={say("rpm")} value={draft.rpm} onChange={(rpm) => set({ rpm })} help={say("empty_no_limit")} />
        <Whole label={say("tpm")} value={draft.tpm} onChange={(tpm) => set({ tpm })} help={say("empty_no_limit")} />
        <Whole label={say("parallel")} min={1} value={draft.parallel} onChange={(parallel) => set({ parallel })} help={say("empty_no_limit")} error={errors["parallel"]} />
      </div>
    </>
  );
}
