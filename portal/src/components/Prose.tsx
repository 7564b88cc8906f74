/** Markdown as elements: HTML in it stays text, links open elsewhere, images are not fetched. */
import Markdown from "react-markdown";
import { useSay } from "../lib/i18n";
import { CodeBlock } from "./Copy";

export default function Prose({ text }: { text: string }) {
  const say = useSay();
  return (
    <div className="lm-prose">
      <Markdown
        disallowedElements={["img"]}
        components={{
          a: ({ href, children }) => (
            <a href={href} target="_blank" rel="noreferrer noopener">
              {children}
            </a>
          ),
          pre: ({ node }) => {
            const first = node?.children[0];
            const inner = first && "children" in first ? first.children[0] : undefined;
            const code = inner && "value" in inner ? String(inner.value) : "";
            return <CodeBlock code={code.replace(/\n$/, "")} label={say("code")} />;
          },
        }}
      >
        {text}
      </Markdown>
    </div>
  );
}
