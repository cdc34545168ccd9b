/** Which mails of a connection the octets belonged to that were sent but not captured. */
import type { MissingRange, RawMessage } from '../dialogue/types.ts';
import type { Sender, StreamData, StreamGap } from '../stream/types.ts';

interface Gap {
  readonly event: StreamGap;
  /** Position in what its sender sent; behind the last octet. */
  readonly end: number;
}

interface Mail {
  readonly number: number;
  readonly sender: Sender;
  /** Position of the first octet. */
  readonly begin: number;
  readonly complete: boolean;
  readonly missing: readonly MissingRange[];
}

/** Told at the end of the connection: a gap is known before the mail it lies in. */
export class GapCosts {
  readonly #gaps: Gap[] = [];
  readonly #mails: Mail[] = [];
  /** How far each side has come: sequence numbers begin anew after 4 GiB, positions do not. */
  readonly #ends: Record<Sender, { sequence: number; position: number } | undefined> = {
    client: undefined,
    server: undefined,
  };

  /** Every event in the order of the stream, its sender as the stream has it. */
  pass(event: StreamData | StreamGap): void {
    const { sender, sequence } = event;
    const length = event.kind === 'gap' ? event.length : event.bytes.length;
    const position = this.#position(sender, sequence) + length;
    this.#ends[sender] = { sequence: (sequence + length) >>> 0, position };
  }

  addGap(event: StreamGap): void {
    this.#gaps.push({ event, end: this.#position(event.sender, event.sequence) + event.length });
  }

  /** `isReversed`: the stream's client is the conversation's server. Mails inside of layers have no place here. */
  addMail(raw: RawMessage, number: number, isReversed: boolean): void {
    if (raw.layer !== 'plain') return;
    const isOfClient = (raw.direction !== 'retrieved') !== isReversed;
    const sender = isOfClient ? 'client' : 'server';
    const { complete, missing } = raw;
    const [head] = missing;
    const lostBefore = head?.offset === 0 ? (head.length ?? 0) : 0;
    const begin = this.#position(sender, raw.firstSequence) - lostBefore;
    this.#mails.push({ number, sender, begin, complete, missing: missing.slice() });
  }

  /** For each gap the numbers of the incomplete mails that it hit; a gap without is in none that is known. */
  hits(): ReadonlyMap<StreamGap, readonly number[]> {
    const hits = new Map<StreamGap, number[]>();
    for (const sender of ['client', 'server'] as const) {
      const gaps = this.#gaps.filter(({ event }) => event.sender === sender);
      const mails = this.#mails.filter((mail) => mail.sender === sender).sort((a, b) => a.begin - b.begin);
      // Both are in the order of the stream, so that no gap is looked at again for each mail.
      let from = 0;
      for (const [index, mail] of mails.entries()) {
        while (from < gaps.length && (gaps[from]?.end ?? 0) <= mail.begin) from++;
        if (mail.complete) continue;
        const nextBegin = mails[index + 1]?.begin ?? Number.POSITIVE_INFINITY;
        for (const gap of gapsOf(mail, gaps, from, nextBegin)) {
          const numbers = hits.get(gap.event);
          if (numbers === undefined) hits.set(gap.event, [mail.number]);
          else numbers.push(mail.number);
        }
      }
    }
    return hits;
  }

  #position(sender: Sender, sequence: number): number {
    const end = this.#ends[sender];
    return end === undefined ? 0 : end.position + ((sequence - end.sequence) | 0);
  }
}

/**
 * The gaps behind the mail's beginning until what it misses is accounted for: between its octets may stand
 * commands and answers, so that its length does not tell where it ends. A mail that has no gap of its own is
 * incomplete because of what was lost before it.
 */
function gapsOf(mail: Mail, gaps: readonly Gap[], from: number, nextBegin: number): readonly Gap[] {
  const missed = mail.missing.reduce((sum, { length }) => sum + (length ?? 1), 0);
  const found: Gap[] = [];
  let accounted = 0;
  for (let at = from; at < gaps.length && (found.length === 0 || accounted < missed); at++) {
    const gap = gaps[at];
    if (gap === undefined || gap.end - gap.event.length >= nextBegin) break;
    found.push(gap);
    accounted += gap.end - Math.max(gap.end - gap.event.length, mail.begin);
  }
  const before = gaps[from - 1];
  return found.length > 0 || before === undefined ? found : [before];
}
