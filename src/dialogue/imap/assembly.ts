/**
 * Mails that a client reads in several commands: `BODY[]<o.n>` pieces become the exact mail, sections become
 * one message that reads the same (synthesise.ts). A mail is named by mailbox and UID, see mailbox-state.ts.
 *
 * It is handed out when it is whole; otherwise when the connection ends, its sequence number loses its
 * meaning, or memory runs out, then as incomplete. Header listings never become a mail. A message that was
 * also fetched as a whole is handed out a second time only if the sections were whole, too.
 */
import { dialogueLimits } from '../../core/limits.ts';
import type { Sighting } from '../../stream/types.ts';
import type { Place } from '../half-stream.ts';
import type { DialogueMemory, Octets } from '../octets.ts';
import type { MissingRange } from '../types.ts';
import { type BodyPart, bodyPart } from './body-structure.ts';
import { envelopeFields, type HeaderField } from './header-fields.ts';
import { type Piece, Pieces } from './pieces.ts';
import { isContentSection } from './section.ts';
import { synthesise } from './synthesise.ts';
import type { Value } from './value.ts';

export interface AssembledMail {
  readonly method: 'FETCH BODY[]<partial>' | 'FETCH sections';
  readonly mailbox: string | null;
  readonly uid: number | null;
  readonly octets: Octets;
  readonly exact: boolean;
  readonly complete: boolean;
  readonly missing: readonly MissingRange[];
  readonly first: Place;
  readonly last: Sighting;
  readonly wireBytes: number;
  /** It was handed out because memory ran out. */
  readonly evicted: boolean;
}

/** One section, or a piece of one, as it came. */
interface SectionPiece extends Piece {
  readonly section: string;
  /** `<origin>` was named: it is a piece of the section, and not all of it. */
  readonly partial: boolean;
  /** The length that the command asked for, if that was captured. */
  readonly requested: number | undefined;
  readonly first: Place;
  readonly last: Sighting;
  readonly captured: number;
}

/** Sections of one mail that were not handed out yet. */
interface Gathering {
  readonly sections: Map<string, Pieces>;
  /** Of all sections. */
  keptBytes: number;
  first: Place;
  last: Sighting;
  wireBytes: number;
}

/** What is known of one message of the mailbox. */
interface PendingMail {
  readonly mailbox: string | null;
  uid: number | undefined;
  size: number | undefined;
  /** Made from ENVELOPE; values are not kept, for they hold on to the packets they came in. */
  envelope: readonly HeaderField[];
  structure: BodyPart | undefined;
  fetchedWhole: boolean;
  /** Its header, for sections that come without one. */
  header: Buffer | undefined;
  /** Pieces of the whole message, `BODY[]<o.n>`. */
  partial: Gathering | undefined;
  /** Sections other than the whole message. */
  sections: Gathering | undefined;
  /** A mail of these was handed out already. */
  sectionsDone: boolean;
  partialDone: boolean;
  cost: number;
  /** Of the cost, octets that are kept as those of mails. */
  keptBytes: number;
}

/** Roughly what the object and the maps of one mail take. */
const ENTRY_COST = 1000;
const VALUE_COST = 100;
/** Longer headers of whole mails are not kept for the sections of the same mail. */
const HEADER_BYTES_MAX = 65_536;
const HEADER_BYTES_USUAL = 1024;
const HEADER_END = Buffer.from('\r\n\r\n');
const none: AssembledMail[] = [];

export class Assembly {
  readonly #memory: DialogueMemory;
  readonly #mailBytesMax: number;
  #pending = new Map<string, PendingMail>();
  /** Keys of those without a UID. */
  readonly #unnamed = new Set<string>();
  #cost = 0;
  /** Octets in the cost that are kept as those of mails. */
  #keptBytes = 0;
  #isLossy = false;

  constructor(memory: DialogueMemory) {
    this.#memory = memory;
    this.#mailBytesMax = memory.mailBytesMax;
  }

  /** Octets of the server were lost: what is not there may have been sent. */
  noteLoss(): void {
    this.#isLossy = true;
  }

  /** What the objects take. Twice what they are counted: what keeps the octets of small pieces takes as much again. */
  get heldBytes(): number {
    return 2 * (this.#cost - this.#keptBytes);
  }

  /** Of some mail there are pieces that were not handed out. */
  get isGathering(): boolean {
    for (const { partial, sections } of this.#pending.values()) if (partial ?? sections) return true;
    return false;
  }

  /** The message that was known by its sequence number as `slotKey` has a UID, and is known as `key` from now on. */
  identify(slotKey: string, key: string, uid: number): void {
    const known = this.#pending.get(slotKey);
    if (known === undefined || slotKey === key) return;
    this.#pending.delete(slotKey);
    this.#unnamed.delete(slotKey);
    if (this.#pending.has(key)) {
      this.#cost -= known.cost;
      this.#keptBytes -= known.keptBytes;
      return;
    }
    known.uid = uid;
    this.#pending.set(key, known);
  }

  describe(key: string, mailbox: string | null, uid: number | undefined, told: Description): AssembledMail[] {
    const mail = this.#mail(key, mailbox, uid);
    mail.size ??= told.size;
    if (told.envelope !== undefined && mail.envelope.length === 0) {
      mail.envelope = envelopeFields(told.envelope);
      this.#charge(mail, valueCost(told.envelope));
    }
    if (told.structure !== undefined && (mail.structure === undefined || told.structureExtended)) {
      mail.structure = bodyPart(told.structure);
      this.#charge(mail, valueCost(told.structure));
    }
    return this.#makeRoom(key);
  }

  /** The whole message came in one piece. */
  fetchedWhole(
    key: string,
    mailbox: string | null,
    uid: number | undefined,
    octets: Octets,
  ): AssembledMail[] {
    const mail = this.#mail(key, mailbox, uid);
    mail.fetchedWhole = true;
    this.#keepHeader(mail, octets);
    return this.#makeRoom(key);
  }

  add(key: string, mailbox: string | null, uid: number | undefined, piece: SectionPiece): AssembledMail[] {
    const mail = this.#mail(key, mailbox, uid);
    const wholeMessage = piece.section === '';
    // Once handed out, further sections of the same message are no other mail.
    if (!wholeMessage && mail.sectionsDone) return [];
    const open = wholeMessage ? mail.partial : mail.sections;
    const gathering = open ?? newGathering(piece);
    if (wholeMessage) mail.partial = gathering;
    else mail.sections = gathering;
    this.#keep(mail, gathering, piece);
    const ready = wholeMessage ? this.#partialIfWhole(mail) : this.#sectionsIfWhole(mail);
    return [...ready, ...this.#makeRoom(key)];
  }

  /** Sequence numbers lose their meaning: what has no UID is handed out. */
  *leaveMailbox(): Iterable<AssembledMail> {
    for (const key of this.#unnamed) {
      const mail = this.#pending.get(key);
      if (mail !== undefined) yield* this.#remove(key, mail, false);
    }
  }

  *flush(): Iterable<AssembledMail> {
    for (const [key, mail] of this.#pending) yield* this.#remove(key, mail, false);
  }

  #mail(key: string, mailbox: string | null, uid: number | undefined): PendingMail {
    const known = this.#pending.get(key);
    if (known !== undefined) return known;
    const mail: PendingMail = {
      mailbox,
      uid,
      size: undefined,
      envelope: [],
      structure: undefined,
      fetchedWhole: false,
      header: undefined,
      partial: undefined,
      sections: undefined,
      sectionsDone: false,
      partialDone: false,
      cost: 0,
      keptBytes: 0,
    };
    this.#pending.set(key, mail);
    if (uid === undefined) this.#unnamed.add(key);
    this.#charge(mail, ENTRY_COST);
    return mail;
  }

  #keep(mail: PendingMail, gathering: Gathering, piece: SectionPiece): void {
    let pieces = gathering.sections.get(piece.section);
    if (pieces === undefined) {
      // Each is an object; a message has as many parts as its decoder will read.
      if (gathering.sections.size >= dialogueLimits.fragmentsMax) return;
      pieces = new Pieces();
      gathering.sections.set(piece.section, pieces);
      this.#charge(mail, ENTRY_COST);
    }
    this.#charge(mail, -pieces.cost, -pieces.keptBytes);
    const ofOthers = gathering.keptBytes - pieces.keptBytes;
    const room = this.#mailBytesMax - ofOthers;
    if (piece.partial) pieces.add(piece, piece.requested, room);
    else pieces.addWhole(piece, room);
    gathering.keptBytes = ofOthers + pieces.keptBytes;
    this.#charge(mail, pieces.cost, pieces.keptBytes);
    gathering.last = piece.last;
    gathering.wireBytes += piece.captured;
  }

  #keepHeader(mail: PendingMail, octets: Octets): void {
    const header = mail.header === undefined ? headerOf(octets) : undefined;
    if (header === undefined) return;
    mail.header = header;
    this.#charge(mail, header.length);
  }

  #partialIfWhole(mail: PendingMail): AssembledMail[] {
    const pieces = mail.partial?.sections.get('');
    return pieces?.isWhole(mail.size) ? this.#handOutPartial(mail, false) : [];
  }

  #handOutPartial(mail: PendingMail, evicted: boolean): AssembledMail[] {
    const { partial } = mail;
    const pieces = partial?.sections.get('');
    if (partial === undefined || pieces === undefined) return [];
    mail.partial = undefined;
    this.#charge(mail, -pieces.cost - ENTRY_COST, -pieces.keptBytes);
    const { octets, missing } = pieces.join(mail.size);
    const complete = missing.length === 0;
    // A preview of a mail that was also seen whole tells nothing new.
    if (!complete && (mail.fetchedWhole || mail.partialDone)) {
      octets.release();
      return [];
    }
    mail.partialDone ||= complete;
    if (complete) this.#keepHeader(mail, octets);
    const result = { octets, missing, complete, exact: true, evicted };
    return [{ method: 'FETCH BODY[]<partial>', ...this.#origin(mail, partial), ...result }];
  }

  /** Header and text: nothing that comes later could add to it. */
  #sectionsIfWhole(mail: PendingMail): AssembledMail[] {
    const { sections } = mail;
    const header = sections?.sections.get('HEADER');
    const text = sections?.sections.get('TEXT');
    return header?.isWhole(undefined) && text?.isWhole(undefined) ? this.#handOutSections(mail, false) : [];
  }

  #handOutSections(mail: PendingMail, evicted: boolean): AssembledMail[] {
    const { sections: gathering } = mail;
    if (gathering === undefined) return [];
    mail.sections = undefined;
    for (const { cost, keptBytes } of gathering.sections.values())
      this.#charge(mail, -cost - ENTRY_COST, -keptBytes);
    const { sections } = gathering;
    const { envelope, structure, header } = mail;
    const isLossy = this.#isLossy;
    const known = { sections, envelope, structure, header, isLossy };
    const message = [...sections.keys()].some(isContentSection) ? synthesise(known) : undefined;
    for (const pieces of sections.values()) pieces.release();
    const isKnown = mail.fetchedWhole || mail.partialDone;
    if (message === undefined || (!message.complete && isKnown)) return [];
    mail.sectionsDone = true;
    // Many that end together wait to be decoded, and are no better held in the heap than those that came whole.
    const octets = this.#memory.begin();
    const complete = octets.append(message.bytes) === message.bytes.length && message.complete;
    const missing = complete ? [] : [{ offset: octets.length, length: undefined }];
    const result = { octets, complete, missing, exact: false, evicted };
    return [{ method: 'FETCH sections', ...this.#origin(mail, gathering), ...result }];
  }

  #origin(mail: PendingMail, gathering: Gathering) {
    const { first, last, wireBytes } = gathering;
    return { mailbox: mail.mailbox, uid: mail.uid ?? null, first, last, wireBytes };
  }

  #remove(key: string, mail: PendingMail, evicted: boolean): AssembledMail[] {
    const isGathering = mail.partial !== undefined || mail.sections !== undefined;
    const ready = isGathering
      ? [...this.#handOutPartial(mail, evicted), ...this.#handOutSections(mail, evicted)]
      : none;
    this.#pending.delete(key);
    this.#unnamed.delete(key);
    this.#cost -= mail.cost;
    this.#keptBytes -= mail.keptBytes;
    return ready;
  }

  /** The oldest go first; the mail in progress stays, it is bounded by itself. */
  #makeRoom(current: string): AssembledMail[] {
    if (this.#cost <= dialogueLimits.pendingSectionBytesMax) return none;
    const ready: AssembledMail[] = [];
    for (const [key, mail] of this.#pending) {
      // Some room at once: the beginning of a map that lost entries is slow to find.
      if (this.#cost <= dialogueLimits.pendingSectionBytesMax * 0.9) break;
      if (key !== current) ready.push(...this.#remove(key, mail, true));
    }
    return ready;
  }

  #charge(mail: PendingMail, cost: number, keptBytes = 0): void {
    mail.cost += cost;
    mail.keptBytes += keptBytes;
    this.#cost += cost;
    this.#keptBytes += keptBytes;
  }
}

export interface Description {
  readonly size: number | undefined;
  readonly envelope: Value | undefined;
  readonly structure: Value | undefined;
  /** BODYSTRUCTURE, which tells more than BODY. */
  readonly structureExtended: boolean;
}

function newGathering(piece: SectionPiece): Gathering {
  return { sections: new Map(), keptBytes: 0, first: piece.first, last: piece.last, wireBytes: 0 };
}

function isMost(end: number, of: Buffer): boolean {
  return end * 2 >= of.length;
}

/** A copy, so that the mail itself can go; undefined where the header is no usual one. */
function headerOf(octets: Octets): Buffer | undefined {
  const bytesMax = Math.min(octets.length, HEADER_BYTES_MAX);
  for (let size = HEADER_BYTES_USUAL; ; size = HEADER_BYTES_MAX) {
    const beginning = Buffer.allocUnsafe(Math.min(size, bytesMax));
    octets.copy(beginning, 0, 0, beginning.length);
    const end = beginning.indexOf(HEADER_END);
    if (end >= 0)
      return isMost(end, beginning)
        ? beginning.subarray(0, end + 4)
        : Buffer.from(beginning.subarray(0, end + 4));
    if (size >= bytesMax) return undefined;
  }
}

function valueCost(value: Value): number {
  let cost = 0;
  const open: Value[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    cost += VALUE_COST;
    if (next.kind === 'list') for (const item of next.items) open.push(item);
    else if (next.kind === 'string') cost += next.length;
  }
  return cost;
}
