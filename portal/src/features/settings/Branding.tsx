/** Name, subtitle and images of this installation; each can be switched on without losing the other. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useRef, useState } from "react";
import { Card } from "../../components/Card";
import { Refusal } from "../../components/Dialog";
import { Area, Check, fieldErrors, Text } from "../../components/fields";
import { Loaded } from "../../components/States";
import { ApiError, csrfHeader, problemOf, queries, useGet, useSend, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";

type Held = Reply<"/api/v1/branding", "get">;
const IMAGES = ["login-logo", "header-brand-light", "header-brand-dark", "favicon"] as const;
const MOST_BYTES = 2 * 1024 * 1024;

export default function Branding() {
  const say = useSay();
  const found = useGet("/api/v1/branding");
  return (
    <div className="lm-columns">
      <Card title={say("texts")}>
        <Loaded query={found}>{(held) => <Texts key={JSON.stringify(held)} held={held} />}</Loaded>
      </Card>
      <Card title={say("images")}>
        <Loaded query={found}>
          {(held) => (
            <>
              {IMAGES.map((kind) => (
                <Image key={kind} kind={kind} etag={held.images[kind]} />
              ))}
            </>
          )}
        </Loaded>
      </Card>
    </div>
  );
}

function Texts({ held }: { held: Held }) {
  const say = useSay();
  const may = useMay()("admin:branding:write");
  const patch = useSend("patch", "/api/v1/admin/branding");
  const { images: _images, currency: _currency, ...first } = held;
  const [values, setValues] = useState(first);
  const set = (changes: Partial<typeof first>) => setValues({ ...values, ...changes });
  const save = async () => {
    try {
      await patch.mutateAsync({ body: values });
      tell("success", say("saved"));
    } catch {
      // Shown below.
    }
  };
  return (
    <fieldset className="lm-form lm-bare" disabled={!may}>
      <Check label={say("own_title")} checked={values.title_enabled} onChange={(on) => set({ title_enabled: on })} />
      <Text label={say("product_name")} value={values.title} maxLength={200} onChange={(title) => set({ title })} />
      <Check label={say("own_subtitle")} checked={values.subtitle_enabled} onChange={(on) => set({ subtitle_enabled: on })} />
      <Area label={say("subtitle")} value={values.subtitle} maxLength={500} onChange={(subtitle) => set({ subtitle })} />
      <Check label={say("own_login_logo")} checked={values.login_logo_enabled} onChange={(on) => set({ login_logo_enabled: on })} />
      <Check label={say("own_header_brand")} checked={values.header_brand_enabled} onChange={(on) => set({ header_brand_enabled: on })} />
      <Check label={say("own_favicon")} checked={values.favicon_enabled} onChange={(on) => set({ favicon_enabled: on })} />
      <Check label={say("own_support")} checked={values.support_enabled} onChange={(on) => set({ support_enabled: on })} />
      <div className="lm-pair">
        <Text label={say("support_text")} value={values.support_text} maxLength={100} onChange={(value) => set({ support_text: value })} />
        <Text label={say("support_url")} type="url" help={say("support_url_help")} value={values.support_url} maxLength={500} onChange={(value) => set({ support_url: value.trim() })} error={fieldErrors(patch.error)["support_url"]} />
      </div>
      <Check label={say("own_footer")} checked={values.footer_enabled} onChange={(on) => set({ footer_enabled: on })} />
      <Area label={say("footer")} value={values.footer} maxLength={500} rows={2} onChange={(footer) => set({ footer })} />
      <Refusal error={patch.error} />
      {may && (
        <div>
          <Button isLoading={patch.isPending} isDisabled={JSON.stringify(values) === JSON.stringify(first)} onClick={() => void save()}>
            {say("save")}
          </Button>
        </div>
      )}
    </fieldset>
  );
}

function Image({ kind, etag }: { kind: (typeof IMAGES)[number]; etag: string | undefined }) {
  const say = useSay();
  const may = useMay()("admin:branding:write");
  const remove = useSend("delete", "/api/v1/admin/branding/images/{kind}");
  const [error, setError] = useState<unknown>(null);
  const picker = useRef<HTMLInputElement>(null);
  const title = say(`image_${kind.replaceAll("-", "_")}` as Key);
  const upload = async (file: File | undefined) => {
    if (!file) return;
    setError(null);
    if (file.size > MOST_BYTES) return setError(new ApiError(413, "BODY_TOO_LARGE", say("image_too_large"), null));
    const answer = await fetch(`/api/v1/admin/branding/images/${kind}`, { method: "PUT", body: file, headers: csrfHeader() });
    if (!answer.ok) return setError(await problemOf(answer));
    tell("success", say("saved"));
    await queries.invalidateQueries();
  };
  return (
    <div
      className="lm-drop"
      onDragOver={(event) => may && event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        if (may) void upload(event.dataTransfer.files[0]);
      }}
    >
      <strong>{title}</strong>
      {etag ? <img src={`/api/v1/branding/images/${kind}?v=${encodeURIComponent(etag)}`} alt={title} /> : <span className="lm-subtle">{say("no_image")}</span>}
      {may && (
        <div className="lm-actions">
          <input ref={picker} type="file" hidden accept="image/png,image/jpeg,image/gif,image/webp,image/svg+xml" onChange={(event) => void upload(event.target.files?.[0])} />
          <Button variant="secondary" size="sm" onClick={() => picker.current?.click()}>
            {say("choose_file")}
          </Button>
          {etag && (
            <Button variant="link" size="sm" onClick={() => remove.mutate({ path: { kind } })}>
              {say("remove")}
            </Button>
          )}
          <small className="lm-subtle">{say("image_rules")}</small>
        </div>
      )}
      <Refusal error={error} />
    </div>
  );
}
