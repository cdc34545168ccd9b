/** Compressed RTF (MS-OXRTFCP) and the text inside RTF, HTML in disguise included (MS-OXRTFEX). */
import { htmlToText } from './html-text.ts';

const headerBytes = 16;
const compressedMagic = 0x75465a4c;
const rawMagic = 0x414c454d;
const dictionaryBytes = 4096;
/** The dictionary begins with what every RTF file holds (§2.1.3.1.1). */
const dictionaryStart =
  '{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx';

/** Undefined where the data is no compressed RTF or is larger than may be decoded. */
export function decompressRtf(bytes: Buffer, mayDecode: (length: number) => boolean): Buffer | undefined {
  if (bytes.length < headerBytes) return undefined;
  const rawSize = bytes.readUInt32LE(4);
  const magic = bytes.readUInt32LE(8);
  if (magic === rawMagic) return bytes.subarray(headerBytes, headerBytes + rawSize);
  // A reference of two octets yields 17 at most: a larger claim is a lie.
  if (magic !== compressedMagic || rawSize > bytes.length * 9 || !mayDecode(rawSize)) return undefined;
  const output = Buffer.allocUnsafe(rawSize);
  const dictionary = Buffer.alloc(dictionaryBytes);
  let write = dictionary.write(dictionaryStart, 'latin1');
  let length = 0;
  let offset = headerBytes;
  const put = (octet: number): void => {
    if (length < rawSize) output[length++] = octet;
    dictionary[write] = octet;
    write = (write + 1) % dictionaryBytes;
  };
  while (offset < bytes.length && length < rawSize) {
    const control = bytes[offset++] ?? 0;
    for (let bit = 0; bit < 8 && offset < bytes.length && length < rawSize; bit++) {
      if ((control & (1 << bit)) === 0) {
        put(bytes[offset++] ?? 0);
        continue;
      }
      const reference = ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
      offset += 2;
      const from = reference >> 4;
      // A reference to the place that is written next is the end mark.
      if (from === write) return output.subarray(0, length);
      for (let index = 0; index < (reference & 0x0f) + 2; index++) {
        put(dictionary[(from + index) % dictionaryBytes] ?? 0);
      }
    }
  }
  return output.subarray(0, length);
}

export type DecodeOctets = (bytes: Buffer, codePage: string | undefined) => string;

/** Groups that hold no text of the document. */
const silentGroups =
  /^(?:fonttbl|colortbl|stylesheet|info|pict|object|header|footer|listtable|listoverridetable|rsidtbl|generator|themedata|datastore|xmlnstbl|latentstyles|mhtmltag)$/;

const token = /\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)/gi;

interface Group {
  readonly silent: boolean;
  /** Inside `\htmlrtf … \htmlrtf0`: RTF that repeats what the HTML says. */
  readonly repeated: boolean;
  /** Characters that stand behind `\u` for programs without Unicode. */
  readonly skip: number;
}

/** The text of an RTF document; where it wraps HTML, the text of that. */
export function rtfToText(rtf: Buffer, decode: DecodeOctets): string {
  return new RtfReader(decode).read(rtf.toString('latin1'));
}

class RtfReader {
  readonly #decode: DecodeOctets;
  readonly #pieces: string[] = [];
  readonly #groups: Group[] = [];
  #group: Group = { silent: false, repeated: false, skip: 1 };
  #octets: string[] = [];
  #codePage: string | undefined;
  #html = false;
  #toSkip = 0;
  #starred = false;

  constructor(decode: DecodeOctets) {
    this.#decode = decode;
  }

  read(rtf: string): string {
    for (const match of rtf.matchAll(token)) {
      const [whole, word, number, hexadecimal, symbol, brace, text] = match;
      if (brace === '{') this.#open();
      else if (brace === '}') this.#close();
      else if (word !== undefined)
        this.#control(word.toLowerCase(), number === undefined ? undefined : Number(number));
      else if (hexadecimal !== undefined) this.#octet(String.fromCharCode(Number.parseInt(hexadecimal, 16)));
      else if (symbol !== undefined) this.#symbol(symbol);
      else if (text !== undefined) this.#text(text);
      else if (whole === '') break;
    }
    this.#flush();
    const result = this.#pieces.join('');
    return this.#html ? htmlToText(result) : result.trim();
  }

  #open(): void {
    this.#flush();
    // Depth is bounded by the data; a group costs one small object.
    this.#groups.push(this.#group);
    this.#toSkip = 0;
  }

  #close(): void {
    this.#flush();
    this.#group = this.#groups.pop() ?? this.#group;
    this.#toSkip = 0;
  }

  #control(word: string, number: number | undefined): void {
    const starred = this.#starred;
    this.#starred = false;
    if (word === 'u' && number !== undefined) {
      this.#flush();
      this.#write(String.fromCharCode(number & 0xffff));
      this.#toSkip = this.#group.skip;
      return;
    }
    if (word === 'ansicpg' && number !== undefined) this.#codePage = `cp${number}`;
    else if (word === 'fromhtml') this.#html = number !== 0;
    else if (word === 'htmlrtf') this.#group = { ...this.#group, repeated: number !== 0 };
    else if (word === 'uc') this.#group = { ...this.#group, skip: number ?? 1 };
    else if (word === 'par' || word === 'line' || word === 'row') this.#text('\n');
    else if (word === 'tab' || word === 'cell') this.#text('\t');
    else if (silentGroups.test(word) || (starred && word !== 'htmltag'))
      this.#group = { ...this.#group, silent: true };
  }

  #symbol(symbol: string): void {
    if (symbol === '*') this.#starred = true;
    else if (symbol === '~') this.#text('\u00a0');
    else if (symbol === '\n' || symbol === '\r') this.#text('\n');
    else if (symbol === '\\' || symbol === '{' || symbol === '}') this.#text(symbol);
  }

  #octet(octet: string): void {
    if (this.#toSkip > 0) this.#toSkip--;
    else if (!this.#group.silent && !this.#group.repeated) this.#octets.push(octet);
  }

  #text(text: string): void {
    const skipped = Math.min(this.#toSkip, text.length);
    this.#toSkip -= skipped;
    this.#flush();
    this.#write(text.slice(skipped));
  }

  #write(text: string): void {
    if (!this.#group.silent && !this.#group.repeated) this.#pieces.push(text);
  }

  #flush(): void {
    if (this.#octets.length === 0) return;
    const bytes = Buffer.from(this.#octets.join(''), 'latin1');
    this.#octets = [];
    this.#write(this.#decode(bytes, this.#codePage));
  }
}
