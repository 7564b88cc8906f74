// What does the compiler not see? Hooks, layers (lib ← components ← concepts ← features ← app) and words outside texts/*.tsv.
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

const LAYERS = ["lib", "components", "concepts", "features", "app"];

/** A layer knows only what is below it. A page may be loaded lazily from above, never imported from below. */
const layer = (name) => ({
  files: [`src/${name}/**/*.{ts,tsx}`],
  rules: {
    "no-restricted-imports": [
      "error",
      { patterns: LAYERS.slice(LAYERS.indexOf(name) + 1).map((above) => ({ regex: `^(\\.\\./)+${above}/`, message: `${name} does not know ${above}` })) },
    ],
  },
});

export default ts.config(
  { ignores: ["dist/**", "node_modules/**", "public/**", "src/lib/schema.d.ts"] },
  ...ts.configs.recommended,
  {
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "none" }],
    },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "no-restricted-syntax": [
        "error",
        { selector: "JSXText[value=/\\p{L}{2,}/u]:not([value=/^\\s*LiteMaaS\\s*$/])", message: "Words stand in texts/*.tsv." },
        { selector: "JSXAttribute[name.name=/^(aria-label|title|placeholder|alt|label)$/] > Literal[value=/\\p{L}{2,}/u]:not([value=/^(https?:|Markdown$|top-p$)/])", message: "Words stand in texts/*.tsv." },
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Markdown goes through Prose." },
      ],
      "no-restricted-globals": ["error", { name: "sessionStorage", message: "Nothing secret is stored; drafts have their own module." }],
    },
  },
  { files: ["src/lib/drafts.ts"], rules: { "no-restricted-globals": "off" } },
  ...LAYERS.slice(0, -1).map(layer),
);
