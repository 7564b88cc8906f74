/** A small table without paging: on phones each row is a block whose cells say what they are.
 *
 * The roles stand there because a table that is laid out as blocks is none to a screen reader any more.
 */
import type { ReactNode } from "react";

interface PlainTableProps {
  caption: string;
  head: string[];
  rows: ReactNode[][];
  /** Words stand at the left, also behind the first column. */
  isOfWords?: boolean;
}

export function PlainTable({ caption, head, rows, isOfWords }: PlainTableProps) {
  const side = isOfWords ? "" : "lm-number";
  return (
    <table className="lm-plain" role="table">
      <caption className="pf-v6-screen-reader">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {head.map((name, column) => (
            <th key={name} scope="col" role="columnheader" className={column ? side : ""}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row, index) => (
          <tr key={index} role="row">
            {row.map((cell, column) =>
              column ? (
                <td key={column} role="cell" className={side} data-label={head[column]}>
                  {cell}
                </td>
              ) : (
                <th key={column} scope="row" role="rowheader" data-label={head[0]}>
                  {cell}
                </th>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
