/**
 * Kills the runs of a day at random moments while its captures are written, and compares what is in the store
 * in the end with what one undisturbed run stores.
 * `node dist/test/chaos/kill-day.js [KILLS] [--store sqlite|mariadb] …`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fixturesFolder } from '../support/fixture.ts';
import { capturesIn, dated, sharedSeries } from '../support/growing-captures.ts';
import { type KilledDay, killDay } from '../support/kill-day.ts';
import { mariadbServer, testUser, whyNoMariadb } from '../support/mariadb.ts';
import { SeededRandom } from '../support/random.ts';

type Stores = Pick<KilledDay, 'killed' | 'undisturbed' | 'environment' | 'expireLeases'>;

/** Each with two empty stores. */
const kinds: Readonly<
  Record<string, (folder: string, use: (stores: Stores) => Promise<void>) => Promise<void>>
> = {
  async sqlite(folder, use) {
    const store = (name: string): string => `sqlite:${join(folder, `${name}.sqlite`)}`;
    await use({ killed: store('killed'), undisturbed: store('undisturbed'), environment: {} });
  },
  async mariadb(_, use) {
    const [killed, undisturbed] = [await mariadbServer(), await mariadbServer()];
    try {
      await use({
        killed: `mysql://${testUser.user}@127.0.0.1:${killed.port}`,
        undisturbed: `mysql://${testUser.user}@127.0.0.1:${undisturbed.port}`,
        environment: { MAILPROC_MYSQL_PASSWORD: testUser.password },
        async expireLeases() {
          const connection = await killed.connect();
          const [tables] = await connection.query(
            `SELECT table_schema AS home FROM information_schema.tables WHERE table_name = 'mailproc_lease'`,
          );
          for (const { home } of tables as { home: string }[]) {
            await connection.query(`UPDATE \`${home}\`.mailproc_lease SET ends_ms = 1 WHERE ends_ms > 0`);
          }
          await connection.end();
        },
      });
    } finally {
      await Promise.all([killed.remove(), undisturbed.remove()]);
    }
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { store: { type: 'string', multiple: true } },
});
const kills = Number(positionals[0] ?? 50);
const today = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
const ofLab = sharedSeries('ring_rotate_');
const captures = ofLab.length > 0 ? ofLab : capturesIn(join(fixturesFolder, 'rotated-series/captures'));
process.stderr.write(`captures of ${captures[0]?.name ?? 'nowhere'} and ${captures.length - 1} more\n`);
const outcomes: Record<string, unknown>[] = [];
for (const name of values.store ?? Object.keys(kinds)) {
  const stores = kinds[name];
  if (stores === undefined) throw new Error(`no store ${name}: ${Object.keys(kinds).join(', ')}`);
  if (name === 'mariadb' && whyNoMariadb() !== undefined) {
    process.stderr.write(`${whyNoMariadb()}\n`);
    continue;
  }
  const folder = mkdtempSync(join(tmpdir(), 'mailproc-kill-day-'));
  const seed = Date.now() >>> 0;
  try {
    await stores(folder, async (both) => {
      const outcome = await killDay({
        folder,
        captures: dated(captures, today.replaceAll('-', '')),
        day: today,
        kills,
        random: new SeededRandom(seed),
        ...both,
      });
      const { killed, imagesLost, expected, found } = outcome;
      const different = expected.filter((row, index) => row !== found[index]).length;
      const rows = { rows: found.length, expected: expected.length, different };
      outcomes.push({ store: name, seed, killed, ...rows, imagesLost: imagesLost.length });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
console.table(outcomes);
process.exit(outcomes.every(isWell) ? 0 : 1);

function isWell({ killed, rows, expected, different, imagesLost }: Record<string, unknown>): boolean {
  return killed === kills && rows === expected && different === 0 && imagesLost === 0;
}
