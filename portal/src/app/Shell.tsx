/** The frame around all pages: masthead, menu, banners, the page, the drawer of notifications, the warning before sign-out.
 *
 * It has PatternFly's classes and none of its components: these bring the code of drawers, flyouts and scroll buttons into the
 * first view, which has none of them.
 */
import "@patternfly/patternfly/components/Masthead/masthead.css";
import "@patternfly/patternfly/components/Nav/nav.css";
import "@patternfly/patternfly/components/Page/page.css";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import BarsIcon from "@patternfly/react-icons/dist/esm/icons/bars-icon";
import { lazy, Suspense, useState, type MouseEvent, type ReactNode } from "react";
import { Link } from "react-router";
import { Brand, Support } from "../components/Brand";
import { Boundary } from "../components/States";
import { useSay } from "../lib/i18n";
import { useConfig } from "../lib/product";
import { AccountBar } from "./AccountBar";
import { Banners } from "./Banners";
import { Menu, MENU_ID } from "./Menu";
import { SessionWatch } from "./SessionWatch";
import { useSidebar } from "./sidebar";

const NotificationDrawer = lazy(() => import("../features/notifications/Drawer"));

export function Shell({ children }: { children: ReactNode }) {
  const say = useSay();
  const [drawer, setDrawer] = useState(false);
  const sidebar = useSidebar();
  const config = useConfig().data;
  /** It is there only once it is open. */
  const toMenu = (event: MouseEvent) => {
    event.preventDefault();
    sidebar.open();
    setTimeout(() => document.getElementById(MENU_ID)?.focus());
  };
  return (
    <div className="pf-v6-c-page">
      <a className="lm-skip" href="#content">
        {say("skip_to_content")}
      </a>
      <a className="lm-skip" href={`#${MENU_ID}`} onClick={toMenu}>
        {say("skip_to_navigation")}
      </a>
      <header className="pf-v6-c-masthead pf-m-display-inline">
        <div className="pf-v6-c-masthead__main">
          <span className="pf-v6-c-masthead__toggle">
            <Button variant="plain" id="menu-toggle" icon={<BarsIcon />} aria-label={say("menu")} aria-expanded={sidebar.isOpen} aria-controls={MENU_ID} onClick={sidebar.turn} />
          </span>
          <div className="pf-v6-c-masthead__brand">
            <Link to="/" className="lm-brand">
              <Brand />
            </Link>
          </div>
        </div>
        <div className="pf-v6-c-masthead__content">
          <Boundary>
            <AccountBar drawerIsOpen={drawer} toggleDrawer={() => setDrawer(!drawer)} />
          </Boundary>
        </div>
      </header>
      <Boundary>
        <Menu sidebar={sidebar} />
      </Boundary>
      <div className="pf-v6-c-page__main-container" onPointerDown={sidebar.leave}>
        <main className="pf-v6-c-page__main" id="content" tabIndex={-1}>
          <div className="lm-frame">
            <div className="lm-column">
              <Boundary>
                <Banners />
              </Boundary>
              <SessionWatch />
              <section className="pf-v6-c-page__main-section pf-m-fill">
                <div className="pf-v6-c-page__main-body">{children}</div>
              </section>
              <footer className="lm-footer">
                <span>LiteMaaS {config?.version}</span> <a href="/docs">{say("api_documentation")}</a>
                <Support />
                {config?.branding.footer && <span>{config.branding.footer}</span>}
              </footer>
            </div>
            {drawer && (
              <Boundary>
                <Suspense fallback={null}>
                  <NotificationDrawer close={() => setDrawer(false)} />
                </Suspense>
              </Boundary>
            )}
          </div>
        </main>
      </div>
    </div>
  );
}
