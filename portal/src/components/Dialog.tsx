/** One dialog at a time: a form in it is sent once, its refusal stays visible, Escape closes it. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Modal, ModalBody, ModalFooter, ModalHeader, ModalVariant } from "@patternfly/react-core/dist/esm/components/Modal";
import { useState, type ReactNode } from "react";
import { ApiError } from "../lib/api";
import { useSay } from "../lib/i18n";
import { Area } from "./fields";
import { useReason } from "./States";
import { Copyable } from "./Copy";

interface DialogProps {
  title: string;
  close: () => void;
  children: ReactNode;
  footer?: ReactNode;
  /** "full": the whole window. */
  size?: "small" | "medium" | "large" | "full";
}

export function Dialog({ title, close, children, footer, size = "medium" }: DialogProps) {
  return (
    <Modal isOpen {...(size === "full" ? { width: "100%", maxWidth: "98vw", className: "lm-full" } : { variant: ModalVariant[size] })} onClose={close} aria-labelledby="dialog-title" aria-describedby="dialog-body">
      <ModalHeader title={title} labelId="dialog-title" />
      <ModalBody id="dialog-body" tabIndex={0}>
        {children}
      </ModalBody>
      {footer && <ModalFooter>{footer}</ModalFooter>}
    </Modal>
  );
}

/** A refusal inside a dialog or form. */
export function Refusal({ error }: { error: unknown }) {
  const say = useSay();
  const reason = useReason();
  if (!error) return null;
  const requestId = error instanceof ApiError ? error.requestId : null;
  return (
    <div className="lm-failure" role="alert">
      <p>{reason(error)}</p>
      {requestId && <Copyable text={requestId} label={say("request_id")} />}
    </div>
  );
}

interface FormDialogProps {
  title: string;
  submit: string;
  close: () => void;
  send: () => Promise<unknown>;
  busy: boolean;
  error: unknown;
  children: ReactNode;
  danger?: boolean;
  size?: "small" | "medium" | "large";
  isDisabled?: boolean;
}

export function FormDialog({ title, submit, close, send, busy, error, children, danger, size, isDisabled }: FormDialogProps) {
  const say = useSay();
  const footer = (
    <>
      <Button type="submit" form="dialog-form" variant={danger ? "danger" : "primary"} isLoading={busy} isDisabled={busy || isDisabled === true}>
        {submit}
      </Button>
      <Button variant="link" onClick={close}>
        {say("cancel")}
      </Button>
    </>
  );
  return (
    <Dialog title={title} close={busy ? () => undefined : close} footer={footer} {...(size ? { size } : {})}>
      <form
        id="dialog-form"
        className="lm-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          event.stopPropagation();
          if (!busy) void send();
        }}
      >
        {children}
        <Refusal error={error} />
      </form>
    </Dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: ReactNode;
  submit: string;
  close: () => void;
  act: (reason: string) => Promise<unknown>;
  danger?: boolean;
  /** Asks for a reason; "required" does not go on without. */
  reason?: "optional" | "required";
}

export function Confirm({ title, text, submit, close, act, danger = true, reason }: ConfirmProps) {
  const say = useSay();
  const [written, setWritten] = useState("");
  const [missing, setMissing] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const send = async () => {
    if (reason === "required" && !written.trim()) return setMissing(true);
    setBusy(true);
    setError(null);
    try {
      await act(written.trim());
      close();
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  };
  return (
    <FormDialog title={title} submit={submit} close={close} send={send} busy={busy} error={error} danger={danger} size="small">
      <div>{text}</div>
      {reason && (
        <Area
          label={say("reason")}
          value={written}
          onChange={(value) => {
            setWritten(value);
            setMissing(false);
          }}
          isRequired={reason === "required"}
          error={missing ? say("field_required") : undefined}
        />
      )}
    </FormDialog>
  );
}
