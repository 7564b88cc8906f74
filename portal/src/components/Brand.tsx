/** The product's name or the brand image that administrators chose for this theme; their icon, and where they give help. */
import { useEffect } from "react";
import { useSay } from "../lib/i18n";
import { useConfig, useProduct } from "../lib/product";

export function Brand() {
  const product = useProduct();
  const branding = useConfig().data?.branding;
  const light = branding?.images["header-brand-light"];
  const dark = branding?.images["header-brand-dark"] ?? light;
  if (light || dark)
    return (
      <>
        <img className="lm-brand-light" src={light ?? dark} alt={product} />
        <img className="lm-brand-dark" src={dark} alt={product} />
      </>
    );
  return (
    <>
      <img src="/favicon.svg" alt="" width={28} height={28} />
      <span>{product}</span>
    </>
  );
}

/** The icon of the window, where administrators chose one. */
export function useFavicon(): void {
  const icon = useConfig().data?.branding.images["favicon"];
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (!link) return;
    link.href = icon ?? "/favicon.svg";
    if (icon) link.removeAttribute("type");
    else link.type = "image/svg+xml";
  }, [icon]);
}

export function Support() {
  const say = useSay();
  const support = useConfig().data?.branding.support;
  return support ? <a href={support.url}>{support.text || say("support")}</a> : null;
}
