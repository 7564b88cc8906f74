/** What administrators tell everybody: by priority, three at once, in the reader's language where there is one. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import TimesIcon from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { lazy, Suspense, useState } from "react";
import { useGet, useSend } from "../lib/api";
import { useSpeech } from "../lib/i18n";

const Prose = lazy(() => import("../components/Prose"));
const SHOWN = 3;

export function Banners() {
  const { language, say } = useSpeech();
  const banners = useGet("/api/v1/banners", {}, { refetchInterval: 300_000 }).data?.data ?? [];
  const dismiss = useSend("post", "/api/v1/banners/{banner_id}/dismiss");
  const [all, setAll] = useState(false);
  const shown = all ? banners : banners.slice(0, SHOWN);
  return (
    <>
      {shown.map((banner) => (
        <div key={banner.id} className={`lm-banner lm-${banner.variant}`} role="region" aria-label={say("banner")}>
          <Suspense fallback={banner.content["en"]}>
            <Prose text={banner.content[language] ?? banner.content["en"] ?? ""} />
          </Suspense>
          {banner.link_url && (
            <a href={banner.link_url} target="_blank" rel="noreferrer">
              {banner.link_text[language] ?? banner.link_text["en"] ?? banner.link_url}
            </a>
          )}
          {banner.dismissible && (
            <Button
              variant="plain"
              size="sm"
              icon={<TimesIcon />}
              aria-label={say("close")}
              onClick={() => dismiss.mutate({ path: { banner_id: banner.id } })}
            />
          )}
        </div>
      ))}
      {!all && banners.length > SHOWN && (
        <Button variant="link" onClick={() => setAll(true)}>
          {say("more_banners", { count: banners.length - SHOWN })}
        </Button>
      )}
    </>
  );
}
