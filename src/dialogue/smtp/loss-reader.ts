/** Finds the dialogue again behind a loss, or where the capture began in the middle of it. */
import type { Line, Place } from '../half-stream.ts';
import { isBefore } from '../sighting-order.ts';
import type { DataText } from './end-of-data.ts';
import { fieldBytesLookedAt, LostText, mayBecomeField } from './lost-text.ts';
import type { Overheard } from './overheard.ts';
import type { HeldMail } from './pending.ts';

/**
 * `text`: the server had asked for what follows. `over`: what was left of a mail, if it is one. `command`: what
 * stood before the command was such a rest that has no end, as that of a chunk whose BDAT was lost.
 */
export type LossProgress =
  | 'wait'
  | 'more'
  | { readonly kind: 'text'; readonly text: DataText }
  | { readonly kind: 'command'; readonly line: Line; readonly rest: HeldMail | undefined }
  | { readonly kind: 'over'; readonly mail: HeldMail | undefined };

export class LossReader {
  readonly #lostText: LostText;

  /** `lost`: so many octets are known to be lost; infinitely many where their number says nothing. */
  constructor(lost: number) {
    this.#lostText = new LostText(lost);
  }

  read(heard: Overheard): LossProgress {
    const { client, clientFinished } = heard;
    const gap = client.takeGap();
    if (gap !== undefined) {
      this.#lostText.addGap(gap);
      return 'more';
    }
    const { place } = client;
    if (place !== undefined && !this.#lostText.isBegun) {
      const text = this.#askedText(heard, place);
      if (text === 'wait') return text;
      if (text !== undefined) return { kind: 'text', text };
      // A reply that is still to come may be older than these octets and say what they are.
      const isOpen = heard.replies.peek() === undefined && !heard.repliesEnd;
      if (isOpen && heard.nextIsCommand !== true) return 'wait';
    }
    const line = client.takeLineOrRest(clientFinished);
    if (line !== undefined) return this.#readLine(line, heard);
    return clientFinished ? { kind: 'over', mail: this.#lostText.finish() } : 'wait';
  }

  #readLine(line: Line, { memory }: Overheard): LossProgress {
    switch (this.#lostText.add(line, memory)) {
      case 'command':
        return { kind: 'command', line, rest: this.#lostText.finish() };
      case 'end':
        return { kind: 'over', mail: this.#lostText.finish() };
      case 'text':
        return 'more';
    }
  }

  /** Replies to what was lost; if the last of them is 354, the client's next octets are a text. */
  #askedText(heard: Overheard, place: Place): DataText | 'wait' | undefined {
    const { replies, client, clientFinished } = heard;
    for (let next = replies.peek(); next && isBefore(next.seen, place.seen); next = replies.peek()) {
      replies.take();
      if (next.kind === 'reply') this.#lostText.noteAnswer(next.code);
    }
    if (this.#lostText.lastAnswer !== 354) return undefined;
    const start = client.peek(fieldBytesLookedAt);
    const isCut = clientFinished || client.unreadBytes > start.length;
    if (mayBecomeField(start) && !isCut) return 'wait';
    return this.#lostText.beginText(place, start, heard.memory);
  }
}
