import "@patternfly/react-core/dist/styles/base.css";
import "./app/app.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { App } from "./app/App";
import { queries } from "./lib/api";
import { begin, firstLanguage, SpeechProvider } from "./lib/i18n";
import { followSystem } from "./lib/theme";

/** A new version was installed while this page was open: what it has not loaded yet is gone. Once a minute at most. */
window.addEventListener("vite:preloadError", () => {
  const before = Number(history.state?.reloadedAt ?? 0);
  if (Date.now() - before < 60_000) return;
  history.replaceState({ ...history.state, reloadedAt: Date.now() }, "");
  location.reload();
});

const language = firstLanguage();
followSystem();
void begin(language).then(() => {
  createRoot(document.getElementById("root")!).render(
    <QueryClientProvider client={queries}>
      <SpeechProvider first={language}>
        <BrowserRouter>
          <App />
        </BrowserRouter>
      </SpeechProvider>
    </QueryClientProvider>,
  );
});
