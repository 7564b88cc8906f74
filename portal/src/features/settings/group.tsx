/** One group of settings as a form: read, changed, put back with the version it was read in. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState, type ReactNode } from "react";
import { Card } from "../../components/Card";
import { Refusal } from "../../components/Dialog";
import { Loaded } from "../../components/States";
import { useGet, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";

type GroupName = "users" | "api-keys" | "subscriptions" | "teams" | "counts" | "currency" | "analytics" | "catalogue" | "sessions" | "notifications" | "retention" | "backup" | "chargeback";

interface Drawn<T> {
  values: T;
  change: (changes: Partial<T>) => void;
  error: unknown;
}

export function GroupForm<T extends object>({ group, title, children }: { group: GroupName; title: string; children: (form: Drawn<T>) => ReactNode }) {
  const found = useGet("/api/v1/admin/settings/{group}", { path: { group } });
  return (
    <Card title={title}>
      <Loaded query={found}>{(values) => <Form<T> key={JSON.stringify(values)} group={group} first={values as T} children={children} />}</Loaded>
    </Card>
  );
}

function Form<T extends object>({ group, first, children }: { group: GroupName; first: T; children: (form: Drawn<T>) => ReactNode }) {
  const say = useSay();
  const may = useMay()("admin:settings:write");
  const put = useSend("put", "/api/v1/admin/settings/{group}");
  const [values, setValues] = useState(first);
  const changed = JSON.stringify(values) !== JSON.stringify(first);
  const save = async () => {
    try {
      await put.mutateAsync({ path: { group }, body: values as never });
      tell("success", say("saved"));
    } catch {
      // Shown below the form.
    }
  };
  return (
    <form
      className="lm-form"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <fieldset disabled={!may} className="lm-form lm-bare">
        {children({ values, change: (changes) => setValues({ ...values, ...changes }), error: put.error })}
      </fieldset>
      <Refusal error={put.error} />
      {may && (
        <div className="lm-actions">
          <Button type="submit" isLoading={put.isPending} isDisabled={!changed || put.isPending}>
            {say("save")}
          </Button>
          {changed && (
            <Button variant="link" onClick={() => setValues(first)}>
              {say("discard")}
            </Button>
          )}
        </div>
      )}
    </form>
  );
}
