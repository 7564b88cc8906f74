/** Where notifications go besides the inbox: e-mail and webhooks, each with a test. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Refusal } from "../../components/Dialog";
import { Check, fieldErrors, Text, Whole } from "../../components/fields";
import { useSend, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { GroupForm } from "./group";
import { Webhooks } from "./Webhooks";

type Held = Reply<"/api/v1/admin/settings", "get">["notifications"];

export default function Channels() {
  const say = useSay();
  const may = useMay()("admin:settings:write");
  const test = useSend("post", "/api/v1/admin/notifications/test-email");
  const [to, setTo] = useState("");
  return (
    <div className="lm-columns">
      <GroupForm<Held> group="notifications" title={say("email")}>
        {({ values, change, error }) => (
          <>
            <Check label={say("send_email")} checked={values.email ?? true} onChange={(on) => change({ email: on })} />
            <Text label={say("sender")} value={values.sender ?? ""} maxLength={255} onChange={(sender) => change({ sender })} error={fieldErrors(error)["sender"]} />
            <Whole label={say("inbox_days")} min={1} max={36_500} value={values.kept_days ?? 90} onChange={(value) => change({ kept_days: value ?? 90 })} />
          </>
        )}
      </GroupForm>
      {may && (
        <Card title={say("test_email")}>
          <Text label={say("recipient")} value={to} onChange={setTo} />
          <div>
            <Button variant="secondary" isLoading={test.isPending} isDisabled={!to} onClick={() => test.mutate({ body: { to } as never })}>
              {say("send_test")}
            </Button>
          </div>
          <div role="status">{test.data && (test.data.ok ? say("test_sent") : test.data.detail)}</div>
          <Refusal error={test.error} />
        </Card>
      )}
      <Webhooks may={may} />
    </div>
  );
}
