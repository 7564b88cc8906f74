/** Toasts: a live region; success leaves after eight seconds unless somebody is looking at it. */
import { Alert, AlertActionCloseButton, AlertGroup } from "@patternfly/react-core/dist/esm/components/Alert";
import { useSay } from "../lib/i18n";
import { dismiss, useToasts } from "../lib/toasts";
import { Copyable } from "./Copy";

export default function Toasts() {
  const say = useSay();
  const toasts = useToasts();
  return (
    <AlertGroup isToast isLiveRegion aria-label={say("notifications")}>
      {toasts.map((toast) => (
        <Alert
          key={toast.id}
          variant={toast.kind}
          title={toast.text}
          timeout={toast.kind === "success" ? 8000 : false}
          onTimeout={() => dismiss(toast.id)}
          actionClose={
            <AlertActionCloseButton variantLabel={say(toast.kind)} title={toast.text} onClose={() => dismiss(toast.id)} />
          }
        >
          {toast.detail}
          {toast.requestId && <Copyable text={toast.requestId} label={say("request_id")} />}
        </Alert>
      ))}
    </AlertGroup>
  );
}
