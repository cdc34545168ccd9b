/**
 * What a direction's records are protected with for a while, and what comes next: in TLS 1.2 keys change by
 * ChangeCipherSpec, in TLS 1.3 (RFC 8446 §7.1) early, handshake and application keys follow one another, the
 * latter renewed by KeyUpdate.
 */
import type { CipherSuite } from './cipher-suites.ts';
import { nextTrafficSecret } from './key-schedule.ts';
import type { RecordOpener } from './record-opener.ts';
import { createTls13Opener } from './session-keys.ts';

export interface Epoch {
  readonly opener: RecordOpener;
  /** `early`: application data that the server may have ignored. */
  readonly carries: 'early' | 'handshake' | 'application';
  /** Its first record is the Finished message, as in TLS 1.2. */
  readonly beginsWithFinished: boolean;
  /** The epoch before it cannot be read, for its secret is missing: what does not open belongs there. */
  readonly followsUnreadable: boolean;
  next(): Epoch | undefined;
}

/** TLS 1.0 to 1.2: lasts until a renegotiation. */
export function sessionEpoch(opener: RecordOpener): Epoch {
  return {
    opener,
    carries: 'application',
    beginsWithFinished: true,
    followsUnreadable: false,
    next: () => undefined,
  };
}

/** The secrets of one direction of TLS 1.3. */
export interface TrafficSecrets {
  /** Early data may be sent. */
  readonly mayBeEarly: boolean;
  readonly early: Buffer | undefined;
  readonly handshake: Buffer | undefined;
  readonly application: Buffer;
}

/** The first epoch that can be read; undefined where TLS 1.3 does not have the suite. */
export function firstTrafficEpoch(suite: CipherSuite, secrets: TrafficSecrets): Epoch | undefined {
  const isEarlyUnreadable = secrets.mayBeEarly && !secrets.early;
  const application = (): Epoch | undefined => {
    const isUnreadable = isEarlyUnreadable || !secrets.handshake;
    return applicationEpoch(suite, secrets.application, isUnreadable);
  };
  const handshake = (): Epoch | undefined => {
    if (!secrets.handshake) return application();
    const epoch = trafficEpoch(suite, secrets.handshake, 'handshake', application);
    return epoch && { ...epoch, followsUnreadable: isEarlyUnreadable };
  };
  return secrets.early ? trafficEpoch(suite, secrets.early, 'early', handshake) : handshake();
}

function applicationEpoch(suite: CipherSuite, secret: Buffer, followsUnreadable: boolean): Epoch | undefined {
  const renewed = () => applicationEpoch(suite, nextTrafficSecret(suite.hash, secret), false);
  const epoch = trafficEpoch(suite, secret, 'application', renewed);
  return epoch && { ...epoch, followsUnreadable };
}

function trafficEpoch(
  suite: CipherSuite,
  secret: Buffer,
  carries: Epoch['carries'],
  next: () => Epoch | undefined,
): Epoch | undefined {
  const opener = createTls13Opener(suite, secret);
  return opener && { opener, carries, beginsWithFinished: false, followsUnreadable: false, next };
}
