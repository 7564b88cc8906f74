/** A small form for embeddings: texts in, vectors out, and how alike they are. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Card } from "../../components/Card";
import { CodeBlock } from "../../components/Copy";
import { Refusal } from "../../components/Dialog";
import { Area } from "../../components/fields";
import { GridTable } from "../../components/charts/ChartCard";
import { post } from "../../lib/api";
import { useSay } from "../../lib/i18n";

function likeness(a: number[], b: number[]): number {
  const dot = a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
  const length = (vector: number[]) => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return dot / (length(a) * length(b) || 1);
}

interface Answer {
  data?: { embedding: number[] }[];
}

export function Embed({ keyId, model }: { keyId: string; model: string }) {
  const say = useSay();
  const [text, setText] = useState("");
  const embed = useMutation({ mutationFn: (input: string[]) => post<Answer>("/api/v1/playground/embeddings", { key_id: keyId, model, input }) });
  const inputs = text.split("\n").map((line) => line.trim()).filter(Boolean).slice(0, 10);
  const vectors = (embed.data?.data ?? []).map((one) => one.embedding);
  const names = vectors.map((_, index) => String(index + 1));
  return (
    <Card title={say("type_embeddings")}>
      <Area label={say("texts_one_per_line")} rows={5} maxLength={20_000} value={text} onChange={setText} />
      <div>
        <Button isLoading={embed.isPending} isDisabled={inputs.length === 0 || embed.isPending} onClick={() => embed.mutate(inputs)}>
          {say("send")}
        </Button>
      </div>
      <Refusal error={embed.error} />
      {vectors.length > 0 && (
        <>
          <p>{say("vectors_of", { count: vectors.length, size: vectors[0]!.length })}</p>
          {vectors.length > 1 && <GridTable caption={say("likeness")} grid={{ head: [say("likeness"), ...names], rows: vectors.map((a, row) => [names[row]!, ...vectors.map((b) => likeness(a, b))]), show: (value, column) => (column ? Number(value).toFixed(3) : String(value)) }} />}
          <CodeBlock code={JSON.stringify(vectors[0]!.slice(0, 16))} label={say("first_values")} />
        </>
      )}
    </Card>
  );
}
