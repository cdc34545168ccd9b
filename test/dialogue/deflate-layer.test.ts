import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { deflateLimits } from '../../src/core/limits.ts';
import { DeflateLayer } from '../../src/dialogue/deflate-layer.ts';
import type { Sender, StreamData } from '../../src/stream/types.ts';
import { streamData, streamGap } from '../support/stream-events.ts';
import { END, feed, recut, WAYS } from './tls/feeding.ts';

const FIRST_SEQUENCE = 4_294_967_200;

/** Each of `said` compressed and flushed with `flush`, as RFC 4978 wants it; one event each. */
async function compressed(sender: Sender, said: readonly Buffer[], flush: number): Promise<StreamData[]> {
  const deflate = zlib.createDeflateRaw();
  const events: StreamData[] = [];
  let pieces: Buffer[] = [];
  let sequence = FIRST_SEQUENCE;
  deflate.on('data', (piece: Buffer) => pieces.push(piece));
  for (const [index, bytes] of said.entries()) {
    deflate.write(bytes);
    await new Promise<void>((resolve) => deflate.flush(flush, () => resolve()));
    const sent = Buffer.concat(pieces);
    events.push(streamData(sent, { sender, sequence, frame: index + 1 }));
    sequence += sent.length;
    pieces = [];
  }
  return events;
}

const LINES = Array.from({ length: 40 }, (_, index) =>
  Buffer.from(`a${index} FETCH ${index} BODY[]\r\n`.repeat(index + 1)),
);

describe('DeflateLayer', () => {
  for (const [name, flush] of [
    ['sync', zlib.constants.Z_SYNC_FLUSH],
    ['partial', zlib.constants.Z_PARTIAL_FLUSH],
    ['full', zlib.constants.Z_FULL_FLUSH],
  ] as const) {
    it(`DeflateLayer gives all that a ${name} flush completes, at once and in whatever pieces`, async () => {
      const events = await compressed('server', LINES, flush);
      const layer = new DeflateLayer();
      for (const [index, each] of events.entries()) {
        // A partial flush may leave the last bits to the next one.
        const text = Buffer.concat(
          [...layer.receive(each)].map((out) => (out.kind === 'data' ? out.bytes : each.bytes)),
        );
        if (name !== 'partial') assert.deepEqual(text, LINES[index]);
      }
      for (const way of WAYS) {
        const outcome = feed(new DeflateLayer(), recut(events, way));
        assert.deepEqual(outcome.server, Buffer.concat(LINES), way);
        assert.deepEqual([outcome.gaps, outcome.anomalies, outcome.closes], [[], [], [END]], way);
      }
    });
  }

  it('DeflateLayer numbers plaintext from the first octet on and names its packet', async () => {
    const events = await compressed('client', LINES, zlib.constants.Z_SYNC_FLUSH);
    const { data } = feed(new DeflateLayer(), recut(events, 'as captured'));
    let sequence = FIRST_SEQUENCE;
    for (const [index, each] of data.entries()) {
      assert.deepEqual([each.sequence, each.seen.frame], [sequence, index + 1]);
      sequence = (sequence + each.bytes.length) >>> 0;
    }
  });

  it('DeflateLayer keeps the directions apart', async () => {
    const client = await compressed('client', LINES.slice(0, 5), zlib.constants.Z_SYNC_FLUSH);
    const server = await compressed('server', LINES.slice(5), zlib.constants.Z_SYNC_FLUSH);
    const mixed = server.flatMap((each, index) => [each, ...client.slice(index, index + 1)]);
    const outcome = feed(new DeflateLayer(), recut(mixed, 'as captured'));
    assert.deepEqual(outcome.client, Buffer.concat(LINES.slice(0, 5)));
    assert.deepEqual(outcome.server, Buffer.concat(LINES.slice(5)));
  });

  it('DeflateLayer ends a direction at a gap, and that direction alone', async () => {
    const server = await compressed('server', LINES, zlib.constants.Z_SYNC_FLUSH);
    const client = await compressed('client', LINES, zlib.constants.Z_SYNC_FLUSH);
    const gap = streamGap(7, { sender: 'server', frame: 9 });
    const layer = new DeflateLayer();
    const outcome = feed(layer, [...server.slice(0, 3), gap, gap, ...server.slice(3), ...client, END]);
    assert.deepEqual(outcome.server, Buffer.concat(LINES.slice(0, 3)));
    assert.deepEqual(outcome.client, Buffer.concat(LINES));
    const sequence = (FIRST_SEQUENCE + outcome.server.length) >>> 0;
    assert.deepEqual(outcome.gaps, [{ ...gap, length: 1, sequence }]);
    assert.deepEqual(
      outcome.anomalies.map(({ code, at }) => [code, at]),
      [['dialogue.deflate-damaged', 'frame 9']],
    );
    const unread = server.slice(3).reduce((sum, each) => sum + each.bytes.length, 0);
    assert.deepEqual(layer.unreadableBytes, { client: 0, server: unread });
  });

  it('DeflateLayer gives what stands before damage and reports it once', () => {
    const good = zlib.deflateRawSync(Buffer.from('good'), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
    // Block type 3 does not exist.
    const bad = Buffer.from([0xff, 0xff]);
    const events = [good, bad, good].map((bytes, index) =>
      streamData(bytes, { sender: 'server', frame: index + 3 }),
    );
    const outcome = feed(new DeflateLayer(), [...events, END]);
    assert.equal(outcome.server.toString(), 'good');
    assert.deepEqual(
      outcome.anomalies.map(({ code, at }) => [code, at]),
      [['dialogue.deflate-damaged', 'frame 4']],
    );
    assert.equal(outcome.gaps.length, 1);
  });

  it('DeflateLayer reports octets behind the end of the stream', () => {
    const ended = zlib.deflateRawSync(Buffer.from('all'));
    const outcome = feed(new DeflateLayer(), [
      streamData(ended, { frame: 1 }),
      streamData(ended, { frame: 2 }),
      END,
    ]);
    assert.equal(outcome.client.toString(), 'all');
    assert.deepEqual(
      outcome.anomalies.map((each) => each.at),
      ['frame 2'],
    );
  });

  it('DeflateLayer hands a flood on in pieces and never holds it', () => {
    const flood = zlib.deflateRawSync(Buffer.alloc(64 << 20), { level: 9 });
    const before = process.memoryUsage().arrayBuffers;
    const pieces = new DeflateLayer().receive(streamData(flood, { sender: 'server' }))[Symbol.iterator]();
    let piece = pieces.next();
    // One step of input is inflated, not all of it: a piece and a margin for the inflater's own tables.
    assert.ok(process.memoryUsage().arrayBuffers - before < deflateLimits.stepBytesMax * 1100 + (1 << 20));
    let total = 0;
    for (; !piece.done; piece = pieces.next()) {
      assert.ok(piece.value.kind === 'data' && piece.value.bytes.length <= deflateLimits.pieceBytesMax);
      total += piece.value.bytes.length;
    }
    assert.equal(total, 64 << 20);
  });

  it('DeflateLayer never throws on random octets, cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }), (pieces) => {
        const events = pieces.map((piece, index) => streamData(Buffer.from(piece), { frame: index }));
        const outcome = feed(new DeflateLayer(), [...events, END]);
        assert.ok(outcome.anomalies.length <= 1 && outcome.gaps.length <= 1);
        assert.deepEqual(outcome.closes, [END]);
      }),
      { numRuns: 300 },
    );
  });
});
