/**
 * How the sides of a mail conversation begin, in the words of RFC 5321, RFC 1939 and RFC 9051, and how
 * other protocols do that could be taken for mail.
 */
import type { Sender } from '../stream/types.ts';
import type { MailProtocol } from './types.ts';

export interface Phrase {
  readonly protocol: MailProtocol;
  /** The side that says it. */
  readonly voice: Sender;
  /** Tried at the first octet of a side. */
  readonly pattern: RegExp;
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

export const phrases: readonly Phrase[] = [
  { protocol: 'smtp', voice: 'client', weight: 'sure', pattern: /^(?:EHLO|HELO|LHLO)[ \r\n]/i },
  { protocol: 'smtp', voice: 'client', weight: 'sure', pattern: /^(?:MAIL FROM|RCPT TO) ?:/i },
  {
    protocol: 'smtp',
    voice: 'client',
    weight: 'likely',
    // `AUTH TLS` is FTP, RFC 4217.
    pattern:
      /^(?:(?:RSET|DATA|QUIT|NOOP|HELP|VRFY|EXPN|BDAT|STARTTLS|XCLIENT|XFORWARD)|AUTH(?! (?:TLS|SSL)))[ \r\n]/i,
  },
  { protocol: 'smtp', voice: 'server', weight: 'sure', pattern: /^220[ -][^\r\n]*(?:SMTP|LMTP)/i },
  {
    protocol: 'smtp',
    voice: 'server',
    weight: 'sure',
    pattern:
      /^(?:250[ -](?:PIPELINING|8BITMIME|CHUNKING|ENHANCEDSTATUSCODES|STARTTLS|SIZE|DSN|2\.\d\.\d)|354[ -])/i,
  },
  {
    protocol: 'smtp',
    voice: 'server',
    weight: 'likely',
    // Codes of SMTP alone: 200 to 215, 48x and 50x with other meanings are of NNTP and FTP.
    pattern: /^(?:214|220|221|235|25[0-3]|334|354|421|45[0-5]|50[0-4]|521|53[0-8]|55[0-6])(?:[ -]|\r?\n)/,
  },
  {
    protocol: 'pop3',
    voice: 'server',
    weight: 'sure',
    pattern: /^\+OK [^\r\n]*(?:POP|ready|server|welcome|hello|<[^<>@\s]+@[^<>\s]+>)/i,
  },
  // Redis and NATS answer so, too.
  { protocol: 'pop3', voice: 'server', weight: 'likely', pattern: /^(?:\+OK|-ERR)[ \r\n]/ },
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
    pattern:
      /^(?:USER|PASS|CAPA|STLS|AUTH|STAT|LIST|DELE|NOOP|RSET|QUIT|UTF8|LANG|RETR|TOP|UIDL|APOP)[ \r\n]/i,
  },
  {
    protocol: 'imap',
    voice: 'server',
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
const foreignOpenings: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['HTTP', /^(?:(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|TRACE|PROPFIND|PRI) \S+ HTTP\/\d|HTTP\/\d)/],
  ['HTTP', /^(?:GET|POST|HEAD|PUT|OPTIONS|PATCH) (?:\/|\*|https?:)/],
  ['SSH', /^SSH-\d/],
  ['FTP', /^220[ -](?![^\r\n]*(?:SMTP|LMTP))[^\r\n]*FTP/i],
  ['FTP', /^AUTH (?:TLS|SSL)\r?\n/i],
  ['NNTP', /^20[01] /],
  ['Redis', /^\*\d{1,7}\r\n\$\d/],
  ['IRC', /^(?:NICK \S|:\S+ (?:NOTICE|001) )/],
  ['RTSP', /^(?:RTSP\/\d|(?:OPTIONS|DESCRIBE|SETUP) rtsp:)/],
  ['SIP', /^(?:SIP\/\d|(?:REGISTER|INVITE|OPTIONS|SUBSCRIBE|NOTIFY) sips?:)/],
  ['VNC', /^RFB \d{3}\.\d{3}\n/],
  ['XMPP', /^<(?:\?xml|stream:stream)/],
  ['BitTorrent', /^\x13BitTorrent/],
];

/** The other protocol that `opening`, octets as latin1, surely is of. */
export function foreignProtocol(opening: string): string | undefined {
  return foreignOpenings.find(([, pattern]) => pattern.test(opening))?.[0];
}
