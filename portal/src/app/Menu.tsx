/** The menu: the pages that the person may open, one's own first, then those of the administration under the role's name. */
import { useEffect, useRef } from "react";
import { Link, useLocation } from "react-router";
import { useGet } from "../lib/api";
import { count } from "../lib/format";
import { useSay } from "../lib/i18n";
import { useMay, useSession } from "../lib/session";
import { mayOpen, PLACES, type Place } from "./routes";
import type { Sidebar } from "./sidebar";

export const MENU_ID = "menu";
const EVERY_MS = 120_000;

export function Menu({ sidebar }: { sidebar: Sidebar }) {
  const say = useSay();
  const may = useMay();
  const { session } = useSession();
  const { pathname } = useLocation();
  const { isOpen, isAbove, leave } = sidebar;
  useEffect(leave, [pathname, leave]);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void box.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [pathname]);
  const visible = PLACES.filter((place) => place.menu && mayOpen(place, may, session?.organises_workshops === true));
  const of = (group: Place["menu"]) => visible.filter((place) => place.menu === group).map((place) => <Item key={place.path} place={place} pathname={pathname} />);
  const administration = of("admin");
  const role = session?.roles.includes("admin") ? "role_admin" : "role_adminReadonly";
  const state = isOpen ? (isAbove ? " pf-m-expanded" : "") : " pf-m-collapsed";
  return (
    <div
      ref={box}
      className={`pf-v6-c-page__sidebar${state}`}
      inert={!isOpen}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !isAbove) return;
        leave();
        document.getElementById("menu-toggle")?.focus();
      }}
    >
      <div className="pf-v6-c-page__sidebar-main">
        <div className="pf-v6-c-page__sidebar-body">
          <nav className="pf-v6-c-nav" id={MENU_ID} tabIndex={-1} aria-label={say("main_menu")}>
            <ul className="pf-v6-c-nav__list" role="list">
              {of("own")}
            </ul>
            {administration.length > 0 && (
              <section className="pf-v6-c-nav__section" aria-labelledby="menu-role">
                <h2 className="pf-v6-c-nav__section-title" id="menu-role">
                  {say(role)}
                </h2>
                <ul className="pf-v6-c-nav__list" role="list">
                  {administration}
                </ul>
              </section>
            )}
          </nav>
        </div>
      </div>
    </div>
  );
}

function Item({ place, pathname }: { place: Place; pathname: string }) {
  const say = useSay();
  const isHere = pathname === place.path || (place.path !== "/" && pathname.startsWith(`${place.path}/`));
  return (
    <li className="pf-v6-c-nav__item">
      <Link to={place.path} className={`pf-v6-c-nav__link${isHere ? " pf-m-current" : ""}`} aria-current={isHere ? "page" : undefined}>
        {say(place.title)}
        {place.path === "/admin/subscriptions" && <Waiting />}
      </Link>
    </li>
  );
}

/** How many requests wait for a decision. */
function Waiting() {
  const say = useSay();
  const waiting = useGet("/api/v1/admin/subscriptions/stats", {}, { refetchInterval: EVERY_MS }).data?.pending ?? 0;
  if (waiting === 0) return null;
  return (
    <span className="lm-waiting">
      <span aria-hidden="true">{count(waiting)}</span>
      <span className="pf-v6-screen-reader">{say("requests_waiting", { count: waiting })}</span>
    </span>
  );
}
