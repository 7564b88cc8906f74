/** Tabs that live in the address: links, so that each of them can be shared and "back" works. */
import { useEffect, useRef } from "react";
import { Link, useSearchParams } from "react-router";

export function Tabs({ tabs, label, current }: { tabs: { key: string; text: string; to?: string }[]; label: string; current: string }) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    void box.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [current]);
  return (
    <nav className="pf-v6-c-tabs lm-tabs" aria-label={label} ref={box}>
      <ul>
        {tabs.map((tab) => (
          <li key={tab.key}>
            <Link to={tab.to ?? `?tab=${tab.key}`} aria-current={tab.key === current ? "page" : undefined}>
              {tab.text}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

export function useTab(first: string): string {
  const [params] = useSearchParams();
  return params.get("tab") ?? first;
}
