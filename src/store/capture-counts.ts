/** Rows by table and capture, for ledgers: added up row by row. */
import type { LedgerRows } from './ledger.ts';

export class CaptureCounts {
  /** Table, then capture: text of the two glued together could be that of two others. */
  readonly #tables = new Map<string, Map<string, number>>();

  /** `rows` is -1 for a row that is this capture's no longer. */
  add(table: string, capture: string, rows: number): void {
    const captures = this.#tables.get(table) ?? new Map<string, number>();
    this.#tables.set(table, captures);
    captures.set(capture, (captures.get(capture) ?? 0) + rows);
  }

  forget(capture: string): void {
    for (const captures of this.#tables.values()) captures.delete(capture);
  }

  /** Of these tables, or of all; what has come to zero is left out. */
  rows(tables: Iterable<string> = this.#tables.keys()): LedgerRows[] {
    return [...tables].flatMap((table) =>
      [...(this.#tables.get(table) ?? [])]
        .filter(([, rows]) => rows !== 0)
        .map(([capture, rows]) => ({ capture, table, rows })),
    );
  }
}
