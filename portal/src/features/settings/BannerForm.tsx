/** A banner: what it says in which language, to whom, from when to when; with a preview. */
import { lazy, Suspense, useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { Area, Check, Choice, fieldErrors, Text, Whole } from "../../components/fields";
import { ROLES } from "../../concepts/roles";
import { changesBetween } from "../../components/differences";
import { useGuardedDialog } from "../../components/useGuarded";
import { call, useGet, useSend, type BodyOf, type Reply } from "../../lib/api";
import { useDraft } from "../../lib/drafts";
import { LANGUAGES, useSay, type Language } from "../../lib/i18n";
import type { Key } from "../../lib/keys";

const Prose = lazy(() => import("../../components/Prose"));
type Banner = Reply<"/api/v1/admin/banners", "get">["data"][number];
type Draft = BodyOf<"/api/v1/admin/banners", "post">;
const VARIANTS = ["info", "warning", "danger", "success", "default"] as const;

function draftOf(banner: Banner | null): Draft {
  if (!banner) return { name: "", content: { en: "" }, variant: "info", is_active: true, priority: 0, dismissible: true, link_text: {} } as Draft;
  const { id: _id, created_at: _ca, created_by: _cb, updated_at: _ua, updated_by: _ub, ...rest } = banner;
  return rest as Draft;
}

/** What an input of the browser shows and gives: local time without a zone. */
const local = (iso: string | null | undefined) => (iso ? new Date(new Date(iso).getTime() - new Date(iso).getTimezoneOffset() * 60_000).toISOString().slice(0, 16) : "");
const instant = (written: string) => (written ? new Date(written).toISOString() : null);

/** An old one is read by itself first: a row of the list has no version. */
export function BannerForm({ banner, close }: { banner: Banner | null; close: () => void }) {
  const read = useGet("/api/v1/admin/banners/{banner_id}", { path: { banner_id: banner?.id ?? "" } }, { enabled: banner !== null, staleTime: 0 }).data;
  return banner && !read ? null : <Form read={read ?? null} close={close} />;
}

function Form({ read, close }: { read: Banner | null; close: () => void }) {
  const say = useSay();
  const create = useSend("post", "/api/v1/admin/banners");
  const patch = useSend("patch", "/api/v1/admin/banners/{banner_id}");
  const [reset, setReset] = useState(false);
  const path = { banner_id: read?.id ?? "" };
  const { held: banner, first, save, conflict } = useGuardedDialog<Banner, Draft, Banner>({
    opened: read,
    valuesOf: draftOf,
    read: () => call("get", "/api/v1/admin/banners/{banner_id}", { path }),
    change: (mine, over, headers) => patch.mutateAsync({ path, body: { ...changesBetween(draftOf(over), mine), reset_dismissals: reset } as never, headers }),
    create: (mine) => create.mutateAsync({ body: mine }),
    close,
  });
  const [draft, setDraft] = useDraft(`banner.${banner?.id ?? "new"}`, first);
  const [language, setLanguage] = useState<Language>("en");
  const set = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes });
  const error = create.error ?? patch.error;
  const errors = fieldErrors(error);
  const content = draft.content as Record<string, string>;
  const roles = draft.target_roles ?? [];
  const write = (text: string) => {
    const { [language]: _gone, ...others } = content;
    set({ content: (text || language === "en" ? { ...others, [language]: text } : others) as Draft["content"] });
  };
  return (
    <FormDialog title={say(banner ? "edit_banner" : "create_banner")} submit={say("save")} close={close} send={() => save(draft)} busy={create.isPending || patch.isPending} error={error} conflict={conflict} size="large">
      <div className="lm-pair">
        <Text label={say("name")} value={draft.name} maxLength={100} onChange={(name) => set({ name })} isRequired error={errors["name"]} />
        <Choice label={say("style")} value={draft.variant ?? "info"} onChange={(variant) => set({ variant: variant as "info" })} options={VARIANTS.map((value) => ({ value, text: say(`variant_${value}` as Key) }))} />
        <Whole label={say("priority")} value={draft.priority ?? 0} max={100} onChange={(value) => set({ priority: value ?? 0 })} />
      </div>
      <Choice label={say("language")} value={language} onChange={(value) => setLanguage(value as Language)} options={Object.entries(LANGUAGES).map(([value, text]) => ({ value, text: content[value] ? `${text} ✓` : text }))} />
      <Area label={say("text")} value={content[language] ?? ""} maxLength={500} onChange={write} isRequired={language === "en"} help={say("markdown_english_required")} error={errors["content"] ?? errors["en"]} />
      <div className={`lm-banner lm-${draft.variant}`}>
        <Suspense fallback={null}>
          <Prose text={content[language] ?? content["en"] ?? ""} />
        </Suspense>
      </div>
      <div className="lm-pair">
        <Text label={say("starts")} type="datetime-local" value={local(draft.starts_at)} onChange={(value) => set({ starts_at: instant(value) })} />
        <Text label={say("ends")} type="datetime-local" value={local(draft.ends_at)} onChange={(value) => set({ ends_at: instant(value) })} error={errors["ends_at"]} />
        <Text label={say("link")} type="url" value={draft.link_url ?? ""} maxLength={500} onChange={(value) => set({ link_url: value || null })} error={errors["link_url"]} />
        <Text label={say("link_text")} value={(draft.link_text as Record<string, string>)[language] ?? ""} maxLength={100} onChange={(value) => set({ link_text: { ...draft.link_text, [language]: value } as Draft["link_text"] })} />
      </div>
      <fieldset className="lm-field">
        <legend>{say("audience_none_is_everyone")}</legend>
        {ROLES.map((role) => (
          <Check key={role} label={say(`role_${role}`)} checked={roles.includes(role)} onChange={(on) => set({ target_roles: on ? [...roles, role] : roles.filter((one) => one !== role) })} />
        ))}
      </fieldset>
      <Check label={say("active")} checked={draft.is_active ?? false} onChange={(on) => set({ is_active: on })} />
      <Check label={say("can_be_dismissed")} checked={draft.dismissible ?? true} onChange={(on) => set({ dismissible: on })} />
      {draft.dismissible && <Whole label={say("dismissed_for_hours")} min={1} max={8784} value={draft.dismiss_duration_hours ?? null} onChange={(value) => set({ dismiss_duration_hours: value })} help={say("empty_is_for_good")} />}
      {banner && <Check label={say("show_again_to_all")} checked={reset} onChange={setReset} />}
    </FormDialog>
  );
}
