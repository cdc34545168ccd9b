/** A delivery on its way to the thread of the run. */
import { strict as assert } from 'node:assert';
import { type PackedRecords, packRecords, unpackRecords } from '../store/pack-records.ts';
import type { Rank } from './record-merge.ts';
import type { ShareDelivery } from './share-reader.ts';

export interface PackedDelivery extends Omit<ShareDelivery, 'records'> {
  readonly rows: PackedRecords;
  /** Of each record. */
  readonly ranks: readonly Rank[];
}

export function packDelivery({ records, ...others }: ShareDelivery): PackedDelivery {
  return {
    ...others,
    rows: packRecords(records.map(({ record }) => record)),
    ranks: records.map(({ record: _, ...rank }) => rank),
  };
}

export function unpackDelivery({ rows, ranks, ...others }: PackedDelivery): ShareDelivery {
  const records = unpackRecords(rows).map((record, index) => {
    const rank = ranks[index];
    assert(rank !== undefined);
    return { ...rank, record };
  });
  return { ...others, records };
}
