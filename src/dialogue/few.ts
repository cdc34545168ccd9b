/**
 * Arrays that hold nothing or one item nearly always. An array that grows has room for many, and one that was
 * emptied keeps it: in each of thousands of conversations, and anew for nearly each of their packets.
 */

/** Never changed: `added` makes an array of its own. */
export const none: never[] = [];

/** `items` with one more behind them; use it in place of `items`. */
export function added<Item>(items: Item[], item: Item): Item[] {
  if (items.length === 0) return [item];
  items.push(item);
  return items;
}

/** `items` without the first; use it in place of `items`. */
export function withoutFirst<Item>(items: Item[]): Item[] {
  if (items.length <= 1) return none;
  items.shift();
  return items;
}
