/**
 * TLS records cut out of one direction's octets, RFC 5246 §6.2.1 and RFC 8446 §5.1:
 *
 *     ContentType type; ProtocolVersion version; uint16 length; opaque fragment[length];
 *
 * After octets were lost the next record is searched for: a place that looks like a header is a candidate,
 * and who can check the record's tag says whether it is one.
 */
import { tlsLimits } from '../../core/limits.ts';
import type { Sighting } from '../../stream/types.ts';
import { OctetQueue } from './octet-queue.ts';

export const CONTENT_TYPE = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
} as const;

export const HEADER_BYTES = 5;

/** What a hole costs in memory, near enough. */
const HOLE_COST_BYTES = 256;

export interface TlsRecord {
  readonly type: number;
  readonly version: number;
  /** Header and fragment are views that die with the next `append`. */
  readonly header: Buffer;
  readonly fragment: Buffer;
  /** The octets right before the header, at most 64, fewer behind a hole; a view, too. */
  readonly before: Buffer;
  /** Of the header, in octets from the beginning of the direction. */
  readonly offset: number;
  /** The packet that carried the header's first octet. */
  readonly seen: Sighting;
  /** Found by searching: it may be no record at all. */
  readonly isCandidate: boolean;
}

export class RecordReader {
  /** Runs of octets with holes between them; the last one takes what arrives. */
  readonly #runs: OctetQueue[] = [new OctetQueue(0)];
  #received = 0;
  /** Octets of the holes between the runs. */
  #lost = 0;
  #isSearching = false;
  #isEnded = false;
  /** Where the record ends that a hole cut, as its header said: the next one begins there. */
  #resumeAt: number | undefined;

  append(bytes: Buffer, seen: Sighting): void {
    this.#runs.at(-1)?.append(bytes, seen);
    this.#received += bytes.length;
  }

  /** `length` octets were lost behind what was appended before. */
  gap(length: number): void {
    this.#received += length;
    this.#lost += length;
    this.#runs.push(new OctetQueue(this.#received));
  }

  /** No more octets come: what looks like a header of more than there are is none. */
  end(): void {
    this.#isEnded = true;
  }

  /** Octets that were received or lost since the beginning. */
  get received(): number {
    return this.#received;
  }

  /** The packet of the first octet that was not read. */
  get seen(): Sighting | undefined {
    return this.#runs[0]?.seen;
  }

  /** Octets in memory; a hole counts for what it costs. */
  get heldBytes(): number {
    const read = this.#runs[0]?.offset ?? this.#received;
    return this.#received - read - this.#lost + (this.#runs.length - 1) * HOLE_COST_BYTES;
  }

  /** What it takes of memory, room for more included. */
  get cost(): number {
    let cost = this.#runs.length * HOLE_COST_BYTES;
    for (const run of this.#runs) cost += run.cost;
    return cost;
  }

  /** The next record or candidate; the same one until it is accepted or rejected. */
  next(): TlsRecord | undefined {
    for (;;) {
      const run = this.#runs[0];
      if (!run) return undefined;
      this.#resume(run);
      const record = this.#isSearching ? this.#search(run) : this.#atFront(run);
      if (record) return record;
      // More of this run may come, unless a hole ends it; a wrong header at the front starts a search.
      if (this.#runs.length === 1) {
        if (this.#isSearching || !this.#frontIsWrong(run)) return undefined;
        this.#isSearching = true;
      } else if (!this.#isSearching && this.#frontIsWrong(run)) {
        this.#isSearching = true;
      } else {
        this.#leave(run);
      }
    }
  }

  /** The record was one: the next begins behind it. */
  accept(record: TlsRecord): void {
    this.#runs[0]?.drop(HEADER_BYTES + record.fragment.length);
    this.#isSearching = false;
  }

  /** The candidate was none: the search goes on one octet further. */
  reject(): void {
    this.#runs[0]?.drop(1);
    this.#isSearching = true;
  }

  #atFront(run: OctetQueue): TlsRecord | undefined {
    const fragmentBytes = headerLength(run, 0);
    if (fragmentBytes === undefined || HEADER_BYTES + fragmentBytes > run.length) return undefined;
    return this.#record(run, fragmentBytes);
  }

  #frontIsWrong(run: OctetQueue): boolean {
    return run.length >= HEADER_BYTES && headerLength(run, 0) === undefined;
  }

  /**
   * A candidate that is complete, or undefined while the first one is not; at a hole and at the end the incomplete are
   * passed.
   */
  #search(run: OctetQueue): TlsRecord | undefined {
    const isEnded = this.#runs.length > 1 || this.#isEnded;
    let at = 0;
    let complete: number | undefined;
    for (; at + HEADER_BYTES <= run.length; at++) {
      const fragmentBytes = headerLength(run, at);
      if (fragmentBytes === undefined) continue;
      if (at + HEADER_BYTES + fragmentBytes <= run.length) complete = fragmentBytes;
      if (complete !== undefined || !isEnded) break;
    }
    run.drop(at);
    return complete === undefined ? undefined : this.#record(run, complete);
  }

  /** The run ends in a hole: if the record that the hole cuts is known, so is the beginning of the next. */
  #leave(run: OctetQueue): void {
    const fragmentBytes = this.#isSearching ? undefined : headerLength(run, 0);
    if (fragmentBytes !== undefined) this.#resumeAt = run.offset + HEADER_BYTES + fragmentBytes;
    this.#isSearching = true;
    const next = this.#runs[1];
    if (next) this.#lost -= next.offset - run.offset - run.length;
    this.#runs.shift();
  }

  #resume(run: OctetQueue): void {
    if (this.#resumeAt === undefined || run.offset > this.#resumeAt) {
      this.#resumeAt = undefined;
      return;
    }
    run.drop(this.#resumeAt - run.offset);
    if (run.offset < this.#resumeAt) return;
    this.#resumeAt = undefined;
    this.#isSearching = false;
  }

  #record(run: OctetQueue, fragmentBytes: number): TlsRecord | undefined {
    const { seen } = run;
    if (!seen) return undefined;
    const header = run.view(0, HEADER_BYTES);
    return {
      type: header.readUInt8(0),
      version: header.readUInt16BE(1),
      header,
      fragment: run.view(HEADER_BYTES, HEADER_BYTES + fragmentBytes),
      before: run.before,
      offset: run.offset,
      seen,
      isCandidate: this.#isSearching,
    };
  }
}

/** The fragment's length if a record's header may stand at `index`; undefined if not or if it is cut. */
function headerLength(run: OctetQueue, index: number): number | undefined {
  if (run.length - index < HEADER_BYTES) return undefined;
  const type = run.octet(index);
  if (type < CONTENT_TYPE.changeCipherSpec || type > CONTENT_TYPE.applicationData) return undefined;
  if (run.octet(index + 1) !== 3 || run.octet(index + 2) > 4) return undefined;
  const length = (run.octet(index + 3) << 8) | run.octet(index + 4);
  return length <= tlsLimits.recordBytesMax ? length : undefined;
}
