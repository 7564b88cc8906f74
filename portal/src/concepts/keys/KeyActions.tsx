/** What can be done with a key: change, reveal, rotate, switch off and on, delete; each with what it means. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { Confirm, FormDialog } from "../../components/Dialog";
import { Choice, fieldErrors, Whole } from "../../components/fields";
import { changesBetween } from "../../components/differences";
import { useGuardedDialog } from "../../components/useGuarded";
import { ApiError, call, useGet, useSend, type Reply } from "../../lib/api";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { signOut } from "../../lib/session";
import { tell } from "../../lib/toasts";
import type { KeyRow } from "./columns";
import { EMPTY_KEY, type KeyDraft } from "./draft";
import { KeyForm } from "./KeyForm";
import { Secret } from "./Secret";

type Act = "edit" | "reveal" | "rotate" | "disable" | "delete" | "end_grace";
type NewSecret = Reply<"/api/v1/keys/{key_id}/rotate", "post">;

export function useKeyActions() {
  const say = useSay();
  const [open, setOpen] = useState<{ act: Act; key: KeyRow } | null>(null);
  const enable = useSend("post", "/api/v1/keys/{key_id}/enable");
  const items = (key: KeyRow) => {
    if (key.state === "revoked") return [];
    const ask = (act: Act) => () => setOpen({ act, key });
    const inGrace = key.old_secret_valid_until && Date.parse(key.old_secret_valid_until) > Date.now();
    return [
      { title: say("edit"), onClick: ask("edit") },
      ...(key.revealable && key.state === "active" ? [{ title: say("reveal"), onClick: ask("reveal") }] : []),
      ...(key.state === "active" ? [{ title: say("rotate"), onClick: ask("rotate") }] : []),
      ...(inGrace ? [{ title: say("end_grace"), onClick: ask("end_grace") }] : []),
      key.state === "disabled"
        ? { title: say("enable"), onClick: () => enable.mutate({ path: { key_id: key.id } }, { onError: (error) => tell("danger", say("not_enabled"), error) }) }
        : { title: say("disable"), onClick: ask("disable") },
      { title: say("delete"), isDanger: true, onClick: ask("delete") },
    ];
  };
  return { items, open, close: () => setOpen(null) };
}

export function KeyActions({ state }: { state: ReturnType<typeof useKeyActions> }) {
  const say = useSay();
  const disable = useSend("post", "/api/v1/keys/{key_id}/disable");
  const remove = useSend("delete", "/api/v1/keys/{key_id}");
  const endGrace = useSend("post", "/api/v1/keys/{key_id}/end-grace");
  if (!state.open) return null;
  const { act, key } = state.open;
  const { close } = state;
  const path = { key_id: key.id };
  const traffic = say("key_traffic", { count: key.request_count, name: key.name });
  if (act === "edit") return <EditKey keyShown={key} close={close} />;
  if (act === "reveal") return <Reveal keyShown={key} close={close} />;
  if (act === "rotate") return <Rotate keyShown={key} close={close} />;
  if (act === "disable")
    return <Confirm title={say("disable_what", { what: key.name })} text={<p>{say("disable_text")} {traffic}</p>} submit={say("disable")} close={close} act={() => disable.mutateAsync({ path })} />;
  if (act === "end_grace")
    return <Confirm title={say("end_grace")} text={say("end_grace_text", { time: moment(key.old_secret_valid_until) })} submit={say("end_grace")} close={close} act={() => endGrace.mutateAsync({ path })} />;
  return <Confirm title={say("delete_what", { what: key.name })} text={<p>{say("delete_key_text")} {traffic}</p>} submit={say("delete")} close={close} act={() => remove.mutateAsync({ path })} />;
}

export function draftOf(key: KeyRow): KeyDraft {
  const { name, description, max_budget_nano, budget_duration, soft_budget_nano, tpm_limit, rpm_limit, max_parallel_requests, expires_at } = key;
  const model_limits = key.model_limits as KeyDraft["model_limits"];
  return { name, description, team_id: key.team?.id ?? null, models: key.models.map((model) => model.name), expires_at, max_budget_nano, budget_duration, soft_budget_nano, tpm_limit, rpm_limit, max_parallel_requests, model_limits };
}

function EditKey({ keyShown, close }: { keyShown: KeyRow; close: () => void }) {
  const own = useGet("/api/v1/subscriptions", { query: { limit: 100, statuses: ["active"] } }).data;
  const read = useGet("/api/v1/keys/{key_id}", { path: { key_id: keyShown.id } }, { staleTime: 0 }).data;
  return own && read ? <EditForm read={read} models={own.data.map((one) => one.model.name)} close={close} /> : null;
}

function EditForm({ read, models, close }: { read: KeyRow; models: string[]; close: () => void }) {
  const say = useSay();
  const patch = useSend("patch", "/api/v1/keys/{key_id}");
  const path = { key_id: read.id };
  const { first, save, conflict } = useGuardedDialog({
    opened: read,
    valuesOf: (key: KeyRow | null) => (key ? draftOf(key) : EMPTY_KEY),
    read: () => call("get", "/api/v1/keys/{key_id}", { path }),
    change: (mine: KeyDraft, over, headers) => {
      const { team_id: _team, ...changes } = changesBetween(draftOf(over), mine);
      return patch.mutateAsync({ path, body: changes as never, headers });
    },
    close,
  });
  return <KeyForm title={say("edit_what", { what: read.name })} first={first} models={models} isNew={false} close={close} send={save} busy={patch.isPending} error={patch.error} conflict={conflict} />;
}

function Reveal({ keyShown, close }: { keyShown: KeyRow; close: () => void }) {
  const say = useSay();
  const navigate = useNavigate();
  const here = useLocation();
  const [secret, setSecret] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  if (secret) return <Secret title={keyShown.name} secret={secret} keyShown={keyShown} close={close} seconds={60} />;
  /** Not through useSend: the server refuses to repeat a secret under an idempotency key, and no cache may keep it. */
  const act = async () => {
    setBusy(true);
    setError(null);
    try {
      setSecret((await call("post", "/api/v1/keys/{key_id}/reveal", { path: { key_id: keyShown.id } })).secret);
    } catch (refusal) {
      setError(refusal);
    }
    setBusy(false);
  };
  /** Out and in again, and back to this key. */
  const signInAgain = () => signOut().then((elsewhere) => (elsewhere ? location.assign(elsewhere) : navigate(`/login?return_to=${encodeURIComponent(here.pathname + here.search)}`)), (failure: unknown) => tell("danger", say("sign_out_failed"), failure));
  const needsSignIn = error instanceof ApiError && error.code === "REAUTHENTICATION_REQUIRED";
  return (
    <FormDialog title={say("reveal_what", { what: keyShown.name })} submit={say("reveal")} close={close} send={act} busy={busy} error={needsSignIn ? null : error} size="small">
      <p>{say("reveal_text")}</p>
      {needsSignIn && (
        <div className="lm-banner lm-warning" role="alert">
          <p>{say("sign_in_again_first")}</p>
          <Button variant="secondary" size="sm" onClick={() => void signInAgain()}>
            {say("sign_in_again")}
          </Button>
        </div>
      )}
    </FormDialog>
  );
}

const GRACE = [0, 3_600, 86_400, 604_800] as const;
const HOUR_S = 3_600;

function Rotate({ keyShown, close }: { keyShown: KeyRow; close: () => void }) {
  const say = useSay();
  const rotate = useSend("post", "/api/v1/keys/{key_id}/rotate");
  const bounds = useGet("/api/v1/config/keys").data;
  const most = (bounds?.max_grace_hours ?? 168) * HOUR_S;
  const usual = Math.min(bounds?.grace_hours ?? 24, most / HOUR_S);
  const fits = GRACE.filter((seconds) => seconds <= most);
  const [chosen, setGrace] = useState<string | null>(null);
  const [hours, setHours] = useState<number | null>(null);
  const grace = chosen ?? (fits.some((seconds) => seconds === usual * HOUR_S) ? String(usual * HOUR_S) : "custom");
  const wanted = grace === "custom" ? (hours ?? usual) * HOUR_S : Number(grace);
  const made = rotate.data as NewSecret | undefined;
  if (made) return <Secret title={say("key_rotated")} secret={made.secret} keyShown={made.key} close={close} />;
  const send = () => rotate.mutateAsync({ path: { key_id: keyShown.id }, body: { grace_seconds: wanted } }).catch(() => undefined);
  return (
    <FormDialog title={say("rotate_what", { what: keyShown.name })} submit={say("rotate")} close={close} send={send} busy={rotate.isPending} error={rotate.error} size="small">
      <p>{say("rotate_text")}</p>
      <Choice label={say("old_value_works_for")} value={grace} onChange={setGrace} options={[...fits.map((seconds) => ({ value: String(seconds), text: say(`grace_${seconds}`) })), { value: "custom", text: say("grace_custom") }]} />
      {grace === "custom" && <Whole label={say("grace_hours")} min={0} max={most / HOUR_S} value={hours ?? usual} onChange={setHours} error={fieldErrors(rotate.error)["grace_seconds"]} />}
    </FormDialog>
  );
}
