/** What a mail as a whole tells about its unlabelled octets. */
import type { CharsetContext } from './charset.ts';
import { canonicalCharset } from './charset-label.ts';
import { charsetOfWords } from './encoded-word.ts';
import type { Entity } from './entity.ts';

export const fallbackCharset = 'gb18030';

/** Fields of the first entity looked at for encoded words. */
const fieldsLookedAt = 200;

/** Looked for only when it is needed: most mails label everything. */
export class MailCharsets implements CharsetContext {
  readonly defaultCharset: string;
  readonly #root: Entity;
  #searched = false;
  #found: string | undefined;

  constructor(root: Entity, defaultCharset: string) {
    this.#root = root;
    this.defaultCharset = defaultCharset;
  }

  /** The first charset besides ASCII and UTF-8 that a part or an encoded word names. */
  get mailCharset(): string | undefined {
    if (!this.#searched) {
      this.#searched = true;
      this.#found = charsetOfParts(this.#root) ?? charsetOfHeader(this.#root);
    }
    return this.#found;
  }
}

function charsetOfParts(root: Entity): string | undefined {
  const waiting = [root];
  for (let entity = waiting.pop(); entity !== undefined; entity = waiting.pop()) {
    const label = entity.contentType.get('charset');
    const charset = label === undefined ? undefined : canonicalCharset(label);
    // Latin-1 is what many programs write without knowing, so it tells nothing either.
    if (charset !== undefined && !['us-ascii', 'utf-8', 'windows-1252'].includes(charset)) return charset;
    for (const child of entity.children.toReversed()) waiting.push(child);
  }
  return undefined;
}

function charsetOfHeader(root: Entity): string | undefined {
  const { header } = root;
  for (let index = 0; index < header.size && index < fieldsLookedAt; index++) {
    const charset = charsetOfWords(header.value(index));
    if (charset !== undefined && charset !== 'windows-1252') return charset;
  }
  return undefined;
}
