/**
 * Conversations as a screenplay, and the stream events a dialogue decoder would see of them.
 *
 *     S: 220 mx.example.com
 *     C: EHLO laptop
 *
 * A line is `S:` (server) or `C:` (client), one space, and the text, sent with CRLF. `S!` and `C!` were
 * sent but are missing in the capture. Empty lines and lines that begin with `#` are stage directions.
 */
import type { Connection, Endpoint, Sender, StreamConsumer, StreamEvent } from '../../src/stream/types.ts';

/** What one side says until the other side (or a hole in the capture) interrupts it. */
export interface Turn {
  readonly sender: Sender;
  readonly bytes: Buffer;
  /** Sent, but missing in the capture. */
  readonly lost: boolean;
}

/** One speech of arbitrary octets; strings are UTF-8 and sent as they are, without CRLF. */
export function client(bytes: Buffer | string): Turn {
  return { sender: 'client', bytes: Buffer.from(bytes), lost: false };
}

export function server(bytes: Buffer | string): Turn {
  return { sender: 'server', bytes: Buffer.from(bytes), lost: false };
}

/** The same octets, missing in the capture. */
export function lost(turn: Turn): Turn {
  return { ...turn, lost: true };
}

/** Reads a screenplay; see the head of this file. */
export function conversation(screenplay: string): Turn[] {
  const turns: Turn[] = [];
  for (const line of screenplay.split('\n')) {
    const direction = line.trimStart();
    if (direction === '' || direction.startsWith('#')) continue;
    turns.push(turnOfLine(direction));
  }
  return mergeSpeeches(turns);
}

function turnOfLine(line: string): Turn {
  const match = /^([CS])([:!])(?: (.*))?$/.exec(line);
  if (match === null) throw new Error(`a screenplay line begins with "C: " or "S: ": ${line}`);
  const bytes = Buffer.from(`${match[3] ?? ''}\r\n`);
  return { sender: match[1] === 'C' ? 'client' : 'server', bytes, lost: match[2] === '!' };
}

function mergeSpeeches(turns: readonly Turn[]): Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    const last = merged.at(-1);
    if (last !== undefined && last.sender === turn.sender && last.lost === turn.lost) {
      merged[merged.length - 1] = { ...last, bytes: Buffer.concat([last.bytes, turn.bytes]) };
    } else {
      merged.push(turn);
    }
  }
  return merged;
}

export interface CutOptions {
  readonly client?: Endpoint;
  readonly server?: Endpoint;
  readonly handshakeSeen?: boolean;
  /** `none` leaves out the last event; `fin` by default. */
  readonly close?: 'fin' | 'rst' | 'idle' | 'reuse' | 'limit' | 'end' | 'none';
  /** Sequence number of the first octet of both sides. */
  readonly firstSequence?: number;
}

export const defaultClient: Endpoint = { address: '192.0.2.10', port: 49152 };
export const defaultServer: Endpoint = { address: '198.51.100.25', port: 25 };
/** 2022-01-28T09:30:00Z. */
export const defaultStartNs = 1_643_362_200_000_000_000n;

type Cutter = (bytes: Buffer) => Buffer[];

/**
 * The events of one connection, cut in every way a network may cut them. All of them must give the same
 * result: where a turn was seen (frame, time, length) does not depend on the cut.
 */
export function cuts(turns: readonly Turn[], options: CutOptions = {}): [string, StreamEvent[]][] {
  const spoken = turns.map((turn, index) => ({ turn, index }));
  const serverFirst = [
    ...spoken.filter(({ turn }) => turn.sender === 'server'),
    ...spoken.filter(({ turn }) => turn.sender === 'client'),
  ];
  const clientFirst = [
    ...spoken.filter(({ turn }) => turn.sender === 'client'),
    ...spoken.filter(({ turn }) => turn.sender === 'server'),
  ];
  return [
    ['whole', events(spoken, inOnePiece, options)],
    ['per line', events(spoken, linesOf, options)],
    ['per byte', events(spoken, bytesOf, options)],
    ['server first', events(serverFirst, inOnePiece, options)],
    ['client first', events(clientFirst, inOnePiece, options)],
  ];
}

/** The cuts that keep the order of both sides: for what depends on who spoke first. */
export function cutsInOrder(turns: readonly Turn[], options: CutOptions = {}): [string, StreamEvent[]][] {
  return cuts(turns, options).filter(([way]) => !way.endsWith(' first'));
}

/** The events of one connection with every turn in one piece. */
export function uncut(turns: readonly Turn[], options: CutOptions = {}): StreamEvent[] {
  const spoken = turns.map((turn, index) => ({ turn, index }));
  return events(spoken, inOnePiece, options);
}

/**
 * Plays events to a consumer as the stream stage does: the bytes are overwritten after each call, so
 * that a consumer that keeps a view is found out. Stops when the consumer has no more interest.
 */
export function play(consumer: StreamConsumer, played: readonly StreamEvent[]): boolean {
  for (const event of played) {
    if (event.kind !== 'data') {
      if (!consumer.receive(event)) return false;
      continue;
    }
    const bytes = Buffer.from(event.bytes);
    const interested = consumer.receive({ ...event, bytes });
    bytes.fill(0xaa);
    if (!interested) return false;
  }
  return true;
}

const inOnePiece: Cutter = (bytes) => [bytes];
const bytesOf: Cutter = (bytes) => Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
const linesOf: Cutter = (bytes) => {
  const lines: Buffer[] = [];
  let start = 0;
  while (start < bytes.length) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    lines.push(bytes.subarray(start, end));
    start = end;
  }
  return lines;
};

interface SpokenTurn {
  readonly turn: Turn;
  readonly index: number;
}

function events(spoken: readonly SpokenTurn[], cut: Cutter, options: CutOptions): StreamEvent[] {
  const connection: Connection = {
    id: 1,
    client: options.client ?? defaultClient,
    server: options.server ?? defaultServer,
    handshakeSeen: options.handshakeSeen ?? true,
  };
  const first = options.firstSequence ?? 1001;
  const next = { client: first, server: first };
  const list: StreamEvent[] = [{ kind: 'open', connection }];
  for (const each of spoken) list.push(...eventsOfTurn(each, cut, next));
  const reason = options.close ?? 'fin';
  if (reason !== 'none') list.push({ kind: 'close', side: 'both', reason });
  return list;
}

function eventsOfTurn({ turn, index }: SpokenTurn, cut: Cutter, next: Record<Sender, number>): StreamEvent[] {
  const { sender } = turn;
  const seen = {
    capture: 0,
    frame: index + 4,
    timestampNs: defaultStartNs + BigInt(index) * 1_000_000n,
    ipLength: Math.min(40 + turn.bytes.length, 65_535),
    ttl: sender === 'client' ? 64 : 63,
  };
  const advance = (length: number): number => {
    const sequence = next[sender];
    next[sender] = (sequence + length) >>> 0;
    return sequence;
  };
  if (turn.lost) {
    const { length } = turn.bytes;
    return [{ kind: 'gap', sender, length, sequence: advance(length), seen }];
  }
  const pieces = cut(turn.bytes).filter((bytes) => bytes.length > 0);
  return pieces.map((bytes) => ({ kind: 'data', sender, bytes, sequence: advance(bytes.length), seen }));
}
