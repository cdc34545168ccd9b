import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KeyLog } from '../../../src/dialogue/tls/key-log.ts';
import { TlsLayer } from '../../../src/dialogue/tls/tls-layer.ts';
import type { StreamData } from '../../../src/stream/types.ts';
import { streamData } from '../../support/stream-events.ts';
import { feed, type Outcome, recut, WAYS, withHole } from './feeding.ts';
import { CONNECTION } from './generated-sessions.ts';
import { early, type RecordedWrite, refused, secrets, update } from './openssl-sessions.ts';

function eventsOf(writes: readonly RecordedWrite[]): StreamData[] {
  const at = { client: 0, server: 0 };
  return writes.map(([sender, hex], index) => {
    const bytes = Buffer.from(hex, 'hex');
    const sequence = at[sender];
    at[sender] += bytes.length;
    return streamData(bytes, { sender, sequence, frame: index + 1 });
  });
}

function layer(log = secrets): TlsLayer {
  const keyLog = new KeyLog();
  keyLog.add(log);
  return new TlsLayer(CONNECTION, keyLog);
}

function assertSaid(writes: readonly RecordedWrite[], client: string, server: string): void {
  for (const way of WAYS) {
    const outcome = feed(layer(), recut(eventsOf(writes), way));
    assert.deepEqual([outcome.notes, outcome.anomalies, outcome.gaps], [[], [], []], way);
    assert.equal(outcome.client.toString(), client, way);
    assert.equal(outcome.server.toString(), server, way);
  }
}

describe('TlsLayer on sessions of openssl', () => {
  it('TlsLayer reads early data that the server accepted', () => {
    assertSaid(early, 'EHLO early.example\r\nafter early\n', 'answer\n');
  });

  it('TlsLayer leaves out early data that the server refused', () => {
    assertSaid(refused, 'after refusal\n', 'answer\n');
  });

  it('TlsLayer reads what follows early data whose secret is missing', () => {
    const log = secrets.replaceAll(/^CLIENT_EARLY.*$/gm, '');
    const outcome = feed(layer(log), recut(eventsOf(early), 'as captured'));
    assert.deepEqual(outcome.notes, []);
    assert.deepEqual(
      outcome.anomalies.map((each) => each.code),
      ['dialogue.tls-undecryptable'],
    );
    assert.equal(outcome.client.toString(), 'after early\n');
    assert.equal(outcome.server.toString(), 'answer\n');
  });

  it('TlsLayer follows KeyUpdates of either side', () => {
    const client = 'before update\nafter client update\nafter both update\n';
    assertSaid(update, client, 'server before\nserver after\nserver after its own\n');
  });

  it('TlsLayer reads on when any one write behind the handshake was lost, a KeyUpdate too', () => {
    const events = eventsOf(update);
    const whole = feed(layer(), recut(events, 'as captured'));
    for (const lost of events.filter((event) => event.seen.frame > 3)) {
      const { sender, sequence, bytes } = lost;
      const outcome = feed(layer(), withHole(events, sender, sequence, bytes.length));
      assert.deepEqual([outcome.notes, outcome.anomalies], [[], []]);
      assertLinesLost(outcome, whole, sender);
    }
  });
});

/** What was read are lines of `whole`, and at most one is missing. */
function assertLinesLost(outcome: Outcome, whole: Outcome, sender: 'client' | 'server'): void {
  const said = whole[sender].toString().split(/(?<=\n)/);
  const read = outcome[sender].toString().split(/(?<=\n)/);
  assert.ok(read.every((line) => said.includes(line)));
  assert.ok(read.length >= said.length - 1, `${sender} said ${read.length} of ${said.length} lines`);
  const other = sender === 'client' ? 'server' : 'client';
  assert.deepEqual(outcome[other], whole[other]);
}
