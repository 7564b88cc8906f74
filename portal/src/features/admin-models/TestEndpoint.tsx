/** Does the address answer, and does it know the model? Asked by the server. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useEffect } from "react";
import { Refusal } from "../../components/Dialog";
import { useSend, type BodyOf, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import type { EndpointDraft } from "./Endpoints";

const GOOD = ["model_found", "endpoint_reachable"];

export function TestEndpoint({ draft, type, held }: { draft: EndpointDraft; type: Reply<"/api/v1/admin/models/{model_id}", "get">["type"]; held?: string }) {
  const say = useSay();
  const test = useSend("post", "/api/v1/admin/models/test");
  const { reset } = test;
  useEffect(() => reset(), [draft.api_base, draft.api_key, draft.engine_model, reset]);
  const body = {
    api_base: draft.api_base,
    type,
    ...(draft.engine_model ? { engine_model: draft.engine_model } : {}),
    ...(draft.api_key ? { api_key: draft.api_key } : held ? { endpoint_id: held } : {}),
  } as BodyOf<"/api/v1/admin/models/test", "post">;
  const found = test.data;
  return (
    <div className="lm-stack">
      <div>
        <Button variant="secondary" isLoading={test.isPending} isDisabled={!draft.api_base || test.isPending} onClick={() => test.mutate({ body })}>
          {say("test_configuration")}
        </Button>
      </div>
      <div role="status">
        {found && (
          <p className={`lm-banner ${GOOD.includes(found.result) ? "lm-success" : "lm-warning"}`}>
            {say(`test_${found.result}` as Key)} {found.models.length > 0 && found.result === "model_not_found" && found.models.join(", ")}
          </p>
        )}
      </div>
      <Refusal error={test.error} />
    </div>
  );
}
