/** A small table without paging: on phones each row is a block whose cells say what they are.
 *
 * The roles stand there because a table that is laid out as blocks is none to a screen reader any more.
 */
import type { ReactNode } from "react";

export function PlainTable({ caption, head, rows }: { caption: string; head: string[]; rows: ReactNode[][] }) {
  return (
    <table className="lm-plain" role="table">
      <caption className="pf-v6-screen-reader">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {head.map((name, column) => (
            <th key={name} scope="col" role="columnheader" className={column ? "lm-number" : ""}>
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
                <td key={column} role="cell" className="lm-number" data-label={head[column]}>
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
