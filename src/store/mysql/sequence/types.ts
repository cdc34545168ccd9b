/** What hands out the ids of rows: unique over all data nodes, tables and protocols of one sequence. */

/** Both ends are handed out; `first <= last`. */
export interface IdRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** May be used by several callers at once; none of them ever gets an id of another one. Gaps are fine. */
export interface IdSource {
  /** Bits of the largest id: 31 fits the documented `int`, 63 needs a BIGINT column. */
  readonly idBits: 31 | 63;
  /**
   * Exactly `count` ids, in as few ranges as the sequence allows. They increase within one answer, and from
   * answer to answer unless somebody sets the sequence back. What is not used is lost. Throws a `MailprocError`
   * where the sequence cannot be reached or has come to its end.
   */
  take(count: number): Promise<readonly IdRange[]>;
  /** Drops ids fetched ahead: after a duplicate key, what is taken next comes fresh from the sequence. */
  discard(): void;
}

/** One connection to the data node of the sequence, in its database and in autocommit. */
export interface SequenceConnection {
  /** Rows as objects by column; `insertId` is that of the OK packet, for statements without rows. */
  query(
    sql: string,
    parameters: readonly (string | number)[],
  ): Promise<{
    readonly rows: readonly Readonly<Record<string, unknown>>[];
    readonly affectedRows: number;
    readonly insertId: number | bigint;
  }>;
}

/** The ids one by one, as the driver wants them: a number where a number is exact. */
export function idsOf(ranges: readonly IdRange[]): (number | bigint)[] {
  const ids: (number | bigint)[] = [];
  for (const { first, last } of ranges) {
    for (let id = first; id <= last; id++) ids.push(id <= Number.MAX_SAFE_INTEGER ? Number(id) : id);
  }
  return ids;
}
