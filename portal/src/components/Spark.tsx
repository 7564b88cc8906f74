/** A line without axes; whoever shows it says in words what it is about. */
export function Spark({ values, label }: { values: number[]; label: string }) {
  const most = Math.max(...values, 1);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map((value, index) => `${(index * step).toFixed(1)},${(28 - (value / most) * 26).toFixed(1)}`).join(" ");
  return (
    <svg className="lm-spark" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label={label}>
      <polyline points={points} />
    </svg>
  );
}
