/** The frame of a form that stays on its page: its fields, what stands in the way of saving, and the two ways out. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import type { FormEvent, ReactNode } from "react";
import { useSay } from "../lib/i18n";
import { Refusal } from "./Dialog";

interface GuardedFormProps {
  /** Of `useGuardedForm`. */
  form: { submit: (event: FormEvent) => void; isTouched: boolean; reset: () => void; conflict: ReactNode };
  /** Who may not change anything sees the values. */
  may: boolean;
  sending: { isPending: boolean; error: unknown };
  children: ReactNode;
}

export function GuardedForm({ form: { submit, isTouched, reset, conflict }, may, sending, children }: GuardedFormProps) {
  const say = useSay();
  return (
    <form className="lm-form" onSubmit={submit}>
      <fieldset disabled={!may} className="lm-form lm-bare">
        {children}
      </fieldset>
      {conflict ?? <Refusal error={sending.error} />}
      {may && (
        <div className="lm-actions">
          <Button type="submit" isLoading={sending.isPending} isDisabled={!isTouched || sending.isPending || Boolean(conflict)}>
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
