/**
 * Tells the protocol of a conversation by what is said first. Ports are only a hint: mail is found on any
 * port, and what is no mail on a mail port is left alone. Where a handshake told who the client is, the first
 * line of each side must be mail; where the capture began later, a side may be in the middle of anything.
 */
import type { Sender } from '../stream/types.ts';
import { foreignProtocol, type Phrase, phrasesLike } from './phrases.ts';
import type { MailProtocol } from './types.ts';
import { mayBeProxyAnswer, tellWrapper, type WrapperKind } from './wrapper.ts';

/** Who told: the words of a side in its true role, of both, or the port alone. */
export type Evidence = 'client' | 'server' | 'both' | 'port';

export type Verdict =
  /** `reversed`: the side taken for the client speaks as the server. */
  | {
      readonly kind: 'mail';
      readonly protocol: MailProtocol;
      readonly evidence: Evidence;
      readonly reversed: boolean;
    }
  | { readonly kind: 'wrapper'; readonly wrapper: WrapperKind; readonly reversed: boolean }
  /** `what` it is instead, for people, as far as that is known. */
  | { readonly kind: 'none'; readonly what: string }
  | { readonly kind: 'undecided' };

const undecided: Verdict = { kind: 'undecided' };

const binary = 'unknown binary protocol';

/** Longest opening that a phrase needs: more is never looked at. */
const openingBytesMax = 512;

export interface Openings {
  /** First octets of each side as far as they were captured; empty where nothing was. */
  readonly client: Buffer;
  readonly server: Buffer;
  /** No more will come before a decision is due. */
  readonly final: boolean;
}

export interface Circumstances {
  /** The protocol of the server's port, or of the client's, if that is a mail port. */
  readonly hint: MailProtocol | undefined;
  /** The hint is of the side taken for the client. */
  readonly hintIsOfClient: boolean;
  /** A handshake, or a layer, told who the client is. */
  readonly rolesKnown: boolean;
  /** The openings are the very first octets of both sides: nothing was lost before them. */
  readonly fromStart: boolean;
  /** What looked like TLS was read as such, and is none. */
  readonly isNoTls: boolean;
}

/** What the first octets of a conversation are. */
export function tellProtocol(openings: Openings, circumstances: Circumstances): Verdict {
  const { client, server } = openings;
  const wrapper = wrapperOf(openings, circumstances);
  if (wrapper !== undefined && wrapper !== 'maybe') return wrapper;
  if (wrapper === 'maybe' && !openings.final) return undecided;
  if (client.length === 0 && !openings.final && mayBeProxyAnswer(server)) return undecided;
  const isDue = openings.final || portDecides(openings, circumstances);
  const ofServer = hearSide(server, 'server', circumstances, isDue);
  const ofClient = hearSide(client, 'client', circumstances, isDue);
  const sides = [ofServer, ofClient];
  const heard = ofClient.heard.length === 0 ? ofServer.heard : [...ofServer.heard, ...ofClient.heard];
  const foreign = ofServer.foreign ?? ofClient.foreign;
  if (foreign !== undefined && circumstances.fromStart) return { kind: 'none', what: foreign };
  const told = chooseWord(heard, circumstances);
  if (told !== undefined) return told;
  if (openings.final && client.length + server.length === 0) return { kind: 'none', what: 'nothing said' };
  return circumstances.hint === undefined
    ? tellWithoutHint(sides, openings.final, circumstances)
    : tellByPort(sides, isDue, circumstances.hint, circumstances);
}

/** One side has said all that a phrase needs: what stands of the other one's line is all that counts of it. */
function portDecides({ client, server }: Openings, { hint }: Circumstances): boolean {
  return hint !== undefined && Math.max(client.length, server.length) >= openingBytesMax;
}

function wrapperOf(
  openings: Openings,
  { rolesKnown, isNoTls }: Circumstances,
): Verdict | 'maybe' | undefined {
  let maybe = false;
  for (const sender of ['client', 'server'] as const) {
    const found = tellWrapper(openings[sender], openings[sender === 'client' ? 'server' : 'client']);
    maybe ||= found === 'maybe';
    if (found === undefined || found === 'maybe') continue;
    if (found.kind === 'tls' && isNoTls) continue;
    const reversed = found.voice !== undefined && found.voice !== sender;
    if (!reversed || !rolesKnown) return { kind: 'wrapper', wrapper: found.kind, reversed };
  }
  return maybe ? 'maybe' : undefined;
}

interface Heard {
  readonly phrase: Phrase;
  readonly sender: Sender;
}

/** What a side's opening may be. */
interface Side {
  readonly heard: readonly Heard[];
  readonly foreign: string | undefined;
  readonly isText: boolean;
  /** `no`: no mail protocol begins so. `open`: more octets may make a phrase of it. */
  readonly state: 'silent' | 'heard' | 'open' | 'no';
}

const silentSide: Side = { heard: [], foreign: undefined, isText: true, state: 'silent' };

function hearSide(opening: Buffer, sender: Sender, { rolesKnown }: Circumstances, final: boolean): Side {
  if (opening.length === 0) return silentSide;
  const lineFeed = opening.indexOf(0x0a);
  const lineEnd = Math.min(lineFeed < 0 ? opening.length : lineFeed, openingBytesMax);
  const text = opening.toString('latin1', 0, openingBytesMax);
  const foreign = foreignProtocol(text);
  const isText = isTextual(opening, lineEnd);
  if (!isText) return { heard: [], foreign: foreign ?? binary, isText, state: 'no' };
  const mayGoOn = lineFeed < 0 && opening.length < openingBytesMax && !final;
  // The rest of the line may be no text: it is awaited.
  if (mayGoOn) return { heard: [], foreign, isText, state: 'open' };
  const heard: Heard[] = [];
  for (const phrase of phrasesLike(text)) {
    const isVoice = !rolesKnown || phrase.voice === sender;
    if (isVoice && phrase.pattern.test(text)) heard.push({ phrase, sender });
  }
  return { heard, foreign, isText, state: heard.length > 0 ? 'heard' : 'no' };
}

/** No control characters in the first line but those of text (tab, CR, ESC of ISO-2022). */
function isTextual(opening: Buffer, end: number): boolean {
  for (let at = 0; at < end; at++) {
    const octet = opening[at] as number;
    if (octet < 0x20 && octet !== 0x0d && octet !== 0x09 && octet !== 0x1b) return false;
    if (octet === 0x7f || octet === 0xff) return false;
  }
  return true;
}

/** The phrase that tells the protocol: a sure one, or a likely one that the port or the other side confirms. */
function chooseWord(heard: readonly Heard[], { hint, fromStart }: Circumstances): Verdict | undefined {
  if (heard.length === 0) return undefined;
  const isOfPort = ({ phrase }: Heard) => phrase.protocol === hint;
  const sure = heard.filter(({ phrase }) => phrase.weight === 'sure');
  const chosen =
    sure.find(isOfPort) ??
    sure.find((each) => isAgreed(each, heard)) ??
    // In the middle of a mail stands anything: against the port one side's word does not count.
    (fromStart || hint === undefined ? sure[0] : undefined) ??
    heard.find(isOfPort) ??
    heard.find((each) => isAgreed(each, heard));
  if (chosen === undefined) return undefined;
  const { protocol, voice } = chosen.phrase;
  const evidence = isAgreed(chosen, heard) ? 'both' : voice;
  return { kind: 'mail', protocol, evidence, reversed: voice !== chosen.sender };
}

/** The other side speaks the same protocol, in the other role. */
function isAgreed(one: Heard, all: readonly Heard[]): boolean {
  const { protocol, voice } = one.phrase;
  return all.some(
    ({ phrase, sender }) => sender !== one.sender && phrase.protocol === protocol && phrase.voice !== voice,
  );
}

/** A port of no mail protocol: unless somebody may still say a word that decides, it is no mail. */
function tellWithoutHint(sides: readonly Side[], final: boolean, { fromStart }: Circumstances): Verdict {
  const what = sides.find((side) => side.foreign !== undefined)?.foreign ?? 'unknown text protocol';
  if (final) return { kind: 'none', what };
  // A sentence of somebody, caught in the middle, says nothing: what the other side answers may.
  const isNo = sides.some(({ state, foreign }) => state === 'no' && (fromStart || foreign !== undefined));
  const isDisagreed = fromStart && sides.every(({ state }) => state === 'heard');
  // Part of a line may become a word that counts all the same.
  const isOpen = sides.some(({ state }) => state === 'open');
  return (isNo && !isOpen) || isDisagreed ? { kind: 'none', what } : undecided;
}

/** Nobody said a word that decides: the port does, unless nothing of it is text. */
function tellByPort(
  sides: readonly Side[],
  isDue: boolean,
  hint: MailProtocol,
  { hintIsOfClient, rolesKnown }: Circumstances,
): Verdict {
  if (!isDue) return undecided;
  const spoken = sides.filter(({ state }) => state !== 'silent');
  if (spoken.every(({ isText }) => !isText)) return { kind: 'none', what: binary };
  return { kind: 'mail', protocol: hint, evidence: 'port', reversed: hintIsOfClient && !rolesKnown };
}
