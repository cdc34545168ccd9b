/**
 * Trouble that the operator can mend: a file, a setting, a database. Broken or hostile input is
 * never an error but an `Anomaly` (see anomaly.ts), and a broken invariant is an assertion.
 */
export class MailprocError extends Error {
  /** Stable identifier for scripts, for example `config.unknown-key`. */
  readonly code: string;
  /** What the operator can do about it; undefined where the message says it all. */
  readonly hint: string | undefined;

  /** `message` reads "what was being done, to what: what went wrong", without capital or full stop. */
  constructor(
    code: string,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'MailprocError';
    this.code = code;
    this.hint = options.hint;
  }
}

/** A `MailprocError` on its way from one thread to another: errors lose what is their own when they are cloned. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

export function failureOf({ code, message, hint }: MailprocError): Failure {
  return { code, message, hint };
}

export function errorOf({ code, message, hint }: Failure): MailprocError {
  return new MailprocError(code, message, hint === undefined ? {} : { hint });
}
