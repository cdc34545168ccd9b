/** What one connection said and carried, shortened as it comes: memory is bounded whatever the session is. */
import { createHash } from 'node:crypto';
import { explainLimits } from '../core/limits.ts';
import type { Conversation } from '../dialogue/conversation.ts';
import type { LayerSummary } from '../dialogue/layer-summary.ts';
import type { DialogueEvent, RawMessage } from '../dialogue/types.ts';
import { decodeMessage } from '../message/decode-message.ts';
import type { Address } from '../message/types.ts';
import type { CloseReason, Sender, Sighting, StreamEvent, StreamGap } from '../stream/types.ts';
import type { ExplainedConnection, ExplainedEvent, ExplainedGap, ExplainedMail } from './explanation.ts';
import { GapCosts } from './gap-costs.ts';
import { LineGuard } from './safe-line.ts';

/** Events that are held by all connections together. */
export interface HeldEvents {
  count: number;
}

const senderLetter = { client: 'C', server: 'S' } as const;
const otherSide: Readonly<Record<Sender, Sender>> = { client: 'server', server: 'client' };
/** What lies where inside of them cannot be told from outside. */
const unreadableLayers: ReadonlySet<string> = new Set<LayerSummary['name']>(['tls', 'starttls', 'compress']);
const headerTextMax = 200;

export class ConversationLog {
  readonly #held: HeldEvents;
  readonly #repeatedMax: number;
  /** What a gap cost is known at the end. */
  readonly #events: (ExplainedEvent | StreamGap)[] = [];
  readonly #costs = new GapCosts();
  readonly #shown = new Map<string, number>();
  #guard: LineGuard | undefined;
  #omitted: Record<string, number> | undefined;
  #user: string | null = null;
  #first: Sighting | null = null;
  #last: Sighting | null = null;
  #closed: CloseReason | null = null;
  #mails = 0;

  /** `repeatedMax` lines of a kind are shown. */
  constructor(held: HeldEvents, repeatedMax: number) {
    this.#held = held;
    this.#repeatedMax = repeatedMax;
  }

  /** Every event of the stream, before the conversation sees it. */
  stream(event: StreamEvent): void {
    if (event.kind === 'close' && event.side === 'both') this.#closed = event.reason;
    if (event.kind !== 'data' && event.kind !== 'gap') return;
    this.#first ??= event.seen;
    this.#last = event.seen;
    this.#costs.pass(event);
    if (event.kind === 'gap' && this.#add('gap', event, explainLimits.eventsMax)) this.#costs.addGap(event);
  }

  /** Returns the mail, if the event is one. */
  dialogue(event: DialogueEvent, conversation: Conversation): ExplainedMail | undefined {
    const { protocol } = conversation;
    switch (event.kind) {
      case 'trace': {
        if (protocol === null) return undefined;
        this.#guard ??= new LineGuard(protocol);
        const { text, name } = this.#guard.pass(event);
        const { sender, seen } = event;
        const key = `${senderLetter[sender]} ${name}`;
        this.#add(key, { kind: 'said', sender, text, seen }, this.#repeatedMax);
        return undefined;
      }
      case 'message': {
        const mail = explainMail(event, ++this.#mails);
        this.#user = mail.user ?? this.#user;
        if (this.#add('mail', mail, explainLimits.eventsMax)) {
          this.#costs.addMail(event, mail.number, conversation.summary.reversed);
        }
        return mail;
      }
      case 'anomaly': {
        const { code, at, detail } = event;
        this.#add(code, { kind: 'anomaly', code, at, detail }, this.#repeatedMax);
        return undefined;
      }
      case 'tally':
        this.#add(event.what, { kind: 'no-row', what: event.what }, this.#repeatedMax);
        return undefined;
      case 'upgrade':
        return undefined;
    }
  }

  finish(conversation: Conversation): ExplainedConnection {
    this.#endOmission();
    const { summary } = conversation;
    const hits = this.#costs.hits();
    const isLayered = summary.layers.some(({ name }) => unreadableLayers.has(name));
    const explain = (gap: StreamGap): ExplainedGap => {
      const mails = hits.get(gap) ?? (isLayered ? null : []);
      const sender = summary.reversed ? otherSide[gap.sender] : gap.sender;
      return { kind: 'gap', sender, octets: gap.length, seen: gap.seen, mails };
    };
    return {
      ...summary,
      first: this.#first,
      last: this.#last,
      closed: this.#closed,
      user: this.#user,
      events: this.#events.map((event) => ('length' in event ? explain(event) : event)),
    };
  }

  /** False where the event is only counted. */
  #add(key: string, event: ExplainedEvent | StreamGap, shownMax: number): boolean {
    const shown = this.#shown.get(key) ?? 0;
    const isFull =
      this.#events.length >= explainLimits.eventsMax || this.#held.count >= explainLimits.heldEventsMax;
    if (shown >= shownMax || isFull) {
      this.#omitted ??= {};
      this.#omitted[key] = (this.#omitted[key] ?? 0) + 1;
      return false;
    }
    this.#shown.set(key, shown + 1);
    this.#endOmission();
    this.#push(event);
    return true;
  }

  #endOmission(): void {
    if (this.#omitted !== undefined) this.#push({ kind: 'omitted', counts: this.#omitted });
    this.#omitted = undefined;
  }

  #push(event: ExplainedEvent | StreamGap): void {
    this.#events.push(event);
    this.#held.count++;
  }
}

function explainMail(raw: RawMessage, number: number): ExplainedMail {
  const octets = raw.octets.read();
  raw.octets.release();
  const message = decodeMessage(octets);
  const codes = [...raw.anomalies, ...message.anomalies].map(({ code }) => code);
  return {
    kind: 'mail',
    number,
    seen: raw.first,
    last: raw.last,
    method: raw.method,
    bytes: octets.length,
    sha256: createHash('sha256').update(octets).digest('hex'),
    exact: raw.exact,
    complete: raw.complete,
    missing: raw.missing.slice(0, 10),
    accepted: raw.accepted,
    user: raw.user,
    mailbox: raw.mailbox,
    envelope: raw.envelope && { from: raw.envelope.from, to: raw.envelope.to.slice(0, 10) },
    subject: (message.subject ?? '').slice(0, headerTextMax),
    from: message.from.slice(0, 3).map(addressText).join(', ').slice(0, headerTextMax),
    anomalies: [...new Set(codes)],
  };
}

function addressText({ name, address }: Address): string {
  return name === '' ? address : `${name} <${address}>`;
}
