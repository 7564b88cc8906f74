/** Is the menu open? Beside the page where there is room, and then remembered; above it, and closed at first, where there is none. */
import { useCallback, useEffect, useState } from "react";

const STORED = "litemaas.menu";
/** From here on the menu stands beside the page; in `Page/page.css` the same. */
const ROOM = "(min-width: 75rem)";

export interface Sidebar {
  isOpen: boolean;
  /** It lies above the page. */
  isAbove: boolean;
  turn: () => void;
  open: () => void;
  /** Somebody turns to the page: a menu above it goes. */
  leave: () => void;
}

function wasClosed(): boolean {
  try {
    return localStorage.getItem(STORED) === "closed";
  } catch {
    return false;
  }
}

export function useSidebar(): Sidebar {
  const [isAbove, setAbove] = useState(() => !matchMedia(ROOM).matches);
  const [beside, setBeside] = useState(() => !wasClosed());
  const [above, setAboveOpen] = useState(false);
  useEffect(() => {
    const room = matchMedia(ROOM);
    const look = () => setAbove(!room.matches);
    room.addEventListener("change", look);
    return () => room.removeEventListener("change", look);
  }, []);
  const isOpen = isAbove ? above : beside;
  const change = useCallback(
    (open: boolean) => {
      if (isAbove) return setAboveOpen(open);
      setBeside(open);
      try {
        localStorage.setItem(STORED, open ? "open" : "closed");
      } catch {
        // Not remembered: open again next time.
      }
    },
    [isAbove],
  );
  const leave = useCallback(() => setAboveOpen(false), []);
  return { isOpen, isAbove, turn: () => change(!isOpen), open: () => change(true), leave };
}
