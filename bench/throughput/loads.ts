/** The captures that are measured on: mail, traffic with little mail in it, and very many small mails. */
import { CaptureWriter, type Endpoints } from './capture-writer.ts';
import {
  delivery,
  encrypted,
  type Flow,
  fetching,
  page,
  retrieval,
  TcpFlow,
  type Turn,
  turned,
} from './flows.ts';
import { fixtureMails, type MailBody, mailOf, officeMails, shortMails } from './mails.ts';
import { RandomNumbers } from './random.ts';

export interface LoadOptions {
  readonly name: 'mail' | 'probe' | 'tiny';
  /** Octets of all files together; `tiny` is as large as its mails make it. */
  readonly megabytes: number;
  /** Mails of `tiny`. */
  readonly mails: number;
  /** Share of the octets that is no mail. */
  readonly otherShare: number;
  /** Shares of SMTP, POP3 and IMAP. */
  readonly mix: readonly [number, number, number];
  readonly loss: number;
  readonly files: number;
  readonly seed: number;
}

export const usualLoads: readonly LoadOptions[] = [
  { name: 'mail', megabytes: 300, mails: 0, otherShare: 0.1, mix: [5, 3, 2], loss: 0, files: 3, seed: 1 },
  { name: 'probe', megabytes: 500, mails: 0, otherShare: 0.95, mix: [5, 3, 2], loss: 0, files: 3, seed: 2 },
  { name: 'tiny', megabytes: 0, mails: 200_000, otherShare: 0, mix: [5, 3, 2], loss: 0, files: 1, seed: 3 },
];

/** What was written: the files, their octets, and how many mails are in them. */
export interface Load {
  readonly name: string;
  readonly files: readonly string[];
  readonly bytes: number;
  readonly mails: number;
}

/** Connections whose packets are mixed with one another. */
const parallelMax = 60;
export async function writeLoad(folder: string, options: LoadOptions): Promise<Load> {
  const random = new RandomNumbers(options.seed);
  const bodies =
    options.name === 'tiny' ? shortMails(random, 500) : [...officeMails(random), ...(await fixtureMails())];
  const size = options.name === 'tiny' ? options.mails * 2400 : options.megabytes * 1e6;
  const writer = new CaptureWriter(
    { folder, fileBytes: size / options.files, filesMax: options.files, loss: options.loss },
    random,
  );
  const traffic = new Traffic(writer, random, options, bodies);
  const isEnough = (): boolean =>
    options.name === 'tiny' ? traffic.mails >= options.mails : writer.bytes >= size;
  const active: Flow[] = [];
  while (!isEnough() || active.length > 0) {
    if (active.length < parallelMax && !isEnough()) active.push(traffic.next());
    const index = random.below(active.length);
    if (active[index]?.step() === false) active.splice(index, 1);
  }
  writer.close();
  return { name: options.name, files: writer.files, bytes: writer.bytes, mails: traffic.mails };
}

class Traffic {
  readonly #writer: CaptureWriter;
  readonly #random: RandomNumbers;
  readonly #options: LoadOptions;
  readonly #bodies: readonly MailBody[];
  readonly #noise: Buffer;
  #connections = 0;
  #mailBytes = 0;
  #otherBytes = 0;
  mails = 0;

  constructor(
    writer: CaptureWriter,
    random: RandomNumbers,
    options: LoadOptions,
    bodies: readonly MailBody[],
  ) {
    this.#writer = writer;
    this.#random = random;
    this.#options = options;
    this.#bodies = bodies;
    this.#noise = random.octets(1 << 20);
  }

  /** Whichever there is too little of. */
  next(): Flow {
    const { otherShare } = this.#options;
    const isOther = this.#otherBytes < otherShare * (this.#otherBytes + this.#mailBytes + 1);
    return isOther ? this.#other() : this.#mail();
  }

  #mail(): Flow {
    const [smtp, pop3, imap] = this.#options.mix;
    const choice = this.#random.next() * (smtp + pop3 + imap);
    const port = choice < smtp ? 25 : choice < smtp + pop3 ? 110 : 143;
    // Who fetches mail fetches several; who sends it sends one.
    const count = port === 25 ? 1 : 1 + this.#random.below(5);
    const mails = Array.from({ length: count }, () => this.#nextMail());
    for (const mail of mails) this.#mailBytes += mail.length;
    const turns = port === 25 ? delivery(mails) : port === 110 ? retrieval(mails) : fetching(mails);
    return this.#flow(port, turns);
  }

  #nextMail(): Buffer {
    this.mails++;
    const body = this.#bodies[this.#random.below(this.#bodies.length)];
    return body === undefined ? Buffer.alloc(0) : mailOf(body, this.mails);
  }

  #other(): Flow {
    const choice = this.#random.next();
    if (choice < 0.2) return this.#nameQuestion();
    const length = 2000 + Math.floor(this.#random.next() ** 3 * 900_000);
    this.#otherBytes += length;
    const from = this.#random.below(this.#noise.length - Math.min(length, this.#noise.length - 1));
    const content = this.#noise.subarray(from, from + length);
    return choice < 0.5 ? this.#flow(80, page(content)) : this.#flow(443, encrypted(content));
  }

  #nameQuestion(): Flow {
    const ends = this.#ends(53);
    const question = this.#noise.subarray(0, 40);
    this.#otherBytes += 200;
    return {
      step: () => {
        this.#writer.udp(ends, question);
        this.#writer.udp(turned(ends), this.#noise.subarray(0, 120));
        return false;
      },
    };
  }

  #flow(port: number, turns: readonly Turn[]): Flow {
    return new TcpFlow(this.#writer, this.#ends(port), turns, this.#random.below(0x7fff_ffff));
  }

  #ends(targetPort: number): Endpoints {
    const number = this.#connections++;
    return {
      source: 0x0a00_0000 + Math.floor(number / 20_000) * 251 + (number % 241),
      target: 0xc000_0200 + (targetPort & 0xff),
      sourcePort: 40_000 + (number % 20_000),
      targetPort,
    };
  }
}
