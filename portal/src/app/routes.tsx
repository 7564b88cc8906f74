/** Which pages are there, who may open them, and where do they stand in the menu? One table for router, menu and titles. */
import { lazy, type ComponentType } from "react";
import { prepareTexts, type Area } from "../lib/i18n";
import type { Key } from "../lib/keys";

export interface Place {
  path: string;
  title: Key;
  page: ComponentType;
  needs?: string;
  /** Also for whom the session names as an organiser of workshops. */
  organisers?: boolean;
  menu?: "own" | "admin";
  end?: boolean;
}

function page(areas: Area[], load: () => Promise<{ default: ComponentType }>): ComponentType {
  return lazy(async () => (await Promise.all([load(), prepareTexts("pages"), ...areas.map(prepareTexts)]))[0]);
}

const own = (load: () => Promise<{ default: ComponentType }>) => page([], load);
const workshop = (load: () => Promise<{ default: ComponentType }>) => page(["admin", "workshops"], load);
const trail = (areas: Area[], load: () => Promise<{ default: ComponentType }>) => page([...areas, "audit"], load);
const admin = (load: () => Promise<{ default: ComponentType }>) => page(["admin"], load);

export const PLACES: Place[] = [
  { path: "/", title: "home", page: lazy(() => import("../features/home/Home")), menu: "own", end: true },
  { path: "/models", title: "models", page: own(() => import("../features/models/Models")), needs: "models:read", menu: "own" },
  { path: "/models/:id", title: "models", page: own(() => import("../features/models/Model")), needs: "models:read" },
  { path: "/subscriptions", title: "subscriptions", page: own(() => import("../features/subscriptions/Subscriptions")), needs: "subscriptions:read", menu: "own" },
  { path: "/api-keys", title: "api_keys", page: own(() => import("../features/keys/Keys")), needs: "api_keys:read", menu: "own" },
  { path: "/api-keys/:id", title: "api_keys", page: own(() => import("../features/keys/Key")), needs: "api_keys:read" },
  { path: "/playground", title: "playground", page: own(() => import("../features/playground/Playground")), needs: "api_keys:read", menu: "own" },
  { path: "/usage", title: "usage", page: own(() => import("../features/usage/Usage")), needs: "usage:read", menu: "own" },
  { path: "/requests", title: "requests", page: own(() => import("../features/requests/Requests")), needs: "usage:read", menu: "own" },
  { path: "/teams", title: "teams", page: own(() => import("../features/teams/Teams")), needs: "teams:read", menu: "own" },
  { path: "/teams/:id", title: "teams", page: own(() => import("../features/teams/Team")), needs: "teams:read" },
  { path: "/workshops", title: "workshops", page: workshop(() => import("../features/workshops/Workshops")), needs: "admin:workshops:read", organisers: true, menu: "own" },
  { path: "/workshops/new", title: "workshops", page: workshop(() => import("../features/workshops/Plan")), needs: "admin:workshops:write" },
  { path: "/workshops/:id", title: "workshops", page: workshop(() => import("../features/workshops/Workshop")), needs: "admin:workshops:read", organisers: true },
  { path: "/workshops/:id/handouts", title: "workshops", page: workshop(() => import("../features/workshops/Handouts")), needs: "admin:workshops:read", organisers: true },
  { path: "/notifications", title: "notifications", page: own(() => import("../features/notifications/Notifications")) },
  { path: "/profile", title: "profile", page: trail([], () => import("../features/profile/Profile")) },
  { path: "/admin/usage", title: "usage_analytics", page: admin(() => import("../features/usage/AdminUsage")), needs: "admin:usage:read", menu: "admin" },
  { path: "/admin/models", title: "models", page: admin(() => import("../features/admin-models/AdminModels")), needs: "admin:models:read", menu: "admin" },
  { path: "/admin/models/:id", title: "models", page: admin(() => import("../features/admin-models/AdminModel")), needs: "admin:models:read" },
  { path: "/admin/subscriptions", title: "subscriptions", page: admin(() => import("../features/admin-subscriptions/AdminSubscriptions")), needs: "admin:subscriptions:read", menu: "admin" },
  { path: "/admin/users", title: "users", page: admin(() => import("../features/admin-users/AdminUsers")), needs: "admin:users:read", menu: "admin" },
  { path: "/admin/users/:id", title: "users", page: admin(() => import("../features/admin-users/AdminUser")), needs: "admin:users:read" },
  { path: "/admin/requests", title: "requests", page: admin(() => import("../features/requests/AdminRequests")), needs: "admin:requests:read", menu: "admin" },
  { path: "/admin/capacity", title: "capacity", page: workshop(() => import("../features/capacity/Capacity")), needs: "admin:health", menu: "admin" },
  { path: "/admin/chargeback", title: "chargeback", page: admin(() => import("../features/chargeback/Chargeback")), needs: "admin:chargeback:read", menu: "admin" },
  { path: "/admin/audit", title: "audit_log", page: trail(["admin"], () => import("../features/audit/Audit")), needs: "admin:audit:read", menu: "admin" },
  { path: "/admin/settings", title: "settings", page: admin(() => import("../features/settings/Settings")), needs: "admin:settings:read", menu: "admin", end: false },
  { path: "/admin/settings/:tab", title: "settings", page: admin(() => import("../features/settings/Settings")), needs: "admin:settings:read" },
];

/** For anybody, outside the frame. */
export const Claim = page(["claim"], () => import("../features/claim/Claim"));

export function mayOpen(place: Place, may: (permission: string) => boolean, organises: boolean): boolean {
  return !place.needs || may(place.needs) || (place.organisers === true && organises);
}
