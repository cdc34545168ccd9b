/**
 * Tells the beginning of a command or response from octets that are something else: the middle of a mail
 * after a lost range, TLS records, noise. RFC 9051 §9: `response-data`, `response-tagged`, `command`.
 */

/** Octets of a line that are looked at, enough for a tag and a name: the `head` of a line has so many at most. */
export const lookedAtOctets = 200;

const commandNames = new Set(
  (
    'CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE LOGIN SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE ' +
    'UNSUBSCRIBE LIST LSUB XLIST STATUS APPEND CHECK CLOSE UNSELECT EXPUNGE SEARCH FETCH STORE COPY MOVE UID ' +
    'SORT THREAD IDLE NAMESPACE ID ENABLE COMPRESS GETQUOTA GETQUOTAROOT SETQUOTA GETACL SETACL DELETEACL ' +
    'LISTRIGHTS MYRIGHTS GETMETADATA SETMETADATA GETANNOTATION SETANNOTATION NOTIFY CATENATE GENURLAUTH ' +
    'RESETKEY URLFETCH CONVERT ESEARCH UNAUTHENTICATE LANGUAGE COMPARATOR CONVERSIONS REPLACE RLIST RLSUB ' +
    'SCAN X-GM-EXT-1 XAPPLEPUSHSERVICE GETJMAPACCESS'
  ).split(' '),
);

const tag = String.raw`[^\x00-\x20\x7f-\xff(){%*"\\+]{1,64}`;
const commandPattern = new RegExp(`^(${tag}) ([A-Za-z][A-Za-z0-9-]{0,31})(?: |$)`);
const taggedPattern = new RegExp(`^(${tag}) (OK|NO|BAD)(?: |$)`, 'i');
const numberedPattern = /^\* \d{1,10} (?:EXISTS|RECENT|EXPUNGE|FETCH)(?: |$)/i;
const namedPattern =
  /^\* (?:OK|NO|BAD|BYE|PREAUTH|CAPABILITY|FLAGS|LIST|LSUB|XLIST|STATUS|SEARCH|ESEARCH|SORT|THREAD|ENABLED|VANISHED|NAMESPACE|ID|QUOTA|QUOTAROOT|ACL|MYRIGHTS|METADATA)(?: |$)/i;

export interface CommandStart {
  readonly tag: string;
  /** In capitals. */
  readonly name: string;
}

interface TaggedStart {
  readonly tag: string;
  /** In capitals. */
  readonly status: 'OK' | 'NO' | 'BAD';
}

/** `tag SP command`; any name passes, so that unknown extensions keep their literals. */
export function commandStart(head: string): CommandStart | undefined {
  const match = commandPattern.exec(head);
  return match?.[1] && match[2] ? { tag: match[1], name: match[2].toUpperCase() } : undefined;
}

/** A command with a name of the standards: what mail text hardly looks like. */
export function isSurelyCommand(head: string): boolean {
  return isKnownCommand(commandStart(head));
}

export function isKnownCommand(start: CommandStart | undefined): boolean {
  return start !== undefined && commandNames.has(start.name);
}

export function taggedStart(head: string): TaggedStart | undefined {
  const match = taggedPattern.exec(head);
  return match?.[1] && match[2] ? { tag: match[1], status: statusOf(match[2]) } : undefined;
}

/** Status text is for people and may end in anything: `* OK see {5}` announces no literal. */
export function mayAnnounceLiteral(head: string): boolean {
  return head.startsWith('* ') && !/^\* (?:OK|NO|BAD|BYE|PREAUTH)(?: |$)/i.test(head);
}

/** A response whose first words are those of the standards: what mail text hardly looks like. */
export function isSurelyResponse(head: string): boolean {
  if (numberedPattern.test(head) || namedPattern.test(head)) return true;
  const match = taggedPattern.exec(head);
  // "John OK with that" stands in mails; tags have digits, and a status is written in capitals.
  return match?.[1] !== undefined && /\d/.test(match[1]) && match[2] === match[2]?.toUpperCase();
}

/** The header of a TLS record, RFC 8446 §5.1: no IMAP line begins with a control character. */
export function isTlsRecord(octets: Buffer): boolean {
  return octets.length >= 3 && mayBeTlsRecord(octets[0]) && octets[1] === 3 && (octets[2] ?? 9) <= 4;
}

/** The first octet of a record. */
export function mayBeTlsRecord(type: number | undefined): boolean {
  return type !== undefined && type >= 0x14 && type <= 0x17;
}

/** The head of the first line in `octets`, without its line end. */
export function firstHead(octets: Buffer): string {
  const lineFeed = octets.indexOf(0x0a);
  const end = lineFeed < 0 ? octets.length : octets[lineFeed - 1] === 0x0d ? lineFeed - 1 : lineFeed;
  return octets.toString('latin1', 0, Math.min(end, lookedAtOctets));
}

function statusOf(word: string): 'OK' | 'NO' | 'BAD' {
  const capitals = word.toUpperCase();
  return capitals === 'OK' || capitals === 'NO' ? capitals : 'BAD';
}
