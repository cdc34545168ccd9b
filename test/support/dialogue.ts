/** Feeds decoders of the dialogue stage and shows what they hand out in few words. */
import type {
  DialogueDecoder,
  DialogueEvent,
  LayerName,
  RawMessage,
  Tally,
  Upgrade,
} from '../../src/dialogue/types.ts';
import type { Connection, StreamEvent } from '../../src/stream/types.ts';
import { defaultClient, defaultServer } from './conversation.ts';

export const connection: Connection = {
  id: 1,
  client: defaultClient,
  server: defaultServer,
  handshakeSeen: true,
};

export interface Heard {
  readonly events: readonly DialogueEvent[];
  readonly messages: readonly RawMessage[];
}

/** Plays events to a decoder; their bytes are overwritten afterwards, as the stream stage may do. */
export function hear(decoder: DialogueDecoder, played: readonly StreamEvent[]): Heard {
  const events: DialogueEvent[] = [];
  for (const event of played) {
    const copy = event.kind === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event;
    for (const heard of decoder.receive(copy)) events.push(heard);
    if (copy.kind === 'data') copy.bytes.fill(0xaa);
  }
  return { events, messages: events.filter((event) => event.kind === 'message') };
}

export function tallies(heard: Heard): Tally['what'][] {
  return heard.events.flatMap((event) => (event.kind === 'tally' ? [event.what] : []));
}

export function upgrades(heard: Heard): Upgrade[] {
  return heard.events.filter((event) => event.kind === 'upgrade');
}

export function anomalyCodes(heard: Heard): string[] {
  return heard.events.flatMap((event) => (event.kind === 'anomaly' ? [event.code] : []));
}

/** Decoders of this stage can be told the layer they are in. */
export interface LayeredDecoder extends DialogueDecoder {
  layerChanged(layer: LayerName): void;
}
