/** Connections of the loads, packet by packet, and what is said in them. */
import { type CaptureWriter, type Endpoints, TcpFlags } from './capture-writer.ts';

const segmentBytes = 1460;

export interface Turn {
  readonly isClient: boolean;
  readonly bytes: Buffer;
}

export interface Flow {
  /** Writes the next packet or two; false where there is none any more. */
  step(): boolean;
}

export class TcpFlow implements Flow {
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

export function turned({ source, target, sourcePort, targetPort }: Endpoints): Endpoints {
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

export function delivery(mails: readonly Buffer[]): Turn[] {
  return session(mails.flatMap(transaction));
}

/** One connection of SMTP around its transactions. */
export function session(transactions: readonly Turn[]): Turn[] {
  return [
    server('220 mx.example.cn ESMTP\r\n'),
    client('EHLO desk-17\r\n'),
    server('250-mx.example.cn\r\n250-PIPELINING\r\n250 8BITMIME\r\n'),
    ...transactions,
    client('QUIT\r\n'),
    server('221 2.0.0 Bye\r\n'),
  ];
}

export function transaction(mail: Buffer): Turn[] {
  return [
    client('MAIL FROM:<zhang@example.cn>\r\nRCPT TO:<li@example.cn>\r\nDATA\r\n'),
    server('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n'),
    client(stuffed(mail), '.\r\n'),
    server('250 2.0.0 Ok: queued\r\n'),
  ];
}

export function retrieval(mails: readonly Buffer[]): Turn[] {
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

export function fetching(mails: readonly Buffer[]): Turn[] {
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

export function page(content: Buffer): Turn[] {
  return [
    client('GET /index HTTP/1.1\r\nHost: example.cn\r\nAccept: */*\r\n\r\n'),
    server(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`, content),
  ];
}

/** Records of TLS 1.3 around what nobody can read. */
export function encrypted(content: Buffer): Turn[] {
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
