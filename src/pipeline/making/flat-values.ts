/**
 * Raw messages as one list of plain values: the runtime copies such a list to another thread in a third of the time that
 * it takes for the objects, whose names it writes and looks up for each. What is seldom there goes as it is.
 */

import type { Sighting } from '../../stream/types.ts';
import type { FoundMail } from './mail-maker.ts';

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

const none: readonly never[] = [];

/** Nearly all lists have nothing in them, and need not be copied. */
function listOf<Value>(list: readonly Value[]): readonly Value[] | undefined {
  return list.length === 0 ? undefined : list;
}
