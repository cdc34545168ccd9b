/** SQLite's result codes (https://www.sqlite.org/rescode.html) in the operator's words. */
import { MailprocError } from '../../core/errors.ts';
import { fileError } from '../store-error.ts';

interface Known {
  /** Begins the extended result codes too: `SQLITE_BUSY_SNAPSHOT`. */
  readonly prefix: string;
  readonly code: string;
  readonly text: string;
  readonly hint: string;
}

const known: readonly Known[] = [
  {
    prefix: 'SQLITE_BUSY',
    code: 'store.busy',
    text: 'another program has locked it',
    hint: 'wait for the other run to end, or close the program that has the file open',
  },
  {
    prefix: 'SQLITE_FULL',
    code: 'store.full',
    text: 'no space is left',
    hint: 'make room and run again: what is stored is not read twice',
  },
  {
    prefix: 'SQLITE_READONLY',
    code: 'store.not-writable',
    text: 'it is read-only',
    hint: 'give the user that runs mailproc the right to write the file and its directory',
  },
  {
    prefix: 'SQLITE_CANTOPEN',
    code: 'store.not-writable',
    text: 'it cannot be opened',
    hint: 'give the user that runs mailproc the right to write the file and its directory',
  },
  {
    prefix: 'SQLITE_IOERR',
    code: 'store.failed',
    text: 'the system cannot read or write it',
    hint: 'look for a full disk, a quota, a limit (`ulimit -f`) or a disk that fails (`df`, `dmesg`)',
  },
  {
    prefix: 'SQLITE_NOTADB',
    code: 'store.foreign',
    text: 'it is no SQLite database',
    hint: 'name another file; this one is left as it is',
  },
  {
    prefix: 'SQLITE_CORRUPT',
    code: 'store.damaged',
    text: 'the database is damaged',
    hint: 'restore it from a backup, or save what can be read with `sqlite3 FILE .recover`',
  },
];

/** A file that cannot be opened at all has a text of the driver's own, with the result code at its end. */
function codeOf(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof message === 'string' && /^ConnectionFailed\(.*: 14"\)$/.test(message)
    ? 'SQLITE_CANTOPEN'
    : code;
}

/** `action` reads "what was being done, to what". */
export function sqliteError(error: unknown, action: string): MailprocError {
  const code = codeOf(error);
  if (typeof code !== 'string' || !code.startsWith('SQLITE_')) return fileError(error, action);
  const match = known.find(({ prefix }) => code === prefix || code.startsWith(`${prefix}_`));
  if (match === undefined) {
    return new MailprocError('store.failed', `${action}: ${(error as Error).message} (${code})`, {
      cause: error,
    });
  }
  return new MailprocError(match.code, `${action}: ${match.text}`, { hint: match.hint, cause: error });
}
