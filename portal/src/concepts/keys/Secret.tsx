/** A secret, shown this once: copy it, take code that works, and then it is gone. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useEffect, useState } from "react";
import { Copyable } from "../../components/Copy";
import { Dialog } from "../../components/Dialog";
import { day, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useGatewayUrl } from "../../lib/product";
import { modelType } from "../models/words";
import { Snippets } from "../snippets/Snippets";
import type { KeyRow } from "./columns";

interface SecretProps {
  title: string;
  secret: string;
  keyShown: KeyRow;
  close: () => void;
  /** Hidden after so many seconds. */
  seconds?: number;
}

export function Secret({ title, secret, keyShown, close, seconds }: SecretProps) {
  const say = useSay();
  const base = useGatewayUrl();
  const [sure, setSure] = useState(false);
  const once = !keyShown.revealable;
  const model = keyShown.models[0];
  useEffect(() => {
    if (!seconds) return undefined;
    const timer = setTimeout(close, seconds * 1000);
    return () => clearTimeout(timer);
  }, [seconds, close]);
  const leave = () => (once && !sure ? setSure(true) : close());
  return (
    <Dialog title={title} close={leave} size="large" footer={<Button onClick={leave}>{say(sure ? "i_kept_it" : "close")}</Button>}>
      <div className="lm-stack">
        <p className={once ? "lm-banner lm-warning" : "lm-subtle"} role={sure ? "alert" : undefined}>
          {say(sure ? "really_kept" : once ? "secret_only_now" : "secret_revealable")}
        </p>
        <div className="lm-secret">
          <Copyable text={secret} label={say("api_key")} />
        </div>
        <p>
          {say("base_address")}: <Copyable text={`${base}/v1`} label={say("base_address")} />
        </p>
        {keyShown.expires_at && <p>{say("expires_on", { day: day(keyShown.expires_at) })}</p>}
        {keyShown.old_secret_valid_until && <p>{say("old_value_until", { time: moment(keyShown.old_secret_valid_until) })}</p>}
        {seconds && <p className="lm-subtle">{say("hidden_after", { count: seconds })}</p>}
        {model && <Snippets model={model.name} type={modelType(model.type)} secret={secret} />}
      </div>
    </Dialog>
  );
}
