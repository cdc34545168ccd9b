/** Octets for people: `31 kB`. */
export function sizeText(octets: number): string {
  if (octets < 1000) return `${octets} octets`;
  const [value, unit] = octets < 1e6 ? [octets / 1e3, 'kB'] : [octets / 1e6, 'MB'];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}
