import type { Connection, StreamEvent } from '../../stream/types.ts';
import type { DialogueDecoder, DialogueEvent, DialogueOptions } from '../types.ts';
export class Pop3Decoder implements DialogueDecoder {
  constructor(_connection: Connection, _options: DialogueOptions) {}
  receive(_event: StreamEvent): readonly DialogueEvent[] {
    return [];
  }
}
