/**
 * The table a mail belongs to when it may be known from another day. A mail is looked for in the table of the
 * day being ingested and in that of its own time; where a mail goes into a table of another day than its own,
 * that is written down first, for all runs to find. The unique key of that table does the rest.
 */
import { mysqlLimits } from '../../core/limits.ts';
import { groupBy, type Mail } from './batch.ts';
import type { MysqlConnection } from './connection.ts';
import { keyOctets } from './keys.ts';
import type { MailProtocol } from './types.ts';

export interface Places {
  /** Runs `work` where placements are written down. */
  home<Value>(work: (connection: MysqlConnection) => Promise<Value>): Promise<Value>;
  /** Which of `keys` are in the table of a day; empty where there is none. */
  known(protocol: MailProtocol, day: string, keys: readonly string[]): Promise<ReadonlyMap<string, unknown>>;
}

/** Sets `day` of each mail. */
export async function placeMails(mails: readonly Mail[], places: Places): Promise<void> {
  await follow(mails, places);
  const astray = mails.filter(
    (mail) => mail.day === mail.best.columns.insert_time && ownDay(mail) !== mail.day,
  );
  if (astray.length === 0) return;
  await findAtHome(astray, places);
  const homeless = astray.filter((mail) => ownDay(mail) !== mail.day);
  await places.home((connection) => writeDown(connection, homeless));
  // Another run may have been faster with one of them.
  await follow(homeless, places);
}

function ownDay(mail: Mail): string {
  const day = mail.versions[0]?.columns.timestamp.slice(0, 10) ?? '';
  return /^\d{4}-\d{2}-\d{2}$/.test(day) ? day : mail.day;
}

async function follow(mails: readonly Mail[], places: Places): Promise<void> {
  if (mails.length === 0) return;
  // Seldom is any mail astray.
  const any = await places.home((connection) => connection.rows('SELECT 1 FROM mailproc_placement LIMIT 1'));
  if (any.length === 0) return;
  const byKey = new Map(mails.map((mail) => [mail.key, mail]));
  const sql = 'SELECT mail_key, day FROM mailproc_placement WHERE mail_key IN (?)';
  for (const some of portions(mails)) {
    const keys = some.map(({ key }) => keyOctets(key));
    for (const row of await places.home((connection) => connection.rows(sql, [keys]))) {
      const mail = byKey.get((row['mail_key'] as Buffer).toString('hex'));
      if (mail !== undefined) mail.day = String(row['day']);
    }
  }
}

async function findAtHome(astray: readonly Mail[], places: Places): Promise<void> {
  for (const mails of groupBy(astray, (mail) => `${mail.protocol} ${ownDay(mail)}`).values()) {
    const [first] = mails;
    if (first === undefined) continue;
    const day = ownDay(first);
    const known = await places.known(
      first.protocol,
      day,
      mails.map(({ key }) => key),
    );
    for (const mail of mails) if (known.has(mail.key)) mail.day = day;
  }
}

async function writeDown(connection: MysqlConnection, mails: readonly Mail[]): Promise<void> {
  for (const some of portions(mails)) {
    const places = some.map(() => '(?, ?)').join(', ');
    const values = some.flatMap(({ key, day }) => [keyOctets(key), day]);
    await connection.run(`INSERT IGNORE INTO mailproc_placement (mail_key, day) VALUES ${places}`, values);
  }
}

function* portions(mails: readonly Mail[]): Generator<readonly Mail[]> {
  for (let start = 0; start < mails.length; start += mysqlLimits.lookupKeysMax) {
    yield mails.slice(start, start + mysqlLimits.lookupKeysMax);
  }
}
