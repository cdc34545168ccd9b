/** Puts fragmented IPv4 and IPv6 datagrams together, within the bounds of `packetLimits`. */
import { packetLimits } from '../core/limits.ts';
import type { PacketCounts } from './counts.ts';
import type { Cursor, Next } from './cursor.ts';
import { Datagram } from './datagram.ts';
import { afterProtocol } from './ip.ts';

export class Reassembler {
  readonly #counts: PacketCounts;
  /** In the order of their first fragments. */
  readonly #waiting = new Map<string, Datagram>();
  #waitingSize = 0;
  /**
   * Datagrams that were complete a moment ago. A mirror port may deliver each fragment twice; the copies
   * that come behind the last fragment would otherwise wait in vain, and spoil the next datagram that has
   * the same identification.
   */
  readonly #complete = new Map<string, Datagram>();

  constructor(counts: PacketCounts) {
    this.#counts = counts;
  }

  /** Takes the fragment at the cursor; what follows is in the whole datagram, once it is complete. */
  receive(cursor: Cursor): Next {
    this.#giveUpLate(cursor.seconds);
    const key = identityOf(cursor);
    if (this.#isCopyOfComplete(key, cursor)) {
      this.#counts.fragmentCopies++;
      return cursor.stop('fragment-dropped');
    }
    const datagram = this.#waiting.get(key) ?? this.#begin(key, cursor.seconds);
    const sizeBefore = datagram.size;
    const verdict = datagram.take(cursor);
    this.#waitingSize += datagram.size - sizeBefore;
    if (verdict === 'invalid') {
      if (datagram.packets === 0) this.#remove(datagram);
      return cursor.stop('malformed');
    }
    if (verdict === 'copy') {
      this.#counts.fragmentCopies++;
      return cursor.stop('fragment-dropped');
    }
    if (datagram.isComplete) return this.#finish(datagram, cursor);
    // The decoder counts this packet as waiting; here it is only remembered for the day it leaves.
    datagram.packets += cursor.packets;
    datagram.octets += cursor.octets;
    this.#makeRoom(datagram);
    return cursor.stop('fragment-waiting');
  }

  /** The capture ends: what is not complete now never will be. */
  giveUpAll(): void {
    for (const datagram of this.#waiting.values()) {
      this.#counts.datagramsIncomplete++;
      this.#drop(datagram);
    }
  }

  #begin(key: string, seconds: number): Datagram {
    const datagram = new Datagram(key, seconds);
    this.#waiting.set(key, datagram);
    return datagram;
  }

  #isCopyOfComplete(key: string, cursor: Cursor): boolean {
    const datagram = this.#complete.get(key);
    if (datagram === undefined) return false;
    if (datagram.contains(cursor)) return true;
    // The sender has begun to use the identification again.
    this.#complete.delete(key);
    return false;
  }

  #finish(datagram: Datagram, cursor: Cursor): Next {
    this.#remove(datagram);
    this.#counts.classes['fragment-waiting'].add(-datagram.packets, -datagram.octets);
    cursor.packets += datagram.packets;
    cursor.octets += datagram.octets;
    this.#complete.set(datagram.key, datagram);
    if (this.#complete.size > packetLimits.completeDatagramsKept) {
      const [oldest] = this.#complete.keys();
      if (oldest !== undefined) this.#complete.delete(oldest);
    }
    this.#counts.datagramsComplete++;
    datagram.handOver(cursor);
    return afterProtocol(cursor, cursor.protocol);
  }

  /** Looks at the oldest only: each call pays for what it drops. */
  #giveUpLate(now: number): void {
    for (const datagram of this.#waiting.values()) {
      // Clocks jump in both directions.
      if (Math.abs(now - datagram.startSeconds) <= packetLimits.fragmentTimeoutSeconds) return;
      this.#counts.datagramsIncomplete++;
      this.#drop(datagram);
    }
  }

  /** The oldest go first; `newest` itself is never larger than the limit. */
  #makeRoom(newest: Datagram): void {
    for (const datagram of this.#waiting.values()) {
      const isRoom =
        this.#waiting.size <= packetLimits.fragmentedDatagramsMax &&
        this.#waitingSize <= packetLimits.fragmentBytesMax;
      if (isRoom) return;
      if (datagram === newest) continue;
      this.#counts.datagramsOverLimit++;
      this.#drop(datagram);
    }
  }

  #drop(datagram: Datagram): void {
    this.#remove(datagram);
    this.#counts.classes['fragment-waiting'].add(-datagram.packets, -datagram.octets);
    this.#counts.classes['fragment-dropped'].add(datagram.packets, datagram.octets);
  }

  #remove(datagram: Datagram): void {
    this.#waiting.delete(datagram.key);
    this.#waitingSize -= datagram.size;
  }
}

/**
 * Addresses, identification and (IPv4 only, RFC 8200 §4.5) protocol. Tags and tunnels do not belong to
 * it: the fragments of one datagram may take different ways.
 */
function identityOf(cursor: Cursor): string {
  const { addressBuffer, addressOffset, addressLength, identification } = cursor;
  const addresses = addressBuffer.toString('latin1', addressOffset, addressOffset + 2 * addressLength);
  const protocol = addressLength === 4 ? cursor.protocol : 0;
  return addresses + String.fromCharCode(protocol, identification >>> 16, identification & 0xffff);
}
