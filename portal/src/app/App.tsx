/** What is on the screen: sign-in for whoever is not known, otherwise the shell with the page of the address. */
import { lazy, Suspense } from "react";
import { Link, Navigate, Route, Routes, useLocation } from "react-router";
import { useFavicon } from "../components/Brand";
import { Page } from "../components/Page";
import { Boundary, Failure, Loading } from "../components/States";
import { useSay } from "../lib/i18n";
import { useConfig } from "../lib/product";
import { SessionProvider, useMay, useSession, useSessionQuery } from "../lib/session";
import { useToasts } from "../lib/toasts";
import { Claim, mayOpen, PLACES, type Place } from "./routes";
import { Shell } from "./Shell";

const Login = lazy(() => import("../features/login/Login"));
const Toasts = lazy(() => import("../components/Toasts"));
const MOVED = { "/home": "/", "/chatbot": "/playground", "/admin/tools": "/admin/settings", "/admin/workshops": "/workshops" };

export function App() {
  const session = useSessionQuery();
  const toasts = useToasts();
  useConfig(); // draws everything anew once currency and time zone are known
  useFavicon();
  if (session.data === undefined)
    return (
      <main className="lm-alone">
        {session.error ? <Failure error={session.error} retry={() => void session.refetch()} /> : <Loading />}
      </main>
    );
  return (
    <SessionProvider session={session.data}>
      <Suspense fallback={<Loading />}>
        <Routes>
          <Route path="/login" element={session.data ? <Return /> : <Login />} />
          <Route path="/claim/:id" element={<Claim />} />
          <Route path="*" element={<SignedIn />} />
        </Routes>
      </Suspense>
      <Suspense fallback={null}>{toasts.length > 0 && <Toasts />}</Suspense>
    </SessionProvider>
  );
}

/** After sign-in: to where the person wanted to go; only to a path of this portal. */
function Return() {
  const wanted = new URLSearchParams(useLocation().search).get("return_to") ?? "/";
  return <Navigate to={/^\/(?![/\\])/.test(wanted) ? wanted : "/"} replace />;
}

function SignedIn() {
  const { session } = useSession();
  const say = useSay();
  const here = useLocation();
  if (!session) {
    const wanted = here.pathname + here.search + here.hash;
    return <Navigate to={`/login${wanted === "/" ? "" : `?return_to=${encodeURIComponent(wanted)}`}`} replace />;
  }
  return (
    <Shell>
      <Boundary key={here.pathname}>
        <Suspense fallback={<Loading rows={6} />}>
          <Routes>
            {PLACES.map((place) => (
              <Route key={place.path} path={place.path} element={<Guarded place={place} />} />
            ))}
            {Object.entries(MOVED).map(([from, to]) => (
              <Route key={from} path={from} element={<Navigate to={to} replace />} />
            ))}
            <Route path="*" element={<Nothing title={say("page_not_found")} text={say("page_not_found_text")} />} />
          </Routes>
        </Suspense>
      </Boundary>
    </Shell>
  );
}

/** Without the right the page is not loaded and asks for no data. */
function Guarded({ place }: { place: Place }) {
  const may = useMay();
  const say = useSay();
  const organises = useSession().session?.organises_workshops === true;
  if (!mayOpen(place, may, organises)) return <Nothing title={say("access_denied")} text={say("access_denied_text")} />;
  return <place.page />;
}

function Nothing({ title, text }: { title: string; text: string }) {
  const say = useSay();
  return (
    <Page title={title}>
      <p>{text}</p>
      <p>
        <Link to="/">{say("go_home")}</Link>
      </p>
    </Page>
  );
}
