import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { tlsLimits } from '../../../src/core/limits.ts';
import { parseServerHello, type ServerHello } from '../../../src/dialogue/tls/hello.ts';
import { KeyLog } from '../../../src/dialogue/tls/key-log.ts';
import { TlsLayer } from '../../../src/dialogue/tls/tls-layer.ts';
import type { Sender, StreamData, StreamEvent } from '../../../src/stream/types.ts';
import { streamData, streamGap } from '../../support/stream-events.ts';
import { END, feed, type Outcome, recut, WAYS, withHole } from './feeding.ts';
import {
  CONNECTION,
  FIRST_SEQUENCE,
  type GeneratedSession,
  generateSession,
  type SessionOptions,
  serverContext,
  text,
} from './generated-sessions.ts';

function layerFor(session: GeneratedSession): TlsLayer {
  const keyLog = new KeyLog();
  keyLog.add(session.keyLog);
  return new TlsLayer(CONNECTION, keyLog);
}

function assertAllRead(session: GeneratedSession): void {
  for (const way of WAYS) {
    const outcome = feed(layerFor(session), recut(session.events, way));
    assert.deepEqual([outcome.notes, outcome.anomalies, outcome.gaps], [[], [], []], way);
    assert.deepEqual(outcome.client, session.client, way);
    assert.deepEqual(outcome.server, session.server, way);
    assert.deepEqual(outcome.closes, [END]);
  }
}

const TLS_1_3_SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
];

const TLS_1_2_AEAD_SUITES = [
  'AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'DHE-RSA-AES128-GCM-SHA256',
  'ARIA128-GCM-SHA256',
  'ECDHE-ARIA256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'DHE-RSA-CHACHA20-POLY1305',
  'AES256-CCM',
  'DHE-RSA-AES128-CCM8',
  'ECDHE-ECDSA-AES256-CCM8',
];

const CBC_SUITES = [
  'AES128-SHA',
  'AES256-SHA256',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-RSA-AES256-SHA384',
  'DHE-RSA-CAMELLIA256-SHA256',
  'CAMELLIA128-SHA',
];

const SESSIONS: readonly (readonly [string, SessionOptions])[] = [
  ...TLS_1_3_SUITES.map((ciphers) => [`TLS 1.3 with ${ciphers}`, { ciphers }] as const),
  ...[...TLS_1_2_AEAD_SUITES, ...CBC_SUITES].map(
    (ciphers) => [`TLS 1.2 with ${ciphers}`, { version: 'TLSv1.2', ciphers }] as const,
  ),
  ...CBC_SUITES.map(
    (ciphers) =>
      [
        `TLS 1.2 with ${ciphers}, MAC then encrypt`,
        { version: 'TLSv1.2', ciphers, encryptThenMac: false },
      ] as const,
  ),
  ['TLS 1.1 with AES128-SHA', { version: 'TLSv1.1', ciphers: 'AES128-SHA' }],
  [
    'TLS 1.1, MAC then encrypt',
    { version: 'TLSv1.1', ciphers: 'ECDHE-RSA-AES256-SHA', encryptThenMac: false },
  ],
  ['TLS 1.0 with AES256-SHA', { version: 'TLSv1', ciphers: 'AES256-SHA' }],
  ['TLS 1.0, MAC then encrypt', { version: 'TLSv1', ciphers: 'ECDHE-RSA-AES128-SHA', encryptThenMac: false }],
];

describe('TlsLayer', () => {
  for (const [name, options] of SESSIONS) {
    it(`TlsLayer reads ${name} in whatever pieces and order`, async () => {
      const session = await generateSession(options);
      if (CBC_SUITES.includes(options.ciphers ?? '')) {
        assert.equal(serverHelloOf(session)?.encryptThenMac, options.encryptThenMac !== false);
      }
      assertAllRead(session);
    });
  }

  it('TlsLayer reads TLS 1.3 after a HelloRetryRequest', async () => {
    const session = await generateSession({ curves: ['X25519:P-256', 'P-256'] });
    const retry = createHash('sha256').update('HelloRetryRequest').digest();
    assert.ok(session.events.some((event) => event.sender === 'server' && event.bytes.includes(retry)));
    assertAllRead(session);
  });

  for (const ciphers of ['ECDHE-RSA-AES128-GCM-SHA256', 'AES128-SHA']) {
    it(`TlsLayer reads TLS 1.2 with ${ciphers} before and after a renegotiation`, async () => {
      const version = 'TLSv1.2';
      const session = await generateSession({ version, ciphers, renegotiates: true, encryptThenMac: false });
      assert.equal(session.keyLog.match(/^CLIENT_RANDOM/gm)?.length, 2);
      assertAllRead(session);
    });
  }

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`TlsLayer reads a resumed session of ${version}`, async () => {
      const context = serverContext({ version });
      const first = await generateSession({ version, context });
      const resumed = await generateSession({ version, context, ticket: first.ticket });
      // No certificate in it: the server's flight is short.
      assert.ok(octetsOf(resumed, 'server') < octetsOf(first, 'server') - 500);
      assertAllRead(resumed);
    });
  }

  it('TlsLayer does without the handshake secrets of TLS 1.3', async () => {
    const session = await generateSession();
    const keyLog = new KeyLog();
    keyLog.add(session.keyLog.replaceAll(/^.*HANDSHAKE.*$/gm, ''));
    const outcome = feed(new TlsLayer(CONNECTION, keyLog), recut(session.events, 'as captured'));
    assert.deepEqual([outcome.notes, outcome.anomalies, outcome.gaps], [[], [], []]);
    assert.deepEqual([outcome.client, outcome.server], [session.client, session.server]);
  });

  it('TlsLayer numbers plaintext from the first octet of each side on', async () => {
    const session = await generateSession();
    const { data } = feed(layerFor(session), recut(session.events, 'as captured'));
    for (const sender of ['client', 'server'] as const) {
      let at = FIRST_SEQUENCE[sender];
      for (const piece of data.filter((each) => each.sender === sender)) {
        assert.equal(piece.sequence, at);
        at = (at + piece.bytes.length) >>> 0;
      }
    }
  });

  it('TlsLayer gives data the sighting of the packet in which the record began', async () => {
    const session = await generateSession({ clientSays: [text(3000)], serverSays: [] });
    const { data } = feed(layerFor(session), recut(session.events, 'as captured'));
    const first = session.events.filter((event) => event.sender === 'client').at(-4);
    // A record of 3022 octets in three packets, then close_notify.
    assert.deepEqual(
      data.map((each) => each.seen.frame),
      [first?.seen.frame],
    );
  });

  it('TlsLayer passes a half-close on behind the plaintext before it', async () => {
    const session = await generateSession();
    const half = { kind: 'close', side: 'client', reason: 'fin' } as const;
    const events = recut(session.events, 'client first');
    const lastOfClient = events.findIndex((event) => event.kind === 'data' && event.sender === 'server');
    const order: string[] = [];
    const layer = layerFor(session);
    for (const event of [...events.slice(0, lastOfClient), half, ...events.slice(lastOfClient)]) {
      for (const out of layer.receive(event)) {
        order.push(out.kind === 'data' ? out.sender : out.kind === 'close' ? `close ${out.side}` : out.kind);
      }
    }
    assert.ok(order.indexOf('close client') > order.lastIndexOf('client'));
    assert.deepEqual(
      order.filter((each) => each.startsWith('close')),
      ['close client', 'close both'],
    );
  });
});

function serverHelloOf(session: GeneratedSession): ServerHello | undefined {
  const first = session.events.find((event) => event.sender === 'server')?.bytes;
  return first && parseServerHello(first.subarray(9, 9 + first.readUIntBE(6, 3)));
}

function octetsOf(session: GeneratedSession, sender: Sender): number {
  const mine = session.events.filter((event) => event.sender === sender);
  return mine.reduce((sum, event) => sum + event.bytes.length, 0);
}

const LOSSY: readonly (readonly [string, SessionOptions])[] = [
  ['TLS 1.3', {}],
  ['TLS 1.3 with ChaCha20', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }],
  ['TLS 1.2 with GCM', { version: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }],
  ['TLS 1.2 with ChaCha20', { version: 'TLSv1.2', ciphers: 'ECDHE-RSA-CHACHA20-POLY1305' }],
];

const LOSSY_CBC: readonly (readonly [string, SessionOptions])[] = [
  ['TLS 1.2 with CBC', { version: 'TLSv1.2', ciphers: 'AES128-SHA' }],
  [
    'TLS 1.2 with CBC, MAC then encrypt',
    { version: 'TLSv1.2', ciphers: 'AES256-SHA256', encryptThenMac: false },
  ],
  ['TLS 1.0 with CBC', { version: 'TLSv1', ciphers: 'AES128-SHA', encryptThenMac: false }],
];

/** Many short records, so that one loss takes some and leaves others. */
const CHATTY: SessionOptions = {
  clientSays: Array.from({ length: 24 }, (_, turn) => text(100 + turn * 37, turn + 1)),
  serverSays: [
    text(3000, 99),
    text(60_000, 98),
    ...Array.from({ length: 20 }, (_, turn) => text(700, turn + 50)),
  ],
};

describe('TlsLayer after octets were lost', () => {
  for (const [name, options] of LOSSY) {
    it(`TlsLayer reads on and tells the length lost in ${name}`, async () => {
      const session = await generateSession({ ...CHATTY, ...options });
      for (const sender of ['client', 'server'] as const) {
        for (const { from, length } of holes(session, sender)) {
          const outcome = feed(layerFor(session), withHole(session.events, sender, from, length));
          const where = `${length} octets of the ${sender} from ${from}`;
          assertTiles(outcome, session, sender, where);
          // At most what the hole touched, and one record on either side of it.
          assert.ok(lost(outcome) <= length + 2 * 16_384 + 100, where);
        }
      }
    });
  }

  for (const [name, options] of LOSSY_CBC) {
    it(`TlsLayer reads on in ${name}`, async () => {
      const session = await generateSession({ ...CHATTY, ...options });
      for (const sender of ['client', 'server'] as const) {
        for (const { from, length } of holes(session, sender)) {
          const outcome = feed(layerFor(session), withHole(session.events, sender, from, length));
          const where = `${length} octets of the ${sender} from ${from}`;
          for (const piece of outcome.data) assert.ok(session[piece.sender].includes(piece.bytes), where);
          assert.deepEqual(outcome.notes, [], where);
          assert.ok(
            outcome.gaps.every((gap) => gap.length >= 1),
            where,
          );
          const missing = session[sender].length - outcome[sender].length;
          assert.ok(missing <= length + 3 * 16_384, `${missing} are missing: ${where}`);
          // Padding makes the length of a gap inexact, by less than its blocks.
          assert.ok(
            Math.abs(lost(outcome) - missing) <= 64 * 25,
            `${lost(outcome)} for ${missing}: ${where}`,
          );
        }
      }
    });
  }

  it('TlsLayer reads the session when the end of the handshake was lost', async () => {
    for (const options of [{}, { version: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }] as const) {
      const session = await generateSession(options);
      const hello = session.events.find((event) => event.sender === 'client');
      assert.ok(hello);
      // The client's second flight: ChangeCipherSpec and Finished at least.
      const outcome = feed(layerFor(session), withHole(session.events, 'client', hello.bytes.length, 60));
      assert.deepEqual(outcome.notes, []);
      assert.deepEqual(outcome.client, session.client);
      assert.deepEqual(outcome.server, session.server);
    }
  });

  it('TlsLayer does not wait for the keys of what looks like a ChangeCipherSpec behind a loss', async () => {
    const session = await generateSession({ ...CHATTY, version: 'TLSv1.2', ciphers: 'AES128-SHA' });
    const answers = session.events.filter(({ sender, bytes }) => sender === 'server' && bytes.length < 1000);
    const answer = answers.at(-8);
    assert.ok(answer && answer.bytes.length > 700);
    const bytes = Buffer.from(answer.bytes);
    bytes.set([20, 3, 3, 0, 10], 100);
    const events = session.events.map((event) => (event === answer ? { ...event, bytes } : event));
    const before = events
      .slice(0, session.events.indexOf(answer))
      .filter(({ sender }) => sender === 'server');
    const from = before.reduce((sum, event) => sum + event.bytes.length, 0);
    const outcome = feed(layerFor(session), withHole(events, 'server', from, 60));
    assert.equal(session.server.length - outcome.server.length, 700);
    assert.deepEqual(outcome.notes, []);
  });

  it('TlsLayer reports the session as encrypted when a hello was lost', async () => {
    const session = await generateSession();
    for (const sender of ['client', 'server'] as const) {
      const outcome = feed(layerFor(session), withHole(session.events, sender, 20, 40));
      assert.deepEqual(
        outcome.notes.map((note) => note.what),
        ['encrypted'],
      );
      assert.equal(outcome.data.length, 0);
    }
  });

  it("TlsLayer tells of a loss before the other side's next words", async () => {
    const session = await generateSession(CHATTY);
    const { events } = session;
    const answers = events.filter((event) => event.sender === 'server' && event.bytes.length < 1000);
    const answer = answers.at(-4);
    const question = answer && events[events.indexOf(answer) - 1];
    assert.ok(answer && question?.sender === 'client');
    const { sender, sequence, seen, bytes } = question;
    const gap = { kind: 'gap', sender, sequence, seen, length: bytes.length } as const;
    const layer = layerFor(session);
    for (const event of events.slice(0, events.indexOf(question))) for (const _ of layer.receive(event));
    assert.deepEqual([...layer.receive(gap)], []);
    const said = [...layer.receive(answer)];
    assert.deepEqual(
      said.map((event) =>
        event.kind === 'gap' || event.kind === 'data' ? `${event.sender} ${event.kind}` : '',
      ),
      ['client gap', 'server data'],
    );
  });
});

function holes(session: GeneratedSession, sender: Sender): { from: number; length: number }[] {
  const total = octetsOf(session, sender);
  const handshake = sender === 'client' ? 900 : 3500;
  const result: { from: number; length: number }[] = [];
  for (const length of [1, 5, 700, 1448, 20_000]) {
    for (let from = handshake; from + length < total - 3000; from += Math.ceil(total / 7)) {
      result.push({ from, length });
    }
  }
  return result;
}

/** Data and gaps of a side follow one another without a break, and the data are what was said there. */
function assertTiles(outcome: Outcome, session: GeneratedSession, sender: Sender, where: string): void {
  assert.deepEqual(outcome.notes, [], where);
  const pieces = [...outcome.data, ...outcome.gaps].filter((each) => each.sender === sender);
  pieces.sort((one, other) => place(one.sequence, sender) - place(other.sequence, sender));
  let at = 0;
  for (const piece of pieces) {
    assert.equal(place(piece.sequence, sender), at, where);
    if (piece.kind === 'data') {
      assert.ok(
        piece.bytes.equals(session[sender].subarray(at, at + piece.bytes.length)),
        `${where} at ${at}`,
      );
    }
    at += piece.kind === 'data' ? piece.bytes.length : piece.length;
  }
  assert.equal(at, session[sender].length, where);
  const other = sender === 'client' ? 'server' : 'client';
  assert.deepEqual(outcome[other], session[other], where);
}

function place(sequence: number, sender: Sender): number {
  return (sequence - FIRST_SEQUENCE[sender]) >>> 0;
}

function lost(outcome: Outcome): number {
  return outcome.gaps.reduce((sum, gap) => sum + gap.length, 0);
}

describe('TlsLayer and damage', () => {
  it('TlsLayer loses one record to one wrong octet and reports it once', async () => {
    const session = await generateSession({ ...CHATTY, version: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' });
    const events = session.events.map((event) => ({ ...event, bytes: Buffer.from(event.bytes) }));
    const big = events.filter((event) => event.sender === 'server' && event.bytes.length === 1448);
    for (const at of [10, 30]) big[at]?.bytes.writeUInt8((big[at]?.bytes[700] ?? 0) ^ 1, 700);
    const outcome = feed(layerFor(session), [...events, END]);
    assert.deepEqual(
      outcome.anomalies.map((each) => each.code),
      ['dialogue.tls-undecryptable'],
    );
    assert.equal(outcome.gaps.length, 2);
    assertTiles(outcome, session, 'server', 'two octets changed');
  });

  it('TlsLayer reports a session as encrypted whose secrets are of another one', async () => {
    for (const options of [{}, { version: 'TLSv1.2' }] as const) {
      const session = await generateSession(options);
      const keyLog = new KeyLog();
      keyLog.add(session.keyLog.replaceAll(/ [0-9a-f]+$/gm, (secret) => ` ${'5'.repeat(secret.length - 1)}`));
      const outcome = feed(new TlsLayer(CONNECTION, keyLog), recut(session.events, 'as captured'));
      assert.deepEqual(
        outcome.notes.map((note) => note.what),
        ['encrypted'],
      );
      assert.deepEqual(
        outcome.anomalies.map((each) => each.code),
        ['dialogue.tls-undecryptable'],
      );
      assert.equal(outcome.data.length, 0);
    }
  });

  it('TlsLayer never throws and invents nothing whatever octets are changed, lost or repeated', async () => {
    const sessions: GeneratedSession[] = [];
    for (const [, options] of [...LOSSY, ...LOSSY_CBC])
      sessions.push(await generateSession({ ...CHATTY, ...options }));
    const change = fc.record({
      event: fc.nat(400),
      kind: fc.constantFrom('flip', 'drop', 'gap', 'repeat', 'noise'),
      at: fc.nat(1447),
      octet: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(fc.nat(sessions.length - 1), fc.array(change, { maxLength: 6 }), (which, changes) => {
        const session = sessions[which];
        assert.ok(session);
        let events: StreamEvent[] = session.events.map((event) => ({
          ...event,
          bytes: Buffer.from(event.bytes),
        }));
        for (const each of changes) {
          events = events.flatMap((event, index) =>
            index === each.event % events.length && event.kind === 'data' ? changed(event, each) : [event],
          );
        }
        const outcome = feed(layerFor(session), [...events, END]);
        const isRead = outcome.notes.every((note) => note.what !== 'absent');
        for (const piece of outcome.data) assert.ok(!isRead || session[piece.sender].includes(piece.bytes));
        assert.ok(outcome.anomalies.length <= 1 && outcome.notes.length <= 1);
        assert.deepEqual(outcome.closes, [END]);
      }),
      { numRuns: 150 },
    );
  });

  it('TlsLayer gives up a direction in which too much is deciphered in vain, and that one alone', async () => {
    const session = await generateSession(CHATTY);
    const { events } = session;
    const from = events.findLastIndex((event) => event.sender === 'client' && event.bytes.length > 500);
    const genuine = events[from];
    assert.ok(genuine);
    // Headers without end, each of which promises a long record.
    const forged = { ...genuine, bytes: Buffer.alloc(65_535, Buffer.from([23, 3, 3, 0x40, 0])) };
    const gap = streamGap(1, { frame: genuine.seen.frame });
    const rest = events.slice(from).filter((event) => event.sender === 'server');
    const layer = layerFor(session);
    const flood = Array.from({ length: 20 }, () => forged);
    const outcome = feed(layer, [...events.slice(0, from), gap, ...flood, ...rest, END]);
    assert.deepEqual(
      outcome.anomalies.map((each) => each.code),
      ['dialogue.tls-undecryptable'],
    );
    assert.deepEqual([...new Set(outcome.gaps.map((each) => each.sender))], ['client']);
    assert.deepEqual(outcome.server, session.server);
    assert.ok(session.client.subarray(0, outcome.client.length).equals(outcome.client));
    assert.ok(layer.encryptedBytes > 10 * 65_535);
  });

  it('TlsLayer never throws on random octets behind a plausible header', () => {
    const layerWith = (random: Buffer) => {
      const keyLog = new KeyLog();
      keyLog.add(`CLIENT_RANDOM ${random.toString('hex')} ${'00'.repeat(48)}`);
      return new TlsLayer(CONNECTION, keyLog);
    };
    const piece = fc.record({
      sender: fc.constantFrom<Sender>('client', 'server'),
      type: fc.integer({ min: 19, max: 25 }),
      body: fc.uint8Array({ maxLength: 300 }),
      claimed: fc.option(fc.nat(65_535)),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const events = pieces.map(({ sender, type, body, claimed }) => {
          const length = claimed ?? body.length;
          const bytes = Buffer.from([type, 3, 3, length >> 8, length & 255, ...body]);
          return streamData(bytes, { sender });
        });
        const outcome = feed(layerWith(Buffer.alloc(32)), [...events, END]);
        assert.ok(outcome.notes.length <= 1);
        assert.deepEqual(outcome.closes, [END]);
      }),
      { numRuns: 300 },
    );
  });
});

function changed(
  event: StreamData,
  { kind, at, octet }: { kind: string; at: number; octet: number },
): StreamEvent[] {
  const index = at % event.bytes.length;
  switch (kind) {
    case 'flip':
      event.bytes.writeUInt8((event.bytes[index] ?? 0) ^ octet, index);
      return [event];
    case 'gap': {
      const { sender, sequence, seen, bytes } = event;
      return [{ kind: 'gap', sender, sequence, seen, length: bytes.length }];
    }
    case 'repeat':
      return [event, event];
    case 'noise':
      return [{ ...event, bytes: Buffer.alloc(event.bytes.length, octet) }];
    default:
      return [];
  }
}

describe('TlsLayer without secrets', () => {
  it('TlsLayer reports the session once, with its name, version and suite, and counts its octets', async () => {
    const session = await generateSession();
    const layer = new TlsLayer(CONNECTION, new KeyLog());
    const outcome = feed(layer, recut(session.events, 'as captured'));
    assert.deepEqual(outcome.notes, [
      {
        kind: 'note',
        what: 'encrypted',
        detail: 'mail.example.org, TLS 1.3, TLS_AES_128_GCM_SHA256, no secrets',
      },
    ]);
    assert.deepEqual([outcome.data, outcome.gaps, outcome.anomalies], [[], [], []]);
    assert.deepEqual(outcome.closes, [END]);
    const total = octetsOf(session, 'client') + octetsOf(session, 'server');
    // All but the hellos.
    assert.ok(layer.encryptedBytes > total - 5000 && layer.encryptedBytes < total);
  });

  it('TlsLayer reports a session that was captured from its middle on as encrypted', async () => {
    const session = await generateSession();
    for (const sender of ['client', 'server'] as const) {
      const mine = session.events.filter((event) => event.sender === sender).slice(-20);
      const start = mine.findIndex((event) => event.bytes[0] === 0x17);
      const gap = streamGap(1, { sender });
      for (const events of [mine.slice(start), [gap, ...mine]]) {
        const outcome = feed(layerFor(session), [...events, END]);
        assert.deepEqual(
          outcome.notes.map((note) => note.what),
          ['encrypted'],
        );
        assert.equal(outcome.data.length, 0);
      }
    }
  });

  it('TlsLayer holds no more than its limit while a hello is awaited', async () => {
    const session = await generateSession();
    const flight = session.events.filter((event) => event.sender === 'server').slice(0, 3);
    const flood = (bytes: number) => [
      ...flight,
      ...Array.from({ length: Math.ceil(bytes / 65_536) }, () =>
        streamData(Buffer.alloc(65_536, 0x17), { sender: 'server', frame: 9 }),
      ),
    ];
    const below = layerFor(session);
    assert.deepEqual(feed(below, flood(tlsLimits.heldBytesMax - 131_072)).notes, []);
    const above = feed(layerFor(session), flood(tlsLimits.heldBytesMax + 65_536));
    assert.deepEqual(
      above.notes.map((note) => note.what),
      ['encrypted'],
    );
  });
});

describe('TlsLayer where there is no TLS', () => {
  const of = (sender: Sender, said: string): StreamData => streamData(said, { sender });
  const dialogues: readonly (readonly [string, readonly StreamEvent[]])[] = [
    ['the client speaks', [of('client', 'EHLO a\r\n'), of('server', '250 b\r\n'), END]],
    ['the server speaks first', [of('server', '220 b\r\n'), of('client', 'EHLO a\r\n'), END]],
    ['an octet comes at a time', [of('client', 'E'), of('client', 'H'), of('server', '2'), END]],
    ['a hole stands before text', [streamGap(7), of('client', 'DATA\r\n'), END]],
  ];
  for (const [name, events] of dialogues) {
    it(`TlsLayer lets everything pass unchanged when ${name}`, () => {
      const layer = new TlsLayer(CONNECTION, new KeyLog());
      const passed = events.flatMap((event) => [...layer.receive(event)]);
      assert.deepEqual(
        passed.filter((event) => event.kind !== 'note'),
        events,
      );
      assert.deepEqual(
        passed.flatMap((event) => (event.kind === 'note' ? [event.what] : [])),
        ['absent'],
      );
    });
  }

  it('TlsLayer gives back the octets that might have begun a record', () => {
    const layer = new TlsLayer(CONNECTION, new KeyLog());
    const events = [of('client', '\x16'), of('client', '\x03'), of('client', 'x'), END];
    const out = feed(layer, events);
    assert.equal(out.client.toString(), '\x16\x03x');
    assert.deepEqual(
      out.notes.map((note) => note.what),
      ['absent'],
    );
  });

  it('TlsLayer holds no more than its limit while holes keep it from telling text from TLS', () => {
    const layer = new TlsLayer(CONNECTION, new KeyLog());
    const hole = streamGap(1);
    const pairs = tlsLimits.undecidedMax / 2;
    const events = Array.from({ length: pairs }, () => [hole, of('client', 'x')]).flat();
    assert.deepEqual(
      events.flatMap((event) => [...layer.receive(event)]),
      [],
    );
    const [note, ...passed] = [...layer.receive(hole)];
    assert.equal(note?.kind, 'note');
    assert.deepEqual(passed, [...events, hole]);
  });
});
