/** Compares what the ledger says was written with what the tables hold, on every server that holds them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../core/errors.ts';
import { pipelineLimits } from '../core/limits.ts';
import type { Ledger, LedgerRows, TableCopy } from '../store/ledger.ts';
import { openStore, type StoreOptions } from '../store/open-store.ts';
import type { Sink } from '../store/sink.ts';

/** A capture whose rows in a table are not as many as were written. */
export interface Difference {
  readonly day: string;
  readonly table: string;
  readonly capture: string;
  /** Written, as counted in the transactions that wrote them. */
  readonly written: number;
  /** In the table now. */
  readonly found: number;
}

export interface Verification {
  /** Without a password. */
  readonly store: string;
  readonly days: readonly string[];
  readonly captures: number;
  readonly tables: number;
  readonly rows: number;
  readonly differences: readonly Difference[];
  /** Servers that replication should have brought these rows to, as far as theirs are others. */
  readonly unlike: readonly TableCopy[];
  /** Those that could not be asked, with the reason. */
  readonly unasked: readonly { readonly server: string; readonly trouble: string }[];
  /** Rows that no run has written: of older systems, or by hand. Not of mailproc, so no difference. */
  readonly others: readonly { readonly table: string; readonly rows: number }[];
}

/** Of `day` (`yyyy-MM-dd`), or of all days the store knows. */
export async function verifyStore(
  store: string,
  day: string | undefined,
  options: StoreOptions = {},
): Promise<Verification> {
  const sink = await openStore(store, { ...options, mustExist: true });
  const { ledger } = sink;
  if (ledger === undefined) {
    throw new MailprocError('usage.store', `verify ${sink.url}: this kind of store has no ledger`, {
      hint: 'verify a store of the form sqlite:FILE, mysql://…, cluster:FILE or mycat:DIR',
    });
  }
  await sink.open();
  try {
    return await verify(sink, ledger, day === undefined ? await ledger.days() : [day]);
  } finally {
    await sink.close();
  }
}

/** The same of a sink that is open already. */
export async function verify(sink: Sink, ledger: Ledger, days: readonly string[]): Promise<Verification> {
  const captures = new Set<string>();
  const looks: Look[] = [];
  for (const day of days) {
    const look = await lookAt(sink, ledger, day);
    for (const { capture } of look.found) captures.add(capture);
    for (const { capture } of await ledger.ofDay(day)) captures.add(capture);
    looks.push(look);
  }
  const tables = looks.flatMap((look) => look.tables);
  return {
    store: sink.url,
    days,
    captures: captures.size,
    tables: tables.length,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    differences: looks.flatMap((look) => look.differences),
    unlike: looks.flatMap((look) => look.copies.filter(isUnlike)),
    unasked: unaskedOf(looks.flatMap((look) => look.copies)),
    others: looks.flatMap((look) => look.others),
  };
}

interface Look {
  readonly tables: Awaited<ReturnType<Sink['tables']>>;
  readonly found: readonly LedgerRows[];
  readonly differences: readonly Difference[];
  readonly copies: readonly TableCopy[];
  readonly others: Verification['others'];
}

/** A run may write meanwhile: what differs is looked at again, and counts where it stays the same. */
async function lookAt(sink: Sink, ledger: Ledger, day: string): Promise<Look> {
  let look = await lookOnce(sink, ledger, day);
  for (let times = 1; times < pipelineLimits.verifyLooksMax && isOdd(look); times++) {
    // Replication takes its time.
    if (look.copies.some(isUnlike)) await sleep(pipelineLimits.verifyPauseMs);
    const again = await lookOnce(sink, ledger, day);
    const isSame = JSON.stringify(again) === JSON.stringify(look);
    look = again;
    if (isSame) break;
  }
  return look;
}

function isOdd({ differences, others, copies }: Look): boolean {
  return differences.length > 0 || others.length > 0 || copies.some(isUnlike);
}

function isUnlike({ isSame, trouble }: TableCopy): boolean {
  return !isSame && trouble === undefined;
}

/** Each server once. */
function unaskedOf(copies: readonly TableCopy[]): Verification['unasked'] {
  const troubles = new Map<string, string>();
  for (const { server, trouble } of copies) if (trouble !== undefined) troubles.set(server, trouble);
  return [...troubles].map(([server, trouble]) => ({ server, trouble }));
}

async function lookOnce(sink: Sink, ledger: Ledger, day: string): Promise<Look> {
  const written = await ledger.rows(day);
  const found = await ledger.count(day);
  const tables = await sink.tables(day);
  const copies = (await ledger.copies?.(day)) ?? [];
  const differences = compare(day, written, found);
  return { tables, found, differences, copies, others: othersIn(tables, found) };
}

function compare(day: string, written: readonly LedgerRows[], found: readonly LedgerRows[]): Difference[] {
  const nameOf = ({ table, capture }: LedgerRows): string => JSON.stringify([table, capture]);
  const rowsBy = (all: readonly LedgerRows[]) => new Map(all.map((each) => [nameOf(each), each.rows]));
  const [inLedger, inTables] = [rowsBy(written), rowsBy(found)];
  const all = new Map([...written, ...found].map((each) => [nameOf(each), each]));
  return [...all].flatMap(([name, { table, capture }]) => {
    const difference = { written: inLedger.get(name) ?? 0, found: inTables.get(name) ?? 0 };
    return difference.written === difference.found ? [] : [{ day, table, capture, ...difference }];
  });
}

function othersIn(tables: Look['tables'], found: readonly LedgerRows[]): Verification['others'] {
  return tables.flatMap(({ name, rows }) => {
    const counted = found.filter(({ table }) => table === name).reduce((sum, each) => sum + each.rows, 0);
    return rows > counted ? [{ table: name, rows: rows - counted }] : [];
  });
}
