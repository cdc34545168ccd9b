/**
 * The TCP streams of a lossless pcapng capture, as the layers get them: little more than the layers' tests
 * need, so that these depend on no other stage.
 */
import { readFileSync } from 'node:fs';
import type { Connection, Sender, StreamData } from '../../../src/stream/types.ts';
import { streamData } from '../../support/stream-events.ts';

export interface RecordedStream {
  readonly connection: Connection;
  /** In the order of the capture; repeated octets are left out. */
  readonly events: readonly StreamData[];
}

export interface Recording {
  readonly streams: readonly RecordedStream[];
  /** The texts of Decryption Secrets Blocks of TLS. */
  readonly secrets: readonly Buffer[];
}

const SECRETS_BLOCK = 0x0a;
const PACKET_BLOCK = 0x06;
const TLS_KEY_LOG = 0x544c534b;

export function readRecording(path: string): Recording {
  const file = readFileSync(path);
  const streams = new StreamTable();
  const secrets: Buffer[] = [];
  let frame = 0;
  for (let at = 0; at + 12 <= file.length; at += file.readUInt32LE(at + 4)) {
    const type = file.readUInt32LE(at);
    if (type === SECRETS_BLOCK && file.readUInt32LE(at + 8) === TLS_KEY_LOG) {
      secrets.push(file.subarray(at + 16, at + 16 + file.readUInt32LE(at + 12)));
    }
    if (type !== PACKET_BLOCK) continue;
    frame++;
    streams.addEthernet(file.subarray(at + 28, at + 28 + file.readUInt32LE(at + 20)), frame);
  }
  return { streams: streams.streams, secrets };
}

interface Side {
  next: number;
}

class StreamTable {
  readonly streams: { connection: Connection; events: StreamData[] }[] = [];
  readonly #byPorts = new Map<string, { index: number; sides: Record<Sender, Side> }>();

  addEthernet(packet: Buffer, frame: number): void {
    const type = packet.readUInt16BE(12);
    if (type === 0x0800) {
      const headerBytes = (packet.readUInt8(14) & 15) * 4;
      if (packet.readUInt8(23) !== 6) return;
      const end = 14 + packet.readUInt16BE(16);
      const addresses = [ipv4(packet, 26), ipv4(packet, 30)] as const;
      this.#addTcp(packet.subarray(14 + headerBytes, end), addresses, frame);
    } else if (type === 0x86dd && packet.readUInt8(20) === 6) {
      const end = 54 + packet.readUInt16BE(18);
      const addresses = [packet.toString('hex', 22, 38), packet.toString('hex', 38, 54)] as const;
      this.#addTcp(packet.subarray(54, end), addresses, frame);
    }
  }

  #addTcp(segment: Buffer, [from, to]: readonly [string, string], frame: number): void {
    const source = { address: from, port: segment.readUInt16BE(0) };
    const target = { address: to, port: segment.readUInt16BE(2) };
    const sequence = segment.readUInt32BE(4);
    const flags = segment.readUInt8(13);
    const key = [`${from}|${source.port}`, `${to}|${target.port}`].sort().join('|');
    if ((flags & 0x12) === 0x02) {
      const connection = { id: this.streams.length + 1, client: source, server: target, handshakeSeen: true };
      const sides = { client: { next: (sequence + 1) >>> 0 }, server: { next: -1 } };
      this.#byPorts.set(key, { index: this.streams.length, sides });
      this.streams.push({ connection, events: [] });
    }
    const known = this.#byPorts.get(key);
    const stream = known && this.streams[known.index];
    if (!stream) return;
    const { client } = stream.connection;
    const sender = client.address === from && client.port === source.port ? 'client' : 'server';
    const side = known.sides[sender];
    if ((flags & 0x02) !== 0) side.next = (sequence + 1) >>> 0;
    const payload = segment.subarray((segment.readUInt8(12) >> 4) * 4);
    if (payload.length === 0) return;
    const repeated = (side.next - sequence) | 0;
    if (repeated < 0) throw new Error(`frame ${frame}: the capture has a gap or is out of order`);
    const bytes = payload.subarray(repeated);
    if (bytes.length === 0) return;
    stream.events.push(streamData(bytes, { sender, sequence: side.next, frame }));
    side.next = (side.next + bytes.length) >>> 0;
  }
}

function ipv4(packet: Buffer, at: number): string {
  return [...packet.subarray(at, at + 4)].join('.');
}
