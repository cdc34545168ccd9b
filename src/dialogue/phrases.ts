/**
 * How the sides of a mail conversation begin, in the words of RFC 5321, RFC 1939 and RFC 9051, and how
 * other protocols do that could be taken for mail.
 */
import type { Sender } from '../stream/types.ts';
import type { MailProtocol } from './types.ts';

/** What an opening begins with: told first, so that few patterns have to be tried. */
type Beginning = 'digit' | 'sign' | 'letter' | 'other';

export interface Phrase {
  readonly protocol: MailProtocol;
  /** The side that says it. */
  readonly voice: Sender;
  /** Tried at the first octet of a side. */
  readonly pattern: RegExp;
  /** No other beginning can match; undefined where any may. */
  readonly begins?: Beginning;
  /** `sure`: no other protocol says this. `likely`: counts with the port's or the other side's word only. */
  readonly weight: 'sure' | 'likely';
}

const imapNames =
  'CAPABILITY|NOOP|LOGOUT|STARTTLS|AUTHENTICATE|LOGIN|SELECT|EXAMINE|CREATE|DELETE|RENAME|SUBSCRIBE|UNSUBSCRIBE|' +
  'LIST|LSUB|STATUS|APPEND|CHECK|CLOSE|EXPUNGE|SEARCH|FETCH|STORE|COPY|MOVE|UID|ID|IDLE|NAMESPACE|ENABLE|COMPRESS|' +
  'UNSELECT|GETQUOTAROOT|GETQUOTA|XLIST|SORT|THREAD|NOTIFY|GETMETADATA';

/** What programs send after a tag; prose does not look like it. */
const imapCommands =
  '(?:CAPABILITY|NOOP|LOGOUT|STARTTLS|CHECK|CLOSE|EXPUNGE|IDLE|NAMESPACE|UNSELECT)|COMPRESS DEFLATE|' +
  'AUTHENTICATE [A-Z0-9-]+(?: \\S+)?|LOGIN \\S[^\\r\\n]*|(?:SELECT|EXAMINE|STATUS|APPEND|ENABLE) \\S[^\\r\\n]*|' +
  '(?:LIST|LSUB|XLIST) [^\\r\\n]*["({*%][^\\r\\n]*|ID (?:NIL|\\()[^\\r\\n]*|' +
  '(?:UID )?(?:FETCH|STORE|COPY|MOVE) [\\d*$][\\d:,*$]* [^\\r\\n]+|UID (?:SEARCH|SORT|THREAD|EXPUNGE) [^\\r\\n]+';

/** Most clients number their commands; in prose a digit hardly stands in the first word. */
const numberedTag = '(?!\\d{3} )(?=[^ ]*\\d)[^\\s+*(){%"\\\\]{1,64}';
const anyTag = '[^\\s+*(){%"\\\\]{1,64}';

const phrases: readonly Phrase[] = [
  {
    protocol: 'smtp',
    voice: 'client',
    begins: 'letter',
    weight: 'sure',
    pattern: /^(?:EHLO|HELO|LHLO)[ \r\n]/i,
  },
  {
    protocol: 'smtp',
    voice: 'client',
    begins: 'letter',
    weight: 'sure',
    pattern: /^(?:MAIL FROM|RCPT TO) ?:/i,
  },
  {
    protocol: 'smtp',
    voice: 'client',
    begins: 'letter',
    weight: 'likely',
    // `AUTH TLS` is FTP, RFC 4217.
    pattern:
      /^(?:(?:RSET|DATA|QUIT|NOOP|HELP|VRFY|EXPN|BDAT|STARTTLS|XCLIENT|XFORWARD)|AUTH(?! (?:TLS|SSL)))[ \r\n]/i,
  },
  {
    protocol: 'smtp',
    voice: 'server',
    begins: 'digit',
    weight: 'sure',
    pattern: /^220[ -][^\r\n]*(?:SMTP|LMTP)/i,
  },
  {
    protocol: 'smtp',
    voice: 'server',
    begins: 'digit',
    weight: 'sure',
    pattern:
      /^(?:250[ -](?:PIPELINING|8BITMIME|CHUNKING|ENHANCEDSTATUSCODES|STARTTLS|SIZE|DSN|2\.\d\.\d)|354[ -])/i,
  },
  {
    protocol: 'smtp',
    voice: 'server',
    begins: 'digit',
    weight: 'likely',
    // Codes of SMTP alone: 200 to 215, 48x and 50x with other meanings are of NNTP and FTP.
    pattern: /^(?:214|220|221|235|25[0-3]|334|354|421|45[0-5]|50[0-4]|521|53[0-8]|55[0-6])(?:[ -]|\r?\n)/,
  },
  {
    protocol: 'pop3',
    voice: 'server',
    begins: 'sign',
    weight: 'sure',
    pattern: /^\+OK [^\r\n]*(?:POP|ready|server|welcome|hello|<[^<>@\s]+@[^<>\s]+>)/i,
  },
  // Redis and NATS answer so, too.
  { protocol: 'pop3', voice: 'server', begins: 'sign', weight: 'likely', pattern: /^(?:\+OK|-ERR)[ \r\n]/ },
  {
    protocol: 'pop3',
    voice: 'client',
    begins: 'letter',
    weight: 'sure',
    pattern: /^(?:RETR \d+|TOP \d+ \d+|APOP \S+ [0-9a-f]{32}|UIDL)\r?\n/i,
  },
  {
    protocol: 'pop3',
    voice: 'client',
    begins: 'letter',
    weight: 'likely',
    pattern:
      /^(?:USER|PASS|CAPA|STLS|AUTH|STAT|LIST|DELE|NOOP|RSET|QUIT|UTF8|LANG|RETR|TOP|UIDL|APOP)[ \r\n]/i,
  },
  {
    protocol: 'imap',
    voice: 'server',
    begins: 'sign',
    weight: 'sure',
    pattern:
      /^\* (?:OK|PREAUTH|BYE|CAPABILITY|FLAGS|LIST|LSUB|SEARCH|STATUS|ID|NAMESPACE|\d+ (?:FETCH|EXISTS|RECENT|EXPUNGE))[ \r\n]/i,
  },
  { protocol: 'imap', voice: 'server', weight: 'likely', pattern: new RegExp(`^${anyTag} (?:OK|NO|BAD) `) },
  {
    protocol: 'imap',
    voice: 'client',
    weight: 'sure',
    pattern: new RegExp(`^${numberedTag} (?:${imapCommands})\\r?\\n`, 'i'),
  },
  {
    protocol: 'imap',
    voice: 'client',
    weight: 'likely',
    pattern: new RegExp(`^${anyTag} (?:${imapNames})[ \\r\\n]`, 'i'),
  },
];

/** Openings that no mail protocol has; the names are for people. */
const foreignOpenings: readonly (readonly [name: string, begins: Beginning, pattern: RegExp])[] = [
  [
    'HTTP',
    'letter',
    /^(?:(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|TRACE|PROPFIND|PRI) \S+ HTTP\/\d|HTTP\/\d)/,
  ],
  ['HTTP', 'letter', /^(?:GET|POST|HEAD|PUT|OPTIONS|PATCH) (?:\/|\*|https?:)/],
  ['SSH', 'letter', /^SSH-\d/],
  ['FTP', 'digit', /^220[ -](?![^\r\n]*(?:SMTP|LMTP))[^\r\n]*FTP/i],
  ['FTP', 'letter', /^AUTH (?:TLS|SSL)\r?\n/i],
  ['NNTP', 'digit', /^20[01] /],
  ['Redis', 'sign', /^\*\d{1,7}\r\n\$\d/],
  ['IRC', 'letter', /^NICK \S/],
  ['IRC', 'other', /^:\S+ (?:NOTICE|001) /],
  ['RTSP', 'letter', /^(?:RTSP\/\d|(?:OPTIONS|DESCRIBE|SETUP) rtsp:)/],
  ['SIP', 'letter', /^(?:SIP\/\d|(?:REGISTER|INVITE|OPTIONS|SUBSCRIBE|NOTIFY) sips?:)/],
  ['VNC', 'letter', /^RFB \d{3}\.\d{3}\n/],
  ['XMPP', 'other', /^<(?:\?xml|stream:stream)/],
  ['BitTorrent', 'other', /^\x13BitTorrent/],
];

function beginningOf(opening: string): Beginning {
  const code = opening.charCodeAt(0);
  if (code >= 0x30 && code <= 0x39) return 'digit';
  if (code === 0x2a || code === 0x2b || code === 0x2d) return 'sign';
  return (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a ? 'letter' : 'other';
}

/** Those of `all` that may match behind each beginning. */
function byBeginning<Each>(
  all: readonly Each[],
  beginsOf: (each: Each) => Beginning | undefined,
): Readonly<Record<Beginning, readonly Each[]>> {
  const of = (beginning: Beginning) => all.filter((each) => (beginsOf(each) ?? beginning) === beginning);
  return { digit: of('digit'), sign: of('sign'), letter: of('letter'), other: of('other') };
}

const phrasesOf = byBeginning(phrases, ({ begins }) => begins);
const foreignOf = byBeginning(foreignOpenings, ([, begins]) => begins);

/** The phrases among which those are that `opening`, octets as latin1, begins with. */
export function phrasesLike(opening: string): readonly Phrase[] {
  return phrasesOf[beginningOf(opening)];
}

/** The other protocol that `opening`, octets as latin1, surely is of. */
export function foreignProtocol(opening: string): string | undefined {
  for (const [name, , pattern] of foreignOf[beginningOf(opening)]) if (pattern.test(opening)) return name;
  return undefined;
}
