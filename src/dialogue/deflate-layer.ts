/**
 * IMAP COMPRESS=DEFLATE, RFC 4978: each direction is one raw DEFLATE stream (RFC 1951) from here on. To inflate it
 * takes all that came before, so that a direction ends at the first octet that is lost or damaged. All that stands
 * before the damage is handed on, so that it does not matter how it was cut.
 */
import { Inflate, Z_SYNC_FLUSH, type ZStream } from 'pako';
import { anomaly } from '../core/anomaly.ts';
import { deflateLimits } from '../core/limits.ts';
import type { Sender, Sighting, StreamData, StreamEvent, StreamGap } from '../stream/types.ts';
import type { Layer, LayerEvent } from './layer.ts';

/** What `receive` returns is to be iterated to its end before the next call. */
export class DeflateLayer implements Layer {
  readonly #halves = { client: new InflatedHalf('client'), server: new InflatedHalf('server') };

  /** Windows and tables: all that is held. */
  get heldBytes(): number {
    return this.#halves.client.heldBytes + this.#halves.server.heldBytes;
  }

  *receive(event: StreamEvent): Generator<LayerEvent> {
    switch (event.kind) {
      case 'data':
        yield* this.#halves[event.sender].data(event);
        return;
      case 'gap':
        yield* this.#halves[event.sender].damaged(event.seen, 'octets are missing');
        return;
      default:
        yield event;
    }
  }

  /** Compressed octets that could not be read, those behind a gap. */
  get unreadableBytes(): Readonly<Record<Sender, number>> {
    return { client: this.#halves.client.unreadableBytes, server: this.#halves.server.unreadableBytes };
  }
}

/** Window, output and tables of one direction that has begun; measured. */
const halfCost = 60 << 10;

class InflatedHalf {
  readonly #sender: Sender;
  readonly #inflate: Inflate;
  /** The inflater's own state: it keeps back what it inflated of a damaged step, and what it did not read. */
  #state: ZStream | undefined;
  /** What the running step gave so far; empty between steps. */
  #pieces: Buffer[] = [];
  #firstSequence: number | undefined;
  #plainBytes = 0;
  #isDamaged = false;
  #unreadableBytes = 0;

  constructor(sender: Sender) {
    this.#sender = sender;
    this.#inflate = new Inflate({ raw: true, chunkSize: deflateLimits.pieceBytesMax });
    this.#inflate.onStart = (state) => {
      this.#state = state;
    };
    this.#inflate.onData = (chunk) => this.#give(chunk);
  }

  get unreadableBytes(): number {
    return this.#unreadableBytes;
  }

  get heldBytes(): number {
    return this.#firstSequence === undefined ? 0 : halfCost;
  }

  /** Small steps, each handed on before the next: a flood of zeros passes through, it does not pile up. */
  *data({ bytes, sequence, seen }: StreamData): Generator<LayerEvent> {
    this.#firstSequence ??= sequence;
    for (let at = 0; at < bytes.length && !this.#isDamaged; at += deflateLimits.stepBytesMax) {
      const step = bytes.subarray(at, at + deflateLimits.stepBytesMax);
      const trouble = this.#step(step);
      const pieces = this.#pieces;
      this.#pieces = [];
      for (const piece of pieces) yield this.#data(piece, seen);
      if (trouble === undefined) continue;
      this.#unreadableBytes += bytes.length - at - step.length + trouble.unreadBytes;
      yield* this.damaged(seen, trouble.detail);
      return;
    }
    if (this.#isDamaged) this.#unreadableBytes += bytes.length;
  }

  /** The direction ends in a gap of unknown length. */
  *damaged(seen: Sighting, detail: string): Generator<LayerEvent> {
    if (this.#isDamaged) return;
    this.#isDamaged = true;
    yield anomaly('dialogue.deflate-damaged', `frame ${seen.frame}`, `${this.#sender}'s stream: ${detail}`);
    yield this.#gap(seen);
  }

  /** What is wrong with the stream, if anything, and the octets from there on. */
  #step(step: Buffer): { readonly detail: string; readonly unreadBytes: number } | undefined {
    if (this.#inflate.ended) return { detail: 'octets behind its end', unreadBytes: step.length };
    this.#inflate.push(step, Z_SYNC_FLUSH);
    const { err, msg, ended } = this.#inflate;
    const unreadBytes = this.#state?.avail_in ?? 0;
    if (err === 0)
      return ended && unreadBytes > 0 ? { detail: 'octets behind its end', unreadBytes } : undefined;
    if (this.#state) this.#give(this.#state.output.subarray(0, this.#state.next_out));
    return { detail: msg, unreadBytes };
  }

  #give(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#pieces.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
  }

  #data(bytes: Buffer, seen: Sighting): StreamData {
    const sequence = this.#sequence();
    this.#plainBytes += bytes.length;
    return { kind: 'data', sender: this.#sender, bytes, sequence, seen };
  }

  #gap(seen: Sighting): StreamGap {
    return { kind: 'gap', sender: this.#sender, length: 1, sequence: this.#sequence(), seen };
  }

  #sequence(): number {
    return ((this.#firstSequence ?? 0) + this.#plainBytes) >>> 0;
  }
}
