/** Whether a side speaks TLS at all: a proxy may have taken it off before the capture. */
import { CONTENT_TYPE } from './record-reader.ts';

export type TlsVerdict = 'tls' | 'other' | 'undecided';

/** What one side says first, or behind its last hole. */
export class TlsOpening {
  #bytes: Buffer = Buffer.alloc(0);
  #isBehindHole = false;

  hear(bytes: Buffer): TlsVerdict {
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(0, textBytesLookedAt)]);
    return tellTls(this.#bytes, this.#isBehindHole);
  }

  lose(): void {
    this.#bytes = Buffer.alloc(0);
    this.#isBehindHole = true;
  }
}

/** `opening`: a side's first octets, or its first behind a hole. */
export function tellTls(opening: Buffer, isBehindHole: boolean): TlsVerdict {
  if (beginsRecord(opening)) return opening.length < 3 ? 'undecided' : 'tls';
  // Behind a hole stands the middle of a record, which is TLS unless it reads as text, and more than a few octets.
  if (!isBehindHole) return 'other';
  if (!isText(opening)) return 'tls';
  return opening.length < textBytesLookedAt ? 'undecided' : 'other';
}

/** Octets of a record that read as text by chance are less. */
const textBytesLookedAt = 256;

/** The first octets of a record's header, as many as there are. */
function beginsRecord(opening: Buffer): boolean {
  const [type = CONTENT_TYPE.handshake, major = 3, minor = 0] = opening;
  const isKnownType = type >= CONTENT_TYPE.changeCipherSpec && type <= CONTENT_TYPE.applicationData;
  return isKnownType && major === 3 && minor <= 4;
}

/** Tab, LF, CR and ESC (ISO-2022-JP) are all that mail has of the control characters. */
function isText(opening: Buffer): boolean {
  const start = opening.subarray(0, textBytesLookedAt);
  return start.every((octet) => (octet >= 0x20 && octet !== 0x7f) || TEXT_CONTROLS.includes(octet));
}

const TEXT_CONTROLS = [0x09, 0x0a, 0x0d, 0x1b];
