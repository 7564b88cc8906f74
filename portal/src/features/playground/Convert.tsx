/** A small form for document conversion: an address in, Markdown out. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useMutation } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Card } from "../../components/Card";
import { CodeBlock } from "../../components/Copy";
import { Refusal } from "../../components/Dialog";
import { Text } from "../../components/fields";
import { post } from "../../lib/api";
import { useSay } from "../../lib/i18n";

const Prose = lazy(() => import("../../components/Prose"));

interface Answer {
  document?: { md_content?: string };
}

export function Convert({ keyId, model }: { keyId: string; model: string }) {
  const say = useSay();
  const [url, setUrl] = useState("");
  const convert = useMutation({ mutationFn: () => post<Answer>("/api/v1/playground/convert", { key_id: keyId, model, url }) });
  const markdown = convert.data?.document?.md_content;
  return (
    <Card title={say("type_convert")}>
      <Text label={say("document_address")} type="url" value={url} onChange={setUrl} placeholder="https://" />
      <div>
        <Button isLoading={convert.isPending} isDisabled={!url || convert.isPending} onClick={() => convert.mutate()}>
          {say("convert")}
        </Button>
      </div>
      <Refusal error={convert.error} />
      {markdown !== undefined && (
        <>
          <Suspense fallback={null}>
            <Prose text={markdown.slice(0, 20_000)} />
          </Suspense>
          <CodeBlock code={markdown} label="Markdown" />
        </>
      )}
    </Card>
  );
}
