/** Segments written down as a play of two speakers, and a recorder that checks every rule of the events. */
import assert from 'node:assert/strict';
import type { Anomaly } from '../../src/core/anomaly.ts';
import { streamLimits } from '../../src/core/limits.ts';
import { type Segment, TcpFlag } from '../../src/packet/types.ts';
import { Reassembler, type ReassemblerOptions } from '../../src/stream/reassembler.ts';
import type { StreamLimits } from '../../src/stream/run-state.ts';
import type {
  Connection,
  Sender,
  StreamConsumer,
  StreamData,
  StreamEvent,
  StreamObserver,
} from '../../src/stream/types.ts';

export const mailPorts: ReadonlySet<number> = new Set([25, 110, 143]);

/** Letters: S SYN, A ACK, F FIN, R RST, P PSH, U URG. */
export interface Line {
  readonly from: Sender;
  readonly flags?: string;
  /** Relative to the sender's initial sequence number: 1 is the first octet behind the SYN. */
  readonly at?: number;
  readonly ack?: number;
  readonly data?: string | Buffer;
  readonly missing?: number;
  readonly seconds?: number;
  readonly clientIsn?: number;
  readonly serverIsn?: number;
  readonly clientPort?: number;
  readonly serverPort?: number;
}

export const defaultIsn = { client: 1000, server: 500_000 };
const flagOf: Record<string, number> = {
  S: TcpFlag.syn,
  A: TcpFlag.ack,
  F: TcpFlag.fin,
  R: TcpFlag.rst,
  P: TcpFlag.psh,
  U: TcpFlag.urg,
};

export function segment(line: Line, frame: number): Segment {
  const fromClient = line.from === 'client';
  const clientIsn = line.clientIsn ?? defaultIsn.client;
  const serverIsn = line.serverIsn ?? defaultIsn.server;
  const payload = Buffer.isBuffer(line.data) ? line.data : Buffer.from(line.data ?? '', 'latin1');
  const client = { address: Buffer.from([192, 0, 2, 1]), port: line.clientPort ?? 40_000 };
  const server = { address: Buffer.from([192, 0, 2, 25]), port: line.serverPort ?? 25 };
  const [source, target] = fromClient ? [client, server] : [server, client];
  return {
    sourceAddress: source.address,
    targetAddress: target.address,
    sourcePort: source.port,
    targetPort: target.port,
    sequence: ((fromClient ? clientIsn : serverIsn) + (line.at ?? 0)) >>> 0,
    acknowledgment: line.ack === undefined ? 0 : ((fromClient ? serverIsn : clientIsn) + line.ack) >>> 0,
    flags: [...(line.flags ?? 'A')].reduce((flags, letter) => flags | (flagOf[letter] ?? 0), 0),
    // The payload stands in the middle of a packet, as it does in a capture.
    buffer: Buffer.concat([Buffer.alloc(3, '?'), payload, Buffer.alloc(2, '!')]),
    payloadOffset: 3,
    payloadLength: payload.length,
    missingLength: line.missing ?? 0,
    ipLength: 40 + payload.length,
    ttl: fromClient ? 64 : 57,
    seconds: line.seconds ?? 1_700_000_000,
    nanoseconds: frame,
    frame,
  };
}

/** What was heard of one connection: `<` server, `>` client; a gap of n octets is `[n]`. */
export class Heard implements StreamConsumer {
  readonly connection: Connection;
  readonly events: StreamEvent[] = [];
  readonly data: StreamData[] = [];
  readonly #next = new Map<Sender, number>();
  readonly #closedSides = new Set<string>();
  readonly #wants: (event: StreamEvent) => boolean;
  #refused = false;
  readonly text = { client: '', server: '' };
  closeReason: string | undefined;

  constructor(connection: Connection, wants: (event: StreamEvent) => boolean) {
    this.connection = connection;
    this.#wants = wants;
  }

  receive(event: StreamEvent): boolean {
    assert.ok(!this.#refused, 'nothing follows a refusal');
    assert.equal(this.closeReason, undefined, 'nothing follows close of both');
    assert.equal(event.kind === 'open', this.events.length === 0, 'open comes first and once');
    this.#check(event);
    this.events.push(event.kind === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event);
    if (!this.#wants(event)) this.#refused = true;
    return !this.#refused;
  }

  #check(event: StreamEvent): void {
    if (event.kind === 'open') assert.equal(event.connection, this.connection);
    if (event.kind === 'data' || event.kind === 'gap') {
      assert.ok(!this.#closedSides.has(event.sender), 'nothing follows the close of a side');
      const expected = this.#next.get(event.sender);
      if (expected !== undefined) assert.equal(event.sequence, expected, 'sequence numbers are contiguous');
      const length = event.kind === 'gap' ? event.length : event.bytes.length;
      assert.ok(length > 0, 'no empty events');
      this.#next.set(event.sender, (event.sequence + length) >>> 0);
      this.text[event.sender] += event.kind === 'gap' ? `[${length}]` : event.bytes.toString('latin1');
      if (event.kind === 'data') this.data.push({ ...event, bytes: Buffer.from(event.bytes) });
    }
    if (event.kind === 'close') {
      assert.ok(!this.#closedSides.has(event.side), 'a side closes once');
      this.#closedSides.add(event.side);
      if (event.side === 'both') this.closeReason = event.reason;
    }
  }

  /** The order of events in one line. */
  get play(): string {
    return this.events.map(line).join(' ');
  }
}

function line(event: StreamEvent): string {
  if (event.kind === 'open') return event.connection.handshakeSeen ? 'open' : 'open?';
  if (event.kind === 'close') return `close:${event.side}:${event.reason}`;
  const sign = event.sender === 'client' ? '>' : '<';
  return event.kind === 'gap' ? `${sign}[${event.length}]` : `${sign}${event.bytes.toString('latin1')}`;
}

export class Audience implements StreamObserver {
  readonly heard: Heard[] = [];
  readonly anomalies: Anomaly[] = [];
  readonly #wants: (event: StreamEvent, connection: Connection) => boolean;

  constructor(wants: (event: StreamEvent, connection: Connection) => boolean = () => true) {
    this.#wants = wants;
  }

  accept(connection: Connection): StreamConsumer {
    const heard = new Heard(connection, (event) => this.#wants(event, connection));
    this.heard.push(heard);
    return heard;
  }

  anomaly(anomaly: Anomaly): void {
    this.anomalies.push(anomaly);
  }

  get plays(): string[] {
    return this.heard.map(({ play }) => play);
  }
}

export function limited(limits: Partial<StreamLimits>): StreamLimits {
  return { ...streamLimits, ...limits };
}

/** The payload that came in is accounted for, octet by octet. */
export function assertBalanced({ counts }: Reassembler): void {
  const { deliveredOctets, duplicateOctets, ignoredOctets, discardedOctets, heldOctets } = counts;
  const sum = deliveredOctets + duplicateOctets + ignoredOctets + discardedOctets + heldOctets;
  assert.equal(sum, counts.payloadOctets, 'payload octets add up');
  const reasons = Object.values(counts.discarded).reduce((total, octets) => total + octets, 0);
  assert.equal(discardedOctets, reasons);
}

/** Plays the lines through one reused packet buffer that is wiped behind each line. */
export function play(
  lines: readonly Line[],
  options: Partial<ReassemblerOptions> & { readonly audience?: Audience; readonly end?: boolean } = {},
): { audience: Audience; reassembler: Reassembler } {
  const audience = options.audience ?? new Audience();
  const reassembler = new Reassembler(audience, { mailPorts, ...options });
  for (const [index, one] of lines.entries()) {
    const packet = segment(one, index + 1);
    reassembler.receive(packet, 0);
    packet.buffer.fill('#');
    packet.sourceAddress.fill(0);
    packet.targetAddress.fill(0);
  }
  if (options.end !== false) {
    reassembler.end();
    assert.equal(reassembler.counts.heldOctets, 0, 'nothing is held behind the end');
  }
  assertBalanced(reassembler);
  return { audience, reassembler };
}

export const handshake: readonly Line[] = [
  { from: 'client', flags: 'S' },
  { from: 'server', flags: 'SA', ack: 1 },
  { from: 'client', flags: 'A', at: 1, ack: 1 },
];
