/** What is this installation called, which money and whose days does it count in, where is its gateway? From the public configuration. */
import { useQuery } from "@tanstack/react-query";
import { call, type ApiError, type Reply } from "./api";
import { setCurrency, setZone } from "./format";

type Config = Reply<"/api/v1/config", "get">;
const PATH = "/api/v1/config";

/** Known to the formats before anything is drawn with it. */
async function learn(signal: AbortSignal): Promise<Config> {
  const config = await call("get", PATH, { signal });
  setCurrency(config.currency.code);
  setZone(config.timezone);
  return config;
}

export function useConfig() {
  return useQuery<Config, ApiError>({ queryKey: [PATH, {}], queryFn: ({ signal }) => learn(signal), staleTime: 300_000 });
}

/** Where the installation's days begin; charts and months name it. */
export function useZone(): string {
  return useConfig().data?.timezone ?? "UTC";
}

export function useProduct(): string {
  return useConfig().data?.branding.title || "LiteMaaS";
}

/** The address that programs call. */
export function useGatewayUrl(): string {
  return (useConfig().data?.gateway_url ?? location.origin).replace(/\/$/, "");
}
