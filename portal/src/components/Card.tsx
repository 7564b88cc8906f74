/** A card: a heading, an optional link at its right, content. Facts: names and values in pairs. */
import type { ReactNode } from "react";
import { Boundary } from "./States";

export function Card({ title, aside, children, wide }: { title: ReactNode; aside?: ReactNode; children: ReactNode; wide?: boolean }) {
  return (
    <section className={wide ? "lm-card lm-wide-card" : "lm-card"}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      <Boundary>{children}</Boundary>
    </section>
  );
}

export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="lm-facts">
      {facts
        .filter(([, value]) => value !== null && value !== undefined && value !== false)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function Figure({ name, value, exact, note }: { name: string; value: ReactNode; exact?: string; note?: ReactNode }) {
  return (
    <div className="lm-figure">
      <span>{name}</span>
      <strong title={exact}>{value}</strong>
      {note}
    </div>
  );
}
