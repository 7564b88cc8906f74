/** One group of settings as a form: read, changed, put back with the version it was read in. */
import type { ReactNode } from "react";
import { Card } from "../../components/Card";
import { GuardedForm } from "../../components/GuardedForm";
import { Loaded } from "../../components/States";
import { useGuardedForm } from "../../components/useGuarded";
import { call, useGet, useSend } from "../../lib/api";
import { useMay } from "../../lib/session";

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
  const may = useMay()("admin:settings:write");
  const put = useSend("put", "/api/v1/admin/settings/{group}");
  const form = useGuardedForm(newest, {
    valuesOf: (read: T) => read,
    read: async () => (await call("get", "/api/v1/admin/settings/{group}", { path: { group } })) as T,
    send: (whole, _over, headers) => put.mutateAsync({ path: { group }, body: whole as never, headers }),
  });
  return (
    <GuardedForm form={form} may={may} sending={put}>
      {children({ values: form.values, change: (changes) => form.change({ ...form.values, ...changes }), error: put.error })}
    </GuardedForm>
  );
}
