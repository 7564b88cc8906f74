/** Fields of forms: label, help with the allowed range, and the error beside the field that it is about. */
import { useId, useState, type ReactNode } from "react";
import { useSay } from "../lib/i18n";
import { currencyCode } from "../lib/format";

interface FieldProps {
  label: string;
  help?: ReactNode;
  error?: string | undefined;
  isRequired?: boolean;
}

function Field({ label, help, error, isRequired, id, children }: FieldProps & { id: string; children: ReactNode }) {
  const say = useSay();
  return (
    <div className={error ? "lm-field lm-invalid" : "lm-field"}>
      <label htmlFor={id}>
        {label}
        {isRequired && (
          <span className="lm-required" title={say("required")}>
            {" "}
            *
          </span>
        )}
      </label>
      {children}
      {help && !error && (
        <small id={`${id}-help`} className="lm-subtle">
          {help}
        </small>
      )}
      {error && (
        <small id={`${id}-help`} className="lm-bad" role="alert">
          {error}
        </small>
      )}
    </div>
  );
}

interface TextProps extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "password" | "url" | "date" | "datetime-local" | "number";
  maxLength?: number;
  min?: string | number;
  max?: string | number;
  step?: string | number;
  autoFocus?: boolean;
  placeholder?: string;
  list?: string;
}

const described = (id: string, props: FieldProps) =>
  ({
    id,
    "aria-invalid": props.error ? true : undefined,
    "aria-required": props.isRequired,
    "aria-describedby": props.help || props.error ? `${id}-help` : undefined,
  }) as const;

export function Text({ value, onChange, type = "text", maxLength, min, max, step, autoFocus, placeholder, list, ...field }: TextProps) {
  const id = useId();
  return (
    <Field {...field} id={id}>
      <input
        {...described(id, field)}
        className="lm-input"
        {...{ type, value, maxLength, min, max, step, placeholder, list }}
        autoFocus={autoFocus}
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
      />
    </Field>
  );
}

export function Area({ value, onChange, maxLength = 1000, rows = 3, ...field }: FieldProps & { value: string; onChange: (value: string) => void; maxLength?: number; rows?: number }) {
  const id = useId();
  return (
    <Field {...field} id={id}>
      <textarea {...described(id, field)} className="lm-input" rows={rows} value={value} maxLength={maxLength} onChange={(event) => onChange(event.target.value)} />
    </Field>
  );
}

export function Choice({ value, onChange, options, ...field }: FieldProps & { value: string; onChange: (value: string) => void; options: { value: string; text: string }[] }) {
  const id = useId();
  return (
    <Field {...field} id={id}>
      <select {...described(id, field)} className="lm-select" value={value} onChange={(event) => onChange(event.target.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
    </Field>
  );
}

export function Check({ label, checked, onChange, help, isDisabled }: { label: ReactNode; checked: boolean; onChange: (on: boolean) => void; help?: ReactNode; isDisabled?: boolean }) {
  const id = useId();
  return (
    <div className="lm-check">
      <input type="checkbox" id={id} checked={checked} disabled={isDisabled} aria-describedby={help ? `${id}-help` : undefined} onChange={(event) => onChange(event.target.checked)} />
      <label htmlFor={id}>{label}</label>
      {help && (
        <small id={`${id}-help`} className="lm-subtle">
          {help}
        </small>
      )}
    </div>
  );
}

type NumberProps = FieldProps & { value: number | null; onChange: (value: number | null) => void; min?: number; max?: number | null };

/** A whole number or nothing; nothing = no limit of its own. */
export function Whole({ value, onChange, min = 0, max, ...field }: NumberProps) {
  return <Numeric {...field} written={value === null ? "" : String(value)} read={(text) => onChange(text === "" ? null : Math.trunc(Number(text)))} step={1} min={min} max={max} />;
}

/** Money in the currency of the installation; the value is in nano-units. */
export function Money({ value, onChange, min = 0, max, label, ...field }: NumberProps) {
  return (
    <Numeric
      {...field}
      label={`${label} (${currencyCode()})`}
      written={value === null ? "" : String(value / 1e9)}
      read={(text) => onChange(text === "" ? null : Math.round(Number(text) * 1e9))}
      step="any"
      min={min}
      max={max == null ? max : max / 1e9}
    />
  );
}

function Numeric({ written, read, step, min, max, ...field }: FieldProps & { written: string; read: (text: string) => void; step: number | "any"; min: number; max: number | null | undefined }) {
  const say = useSay();
  const [text, setText] = useState(written);
  const shown = text !== "" && Number(text) === Number(written) ? text : written;
  const range = max == null ? undefined : say("allowed_range", { min, max });
  return (
    <Text
      {...field}
      help={field.help ?? range}
      type="number"
      value={shown}
      step={step}
      min={min}
      {...(max == null ? {} : { max })}
      onChange={(changed) => {
        setText(changed);
        if (changed === "" || !Number.isNaN(Number(changed))) read(changed);
      }}
    />
  );
}

/** Which error, from the server, belongs to which field? */
export function fieldErrors(error: unknown): Record<string, string> {
  const fields = (error as { fields?: { field: string; message: string }[] } | null)?.fields ?? [];
  return Object.fromEntries(fields.map(({ field, message }) => [field.split(".").pop() ?? field, message]));
}
