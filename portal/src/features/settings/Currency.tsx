/** In which currency is money shown? A label: nothing is converted. */
import { Choice, Text } from "../../components/fields";
import { useGet, type Reply } from "../../lib/api";
import { useSpeech } from "../../lib/i18n";
import { GroupForm } from "./group";

type Group = Reply<"/api/v1/admin/settings", "get">["currency"];

export default function Currency() {
  const { say, language } = useSpeech();
  const known = useGet("/api/v1/admin/settings/currency/supported").data?.data ?? [];
  const name = (code: string) => new Intl.DisplayNames(language, { type: "currency" }).of(code) ?? code;
  return (
    <div className="lm-columns">
      <GroupForm<Group> group="currency" title={say("tab_currency")}>
        {({ values, change }) => (
          <>
            <Choice
              label={say("tab_currency")}
              value={values.code ?? "USD"}
              onChange={(code) => {
                const found = known.find((one) => one.code === code);
                if (found) change({ code, symbol: found.symbol, name: found.name });
              }}
              options={known.map((one) => ({ value: one.code, text: `${one.code} – ${name(one.code)}` }))}
              help={say("not_converted")}
            />
            <Text label={say("symbol")} value={values.symbol ?? ""} maxLength={5} onChange={(symbol) => change({ symbol })} />
            <p>
              {say("preview")}: <strong>{new Intl.NumberFormat(language, { style: "currency", currency: values.code ?? "USD" }).format(1234.56)}</strong>
            </p>
          </>
        )}
      </GroupForm>
    </div>
  );
}
