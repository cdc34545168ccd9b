/** Header fields of a message that is put together: cut out of fetched headers, or made from ENVELOPE. */
import { itemsOf, octetsOf, textOf, type Value } from './value.ts';

const LF = 0x0a;
const CR = 0x0d;

export interface HeaderField {
  /** In lower case. */
  readonly name: string;
  /** The whole field with its line ends, folding kept. */
  readonly bytes: Buffer;
}

/** The fields of a header section up to the empty line; lines that are none are left out. */
export function headerFields(header: Buffer): HeaderField[] {
  const fields: HeaderField[] = [];
  let start = 0;
  for (let end = endOfField(header, start); end > start; end = endOfField(header, start)) {
    const line = header.subarray(start, end);
    const name = /^([!-9;-~]{1,200}):/.exec(line.toString('latin1', 0, 201))?.[1];
    if (name !== undefined) fields.push({ name: name.toLowerCase(), bytes: terminated(line) });
    start = end;
  }
  return fields;
}

/**
 * RFC 9051 §7.5.2: date, subject, from, sender, reply-to, to, cc, bcc, in-reply-to, message-id. The
 * strings are those of the header and keep their encoded words.
 */
export function envelopeFields(envelope: Value | undefined): HeaderField[] {
  const items = itemsOf(envelope) ?? [];
  const fields: HeaderField[] = [];
  const add = (name: string, value: string | undefined): void => {
    // A line end in a value would begin a field of the sender's choice.
    const safe = value?.replace(/[\r\n\0]+/g, ' ').trim();
    if (safe) fields.push({ name: name.toLowerCase(), bytes: Buffer.from(`${name}: ${safe}\r\n`, 'latin1') });
  };
  add('Date', textOf(items[0]));
  add('Subject', textOf(items[1]));
  for (const [index, name] of ['From', 'Sender', 'Reply-To', 'To', 'Cc', 'Bcc'].entries()) {
    add(name, addressList(items[index + 2]));
  }
  add('In-Reply-To', textOf(items[8]));
  add('Message-ID', textOf(items[9]));
  return fields;
}

/** `address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"`; without a host: a group. */
function addressList(value: Value | undefined): string | undefined {
  const addresses: string[] = [];
  for (const item of itemsOf(value) ?? []) {
    const [name, , mailbox, host] = itemsOf(item) ?? [];
    const local = textOf(mailbox);
    const domain = textOf(host);
    if (local === undefined || domain === undefined) continue;
    const address = `${local}@${domain}`;
    const display = octetsOf(name)?.toString('latin1');
    addresses.push(display ? `${phrase(display)} <${address}>` : address);
  }
  return addresses.length === 0 ? undefined : addresses.join(', ');
}

/** Encoded words keep their meaning only outside quotes (RFC 2047 §5). */
function phrase(display: string): string {
  if (display.includes('=?') && !/[()<>[\]:;@\\,"]/.test(display)) return display;
  if (/^[\w !#$%&'*+/=?^`{|}~-]+$/.test(display)) return display;
  return `"${display.replace(/[\\"]/g, '\\$&')}"`;
}

/** Behind the field that begins at `start`; `start` itself at the empty line or the end. */
function endOfField(header: Buffer, start: number): number {
  const first = header[start];
  if (first === undefined || first === LF || (first === CR && header[start + 1] === LF)) return start;
  let at = start;
  for (;;) {
    const newline = header.indexOf(LF, at);
    if (newline < 0) return header.length;
    at = newline + 1;
    const next = header[at];
    if (next !== 0x20 && next !== 0x09) return at;
  }
}

function terminated(field: Buffer): Buffer {
  return field[field.length - 1] === LF ? field : Buffer.concat([field, Buffer.from('\r\n')]);
}
