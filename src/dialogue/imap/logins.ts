/** Who is logged in, RFC 9051 §6.2.2 and §6.2.3; passwords are never looked at. */
import { SaslExchange } from '../sasl.ts';
import { argumentsOf, type Command, loginUser } from './command.ts';
import { textOf } from './value.ts';

/** Who claims to log in; the answer tells whether it is true. */
export interface Login {
  readonly user: string | null;
}

export class Logins {
  #user: string | null = null;
  /** The latest, answered or not. */
  #latest: Login | undefined;
  /** The AUTHENTICATE exchange in progress. */
  #exchange: SaslExchange | undefined;

  get user(): string | null {
    return this.#user;
  }

  /** Who logged in last as far as the client's side tells. */
  get claimedUser(): string | null {
    return this.#latest?.user ?? null;
  }

  /** Undefined where `command` is none to log in. */
  begin(command: Command): Login | undefined {
    if (command.name !== 'LOGIN' && command.name !== 'AUTHENTICATE') return undefined;
    if (command.name === 'LOGIN') {
      this.#latest = { user: loginUser(command) };
    } else {
      const [mechanism, initialResponse] = argumentsOf(command);
      this.#exchange = new SaslExchange(textOf(mechanism) ?? '', textOf(initialResponse));
      this.#latest = this.#exchange;
    }
    return this.#latest;
  }

  /** One line of the client in the exchange. */
  respond(line: Buffer): void {
    this.#exchange?.respond(line);
  }

  /** `accepted` undefined: the answer was not captured. */
  answered(login: Login | undefined, accepted: boolean | undefined): void {
    if (accepted === true) this.#user = login?.user ?? null;
    else if (accepted === false && this.#latest === login) this.#latest = undefined;
  }
}
