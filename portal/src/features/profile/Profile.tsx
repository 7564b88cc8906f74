/** Who am I here? Name, language, theme, notifications, sessions, tokens for scripts. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card, Facts } from "../../components/Card";
import { Refusal } from "../../components/Dialog";
import { Choice, Text } from "../../components/fields";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { useGet, useSend, type Reply } from "../../lib/api";
import { ago, count, moment } from "../../lib/format";
import { isLanguage, LANGUAGES, useSay, useSpeech } from "../../lib/i18n";
import { refreshSession } from "../../lib/session";
import { chooseTheme, storedTheme, type Theme } from "../../lib/theme";
import { tell } from "../../lib/toasts";
import { Activity } from "./Activity";
import { Wishes } from "./Wishes";
import { Tokens } from "./Tokens";
import { browserWord } from "./browser";

type Me = Reply<"/api/v1/me", "get">;

export default function Profile() {
  const say = useSay();
  const me = useGet("/api/v1/me");
  return (
    <Page title={say("profile")} subtitle={say("profile_subtitle")}>
      <Loaded query={me} rows={8}>
        {(found) => (
          <div className="lm-columns">
            <Card title={say("about_me")}>
              <About key={found.full_name} me={found} />
            </Card>
            <Card title={say("identity")}>
              <Facts
                facts={[
                  [say("username"), found.username],
                  [say("email"), found.email ?? "–"],
                  [say("roles"), found.roles.map((role) => say(`role_${role}`)).join(", ")],
                  [say("groups"), found.groups.join(", ") || say("none")],
                  [say("teams"), found.teams.map((team) => team.name).join(", ") || say("none")],
                  [say("last_sign_in"), found.last_sign_in_at && moment(found.last_sign_in_at)],
                ]}
              />
            </Card>
            <Card title={say("budget_and_limits")}>
              <Meter used={found.spent_nano} limit={found.limits.max_budget_nano} label={say("my_budget")} />
              <Facts
                facts={[
                  [say("resets"), found.budget_reset_at && moment(found.budget_reset_at)],
                  [say("tpm"), found.limits.tpm_limit == null ? say("no_limit") : count(found.limits.tpm_limit)],
                  [say("rpm"), found.limits.rpm_limit == null ? say("no_limit") : count(found.limits.rpm_limit)],
                ]}
              />
            </Card>
            <Sessions />
            <Wishes />
            <Tokens />
            <Activity />
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function About({ me }: { me: Me }) {
  const { say, language, speak } = useSpeech();
  const patch = useSend("patch", "/api/v1/me");
  const [name, setName] = useState(me.full_name ?? "");
  const [theme, setTheme] = useState<Theme>(storedTheme);
  const save = (body: object) =>
    patch.mutateAsync({ body: body as never }).then(async () => {
      await refreshSession();
      tell("success", say("saved"));
    }, () => undefined);
  return (
    <div className="lm-form">
      <Text label={say("full_name")} value={name} maxLength={255} onChange={setName} />
      <div>
        <Button isDisabled={name === (me.full_name ?? "") || !name.trim() || patch.isPending} onClick={() => void save({ full_name: name.trim() })}>
          {say("save")}
        </Button>
      </div>
      <Choice
        label={say("language")}
        value={language}
        onChange={(value) => {
          if (isLanguage(value)) {
            void speak(value);
            patch.mutate({ body: { language: value } as never });
          }
        }}
        options={Object.entries(LANGUAGES).map(([value, text]) => ({ value, text }))}
      />
      <Choice
        label={say("theme")}
        value={theme}
        onChange={(value) => {
          chooseTheme(value as Theme);
          setTheme(value as Theme);
        }}
        options={(["system", "light", "dark"] as const).map((value) => ({ value, text: say(`theme_${value}`) }))}
      />
      <Refusal error={patch.error} />
    </div>
  );
}

function Sessions() {
  const say = useSay();
  const found = useGet("/api/v1/me/sessions");
  const end = useSend("delete", "/api/v1/me/sessions/{session_id}");
  const endOthers = useSend("delete", "/api/v1/me/sessions");
  return (
    <Card title={say("sessions")}>
      <Loaded query={found}>
        {({ data }) => (
          <>
            <ul className="lm-items">
              {data.map((one) => (
                <li key={one.id} className="lm-item">
                  <strong>{one.is_current ? say("this_browser") : (one.address ?? say("status_unknown"))}</strong>
                  <span className="lm-subtle" title={one.user_agent ?? ""}>{browserWord(one.user_agent)}</span>
                  <footer>
                    {say("signed_in_when", { when: ago(one.authenticated_at) })}
                    {!one.is_current && (
                      <Button variant="link" isInline onClick={() => end.mutate({ path: { session_id: one.id } })}>
                        {say("end_session")}
                      </Button>
                    )}
                  </footer>
                </li>
              ))}
            </ul>
            {data.length > 1 && (
              <div>
                <Button variant="secondary" onClick={() => endOthers.mutate({})}>
                  {say("end_other_sessions")}
                </Button>
              </div>
            )}
          </>
        )}
      </Loaded>
    </Card>
  );
}
