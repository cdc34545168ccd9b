/** Records on their way from one thread to another: rows of JSON in a block, and a list of plain values for each. */
import type { MailRecord } from '../record/types.ts';
import { detailMark, PackedRecord, rowEnd } from './packed-record.ts';
import { columnsJson, detailJson, factsOf } from './row.ts';

export interface PackedRecords {
  /** To be handed over, not copied. */
  readonly blocks: readonly ArrayBuffer[];
  readonly values: readonly unknown[];
}

/** What was packed before goes on in its own blocks. */
export function packRecords(records: readonly MailRecord[]): PackedRecords {
  const blocks: ArrayBuffer[] = [];
  const numbers = new Map<ArrayBuffer, number>();
  const numberOf = (block: ArrayBuffer): number => {
    const number = numbers.get(block) ?? blocks.push(block) - 1;
    numbers.set(block, number);
    return number;
  };
  const values: unknown[] = [];
  for (const { facts, block, place } of records.every(isPacked) ? records : madeRows(records)) {
    const { protocol, key, rank, day, octets, isWhole } = facts;
    values.push(protocol, key, rank, day, octets, isWhole);
    values.push(numberOf(block), place.start, place.detail, place.end);
  }
  return { blocks, values };
}

export function unpackRecords({ blocks, values }: PackedRecords): PackedRecord[] {
  const records: PackedRecord[] = [];
  let at = 0;
  const next = <Value>(): Value => values[at++] as Value;
  while (at < values.length) {
    const facts = {
      protocol: next<MailRecord['protocol']>(),
      key: next<string>(),
      rank: next<number>(),
      day: next<string>(),
      octets: next<number>(),
      isWhole: next<boolean>(),
    };
    const block = blocks[next<number>()] ?? noBlock;
    records.push(
      new PackedRecord(facts, block, { start: next<number>(), detail: next<number>(), end: next<number>() }),
    );
  }
  return records;
}

const noBlock = new ArrayBuffer(0);

function isPacked(record: MailRecord): record is PackedRecord {
  return record instanceof PackedRecord;
}

/** Used again for each block; a thread packs one after the other. */
let scratch = Buffer.allocUnsafeSlow(1 << 18);

function madeRows(records: readonly MailRecord[]): PackedRecord[] {
  let used = 0;
  const write = (text: string): number => {
    // UTF-8 takes at most three octets for a UTF-16 unit.
    if (used + 3 * text.length > scratch.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (used + 3 * text.length));
      scratch.copy(larger, 0, 0, used);
      scratch = larger;
    }
    used += scratch.write(text, used);
    return used;
  };
  const places = records.map(({ columns, detail }) => ({
    start: used,
    detail: write(columnsJson(columns) + detailMark),
    end: write(detailJson(detail) + rowEnd),
  }));
  const block = new ArrayBuffer(used);
  scratch.copy(Buffer.from(block), 0, 0, used);
  if (scratch.length > scratchBytesMax) scratch = Buffer.allocUnsafeSlow(1 << 18);
  return records.map(
    (record, index) =>
      new PackedRecord(factsOf(record), block, places[index] ?? { start: 0, detail: 0, end: 0 }),
  );
}

/** A larger one is not kept. */
const scratchBytesMax = 4 << 20;
