/**
 * Tells the beginning of a command or response from octets that are something else: the middle of a mail
 * after a lost range, TLS records, noise. RFC 9051 §9: `response-data`, `response-tagged`, `command`.
 */

/** Octets of a line that are looked at; enough for a tag and a name. */
const LOOK_BYTES = 200;

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

interface CommandStart {
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
export function commandStart(line: Buffer): CommandStart | undefined {
  const match = commandPattern.exec(head(line));
  return match?.[1] && match[2] ? { tag: match[1], name: match[2].toUpperCase() } : undefined;
}

/** A command with a name of the standards: what mail text hardly looks like. */
export function isSurelyCommand(line: Buffer): boolean {
  const start = commandStart(line);
  return start !== undefined && commandNames.has(start.name);
}

export function taggedStart(line: Buffer): TaggedStart | undefined {
  const match = taggedPattern.exec(head(line));
  return match?.[1] && match[2] ? { tag: match[1], status: statusOf(match[2]) } : undefined;
}

/** Status text is for people and may end in anything: `* OK see {5}` announces no literal. */
export function mayAnnounceLiteral(line: Buffer): boolean {
  const text = head(line);
  return text.startsWith('* ') && !/^\* (?:OK|NO|BAD|BYE|PREAUTH)(?: |$)/i.test(text);
}

/** A response whose first words are those of the standards: what mail text hardly looks like. */
export function isSurelyResponse(line: Buffer): boolean {
  const text = head(line);
  if (numberedPattern.test(text) || namedPattern.test(text)) return true;
  const match = taggedPattern.exec(text);
  // "John OK with that" stands in mails; tags have digits, and a status is written in capitals.
  return match?.[1] !== undefined && /\d/.test(match[1]) && match[2] === match[2]?.toUpperCase();
}

/** The header of a TLS record, RFC 8446 §5.1: no IMAP line begins with a control character. */
export function isTlsRecord(octets: Buffer): boolean {
  const type = octets[0] ?? 0;
  return octets.length >= 3 && type >= 0x14 && type <= 0x17 && octets[1] === 3 && (octets[2] ?? 9) <= 4;
}

/** Without its line end; all of the octets where none of them ends it. */
export function firstLine(octets: Buffer): Buffer {
  const end = octets.indexOf(0x0a);
  return end < 0 ? octets : octets.subarray(0, octets[end - 1] === 0x0d ? end - 1 : end);
}

function head(line: Buffer): string {
  return line.toString('latin1', 0, LOOK_BYTES);
}

function statusOf(word: string): 'OK' | 'NO' | 'BAD' {
  const capitals = word.toUpperCase();
  return capitals === 'OK' || capitals === 'NO' ? capitals : 'BAD';
}
