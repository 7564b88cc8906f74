/** The product's name or the brand image that administrators chose for this theme. */
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
