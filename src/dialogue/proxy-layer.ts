/**
 * What clients say before their mail protocol when it goes through something: SOCKS 4, 4a and 5 (RFC 1928,
 * RFC 1929), HTTP CONNECT (RFC 9110 §9.3.6), HAProxy's PROXY header. The negotiation is dropped and the rest
 * passes; what turns out to be no such negotiation, or one that was refused, says so and ends.
 */
import { dialogueLimits } from '../core/limits.ts';
import type { Sender, StreamEvent } from '../stream/types.ts';
import { HalfStream } from './half-stream.ts';
import type { Layer, LayerEvent } from './layer.ts';
import { type Negotiation, negotiationOf, type Step, type Target } from './proxy-negotiation.ts';
import type { WrapperKind } from './wrapper.ts';

export class ProxyLayer implements Layer {
  readonly #halves: Record<Sender, HalfStream> = { client: new HalfStream(), server: new HalfStream() };
  /** How the next octets of each side are read; undefined where its negotiation is over. */
  readonly #steps: Record<Sender, Step | undefined>;
  /** Octets of a message that is dropped already, but has not come yet. */
  readonly #dropping: Record<Sender, number> = { client: 0, server: 0 };
  readonly #stepsTaken: Record<Sender, number> = { client: 0, server: 0 };
  readonly #isConnect: boolean;
  #target: Target | null = null;
  #refusal: string | undefined;

  constructor(kind: Exclude<WrapperKind, 'tls'>) {
    this.#isConnect = kind === 'http-connect';
    const negotiation: Negotiation = negotiationOf(kind);
    this.#steps = { client: negotiation.client, server: negotiation.server };
  }

  /** Whom the client wants to reach, as soon as it has said so. */
  get target(): Target | null {
    return this.#target;
  }

  get heldBytes(): number {
    return this.#halves.client.heldBytes + this.#halves.server.heldBytes;
  }

  *receive(event: StreamEvent): Generator<LayerEvent> {
    if (event.kind === 'open' || event.kind === 'close') {
      yield event;
      return;
    }
    if (this.#refusal !== undefined) return;
    const { sender } = event;
    const half = this.#halves[sender];
    half.push(event);
    this.#negotiate(sender, half);
    if (this.#refusal !== undefined) yield { kind: 'note', what: 'absent', detail: this.#refusal };
    else if (this.#steps[sender] === undefined && this.#dropping[sender] === 0)
      yield* half.takeEvents(sender);
  }

  #negotiate(sender: Sender, half: HalfStream): void {
    this.#drop(sender, half);
    this.#endRequests();
    for (let step = this.#steps[sender]; step !== undefined; step = this.#steps[sender]) {
      if (this.#dropping[sender] > 0) return;
      const bytes = half.peek(dialogueLimits.sniffBytesMax);
      // Behind a hole in the negotiation is its rest or the mail: the protocol will be told from that.
      if (bytes.length === 0 && !half.isEmpty) this.#steps[sender] = undefined;
      if (bytes.length === 0) return;
      const progress = step(bytes);
      if (progress === 'more') {
        if (half.unreadBytes >= dialogueLimits.sniffBytesMax) this.#refusal = 'the negotiation has no end';
        else if (half.lineIsCutByGap) this.#steps[sender] = undefined;
        return;
      }
      if ('refused' in progress) {
        this.#refusal = progress.refused;
        return;
      }
      this.#target ??= progress.target ?? null;
      this.#dropping[sender] = progress.octets;
      this.#steps[sender] = progress.next;
      this.#stepsTaken[sender]++;
      this.#endRequests();
      this.#drop(sender, half);
    }
  }

  /** Every CONNECT was answered, the last one with success: the next one is for the proxy behind this one. */
  #endRequests(): void {
    const { client, server } = this.#stepsTaken;
    const isAnswered = this.#steps.server === undefined && server > 0 && client >= server;
    if (this.#isConnect && isAnswered) this.#steps.client = undefined;
  }

  #drop(sender: Sender, half: HalfStream): void {
    while (this.#dropping[sender] > 0) {
      const left = this.#dropping[sender];
      const run = half.takeRun(left);
      const gap = run ? undefined : half.takeGap();
      const taken = run?.bytes.length ?? gap?.length ?? 0;
      if (taken === 0) return;
      this.#dropping[sender] -= Math.min(taken, left);
      if (gap === undefined || gap.length <= left) continue;
      half.putBack([{ ...gap, length: gap.length - left, sequence: (gap.sequence + left) >>> 0 }]);
    }
  }
}
