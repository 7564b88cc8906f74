/** One group of settings as a form: read, changed, put back with the version it was read in. */
import { useQueryClient } from "@tanstack/react-query";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import type { ReactNode } from "react";
import { Card } from "../../components/Card";
import { Refusal } from "../../components/Dialog";
import { Loaded } from "../../components/States";
import { useGuarded, useTyped } from "../../components/useGuarded";
import { call, useGet, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";

type GroupName = "users" | "api-keys" | "subscriptions" | "teams" | "counts" | "currency" | "analytics" | "catalogue" | "sessions" | "notifications" | "retention" | "backup" | "chargeback" | "guardrails";

interface Drawn<T> {
  values: T;
  change: (changes: Partial<T>) => void;
  error: unknown;
}

export function GroupForm<T extends object>({ group, title, children }: { group: GroupName; title: string; children: (form: Drawn<T>) => ReactNode }) {
  const found = useGet("/api/v1/admin/settings/{group}", { path: { group } });
  return (
    <Card title={title}>
      <Loaded query={found}>{(values) => <Form<T> group={group} newest={values as T} children={children} />}</Loaded>
    </Card>
  );
}

function Form<T extends object>({ group, newest, children }: { group: GroupName; newest: T; children: (form: Drawn<T>) => ReactNode }) {
  const say = useSay();
  const may = useMay()("admin:settings:write");
  const cache = useQueryClient();
  const put = useSend("put", "/api/v1/admin/settings/{group}");
  const { held, values, isTouched, change, reset } = useTyped(newest, (read) => read);
  const { save, conflict } = useGuarded({
    held,
    valuesOf: (read: T) => read,
    read: async () => (await call("get", "/api/v1/admin/settings/{group}", { path: { group } })) as T,
    send: (whole, _over, headers) => put.mutateAsync({ path: { group }, body: whole as never, headers }),
    done: () => {
      reset();
      tell("success", say("saved"));
    },
    leave: () => {
      reset();
      void cache.invalidateQueries();
    },
  });
  return (
    <form
      className="lm-form"
      onSubmit={(event) => {
        event.preventDefault();
        void save(values);
      }}
    >
      <fieldset disabled={!may} className="lm-form lm-bare">
        {children({ values, change: (changes) => change({ ...values, ...changes }), error: put.error })}
      </fieldset>
      {conflict ?? <Refusal error={put.error} />}
      {may && (
        <div className="lm-actions">
          <Button type="submit" isLoading={put.isPending} isDisabled={!isTouched || put.isPending || Boolean(conflict)}>
            {say("save")}
          </Button>
          {isTouched && !conflict && (
            <Button variant="link" onClick={reset}>
              {say("discard")}
            </Button>
          )}
        </div>
      )}
    </form>
  );
}
