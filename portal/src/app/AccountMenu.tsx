/** The menu of the account; loaded when it is opened for the first time. */
import { Divider } from "@patternfly/react-core/dist/esm/components/Divider";
import { Dropdown, DropdownItem, DropdownList } from "@patternfly/react-core/dist/esm/components/Dropdown";
import { MenuToggle } from "@patternfly/react-core/dist/esm/components/MenuToggle";
import UserIcon from "@patternfly/react-icons/dist/esm/icons/user-icon";
import { useState } from "react";
import { useNavigate } from "react-router";
import { useSay } from "../lib/i18n";
import { signOut, useSession } from "../lib/session";
import { tell } from "../lib/toasts";
import { shownRole } from "../concepts/roles";

/** The button that asked for the menu was replaced by the menu's own: the focus goes where keys are listened to. */
function focusFirst(header: HTMLElement | null): void {
  if (header) setTimeout(() => header.closest(".pf-v6-c-menu")?.querySelector<HTMLElement>("[role=menuitem]")?.focus());
}

export default function AccountMenu() {
  const say = useSay();
  const { session } = useSession();
  const navigate = useNavigate();
  const [open, setOpen] = useState(true);
  const leave = async () => {
    try {
      const elsewhere = await signOut();
      if (elsewhere) location.assign(elsewhere);
      else void navigate("/login");
    } catch (error) {
      tell("danger", say("sign_out_failed"), error);
    }
  };
  const name = session?.user.username ?? "";
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: "right" }}
      toggle={(toggle) => (
        <MenuToggle ref={toggle} variant="plainText" icon={<UserIcon />} isExpanded={open} aria-label={say("account")} onClick={() => setOpen(!open)}>
          <span className="lm-wide">{name}</span>
        </MenuToggle>
      )}
    >
      <div className="lm-who" ref={focusFirst}>
        <strong>{session?.user.full_name ?? name}</strong>
        <span>{session?.user.email}</span>
        <span>{say(`role_${shownRole(session?.roles ?? [])}`)}</span>
      </div>
      <Divider />
      <DropdownList>
        <DropdownItem key="profile" onClick={() => void navigate("/profile")}>
          {say("profile")}
        </DropdownItem>
        <DropdownItem key="docs" to="/docs">
          {say("api_documentation")}
        </DropdownItem>
        <DropdownItem key="leave" onClick={() => void leave()}>
          {say("sign_out")}
        </DropdownItem>
      </DropdownList>
    </Dropdown>
  );
}
