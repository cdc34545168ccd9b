/**
 * Login names in SASL exchanges (RFC 4422), as SMTP, POP3 and IMAP carry them: base64 lines.
 * Passwords and digests pass through and are not kept.
 */
import { protocolText } from './text.ts';

/** Responses the client sends at least, where it is not asked for more; for one-sided captures. */
const responseCounts: ReadonlyMap<string, number> = new Map([
  ['LOGIN', 2],
  ['DIGEST-MD5', 2],
  ['SCRAM-SHA-1', 2],
  ['SCRAM-SHA-256', 2],
]);

/** A login name longer than this is none. */
const userLengthMax = 1024;

export class SaslExchange {
  readonly mechanism: string;
  #responses = 0;
  #user: string | null = null;
  #cancelled = false;

  /** `initialResponse` as sent behind the mechanism: undefined for none, `=` for an empty one. */
  constructor(mechanism: string, initialResponse: string | undefined) {
    this.mechanism = mechanism.toUpperCase();
    if (initialResponse !== undefined) this.#read(initialResponse === '=' ? '' : initialResponse);
  }

  /** Null while it is not known, and where the client gave up. */
  get user(): string | null {
    return this.#cancelled ? null : this.#user;
  }

  /** The client gave up the exchange with `*`. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** The mechanism's usual responses were all seen. */
  get isProbablyOver(): boolean {
    return this.#cancelled || this.#responses >= (responseCounts.get(this.mechanism) ?? 1);
  }

  /** A response was not captured: what follows may be the password. */
  lose(): void {
    this.#cancelled = true;
  }

  /** One continuation line of the client, without its line end. */
  respond(line: Buffer): void {
    const text = line.toString('latin1', 0, 16_384).trim();
    if (text === '*') this.#cancelled = true;
    else this.#read(text);
  }

  #read(base64: string): void {
    this.#responses++;
    if (this.#user !== null) return;
    const name = userIn(this.mechanism, protocolText(Buffer.from(base64, 'base64')));
    if (name !== undefined && name !== '' && name.length <= userLengthMax) this.#user = name;
  }
}

/** The name in one decoded response; undefined where the response holds none. */
function userIn(mechanism: string, response: string): string | undefined {
  if (mechanism.startsWith('SCRAM-')) return scramUser(response);
  switch (mechanism) {
    case 'PLAIN':
      // RFC 4616: [authzid] NUL authcid NUL passwd
      // With a part missing the second of two is the password.
      return response.split('\0').length === 3 ? response.split('\0')[1] : undefined;
    case 'LOGIN':
    case 'EXTERNAL':
    case 'ANONYMOUS':
      return response;
    case 'CRAM-MD5':
      // RFC 2195: the name, a space, the digest.
      return response.slice(0, Math.max(response.lastIndexOf(' '), 0));
    case 'DIGEST-MD5':
      return /(?:^|,)\s*username="((?:[^"\\]|\\.)*)"/.exec(response)?.[1]?.replace(/\\(.)/g, '$1');
    case 'XOAUTH2':
      // https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
      return /(?:^|\x01)user=([^\x01]*)/.exec(response)?.[1];
    case 'OAUTHBEARER':
      // RFC 7628 §3.1, gs2-header: n,a=user,
      return /^[nyp][^,]*,a=([^,\x01]*)/.exec(response)?.[1]?.replaceAll('=2C', ',').replaceAll('=3D', '=');
    default:
      return undefined;
  }
}

/** RFC 5802 §7, client-first-message: n,,n=user,r=nonce */
function scramUser(response: string): string | undefined {
  const name = /^[nyp][^,]*,[^,]*,n=([^,]*),r=/.exec(response)?.[1];
  return name?.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
