import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { DeflateLayer } from '../../../src/dialogue/deflate-layer.ts';
import { KeyLog } from '../../../src/dialogue/tls/key-log.ts';
import { TlsLayer } from '../../../src/dialogue/tls/tls-layer.ts';
import type { Sender, StreamData } from '../../../src/stream/types.ts';
import { sharedPath } from '../../support/shared-captures.ts';
import { END, feed, recut, WAYS } from './feeding.ts';
import { type RecordedStream, readRecording } from './recorded-streams.ts';

const NAMES = [
  'imap_starttls_tls12',
  'imap_starttls_tls13',
  'imap_thunderbird_tls',
  'imap_tls_clients',
  'imaps_993_tls12',
  'imaps_993_tls13',
  'pop3_stls_tls12',
  'pop3_stls_tls13',
  'pop3s_995_tls12',
  'pop3s_995_tls13',
  'smtp_starttls_tls12',
  'smtp_starttls_tls13',
  'smtp_tls_clients',
  'smtps_465_tls12',
  'smtps_465_tls13',
  'imap_compress_raw',
  'imap_imapflow_compress',
];

interface Manifest {
  readonly connections: readonly { readonly layers: readonly string[]; readonly keys?: boolean }[];
  readonly messages: readonly {
    readonly conn: number;
    readonly protocol: 'smtp' | 'pop3' | 'imap';
    readonly method: string;
    readonly direction: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly complete: boolean;
    readonly layer: string;
  }[];
}

for (const name of NAMES) {
  const capture = sharedPath(`lab/${name}.pcapng`);
  describe(`recorded session ${name}`, { skip: !existsSync(capture) }, () => {
    if (!existsSync(capture)) return;
    const manifest = JSON.parse(readFileSync(capture.replace('.pcapng', '.json'), 'utf8')) as Manifest;
    const keys = capture.replace('.pcapng', '.keys.log');
    it('TlsLayer gives the mails out of it with the key log', () => {
      const keyLog = new KeyLog();
      if (existsSync(keys)) keyLog.add(readFileSync(keys));
      assertMails(manifest, readRecording(capture).streams, keyLog);
    });
    const withSecrets = capture.replace('.pcapng', '.dsb.pcapng');
    it('TlsLayer gives the mails with the secrets in the capture', { skip: !existsSync(withSecrets) }, () => {
      const recording = readRecording(withSecrets);
      const keyLog = new KeyLog();
      for (const secrets of recording.secrets) keyLog.add(secrets);
      assertMails(manifest, recording.streams, keyLog);
    });
    const hasTls = existsSync(keys);
    it('TlsLayer gives the same whatever the cuts and the order of the sides', { skip: !hasTls }, () => {
      const keyLog = new KeyLog();
      keyLog.add(readFileSync(keys));
      for (const [index, stream] of readRecording(capture).streams.entries()) {
        if (manifest.connections[index]?.keys) assertSameInAllWays(stream, keyLog);
      }
    });
  });
}

function assertMails(manifest: Manifest, streams: readonly RecordedStream[], keyLog: KeyLog): void {
  const plain = streams.map((stream, index) => {
    const layers = manifest.connections[index]?.layers ?? [];
    return unwrap(stream, layers.includes('tls') || layers.includes('starttls'), keyLog);
  });
  let checked = 0;
  for (const mail of manifest.messages) {
    if (!mail.complete || mail.method.includes('sections') || mail.method.includes('partial')) continue;
    const sides = plain[mail.conn];
    assert.ok(sides);
    const sender = mail.direction === 'retrieved' ? 'server' : 'client';
    const digests = mail.protocol === 'imap' ? literals(sides[sender]) : stuffed(sides[sender], mail.bytes);
    assert.ok(digests.has(mail.sha256), `${mail.method} of ${mail.bytes} octets in connection ${mail.conn}`);
    checked++;
  }
  assert.ok(checked > 0);
}

function assertSameInAllWays({ connection, events }: RecordedStream, keyLog: KeyLog): void {
  const inTls = behindUpgrade(events);
  const expected = feed(new TlsLayer(connection, keyLog), recut(inTls, 'as captured'));
  assert.deepEqual(expected.notes, []);
  assert.deepEqual(expected.anomalies, []);
  assert.deepEqual(expected.gaps, []);
  for (const way of WAYS) {
    const outcome = feed(new TlsLayer(connection, keyLog), recut(inTls, way));
    assert.deepEqual(outcome.client, expected.client, way);
    assert.deepEqual(outcome.server, expected.server, way);
    assert.deepEqual(positions(outcome.data), positions(expected.data), way);
    assert.deepEqual([outcome.notes, outcome.anomalies, outcome.gaps], [[], [], []], way);
  }
}

/** Sequence and length of each piece, by side: they must not depend on the cuts. */
function positions(data: readonly StreamData[]): string[] {
  return data.map(({ sender, sequence, bytes }) => `${sender} ${sequence} ${bytes.length}`).sort();
}

/** Both sides' octets with TLS and DEFLATE taken off. */
function unwrap(
  { connection, events }: RecordedStream,
  isTls: boolean,
  keyLog: KeyLog,
): Record<Sender, Buffer> {
  const data = isTls ? feed(new TlsLayer(connection, keyLog), [...behindUpgrade(events), END]).data : events;
  const compressed = behindCompress(data);
  const plain = feed(new DeflateLayer(), [...compressed, END]);
  assert.deepEqual(plain.anomalies, []);
  const before = feed({ receive: (event) => [event] }, data);
  return {
    client: Buffer.concat([before.client, plain.client]),
    server: Buffer.concat([before.server, plain.server]),
  };
}

/** What stands behind the first octets of a TLS handshake, on both sides. */
function behindUpgrade(events: readonly StreamData[]): StreamData[] {
  return behind(events, (bytes) => bytes.indexOf(Buffer.from([0x16, 0x03])));
}

function behindCompress(events: readonly StreamData[]): StreamData[] {
  const client = feed({ receive: (event) => [event] }, events).client;
  const [line, tag] = /^(\S+) COMPRESS DEFLATE\r\n/im.exec(client.toString('latin1')) ?? [];
  if (line === undefined) return [];
  return behind(events, (bytes, sender) => {
    const text = bytes.toString('latin1');
    const found = sender === 'client' ? text.indexOf(line) : text.indexOf(`${tag} OK`);
    return found < 0 ? -1 : text.indexOf('\r\n', found) + 2;
  });
}

function behind(
  events: readonly StreamData[],
  find: (bytes: Buffer, sender: Sender) => number,
): StreamData[] {
  const whole = feed({ receive: (event) => [event] }, events);
  const starts = { client: find(whole.client, 'client'), server: find(whole.server, 'server') };
  const at = { client: 0, server: 0 };
  const result: StreamData[] = [];
  for (const event of events) {
    const { sender } = event;
    const start = starts[sender] < 0 ? Number.POSITIVE_INFINITY : starts[sender];
    const skipped = Math.min(event.bytes.length, Math.max(0, start - at[sender]));
    at[sender] += event.bytes.length;
    const bytes = event.bytes.subarray(skipped);
    if (bytes.length > 0) result.push({ ...event, bytes, sequence: (event.sequence + skipped) >>> 0 });
  }
  return result;
}

/** Digests of all IMAP literals. */
function literals(bytes: Buffer): Set<string> {
  const digests = new Set<string>();
  for (const match of bytes.toString('latin1').matchAll(/\{(\d+)\+?\}\r\n/g)) {
    const start = match.index + match[0].length;
    digests.add(digest(bytes.subarray(start, start + Number(match[1]))));
  }
  return digests;
}

/** Digests of what stands before each final dot, as much as `length` octets, dots unstuffed. */
function stuffed(bytes: Buffer, length: number): Set<string> {
  const digests = new Set<string>();
  for (const mail of bytes.toString('latin1').split('\r\n.\r\n')) {
    const whole = Buffer.from(`${mail.replaceAll('\r\n..', '\r\n.')}\r\n`, 'latin1');
    digests.add(digest(whole.subarray(-length)));
  }
  return digests;
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
