/**
 * The announcement of a literal at the end of a line.
 *
 *     literal  = "{" number64 ["+"] "}" CRLF *CHAR8       RFC 9051 §9, LITERAL+ and LITERAL- RFC 7888
 *     literal8 = "~{" number64 ["+"] "}" CRLF *OCTET      RFC 3516 §7, RFC 6855 §4
 */
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const CLOSE_PARENTHESIS = 0x29;
const PLUS = 0x2b;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** 999 TB: longer numbers are no lengths, and all of these are exact as a double. */
const DIGITS_MAX = 15;

interface LiteralMarker {
  readonly length: number;
  /** The client waits for the server's consent before it sends the octets. */
  readonly synchronising: boolean;
}

/** The literal that `line` (without its line end) announces; undefined where it announces none. */
export function literalMarker(line: Buffer): LiteralMarker | undefined {
  let at = line.length - 1;
  if (line[at] !== CLOSE_BRACE) return undefined;
  at--;
  const synchronising = line[at] !== PLUS;
  if (!synchronising) at--;
  const end = at;
  while (isDigit(line[at]) && end - at <= DIGITS_MAX) at--;
  const digits = end - at;
  if (digits === 0 || digits > DIGITS_MAX || line[at] !== OPEN_BRACE) return undefined;
  if (endsInsideQuotes(line)) return undefined;
  return { length: Number(line.toString('latin1', at + 1, end + 1)), synchronising };
}

/** After a literal comes the next item, the end of a list, or the end of the line. */
export function maySucceedLiteral(octet: number): boolean {
  return octet === SPACE || octet === CLOSE_PARENTHESIS || octet === CR || octet === LF;
}

/** `"what {5}` is the beginning of a quoted string that lacks its end, not a literal. */
function endsInsideQuotes(line: Buffer): boolean {
  let quoted = false;
  for (let at = line.indexOf(QUOTE); at >= 0 && at < line.length; at++) {
    const octet = line[at];
    if (octet === QUOTE) quoted = !quoted;
    else if (quoted && octet === BACKSLASH) at++;
  }
  return quoted;
}

function isDigit(octet: number | undefined): boolean {
  return octet !== undefined && octet >= ZERO && octet <= NINE;
}
