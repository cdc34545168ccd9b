/**
 * Tells the protocol of a conversation by what is said first. Ports are only a hint: mail is found on any
 * port, and what is no mail on a mail port is left alone.
 */
import type { Sender } from '../stream/types.ts';
import type { MailProtocol } from './types.ts';

export type Verdict =
  /** `reversed`: the side taken for the client speaks as the server. */
  | { readonly kind: 'mail'; readonly protocol: MailProtocol; readonly reversed: boolean }
  | { readonly kind: 'tls' }
  | { readonly kind: 'socks' }
  | { readonly kind: 'http-connect' }
  /** A PROXY protocol header (HAProxy) stands before the client's first octets. */
  | { readonly kind: 'proxy-header' }
  | { readonly kind: 'none' }
  | { readonly kind: 'undecided' };

type Voice = 'client' | 'server';

interface Phrase {
  readonly protocol: MailProtocol;
  readonly voice: Voice;
  /** What the line looks like. */
  readonly pattern: RegExp;
  /** `sure`: no other protocol says this. `likely`: taken with the port's or the other side's word only. */
  readonly weight: 'sure' | 'likely';
}

const imapCommand =
  'CAPABILITY|NOOP|LOGOUT|STARTTLS|AUTHENTICATE|LOGIN|SELECT|EXAMINE|CREATE|DELETE|RENAME|SUBSCRIBE|UNSUBSCRIBE|' +
  'LIST|LSUB|STATUS|APPEND|CHECK|CLOSE|EXPUNGE|SEARCH|FETCH|STORE|COPY|MOVE|UID|ID|IDLE|NAMESPACE|ENABLE|COMPRESS|' +
  'UNSELECT|GETQUOTAROOT|GETQUOTA|XLIST|SORT|THREAD|NOTIFY|GETMETADATA';

/** Openings of a line, in the words of RFC 5321, RFC 1939 and RFC 9051; the first that fits counts. */
const phrases: readonly Phrase[] = [
  { protocol: 'smtp', voice: 'client', weight: 'sure', pattern: /^(?:EHLO|HELO|LHLO)[ \r\n]/i },
  { protocol: 'smtp', voice: 'client', weight: 'sure', pattern: /^(?:MAIL FROM|RCPT TO) ?:/i },
  {
    protocol: 'smtp',
    voice: 'client',
    weight: 'likely',
    pattern: /^(?:RSET|DATA|QUIT|NOOP|HELP|VRFY|EXPN|BDAT|AUTH|STARTTLS|XCLIENT|XFORWARD)[ \r\n]/i,
  },
  { protocol: 'smtp', voice: 'server', weight: 'sure', pattern: /^220[ -][^\r\n]*(?:SMTP|LMTP)/i },
  {
    protocol: 'smtp',
    voice: 'server',
    weight: 'sure',
    pattern:
      /^(?:250[ -](?:PIPELINING|8BITMIME|CHUNKING|ENHANCEDSTATUSCODES|STARTTLS|SIZE|DSN|2\.\d)|354[ -])/i,
  },
  { protocol: 'smtp', voice: 'server', weight: 'likely', pattern: /^[2-5]\d\d[ -]/ },
  { protocol: 'pop3', voice: 'server', weight: 'sure', pattern: /^(?:\+OK|-ERR)[ \r\n]/ },
  {
    protocol: 'pop3',
    voice: 'client',
    weight: 'sure',
    pattern: /^(?:RETR \d+|TOP \d+ \d+|APOP \S+ [0-9a-f]{32}|UIDL)\r?\n/i,
  },
  {
    protocol: 'pop3',
    voice: 'client',
    weight: 'likely',
    pattern: /^(?:USER|PASS|CAPA|STLS|AUTH|STAT|LIST|DELE|NOOP|RSET|QUIT|UTF8|LANG)[ \r\n]/i,
  },
  {
    protocol: 'imap',
    voice: 'server',
    weight: 'sure',
    pattern:
      /^\* (?:OK|PREAUTH|BYE|CAPABILITY|FLAGS|LIST|LSUB|SEARCH|STATUS|ID|NAMESPACE|\d+ (?:FETCH|EXISTS|RECENT|EXPUNGE))[ \r\n]/i,
  },
  { protocol: 'imap', voice: 'server', weight: 'likely', pattern: /^[^\s+*(){%"\\]{1,64} (?:OK|NO|BAD) / },
  {
    protocol: 'imap',
    voice: 'client',
    weight: 'sure',
    pattern: new RegExp(`^(?!\\d{3} )[^\\s+*(){%"\\\\]{1,64} (?:${imapCommand})(?: [^\\r\\n]*)?\\r?\\n`, 'i'),
  },
  {
    protocol: 'imap',
    voice: 'client',
    weight: 'likely',
    pattern: new RegExp(`^[^\\s+*(){%"\\\\]{1,64} (?:${imapCommand})[ \\r\\n]`, 'i'),
  },
];

/** Longest opening that a phrase needs: more is never looked at. */
const openingBytesMax = 512;

interface Heard {
  readonly phrase: Phrase;
  readonly sender: Sender;
}

export interface Openings {
  /** First octets of each side as far as they were captured; empty where nothing was. */
  readonly client: Buffer;
  readonly server: Buffer;
  /** No more will come before a decision is due. */
  readonly final: boolean;
}

/**
 * What the first octets of a conversation are. `hint` is the protocol of the server's port, if it is a
 * mail port; `rolesKnown` says that a handshake told who the client is.
 */
export function tellProtocol(
  openings: Openings,
  hint: MailProtocol | undefined,
  rolesKnown: boolean,
): Verdict {
  const wrapper = tellWrapper(openings.client);
  if (wrapper) return wrapper;
  const heard = [
    ...listen(openings.server, 'server', rolesKnown),
    ...listen(openings.client, 'client', rolesKnown),
  ];
  const sure = heard.find((each) => each.phrase.weight === 'sure');
  if (sure) return mail(sure);
  const agreed = heard.find((each) => each.phrase.protocol === hint || agreesWithOther(each, heard));
  if (agreed) return mail(agreed);
  return tellBySilence(openings, hint);
}

/** Nobody said a word that decides: the port does, or it is no mail. */
function tellBySilence(openings: Openings, hint: MailProtocol | undefined): Verdict {
  if (openings.final && openings.client.length + openings.server.length === 0) return { kind: 'none' };
  if (hint !== undefined) {
    const enough =
      openings.final || Math.max(openings.client.length, openings.server.length) >= openingBytesMax;
    return enough ? { kind: 'mail', protocol: hint, reversed: false } : { kind: 'undecided' };
  }
  if (openings.final) return { kind: 'none' };
  const sides = [openings.client, openings.server].filter((opening) => opening.length > 0);
  return sides.every((opening) => mayBecomeMail(opening)) ? { kind: 'undecided' } : { kind: 'none' };
}

function mail(heard: Heard): Verdict {
  return { kind: 'mail', protocol: heard.phrase.protocol, reversed: heard.phrase.voice !== heard.sender };
}

function* listen(opening: Buffer, sender: Sender, rolesKnown: boolean): Generator<Heard> {
  const text = opening.toString('latin1', 0, openingBytesMax);
  for (const phrase of phrases) {
    if (rolesKnown && phrase.voice !== sender) continue;
    if (phrase.pattern.test(text)) yield { phrase, sender };
  }
}

/** A likely word counts when the other side answers in the same protocol. */
function agreesWithOther(one: Heard, all: readonly Heard[]): boolean {
  return all.some((other) => other.sender !== one.sender && other.phrase.protocol === one.phrase.protocol);
}

/** TLS record of a ClientHello (RFC 8446 §5.1), SOCKS (RFC 1928), HTTP CONNECT, HAProxy's PROXY line. */
function tellWrapper(client: Buffer): Verdict | undefined {
  if (client.length >= 3 && client[0] === 0x16 && client[1] === 3) return { kind: 'tls' };
  const isSocks5 = client[0] === 5 && client.length >= 2 && client.length <= 2 + (client[1] ?? 0);
  const isSocks4 = client[0] === 4 && client[1] === 1 && client.length >= 9;
  if (isSocks5 || isSocks4) return { kind: 'socks' };
  const text = client.toString('latin1', 0, openingBytesMax);
  if (/^CONNECT [^\s]+:\d+ HTTP\/1\.[01]\r?\n/i.test(text)) return { kind: 'http-connect' };
  if (/^PROXY (?:TCP4|TCP6|UNKNOWN)[ \r]/.test(text)) return { kind: 'proxy-header' };
  return undefined;
}

/** The first octets could still turn out to be mail: printable text in the first line. */
function mayBecomeMail(opening: Buffer): boolean {
  const end = opening.indexOf(0x0a);
  const line = opening.subarray(0, Math.min(end < 0 ? opening.length : end, openingBytesMax));
  if (opening[0] === 0x16 || opening[0] === 5 || opening[0] === 4) return opening.length < 3;
  if (line.some((octet) => octet < 0x20 && octet !== 0x0d && octet !== 0x09)) return false;
  if (/^(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|PRI) |^HTTP\/|^SSH-|^RTSP\//.test(line.toString('latin1')))
    return false;
  return opening.length < openingBytesMax;
}
