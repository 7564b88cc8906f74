/** Choices behind a button in a toolbar: Escape and a click elsewhere close them. */
import { useEffect, useRef, type ReactNode } from "react";
import "./many.css";

interface FoldProps {
  /** What the button is called: the filter and what is chosen. */
  label: string;
  shown: string;
  children: ReactNode;
  onOpen?: (isOpen: boolean) => void;
}

export function Fold({ label, shown, children, onOpen }: FoldProps) {
  const box = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const away = event instanceof KeyboardEvent ? event.key === "Escape" : !box.current?.contains(event.target as Node);
      if (away && box.current?.open) {
        box.current.open = false;
        if (event instanceof KeyboardEvent) box.current.querySelector("summary")?.focus();
      }
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("keydown", close);
    };
  }, []);
  return (
    <details className="lm-many" ref={box} onToggle={(event) => onOpen?.(event.currentTarget.open)}>
      <summary className="lm-select" aria-label={label}>
        {shown}
      </summary>
      <div>{children}</div>
    </details>
  );
}
