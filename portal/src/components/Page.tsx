/** The frame of every page: title in the window, one heading that gets the focus, subtitle left, actions right. */
import { useEffect, useRef, type ReactNode } from "react";
import { Link, useLocation } from "react-router";
import { useSay } from "../lib/i18n";
import { useProduct } from "../lib/product";

interface PageProps {
  title: string;
  subtitle?: ReactNode;
  actions?: ReactNode;
  crumb?: { to: string; text: string };
  labels?: ReactNode;
  children: ReactNode;
}

let shown: string | null = location.pathname;

export function Page({ title, subtitle, actions, crumb, labels, children }: PageProps) {
  const say = useSay();
  const product = useProduct();
  const heading = useRef<HTMLHeadingElement>(null);
  const { pathname } = useLocation();
  useEffect(() => {
    document.title = `${title} · ${product}`;
  }, [title, product]);
  useEffect(() => {
    if (pathname !== shown && (document.activeElement === document.body || document.activeElement?.closest("nav"))) heading.current?.focus();
    shown = pathname;
  }, [pathname]);
  return (
    <div className="lm-page">
      {crumb && (
        <nav className="lm-crumb" aria-label={say("breadcrumb")}>
          <Link to={crumb.to}>{crumb.text}</Link> <span aria-hidden="true">/</span> <span aria-current="page">{title}</span>
        </nav>
      )}
      <header className="lm-page-head">
        <div>
          <h1 tabIndex={-1} ref={heading}>
            {title} {labels}
          </h1>
          {subtitle && <p className="lm-subtle">{subtitle}</p>}
        </div>
        {actions && <div className="lm-actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}
