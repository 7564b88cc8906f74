/** Who is expected, a name per line; which lines cannot be read is said below. */
import { Area } from "../../components/fields";
import { useSay } from "../../lib/i18n";
import { readRoster } from "./roster";

const SHOWN = 10;

interface RosterFieldProps {
  label: string;
  value: string;
  rows: number;
  onChange: (roster: string) => void;
  isRequired?: boolean;
  error?: string | undefined;
}

export function RosterField({ value, isRequired = false, ...field }: RosterFieldProps) {
  const say = useSay();
  const { people, mistakes } = readRoster(value);
  return (
    <>
      <Area {...field} value={value} maxLength={500_000} isRequired={isRequired} help={people.length || isRequired ? say("n_people", { count: people.length }) : undefined} />
      {mistakes.length > 0 && (
        <ul className="lm-bad" role="alert">
          {mistakes.slice(0, SHOWN).map(({ line, kind, name }) => (
            <li key={line}>{say(kind, { line, name })}</li>
          ))}
        </ul>
      )}
    </>
  );
}
