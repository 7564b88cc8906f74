// What of PatternFly's style sheets does nobody here see? Themes that cannot be switched on, parts of components that are not
// used, and the icon font: icons are drawings here. Rules go file by file, so a file's hash still says what is in it.

/** In a selector, unless inside :not(). */
const NEVER = /\.pf-v6-theme-(high-contrast|felt|glass)\b|pf-v6-pficon|\.pf-v6-c-(nav|page|masthead)\S*?\.pf-m-(docked|horizontal|subnav|flyout|text-expanded)\b|\.pf-v6-c-page__(dock|main-subnav|main-tabs|main-wizard|drawer)|\.pf-v6-c-nav__(scroll|subnav|toggle)|\.pf-v6-c-(skip-to-content)/;
const GROUPS = /^@(media|supports|layer|container)/;

export function leanCss() {
  return {
    name: "litemaas-lean-css",
    enforce: "pre",
    transform(code, id) {
      const file = id.split("?")[0];
      return file.endsWith(".css") && file.includes("@patternfly") ? { code: lean(code), map: null } : null;
    },
  };
}

/** The style sheet without rules of which no selector can ever match. */
export function lean(css) {
  const kept = [];
  let at = 0;
  const plain = css.replace(/\/\*[\s\S]*?\*\//g, "");
  while (at < plain.length) {
    const opens = plain.indexOf("{", at);
    const ends = plain.indexOf(";", at);
    if (ends >= 0 && (opens < 0 || ends < opens)) {
      kept.push(plain.slice(at, ends + 1)); // @import, @charset
      at = ends + 1;
      continue;
    }
    if (opens < 0) break;
    const closes = closing(plain, opens);
    const head = plain.slice(at, opens).trim();
    const body = plain.slice(opens + 1, closes);
    kept.push(rule(head, body));
    at = closes + 1;
  }
  return kept.join("");
}

function rule(head, body) {
  if (GROUPS.test(head)) {
    const inner = lean(body);
    return inner.trim() ? `${head}{${inner}}` : "";
  }
  if (head.startsWith("@font-face")) return body.includes("pficon") ? "" : `${head}{${body}}`;
  if (head.startsWith("@")) return `${head}{${body}}`;
  const selectors = head.split(/,(?![^(]*\))/).filter((one) => !NEVER.test(withoutNot(one)));
  return selectors.length ? `${selectors.join(",")}{${body}}` : "";
}

/** What stands in :not(…) never needs to match; parentheses may be nested. */
function withoutNot(selector) {
  let found = selector;
  for (let at = found.indexOf(":not("); at >= 0; at = found.indexOf(":not(")) {
    let depth = 1;
    let end = at + 5;
    for (; end < found.length && depth > 0; end++) depth += found[end] === "(" ? 1 : found[end] === ")" ? -1 : 0;
    found = found.slice(0, at) + found.slice(end);
  }
  return found;
}

function closing(css, opens) {
  let depth = 0;
  for (let at = opens; at < css.length; at++) {
    if (css[at] === "{") depth += 1;
    else if (css[at] === "}" && --depth === 0) return at;
  }
  return css.length;
}
