/** How does a table leave the browser as CSV? Quoted where needed; a cell never acts as a formula. */
type Cell = string | number | null;

function written(cell: Cell): string {
  if (typeof cell === "number") return String(cell);
  const text = cell ?? "";
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toCsv(rows: Cell[][]): string {
  return rows.map((row) => row.map(written).join(",")).join("\r\n") + "\r\n";
}

export function saveCsv(name: string, rows: Cell[][]): void {
  saveText(`${name}.csv`, toCsv(rows), "text/csv");
}

export function saveText(name: string, text: string, type: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
