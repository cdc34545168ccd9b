/**
 * Objects as one list of plain values: the runtime copies such a list to another thread in a third of the time that it
 * takes for the objects, whose names it writes and looks up for each. What is seldom there goes as it is.
 */

import type { MailColumns, MailDetail } from '../../record/types.ts';
import type { Sighting } from '../../stream/types.ts';
import type { FoundMail, MadeMail } from './mail-maker.ts';

/** Reads a list from its beginning to its end. */
export class FlatReader {
  readonly #values: readonly unknown[];
  #at = 0;

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#values.length;
  }

  /** What is read is what was written, in the same order: the test of parcels says so, the compiler cannot. */
  next<Value>(): Value {
    return this.#values[this.#at++] as Value;
  }
}

export function writeFound(values: unknown[], found: FoundMail): void {
  const { connection } = found;
  const { client, server } = connection;
  values.push(
    found.protocol,
    connection.id,
    client.address,
    client.port,
    server.address,
    server.port,
    connection.handshakeSeen,
    found.direction,
    found.method,
    found.layer,
    found.exact,
    found.complete,
    listOf(found.missing),
    found.accepted,
    found.envelope,
    found.helo,
    found.user,
    found.mailbox,
    found.uid,
    found.firstSequence,
    found.wireBytes,
    listOf(found.anomalies),
  );
  writeSighting(values, found.first);
  writeSighting(values, found.last);
}

export function readFound(values: FlatReader): FoundMail {
  return {
    kind: 'message',
    protocol: values.next(),
    connection: {
      id: values.next(),
      client: { address: values.next(), port: values.next() },
      server: { address: values.next(), port: values.next() },
      handshakeSeen: values.next(),
    },
    direction: values.next(),
    method: values.next(),
    layer: values.next(),
    exact: values.next(),
    complete: values.next(),
    missing: values.next() ?? none,
    accepted: values.next(),
    envelope: values.next(),
    helo: values.next(),
    user: values.next(),
    mailbox: values.next(),
    uid: values.next(),
    firstSequence: values.next(),
    wireBytes: values.next(),
    anomalies: values.next() ?? none,
    first: readSighting(values),
    last: readSighting(values),
  };
}

function writeSighting(values: unknown[], { capture, frame, timestampNs, ipLength, ttl }: Sighting): void {
  values.push(capture, frame, timestampNs, ipLength, ttl);
}

function readSighting(values: FlatReader): Sighting {
  return {
    capture: values.next(),
    frame: values.next(),
    timestampNs: values.next(),
    ipLength: values.next(),
    ttl: values.next(),
  };
}

export function writeMade(values: unknown[], made: MadeMail): void {
  const { protocol, columns, detail } = made.record;
  values.push(protocol);
  writeColumns(values, columns);
  writeDetail(values, detail);
  values.push(listOf(made.anomalies), made.imagesFound, made.imagesWritten);
}

export function readMade(values: FlatReader): MadeMail {
  return {
    record: { protocol: values.next(), columns: readColumns(values), detail: readDetail(values) },
    anomalies: values.next() ?? none,
    imagesFound: values.next(),
    imagesWritten: values.next(),
  };
}

function writeColumns(values: unknown[], columns: MailColumns): void {
  values.push(
    columns.insert_time,
    columns.timestamp,
    columns.sport,
    columns.dport,
    columns.source_ip,
    columns.target_ip,
    columns.len,
    columns.ttl,
    columns.host_name,
    columns.mail_from,
    columns.mail_to,
    columns.x_mail,
    columns.mail_subject,
    columns.mail_priority,
    columns.message_id,
    columns.mail_content,
    columns.file_path,
    columns.image_sign,
    columns.parse_sign,
  );
}

function readColumns(values: FlatReader): MailColumns {
  return {
    insert_time: values.next(),
    timestamp: values.next(),
    sport: values.next(),
    dport: values.next(),
    source_ip: values.next(),
    target_ip: values.next(),
    len: values.next(),
    ttl: values.next(),
    host_name: values.next(),
    mail_from: values.next(),
    mail_to: values.next(),
    x_mail: values.next(),
    mail_subject: values.next(),
    mail_priority: values.next(),
    message_id: values.next(),
    mail_content: values.next(),
    file_path: values.next(),
    image_sign: values.next(),
    parse_sign: values.next(),
  };
}

function writeDetail(values: unknown[], detail: MailDetail): void {
  values.push(
    detail.protocol,
    detail.direction,
    detail.method,
    detail.raw_sha256,
    detail.raw_size,
    detail.complete,
    detail.missing_bytes,
    listOf(detail.missing),
    detail.accepted,
    detail.envelope_from,
    detail.envelope_to,
    listOf(detail.cc),
    listOf(detail.reply_to),
    detail.date,
    detail.user,
    detail.layer,
    detail.encrypted,
    listOf(detail.images),
    listOf(detail.attachments),
    listOf(detail.anomalies),
    detail.first_frame,
    detail.last_frame,
    detail.mailbox,
    detail.uid,
    detail.mail_key,
  );
}

function readDetail(values: FlatReader): MailDetail {
  return {
    protocol: values.next(),
    direction: values.next(),
    method: values.next(),
    raw_sha256: values.next(),
    raw_size: values.next(),
    complete: values.next(),
    missing_bytes: values.next(),
    missing: values.next() ?? none,
    accepted: values.next(),
    envelope_from: values.next(),
    envelope_to: values.next(),
    cc: values.next() ?? none,
    reply_to: values.next() ?? none,
    date: values.next(),
    user: values.next(),
    layer: values.next(),
    encrypted: values.next(),
    images: values.next() ?? none,
    attachments: values.next() ?? none,
    anomalies: values.next() ?? none,
    first_frame: values.next(),
    last_frame: values.next(),
    mailbox: values.next(),
    uid: values.next(),
    mail_key: values.next(),
  };
}

const none: readonly never[] = [];

/** Nearly all lists have nothing in them, and need not be copied. */
function listOf<Value>(list: readonly Value[]): readonly Value[] | undefined {
  return list.length === 0 ? undefined : list;
}
