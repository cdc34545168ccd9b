/**
 * Whether time grows faster than the input: `node dist/bench/throughput/growth.js [--part X]`, see bench/README.md.
 * Each capture is twice as large as the one before it; a factor well above 2 is work that is done again and again.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CaptureWriter } from './capture-writer.ts';
import { mailproc, type Run, runOnce } from './contestants.ts';
import { delivery, type Flow, session, TcpFlow, type Turn, transaction } from './flows.ts';
import { usualLoads, writeLoad } from './loads.ts';
import { type MailBody, mailOf, officeMails, shortMails } from './mails.ts';
import { RandomNumbers } from './random.ts';

interface Growth {
  readonly name: string;
  /** Of the largest capture, halved for those before it. */
  readonly largest: number;
  readonly unit: string;
  readonly write: (folder: string, size: number) => Promise<void>;
}

const steps = 5;

const { values } = parseArgs({
  options: {
    /** Of the usual sizes, for a quick look. */
    part: { type: 'string', default: '1' },
    only: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
  },
});

const growths: readonly Growth[] = [
  { name: 'a day of mail', largest: 4000, unit: 'MB', write: writeDay },
  { name: 'one connection', largest: 1000, unit: 'MB', write: writeOneConnection },
  { name: 'connections with a mail each', largest: 1_000_000, unit: 'connections', write: writeConnections },
];

const contestant = mailproc('mailproc', 1, (output) => `ndjson:${join(output, 'mails.ndjson')}`);

await main();

async function main(): Promise<void> {
  const work = mkdtempSync(join(values.folder, 'mailproc-growth-'));
  try {
    for (const growth of growths) {
      if (values.only === undefined || growth.name.includes(values.only)) await measure(growth, work);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function measure({ name, largest, unit, write }: Growth, work: string): Promise<void> {
  console.log(`\n**${name}**\n\n| ${unit} | seconds | CPU s | times the CPU of half | peak MB |`);
  console.log('| --- | --- | --- | --- | --- |');
  let before: Run | undefined;
  for (let step = steps - 1; step >= 0; step--) {
    const size = (largest * Number(values.part)) / 2 ** step;
    const folder = join(work, 'captures');
    const output = join(work, `output-${name.replaceAll(' ', '-')}-${step}`);
    mkdirSync(folder);
    mkdirSync(output);
    await write(folder, size);
    const run = await runOnce(contestant, [join(folder, 'any')], output);
    rmSync(folder, { recursive: true });
    if (run === undefined) throw new Error('mailproc did not run');
    const times = before === undefined ? '' : (run.processorSeconds / before.processorSeconds).toFixed(2);
    const cells = [size, run.seconds.toFixed(1), run.processorSeconds.toFixed(1), times];
    console.log(`| ${cells.join(' | ')} | ${run.peakMegabytes.toFixed(0)} |`);
    before = run;
  }
}

async function writeDay(folder: string, megabytes: number): Promise<void> {
  const [mail] = usualLoads;
  if (mail !== undefined) await writeLoad(folder, { ...mail, megabytes, files: 60 });
}

/** Mails of an office, one after the other in one SMTP connection. */
async function writeOneConnection(folder: string, megabytes: number): Promise<void> {
  const random = new RandomNumbers(4);
  // The same few again and again, so that a gigabyte of them is not held here.
  const mails = officeMails(random).map((body, index) => mailOf(body, index));
  const transactions = mails.map(transaction);
  const turns: Turn[] = [];
  for (let octets = 0; octets < megabytes * 1e6; ) {
    const index = random.below(mails.length);
    octets += mails[index]?.length ?? 0;
    turns.push(...(transactions[index] ?? []));
  }
  writeFlows(folder, random, [session(turns)].values(), 1);
}

async function writeConnections(folder: string, count: number): Promise<void> {
  const random = new RandomNumbers(5);
  writeFlows(folder, random, smallDeliveries(shortMails(random, 500), count), 60);
}

function* smallDeliveries(bodies: readonly MailBody[], count: number): Generator<Turn[]> {
  for (let number = 0; number < count; number++) {
    const body = bodies[number % bodies.length];
    if (body !== undefined) yield delivery([mailOf(body, number)]);
  }
}

/** At most `parallelMax` connections at the same time, their packets mixed. */
function writeFlows(
  folder: string,
  random: RandomNumbers,
  conversations: IterableIterator<Turn[]>,
  parallelMax: number,
): void {
  const writer = new CaptureWriter({ folder, fileBytes: 4e9, filesMax: 1, loss: 0 }, random);
  const active: Flow[] = [];
  let number = 0;
  for (let isOver = false; !isOver || active.length > 0; ) {
    while (!isOver && active.length < parallelMax) {
      const next = conversations.next();
      isOver = next.done === true;
      if (next.done !== true)
        active.push(new TcpFlow(writer, endsOf(number++), next.value, random.below(2 ** 31)));
    }
    const index = random.below(active.length);
    if (active[index]?.step() === false) active.splice(index, 1);
  }
  writer.close();
}

function endsOf(number: number): ConstructorParameters<typeof TcpFlow>[1] {
  const source = 0x0a00_0000 + Math.floor(number / 20_000);
  return { source, target: 0xc000_0219, sourcePort: 40_000 + (number % 20_000), targetPort: 25 };
}
