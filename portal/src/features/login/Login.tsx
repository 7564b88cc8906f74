/** Sign-in: one button where a provider is set up; the fixed people of a single machine where the server offers them. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useEffect, useState } from "react";
import { useSearchParams } from "react-router";
import { LanguageChoice, ThemeButton } from "../../components/Choices";
import { Support } from "../../components/Brand";
import { Failure, Loaded } from "../../components/States";
import { call, useGet } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useConfig, useProduct } from "../../lib/product";
import { refreshSession, sessionHasEnded } from "../../lib/session";

export default function Login() {
  const say = useSay();
  const product = useProduct();
  const branding = useConfig().data?.branding;
  const [params] = useSearchParams();
  const [ended] = useState(sessionHasEnded);
  const failed = params.get("error");
  const logo = branding?.images["login-logo"];
  useEffect(() => {
    document.title = `${say("sign_in")} · ${product}`;
  }, [say, product]);
  return (
    <div className="lm-login">
      <div className="lm-login-tools">
        <ThemeButton />
        <LanguageChoice />
      </div>
      <main className="lm-login-box">
        <img src={logo ?? "/favicon.svg"} alt="" className="lm-login-logo" />
        <h1>{product}</h1>
        <p className="lm-subtle">{branding?.subtitle || say("tagline")}</p>
        {ended && (
          <p className="lm-banner lm-info" role="alert">
            {say("session_ended")}
          </p>
        )}
        {failed && (
          <p className="lm-banner lm-danger" role="alert">
            {say("sign_in_failed", { reason: failed.slice(0, 80) })}
          </p>
        )}
        <Ways returnTo={params.get("return_to") ?? "/"} />
        <p className="lm-subtle">
          <Support /> {branding?.footer}
        </p>
      </main>
    </div>
  );
}

function Ways({ returnTo }: { returnTo: string }) {
  const say = useSay();
  const providers = useGet("/api/v1/auth/providers");
  const [busy, setBusy] = useState("");
  const [error, setError] = useState<unknown>(null);
  const enter = async (dev_user: "admin" | "user" | "adminReadonly") => {
    setBusy(dev_user);
    setError(null);
    try {
      await call("post", "/api/v1/auth/dev-login", { body: { dev_user } });
      await refreshSession(); // with a session, this page leads on to where the person wanted to go
    } catch (refusal) {
      setError(refusal);
      setBusy("");
    }
  };
  const leave = (provider: string) => {
    setBusy(provider);
    location.assign(`/api/v1/auth/login?provider=${provider}&return_to=${encodeURIComponent(returnTo)}`);
  };
  return (
    <Loaded query={providers}>
      {(found) => (
        <div className="lm-login-ways">
          {found.providers.map((name) => (
            <Button key={name} isBlock size="lg" isLoading={busy === name} onClick={() => leave(name)}>
              {say("sign_in_with", { provider: name === "openshift" ? "OpenShift" : "SSO" })}
            </Button>
          ))}
          {found.dev_users.length > 0 && (
            <>
              <p className="lm-subtle">{say("dev_sign_in")}</p>
              {found.dev_users.map((person) => (
                <Button key={person} isBlock variant={person === "user" ? "primary" : "secondary"} isLoading={busy === person} isDisabled={busy !== ""} onClick={() => void enter(person)}>
                  {say("sign_in_as", { role: say(`role_${person}`) })}
                </Button>
              ))}
            </>
          )}
          {found.providers.length + found.dev_users.length === 0 && <p>{say("no_sign_in")}</p>}
          {error !== null && <Failure error={error} />}
        </div>
      )}
    </Loaded>
  );
}
