/** What may become of the mails of a capture when some of its packets are lost. */
import { createHash } from 'node:crypto';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { mailKey } from '../../src/record/mail-key.ts';
import { overhearPackets } from './overhear-packets.ts';
import type { Traffic } from './rewrite.ts';

/** The octets of a mail, or of one put together from sections what it says of itself. */
function contentOf(message: RawMessage): string {
  return createHash('sha256').update(message.octets.read()).digest('hex');
}

export class LossJudge {
  readonly #traffic: Traffic;
  readonly #trueContents: ReadonlySet<string>;
  readonly #whole: ReadonlyMap<string, RawMessage>;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
    const messages = overhearPackets(traffic.packets, traffic.secrets);
    const whole = messages.filter(({ complete }) => complete);
    this.#trueContents = new Set(whole.map(contentOf));
    this.#whole = new Map(whole.map((message) => [mailKey(message), message]));
  }

  get mails(): number {
    return this.#whole.size;
  }

  /** Mails that are called whole although their octets were never sent so, and whole mails that are missing. */
  judge(lost: ReadonlySet<number>): { readonly wrong: RawMessage[]; readonly missing: RawMessage[] } {
    const left = this.#traffic.packets.filter((_, index) => !lost.has(index));
    const heard = overhearPackets(left, this.#traffic.secrets).filter(({ complete }) => complete);
    const wrong = heard.filter((message) => !this.#trueContents.has(contentOf(message)));
    const found = new Set(heard.map((message) => `${mailKey(message)} ${contentOf(message)}`));
    const missing = [...this.#whole].flatMap(([key, message]) => {
      return found.has(`${key} ${contentOf(message)}`) ? [] : [message];
    });
    return { wrong, missing };
  }
}
