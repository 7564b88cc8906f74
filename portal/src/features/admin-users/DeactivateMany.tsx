/** Several people lose access at once: who they are, and how many keys that work stop with it. */
import { useQueries } from "@tanstack/react-query";
import { Confirm } from "../../components/Dialog";
import { call, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";

/** So many people's keys are counted before it is asked; of more, only the people are. */
const MOST_COUNTED = 20;
const MOST_NAMED = 10;

interface DeactivateManyProps {
  /** Names by id. */
  people: ReadonlyMap<string, string>;
  close: () => void;
  done: () => void;
}

export function DeactivateMany({ people, close, done }: DeactivateManyProps) {
  const say = useSay();
  const bulk = useSend("post", "/api/v1/admin/users/bulk");
  const ids = [...people.keys()];
  const keys = useQueries({
    queries: ids.slice(0, MOST_COUNTED).map((user_id) => ({
      queryKey: ["/api/v1/admin/users/{user_id}", { path: { user_id } }],
      queryFn: () => call("get", "/api/v1/admin/users/{user_id}", { path: { user_id } }),
    })),
  });
  const isCounted = ids.length <= MOST_COUNTED && keys.every((one) => one.data);
  const live = keys.reduce((sum, one) => sum + (one.data?.keys.active ?? 0), 0);
  const act = async (reason: string) => {
    const outcome = await bulk.mutateAsync({ body: { action: "deactivate", user_ids: ids, ...(reason ? { reason } : {}) } as never });
    tell("success", say("n_users_deactivated", { count: outcome.updated }));
    done();
  };
  return (
    <Confirm
      title={say("deactivate_n", { count: ids.length })}
      text={
        <>
          <p>{isCounted ? say("deactivate_text", { count: live }) : say("deactivate_many_text")}</p>
          <ul className="lm-items">
            {[...people.values()].slice(0, MOST_NAMED).map((name) => (
              <li key={name}>{name}</li>
            ))}
            {ids.length > MOST_NAMED && <li>{say("n_more_people", { count: ids.length - MOST_NAMED })}</li>}
          </ul>
        </>
      }
      submit={say("deactivate")}
      reason="optional"
      close={close}
      act={act}
    />
  );
}
