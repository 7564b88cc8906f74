/** Who is on a list that somebody pastes? One person per line; of CSV, the first column. */
export interface Mistake {
  line: number;
  kind: "roster_empty" | "roster_twice" | "roster_long";
  name: string;
}

const MOST_CHARACTERS = 200;

/** The first cell of a line of CSV: quotes around it are not part of it, doubled ones inside are one. */
function firstCell(line: string): string {
  const quoted = /^\s*"((?:[^"]|"")*)"/.exec(line);
  const cell = quoted ? (quoted[1] ?? "").replaceAll('""', '"') : (line.split(/[,;\t]/)[0] ?? "");
  return cell.trim();
}

export function readRoster(text: string): { people: string[]; mistakes: Mistake[] } {
  const people = new Set<string>();
  const mistakes: Mistake[] = [];
  text.split(/\r?\n/).forEach((row, index) => {
    if (row.trim() === "") return;
    const name = firstCell(row);
    const kind = name === "" ? "roster_empty" : people.has(name) ? "roster_twice" : name.length > MOST_CHARACTERS ? "roster_long" : null;
    if (kind) mistakes.push({ line: index + 1, kind, name });
    else people.add(name);
  });
  return { people: [...people], mistakes };
}
