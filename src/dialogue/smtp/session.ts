/** What client and server have agreed upon so far, RFC 5321 §3 and §4.1.4: who speaks, and the transaction. */
import type { Connection } from '../../stream/types.ts';
import type { Outbox } from '../outbox.ts';
import type { LayerName } from '../types.ts';
import { type Command, pathAddress } from './command.ts';
import type { HeldMail } from './pending.ts';
import { rawMessage } from './raw-message.ts';
import { isRefusal, type Reply } from './reply.ts';
import { Transaction } from './transaction.ts';

/** Characters of a command beside an address in it that may be kept with it: no more than a copy costs. */
const partOverhead = 64;

export class Session {
  readonly #out: Outbox;
  connection: Connection;
  layer: LayerName = 'plain';
  /** A reply or a command was heard: what is left of a mail may be taken for one. */
  isSmtp = false;
  #transaction = new Transaction();
  #helo: string | null = null;
  #user: string | null = null;
  #isLmtp = false;

  constructor(connection: Connection, out: Outbox) {
    this.connection = connection;
    this.#out = out;
  }

  get transaction(): Transaction {
    return this.#transaction;
  }

  /** Answers to the end of DATA: LMTP gives one for each recipient (RFC 2033 §4.2). */
  get answersToMail(): number {
    return this.#isLmtp ? Math.max(1, this.#transaction.recipientCount) : 1;
  }

  /** A command that is no more than itself was answered; null: but not in this capture. */
  commandAnswered({ verb, argument }: Command, reply: Reply | null): void {
    switch (verb) {
      case 'HELO':
      case 'EHLO':
      case 'LHLO':
        this.#helo = firstWord(argument) || this.#helo;
        if (isRefusal(reply)) break;
        this.#isLmtp = verb === 'LHLO';
        this.#beginTransaction();
        break;
      case 'RSET':
      case 'XCLIENT':
        if (!isRefusal(reply)) this.#beginTransaction();
        break;
      case 'MAIL':
      case 'SEND':
      case 'SOML':
      case 'SAML': {
        const address = pathAddress(argument, 'FROM');
        if (isRefusal(reply) || address === undefined) break;
        this.#beginTransaction();
        this.#transaction.setSender(address);
        break;
      }
      case 'RCPT': {
        const address = pathAddress(argument, 'TO');
        if (!isRefusal(reply) && address !== undefined)
          this.#transaction.addRecipient(ownText(address, argument));
        break;
      }
    }
  }

  /** RFC 4954 §4; `user` null: not known who. */
  loggedIn(user: string | null): void {
    this.#user = user ?? this.#user;
  }

  /** Both sides forget everything before TLS (RFC 3207 §4.2). */
  restart(): void {
    this.#transaction = new Transaction();
    this.#user = null;
  }

  /** Chunks without an end are given up by the client, unless their end was lost. */
  #beginTransaction(): void {
    const last = this.#transaction;
    this.endTransaction(last.mayHaveEnded ? last.breakOffChunks(undefined) : undefined, null);
  }

  /** The transaction is over, with a mail or without. */
  endTransaction(mail: HeldMail | undefined, accepted: boolean | null): void {
    const { envelope } = this.#transaction;
    this.#transaction = new Transaction();
    if (mail === undefined) return;
    const circumstances = {
      connection: this.connection,
      layer: this.layer,
      helo: this.#helo,
      user: this.#user,
    };
    const message = rawMessage(circumstances, mail, envelope, accepted);
    if (message !== undefined) this.#out.add(message);
  }
}

function firstWord(text: string): string {
  const end = text.search(/\s/);
  return end < 0 ? text : text.slice(0, end);
}

/** A part of a string keeps the whole: where that is much longer, a copy. */
function ownText(part: string, whole: string): string {
  return whole.length > part.length + partOverhead ? Buffer.from(part).toString() : part;
}
