/**
 * How fast captures become rows, beside other programs that read captures: `npm run bench -- [options]`, see
 * bench/README.md. The data is made first and removed afterwards; programs that are not installed are left out.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type MariadbServer, mariadbServer, testUser, whyNoMariadb } from '../../test/support/mariadb.ts';
import { projectRoot } from '../../test/support/project.ts';
import { type Contestant, mailproc, type Run, reading, runOnce, tcpflow, tshark } from './contestants.ts';
import { type Load, type LoadOptions, usualLoads, writeLoad } from './loads.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    load: { type: 'string', multiple: true },
    megabytes: { type: 'string' },
    mails: { type: 'string' },
    'other-share': { type: 'string' },
    mix: { type: 'string' },
    loss: { type: 'string' },
    files: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
    write: { type: 'boolean', default: false },
  },
});

const work = mkdtempSync(join(values.folder, 'mailproc-bench-'));
let server: MariadbServer | undefined;
try {
  await main();
} finally {
  await server?.remove();
  rmSync(work, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const said: string[] = [machine()];
  console.log(said[0]);
  for (const usual of usualLoads) {
    if (values.load !== undefined && !values.load.includes(usual.name)) continue;
    const folder = join(work, usual.name);
    mkdirSync(folder);
    const load = await writeLoad(folder, optionsOf(usual));
    const table = await compare(load, await contestantsFor(load.name));
    rmSync(folder, { recursive: true });
    console.log(`\n${table}`);
    said.push(table);
  }
  if (values.write) writeTables(said.join('\n\n'));
}

function machine(): string {
  const [first] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, ${cpus().length} processors (${first?.model.trim()}), Node.js ${process.version}, ${process.platform}`;
}

function optionsOf(usual: LoadOptions): LoadOptions {
  const number = (text: string | undefined, otherwise: number): number =>
    text === undefined ? otherwise : Number(text);
  const factor = values.quick ? 0.1 : 1;
  const [smtp, pop3, imap] = values.mix?.split(',').map(Number) ?? usual.mix;
  return {
    ...usual,
    megabytes: number(values.megabytes, usual.megabytes * factor),
    mails: number(values.mails, usual.mails * factor),
    otherShare: number(values['other-share'], usual.otherShare),
    mix: [smtp ?? 0, pop3 ?? 0, imap ?? 0],
    loss: number(values.loss, usual.loss),
    files: number(values.files, usual.files),
  };
}

async function contestantsFor(load: string): Promise<readonly Contestant[]> {
  const ndjson = (output: string): string => `ndjson:${join(output, 'mails.ndjson')}`;
  const sqlite = (output: string): string => `sqlite:${join(output, 'mails.sqlite')}`;
  const all = [mailproc('mailproc --jobs 1', 1, ndjson), mailproc('mailproc --jobs 2', 2, ndjson)];
  if (load !== 'probe') {
    for (const jobs of [1, 2]) all.push(mailproc(`mailproc --jobs ${jobs}, SQLite`, jobs, sqlite));
    all.push(...(await onMariadb()));
  }
  // Of very many small mails tshark and tcpflow make very many files, which measures the disk.
  if (load !== 'tiny') all.push(tshark, tcpflow);
  if (load === 'probe') all.push(reading);
  return all.filter(({ name }) => values.only === undefined || name.includes(values.only));
}

async function onMariadb(): Promise<Contestant[]> {
  if (whyNoMariadb() !== undefined) return [];
  server ??= await mariadbServer();
  const { port } = server;
  const { user, password } = testUser;
  const store = (): string => `mysql://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}`;
  return [1, 2].map((jobs) => mailproc(`mailproc --jobs ${jobs}, MariaDB`, jobs, store, dropDatabases));
}

async function dropDatabases(): Promise<void> {
  const connection = await server?.connect();
  const names = ['smtp_database', 'pop3_database', 'imap_database', 'mailproc'];
  for (const name of names) await connection?.query(`DROP DATABASE IF EXISTS ${name}`);
  connection?.destroy();
}

/**
 * In turn, so that a machine that becomes slower does so for all. What they write stays until the end: ext4 looks at
 * each inode that was freed in the last minutes before it creates a file, which would count against the next one.
 */
async function compare(load: Load, contestants: readonly Contestant[]): Promise<string> {
  const runs = new Map<Contestant, Run[]>();
  const roundCount = Number(values.rounds ?? (values.quick ? 1 : 3));
  for (let round = 0; round < roundCount; round++) {
    for (const [index, contestant] of contestants.entries()) {
      const output = join(work, `${load.name}-${round}-${index}`);
      mkdirSync(output);
      const run = await runOnce(contestant, load.files, output);
      if (run !== undefined) runs.set(contestant, [...(runs.get(contestant) ?? []), run]);
    }
  }
  return tableOf(load, runs, roundCount);
}

function tableOf(load: Load, runs: ReadonlyMap<Contestant, readonly Run[]>, roundCount: number): string {
  const megabytes = load.bytes / 1e6;
  const [reference = []] = runs.values();
  const lines = [...runs].map(([{ name }, all]) => {
    const seconds = median(all.map((run) => run.seconds));
    const processor = median(all.map((run) => run.processorSeconds));
    // In each round against the first program in the same round.
    const ratio = median(all.map((run, round) => run.seconds / (reference[round]?.seconds ?? Number.NaN)));
    return [
      name,
      seconds.toFixed(2),
      (megabytes / seconds).toFixed(0),
      (load.mails / seconds).toFixed(0),
      processor.toFixed(2),
      median(all.map((run) => run.peakMegabytes)).toFixed(0),
      ratio.toFixed(2),
    ];
  });
  const head = ['program', 'seconds', 'MB/s', 'mails/s', 'CPU s', 'peak MB', 'time compared'];
  const rows = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`);
  const what = `${megabytes.toFixed(0)} MB, ${load.mails} mails, ${load.files.length} files`;
  return `**${load.name}**: ${what}, medians of ${roundCount} rounds\n\n${rows.join('\n')}`;
}

function median(all: readonly number[]): number {
  const sorted = all.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Between the two marks of the README. */
function writeTables(tables: string): void {
  const file = join(projectRoot, 'bench/README.md');
  const [before = '', rest = ''] = readFileSync(file, 'utf8').split('<!-- results -->');
  const after = rest.split('<!-- end of results -->')[1] ?? '';
  writeFileSync(file, `${before}<!-- results -->\n\n${tables}\n\n<!-- end of results -->${after}`);
}
