/** Tabs that live in the address: links, so that each of them can be shared and "back" works. */
import { useSearchParams } from "react-router";
import { Link } from "react-router";

export function Tabs({ tabs, label, current }: { tabs: { key: string; text: string; to?: string }[]; label: string; current: string }) {
  return (
    <nav className="pf-v6-c-tabs lm-tabs" aria-label={label}>
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
