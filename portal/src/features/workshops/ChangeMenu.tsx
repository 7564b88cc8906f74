/** What is done seldom, behind one button. */
import { Dropdown, DropdownItem, DropdownList } from "@patternfly/react-core/dist/esm/components/Dropdown";
import { MenuToggle } from "@patternfly/react-core/dist/esm/components/MenuToggle";
import { useState } from "react";
import { useSay } from "../../lib/i18n";

export function ChangeMenu({ items }: { items: { text: string; act: () => void; isDanger: boolean }[] }) {
  const say = useSay();
  const [isOpen, setOpen] = useState(false);
  return (
    <Dropdown
      isOpen={isOpen}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      shouldFocusToggleOnSelect
      popperProps={{ position: "right" }}
      toggle={(toggle) => (
        <MenuToggle ref={toggle} variant="secondary" isExpanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {say("change_workshop")}
        </MenuToggle>
      )}
    >
      <DropdownList>
        {items.map((item) => (
          <DropdownItem key={item.text} isDanger={item.isDanger} onClick={item.act}>
            {item.text}
          </DropdownItem>
        ))}
      </DropdownList>
    </Dropdown>
  );
}
