/**
 * Address lists, RFC 5322 §3.4 with the obsolete forms of §4.4 (routes) and RFC 6532.
 *
 *     address  =  mailbox / group
 *     mailbox  =  [display-name] "<" [route ":"] addr-spec ">"  /  addr-spec
 *     group    =  display-name ":" [mailbox-list] ";"
 *
 * Also read: lists separated by `;`, brackets that never close, a name without any address, an address
 * without brackets behind a name, the whole mailbox inside one encoded word.
 */
import { messageLimits } from '../core/limits.ts';
import type { CharsetContext } from './charset.ts';
import { decodeRaw, displayName, encodedWord } from './encoded-word.ts';
import { unfold } from './header.ts';
import type { Address } from './types.ts';
import { parseUsualAddresses } from './usual-addresses.ts';

export interface AddressList {
  readonly addresses: readonly Address[];
  /** There were more than `addressesMax`. */
  readonly overLimit: boolean;
}

/** Addresses of a raw field value (Latin-1 octets). Groups are opened, their names dropped. */
export function parseAddresses(raw: string, context: CharsetContext): AddressList {
  const addresses = parseUsualAddresses(raw, context);
  return addresses === undefined ? parseAnyAddresses(raw, context) : { addresses, overLimit: false };
}

/** The same, without trying the short way first. */
export function parseAnyAddresses(raw: string, context: CharsetContext): AddressList {
  const parser = new AddressParser(decodeRaw(raw, context), context);
  return { addresses: parser.addresses, overLimit: parser.overLimit };
}

class AddressParser {
  readonly addresses: Address[] = [];
  overLimit = false;
  readonly #text: string;
  readonly #context: CharsetContext;
  /** Behind it no quoted string closes any more, so a quote there is only a character. */
  #lastQuote: number;
  readonly #lastParenthesis: number;
  readonly #lastGreater: number;
  /** The mailbox in progress: words before the bracket, with and without their quotes. */
  #phrase: string[] = [];
  #source: string[] = [];
  /** There is an `@` in `#source`. */
  #hasAddress = false;
  #comment: string[] = [];
  #angle: string | undefined;

  constructor(text: string, context: CharsetContext) {
    this.#text = text;
    this.#context = context;
    this.#lastQuote = text.lastIndexOf('"');
    this.#lastParenthesis = text.lastIndexOf(')');
    this.#lastGreater = text.lastIndexOf('>');
    this.#parse();
  }

  #parse(): void {
    const text = this.#text;
    let position = 0;
    while (position < text.length && !this.overLimit) {
      const next = nextSpecial(text, position);
      if (next > position) this.#addWord(text.slice(position, next));
      position = next;
      switch (text[position]) {
        case '"':
          position = this.#readQuoted(position);
          break;
        case '(':
          position = this.#readComment(position);
          break;
        case '<':
          position = this.#readAngle(position);
          break;
        case '=':
          position = this.#readEncodedWord(position);
          break;
        case ':':
          this.#readColon();
          position++;
          break;
        case undefined:
          break;
        default:
          // `,` and `;` end a mailbox, the latter also a group; a lone `>` is dropped.
          if (text[position] !== '>') this.#finish();
          position++;
      }
    }
    this.#finish();
  }

  #addWord(word: string): void {
    this.#phrase.push(word);
    this.#addSource(word);
  }

  #addSource(word: string): void {
    this.#source.push(word);
    this.#hasAddress ||= word.includes('@');
  }

  #readQuoted(start: number): number {
    if (start >= this.#lastQuote) {
      return start + 1;
    }
    let content = '';
    let copied = start + 1;
    for (let position = start + 1; position <= this.#lastQuote; position++) {
      const character = this.#text[position];
      if (character === '\\' && position + 1 < this.#lastQuote) {
        content += this.#text.slice(copied, position);
        copied = ++position;
      } else if (character === '"') {
        this.#phrase.push(content + this.#text.slice(copied, position));
        this.#addSource(this.#text.slice(start, position + 1));
        return position + 1;
      }
    }
    // All quotes that follow are escaped: none of them is looked at again.
    this.#lastQuote = start;
    return start + 1;
  }

  #readComment(start: number): number {
    if (start > this.#lastParenthesis) return start + 1;
    let depth = 0;
    for (let position = start; position <= this.#lastParenthesis; position++) {
      const character = this.#text[position];
      if (character === '\\') position++;
      else if (character === '(') depth++;
      else if (character === ')' && --depth === 0) {
        this.#comment.push(this.#text.slice(start + 1, position));
        return position + 1;
      }
    }
    // Never closed as a whole: the rest is the comment.
    this.#comment.push(this.#text.slice(start + 1));
    return this.#text.length;
  }

  #readAngle(start: number): number {
    if (this.#angle !== undefined) this.#finish();
    let end = start + 1;
    let quoted = false;
    for (; end < this.#text.length; end++) {
      const character = this.#text[end];
      if (character === '"' && end < this.#lastQuote) quoted = !quoted;
      else if (!quoted && (character === '>' || character === ',' || character === ';' || character === '<'))
        break;
    }
    // A route holds commas: `<@relay,@other:user@host>`.
    const mayBeRoute = this.#text[end] === ',' && end < this.#lastGreater;
    if (mayBeRoute && /^\s*@/.test(this.#text.slice(start + 1, start + 20))) {
      end = this.#text.indexOf('>', end);
    }
    this.#angle = bareAddress(this.#text.slice(start + 1, end));
    return this.#text[end] === '>' ? end + 1 : end;
  }

  /** An encoded word is one token, whatever its text holds. */
  #readEncodedWord(start: number): number {
    encodedWord.lastIndex = start;
    const match = encodedWord.exec(this.#text);
    const word = match === null ? '=' : match[0];
    this.#addWord(word);
    return start + word.length;
  }

  /** Behind a name the colon begins a group; `mailto:` goes the same way. In an address it is a character. */
  #readColon(): void {
    if (this.#angle !== undefined) return;
    if (this.#hasAddress) {
      this.#addWord(':');
      return;
    }
    this.#phrase = [];
    this.#source = [];
    this.#comment = [];
  }

  #finish(): void {
    const phrase = displayName(this.#phrase.join(''), this.#context);
    const address = this.#angle;
    const source = unfold(this.#source.join('')).trim();
    const comment = displayName(this.#comment.join(' '), this.#context);
    this.#phrase = [];
    this.#source = [];
    this.#hasAddress = false;
    this.#comment = [];
    this.#angle = undefined;
    if (address !== undefined && address !== '')
      this.#add({ name: phrase === '' ? comment : phrase, address });
    else if (source !== '') this.#add(withoutBrackets(source, phrase, comment));
    else if (comment !== '') this.#add({ name: comment, address: '' });
  }

  #add(address: Address): void {
    if (this.addresses.length >= messageLimits.addressesMax) this.overLimit = true;
    else this.addresses.push(address);
  }
}

function isEncodedWord(text: string, start: number): boolean {
  encodedWord.lastIndex = start;
  return encodedWord.test(text);
}

/** Offset of the next character with a meaning, or of the end. */
function nextSpecial(text: string, from: number): number {
  for (let position = from; position < text.length; position++) {
    switch (text.charCodeAt(position)) {
      case 0x22: // "
      case 0x28: // (
      case 0x2c: // ,
      case 0x3a: // :
      case 0x3b: // ;
      case 0x3c: // <
      case 0x3e: // >
        return position;
      case 0x3d: // =
        // What only begins like an encoded word is text like any other.
        if (text.charCodeAt(position + 1) === 0x3f && isEncodedWord(text, position)) return position;
        break;
      default:
    }
  }
  return text.length;
}

/** The addr-spec of what stood between the brackets: without route, comments and white space. */
function bareAddress(angle: string): string {
  const unfolded = unfold(angle).trim();
  const route = unfolded.startsWith('@') ? unfolded.indexOf(':') : -1;
  const address = (route < 0 ? unfolded : unfolded.slice(route + 1)).replace(/^mailto:/i, '');
  return address.includes('"') ? address.trim() : address.replaceAll(/\s/g, '');
}

/** A mailbox without brackets: `a@b`, `Name a@b`, `a@b (Name)`, `root`, or a name and nothing else. */
function withoutBrackets(source: string, phrase: string, comment: string): Address {
  if (!source.includes('@')) {
    // The whole mailbox may have been inside an encoded word.
    const open = phrase.endsWith('>') ? phrase.lastIndexOf('<') : -1;
    const inner = phrase.slice(open + 1, -1);
    if (open >= 0 && isAddress(inner))
      return { name: phrase.slice(0, open).replaceAll('"', '').trim(), address: inner };
    if (phrase.includes('@') && !/\s/.test(phrase)) return { name: comment, address: phrase };
    const localUser = /^[\w.+-]+$/.test(source) && source === phrase;
    return localUser
      ? { name: comment, address: phrase }
      : { name: phrase === '' ? comment : phrase, address: '' };
  }
  const spaced = withoutBlanksAtDots(source);
  if (!/\s/.test(spaced) || spaced.startsWith('"')) return { name: comment, address: spaced };
  const words = source.split(/\s+/);
  const address = words.find((word) => word.includes('@')) ?? source;
  const name = words
    .filter((word) => word !== address)
    .join(' ')
    .replaceAll('"', '');
  return { name: name === '' ? comment : name, address };
}

/** Characters on both sides of an `@`, and nothing that ends an address. */
function isAddress(text: string): boolean {
  const at = text.indexOf('@', 1);
  return at > 0 && at < text.length - 1 && !/[<>\s]/.test(text);
}

/** `a . b @ c` as `a.b@c`. */
function withoutBlanksAtDots(source: string): string {
  return source.replace(/\s+/g, (blanks, offset: number) => {
    const [before, behind] = [source[offset - 1], source[offset + blanks.length]];
    return before === '@' || before === '.' || behind === '@' || behind === '.' ? '' : blanks;
  });
}
