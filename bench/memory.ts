/**
 * `node dist/bench/memory.js [--jobs N] [CASE …]`: peak memory of the command on captures that are made to cost much.
 * Prints one line per case: octets of the capture, seconds, peak RSS, exit status.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { constants, createGzip, deflateRawSync } from 'node:zlib';
import { projectRoot } from '../test/support/project.ts';

const megabyte = 1 << 20;

// ---- captures, packet by packet -----------------------------------------------------------------

type Sender = 'client' | 'server';

/** One TCP connection as raw IP packets in pcap records. */
class TcpSide {
  readonly #client: number;
  readonly #port: number;
  readonly #next = { client: 1, server: 1 };

  constructor(index: number, port: number) {
    this.#client = index;
    this.#port = port;
  }

  open(): Buffer[] {
    this.#next.client = 0;
    this.#next.server = 0;
    return [
      this.#packet('client', 0x02, Buffer.alloc(0), 1),
      this.#packet('server', 0x12, Buffer.alloc(0), 1),
    ];
  }

  says(sender: Sender, text: string | Buffer, segmentBytes = 1460): Buffer[] {
    const bytes = Buffer.from(text);
    const packets: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += segmentBytes) {
      const piece = bytes.subarray(at, at + segmentBytes);
      packets.push(this.#packet(sender, 0x18, piece, piece.length));
    }
    return packets;
  }

  /** The next octets are sent but not captured. */
  loses(sender: Sender, octets: number): void {
    this.#next[sender] = (this.#next[sender] + octets) >>> 0;
  }

  #packet(sender: Sender, flags: number, payload: Buffer, moves: number): Buffer {
    const record = Buffer.alloc(56);
    const length = 40 + payload.length;
    record.writeUInt32LE(1_643_362_200, 0);
    record.writeUInt32LE(length, 8);
    record.writeUInt32LE(length, 12);
    record[16] = 0x45;
    record.writeUInt16BE(length, 18);
    record[24] = 64;
    record[25] = 6;
    const client = 0x0a00_0000 + (this.#client >>> 4);
    const server = 0xc633_6419;
    record.writeUInt32BE(sender === 'client' ? client : server, 28);
    record.writeUInt32BE(sender === 'client' ? server : client, 32);
    const port = 40_000 + (this.#client & 15);
    record.writeUInt16BE(sender === 'client' ? port : this.#port, 36);
    record.writeUInt16BE(sender === 'client' ? this.#port : port, 38);
    record.writeUInt32BE(this.#next[sender], 40);
    record.writeUInt32BE(flags === 0x02 ? 0 : this.#next[sender === 'client' ? 'server' : 'client'], 44);
    record[48] = 0x50;
    record[49] = flags;
    record.writeUInt16BE(0xffff, 50);
    this.loses(sender, moves);
    return Buffer.concat([record, payload]);
  }
}

function fileHeader(): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262_144, 16);
  header.writeUInt32LE(101, 20);
  return header;
}

type Packets = Generator<Buffer>;

const smtpStart: readonly (readonly [Sender, string])[] = [
  ['server', '220 mx ESMTP\r\n'],
  ['client', 'EHLO a\r\n'],
  ['server', '250 mx\r\n'],
  ['client', 'MAIL FROM:<a@b.example>\r\n'],
  ['server', '250 ok\r\n'],
  ['client', 'RCPT TO:<c@d.example>\r\n'],
  ['server', '250 ok\r\n'],
  ['client', 'DATA\r\n'],
  ['server', '354 go\r\n'],
  ['client', 'Subject: x\r\n\r\n'],
];

const imapStart: readonly (readonly [Sender, string])[] = [
  ['server', '* OK ready\r\n'],
  ['client', 'a1 LOGIN a b\r\n'],
  ['server', 'a1 OK\r\n'],
  ['client', 'a2 SELECT INBOX\r\n'],
  ['server', 'a2 OK\r\n'],
];

const imapWithLiteral: typeof imapStart = [
  ...imapStart,
  ['client', 'a3 FETCH 1 BODY[]\r\n'],
  ['server', '* 1 FETCH (BODY[] {4000000000}\r\n'],
];

function* begin(side: TcpSide, turns: readonly (readonly [Sender, string])[]): Packets {
  yield* side.open();
  for (const [sender, text] of turns) yield* side.says(sender, text);
}

const line = 'It was a bright cold day in April, and the clocks were striking thirteen.\r\n';

/** Text of mails, about a megabyte. */
const textOfMegabyte = line.repeat(Math.floor(megabyte / line.length));

function* smtpInTinySegments(): Packets {
  const side = new TcpSide(1, 25);
  yield* begin(side, smtpStart);
  for (let round = 0; round < 5000; round++) yield* side.says('client', line, 1);
  yield* side.says('client', '.\r\n');
}

function* manyConnections(count: number, each: (side: TcpSide) => Packets, port = 25): Packets {
  for (let index = 0; index < count; index++) yield* each(new TcpSide(index, port));
}

function* openMail(side: TcpSide): Packets {
  yield* begin(side, smtpStart);
  yield* side.says('client', line.repeat(10));
}

function* mailWithHole(side: TcpSide): Packets {
  yield* openMail(side);
  side.loses('client', 1000);
  yield* side.says('client', line.repeat(10));
}

/** Open for hours, as mail programs keep them. */
function* idleMailbox(side: TcpSide): Packets {
  yield* begin(side, [
    ...imapStart,
    ['client', 'a3 FETCH 1:3 (UID RFC822.SIZE FLAGS)\r\n'],
    [
      'server',
      '* 1 FETCH (UID 7 RFC822.SIZE 1234 FLAGS ())\r\n* 2 FETCH (UID 9 RFC822.SIZE 99 FLAGS ())\r\n',
    ],
    ['server', 'a3 OK\r\n'],
    ['client', 'a4 IDLE\r\n'],
    ['server', '+ idling\r\n'],
  ]);
}

/** Data far behind a hole, held until it is filled. */
function* wideHole(side: TcpSide): Packets {
  yield* openMail(side);
  side.loses('client', megabyte);
  yield* side.says('client', line.repeat(200));
}

/** SYNs that nobody answers. */
function* halfOpen(side: TcpSide): Packets {
  yield side.open()[0] as Buffer;
}

/** Nobody says what it is, octet by octet. */
function* undecided(side: TcpSide): Packets {
  yield* side.open();
  yield* side.says('client', 'x'.repeat(200), 1);
}

/** The server's answer to DATA is not in the capture, and the client goes on. */
function* unanswered(side: TcpSide): Packets {
  yield* begin(side, smtpStart.slice(0, 8));
  yield* side.says('client', line.repeat(200));
}

/** Commands that nobody answers. */
function* pipelined(side: TcpSide): Packets {
  yield* begin(side, smtpStart.slice(0, 3));
  yield* side.says('client', 'RCPT TO:<c@d.example>\r\n'.repeat(600));
}

function* longCommands(count: number): Packets {
  const side = new TcpSide(1, 143);
  yield* begin(side, imapStart);
  for (let index = 0; index < count; index++)
    yield* side.says('client', `b${index} SEARCH SUBJECT "${'x'.repeat(1_000_000)}"\r\n`);
}

/** The number and size of each mail, as servers list them. */
function* longListing(side: TcpSide): Packets {
  yield* begin(side, [
    ['server', '+OK ready\r\n'],
    ['client', 'LIST\r\n'],
    ['server', '+OK\r\n'],
  ]);
  const lines = Array.from({ length: 1000 }, (_, index) => `${index + 1} ${1000 + index * 7}\r\n`);
  yield* side.says('server', `${lines.join('')}.\r\n`);
}

/** A text read in pieces of one octet, every second one of them. */
function* tinyPieces(side: TcpSide): Packets {
  yield* begin(side, imapStart);
  const pieces = Array.from({ length: 600 }, (_, index) => index * 2);
  const commands = pieces.map((at, index) => `b${index} UID FETCH 7 BODY[TEXT]<${at}.1>\r\n`);
  yield* side.says('client', commands.join(''));
  const answers = pieces.map(
    (at, index) => `* 1 FETCH (UID 7 BODY[TEXT]<${at}> {1}\r\nx)\r\nb${index} OK\r\n`,
  );
  yield* side.says('server', answers.join(''));
}

/** Half of a hello, and half of a record behind it. */
function* tlsBegun(side: TcpSide): Packets {
  const record = Buffer.alloc(14_000, 1);
  record.set([22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb, 3, 3]);
  yield* side.open();
  yield* side.says('client', record);
}

/** Mailboxes read in DEFLATE, open for hours. */
function* compressedMailbox(side: TcpSide): Packets {
  yield* begin(side, [
    ...imapStart,
    ['client', 'a3 COMPRESS DEFLATE\r\n'],
    ['server', 'a3 OK DEFLATE active\r\n'],
  ]);
  const flush = { finishFlush: constants.Z_SYNC_FLUSH };
  yield* side.says('client', deflateRawSync('a4 FETCH 1 (FLAGS)\r\n', flush));
  yield* side.says('server', deflateRawSync('* 1 FETCH (FLAGS ())\r\na4 OK\r\n', flush));
}

/** Lines of 76 characters that are base64. */
const base64OfMegabyte = `${Buffer.alloc(57, 'mailproc').toString('base64')}\r\n`.repeat(
  Math.floor(megabyte / 78),
);

/** One mail after the other, as large as they are kept, each an attachment. */
function* largeMails(count: number, megabytes: number, type: string, body: string): Packets {
  const side = new TcpSide(1, 25);
  yield* begin(side, smtpStart.slice(0, 3));
  for (let index = 0; index < count; index++) {
    for (const [sender, text] of smtpStart.slice(3, 9)) yield* side.says(sender, text);
    yield* side.says('client', `Subject: x\r\n${type}\r\n\r\n`);
    for (let round = 0; round < megabytes; round++) yield* side.says('client', body);
    yield* side.says('client', '.\r\n');
    yield* side.says('server', '250 ok\r\n');
  }
}

/** Mails that grow side by side. */
function* mailsSideBySide(count: number, megabytes: number): Packets {
  const sides = Array.from({ length: count }, (_, index) => new TcpSide(index, 25));
  for (const side of sides) yield* begin(side, smtpStart);
  for (let round = 0; round < megabytes; round++) {
    for (const side of sides) yield* side.says('client', textOfMegabyte);
  }
}

function* endless(
  turns: readonly (readonly [Sender, string])[],
  sender: Sender,
  what: string,
  megabytes: number,
): Packets {
  const side = new TcpSide(1, turns[0]?.[1].startsWith('*') ? 143 : 25);
  yield* begin(side, turns);
  for (let round = 0; round < megabytes; round++) yield* side.says(sender, what);
}

function* manyMailsInOneSegment(): Packets {
  const side = new TcpSide(1, 110);
  yield* begin(side, [
    ['server', '+OK ready\r\n'],
    ['client', 'USER a\r\n'],
    ['server', '+OK\r\n'],
    ['client', 'PASS b\r\n'],
    ['server', '+OK\r\n'],
  ]);
  for (let round = 0; round < 10; round++) {
    yield* side.says('client', 'RETR 1\r\n'.repeat(4000), 60_000);
    yield* side.says('server', '+OK\r\nSubject: x\r\n\r\n.\r\n'.repeat(4000), 60_000);
  }
}

function* deflateBomb(): Packets {
  const side = new TcpSide(1, 143);
  yield* begin(side, imapStart);
  yield* side.says('client', 'a3 COMPRESS DEFLATE\r\n');
  yield* side.says('server', 'a3 OK DEFLATE active\r\n');
  const flush = { finishFlush: constants.Z_SYNC_FLUSH };
  yield* side.says('client', deflateRawSync('a4 FETCH 1 BODY[]\r\n', flush));
  yield* side.says('server', deflateRawSync('* 1 FETCH (BODY[] {4000000000}\r\n', flush));
  const bomb = deflateRawSync(Buffer.alloc(16 * megabyte, 0x61), { finishFlush: constants.Z_FULL_FLUSH });
  for (let round = 0; round < 60; round++) yield* side.says('server', bomb);
}

/** Many connections whose server sends and whose client is not heard. */
function* unreadServers(): Packets {
  const sides = Array.from({ length: 40 }, (_, index) => new TcpSide(index, 110));
  for (const side of sides)
    yield* begin(side, [
      ['server', '+OK ready\r\n'],
      ['client', 'USER a\r\n'],
      ['server', '+OK\r\n'],
    ]);
  for (let round = 0; round < 20; round++)
    for (const side of sides) yield* side.says('server', textOfMegabyte);
}

/** Bodies that are read without their headers wait for them. */
function* pendingSections(): Packets {
  const megabytes = 30;
  const sides = Array.from({ length: 8 }, (_, index) => new TcpSide(index, 143));
  for (const side of sides)
    yield* begin(side, [
      ...imapStart,
      ['client', 'a3 UID FETCH 7 (UID BODY[TEXT])\r\n'],
      ['server', `* 1 FETCH (UID 7 BODY[TEXT] {${megabytes * textOfMegabyte.length}}\r\n`],
    ]);
  for (let round = 0; round < megabytes; round++)
    for (const side of sides) yield* side.says('server', textOfMegabyte);
  for (const side of sides) yield* side.says('server', ')\r\na3 OK\r\n');
}

interface Case {
  readonly packets: () => Packets;
  readonly gzip?: boolean;
}

const cases: Readonly<Record<string, Case>> = {
  'one mail in 375,000 segments of one octet': { packets: smtpInTinySegments },
  '100,000 connections with an open mail': { packets: () => manyConnections(100_000, openMail) },
  '100,000 connections with a hole in a mail': { packets: () => manyConnections(100_000, mailWithHole) },
  '100,000 connections with an idle mailbox': {
    packets: () => manyConnections(100_000, idleMailbox, 143),
  },
  '100,000 connections half open': { packets: () => manyConnections(100_000, halfOpen) },
  '10,000 connections with a hole of 1 MB each': { packets: () => manyConnections(10_000, wideHole) },
  '5,000 connections, 200 octets one by one, no protocol': {
    packets: () => manyConnections(5000, undecided),
  },
  '16,000 connections whose DATA nobody answers': { packets: () => manyConnections(16_000, unanswered) },
  '16,000 connections, 600 commands unanswered': { packets: () => manyConnections(16_000, pipelined) },
  '300 commands of 1 MB unanswered in one IMAP connection': { packets: () => longCommands(300) },
  '16,000 connections with a listing of 1,000 mails': {
    packets: () => manyConnections(16_000, longListing, 110),
  },
  '1,500 connections with a text in 600 pieces of one octet': {
    packets: () => manyConnections(1500, tinyPieces, 143),
  },
  '16,000 connections with half a hello of TLS': { packets: () => manyConnections(16_000, tlsBegun, 993) },
  '16,000 connections with a compressed mailbox': {
    packets: () => manyConnections(16_000, compressedMailbox, 143),
  },
  'one mail of 300 MB': { packets: () => endless(smtpStart, 'client', textOfMegabyte, 300) },
  '40 mails of 20 MB side by side': { packets: () => mailsSideBySide(40, 20) },
  'five mails of 63 MB, an attachment each': {
    packets: () =>
      largeMails(5, 63, 'Content-Type: image/png\r\nContent-Transfer-Encoding: base64', base64OfMegabyte),
  },
  'five mails of 63 MB in quoted-printable': {
    packets: () =>
      largeMails(
        5,
        63,
        'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable',
        line.replace('bright', '=E6=98=8E').repeat(Math.floor(megabyte / 80)),
      ),
  },
  'five mails of 63 MB of HTML': {
    packets: () =>
      largeMails(5, 63, 'Content-Type: text/html; charset=gbk', `<p>${line}</p>`.repeat(megabyte / 88)),
  },
  'one line of 300 MB in a mail': { packets: () => endless(smtpStart, 'client', 'x'.repeat(megabyte), 300) },
  'one command of 300 MB': {
    packets: () => endless(smtpStart.slice(0, 3), 'client', 'x'.repeat(megabyte), 300),
  },
  'one IMAP response line of 300 MB': {
    packets: () =>
      endless([...imapStart, ['server', '* 1 FETCH (BODY[] "']], 'server', 'x'.repeat(megabyte), 300),
  },
  'one IMAP literal of 300 MB': {
    packets: () => endless(imapWithLiteral, 'server', textOfMegabyte, 300),
  },
  '40 POP3 servers without their clients, 20 MB each': { packets: unreadServers },
  '8 IMAP connections, a body of 30 MB without header each': { packets: pendingSections },
  '40,000 mails in ten segments': { packets: manyMailsInOneSegment },
  'a DEFLATE bomb of 960 MB': { packets: deflateBomb },
  'a gzip bomb of 300 MB': {
    packets: () => endless(smtpStart, 'server', 'x'.repeat(megabyte), 300),
    gzip: true,
  },
};

// ---- running ------------------------------------------------------------------------------------

async function writeCapture(file: string, { packets, gzip }: Case): Promise<void> {
  const target = createWriteStream(file);
  const first = gzip === true ? createGzip({ level: 1 }) : undefined;
  first?.pipe(target);
  const stream = first ?? target;
  const drained = () => new Promise<void>((resolve) => stream.once('drain', () => resolve()));
  stream.write(fileHeader());
  let batch: Buffer[] = [];
  for (const packet of packets()) {
    batch.push(packet);
    if (batch.length < 1000) continue;
    if (!stream.write(Buffer.concat(batch))) await drained();
    batch = [];
  }
  stream.end(Buffer.concat(batch));
  await new Promise<void>((resolve) => target.once('close', () => resolve()));
}

interface Measured {
  readonly seconds: number;
  readonly peakMegabytes: number;
  readonly status: number | null;
}

/** The command tells its own peak when it ends. */
const tellPeak = 'process.on("exit",()=>process._rawDebug("peak "+process.resourceUsage().maxRSS))';

function measure(folder: string, file: string, jobs: string): Promise<Measured> {
  const started = performance.now();
  const hook = `data:text/javascript,${encodeURIComponent(tellPeak)}`;
  const command = [
    join(projectRoot, 'bin/mailproc.js'),
    '--jobs',
    jobs,
    file,
    '20220128',
    '--store',
    'ndjson:mails.ndjson',
    '--quiet',
  ];
  const child = spawn(process.execPath, ['--import', hook, ...command], { cwd: folder });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  child.stdout.resume();
  return new Promise((resolve) => {
    child.on('close', (status) => {
      const peak = /peak (\d+)/.exec(told)?.[1] ?? 'NaN';
      if (status !== 0) process.stdout.write(`${told.slice(-600)}\n`);
      resolve({ seconds: (performance.now() - started) / 1000, peakMegabytes: Number(peak) / 1024, status });
    });
  });
}

async function main(jobs: string, wanted: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mailproc-memory-'));
  try {
    for (const [name, each] of Object.entries(cases)) {
      if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
      const file = join(folder, 'capture.pcap');
      await writeCapture(file, each);
      const { seconds, peakMegabytes, status } = await measure(folder, file, jobs);
      const captured = (statSync(file).size / megabyte).toFixed(0);
      const numbers = `${captured.padStart(5)} MB ${seconds.toFixed(1).padStart(6)} s`;
      process.stdout.write(
        `${name.padEnd(56)} ${numbers} ${peakMegabytes.toFixed(0).padStart(6)} MB peak, exit ${status}\n`,
      );
      rmSync(file);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values, positionals } = parseArgs({
  options: { jobs: { type: 'string', default: '1' } },
  allowPositionals: true,
});
await main(values.jobs, positionals);
