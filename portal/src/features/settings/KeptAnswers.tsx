/** Which answers are given again without asking a model? The settings of the installation say so; here they are forgotten. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card, Facts } from "../../components/Card";
import { Confirm } from "../../components/Dialog";
import { Loaded } from "../../components/States";
import { useGet, useSend, type Reply } from "../../lib/api";
import { milliseconds } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";

type Cache = Reply<"/api/v1/admin/answer-cache", "get">;

export function KeptAnswers() {
  const say = useSay();
  const found = useGet("/api/v1/admin/answer-cache");
  return (
    <Card title={say("kept_answers")}>
      <Loaded query={found}>{(cache: Cache) => (cache.type === "none" ? <p>{say("kept_in_none")}</p> : <Shown cache={cache} />)}</Loaded>
    </Card>
  );
}

function Shown({ cache }: { cache: Cache }) {
  const say = useSay();
  const may = useMay()("admin:settings:write");
  const forget = useSend("post", "/api/v1/admin/answer-cache/forget");
  const [asks, setAsks] = useState(false);
  return (
    <div className="lm-stack">
      <Facts
        facts={[
          [say("kept_in"), say(`kept_in_${cache.type}`)],
          [say("reachable"), cache.reachable !== null && say(cache.reachable ? "yes" : "no")],
          [say("kept_for"), milliseconds(cache.ttl_s * 1000)],
          [say("shared_by"), say(`shared_by_${cache.shared_by}`)],
        ]}
      />
      {may && (
        <div>
          <Button variant="secondary" isDanger onClick={() => setAsks(true)}>
            {say("forget_answers")}
          </Button>
        </div>
      )}
      {asks && (
        <Confirm
          title={say("forget_answers")}
          text={say("forget_answers_text")}
          submit={say("forget_answers")}
          close={() => setAsks(false)}
          act={async () => {
            await forget.mutateAsync({ body: { answers: null } });
            tell("success", say("answers_forgotten"));
          }}
        />
      )}
    </div>
  );
}
