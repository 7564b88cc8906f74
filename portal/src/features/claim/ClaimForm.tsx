/** A code and, if one likes, a name: then the seat is one's own. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Refusal } from "../../components/Dialog";
import { Text } from "../../components/fields";
import { ApiError, queries, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";

export function ClaimForm({ id, code: given, entered }: { id: string; code: string; entered: () => void }) {
  const say = useSay();
  const claim = useSend("post", "/api/v1/claims/{guid}");
  const [code, setCode] = useState(given);
  const [nickname, setNickname] = useState("");
  const [isMissing, setMissing] = useState(false);
  const isWrong = claim.error instanceof ApiError && claim.error.code === "WRONG_CODE";
  const send = async () => {
    if (!code.trim()) return setMissing(true);
    const path = { guid: id };
    await claim.mutateAsync({ path, body: { code, nickname: nickname.trim() } }).then(
      (seat) => {
        queries.setQueryData(["/api/v1/claims/{guid}/seat", { path }], seat);
        entered();
      },
      () => undefined,
    );
  };
  return (
    <form
      className="lm-card lm-form"
      noValidate
      aria-label={say("claim_your_seat")}
      onSubmit={(event) => {
        event.preventDefault();
        if (!claim.isPending) void send();
      }}
    >
      <h2>{say("claim_your_seat")}</h2>
      <Text
        label={say("code")}
        value={code}
        maxLength={40}
        onChange={(value) => {
          setCode(value);
          setMissing(false);
          claim.reset();
        }}
        help={say("claim_code_help")}
        isRequired
        error={isMissing ? say("field_required") : isWrong ? say("wrong_code") : undefined}
      />
      <Text label={say("nickname")} value={nickname} maxLength={60} onChange={setNickname} help={say("nickname_help")} />
      {!isWrong && <Refusal error={claim.error} />}
      <Button type="submit" size="lg" isLoading={claim.isPending} isDisabled={claim.isPending}>
        {say("claim_now")}
      </Button>
    </form>
  );
}
