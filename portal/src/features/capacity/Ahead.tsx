/** Which workshops run or come, how many seats have they, and which of them meet? */
import { Link } from "react-router";
import { Card } from "../../components/Card";
import { Loaded } from "../../components/States";
import { useGet, type Reply } from "../../lib/api";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";

type Workshop = Reply<"/api/v1/workshops", "get">["data"][number];
const begins = (one: Workshop) => Date.parse(one.starts_at ?? one.created_at);
const ends = (one: Workshop) => (one.ends_at ? Date.parse(one.ends_at) : Infinity);
const nameOf = (one: Workshop) => one.title ?? one.guid;

export function Ahead() {
  const say = useSay();
  const may = useMay()("admin:workshops:read");
  const found = useGet("/api/v1/workshops", { query: { limit: 100 } }, { enabled: may });
  if (!may) return null;
  return (
    <Card title={say("workshops_ahead")} aside={<Link to="/workshops">{say("see_all")}</Link>}>
      <Loaded query={found}>
        {({ data }) => {
          const ahead = data.filter((one) => one.state !== "ended").sort((a, b) => begins(a) - begins(b));
          if (ahead.length === 0) return <p className="lm-subtle">{say("no_workshops_ahead")}</p>;
          return (
            <ul className="lm-items">
              {ahead.map((one) => (
                <li key={one.guid} className="lm-item">
                  <span className="lm-row">
                    <Link to={`/workshops/${encodeURIComponent(one.guid)}`}>{nameOf(one)}</Link>
                    <span>{say("seats_count", { count: one.seats })}</span>
                  </span>
                  <span className="lm-subtle">
                    {moment(one.starts_at ?? one.created_at)} – {one.ends_at ? moment(one.ends_at) : say("never")} · {one.models.join(", ")}
                  </span>
                  <Meets one={one} all={ahead} />
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Card>
  );
}

/** Only those that want a model of this one, too. */
function Meets({ one, all }: { one: Workshop; all: Workshop[] }) {
  const say = useSay();
  const met = all.filter((other) => other.guid !== one.guid && begins(other) < ends(one) && begins(one) < ends(other) && other.models.some((model) => one.models.includes(model)));
  return met.length > 0 ? <span className="lm-fair">{say("overlaps_with", { names: met.map(nameOf).join(", ") })}</span> : null;
}
