import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CaptureFile } from '../../src/capture/types.ts';
import { planSeries } from '../../src/pipeline/series-plan.ts';
import type { LedgerEntry } from '../../src/store/ledger.ts';

const day = '2022-01-28';

/** `a b c` of the day; a leading `<` marks a file of the day before, a leading `>` one of the day after. */
function series(names: string): CaptureFile[] {
  const days: Readonly<Record<string, string>> = { '<': '2022-01-27', '>': '2022-01-29' };
  return names
    .split(' ')
    .map((path) => ({ path, bytes: 100, modifiedMs: 5, day: days[path[0] ?? ''] ?? day }));
}

/** `b<-a`: capture b is done and capture a is still needed; `b*` had another size when it was read. */
function ledger(entries: string): LedgerEntry[] {
  const texts = entries.split(' ').filter((text) => text !== '');
  return texts.map((text) => {
    const [, capture = '', grown, neededFrom] = /^(\S+?)(\*?)(?:<-(.*))?$/.exec(text) ?? [];
    return {
      capture,
      day: series(capture)[0]?.day ?? day,
      bytes: grown === '*' ? 99 : 100,
      modifiedMs: 5,
      firstPacketNs: null,
      lastPacketNs: null,
      isDone: true,
      neededFrom: neededFrom ?? capture,
      summary: '{}',
      version: '1',
    };
  });
}

interface Row {
  readonly files: string;
  readonly known: string;
  readonly read: string;
  readonly firstNew: string;
  readonly lastOfDay: string;
  readonly unchanged: number;
}

const table: readonly Row[] = [
  { files: 'a b c', known: '', read: 'a b c', firstNew: 'a', lastOfDay: 'c', unchanged: 0 },
  { files: 'a b c', known: 'a b c', read: '', firstNew: '', lastOfDay: '', unchanged: 3 },
  { files: 'a b c', known: 'a b c*', read: 'b c', firstNew: 'c', lastOfDay: 'c', unchanged: 2 },
  { files: 'a b c', known: 'a b<-a c*', read: 'a b c', firstNew: 'c', lastOfDay: 'c', unchanged: 2 },
  { files: 'a b c d', known: 'a b c<-b', read: 'b c d', firstNew: 'd', lastOfDay: 'd', unchanged: 3 },
  { files: 'a b c', known: 'a* b c', read: 'a b c', firstNew: 'a', lastOfDay: 'c', unchanged: 2 },
  { files: 'a b c', known: 'a b<-gone', read: 'a b c', firstNew: 'c', lastOfDay: 'c', unchanged: 2 },
  { files: '<z a b', known: '', read: '<z a b', firstNew: 'a', lastOfDay: 'b', unchanged: 0 },
  { files: '<z a b', known: '<z a', read: 'a b', firstNew: 'b', lastOfDay: 'b', unchanged: 1 },
  { files: '<z a b', known: '<z a<-<z', read: '<z a b', firstNew: 'b', lastOfDay: 'b', unchanged: 1 },
  { files: '<z a >n', known: 'a', read: '', firstNew: '', lastOfDay: '', unchanged: 1 },
  { files: 'a >n', known: '', read: 'a >n', firstNew: 'a', lastOfDay: 'a', unchanged: 0 },
];

for (const { files, known, read, firstNew, lastOfDay, unchanged } of table) {
  test(`planSeries of "${files}" with "${known}" in the ledger reads "${read}"`, () => {
    const plan = planSeries(series(files), day, ledger(known));
    assert.equal(plan.files.map((file) => file.path).join(' '), read);
    assert.equal(plan.files[plan.firstNew]?.path ?? '', firstNew);
    assert.equal(plan.files[plan.lastOfDay]?.path ?? '', lastOfDay);
    assert.equal(plan.unchanged, unchanged);
  });
}
