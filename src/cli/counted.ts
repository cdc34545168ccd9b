/** Whole numbers for a person: `1,234`, `1 row`, `2 rows`. */

export function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** `noun` in the singular. */
export function counted(value: number, noun: string): string {
  return `${number(value)} ${noun}${value === 1 ? '' : 's'}`;
}
