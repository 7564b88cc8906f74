/** A text as a QR code: one path in an SVG, dark on white in every theme, with the quiet zone that readers need. */
import qrcode from "qrcode-generator";
import { useMemo } from "react";

const QUIET = 4;

export function QrCode({ text, label }: { text: string; label: string }) {
  const { path, size } = useMemo(() => drawn(text), [text]);
  return (
    <svg className="lm-qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}

function drawn(text: string): { path: string; size: number } {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const modules = code.getModuleCount();
  const every = Array.from({ length: modules }, (_, index) => index);
  const path = every.flatMap((row) => every.filter((column) => code.isDark(row, column)).map((column) => `M${column + QUIET} ${row + QUIET}h1v1h-1z`));
  return { path: path.join(""), size: modules + 2 * QUIET };
}
