/** What the answers have told so far, RFC 1939 §4 and §5: who is logged in, and the mails of the maildrop. */
import { dialogueLimits } from '../../core/limits.ts';
import type { Connection } from '../../stream/types.ts';
import { collectedMail } from '../collected-mail.ts';
import type { Line, Place } from '../half-stream.ts';
import type { CollectedMessage } from '../message-collector.ts';
import { type DialogueMemory, heapMemory } from '../octets.ts';
import type { Outbox } from '../outbox.ts';
import type { SaslExchange } from '../sasl.ts';
import type { LayerName } from '../types.ts';
import type { Command } from './command.ts';
import { kindOfMail, MailText } from './mail-text.ts';
import { beginsLikeMail } from './server-only.ts';

/** What the number and size of one mail take. */
const sizeCost = 100;

/** What a text may be instead of the whole mail that was asked for; only its size can tell otherwise. */
export type Doubt = 'none' | 'excerpt' | 'no mail';

export class Session {
  readonly #out: Outbox;
  readonly memory: DialogueMemory;
  connection: Connection;
  layer: LayerName = 'plain';
  /** The argument of USER, until PASS is answered. */
  #claimedUser: string | null = null;
  #user: string | null = null;
  /** Octets of each mail, by its number, as the server told them or the mail itself did. */
  #sizes: Map<number, number> | undefined;
  /** The same without the numbers, to know a mail by its size. */
  #toldSizes: Set<number> | undefined;

  constructor(connection: Connection, out: Outbox, memory: DialogueMemory = heapMemory) {
    this.memory = memory;
    this.connection = connection;
    this.#out = out;
  }

  /** Octets that the sizes take. */
  get cost(): number {
    return (this.#sizes?.size ?? 0) * sizeCost;
  }

  /** What a positive answer tells beside its lines; `exchange` of AUTH. */
  commandAnswered({ verb, argument }: Command, exchange: SaslExchange | undefined, answer: string): void {
    switch (verb) {
      case 'USER':
        this.#claimedUser = argument;
        break;
      case 'PASS':
        this.#user = this.#claimedUser;
        break;
      case 'APOP':
        this.#user = argument.split(/\s+/, 1)[0] ?? null;
        break;
      case 'AUTH':
        this.#user = exchange?.user ?? this.#user;
        break;
      case 'STAT': {
        const [, count, size] = /^\+OK (\d+) (\d+)/i.exec(answer) ?? [];
        if (count === '1') this.#noteSize(1, Number(size));
        break;
      }
      case 'LIST':
        if (argument !== '') this.noteListLine(answer.slice(4));
        break;
    }
  }

  /** One line of LIST: `number size`. */
  noteListLine(text: string): void {
    const [, number, size] = /^(\d{1,10}) (\d{1,15})/.exec(text) ?? [];
    if (number !== undefined) this.#noteSize(Number(number), Number(size));
  }

  /** Who logged in before TLS is nobody in it (RFC 2595 §4). */
  restart(): void {
    this.#claimedUser = null;
    this.#user = null;
  }

  /** What is read next is the mail behind `answer`; see `MailText`. */
  beginMail(
    command: Command | undefined,
    begin: Place,
    answer: Line | undefined,
  ): { readonly kind: 'mail'; readonly mail: MailText } {
    return { kind: 'mail', mail: new MailText(command, begin, answer, this.memory) };
  }

  /** The answer to RETR or TOP is over. */
  endMail(mail: MailText, ended: boolean, doubt: Doubt): void {
    const found = mail.finish();
    const isDoubtful =
      doubt === 'excerpt' ||
      (doubt === 'no mail' && !beginsLikeMail(found.octets.read(0, Math.min(found.octets.length, 128))));
    const message = isDoubtful && !this.#hasKnownSize(mail, found) ? withUnknownRest(found) : found;
    const kind = kindOfMail(mail, message, ended, (number) => this.#sizes?.get(number));
    if (kind === 'header-listing') this.#out.add({ kind: 'tally', what: 'header-listing' });
    const isWhole = ended && message.missing.length === 0;
    if (kind !== 'mail' || (!isWhole && message.octets.length === 0)) {
      message.octets.release();
      return;
    }
    const { verb = 'RETR', argument } = mail.command ?? {};
    this.#out.add({
      ...collectedMail(message),
      protocol: 'pop3',
      connection: this.connection,
      direction: 'retrieved',
      method: verb,
      layer: this.layer,
      complete: isWhole,
      accepted: true,
      envelope: null,
      helo: null,
      user: this.#user,
      wireBytes: mail.wireBytes,
    });
    if (isWhole && mail.command !== undefined && verb === 'RETR') {
      this.#noteSize(Number(argument), message.octets.length);
    }
  }

  /** It is as long as the server said that some mail is: then it is no excerpt, but all of that. */
  #hasKnownSize(mail: MailText, { octets }: CollectedMessage): boolean {
    return mail.announcedBytes === octets.length || this.#toldSizes?.has(octets.length) === true;
  }

  #noteSize(message: number, size: number): void {
    if (this.cost > this.memory.unreadBytesMax * 2) return;
    this.#sizes ??= new Map();
    this.#toldSizes ??= new Set();
    if (this.#sizes.size >= dialogueLimits.listedSizesMax) return;
    this.#sizes.set(message, size);
    this.#toldSizes.add(size);
  }
}

function withUnknownRest(message: CollectedMessage): CollectedMessage {
  const last = message.missing.at(-1);
  if (last !== undefined && last.length === undefined) return message;
  const rest = { offset: message.octets.length, length: undefined };
  return { ...message, missing: [...message.missing, rest] };
}
