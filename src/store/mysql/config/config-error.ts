/** Trouble in a cluster's configuration: always with the place where it must be mended. */
import { readFile, stat } from 'node:fs/promises';
import { closest } from 'fastest-levenshtein';
import { MailprocError } from '../../../core/errors.ts';
import { clusterLimits } from '../../../core/limits.ts';
import { systemReason } from '../../../core/system-reason.ts';

/** `where` names file, line and element: `schema.xml line 7, table "imap_2022_01", attribute rule`. */
export function configError(where: string, problem: string, hint?: string): MailprocError {
  return new MailprocError('config.cluster', `read ${where}: ${problem}`, hint === undefined ? {} : { hint });
}

export function unknownKeyError(where: string, key: string, known: readonly string[]): MailprocError {
  const message = `read ${where}: unknown key ${JSON.stringify(key)}`;
  return new MailprocError('config.unknown-key', message, { hint: nearestOf(key, known) });
}

/** A sentence that helps somebody who has mistyped a name. */
export function nearestOf(name: string, known: readonly string[]): string {
  if (known.length === 0) return 'nothing is known by a name here';
  return `did you mean "${closest(name.slice(0, 100), [...known])}"? Known are ${known.slice(0, 50).join(', ')}`;
}

/** The octets of a file as text. `what` names it in errors: `cluster file /etc/mailproc/cluster.yaml`. */
export async function readConfigText(
  path: string,
  what: string,
  encoding: BufferEncoding = 'utf8',
): Promise<string> {
  try {
    if ((await stat(path)).size > clusterLimits.configBytesMax) throw tooLarge(what);
    return (await readFile(path, encoding)).replace(/^\uFEFF/, '');
  } catch (cause) {
    if (cause instanceof MailprocError) throw cause;
    throw new MailprocError('config.unreadable', `read ${what}: ${systemReason(cause)}`, { cause });
  }
}

/** Like `readConfigText`; undefined where there is no such file. */
export async function readConfigTextIfThere(
  path: string,
  what: string,
  encoding: BufferEncoding = 'utf8',
): Promise<string | undefined> {
  try {
    return await readConfigText(path, what, encoding);
  } catch (error) {
    if (error instanceof MailprocError && isMissing(error.cause)) return undefined;
    throw error;
  }
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

function tooLarge(what: string): MailprocError {
  return configError(what, `it is larger than ${clusterLimits.configBytesMax} octets`);
}
