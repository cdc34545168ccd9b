/**
 * Conversations through the decoders of the protocols, the layers, and all of them together. Pieces are the
 * events of a stream, by their kind; a hole is as long as its octets.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Conversation } from '../../src/dialogue/conversation.ts';
import { DeflateLayer } from '../../src/dialogue/deflate-layer.ts';
import { ImapDecoder } from '../../src/dialogue/imap/imap-decoder.ts';
import type { Octets } from '../../src/dialogue/octets.ts';
import { Pop3Decoder } from '../../src/dialogue/pop3/pop3-decoder.ts';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import { SmtpDecoder } from '../../src/dialogue/smtp/smtp-decoder.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import { TlsLayer } from '../../src/dialogue/tls/tls-layer.ts';
import type { DialogueEvent, RawMessage } from '../../src/dialogue/types.ts';
import type { Connection, Sender, StreamEvent } from '../../src/stream/types.ts';
import { defaultClient, defaultServer } from '../support/conversation.ts';
import type { SeededRandom } from '../support/random.ts';
import { strictMemory } from '../support/strict-memory.ts';
import { conversations, type HeardConversation } from './corpus.ts';
import type { Input, Piece } from './input.ts';
import type { Target } from './target.ts';

const Kind = {
  client: 0,
  server: 1,
  clientGap: 2,
  serverGap: 3,
  clientClose: 4,
  serverClose: 5,
  secrets: 6,
} as const;
const kinds = Object.values(Kind);

const smtpWords =
  'EHLO a\r\n|HELO |LHLO |MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA\r\n|BDAT 5|BDAT 0 LAST\r\n| LAST|\r\n.\r\n|\n.\n|\r\n.\n|' +
  '\n.\r\n|..|RSET\r\n|QUIT\r\n|STARTTLS\r\n|AUTH PLAIN |AUTH LOGIN\r\n|*\r\n|XCLIENT |354 go\r\n|250 ok\r\n|250-|' +
  '220 x ESMTP\r\n|421 |550 no\r\n|334 |235 ok\r\n|500 |BODY=BINARYMIME| SMTPUTF8|\x16\x03\x01';
const pop3Words =
  '+OK\r\n|-ERR\r\n|+OK 120 octets\r\n|RETR 1\r\n|TOP 1 0\r\n|TOP 1 999\r\n|LIST\r\n|UIDL\r\n|STAT\r\n|\r\n.\r\n|..|\n.\n|' +
  'USER a\r\n|PASS b\r\n|APOP a 0123456789abcdef0123456789abcdef\r\n|AUTH PLAIN\r\n|STLS\r\n|CAPA\r\n|UTF8\r\n|DELE 1\r\n|QUIT\r\n|+ \r\n';
const imapWords =
  '* OK\r\n|* 1 FETCH (|BODY[] |BODY[]<0> |BODY[]<0.10>|BODY[HEADER] |BODY[TEXT] |BODY[1] |BODY[1.MIME] |RFC822 |RFC822.HEADER |' +
  'RFC822.TEXT |BODY[HEADER.FIELDS (Date)] |UID 5|FLAGS (\\Seen)|BODYSTRUCTURE (|ENVELOPE (|{10}\r\n|{0}\r\n|{10+}\r\n|~{5}\r\n|' +
  '{99999999999}\r\n|NIL|""|"|\\"|)\r\n|(|a1 OK\r\n|a1 NO\r\n|a1 BAD\r\n|+ go\r\n|a1 FETCH 1 (|a1 UID FETCH 1:* |' +
  'APPEND INBOX {5}\r\n| CATENATE (TEXT {5}\r\n|SELECT INBOX\r\n|EXPUNGE|* 1 EXPUNGE\r\n|* VANISHED 1:3\r\n|COMPRESS DEFLATE\r\n|' +
  'STARTTLS\r\n|IDLE\r\n|DONE\r\n|AUTHENTICATE PLAIN\r\n|LOGIN a b\r\n|BINARY[1] |BINARY.SIZE[1] |X-GM-MSGID |* BYE\r\n|0) \r\n|a1 APPEND INBOX {5}\r\n|abcde|abcde\r\n|a1 AUTHENTICATE PLAIN\r\n|a1 COMPRESS DEFLATE\r\n|' +
  'a1 OK deflate\r\n|a1 IDLE\r\n|a1 NOOP\r\n|a1 STARTTLS\r\n|a1 FETCH 1 BODY[]<0.5>\r\n|* 1 FETCH (BODY[]<0> {5}\r\nabcde)\r\n|' +
  'a2 OK\r\n|a2 NO\r\n|a2 NOOP\r\n|a2 APPEND INBOX {2}\r\n';

const words: Readonly<Record<string, string>> = {
  smtp: smtpWords,
  pop3: pop3Words,
  imap: imapWords,
  conversation: [
    smtpWords,
    pop3Words,
    imapWords,
    '\x05\x01\x00|CONNECT a:25 HTTP/1.1\r\n\r\n|PROXY TCP4 ',
    '\x05\x00',
  ].join('|'),
  tls: '\x16\x03\x01\x00\x05|\x17\x03\x03\x00\x20|\x14\x03\x03\x00\x01\x01|\x15\x03\x03\x00\x02\x01\x00|\x16\x03\x03|\x01\x00\x00\x20|\x02\x00\x00\x20',
  deflate: '\x00\x00\x00\xff\xff|\x01\x05\x00\xfa\xff|\x03\x00|\x4b|\xed\xc0|\x78\x9c',
};

function wordsFor(name: string): Buffer[] {
  return (words[name] ?? '').split('|').map((word) => Buffer.from(word, 'latin1'));
}

type Decoder = { readonly receive: (event: StreamEvent) => Iterable<unknown> };

/** A decoder of one protocol alone, or everything from the first octet on. */
export function dialogueTarget(name: 'smtp' | 'pop3' | 'imap' | 'conversation'): Target {
  const make = (input: Input): Decoder => {
    const connection = connectionOf(input);
    const options = { trace: input.length % 2 === 0, memory: strictMemory };
    if (name === 'smtp') return new SmtpDecoder(connection, options);
    if (name === 'pop3') return new Pop3Decoder(connection, options);
    if (name === 'imap') return new ImapDecoder(connection, options);
    return new Conversation(connection, { ...options, ports: wellKnownPorts, keyLog: secretsOf(input) });
  };
  const fits = ({ kind, secrets }: HeardConversation): boolean =>
    name === 'conversation' ? kind !== 'other' : kind === name && secrets === '';
  return {
    hasShortInputs: true,
    kinds: name === 'conversation' ? kinds : kinds.slice(0, 6),
    words: wordsFor(name),
    seeds: async () => (await conversations(1 << 18, 40_000)).filter(fits).map(inputOf),
    run: (input) => overhear(make(input), eventsOf(input), input),
    runOtherwise: (input, random) => overhear(make(input), recut(eventsOf(input), random), input),
  };
}

export function layerTarget(name: 'tls' | 'deflate'): Target {
  const make = (input: Input): Decoder =>
    name === 'tls' ? new TlsLayer(connectionOf(input), secretsOf(input)) : new DeflateLayer();
  const seeds = async (): Promise<Input[]> => {
    const heard = await conversations(1 << 18, 60_000);
    if (name === 'tls') return heard.filter((each) => each.secrets !== '').map(inputOf);
    return deflatedSeeds(heard);
  };
  return {
    kinds: name === 'tls' ? kinds : kinds.slice(0, 6),
    words: wordsFor(name),
    seeds,
    run: (input) => peel(make(input), eventsOf(input)),
    runOtherwise: (input, random) => peel(make(input), recut(eventsOf(input), random)),
  };
}

/** IMAP conversations from their COMPRESS on, and made ones. */
async function deflatedSeeds(heard: readonly HeardConversation[]): Promise<Input[]> {
  const { deflateRawSync, constants } = await import('node:zlib');
  const compressed = heard.flatMap((each) => {
    const input = inputOf(each);
    const turn = input.findIndex(({ bytes }) => /OK .*(?:DEFLATE|COMPRESS)/i.test(bytes.toString('latin1')));
    return turn < 0 ? [] : [input.slice(turn + 1)];
  });
  const made = heard.slice(0, 10).map((each) =>
    inputOf(each).map((piece, index) => {
      const finishFlush = index % 3 === 0 ? constants.Z_FULL_FLUSH : constants.Z_SYNC_FLUSH;
      return { ...piece, bytes: deflateRawSync(piece.bytes, { finishFlush, level: index % 10 }) };
    }),
  );
  return [...compressed, ...made];
}

function connectionOf(input: Input): Connection {
  const port = [25, 110, 143, 993, 2525][(input[0]?.bytes.length ?? 0) % 5] ?? 25;
  return {
    id: 1,
    client: defaultClient,
    server: { ...defaultServer, port },
    handshakeSeen: input.length % 7 !== 0,
  };
}

function secretsOf(input: Input): KeyLog {
  const keyLog = new KeyLog();
  for (const { kind, bytes } of input) if (kind === Kind.secrets) keyLog.add(bytes);
  return keyLog;
}

function inputOf({ events, secrets }: HeardConversation): Input {
  const pieces = secrets === '' ? [] : [{ kind: Kind.secrets, bytes: Buffer.from(secrets, 'latin1') }];
  const spoken = events.flatMap((event): Piece[] => {
    if (event.kind === 'data') {
      return [{ kind: event.sender === 'client' ? Kind.client : Kind.server, bytes: event.bytes }];
    }
    if (event.kind === 'gap') {
      const bytes = Buffer.alloc(Math.min(event.length, 4096));
      return [{ kind: event.sender === 'client' ? Kind.clientGap : Kind.serverGap, bytes }];
    }
    return [];
  });
  return [...pieces, ...spoken];
}

export function eventsOf(input: Input): StreamEvent[] {
  const next = { client: 1001, server: 5001 };
  const closed = new Set<Sender>();
  const events: StreamEvent[] = [{ kind: 'open', connection: connectionOf(input) }];
  input.forEach(({ kind, bytes }, index) => {
    if (kind % 8 >= Kind.secrets) return;
    const sender: Sender = kind % 2 === 0 ? 'client' : 'server';
    if (closed.has(sender)) return;
    if (kind % 8 >= Kind.clientClose) {
      closed.add(sender);
      events.push({ kind: 'close', side: sender, reason: 'fin' });
      return;
    }
    if (bytes.length === 0) return;
    const sequence = next[sender];
    next[sender] = (sequence + bytes.length) >>> 0;
    const seen = {
      capture: 0,
      frame: index + 1,
      timestampNs: BigInt(index),
      ipLength: 40 + bytes.length,
      ttl: 64,
    };
    const isGap = kind % 8 >= Kind.clientGap;
    events.push(
      isGap
        ? { kind: 'gap', sender, length: bytes.length, sequence, seen }
        : { kind: 'data', sender, bytes, sequence, seen },
    );
  });
  events.push({ kind: 'close', side: 'both', reason: 'fin' });
  return events;
}

/** Pieces that wait unread are merged where there are more, and keep the place of the first one alone. */
const piecesMax = 3000;

/** Every speech in pieces of its own size. */
function recut(events: readonly StreamEvent[], random: SeededRandom): StreamEvent[] {
  const octets = events.reduce((sum, event) => sum + (event.kind === 'data' ? event.bytes.length : 0), 0);
  const least = Math.max(1, Math.ceil((octets + events.length) / piecesMax));
  const small = random.chance(0.3);
  return events.flatMap((event) => {
    if (event.kind !== 'data') return [event];
    const pieces: StreamEvent[] = [];
    for (let at = 0; at < event.bytes.length; ) {
      const length = small ? least : least + random.integer(random.chance(0.5) ? 4 : 200);
      const bytes = event.bytes.subarray(at, at + length);
      pieces.push({ ...event, bytes, sequence: (event.sequence + at) >>> 0 });
      at += bytes.length;
    }
    return pieces;
  });
}

/** Plays an event as the stream stage does: its octets, and views of them, are gone after the call. */
function receive(decoder: Decoder, event: StreamEvent): unknown[] {
  if (event.kind !== 'data') return [...decoder.receive(event)];
  const bytes = Buffer.from(event.bytes);
  const events = [...decoder.receive({ ...event, bytes })].map(withOwnBytes);
  bytes.fill(0xaa);
  return events;
}

function withOwnBytes(event: unknown): unknown {
  const { bytes } = event as { readonly bytes?: unknown };
  return Buffer.isBuffer(bytes) ? { ...(event as object), bytes: Buffer.from(bytes) } : event;
}

function overhear(decoder: Decoder, events: readonly StreamEvent[], input: Input): string {
  const shown: string[] = [];
  const octets = input.reduce((sum, { bytes }) => sum + bytes.length, 0);
  for (const [index, event] of events.entries()) {
    const heard = receive(decoder, event) as DialogueEvent[];
    for (const each of heard) {
      if (each.kind === 'message') checkMessage(each, octets);
      if (each.kind !== 'upgrade') shown.push(shownEvent(each));
    }
    const upgrade = heard.find((each) => each.kind === 'upgrade');
    if (upgrade === undefined) continue;
    // From here on the decoder expects what is inside another layer.
    assert(heard.at(-1) === upgrade, 'nothing comes behind an upgrade');
    shown.push(upgrade.layer, joined([...upgrade.rest, ...events.slice(index + 1)]));
    break;
  }
  if (decoder instanceof Conversation) {
    const { kind, octets: counts } = decoder.summary;
    for (const count of Object.values(counts)) assert(count >= 0, 'octets are counted');
    // How much is heard until nothing more is wanted, and which piece is the first of TLS, depends on the cut.
    shown.push(JSON.stringify({ kind, mail: counts.mail }));
  }
  return shown.sort().join('\n');
}

function checkMessage(message: RawMessage, heard: number): void {
  const { octets, complete, missing, first, last, wireBytes } = message;
  // Inside DEFLATE a mail is longer than what carried it.
  if (message.layer !== 'compress' && message.exact)
    assert(octets.length <= heard, 'no mail is longer than its conversation');
  assert(!complete || missing.length === 0, 'a complete mail misses nothing');
  assert(first.frame <= last.frame, 'the first octet comes before the last');
  assert(wireBytes >= 0 && Number.isSafeInteger(wireBytes), 'octets on the wire');
  for (const { offset, length } of missing) {
    assert(offset >= 0 && Number.isSafeInteger(offset), 'an offset');
    assert(length === undefined || (length > 0 && Number.isSafeInteger(length)), 'a length');
  }
}

function shownEvent(event: object): string {
  const { octets, ...others } = event as { readonly octets?: Octets };
  const bytes = octets?.read();
  const numbers = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value);
  return `${JSON.stringify(others, numbers)} ${bytes === undefined ? '' : digestOf(bytes)}`;
}

function digestOf(bytes: Buffer): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
}

/** What a layer begins with, however it was cut. */
function joined(rest: readonly StreamEvent[]): string {
  const sides = { client: '', server: '' };
  for (const event of rest) {
    if (event.kind === 'data') sides[event.sender] += event.bytes.toString('latin1');
  }
  return JSON.stringify(sides);
}

/** What came out of a layer: per sender octets and holes in order, whatever the pieces. */
function peel(layer: Decoder, events: readonly StreamEvent[]): string {
  const sides = { client: createHash('sha256'), server: createHash('sha256') };
  const lengths = { client: 0, server: 0 };
  const other: string[] = [];
  for (const each of events.flatMap((event) => receive(layer, event))) {
    const event = each as StreamEvent | { readonly kind: 'anomaly' | 'note' };
    if (event.kind === 'data') {
      lengths[event.sender] += event.bytes.length;
      sides[event.sender].update(event.bytes);
    } else if (event.kind === 'gap') {
      sides[event.sender].update(`gap at ${lengths[event.sender]} of ${event.length}`);
    } else {
      other.push(shownEvent(event));
    }
  }
  return [sides.client.digest('hex'), sides.server.digest('hex'), JSON.stringify(lengths), ...other].join(
    '\n',
  );
}
