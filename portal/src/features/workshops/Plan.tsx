/** The wizard: a workshop in five steps, of which the last one says what it can cost at most before anything is made. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useEffect, useRef, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { Refusal } from "../../components/Dialog";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { useGet, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useDraft } from "../../lib/drafts";
import { useSession } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { bodyOf, emptyDraft, mends, STEPS, type Draft } from "./plan";
import { Basics, Models, Money, Seats } from "./PlanSteps";
import { Review } from "./Review";
import { useKeptDraft, type Kept } from "./keptDraft";
import "../../components/workshops.css";

/** A new plan, or one that was kept. */
export default function Plan() {
  const [params] = useSearchParams();
  const id = params.get("draft");
  return id === null ? <Wizard kept={null} /> : <Continued key={id} id={id} />;
}

function Continued({ id }: { id: string }) {
  const say = useSay();
  const found = useGet("/api/v1/workshop-drafts/{draft_id}", { path: { draft_id: id } }, { staleTime: 0 });
  // What an earlier visit read may be older than what was kept since.
  if (found.data && found.isFetchedAfterMount) return <Wizard kept={found.data} />;
  return (
    <Page title={say("plan_workshop")} crumb={{ to: "/workshops", text: say("workshops") }}>
      <Loaded query={found}>{() => null}</Loaded>
    </Page>
  );
}

function Wizard({ kept }: { kept: Kept | null }) {
  const say = useSay();
  const navigate = useNavigate();
  const { session } = useSession();
  const create = useSend("post", "/api/v1/workshops");
  const [draft, setDraft] = useDraft<Draft>(`workshop.${kept?.id ?? "new"}`, () => ({ ...emptyDraft(session?.user.username ?? ""), ...kept?.content }));
  const keeping = useKeptDraft(kept, draft);
  const [at, setAt] = useState(0);
  const [shown, setShown] = useState<Record<string, string>>({});
  const heading = useRef<HTMLHeadingElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const step = STEPS[at]!;
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    if (draft.title !== "" && !keeping.isKept) window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [draft.title, keeping.isKept]);
  const set = (changes: Partial<Draft>) => {
    setDraft({ ...draft, ...changes });
    setShown({});
  };
  const go = (to: number) => {
    setAt(to);
    create.reset();
    setTimeout(() => heading.current?.focus());
  };
  const next = async () => {
    const found = mends(draft, step, say);
    setShown(found);
    if (Object.keys(found).length > 0) {
      setTimeout(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    if (step !== "step_review") return go(at + 1);
    const made = await create.mutateAsync({ body: bodyOf(draft) }).catch(() => null);
    if (!made) return;
    tell("success", say("workshop_created", { name: draft.title }));
    keeping.forget();
    void navigate(`/workshops/${made.guid}/handouts`);
  };
  const fields = { draft, set, errors: shown };
  return (
    <Page title={say("plan_workshop")} subtitle={say("plan_workshop_subtitle")} crumb={{ to: "/workshops", text: say("workshops") }}>
      <div className="lm-wizard">
        <nav aria-label={say("steps")}>
          <ol className="lm-steps">
            {STEPS.map((name, index) => (
              <li key={name} className={index < at ? "lm-done" : ""} aria-current={index === at ? "step" : undefined}>
                {index < at ? (
                  <button type="button" className="lm-plain-button" onClick={() => go(index)}>
                    {say(name)}
                  </button>
                ) : (
                  <span className={index === at ? "lm-next" : "lm-subtle"}>{say(name)}</span>
                )}
              </li>
            ))}
          </ol>
        </nav>
        <form
          ref={form}
          className="lm-card lm-form"
          noValidate
          aria-label={say(step)}
          onSubmit={(event) => {
            event.preventDefault();
            if (!create.isPending) void next();
          }}
        >
          <h2 ref={heading} tabIndex={-1}>
            {say(step)}
          </h2>
          {step === "step_basics" && <Basics {...fields} />}
          {step === "step_seats" && <Seats {...fields} />}
          {step === "step_models" && <Models {...fields} />}
          {step === "step_money" && <Money {...fields} />}
          {step === "step_review" && <Review draft={draft} />}
          <Refusal error={create.error ?? keeping.error} />
          <div className="lm-actions">
            <Button type="submit" isLoading={create.isPending} isDisabled={create.isPending}>
              {say(step === "step_review" ? "create_workshop" : "next_step")}
            </Button>
            {at > 0 && (
              <Button variant="secondary" onClick={() => go(at - 1)}>
                {say("previous_step")}
              </Button>
            )}
            <Button variant="secondary" isLoading={keeping.isBusy} isDisabled={keeping.isBusy || keeping.isKept} onClick={() => void keeping.keep()}>
              {say(keeping.isKept ? "draft_is_kept" : "keep_draft")}
            </Button>
            <Button variant="link" onClick={() => void navigate("/workshops")}>
              {say("cancel")}
            </Button>
          </div>
        </form>
      </div>
    </Page>
  );
}
