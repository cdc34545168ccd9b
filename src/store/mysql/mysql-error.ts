/** What a MySQL or MariaDB server or the way to it complains of: to be tried again, or in the operator's words. */
import { AssertionError } from 'node:assert';
import { MailprocError } from '../../core/errors.ts';

/** What can be done about an error. */
export type Trouble =
  /** The connection is of no use any more; whether a COMMIT on its way was done is unknown. */
  | 'connection'
  /** The server takes no writes: a replica, or a master that was told so. */
  | 'read-only'
  /** Another transaction was in the way; this one is rolled back and may be tried again. */
  | 'conflict'
  /** A row with this key or this id is there. */
  | 'duplicate'
  /** A table or database that was there is gone. */
  | 'schema'
  | 'other';

/** https://mariadb.com/kb/en/mariadb-error-codes/; the numbers are those of MySQL. */
const troubles: ReadonlyMap<number, Trouble> = new Map([
  [1021, 'other'],
  // Too many connections, shutdown in progress, connection killed, aborted, lost.
  [1040, 'connection'],
  [1053, 'connection'],
  [1077, 'connection'],
  [1152, 'connection'],
  [1158, 'connection'],
  [1159, 'connection'],
  [1160, 'connection'],
  [1161, 'connection'],
  [1184, 'connection'],
  [1317, 'connection'],
  [1927, 'connection'],
  [2006, 'connection'],
  [2013, 'connection'],
  [3169, 'connection'],
  // Galera: the node has not (or no longer) joined the cluster's primary component.
  [1047, 'connection'],
  // Galera lost the primary component while it committed: whether it did is unknown.
  [1180, 'connection'],
  // --read-only, a transaction or an engine that only reads.
  [1290, 'read-only'],
  [1792, 'read-only'],
  [1836, 'read-only'],
  // Lock wait timeout, deadlock (Galera: certification), record changed since the snapshot.
  [1205, 'conflict'],
  [1213, 'conflict'],
  [1020, 'conflict'],
  [1062, 'duplicate'],
  [1586, 'duplicate'],
  // No database (any more), unknown database, table, column; the table was changed under a prepared statement.
  [1046, 'schema'],
  [1049, 'schema'],
  [1146, 'schema'],
  [1054, 'schema'],
  [1412, 'schema'],
  [1615, 'schema'],
]);

interface DriverError extends Error {
  readonly errno?: number;
  readonly code?: string;
  readonly sqlMessage?: string;
}

export function troubleOf(error: unknown): Trouble {
  if (error instanceof MailprocError || error instanceof AssertionError) return 'other';
  const { errno, code, sqlMessage } = error as DriverError;
  if (sqlMessage !== undefined && errno !== undefined) return troubles.get(errno) ?? 'other';
  return code !== undefined && connectionCodes.test(code) ? 'connection' : 'other';
}

const connectionCodes =
  /^(?:E(?:CONN\w+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|HOSTDOWN|AI_AGAIN|NOENT|NOTFOUND)|PROTOCOL_\w+)$/;

/** Of a duplicate: whether it is the id that is taken, not the key of the mail. */
export function isDuplicateId(error: unknown): boolean {
  const { errno, sqlMessage } = error as DriverError;
  return errno === 1062 && /for key '(?:[^']*\.)?(?:PRIMARY|row_of_key)'/.test(sqlMessage ?? '');
}

interface Known {
  readonly numbers: readonly number[];
  /** Of other errors: what the server says of their cause. */
  readonly said?: RegExp;
  readonly code: string;
  readonly text: string;
  readonly hint: string;
}

const known: readonly Known[] = [
  {
    numbers: [1045, 1698, 1251, 2049],
    code: 'store.access-denied',
    text: 'the server does not accept this user and password from here',
    hint: 'check user and password (MAILPROC_MYSQL_PASSWORD), and that the account may log in from this host (SELECT user, host FROM mysql.user)',
  },
  {
    numbers: [1044, 1142, 1143, 1227, 1370],
    code: 'store.no-right',
    text: 'the user has no right to do this',
    hint: "grant it: GRANT CREATE, CREATE VIEW, SHOW VIEW, DROP, SELECT, INSERT, UPDATE, DELETE ON `database`.* TO 'user'@'host'",
  },
  {
    numbers: [1049],
    code: 'store.no-database',
    text: 'the database does not exist',
    hint: 'create it, or let the user create databases',
  },
  {
    numbers: [1021, 1114, 1030],
    // ENOSPC, or an InnoDB file at its greatest size.
    said: /\b(?:errno|errcode): (?:28|135)\b/i,
    code: 'store.full',
    text: 'the server has no space left',
    hint: 'make room on the server and run again: what is stored is not written twice',
  },
  {
    numbers: [1290, 1792, 1836],
    code: 'store.not-writable',
    text: 'the server is read-only',
    hint: 'name the master, or end its read-only mode: SET GLOBAL read_only = OFF',
  },
  {
    // Transactions run at READ COMMITTED, which InnoDB cannot log as statements.
    numbers: [1665],
    code: 'store.binlog-format',
    text: 'the server logs statements, and InnoDB refuses these writes',
    hint: 'SET GLOBAL binlog_format = ROW, and the same in my.cnf; then run again',
  },
  {
    numbers: [1205, 1213, 1020],
    code: 'store.busy',
    text: 'other transactions were in the way again and again',
    hint: 'run again; SHOW ENGINE INNODB STATUS tells who holds the locks',
  },
];

/** `action` reads "what was being done, to what". Returns a `MailprocError` as it is, throws a bug as it is. */
export function mysqlError(error: unknown, action: string): MailprocError {
  if (error instanceof MailprocError) return error;
  if (error instanceof AssertionError || error instanceof TypeError || error instanceof ReferenceError)
    throw error;
  const { errno, code, sqlMessage, message } = error as DriverError;
  const match =
    sqlMessage === undefined
      ? undefined
      : known.find(({ numbers, said }) => numbers.includes(errno ?? 0) || said?.test(sqlMessage));
  const text = sqlMessage ?? message;
  if (match !== undefined) {
    return new MailprocError(match.code, `${action}: ${match.text} (${text})`, {
      hint: match.hint,
      cause: error,
    });
  }
  if (
    code === 'HANDSHAKE_SSL_ERROR' ||
    code === 'HANDSHAKE_NO_SSL_SUPPORT' ||
    /^(?:ERR_TLS|ERR_SSL|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO)/.test(code ?? '')
  ) {
    return new MailprocError('store.tls', `${action}: no TLS connection (${text})`, {
      hint: tlsHint(code, text),
      cause: error,
    });
  }
  if (troubleOf(error) === 'connection') {
    return new MailprocError('store.unreachable', `${action}: ${connectionText(code, text)}`, {
      hint: 'check that the server runs, its address and port, and that no firewall is between',
      cause: error,
    });
  }
  return new MailprocError('store.failed', `${action}: ${text}${code === undefined ? '' : ` (${code})`}`, {
    cause: error,
  });
}

/** The driver words all errors of the handshake under one code. */
function tlsHint(code: string | undefined, text: string): string {
  if (code === 'HANDSHAKE_NO_SSL_SUPPORT')
    return 'switch TLS on in the server (ssl_cert, ssl_key), or leave tls and ca out';
  if (text.includes("does not match certificate's altnames"))
    return 'name the host as its certificate does, or give it a certificate with this name';
  if (text.includes('expired')) return 'renew the certificate of the server';
  return 'give the CA that signed the server certificate (ca=FILE); tls=required does not check it';
}

function connectionText(code: string | undefined, text: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'nobody listens there';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name of the host is not known';
    case 'ENOENT':
      return 'there is no such socket';
    case 'ETIMEDOUT':
      return 'no answer in time';
    default:
      return text;
  }
}
