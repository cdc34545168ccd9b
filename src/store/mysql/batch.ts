/** The mails of one batch: what each is, where its row belongs, and what became of it. */
import type { MailRecord } from '../../record/types.ts';
import { factsOf } from '../row.ts';
import type { Stored } from '../sink.ts';
import type { KnownRow } from './keys.ts';
import type { Place } from './placement.ts';
import type { MailProtocol, Shard } from './types.ts';

export type Id = number | bigint;

export interface Mail {
  readonly key: string;
  readonly protocol: MailProtocol;
  /** All records of the batch with this key, in their order. */
  readonly versions: MailRecord[];
  /** The one with most of the mail. */
  best: MailRecord;
  rank: number;
  /** Of its own time, in whose table a mail is looked for that has no place; undefined where that is no day. */
  readonly ownDay: string | undefined;
  /** Of the table its row is in or goes to. */
  day: string;
  /** To be written down with the row; undefined: none is needed. */
  place: Place | undefined;
  /** Whether the place is another one than it has. */
  isMoving: boolean;
  /** The table it leaves, in the same transaction where that can be. */
  leaving: Leaving | undefined;
  /** As of the last look; undefined: no row. */
  known: KnownRow | undefined;
  /** The rank of the row before this batch. */
  rankBefore: number | undefined;
  id: Id | undefined;
  /** Ids it was tried with: a row with one of them is of this batch, whatever became of the COMMIT's answer. */
  readonly triedIds: Set<string>;
}

export interface Leaving {
  readonly day: string;
  readonly shard: Shard;
  /** undefined: no row is there, nor shall one come. */
  readonly row: KnownRow | undefined;
}

/** Mails of one table. */
export interface Group {
  readonly shard: Shard;
  readonly day: string;
  readonly mails: readonly Mail[];
}

export function toMails(batch: readonly MailRecord[]): Mail[] {
  const mails = new Map<string, Mail>();
  for (const record of batch) {
    const { key, rank } = factsOf(record);
    const mail = mails.get(key);
    if (mail === undefined) {
      mails.set(key, {
        key,
        protocol: record.protocol,
        versions: [record],
        best: record,
        rank,
        ownDay: dayOf(record.columns.timestamp),
        day: record.columns.insert_time,
        place: undefined,
        isMoving: false,
        leaving: undefined,
        known: undefined,
        rankBefore: undefined,
        id: undefined,
        triedIds: new Set(),
      });
      continue;
    }
    mail.versions.push(record);
    if (rank > mail.rank) Object.assign(mail, { best: record, rank, day: record.columns.insert_time });
  }
  return [...mails.values()];
}

function dayOf(timestamp: string): string | undefined {
  return /^\d{4}-\d{2}-\d{2}(?= |$)/.exec(timestamp)?.[0];
}

export function toGroups(
  mails: readonly Mail[],
  shardOf: (protocol: MailProtocol, day: string) => Shard,
): Group[] {
  const groups = new Map<string, { shard: Shard; day: string; mails: Mail[] }>();
  for (const mail of mails) {
    const name = `${mail.protocol} ${mail.day}`;
    let group = groups.get(name);
    if (group === undefined) {
      group = { shard: shardOf(mail.protocol, mail.day), day: mail.day, mails: [] };
      groups.set(name, group);
    }
    group.mails.push(mail);
  }
  return [...groups.values()];
}

/** What a look at the table told. */
export function learn(group: Group, known: ReadonlyMap<string, KnownRow>): void {
  for (const mail of group.mails) {
    const row = known.get(mail.key);
    mail.known = row;
    if (row === undefined || mail.triedIds.has(row.id)) continue;
    mail.rankBefore ??= row.rank;
  }
}

/** In the order of the records, as if each had been written alone. */
export function toStored(mails: readonly Mail[]): Stored {
  let added = 0;
  let replaced = 0;
  let known = 0;
  for (const mail of mails) {
    let rank = mail.rankBefore;
    for (const record of mail.versions) {
      const next = factsOf(record).rank;
      if (rank !== undefined && next <= rank) {
        known++;
        continue;
      }
      if (rank === undefined) added++;
      else replaced++;
      rank = next;
    }
  }
  return { added, replaced, known };
}

/** In memory, about. */
export function octetsOf(mails: readonly Mail[]): number {
  const length = (text: string | null): number => 2 * (text?.length ?? 0);
  return mails.reduce((sum, { best: { columns } }) => {
    const { mail_content, mail_subject, mail_to } = columns;
    return sum + 2000 + length(mail_content) + length(mail_subject) + length(mail_to);
  }, 0);
}

/** In the order in which the groups first appear. */
export function groupBy<Value, Key>(
  values: Iterable<Value>,
  keyOf: (value: Value) => Key,
): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group === undefined) groups.set(keyOf(value), [value]);
    else group.push(value);
  }
  return groups;
}
