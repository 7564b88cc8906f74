/** The frame around all pages: masthead, menu, banners, the page, the drawer of notifications, the warning before sign-out. */
import { Masthead, MastheadBrand, MastheadContent, MastheadMain, MastheadToggle } from "@patternfly/react-core/dist/esm/components/Masthead";
import { Nav, NavGroup, NavItem, NavList } from "@patternfly/react-core/dist/esm/components/Nav";
import { Page } from "@patternfly/react-core/dist/esm/components/Page/Page";
import { PageSection } from "@patternfly/react-core/dist/esm/components/Page/PageSection";
import { PageSidebar } from "@patternfly/react-core/dist/esm/components/Page/PageSidebar";
import { PageSidebarBody } from "@patternfly/react-core/dist/esm/components/Page/PageSidebarBody";
import { PageToggleButton } from "@patternfly/react-core/dist/esm/components/Page/PageToggleButton";
import BarsIcon from "@patternfly/react-icons/dist/esm/icons/bars-icon";
import { lazy, Suspense, useState, type ReactNode } from "react";
import { Link, useLocation } from "react-router";
import { Brand } from "../components/Brand";
import { useSay } from "../lib/i18n";
import { useConfig } from "../lib/product";
import { useMay, useSession } from "../lib/session";
import { AccountBar } from "./AccountBar";
import { Banners } from "./Banners";
import { mayOpen, PLACES } from "./routes";
import { SessionWatch } from "./SessionWatch";

const NotificationDrawer = lazy(() => import("../features/notifications/Drawer"));

export function Shell({ children }: { children: ReactNode }) {
  const say = useSay();
  const [drawer, setDrawer] = useState(false);
  const version = useConfig().data?.version;
  const masthead = (
    <Masthead>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton variant="plain" aria-label={say("menu")} id="menu-toggle">
            <BarsIcon />
          </PageToggleButton>
        </MastheadToggle>
        <MastheadBrand>
          <Link to="/" className="lm-brand">
            <Brand />
          </Link>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <AccountBar drawerIsOpen={drawer} toggleDrawer={() => setDrawer(!drawer)} />
      </MastheadContent>
    </Masthead>
  );
  return (
    <Page
      masthead={masthead}
      sidebar={<Menu />}
      isManagedSidebar
      mainContainerId="content"
      skipToContent={
        <a className="lm-skip" href="#content">
          {say("skip_to_content")}
        </a>
      }
    >
      <div className="lm-frame">
        <div className="lm-column">
          <Banners />
          <SessionWatch />
          <PageSection isFilled>{children}</PageSection>
          <footer className="lm-footer">
            <span>LiteMaaS {version}</span> <a href="/docs">{say("api_documentation")}</a>
          </footer>
        </div>
        {drawer && (
          <Suspense fallback={null}>
            <NotificationDrawer close={() => setDrawer(false)} />
          </Suspense>
        )}
      </div>
    </Page>
  );
}

function Menu() {
  const say = useSay();
  const may = useMay();
  const { session } = useSession();
  const { pathname } = useLocation();
  const visible = PLACES.filter((place) => place.menu && mayOpen(place, may, session?.organises_workshops === true));
  const items = (group: "own" | "admin") =>
    visible
      .filter((place) => place.menu === group)
      .map((place) => (
        <NavItem key={place.path} itemId={place.path} isActive={pathname === place.path || (place.path !== "/" && pathname.startsWith(`${place.path}/`))}>
          <Link to={place.path}>{say(place.title)}</Link>
        </NavItem>
      ));
  const administration = items("admin");
  const role = session?.roles.includes("admin") ? "role_admin" : "role_adminReadonly";
  return (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label={say("main_menu")}>
          <NavList>{items("own")}</NavList>
          {administration.length > 0 && <NavGroup title={say(role)}>{administration}</NavGroup>}
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
}
