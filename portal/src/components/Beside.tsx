/** What is known of one row of a table: beside it where there is room for both, otherwise above it. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Drawer, DrawerActions, DrawerContent, DrawerHead, DrawerPanelBody, DrawerPanelContent } from "@patternfly/react-core/dist/esm/components/Drawer";
import TimesIcon from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { useId, useSyncExternalStore, type ReactNode, type RefObject } from "react";
import { useSay } from "../lib/i18n";
import "./beside.css";

/** The menu, the panel, and a table of the log's usual columns. */
const ROOM = "(min-width: 1600px)";

function useRoom(): boolean {
  const watch = (changed: () => void) => {
    const room = matchMedia(ROOM);
    room.addEventListener("change", changed);
    return () => room.removeEventListener("change", changed);
  };
  return useSyncExternalStore(watch, () => matchMedia(ROOM).matches);
}

interface BesideProps {
  /** Of the row that is shown; null: none is. */
  panel: { key: string; title: string; content: ReactNode } | null;
  /** Gets the focus from whoever opens the panel. */
  heading: RefObject<HTMLHeadingElement | null>;
  close: () => void;
  /** The person has gone elsewhere by themselves. */
  leave: () => void;
  children: ReactNode;
}

export function Beside({ panel, heading, close, leave, children }: BesideProps) {
  const say = useSay();
  const id = useId();
  const hasRoom = useRoom();
  const shown = panel && (
    <DrawerPanelContent
      key={panel.key}
      role="region"
      aria-labelledby={id}
      tabIndex={-1}
      // Above the table it would hide what has the focus.
      onBlur={({ currentTarget, relatedTarget }) => !hasRoom && relatedTarget && !currentTarget.contains(relatedTarget) && leave()}
    >
      <DrawerHead>
        <h2 id={id} tabIndex={-1} ref={heading}>
          {panel.title}
        </h2>
        <DrawerActions>
          <Button variant="plain" icon={<TimesIcon />} aria-label={say("close")} onClick={close} />
        </DrawerActions>
      </DrawerHead>
      <DrawerPanelBody>{panel.content}</DrawerPanelBody>
    </DrawerPanelContent>
  );
  return (
    <Drawer className="lm-beside" isExpanded={panel !== null} isInline={hasRoom} onKeyDown={(event) => event.key === "Escape" && panel && close()}>
      <DrawerContent panelContent={shown}>{children}</DrawerContent>
    </Drawer>
  );
}
