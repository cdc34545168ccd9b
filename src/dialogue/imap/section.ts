/**
 * What a FETCH item's name asks for: RFC 9051 §6.4.5 `section`, RFC 3516 BINARY, RFC 3501 RFC822.*.
 *
 *     section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
 *     section-text    = section-msgtext / "MIME"
 *     section-spec    = section-msgtext / (section-part ["." section-text])
 */
export interface SectionItem {
  /** As the row's method names it; only of the whole message. */
  readonly name: 'BODY[]' | 'RFC822' | 'BINARY[]';
  /** In capitals, single spaces; empty for the whole message. BINARY parts begin with `BINARY `. */
  readonly section: string;
  /** Set for a piece: the offset of its first octet. */
  readonly origin: number | undefined;
}

export interface PieceRequest {
  readonly section: string;
  readonly origin: number;
  readonly length: number;
}

const wholeBody: SectionItem = { name: 'BODY[]', section: '', origin: undefined };

/** Reads the name in a response, `BODY[1.2]<0>`; undefined where it is no content of a message. */
export function sectionItem(itemName: string): SectionItem | undefined {
  const name = itemName.toUpperCase();
  // What is asked for nearly always, and what is none.
  if (name === 'BODY[]') return wholeBody;
  if (!name.startsWith('B') && !name.startsWith('R')) return undefined;
  if (name === 'RFC822') return { name: 'RFC822', section: '', origin: undefined };
  if (name === 'RFC822.HEADER') return { name: 'RFC822', section: 'HEADER', origin: undefined };
  if (name === 'RFC822.TEXT') return { name: 'RFC822', section: 'TEXT', origin: undefined };
  const match = /^(BODY|BINARY)(?:\.PEEK)?\[([^\]]*)\](?:<(\d{1,15})(?:\.\d{1,15})?>)?$/.exec(name);
  if (match === null) return undefined;
  const binary = match[1] === 'BINARY';
  const origin = match[3] === undefined ? undefined : Number(match[3]);
  const section = normalise(match[2] ?? '', binary);
  return { name: binary ? 'BINARY[]' : 'BODY[]', section, origin };
}

/** The pieces `BODY.PEEK[TEXT]<0.65536>` that a FETCH command asks for. */
export function pieceRequests(command: string): PieceRequest[] {
  const requests: PieceRequest[] = [];
  // The length of the section is bounded so that many `BODY[` without `]` cost linear time.
  const pattern = /(BODY|BINARY)(?:\.PEEK)?\[([^\][]{0,300})\]<(\d{1,15})\.(\d{1,15})>/g;
  for (const match of command.toUpperCase().matchAll(pattern)) {
    const section = normalise(match[2] ?? '', match[1] === 'BINARY');
    requests.push({ section, origin: Number(match[3]), length: Number(match[4]) });
    if (requests.length >= 1000) break;
  }
  return requests;
}

/** Header fields only: never the content of a mail. */
export function isHeaderSection(section: string): boolean {
  return section.startsWith('HEADER');
}

/** Everything but headers: that of the message, and those of its parts. */
export function isContentSection(section: string): boolean {
  return !/^HEADER|\.(?:MIME|HEADER)/.test(section);
}

function normalise(section: string, binary: boolean): string {
  const spec = section.trim().replace(/ +/g, ' ');
  return binary && spec !== '' ? `BINARY ${spec}` : spec;
}
