/** One dialog at a time: a form in it is sent once, its refusal stays visible, Escape closes it; what was typed is not lost by that. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Modal, ModalBody, ModalFooter, ModalHeader, ModalVariant } from "@patternfly/react-core/dist/esm/components/Modal";
import { useId, useRef, useState, type ReactNode } from "react";
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
  /** What has the focus at first, as a selector. */
  focus?: string;
}

export function Dialog({ title, close, children, footer, size = "medium", focus }: DialogProps) {
  const id = useId();
  return (
    <Modal isOpen {...(size === "full" ? { width: "100%", maxWidth: "98vw", className: "lm-full" } : { variant: ModalVariant[size] })} onClose={close} aria-labelledby={`${id}-title`} aria-describedby={`${id}-body`} {...(focus ? { elementToFocus: focus } : {})}>
      <ModalHeader title={title} labelId={`${id}-title`} />
      <ModalBody id={`${id}-body`} tabIndex={0}>
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
  focus?: string;
  /** Stands where the refusal would: what others have saved meanwhile. */
  conflict?: ReactNode;
}

const CANCEL = "dialog-cancel";

/** The first field that must be mended has the focus; of a group, the first of its fields. */
function focusInvalid(form: HTMLFormElement): void {
  const wrong = form.querySelector<HTMLElement>("[aria-invalid=true]");
  (wrong?.matches("fieldset") ? wrong.querySelector<HTMLElement>("input, select, textarea") : wrong)?.focus();
}

export function FormDialog({ title, submit, close, send, busy, error, children, danger, size, isDisabled, focus, conflict }: FormDialogProps) {
  const say = useSay();
  const touched = useRef(false);
  const [asks, setAsks] = useState(false);
  /** Small dialogs only confirm something; what is typed in others is asked about once. */
  const leave = () => (touched.current && !asks && size !== "small" ? setAsks(true) : close());
  const footer = asks ? (
    <>
      <span role="alert">{say("discard_typed")}</span>
      <Button variant="danger" onClick={close}>
        {say("discard")}
      </Button>
      <Button variant="secondary" autoFocus onClick={() => setAsks(false)}>
        {say("keep_editing")}
      </Button>
    </>
  ) : (
    <>
      <Button type="submit" form="dialog-form" variant={danger ? "danger" : "primary"} isLoading={busy} isDisabled={busy || isDisabled === true || Boolean(conflict)}>
        {submit}
      </Button>
      <Button variant="link" id={CANCEL} onClick={leave}>
        {say("cancel")}
      </Button>
    </>
  );
  return (
    <Dialog title={title} close={busy ? () => undefined : leave} footer={footer} {...(size ? { size } : {})} {...(focus ? { focus } : {})}>
      <form
        id="dialog-form"
        className="lm-form"
        noValidate
        onChange={() => (touched.current = true)}
        onSubmit={(event) => {
          event.preventDefault();
          event.stopPropagation();
          const form = event.currentTarget;
          if (!busy) void Promise.resolve(send()).finally(() => setTimeout(() => focusInvalid(form)));
        }}
      >
        {children}
        {conflict ?? <Refusal error={error} />}
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
    <FormDialog title={title} submit={submit} close={close} send={send} busy={busy} error={error} danger={danger} size="small" focus={`#${CANCEL}`}>
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
