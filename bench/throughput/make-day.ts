/** A day of traffic for measuring: deterministic, and built by the packet builders of the tests. */

import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Endpoint } from '../../src/stream/types.ts';
import { client, conversation, server, type Turn } from '../../test/support/conversation.ts';
import { toPackets, writePcapng } from '../../test/support/packets.ts';

/** The day of all packets, in UTC. */
export const day = '20220128';

/** Writes captures of about `megabytes` into `folder`; of every ten connections two are no mail. */
export async function makeDay(folder: string, megabytes: number): Promise<void> {
  const file = createWriteStream(join(folder, `day-${day}.pcapng`));
  const random = randomNumbers(1);
  let isFirst = true;
  for (let number = 0; file.bytesWritten + file.writableLength < megabytes * 1e6; number += 20) {
    // Twenty connections at a time, their packets in the order of time.
    const packets = Array.from({ length: 20 }, (_, index) => connection(number + index, random)).flat();
    packets.sort((one, other) => Number(one.timestampNs - other.timestampNs));
    const capture = writePcapng(packets);
    // A section header and one interface begin each capture; the file has them once.
    await append(file, isFirst ? capture : capture.subarray(headerBytes(capture)));
    isFirst = false;
  }
  file.end();
  await once(file, 'finish');
}

async function append(file: WriteStream, bytes: Buffer): Promise<void> {
  if (!file.write(bytes)) await once(file, 'drain');
}

/** Octets of the blocks before the first packet: section header and interface description. */
function headerBytes(capture: Buffer): number {
  const section = capture.readUInt32LE(4);
  return section + capture.readUInt32LE(section + 4);
}

function connection(number: number, random: () => number) {
  const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  const from: Endpoint = { address, port: 40_000 + (number % 20_000) };
  const kind = number % 10;
  const port = kind < 5 ? 25 : kind < 8 ? 110 : 80;
  const turns =
    port === 25 ? delivery(number, random) : port === 110 ? retrieval(number, random) : noise(random);
  return toPackets(turns, {
    client: from,
    server: { address: '192.0.2.25', port },
    startNs: BigInt(Date.UTC(2022, 0, 28, 1)) * 1_000_000n + BigInt(Math.floor(number / 20)) * 2_000_000_000n,
    stepNs: 1_000_000n,
  });
}

function delivery(number: number, random: () => number): Turn[] {
  return [
    ...conversation('S: 220 mx\nC: EHLO desk\nS: 250 mx\nC: MAIL FROM:<a@example>\nS: 250 ok'),
    ...conversation('C: RCPT TO:<b@example>\nS: 250 ok\nC: DATA\nS: 354 go'),
    client(Buffer.concat([mail(number, random), Buffer.from('.\r\n')])),
    ...conversation('S: 250 ok\nC: QUIT\nS: 221 bye'),
  ];
}

function retrieval(number: number, random: () => number): Turn[] {
  return [
    ...conversation('S: +OK ready\nC: USER b\nS: +OK\nC: PASS secret\nS: +OK\nC: RETR 1'),
    server(Buffer.concat([Buffer.from('+OK\r\n'), mail(number, random), Buffer.from('.\r\n')])),
    ...conversation('C: QUIT\nS: +OK'),
  ];
}

function noise(random: () => number): Turn[] {
  return [
    client('GET / HTTP/1.1\r\nHost: example\r\n\r\n'),
    server(octets(20_000 + random() * 400_000, random)),
  ];
}

/** A text, and a file of some ten to some hundred kilobytes. */
function mail(number: number, random: () => number): Buffer {
  const file = octets(10_000 * 2 ** (random() * 5), random).toString('base64');
  const lines = file.replace(/.{76}/g, '$&\r\n');
  return Buffer.from(
    `From: a@example\r\nTo: b@example\r\nSubject: =?utf-8?B?5Lya6K6u?= ${number}\r\nMessage-ID: <${number}@example>\r\n` +
      'Date: Fri, 28 Jan 2022 09:00:00 +0800\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
      `--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${'会议纪要 and minutes\r\n'.repeat(20)}\r\n` +
      '--b\r\nContent-Type: application/zip; name=data.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
      `${lines}\r\n--b--\r\n`,
  );
}

function octets(length: number, random: () => number): Buffer {
  const bytes = Buffer.alloc(Math.floor(length / 4) * 4);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeInt32LE((random() * 0x1_0000_0000) | 0, at);
  return bytes;
}

/** Mulberry32: small, and the same numbers everywhere. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
