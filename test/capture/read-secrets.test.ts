import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { readSecrets } from '../../src/capture/read-secrets.ts';
import { captureLimits } from '../../src/core/limits.ts';
import { ingest } from '../../src/pipeline/ingest.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { temporaryFolder } from '../support/recorded-capture.ts';
import { sharedCaptures } from '../support/shared-captures.ts';

type Order = 'little' | 'big';

function numbers(order: Order, ...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) {
    if (order === 'little') bytes.writeUInt32LE(value, index * 4);
    else bytes.writeUInt32BE(value, index * 4);
  }
  return bytes;
}

function block(order: Order, type: number, body: Buffer): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)]);
  const length = padded.length + 12;
  return Buffer.concat([numbers(order, type, length), padded, numbers(order, length)]);
}

const section = (order: Order): Buffer =>
  block(
    order,
    0x0a0d0d0a,
    Buffer.concat([numbers(order, 0x1a2b3c4d), Buffer.from('01000000', 'hex'), Buffer.alloc(8, 255)]),
  );
const packet = (order: Order, length: number): Buffer => block(order, 6, Buffer.alloc(20 + length));
const secrets = (order: Order, text: string, type = 0x544c534b): Buffer =>
  block(order, 10, Buffer.concat([numbers(order, type, text.length), Buffer.from(text)]));

async function secretsOf(folder: string, content: Buffer, unpacks = true): Promise<string[]> {
  const file = path.join(folder, 'capture');
  writeFileSync(file, content);
  const found: string[] = [];
  await readSecrets(file, (text) => found.push(text.toString()), { unpacks });
  return found;
}

for (const order of ['little', 'big'] as const) {
  test(`readSecrets finds secrets behind the packets of a ${order}-endian section`, async (context) => {
    const folder = temporaryFolder(context);
    const content = [
      section(order),
      packet(order, 60),
      secrets(order, 'one'),
      packet(order, 9),
      secrets(order, 'two!'),
    ];
    assert.deepEqual(await secretsOf(folder, Buffer.concat(content)), ['one', 'two!']);
  });
}

test('readSecrets finds secrets at every place of a read', async (context) => {
  const folder = temporaryFolder(context);
  for (const off of [-40, -12, -8, -4, 0, 4]) {
    const head = section('little');
    const filler = packet('little', captureLimits.readBytes - head.length - 32 + off);
    assert.deepEqual(
      await secretsOf(folder, Buffer.concat([head, filler, secrets('little', 'here')])),
      ['here'],
      `${off}`,
    );
  }
});

test('readSecrets reads secrets longer than one read', async (context) => {
  const long = 'x'.repeat(captureLimits.readBytes + 5);
  const [found] = await secretsOf(
    temporaryFolder(context),
    Buffer.concat([section('little'), secrets('little', long)]),
  );
  assert.equal(found?.length, long.length);
});

/** One raw block in one segment, RFC 8878 §3.1.1. */
function storedZstd(content: Buffer): Buffer {
  const head = Buffer.from('28b52ffda0', 'hex');
  const block = Buffer.alloc(3);
  block.writeUIntLE(content.length * 8 + 1, 0, 3);
  return Buffer.concat([head, numbers('little', content.length), block, content]);
}

/** One uncompressed block; the flag is the length's highest bit. */
function storedLz4(content: Buffer): Buffer {
  const head = Buffer.from('04224d18604082', 'hex');
  const length = numbers('little', 0x80000000 + content.length);
  return Buffer.concat([head, length, content, numbers('little', 0)]);
}

const packers = { gzip: gzipSync, zstd: storedZstd, lz4: storedLz4 } as const;

for (const [name, pack] of Object.entries(packers)) {
  test(`readSecrets finds secrets behind the packets of a file compressed with ${name}, where it may unpack`, async (context) => {
    const folder = temporaryFolder(context);
    const content = Buffer.concat([section('little'), packet('little', 60), secrets('little', 'late')]);
    assert.deepEqual(await secretsOf(folder, pack(content)), ['late']);
    assert.deepEqual(await secretsOf(folder, pack(content), false), []);
    assert.deepEqual(await secretsOf(folder, content, false), ['late'], 'not compressed');
    const other = Buffer.concat([Buffer.from('d4c3b2a1', 'hex'), content]);
    assert.deepEqual(await secretsOf(folder, pack(other)), [], 'compressed pcap');
    assert.deepEqual(await secretsOf(folder, pack(content).subarray(0, -20)), [], 'cut');
  });
}

test('readSecrets gives compressed content up at its limit', async (context) => {
  const folder = temporaryFolder(context);
  const filler = packet('little', (15 << 20) - 32);
  const before = captureLimits.secretsUnpackedBytesMax / (15 << 20);
  const packed = gzipSync(filler);
  const members = (count: number): Buffer =>
    Buffer.concat([
      gzipSync(section('little')),
      ...Array.from({ length: count }, () => packed),
      gzipSync(secrets('little', 'far')),
    ]);
  assert.deepEqual(await secretsOf(folder, members(Math.floor(before))), ['far']);
  assert.deepEqual(await secretsOf(folder, members(Math.ceil(before) + 1)), []);
});

test('readSecrets ends with the reason of its signal', async (context) => {
  const file = path.join(temporaryFolder(context), 'capture.gz');
  writeFileSync(file, gzipSync(section('little')));
  const reason = new Error('stopped');
  const options = { unpacks: true, signal: AbortSignal.abort(reason) };
  await assert.rejects(
    readSecrets(file, () => assert.fail(), options),
    reason,
  );
});

test('readSecrets leaves alone other secrets, other formats and what is not there', async (context) => {
  const folder = temporaryFolder(context);
  const good = Buffer.concat([section('little'), secrets('little', 'x')]);
  assert.deepEqual(
    await secretsOf(folder, Buffer.concat([section('little'), secrets('little', 'x', 1)])),
    [],
  );
  assert.deepEqual(await secretsOf(folder, Buffer.concat([Buffer.from('d4c3b2a1', 'hex'), good])), []);
  assert.deepEqual(await secretsOf(folder, Buffer.alloc(0)), []);
  await readSecrets(path.join(folder, 'nowhere'), () => assert.fail(), { unpacks: true });
});

test('readSecrets never throws and never hangs, whatever the octets are', async (context) => {
  const folder = temporaryFolder(context);
  const piece = fc.oneof(
    fc.constantFrom(section('big'), section('little'), packet('little', 3), secrets('little', 'abc')),
    fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from(octets)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
      await secretsOf(folder, Buffer.concat([section('little'), ...pieces]));
    }),
  );
});

test('a mail is read although its secrets stand at the end of the file', async (context) => {
  const capture = sharedCaptures('lab', 'imaps_993_tls13.pcapng');
  const keyLog = sharedCaptures('lab', 'imaps_993_tls13.keys.log');
  if (capture === undefined || keyLog === undefined) return context.skip();
  const folder = temporaryFolder(context);
  const file = path.join(folder, 'late.pcapng');
  const otherKeys = path.join(folder, 'other.log');
  writeFileSync(otherKeys, '# of other sessions');
  const rows = async (content: Buffer, keyLogFile?: string): Promise<number> => {
    writeFileSync(file, content);
    const sink = new MemorySink();
    await sink.open();
    const job = {
      root: file,
      day: '2022-01-28',
      timeZone: 'UTC',
      store: 'memory',
      imageFolder: path.join(folder, 'image'),
      ports: new Map(),
      keyLogFile,
      reprocess: false,
    };
    const silent = { progress: () => undefined, anomaly: () => undefined };
    await ingest(job, sink, silent, new AbortController().signal);
    return sink.rows.length;
  };
  const packets = readFileSync(capture);
  assert.equal(await rows(packets), 0);
  const late = Buffer.concat([packets, secrets('little', readFileSync(keyLog, 'latin1'))]);
  assert((await rows(late)) > 0);
  assert((await rows(late, otherKeys)) > 0);
  assert((await rows(gzipSync(late))) > 0, 'compressed');
  assert.equal(await rows(gzipSync(late), otherKeys), 0, 'compressed, and a key log given');
});
