/** Nothing is silent: the octets of each capture add up, by a run and by `explain`, and what was skipped has a reason. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { explain } from '../../src/pipeline/explain.ts';
import type { OctetAccount } from '../../src/pipeline/octet-counts.ts';
import { fixtureNames, fixturesFolder, runFixture } from '../support/fixture.ts';
import { sharedCaptures, sharedNames } from '../support/shared-captures.ts';

const silent = { file: async () => undefined, connection: async () => undefined };

function accountOf(files: readonly string[]) {
  return explain({ files, ports: new Map(), keyLogFile: undefined, verbose: false }, silent);
}

function assertAddsUp({ octets, skippedOctets }: OctetAccount, total: number, name: string): void {
  const sum = (counts: object) =>
    Object.values(counts).reduce((all: number, each: number) => all + each, 0) as number;
  assert.equal(sum(octets), total, name);
  assert.equal(sum(skippedOctets), octets.skipped, name);
}

/** The capture files of a fixture. */
function filesOf(name: string): string[] {
  const folder = join(fixturesFolder, name);
  const entry = join(folder, readdirSync(folder).find((each) => each.startsWith('capture')) ?? '');
  if (!statSync(entry).isDirectory()) return [entry];
  return readdirSync(entry, { recursive: true, encoding: 'utf8' })
    .filter((file) => statSync(join(entry, file)).isFile())
    .sort()
    .map((file) => join(entry, file));
}

test('ingest accounts for every octet of every fixture', async () => {
  for (const name of fixtureNames()) {
    const { captures, octets, skippedOctets } = await runFixture(name);
    assertAddsUp({ octets, skippedOctets }, captures.octets, name);
  }
});

test('explain accounts for every octet of every capture of every fixture, as ingest does', async () => {
  for (const name of fixtureNames()) {
    const files = filesOf(name);
    for (const file of files) {
      const totals = await accountOf([file]);
      assert(totals.octetsRead > 0, file);
      assertAddsUp(totals, totals.octetsRead, file);
    }
    // Several captures of one folder need not be one series.
    if (files.length > 1) continue;
    const { captures, octets } = await runFixture(name);
    const [totals] = await Promise.all(files.map((file) => accountOf([file])));
    assert.deepEqual([totals?.octetsRead, totals?.octets], [captures.octets, octets], name);
  }
});

test('explain accounts for every octet of captures of all kinds', {
  skip: sharedNames('public').length === 0,
}, async () => {
  for (const kind of ['encap-tcp', 'format-variants', 'gzip', 'mail', 'negative', 'pcapng-conformance']) {
    for (const name of sharedNames(join('public', kind)).slice(0, 40)) {
      const file = sharedCaptures('public', kind, name) ?? '';
      if (!statSync(file).isFile() || statSync(file).size > 1 << 19) continue;
      const totals = await accountOf([file]);
      assertAddsUp(totals, totals.octetsRead, name);
    }
  }
});
