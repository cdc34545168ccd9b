/** What a decoder hands out, gathered while it reads one event. */
import { type AnomalyCode, anomaly } from '../core/anomaly.ts';
import type { Sender, Sighting } from '../stream/types.ts';
import type { DialogueEvent } from './types.ts';

const traceLengthMax = 200;
const nothing: readonly DialogueEvent[] = [];

export class Outbox {
  readonly #isTraced: boolean;
  #events: DialogueEvent[] = [];

  constructor(isTraced: boolean) {
    this.#isTraced = isTraced;
  }

  add(event: DialogueEvent): void {
    this.#events.push(event);
  }

  anomaly(code: AnomalyCode, seen: Sighting | undefined, detail: string): void {
    this.add(anomaly(code, seen === undefined ? 'connection' : `frame ${seen.frame}`, detail));
  }

  /** Somebody wants to see the dialogue: the texts for `trace` need not be made otherwise. */
  get isTraced(): boolean {
    return this.#isTraced;
  }

  /** The text must hold no secrets. */
  trace(sender: Sender, text: string, seen: Sighting): void {
    if (this.#isTraced) this.add({ kind: 'trace', sender, text: text.slice(0, traceLengthMax), seen });
  }

  /** What was handed out since the last call. */
  take(): readonly DialogueEvent[] {
    const events = this.#events;
    // Most events complete nothing.
    if (events.length === 0) return nothing;
    this.#events = [];
    return events;
  }
}
