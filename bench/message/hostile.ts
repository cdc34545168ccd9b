/**
 * What hostile mails cost: each case at half its size and at its size, in a process of its own. Time should
 * about double (2.5 at most), memory stay below ten times the input and 100 MB.
 *
 *     node dist/bench/message/hostile.js
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { decodeMessage } from '../../src/message/decode-message.ts';

const multipart = 'Content-Type: multipart/mixed; boundary=bb\r\n\r\n';

/** Mails of `size` units; at `size` they are as large as the name says. */
const cases: readonly (readonly [name: string, size: number, make: (size: number) => string])[] = [
  ['10,000 parts', 10_000, (n) => multipart + '--bb\r\nContent-Type: text/plain\r\n\r\nx\r\n'.repeat(n)],
  ['depth 3,000', 3_000, nested],
  ['5 MB of CRLF', 2_500_000, (n) => `Subject: x\r\n\r\n${'\r\n'.repeat(n)}`],
  ['5 MB of boundary lines', 833_333, (n) => multipart + '--bb\r\n'.repeat(n)],
  ['5 MB of header', 5_000_000, (n) => `Subject: ${'x'.repeat(n)}\r\n\r\nx`],
  ['5 MB of header lines', 250_000, (n) => `${'X-Some: short value\r\n'.repeat(n)}\r\nx`],
  ['100,000 addresses', 100_000, (n) => `To: ${'a@b.cc, '.repeat(n)}\r\n\r\nx`],
  ['100,000 encoded words', 100_000, (n) => `Subject: ${'=?utf-8?q?x?= '.repeat(n)}\r\n\r\nx`],
  ['4 MB of <', 4_000_000, (n) => `Content-Type: text/html\r\n\r\n${'<'.repeat(n)}`],
  ['4 MB of &', 4_000_000, (n) => `Content-Type: text/html\r\n\r\n${'&'.repeat(n)}`],
];

function nested(depth: number): string {
  const opening = (level: number) =>
    `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}\r\n`;
  return `${Array.from({ length: depth }, (_, level) => opening(level)).join('')}\r\nx`;
}

interface Cost {
  readonly bytes: number;
  readonly milliseconds: number;
  readonly peakBytes: number;
}

/** In a fresh process: the best time of some runs, and the peak of the first. */
function measure(index: number, size: number): Cost {
  const output = execFileSync(process.execPath, [
    fileURLToPath(import.meta.url),
    String(index),
    String(size),
  ]);
  return JSON.parse(output.toString()) as Cost;
}

function run(index: number, size: number): Cost {
  const bytes = Buffer.from(cases[index]?.[2](size) ?? '', 'latin1');
  const decode = () => {
    const started = performance.now();
    decodeMessage(bytes);
    return performance.now() - started;
  };
  const first = decode();
  // Of one decoding: what the repetitions leave for the garbage collector is none of its cost.
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  const times = [first, decode(), decode(), decode(), decode()];
  return { bytes: bytes.length, milliseconds: Math.min(...times), peakBytes };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

const [index, size] = process.argv.slice(2);
if (index !== undefined && size !== undefined) {
  process.stdout.write(JSON.stringify(run(Number(index), Number(size))));
} else {
  const rows = cases.map(([name, size], index) => {
    const [half, whole] = [measure(index, size / 2), measure(index, size)];
    const ratio = whole.milliseconds / half.milliseconds;
    const bound = 10 * whole.bytes + 100e6;
    return {
      case: name,
      input: megabytes(whole.bytes),
      ms: whole.milliseconds.toFixed(1),
      'time when doubled': `×${ratio.toFixed(2)}`,
      'peak memory': megabytes(whole.peakBytes),
      'below 10 × input + 100 MB': whole.peakBytes < bound,
    };
  });
  console.table(rows);
}
