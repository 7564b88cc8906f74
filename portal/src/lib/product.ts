/** What is this installation called, which money does it count in, where is its gateway? From the public configuration. */
import { useGet } from "./api";

export function useConfig() {
  return useGet("/api/v1/config", {}, { staleTime: 300_000 });
}

export function useProduct(): string {
  return useConfig().data?.branding.title || "LiteMaaS";
}

/** The address that programs call. */
export function useGatewayUrl(): string {
  return (useConfig().data?.gateway_url ?? location.origin).replace(/\/$/, "");
}
