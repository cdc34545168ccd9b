/** The captures that are measured on: mail, traffic with little mail in it, and very many small mails. */
import { CaptureWriter, type Endpoints, TcpFlags } from './capture-writer.ts';
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
const segmentBytes = 1460;

interface Turn {
  readonly isClient: boolean;
  readonly bytes: Buffer;
}

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

interface Flow {
  /** Writes the next packet or two; false where there is none any more. */
  step(): boolean;
}

class TcpFlow implements Flow {
  readonly #writer: CaptureWriter;
  readonly #client: Endpoints;
  readonly #server: Endpoints;
  readonly #turns: readonly Turn[];
  #clientSequence: number;
  #serverSequence: number;
  #turn = -1;
  #sent = 0;
  #unacknowledged = 0;

  constructor(writer: CaptureWriter, ends: Endpoints, turns: readonly Turn[], sequence: number) {
    this.#writer = writer;
    this.#client = ends;
    this.#server = turned(ends);
    this.#turns = turns;
    this.#clientSequence = sequence;
    this.#serverSequence = (sequence * 7) >>> 0;
  }

  step(): boolean {
    if (this.#turn < 0) {
      this.#empty(true, TcpFlags.syn, 1);
      this.#empty(false, TcpFlags.synAck, 1);
      this.#empty(true, TcpFlags.ack, 0);
      this.#turn = 0;
      return true;
    }
    const turn = this.#turns[this.#turn];
    if (turn !== undefined) {
      this.#segment(turn);
      return true;
    }
    this.#empty(true, TcpFlags.fin, 1);
    this.#empty(false, TcpFlags.fin, 1);
    this.#empty(true, TcpFlags.ack, 0);
    return false;
  }

  #segment({ isClient, bytes }: Turn): void {
    const to = Math.min(this.#sent + segmentBytes, bytes.length);
    this.#write(isClient, TcpFlags.data, bytes, this.#sent, to);
    this.#sent = to;
    if (++this.#unacknowledged === 2) {
      this.#unacknowledged = 0;
      this.#empty(!isClient, TcpFlags.ack, 0);
    }
    if (to < bytes.length) return;
    this.#turn++;
    this.#sent = 0;
  }

  #empty(isClient: boolean, flags: number, moves: number): void {
    this.#write(isClient, flags, nothing, 0, 0);
    this.#move(isClient, moves);
  }

  #write(isClient: boolean, flags: number, bytes: Buffer, from: number, to: number): void {
    const [own, other] = isClient
      ? [this.#clientSequence, this.#serverSequence]
      : [this.#serverSequence, this.#clientSequence];
    this.#writer.tcp(isClient ? this.#client : this.#server, own, other, flags, bytes, from, to);
    this.#move(isClient, to - from);
  }

  #move(isClient: boolean, octets: number): void {
    if (isClient) this.#clientSequence = (this.#clientSequence + octets) >>> 0;
    else this.#serverSequence = (this.#serverSequence + octets) >>> 0;
  }
}

const nothing = Buffer.alloc(0);

function turned({ source, target, sourcePort, targetPort }: Endpoints): Endpoints {
  return { source: target, target: source, sourcePort: targetPort, targetPort: sourcePort };
}

// ---- conversations ------------------------------------------------------------------------------

function says(isClient: boolean, ...bytes: (string | Buffer)[]): Turn {
  return {
    isClient,
    bytes: Buffer.concat(bytes.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))),
  };
}

const client = (...bytes: (string | Buffer)[]): Turn => says(true, ...bytes);
const server = (...bytes: (string | Buffer)[]): Turn => says(false, ...bytes);

/** RFC 5321 §4.5.2. */
function stuffed(mail: Buffer): Buffer {
  if (!mail.includes('\n.')) return mail;
  return Buffer.from(mail.toString('latin1').replaceAll('\r\n.', '\r\n..'), 'latin1');
}

function delivery(mails: readonly Buffer[]): Turn[] {
  const transactions = mails.flatMap((mail) => [
    client('MAIL FROM:<zhang@example.cn>\r\nRCPT TO:<li@example.cn>\r\nDATA\r\n'),
    server('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n'),
    client(stuffed(mail), '.\r\n'),
    server('250 2.0.0 Ok: queued\r\n'),
  ]);
  return [
    server('220 mx.example.cn ESMTP\r\n'),
    client('EHLO desk-17\r\n'),
    server('250-mx.example.cn\r\n250-PIPELINING\r\n250 8BITMIME\r\n'),
    ...transactions,
    client('QUIT\r\n'),
    server('221 2.0.0 Bye\r\n'),
  ];
}

function retrieval(mails: readonly Buffer[]): Turn[] {
  return [
    server('+OK ready\r\n'),
    client('USER li\r\n'),
    server('+OK\r\n'),
    client('PASS secret\r\n'),
    server('+OK\r\n'),
    ...mails.flatMap((mail, index) => [
      client(`RETR ${index + 1}\r\n`),
      server(`+OK ${mail.length} octets\r\n`, stuffed(mail), '.\r\n'),
    ]),
    client('QUIT\r\n'),
    server('+OK\r\n'),
  ];
}

function fetching(mails: readonly Buffer[]): Turn[] {
  return [
    server('* OK ready\r\n'),
    client('a1 LOGIN li secret\r\n'),
    server('a1 OK\r\n'),
    client('a2 SELECT INBOX\r\n'),
    server(`* ${mails.length} EXISTS\r\na2 OK [READ-WRITE]\r\n`),
    ...mails.flatMap((mail, index) => [
      client(`b${index} UID FETCH ${index + 1} (UID BODY.PEEK[])\r\n`),
      server(
        `* ${index + 1} FETCH (UID ${index + 1} BODY[] {${mail.length}}\r\n`,
        mail,
        `)\r\nb${index} OK\r\n`,
      ),
    ]),
    client('z LOGOUT\r\n'),
    server('* BYE\r\nz OK\r\n'),
  ];
}

function page(content: Buffer): Turn[] {
  return [
    client('GET /index HTTP/1.1\r\nHost: example.cn\r\nAccept: */*\r\n\r\n'),
    server(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`, content),
  ];
}

/** Records of TLS 1.3 around what nobody can read. */
function encrypted(content: Buffer): Turn[] {
  const record = (type: number, bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.from([type, 3, 3, bytes.length >> 8, bytes.length & 0xff]), bytes]);
  const hello = (kind: number, length: number): Buffer =>
    record(22, Buffer.concat([Buffer.from([kind, 0, 0, length]), content.subarray(0, length)]));
  const records: Buffer[] = [];
  for (let at = 0; at < content.length; at += 16_384)
    records.push(record(23, content.subarray(at, at + 16_384)));
  return [
    client(hello(1, 200)),
    server(hello(2, 90)),
    client(record(23, content.subarray(0, 60))),
    server(...records),
  ];
}
