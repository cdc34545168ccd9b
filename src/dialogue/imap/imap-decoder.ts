/**
 * IMAP, RFC 9051 and RFC 3501, overheard. Both directions are cut into units each for itself; they depend on
 * each other in four places only, and there one side waits for the other:
 *
 * - a synchronising literal, an AUTHENTICATE exchange and IDLE go on when the server says `+` (§7.6);
 * - a tagged answer has its meaning from its command;
 * - STARTTLS and COMPRESS turn both sides into another layer.
 *
 * A capture may lack either side, so that waiting has an end: when the other side is closed, when nothing of
 * it was captured at all, and when it has gone on without what was waited for.
 */
import { anomaly } from '../../core/anomaly.ts';
import { dialogueLimits } from '../../core/limits.ts';
import type { Connection, Sender, StreamClose, StreamEvent } from '../../stream/types.ts';
import { added, none } from '../few.ts';
import { inOrder } from '../layer-rest.ts';
import { type DialogueMemory, heapMemory } from '../octets.ts';
import type { DialogueDecoder, DialogueEvent, DialogueOptions, LayerName, Upgrade } from '../types.ts';
import { type Command, commandOf, firstText, startOf } from './command.ts';
import type { Fragmented } from './fragmentizer.ts';
import { isKnownCommand, taggedStart } from './recognise.ts';
import { Session } from './session.ts';
import { type ClientWait, newSide, type Side } from './side.ts';
import { traceOf } from './trace.ts';
import { tellDeflate } from './unasked-deflate.ts';
import type { Unit } from './unit.ts';

const PLUS = 0x2b;
const noBytes = Buffer.alloc(0);

export class ImapDecoder implements DialogueDecoder {
  readonly #options: DialogueOptions;
  readonly #memory: DialogueMemory;
  readonly #session: Session;
  readonly #client: Side;
  readonly #server: Side;
  #wait: ClientWait | undefined;
  /** The client is inside AUTHENTICATE or IDLE: its next line is no command. */
  #inside: 'sasl' | 'idle' | undefined;
  #insideTag = '';
  /** A server's unit that waits for the client. */
  #held: Unit | undefined;
  /** The client waits, or needs more octets: nothing more of it can be read now. */
  #clientRests = false;
  /** The client said something since `#held` waits. */
  #clientWentOn = false;
  /** An answer to a command that was not captured speaks of compression: what follows may be DEFLATE. */
  #mayBeDeflated = false;
  /** A hole stands behind that answer: what stands behind the hole may tell. */
  #isBehindHole = false;
  readonly #begun = new Set<'tls' | 'deflate'>();
  #upgrade: Upgrade | undefined;
  #limitTold = false;
  #closes: StreamClose[] = none;
  #over = false;

  constructor(connection: Connection, options: DialogueOptions) {
    this.#options = options;
    this.#memory = options.memory ?? heapMemory;
    this.#client = newSide('client', this.#memory);
    this.#server = newSide('server', this.#memory);
    this.#session = new Session(connection, this.#memory);
    if (connection.handshakeSeen) return;
    for (const { fragmentizer } of [this.#client, this.#server]) fragmentizer.startMidStream();
  }

  /** After an upgrade: the layer that the events come from now on. */
  layerChanged(layer: LayerName): void {
    this.#session.layer = layer;
    if (layer === 'tls' || layer === 'starttls') this.#begin('tls');
    if (layer === 'compress') this.#begin('deflate');
  }

  get isBetweenMails(): boolean {
    const isWaiting = this.#held !== undefined || (this.#wait !== undefined && this.#wait.reason !== 'idle');
    const sides = [this.#client.fragmentizer, this.#server.fragmentizer];
    const isRead = sides.every((side) => side.isBetweenUnits && side.unreadBytes === 0);
    return isRead && !isWaiting && !this.#session.isAmidMail;
  }

  get heldBytes(): number {
    return (
      this.#client.fragmentizer.heldBytes + this.#server.fragmentizer.heldBytes + this.#session.heldBytes
    );
  }

  receive(event: StreamEvent): readonly DialogueEvent[] {
    if (this.#over || event.kind === 'open') return [];
    if (event.kind === 'close') this.#close(event);
    else this.#push(event);
    this.#run(event.kind === 'close' || event.sender === 'server');
    if (this.#client.closed && this.#server.closed && this.#upgrade === undefined) this.#finish();
    this.#client.fragmentizer.settle();
    this.#server.fragmentizer.settle();
    const events = this.#session.takeEvents();
    const upgrade = this.#upgrade;
    this.#upgrade = undefined;
    return upgrade === undefined ? events : [...events, upgrade];
  }

  #push(event: StreamEvent & { kind: 'data' | 'gap' }): void {
    const side = event.sender === 'client' ? this.#client : this.#server;
    side.seen = true;
    if (event.kind === 'gap' && side === this.#server) this.#session.serverLost();
    side.fragmentizer.push(event);
  }

  #close(event: StreamClose): void {
    const { side } = event;
    this.#closes = added(this.#closes, event);
    if (side !== 'server') this.#client.closed = true;
    if (side !== 'client') this.#server.closed = true;
  }

  /**
   * Reads unit by unit, and after each lets the other side go on as far as it can: as if each unit had come in a packet
   * of its own. So it does not matter how many of them a packet carried.
   */
  #run(isClientFirst: boolean): void {
    this.#clientRests = false;
    let goesOn = true;
    while (goesOn && this.#upgrade === undefined) {
      const hasRead = (!isClientFirst && this.#stepServer()) || this.#stepClient() || this.#stepServer();
      goesOn = hasRead || !this.#clientRests;
    }
  }

  /** Takes one unit of the client; false where it waits or more octets are needed. */
  #stepClient(): boolean {
    this.#clientRests = true;
    if (this.#wait !== undefined) return this.#serverIsGone() && this.#goOnAlone(this.#wait);
    const next = this.#client.fragmentizer.next(this.#client.closed);
    if (next === undefined) return false;
    this.#clientRests = false;
    switch (next.kind) {
      case 'announced':
        this.#clientWentOn = true;
        this.#insideTag = next.command?.tag ?? '';
        this.#wait = { reason: 'literal', tag: this.#insideTag };
        break;
      case 'unit':
        this.#clientUnit(next);
        break;
      case 'passed':
        break;
      default:
        this.#other(next, 'client');
    }
    return true;
  }

  #clientUnit(unit: Unit): void {
    const command = commandOf(unit);
    // Other lines, such as DONE, stand between commands: the command that an answer or a piece waits for may follow.
    const isContinuationHeld = this.#held !== undefined && firstText(this.#held)?.octet(0) === PLUS;
    if (command !== undefined || isContinuationHeld) this.#clientWentOn = true;
    const known = command !== undefined && isKnownCommand(firstText(unit)?.command);
    // The server may have ended the exchange. Whether its answer was read yet depends on how packets were cut: that
    // this is a command is told by its spaces instead, which no response of an exchange has (RFC 9051 §6.2.2).
    const inside = known ? undefined : this.#inside;
    this.#inside = undefined;
    this.#trace('client', unit, inside === 'sasl' ? 'secret' : known ? 'command' : 'noise');
    if (inside === 'sasl') {
      this.#session.saslResponse(firstText(unit)?.bytes ?? noBytes);
      this.#wait = { reason: 'sasl', tag: this.#insideTag };
    } else if (command !== undefined) {
      this.#command(command);
    }
  }

  #command(command: Command): void {
    this.#session.command(command);
    const { tag, name } = command;
    this.#insideTag = tag;
    if (command.unit.damaged || command.unit.refused) return;
    if (name === 'AUTHENTICATE') this.#wait = { reason: 'sasl', tag };
    if (name === 'IDLE') this.#wait = { reason: 'idle', tag };
    if (name === 'STARTTLS') this.#wait = { reason: 'starttls', tag };
    if (name === 'COMPRESS') this.#wait = { reason: 'compress', tag };
  }

  /** Takes one unit of the server; false where it waits or more octets are needed. */
  #stepServer(): boolean {
    if (this.#held !== undefined) return this.#serverUnit(this.#held);
    if (this.#mayBeDeflated) {
      const told = tellDeflate(this.#server);
      if (told === 'wait') return false;
      this.#mayBeDeflated = told === 'lost' && !this.#isBehindHole;
      this.#isBehindHole = told === 'lost';
      if (told === 'deflate') {
        this.#turn(told);
        return true;
      }
    }
    const next = this.#server.fragmentizer.next(this.#server.closed);
    if (next === undefined) return false;
    if (next.kind !== 'unit') {
      this.#other(next, 'server');
      return true;
    }
    this.#trace('server', next, 'command');
    this.#clientWentOn = false;
    this.#serverUnit(next);
    // Held or not, octets were taken.
    return true;
  }

  /** Octets of the client that were captured before `unit` are still to be read. */
  #clientIsBehind(unit: Unit): boolean {
    return this.#wait === undefined && this.#client.fragmentizer.isBehind(startOf(unit));
  }

  /** False where the unit has to wait for the client. */
  #serverUnit(unit: Unit): boolean {
    const wasHeld = this.#held === unit;
    this.#held = undefined;
    const line = firstText(unit);
    const first = line?.octet(0);
    if (first === 0x2a) {
      // How long a piece was to be is told by its command only, which may still come. What was held before is one: a
      // long line is not searched anew for each line of the client.
      const isPiece = wasHeld || line?.latin1.includes(']<');
      const lacksCommand = isPiece && this.#wait === undefined && !this.#session.knowsRequest(unit);
      if (lacksCommand && this.#hold(unit)) return false;
      this.#session.untagged(unit);
      return true;
    }
    if (first === 0x2b) return this.#continuation(unit);
    const tagged = taggedStart(line?.head ?? '');
    return tagged === undefined || this.#tagged(unit, tagged.tag, tagged.status);
  }

  #continuation(unit: Unit): boolean {
    const wait = this.#wait;
    if (wait?.reason === 'literal') {
      this.#wait = undefined;
      this.#client.fragmentizer.acceptLiteral();
    } else if (wait?.reason === 'sasl' || wait?.reason === 'idle') {
      this.#wait = undefined;
      this.#inside = wait.reason;
    } else if (wait === undefined && (this.#inside === 'sasl' || !this.#session.hasUnanswered)) {
      return !this.#hold(unit);
    }
    return true;
  }

  #tagged(unit: Unit, tag: string, status: 'OK' | 'NO' | 'BAD'): boolean {
    if (this.#wait?.tag === tag) {
      if (status !== 'OK' && this.#literalIsOpen(this.#wait)) {
        this.#held = unit;
        return false;
      }
      this.#answerWait(this.#wait, status);
    }
    if (this.#isToBeHeld(unit, tag)) {
      if (this.#hold(unit)) return false;
      this.#suspectDeflate(unit, status);
    }
    if (this.#inside === 'sasl' && tag === this.#insideTag) this.#inside = undefined;
    this.#session.tagged(tag, status);
    return true;
  }

  /** The command that this tag answers, or the rest of it, is not read yet. */
  #isToBeHeld(unit: Unit, tag: string): boolean {
    if (this.#wait !== undefined) return false;
    const isReading = this.#inside === 'sasl' || !this.#client.fragmentizer.isBetweenUnits;
    if (isReading && tag === this.#insideTag) return true;
    if (this.#session.isUnanswered(tag)) return false;
    return this.#clientIsBehind(unit) || !this.#session.hasUnanswered;
  }

  /** If the server's consent was lost, the literal was sent all the same; what would tell has not come yet. */
  #literalIsOpen({ reason }: ClientWait): boolean {
    return reason === 'literal' && !this.#client.fragmentizer.nextIsKnown && !this.#clientIsGone();
  }

  #suspectDeflate(unit: Unit, status: 'OK' | 'NO' | 'BAD'): void {
    const text = firstText(unit)?.head ?? '';
    this.#isBehindHole = false;
    this.#mayBeDeflated = status === 'OK' && /\b(?:deflat|compress)/i.test(text);
  }

  #answerWait(wait: ClientWait, status: 'OK' | 'NO' | 'BAD'): void {
    this.#wait = undefined;
    this.#clientRests = false;
    if (wait.reason === 'literal') {
      // The consent may have been lost in a gap: a success needs the octets.
      if (status === 'OK' || this.#client.fragmentizer.literalSeemsSent()) {
        this.#client.fragmentizer.acceptLiteral();
        this.#clientWentOn = false;
      } else {
        this.#clientUnit(this.#client.fragmentizer.refuseLiteral());
      }
    } else if (status === 'OK' && (wait.reason === 'starttls' || wait.reason === 'compress')) {
      this.#turn(wait.reason === 'starttls' ? 'tls' : 'deflate');
    }
  }

  /** The server's unit needs something that the client may still tell; false where it will not. */
  #hold(unit: Unit): boolean {
    // All that it said is there, and not all of it was read.
    const isToBeRead = this.#client.closed && !this.#clientRests;
    if (!isToBeRead && this.#clientIsGone()) return false;
    if (!isToBeRead && this.#clientWentOn && !this.#clientIsBehind(unit)) return false;
    this.#held = unit;
    return true;
  }

  #clientIsGone(): boolean {
    return this.#client.closed || this.#waitsInVain(this.#client, this.#server);
  }

  #serverIsGone(): boolean {
    const gone = this.#server.closed
      ? this.#held === undefined
      : this.#waitsInVain(this.#server, this.#client);
    if (gone && !this.#server.seen) this.#session.serverIsSilent();
    return gone;
  }

  /** Too much of `waiting` is unread while nothing comes from `absent`. */
  #waitsInVain(absent: Side, waiting: Side): boolean {
    const unread = waiting.fragmentizer.unreadBytes;
    absent.givenUp ||= unread > dialogueLimits.silentSideBytesMax;
    if (!absent.seen) return absent.givenUp;
    if (unread <= this.#memory.unreadBytesMax) return false;
    if (!this.#limitTold) {
      const detail = `${unread} octets unread while the other side is awaited`;
      this.#session.tell(anomaly('dialogue.queue-limit', 'IMAP conversation', detail));
      this.#limitTold = true;
    }
    return true;
  }

  /** No answer will come: what the client said next must tell how it went on. */
  #goOnAlone(wait: ClientWait): boolean {
    const { fragmentizer, closed } = this.#client;
    if (!closed && !fragmentizer.nextIsKnown) return false;
    this.#wait = undefined;
    switch (wait.reason) {
      case 'literal':
        if (fragmentizer.literalSeemsSent()) fragmentizer.acceptLiteral();
        else this.#clientUnit(fragmentizer.refuseLiteral());
        break;
      case 'sasl':
        if (fragmentizer.nextIsNoCommand) this.#inside = 'sasl';
        break;
      case 'compress':
        if (fragmentizer.nextIsNoCommand) this.#turn('deflate');
        break;
      default:
      // DONE and TLS records speak for themselves.
    }
    return true;
  }

  #other(next: Exclude<Fragmented, Unit>, sender: Sender): void {
    if (next.kind === 'tls') this.#turn('tls');
    else if (next.kind === 'orphan') this.#session.orphan(next, sender);
    else if (next.kind === 'anomaly') this.#session.tell(next);
    if (next.kind === 'anomaly' && sender === 'server') this.#session.numbersLost();
  }

  /** Each layer begins once (RFC 4978 §3, RFC 9051 §6.2.1), so that nobody can nest them without end. */
  #begin(layer: 'tls' | 'deflate'): boolean {
    if (this.#begun.has(layer)) return false;
    this.#begun.add(layer);
    if (layer === 'tls')
      for (const { fragmentizer } of [this.#client, this.#server]) fragmentizer.expectNoTls();
    return true;
  }

  #turn(layer: 'tls' | 'deflate'): void {
    if (!this.#begin(layer)) return;
    this.#wait = undefined;
    this.#inside = undefined;
    this.#held = undefined;
    const spoken = inOrder(this.#client.fragmentizer.takeEvents(), this.#server.fragmentizer.takeEvents());
    // The layer ends when it hears that both sides are closed, as the connection does.
    const rest = [...spoken, ...this.#closes];
    this.#closes = none;
    this.#client.closed = false;
    this.#server.closed = false;
    this.#upgrade = { kind: 'upgrade', layer, rest };
  }

  #finish(): void {
    this.#over = true;
    if (!this.#server.seen) this.#session.serverIsSilent();
    this.#session.finish();
  }

  #trace(sender: Sender, unit: Unit, what: 'command' | 'secret' | 'noise'): void {
    if (!this.#options.trace) return;
    const seen = startOf(unit)?.seen;
    if (seen !== undefined) this.#session.tell(traceOf(sender, unit, what, seen));
  }
}
