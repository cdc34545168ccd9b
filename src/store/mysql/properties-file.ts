/**
 * Java's .properties files, which MyCat keeps counters in: read, and rewritten in place with comments and other
 * keys as they are. A rewrite is atomic and durable; a lock file makes runs and machines take turns.
 */
import { randomBytes } from 'node:crypto';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../core/errors.ts';
import { clusterLimits } from '../../core/limits.ts';
import { type FileLock, lockFile } from '../ndjson/lock.ts';
import { fileError } from '../store-error.ts';

export type Properties = ReadonlyMap<string, string>;

/** Octets are Latin-1, as in Java: what is not understood is written back as it was. */
const encoding = 'latin1';

/** Later lines win. */
export function parseProperties(text: string): Properties {
  return new Map(logicalLines(text).flatMap(({ entry }) => (entry === undefined ? [] : [entry])));
}

/** `text` with new values: in the line of the key, or in a line of its own at the end. */
export function replaceProperties(text: string, changes: Properties): string {
  const missing = new Map(changes);
  const before = logicalLines(text);
  const lines = before.map(({ raw, entry }) => {
    const value = entry === undefined ? undefined : changes.get(entry[0]);
    if (entry === undefined || value === undefined) return raw;
    missing.delete(entry[0]);
    return `${writeEntry(entry[0], value)}\n`;
  });
  const last = before.at(-1);
  if (missing.size > 0 && last !== undefined) lines.push(separator(last));
  for (const [key, value] of missing) lines.push(`${writeEntry(key, value)}\n`);
  return lines.join('');
}

/** What must stand between the last line and one that is added. */
function separator(last: LogicalLine): string {
  if (last.isOpen) return '\n\n';
  return /[\r\n]$/.test(last.raw) ? '' : '\n';
}

/** undefined where there is no such file. */
export async function readProperties(path: string): Promise<Properties | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : parseProperties(text);
}

/**
 * Rewrites a file, waiting for others that do the same. `change` gets what is there, nothing where there is no
 * file, and returns what is to be different. Resolves once that is durable.
 */
export async function updateProperties(path: string, change: (now: Properties) => Properties): Promise<void> {
  // A rename over a symbolic link would put a file in its place.
  const target = await realpath(path).catch(() => path);
  const lock = await waitForLock(target);
  try {
    const text = (await readIfThere(target)) ?? '';
    const changes = change(parseProperties(text));
    if (changes.size > 0) await replaceFile(target, replaceProperties(text, changes));
  } finally {
    await lock.release();
  }
}

async function waitForLock(target: string): Promise<FileLock> {
  const until = Date.now() + clusterLimits.propertiesLockWaitMs;
  for (;;) {
    try {
      return await lockFile(target);
    } catch (error) {
      const isBusy = error instanceof MailprocError && error.code === 'store.busy';
      if (!isBusy || Date.now() > until) throw error;
    }
    await sleep(2 + Math.random() * 10);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).size > clusterLimits.configBytesMax) throw tooLarge(path);
    return await readFile(path, encoding);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(error, `read ${path}`);
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.part`;
  try {
    const mode = await stat(path).then(
      (status) => status.mode & 0o777,
      () => 0o644,
    );
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(text, encoding);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError(error, `write ${path}`);
  }
}

/** Makes the rename durable; not every system lets a folder be opened. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

function tooLarge(path: string): MailprocError {
  return new MailprocError(
    'store.failed',
    `read ${path}: it is larger than ${clusterLimits.configBytesMax} octets`,
  );
}

interface LogicalLine {
  /** As in the file, with its line ends. */
  readonly raw: string;
  readonly entry: readonly [key: string, value: string] | undefined;
  /** The file ends where it should go on. */
  readonly isOpen: boolean;
}

/** A line that ends in an odd number of backslashes goes on in the next one; comments do not. */
function logicalLines(text: string): readonly LogicalLine[] {
  const lines: LogicalLine[] = [];
  let pending: string[] = [];
  for (const line of text.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+/g) ?? []) {
    pending.push(line);
    const isComment = pending.length === 1 && /^[ \t\f]*[#!]/.test(line);
    if (!isComment && continues(line)) continue;
    lines.push(logicalLine(pending, false));
    pending = [];
  }
  if (pending.length > 0) lines.push(logicalLine(pending, true));
  return lines;
}

function continues(line: string): boolean {
  const end = line.replace(/[\r\n]+$/, '');
  let backslashes = 0;
  while (end.charAt(end.length - 1 - backslashes) === '\\') backslashes++;
  return backslashes % 2 === 1;
}

function logicalLine(physical: readonly string[], isOpen: boolean): LogicalLine {
  const pieces = physical.map((line) => {
    const piece = line.replace(/[\r\n]+$/, '').replace(/^[ \t\f]+/, '');
    return continues(line) ? piece.slice(0, -1) : piece;
  });
  const text = pieces.join('');
  const raw = physical.join('');
  if (text === '' || text.startsWith('#') || text.startsWith('!')) return { raw, entry: undefined, isOpen };
  const [key = ''] = /^(?:[^\\:= \t\f]|\\.?)*/.exec(text) ?? [];
  const value = text.slice(key.length).replace(/^[ \t\f]*[:=]?[ \t\f]*/, '');
  return { raw, entry: [decodeText(key), decodeText(value)], isOpen };
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f' };

function decodeText(text: string): string {
  return text.replace(
    /\\(?:u([0-9A-Fa-f]{4})|(.?))/gs,
    (_, code: string | undefined, plain: string | undefined) => {
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
      return escapes[plain ?? ''] ?? plain ?? '';
    },
  );
}

function writeEntry(key: string, value: string): string {
  return `${encodeText(key, /[\\:=#! \t\f\r\n]|[^\x20-\x7e]/g)}=${encodeText(value, /\\|^ |[\t\f\r\n]|[^\x20-\x7e]/g)}`;
}

function encodeText(text: string, special: RegExp): string {
  return text.replace(special, (character) => {
    if (/[\x20-\x7e]/.test(character)) return `\\${character}`;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
